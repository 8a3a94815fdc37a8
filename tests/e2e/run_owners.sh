#!/bin/bash
# Whose processes they are: users, roots, namespaces, small shared memory,
# programs that the loader leaves alone.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:/usr/sbin:/sbin
need_python
need setpriv
[ "$(id -u)" = 0 ] || skip "only root becomes other users"
enter "$@"

chmod 755 "$tmp"
as() { local u=$1; shift; run setpriv --reuid "$u" --regid "$u" --clear-groups "$@"; }
owner() { run "$python" -B "$e2e_src/owners.py" "$@"; }

# A daemon of another user's, which gives its privileges up after bind().
dropped()
{
	new_port
	server dropped "$python" -B "$e2e_src/owners.py" serve "$port" "$1"
	ready_log listening || return
	check "$2" owner ask "$port" "$3"
	stop_all
}

# Names and modes of what lies in /dev/shm, and that others cannot open it.
objects()
{
	local f n=0

	for f in /dev/shm/rudp.*; do
		[ -e "$f" ] || continue
		equal "$(stat -c '%a %u' "$f")" "600 $(basename "$f" | cut -d. -f2)" || return
		n=$((n + 1))
	done
	[ "$mode" = native ] || at_least "$n" 1
}

strangers()
{
	new_port
	server root "$python" -B "$e2e_src/owners.py" serve "$port" stay
	ready_log listening || return
	check "objects are their user's alone" objects
	if [ "$mode" = rudp ]; then
		check "another user sees no socket of ours" not_seen
		check "a file of another's under our name is not used" foreign_object
	fi
	check "another user's client is served" as 65534 "$python" -B "$e2e_src/owners.py" ask "$port" 0
	stop_all
}

not_seen() { ! as 65534 "$rudpstat" -a --domain "$RUDP_DOMAIN" 2>/dev/null | grep "$port"; }

foreign_object()
{
	local name=foreign.$$ p

	as 65534 "$python" -c "open('/dev/shm/rudp.0.$name', 'w').write('x' * 101376)" || return
	chmod 600 "/dev/shm/rudp.0.$name"
	RUDP_DOMAIN=$name owner self >foreign.out 2>&1
	p=$?
	rm -f "/dev/shm/rudp.0.$name"
	cat foreign.out
	grep -q 'memory is accounted for this process alone' foreign.out && [ "$p" = 0 ]
}

# The loader ignores us there: kernel TCP among themselves.
set_user_id()
{
	cp "$(command -v nc)" suid-nc && chown 65534 suid-nc && chmod 4755 suid-nc || return
	new_port
	server suid setpriv --reuid 65533 --regid 65533 --clear-groups \
		"$tmp/suid-nc" -nv -N -l 127.0.0.1 "$port"
	ready_log Listening || return
	check "set-user-ID programs speak the kernel's TCP" equal \
		"$(echo hello | T=10 as 65533 "$tmp/suid-nc" -nN 127.0.0.1 "$port"; wait "$pid"; tail -1 suid.log)" hello
	stop_all
}

in_user_namespace() { run unshare -Ur "$python" -B "$e2e_src/owners.py" self; }
in_net_namespace() { run unshare -n sh -c 'ip link set lo up && exec "$@"' sh "$python" -B "$e2e_src/owners.py" self; }

# Both ends of a connection in namespaces of their own for users.
between_users()
{
	new_port
	server ns unshare -Ur "$python" -B "$e2e_src/owners.py" serve "$port" stay
	ready_log listening || return
	check "a connection out of a user namespace" owner ask "$port" 0
	stop_all
}

# As docker gives it. Domains are small; the data does not lie there.
small_shm()
{
	run unshare -m sh -c 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"' sh \
		"$python" -B "$e2e_src/owners.py" bulk
}

no_shm()
{
	run unshare -m sh -c 'mount -t tmpfs -o size=4k,ro tmpfs /dev/shm && exec "$@"' sh \
		"$python" -B "$e2e_src/owners.py" self
}

no_proc()
{
	run unshare -m sh -c 'mount -t tmpfs tmpfs /proc && exec "$@"' sh \
		"$python" -B "$e2e_src/owners.py" self
}

tests()
{
	dropped stay "a server that stays root" 0
	dropped drop "a server that becomes nobody after bind()" 65534
	dropped forkdrop "its children become nobody, and connect" 65534
	dropped chroot "a server that locks itself into an empty directory" 65534
	dropped seccomp "a server that may do nothing but what its socket needs" 0
	strangers
	! command -v nc >/dev/null || set_user_id
	check "in a user namespace" in_user_namespace
	check "in a network namespace" in_net_namespace
	between_users
	check "64 MiB of /dev/shm: 200 MB over 20 connections" small_shm
	check "no /dev/shm" no_shm
	check "no /proc" no_proc
}

in_modes tests
finish
