#!/bin/bash
# rudpstat looks at programs that run: connections and listeners are reset on
# request, the live view draws and obeys its keys in a terminal, and a stopped
# program is shown.
# rudp-run starts what it was given, or says why it would not.
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

# as_schema OPTION...: what it says of this program is as the schema promises
as_schema()
{
	"$rudpstat" -j -d "$RUDP_DOMAIN" "$@" >said.json &&
		"$python" "$top_srcdir/tests/schema.py" said.json \
			"$top_srcdir/src/rudpstat/rudpstat.schema.json"
}

killed()
{
	"$rudpstat" -KH -d "$RUDP_DOMAIN" dport "$port" >killed || return
	equal "$(wc -l <killed)" 1 && wait "$self"
	equal "$(grep -c '^\(reader: ConnectionReset\|writer: ConnectionAborted\)' "$server_log")" 2
}

# Natively by ss, which shows that the test is right, where the kernel can.
listener_killed()
{
	local by=("$rudpstat" -KHl -d "$RUDP_DOMAIN") rc=0

	[ "$mode" = rudp ] || by=(ss -KHtn)
	run "$python" "$e2e_src/killed.py" "${by[@]}" || rc=$?
	[ "$rc" = 77 ] && [ "$mode" = native ] || return "$rc"
}

stopped()
{
	kill -STOP "$self"
	count_is 2 comm python3 || count_is 2 pid "$self"
	local rc=$?
	kill -CONT "$self"
	return $rc
}

# One that is watched, and dies of it.
watched()
{
	server talker "$python" "$e2e_src/talker.py"
	ready_log talks || return
	"$python" "$e2e_src/watch.py" "$rudpstat" "$RUDP_DOMAIN" "$pid"
	local rc=$?
	wait "$pid" 2>/dev/null
	pids=${pids/ $pid/}
	return $rc
}

rudp_run=$top_builddir/src/rudpstat/rudp-run

ends_with()
{
	local want=$1 rc=0

	shift
	"$rudp_run" -l "$PRELOAD" "$@" >out 2>&1 || rc=$?
	equal "$rc" "$want" || { cat out; false; }
}

launcher()
{
	check "rudp-run finds this machine fit" ends_with 0 --check "$python"
	check "and nothing to check with fit for nothing" ends_with 1 -l /nowhere --check
	check "it knows what cannot be executed" ends_with 1 --check /nowhere/at/all
	check "three words are limits" ends_with 0 --mem 1M 2M 3M -w "4096 8192 9000" env
	check "and arrive" grep -qx "RUDP_MEM=1M 2M 3M" out
	check "a wrong value runs nothing" ends_with 78 --rmem 9 8 7 touch ran
	check "nor does a wrong name" ends_with 78 --cc none touch ran
	check "really nothing" not test -e ran
	check "who is not there" ends_with 127 -- /nowhere/at/all
}

tests()
{
	check "a listener is reset: it listens no more, who waits is told" listener_killed
	[ "$mode" = rudp ] || { self && stop_all && pass "the program runs"; return; }
	[ "${SANITIZERS:-no}" != no ] || launcher
	export RUDPSTAT_HISTORY=$tmp/history
	self || return
	check "both ends are seen, also when filtered" count_is 2 port "$port"
	check "a stopped program is seen" stopped
	check "the JSON is as its schema says" as_schema
	check "and with counters since the last look" as_schema -s
	check "a connection is reset, both ends are told" killed
	pids=${pids/ $self/}
	new_domain
	check "the live view: graphs, keys, sizes, a death, other terminals" watched
}

in_modes tests
finish
