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

# On a terminal: nobody has it open any more when the program has ended.
on_terminal()
{
	python3 - "$@" <<-END
	import os, pty, signal, sys
	signal.alarm(10)
	pid, fd = pty.fork()
	if pid == 0:
	    os.execvp(sys.argv[1], sys.argv[1:])
	said = b""
	try:
	    while True:
	        said += os.read(fd, 1000)
	except OSError:			# EIO: the last one has closed it
	    os.waitpid(pid, 0)
	print(said.split()[-1].decode())
	END
}

let_go()
{
	local sent

	set_in_mode
	sent=$(on_terminal "${in_mode[@]}" "$ends" say "$2" "$port") || return
	echo >&9
	equal "$(heard "$1")" "$sent end"
}

# A server is killed when the connection has lived for no time at all.
young()
{
	local heard

	new_port
	server answer "$ends" answer "$port"
	ready_log listening || return
	heard=$(run "$ends" call "$port") || return
	wait "$pid"
	pids=${pids/ $pid/}
	equal "$heard" "$(tail -1 answer.log) end"
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
	for how in return _exit exec abort; do
		RUDP_CARETAKER=off check "ends by $how, without a standing caretaker" \
			one $((n += 1)) say "$how"
	done
	RUDP_CARETAKER=off check "ends where no caretaker can load" one $((n += 1)) say poor
	check "its child goes on" one $((n += 1)) fork
	check "wait() tells of its own children alone" one $((n += 1)) wait
	if command -v python3 >/dev/null; then
		check "the terminal is let go of by exit" let_go $((n += 1)) exit
		check "the terminal is let go of by KILL" let_go $((n += 1)) KILL
	fi
	exec 9>&-
	check "killed with a connection that has just begun" young
}

in_modes tests
finish
