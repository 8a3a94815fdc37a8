#!/bin/bash
# What counts as a sock (T19); that forks, execs, passing and dying change no
# charge (T91); that a process which is stopped inside a sock, its lock held,
# stops nobody else (T90), and that one which sends for long hears
# acknowledgements meanwhile (T45).
. "$(dirname "$0")/../lib.sh"
[ -n "$PRELOAD" ] || skip "no library"
MODES=rudp
here=$(cd "$(dirname "$0")" && pwd)
truth=$top_builddir/tests/truth/truth
halted=$top_builddir/tests/truth/halted
need_python
need_helper relay
[ -x "$truth" ] && [ -x "$halted" ] || skip "tests/truth/truth is not built"
enter "$@"

# told NAME PROGRAM ARG...: as server, and takes lines from descriptor 8.
told()
{
	local name=$1

	shift
	mkfifo "$name.in"
	set_in_mode
	server_log=$tmp/$name.log
	"${in_mode[@]}" "$@" >"$server_log" 2>&1 <"$name.in" &
	pid=$!
	pids="$pids $pid"
	exec 8>"$name.in"
}

t19_what_counts() { run "$python" "$here/family.py" count "$rudpstat" "$e2e_bin/relay"; }

counts() { check "T19: what counts as a sock, and what does not" t19_what_counts; }

# --- D8.3 --------------------------------------------------------------------------

# What was kept for the next moment goes back: a few receive buffers are left.
d8_3_gone()
{
	local i

	for ((i = 0; i < 15; i++)); do
		"$rudpstat" -j -d "$RUDP_DOMAIN" | "$python" -c '
import json, sys
memory = json.load(sys.stdin)["domains"][0]["memory"]
print(memory)
sys.exit(memory["allocated"] > 128)' && return
		sleep 0.1
	done
	false
}

idle()
{
	export RUDP_MEM="1G 2G 3G"
	told idle "$python" "$here/family.py" idle
	ready_log "idle after" || return
	check "D8.3: a process whose connections are idle keeps no credit" d8_3_gone
	exec 8>&-
	unset RUDP_MEM
}

# --- T45 ---------------------------------------------------------------------------

t45_giant_send()
{
	local taken sndbuf

	run "$halted" giant >giant.log || return
	read -r _ taken _ sndbuf _ <giant.log
	cat giant.log
	at_least "$taken" $((sndbuf + 70000))
}

giant()
{
	check "T45: acknowledgements are run during one giant send" t45_giant_send
	pass "$(cat giant.log)"
}

# --- T90 ---------------------------------------------------------------------------

# What is parked is within R4.6, and a buffer that was taken last.
t90_backlog_is_bounded()
{
	local i

	for ((i = 0; i < 100; i++)); do
		backlog && return
		sleep 0.02
	done
	false
}

backlog()
{
	"$rudpstat" -j -d "$RUDP_DOMAIN" | "$python" -c '
import json, sys
conns = [c["skmem"] for c in json.load(sys.stdin)["domains"][0]["connections"]]
most = max(conns, key=lambda m: m["backlog"])
print(most)
sys.exit(not 0 < most["backlog"] <= 2 * most["rcvbuf"] + most["sndbuf"] // 2 + 65536 + 65536)'
}

t90_nothing_is_lost()
{
	echo >&8
	wait "$stopper" && grep -q "all right" stop.log || { cat stop.log; return 1; }
}

stopped()
{
	local port

	server serve "$halted" serve
	ready_log port || return
	read -r _ port <serve.log
	told stop "$halted" stop "$port"
	stopper=$pid
	check "T90: stopped inside a sock; the others of its family go on" ready_log stopped
	check "T90: and other families" run "$halted" echo "$port"
	check "T90: what came for it meanwhile is bounded" t90_backlog_is_bounded
	check "T90: it goes on, and nothing is lost" t90_nothing_is_lost
	exec 8>&-
}

# --- T91 ---------------------------------------------------------------------------

# Pages that socks own do not change any more.
owned() { "$truth" owned "$RUDP_DOMAIN"; }

# same_after LOG WORD: it says so, and the holders own as much as before.
same_after()
{
	local log=$1 word=$2

	ready_log_of "$log" "$word" && equal "$(owned)" "$before"
}

ready_log_of()
{
	local i

	for ((i = 0; i < 500; i++)); do
		grep -q -e "$2" "$1" && return
		sleep 0.02
	done
	cat "$1"
	false
}

t91_adopted()
{
	kill -9 "$holder"
	wait "$holder" 2>/dev/null
	pids=${pids/ $holder/}
	"$truth" gone "$RUDP_DOMAIN" "$holder" && equal "$(owned)" "$before"
}

charges()
{
	new_port
	server sender "$python" "$e2e_src/peer.py" stall-server "$port" 200000
	ready_log listening || return
	server stranger "$python" "$here/family.py" stranger "$tmp/meet"
	ready_log waiting || return
	told hold "$python" "$here/family.py" hold "$port" 20 "$tmp/meet"
	holder=$pid
	ready_log held || return
	before=$(owned)
	check "T91: 20 connections are held: $before pages" at_least "$before" 40
	echo fork >&8
	check "T91: a fork changes no charge" same_after hold.log forked
	echo exec >&8
	check "T91: nor does an exec" same_after hold.log "looked 20"
	echo pass >&8
	check "T91: nor passing them to a stranger" same_after stranger.log "looked 20"
	check "T91: nor the driver's death" t91_adopted
	exec 8>&-
}

in_modes counts idle giant stopped charges
finish
