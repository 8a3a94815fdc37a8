#!/bin/bash
# `server & kill; server`: the number of one that ended is free for the next one
# before anybody can know of the end.
. "$(dirname "$0")/../lib.sh"
need_helper restarts
enter "$@"

restarts() { new_port; run "$e2e_bin/restarts" "$port" "$@"; }

tests()
{
	check "by exit, at once" restarts 20 exit 0
	check "by _exit, with a connection" restarts 10 _exit 0 reuse called
	for how in exit TERM KILL; do
		check "by $how, later" restarts 4 $how 250
		check "by $how, later, with a connection" restarts 4 $how 250 reuse called
	done
}

in_modes tests
finish
