#!/bin/bash
# A program writes and ends at once, in every way it can: what TCP would still
# deliver is delivered, then comes the end; the shell has its prompt back.
. "$(dirname "$0")/../lib.sh"
need_helper ends
enter "$@"

ends=$e2e_bin/ends

# The caller's pipe must not be held open by anything of ours: $(...) returns.
said() { run "$ends" "$@" "$port" 2>/dev/null; }

heard()
{
	local i

	for ((i = 0; i < 1000; i++)); do
		[ "$(wc -l <hear.log)" -le "$1" ] || break
		sleep 0.01
	done
	sed -n "$(($1 + 1))p" hear.log
}

# one N HOW WORDS...: the Nth connection.
one()
{
	local n=$1 began sent

	shift
	began=$(now_ms)
	sent=$(said "$@")
	at_least "$sent" 1 || return
	at_most $(($(now_ms) - began)) 3000 || return
	echo >&9
	equal "$(heard "$n")" "$sent end"
}

tests()
{
	local how n=0

	new_port
	rm -f go
	mkfifo go
	set_in_mode
	server_log=$tmp/hear.log
	"${in_mode[@]}" "$ends" hear "$port" <go >hear.log 2>&1 &
	pid=$!
	pids="$pids $pid"
	exec 9>go
	ready_log listening || return
	for how in return exit _exit quick_exit syscall exec abort TERM SEGV KILL; do
		check "ends by $how" one $((n += 1)) say "$how"
	done
	check "its child goes on" one $((n += 1)) fork
	exec 9>&-
}

in_modes tests
finish
