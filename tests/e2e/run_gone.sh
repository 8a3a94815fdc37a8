#!/bin/bash
# Peers that are not there, and peers that are there no longer.
. "$(dirname "$0")/../lib.sh"
need nc
need_python
enter "$@"

peer() { run "$python" "$e2e_src/peer.py" "$@"; }
peer_server() { server "$1" "$python" "$e2e_src/peer.py" "$@"; }

nobody_there()
{
	new_port
	check "nobody on IPv4: refused at once" peer refused 127.0.0.1 "$port"
	check "nobody on IPv6: refused at once" peer refused ::1 "$port"
}

# ended_within LOG SECONDS: the peer that logs there saw its connection end.
ended_within()
{
	local end=$(($(now_ms) + $2 * 1000))

	until grep '^end:' "$1"; do
		[ "$(now_ms)" -lt "$end" ] || { echo "nothing after $2 s"; return 1; }
		sleep 0.05
	done
	not grep 'end: data' "$1"
}

# killed WHO: one of two waiting peers is killed; the other hears of it.
killed()
{
	local victim survivor

	new_port
	server server "$python" "$e2e_src/peer.py" wait-server "$port"
	victim=$pid
	ready_log listening || return
	server client "$python" "$e2e_src/peer.py" wait-client 127.0.0.1 "$port"
	survivor=client
	ready_log connected || return
	server_log=server.log
	ready_log accepted || return
	[ "$1" = server ] || victim=$pid survivor=server
	kill -9 "$victim"
	check "the $1 is killed: the other end hears within 15 s" \
		ended_within $survivor.log 15
	pass "$(grep end: $survivor.log)"
	stop_all
}

said() { run nc -d 127.0.0.1 "$port" >got; }

last_words()
{
	new_port
	peer_server last-words "$port" 3000000
	ready_log listening || return
	check "a caller of one who exits ends well" said
	check "what was sent before an exit arrives, and then the end" \
		equal "$(wc -c <got)" 3000000
	wait "$pid"
	pids=${pids/ $pid/}
	stop_all
}

group() { run "$python" "$e2e_src/group.py" "$port" 2; }

tests()
{
	new_port
	check "who calls a group that is joined and left is answered" group
	nobody_there
	killed server
	killed client
	last_words
}

in_modes tests
finish
