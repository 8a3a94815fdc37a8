#!/bin/bash
# rudpstat looks at programs that run: sockets are reset on request, the live
# view draws and obeys its keys in a terminal, and a stopped program is shown.
. "$(dirname "$0")/../lib.sh"
need_python
[ -x "$rudpstat" ] || [ -z "$PRELOAD" ] || skip "rudpstat is not built"
enter "$@"

# A program with one connection to itself, which it fills.
self()
{
	server self "$python" "$e2e_src/self.py"
	ready_log port || return
	port=$(sed -n 's/^port //p' "$server_log")
	self=$pid
}

sockets() { "$rudpstat" -tH -d "$RUDP_DOMAIN" "$@"; }
count_is() { equal "$(sockets "${@:2}" | wc -l)" "$1"; }

killed()
{
	"$rudpstat" -KH -d "$RUDP_DOMAIN" dport "$port" >killed || return
	equal "$(wc -l <killed)" 1 && wait "$self"
	equal "$(grep -c '^\(reader: ConnectionReset\|writer: ConnectionAborted\)' "$server_log")" 2
}

stopped()
{
	kill -STOP "$self"
	count_is 2 comm python3 || count_is 2 pid "$self"
	local rc=$?
	kill -CONT "$self"
	return $rc
}

tests()
{
	[ "$mode" = rudp ] || { self && stop_all && pass "the program runs"; return; }
	export RUDPSTAT_HISTORY=$tmp/history
	self || return
	check "both ends are seen, also when filtered" count_is 2 port "$port"
	check "a stopped program is seen" stopped
	check "the live view obeys its keys" "$python" "$e2e_src/watch.py" "$rudpstat" "$RUDP_DOMAIN"
	check "a connection is reset, both ends are told" killed
	pids=${pids/ $self/}
}

in_modes tests
finish
