#!/bin/bash
# Daemons as they come, each with its own way of making processes: vsftpd, git,
# rsync, memcached.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:/usr/sbin:/sbin
need curl
enter "$@"

data payload 3000000

# --- ftp: a process for each session, data connections either way -------------------

ftp_up()
{
	new_port
	mkdir -p ftp/pub empty
	cp payload ftp/pub/
	chmod 755 "$tmp" ftp empty
	chmod 777 ftp/pub
	cat >vsftpd.conf <<-END
		listen=YES
		listen_address=127.0.0.1
		listen_port=$port
		background=NO
		anonymous_enable=YES
		anon_upload_enable=YES
		write_enable=YES
		anon_umask=022
		anon_root=$tmp/ftp
		no_anon_password=YES
		port_enable=YES
		connect_from_port_20=${1:-NO}
		secure_chroot_dir=$tmp/empty
		xferlog_enable=NO
		dual_log_enable=NO
		$2
	END
	chown root vsftpd.conf
	server vsftpd vsftpd "$tmp/vsftpd.conf"
	ready
}

ftp() { run curl -sS -m 10 "$@"; }
get_passive() { ftp -o got "$url/payload" && cmp got payload; }
get_active() { ftp -P 127.0.0.1 -o got "$url/payload" && cmp got payload; }
put_passive() { rm -f ftp/pub/new; ftp -T payload "$url/new" && cmp ftp/pub/new payload; }
list() { ftp "$url/" | grep payload; }

ftp_tests()
{
	url=ftp://127.0.0.1:$port/pub
	wire_mark
	check "vsftpd $1: a list" list
	check "vsftpd $1: 3 MB, passive" get_passive
	check "vsftpd $1: 3 MB, active" get_active
	check "vsftpd $1: 3 MB to it" put_passive
	wire_check 9000000
	stop_all
}

with_ftp()
{
	command -v vsftpd >/dev/null && [ "$(id -u)" = 0 ] || return 0
	id ftp >/dev/null 2>&1 && id nobody >/dev/null 2>&1 || return 0
	ftp_up YES "" || return
	ftp_tests "as it comes"
	ftp_up NO "one_process_model=YES" || return
	ftp_tests "in one process"
}

# --- git -----------------------------------------------------------------------------------

git_here() { run git -c user.name=x -c user.email=x@y -c init.defaultBranch=main "$@"; }

clone_and_push()
{
	rm -rf copy again
	git_here clone -q "$url/repo" copy || return
	cmp copy/payload payload || return
	tail -c 1000000 payload >copy/other
	git_here -C copy add other &&
		git_here -C copy commit -q -m other &&
		git_here -C copy push -q origin main || return
	git_here clone -q "$url/repo" again && cmp again/other copy/other
}

with_git()
{
	command -v git >/dev/null && [ -x "$(git --exec-path)/git-daemon" ] || return 0
	new_port
	url=git://127.0.0.1:$port
	rm -rf base work
	git_here init -q work && cp payload work/ && git_here -C work add payload &&
		git_here -C work commit -q -m first && mkdir base &&
		git_here clone -q --bare work base/repo || { fail "a repository"; return; }
	server git git daemon --reuseaddr --export-all --enable=receive-pack --base-path="$tmp/base" \
		--listen=127.0.0.1 --port="$port" "$tmp/base"
	ready || return
	wire_mark
	check "git daemon: clone, push, clone" clone_and_push
	wire_check 5000000
	stop_all
}

# --- rsync ---------------------------------------------------------------------------------

there_and_back()
{
	rm -rf mod/new back
	run rsync -a tree/ "rsync://127.0.0.1:$port/mod/new/" || return
	run rsync -a "rsync://127.0.0.1:$port/mod/new/" back/ || return
	diff -r tree back || return
	echo changed >tree/f7
	run rsync -a --checksum tree/ "rsync://127.0.0.1:$port/mod/new/" && diff -r tree mod/new
}

with_rsync()
{
	local i

	command -v rsync >/dev/null || return 0
	new_port
	mkdir -p tree mod
	for ((i = 0; i < 60; i++)); do
		head -c $((i * 5000)) payload >"tree/f$i"
	done
	cat >rsyncd.conf <<-END
		address = 127.0.0.1
		port = $port
		use chroot = $([ "$(id -u)" = 0 ] && echo yes || echo no)
		uid = $(id -un)
		gid = $(id -gn)
		lock file = $tmp/rsyncd.lock
		[mod]
		path = $tmp/mod
		read only = no
	END
	server rsync rsync --daemon --no-detach --config="$tmp/rsyncd.conf"
	ready || return
	wire_mark
	check "rsync daemon: 60 files there and back" there_and_back
	wire_check 10000000
	stop_all
}

# --- memcached -----------------------------------------------------------------------------

with_memcached()
{
	local p

	command -v memcached >/dev/null || return 0
	need_python
	new_port
	check "memcached -d: the shell goes on" run memcached -d -P "$tmp/memcached.pid" \
		-u "$(id -un)" -l 127.0.0.1 -p "$port" -U 0 -t 2 || return
	pid=$$ server_log=/dev/null
	ready || return
	check "memcached -d: 8,000 sets and gets" \
		run "$python" "$e2e_src/memcached_client.py" 127.0.0.1 "$port" 4 1000
	p=$(cat memcached.pid)
	kill "$p" && while kill -0 "$p" 2>/dev/null; do sleep 0.02; done
}

tests()
{
	with_ftp
	with_git
	with_rsync
	with_memcached
}

in_modes tests
finish
