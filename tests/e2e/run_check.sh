#!/bin/bash
# rudp-run --check on odd machines and for odd programs: each is told in one
# clear sentence. And what it calls fit works, where a filter refuses what
# containers refuse.
. "$(dirname "$0")/../lib.sh"
need_python
need_helper deny
[ "${SANITIZERS:-no}" = no ] || skip "sanitizers have their own idea of preloading"
enter "$@"

rudp_run=$top_builddir/src/rudpstat/rudp-run

# said STATUS SENTENCE COMMAND...: what it says has this in one line
said()
{
	local want=$1 line=$2 rc=0

	shift 2
	timeout -k 1 30 "$@" >said 2>&1 </dev/null || rc=$?
	equal "$rc" "$want" && grep -qE -- "$line" said || { cat said; false; }
}

about() { said "$1" "$2" "$rudp_run" -l "$PRELOAD" --check "$3"; }
with_library() { said 1 "^no    $2" "$rudp_run" -l "$1" --check; }
denied() { said "$1" "$2" "$e2e_bin/deny" $3 -- "$rudp_run" -l "$PRELOAD" --check; }

compile() { "${CC:-cc}" "$@" -x c - 2>cc.err <<<'int main(void) { return 0; }'; }

programs()
{
	check "a program" about 0 '^ok    .*python.* can be preloaded' "$python"
	check "none" about 1 '^no    /nowhere/at/all: No such file' /nowhere/at/all
	check "a directory" about 1 '^no    /tmp is a directory' /tmp
	printf '#!/usr/bin/env -S sh -e\n' >script && chmod 755 script
	check "a script is what runs it" about 0 '^note  .*script is a script, run by sh' ./script
	check "and that is looked at" grep -q '^ok .*/sh can be preloaded' said
	printf '#!/nowhere/sh\n' >orphan && chmod 755 orphan
	check "a script that nothing runs" about 1 '^no    /nowhere/sh: No such file' ./orphan
	if compile -static -o static; then
		check "a static program" about 1 '^no .* is linked statically' ./static
	fi
	compile -o plain || return
	cp plain suid && chown 1 suid && chmod 4755 suid && chmod 755 . &&
		check "a set-user-ID program" about 1 '^no .* gains privileges' ./suid
	"${CC:-cc}" -shared -fPIC -o libgone.so -x c - <<<'int gone;' &&
		"${CC:-cc}" -o lacks -L. -x c - -lgone <<<'extern int gone;
			int main(void) { return gone; }' && rm libgone.so
	check "a program that lacks a library" about 1 \
		'^no    ./lacks (needs libgone.so, which|does not load: libgone.so)' ./lacks
}

libraries()
{
	check "no library" with_library /nowhere/librudp.so '/nowhere/librudp.so: No such file'
	check "what is none" with_library /etc/passwd '/etc/passwd is not loaded: '
	[ "$private" = yes ] || return 0
	mkdir still && mount -t tmpfs -o noexec tmpfs still && cp "$PRELOAD" plain still/
	check "a library that nothing may execute" with_library "$PWD/still/librudp.so" \
		'.* mounted noexec'
	check "nor a program" about 1 '^no .* mounted noexec' ./still/plain
	umount still
}

machines()
{
	check "no memfd" denied 1 '^no .*carries no connection: a stream socket' memfd_create
	check "no eventfd" denied 1 '^no .*carries no connection: .*not permitted' eventfd2
	check "no pidfd: nobody needs it" denied 0 '^ok .*carries a connection' pidfd_open
	[ "$private" = yes ] || return 0
	mount -t tmpfs -o ro tmpfs /dev/shm
	check "no shared memory" about 0 '^note  no shared memory .*: Read-only|^note  no shared' \
		"$python"
	umount /dev/shm
	mount -t tmpfs -o size=64k tmpfs /dev/shm
	check "hardly any shared memory" about 0 '^note  /dev/shm has 64 KiB left' "$python"
	umount /dev/shm
}

# What Docker's filter refuses and what it lets pass.
containers()
{
	local calls

	for calls in unshare close_range; do
		check "a container without $calls" denied 0 '^ok .*carries a connection' "$calls"
		check "carries data" "$e2e_bin/deny" "$calls" -- "$rudp_run" -l "$PRELOAD" \
			--fallback off "$python" "$e2e_src/ends_well.py"
	done
	check "one without both is told" denied 1 '^no .*carries no connection' \
		"unshare close_range"
}

tests()
{
	[ "$mode" = rudp ] || return 0
	programs
	libraries
	machines
	containers
}

in_modes tests
finish
