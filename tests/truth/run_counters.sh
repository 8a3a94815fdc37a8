#!/bin/bash
# Each counter that no unit test and no simulation can move, since it is the
# runtime's, is moved here from outside, and seen to rise by what was done (T85).
. "$(dirname "$0")/../lib.sh"
[ -n "$PRELOAD" ] || skip "no library"
MODES=rudp
here=$(cd "$(dirname "$0")" && pwd)
truth=$top_builddir/tests/truth/truth
halted=$top_builddir/tests/truth/halted
[ -x "$truth" ] && [ -x "$halted" ] || skip "tests/truth/truth is not built"
need_python
enter "$@"
[ "$private" = no ] || ip link set lo mtu 1500

# counted NAME
counted()
{
	"$rudpstat" -j -d "$RUDP_DOMAIN" | "$python" -c '
import json, sys
print(json.load(sys.stdin)["domains"][0]["counters"][sys.argv[1]])' "$1"
}

# risen NAME COUNT: in time.
risen()
{
	local i

	for ((i = 0; i < 150; i++)); do
		[ "$(counted "$1")" -lt "$2" ] || return 0
		sleep 0.05
	done
	"$rudpstat" -s -d "$RUDP_DOMAIN"
	false
}

# exactly NAME COUNT
exactly() { risen "$1" "$2" && equal "$1 $(counted "$1")" "$1 $2"; }

# says NAME PATTERN: in what it prints.
says()
{
	local i

	for ((i = 0; i < 1000; i++)); do
		grep -q "$2" "$1.log" && return
		sleep 0.02
	done
	cat "$1.log"
	false
}

# beside NAME FD ROLE ARG...: not over librudp; its input is FD.
beside()
{
	local name=$1 fd=$2

	shift 2
	mkfifo "$name.in"
	: >"$name.log"
	"$python" "$here/counted.py" "$@" >"$name.log" 2>&1 <"$name.in" &
	pids="$pids $!"
	eval "exec $fd>$name.in"
}

# over NAME FD PROGRAM ARG...: the same over librudp.
over()
{
	local name=$1 fd=$2

	shift 2
	mkfifo "$name.in"
	: >"$name.log"
	set_in_mode
	"${in_mode[@]}" "$@" >"$name.log" 2>&1 <"$name.in" &
	pid=$!
	pids="$pids $pid"
	eval "exec $fd>$name.in"
}

counted_py() { over "$1" "$2" "$python" "$here/counted.py" "${@:3}"; }

t85_opens()
{
	run "$python" "$here/counted.py" pairs 10 || return
	exactly ActiveOpens 10 && exactly PassiveOpens 10 && exactly SyncookiesRecv 10 &&
		risen SynRecv 10 && risen SyncookiesSent 10 && risen InSegs 40 && risen OutSegs 40
}

# Each connection leaves an entry until its cookie is too old to come again.
t85_time_wait()
{
	"$rudpstat" -d "$RUDP_DOMAIN" --set max_orphans=3 || return
	run "$python" "$here/counted.py" pairs 8 || return
	exactly TCPTimeWaitOverflow 5
}

t85_resets()
{
	local before

	before=$(counted OutRsts)
	run "$python" "$here/counted.py" resets 5 || return
	exactly EstabResets 10 && exactly OutRsts $((before + 5))
}

opens()
{
	check "T85: opens" t85_opens
	check "T85: resets" t85_resets
	check "T85: no room for TIME_WAIT" t85_time_wait
}

t85_no_room()
{
	counted_py crowd 7 crowd "$1" 5 && says crowd begun || return
	risen ListenOverflows 1
	exec 7>&-
}

t85_garbage()
{
	"$python" "$here/counted.py" garbage "$1" 3 20 && exactly InErrs 3
}

# Nobody reads, more comes than the kernel keeps; the next that is read tells.
t85_kernel_drops()
{
	kill -STOP "$2"
	"$python" "$here/counted.py" garbage "$1" 40000 1400
	kill -CONT "$2"
	says_more "$1" || { "$rudpstat" -s -d "$RUDP_DOMAIN"; false; }
}

says_more()
{
	local i

	for ((i = 0; i < 50; i++)); do
		"$python" "$here/counted.py" garbage "$1" 1 20
		[ "$(counted RcvBufErrors)" = 0 ] || return 0
		sleep 0.05
	done
	false
}

listening()
{
	local port listener

	export RUDP_CARETAKER=off	# who reads while the listener is stopped
	counted_py listen 6 listen && says listen '[0-9]' || return
	unset RUDP_CARETAKER
	listener=$pid
	port=$(cat listen.log)
	check "T85: garbage" t85_garbage "$port"
	check "T85: no room in the accept queue" t85_no_room "$port"
	check "T85: what the kernel drops" t85_kernel_drops "$port" "$listener"
	exec 6>&-
}

t85_checksum()
{
	echo corrupt >&7
	says middle "done corrupt" || return
	echo hello >&8
	says talk echoed && exactly InCsumErrors 1
}

t85_no_connection()
{
	echo nobody >&7
	says middle "done nobody" || return
	echo hello >&8
	exactly InNoConn 1
}

t85_forged_cookie()
{
	echo stale >&7
	says middle "done stale" && exactly SyncookiesFailed 1
}

middled()
{
	counted_py echo 6 echo && says echo '[0-9]' || return
	beside middle 7 middle "$(cat echo.log)" && says middle '[0-9]' || return
	counted_py talk 8 talk "$(head -1 middle.log)" && says talk connected || return
	check "T85: a bit that was lost" t85_checksum
	check "T85: a packet for nobody" t85_no_connection
	check "T85: an opening whose proof is false" t85_forged_cookie
	exec 6>&- 7>&- 8>&-
}

# Of what comes for a sock whose holder stands still, trains stay trains, and
# three quarters of the driver's buffers is the most.
t85_backlog()
{
	local port

	server serve "$halted" serve
	ready_log port || return
	read -r _ port <serve.log
	beside between 7 middle "$port" && says between '[0-9]' || return
	over stop 8 "$halted" stop "$(head -1 between.log)"
	says stop stopped && equal "$(counted TCPBacklogDrop)" 0 && echo again 200 >&7 &&
		risen TCPBacklogDrop 1 && echo go >&8 && says stop "all right"
}

t85_trains()
{
	local port

	read -r _ port <serve.log
	over train 8 "$halted" stop "$port"
	says train stopped && risen TCPBacklogCoalesce 1 && echo go >&8 &&
		says train "all right"
}

backlog()
{
	check "T85: a backlog that is full" t85_backlog
	exec 7>&- 8>&-
	check "T85: trains in a backlog" t85_trains
	exec 8>&-
}

# More than one receive buffer is wanted, and nothing is to be had but by force.
t85_pool()
{
	mkfifo hoard
	"$truth" hoard "$RUDP_DOMAIN" 5000 <hoard >hoard.log &
	pids="$pids $!"
	exec 6>hoard
	"$truth" reaches "$RUDP_DOMAIN" 5000 >/dev/null &&
		run "$python" "$here/counted.py" pairs 3 && risen MemPoolShort 1
	exec 6>&-
}

pool()
{
	export RUDP_MEM="2048 2048 4096"
	run "$python" "$here/counted.py" pairs 1
	check "T85: no pages for the pool" t85_pool
	unset RUDP_MEM
}

in_modes opens listening middled backlog pool
finish
