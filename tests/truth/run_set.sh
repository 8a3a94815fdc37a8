#!/bin/bash
# Limits that change while programs run, domains side by side, and who behaves
# beside one that hoards.
. "$(dirname "$0")/../lib.sh"
[ -n "$PRELOAD" ] || skip "no library"
MODES=rudp
[ -x "$top_builddir/tests/truth/truth" ] || skip "tests/truth/truth is not built"
swarm=$top_builddir/tests/truth/swarm
truth=$top_builddir/tests/truth/truth
need_python
need_helper many
here=$(cd "$(dirname "$0")" && pwd)
enter "$@"

set_limits() { "$rudpstat" -d "$RUDP_DOMAIN" --set "$@"; }

# field DOMAIN NAME: of its memory.
field()
{
	"$rudpstat" -j -d "$1" | "$python" -c '
import json, sys
print(json.load(sys.stdin)["domains"][0]["memory"][sys.argv[1]])' "$2"
}

# counted NAME
counted()
{
	"$rudpstat" -j -d "$RUDP_DOMAIN" | "$python" -c '
import json, sys
print(json.load(sys.stdin)["domains"][0]["counters"][sys.argv[1]])' "$1"
}

# start N STALLED: a server and a client with so many connections.
start()
{
	new_port
	server server "$swarm" server "$port"
	ready_log listening || return
	servers=$pid
	server client "$swarm" client "$port" 0 "$1" "$2"
	clients=$pid
}

# The readers read, the writers end; every byte was right.
end_well()
{
	kill -USR1 $servers $clients
	wait $clients || { cat client.log server.log; return 1; }
	pids=${pids/ $clients/}
	stop_all
}

# The total does not grow any more: who can wait, waits.
settled()
{
	local before=-1 now i

	for ((i = 0; i < 200; i++)); do
		now=$(field "$RUDP_DOMAIN" allocated)
		[ "$now" != "$before" ] || return 0
		before=$now
		sleep 0.3
	done
	false
}

t7_refused()
{
	local v before

	before=$(field "$RUDP_DOMAIN" high)
	for v in "mem=3 2 1" "mem=0 1 2" "mem=1 2" "mem=x" "rmem=4095 8192 8192" "wmem=3 2 1" \
		notsent_lowat=0 reserve=257 rmem_max=1G max_orphans=-1 max_orphans=1K; do
		not set_limits "$v" 2>err && equal "$(wc -l <err)" 1 &&
			grep -qF "rudpstat: --set $v: accepted are " err || return
	done
	not set_limits none=1 2>err && grep -q "no such limit; there are mem, " err || return
	equal "$(field "$RUDP_DOMAIN" high)" "$before"
}

t72_raised()
{
	local before m

	: >took
	for m in "600 800 1000" "1200 1600 2000" "4000 6000 8000"; do
		settled || return
		before=$(field "$RUDP_DOMAIN" allocated)
		set_limits mem="$m" || return
		"$truth" reaches "$RUDP_DOMAIN" $((before + 60)) >>took || return
	done
	# One of three may come late where other things are done, too.
	at_most "$(sort -n took | sed -n 2p)" 202 && at_most "$(sort -n took | tail -1)" 1000
}

t73_lowered()
{
	local held

	set_limits mem="400000 600000 800000" || return
	equal "$(field "$RUDP_DOMAIN" under_pressure)" False || return
	set_limits mem="50 60 100" || return
	equal "$(field "$RUDP_DOMAIN" under_pressure)" True || return
	held=$(field "$RUDP_DOMAIN" allocated)
	settled || return
	# What was on its way to an empty queue is still taken, a page each.
	at_most "$(field "$RUDP_DOMAIN" allocated)" $((held + 60))
}

# A group of ours with 64 MiB, and one below it, as this machine has them; $group
# is the latter.
make_groups()
{
	local top file=memory.max

	top=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
	if grep -q '^[0-9]*:[^:]*memory[,:]' /proc/self/cgroup; then
		top=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:\(.*,\)*memory\(,.*\)*://p' \
			/proc/self/cgroup)
		file=memory.limit_in_bytes
	fi
	group=${top%/}/rudp-$E2E_STAGE/b
	mkdir "${group%/b}" 2>/dev/null || return
	echo 67108864 >"${group%/b}/$file" && mkdir "$group" && return
	rmdir "${group%/b}"
	return 1
} 2>/dev/null

t2_in_a_group()
{
	(
		echo "$BASHPID" >"$group/cgroup.procs" || exit
		RUDP_DOMAIN=$RUDP_DOMAIN-g run "$python" -c 'import socket, os
socket.create_server(("127.0.0.1", 0))
os.system("true")'
	)
	equal "$(field "$RUDP_DOMAIN-g" low) $(field "$RUDP_DOMAIN-g" high)" "768 1536"
}

# The limits of a domain come from the memory that its first process may have.
available()
{
	unset RUDP_MEM
	make_groups || { say "no groups can be made here: T2 is not looked at"; return; }
	check "T2: a group of 64 MiB two levels up gives the limits of 64 MiB" t2_in_a_group
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		rmdir "$group" "${group%/b}" 2>/dev/null && break
		sleep 0.1
	done
}

# Two domains of one user: what happens in one is nothing to the other.
t20_apart()
{
	local here=$RUDP_DOMAIN there=$RUDP_DOMAIN-b

	RUDP_DOMAIN=$there RUDP_MEM="100 200 300" server idle "$swarm" server $((port + 1))
	ready_log listening || return
	equal "$(field "$there" high)" 300 || return
	equal "$(field "$there" under_pressure)" False || return
	equal "$(field "$here" under_pressure)" True || return
	at_most "$(field "$there" allocated)" 40
	stop "$pid"
}

live_limits()
{
	export RUDP_MEM="200 300 400"
	start 60 60
	"$truth" reaches "$RUDP_DOMAIN" 400 >/dev/null
	check "T7: wrong limits are refused with one line, the old ones stay" t7_refused
	check "T72: limits raised, those who wait go on" t72_raised
	pass "after $(tr '\n' ' ' <took)ms"
	check "T73: limits lowered: pressure at once" t73_lowered
	check "T20: another domain sees nothing of it" t20_apart
	check "T73: and nothing is lost" end_well
}

# tells NAME FD ROLE: one of counted.py, that is told by lines to FD.
tells()
{
	mkfifo "$1.in"
	set_in_mode
	server_log=$tmp/$1.log
	"${in_mode[@]}" "$python" "$here/counted.py" "$3" >"$1.log" 2>&1 <"$1.in" &
	pid=$!
	pids="$pids $pid"
	eval "exec $2>$1.in"
}

# has LOG LINE: as its last one, in time.
has()
{
	local i

	for ((i = 0; i < 500; i++)); do
		[ "$(tail -1 "$1.log")" = "$2" ] && return
		sleep 0.02
	done
	cat "$1.log"
	false
}

d8_14_sizes()
{
	echo >&6 && echo >&7 && has one "16384 131072" && has two "16384 131072" || return
	set_limits wmem="4096 50000 4M" --set rmem="4096 300000 8M" || return
	echo >&6 && echo >&7 && has one "50000 300000" && has two "50000 300000"
}

# One orphan is too many from this moment on.
t77_live()
{
	has orphan full && set_limits max_orphans=0 && echo >&8 && has orphan closed &&
		equal "$(counted TCPAbortOnMemory)" 1
}

live_sizes()
{
	unset RUDP_MEM
	tells one 6 sizes
	tells two 7 sizes
	check "wmem and rmem are changed for processes that run" d8_14_sizes
	tells orphan 8 orphan
	check "T77: max_orphans is changed for a process that runs" t77_live
	exec 6>&- 7>&- 8>&-
}

# A non-blocking writer whose peer does not read, in a domain held above high.
t36_no_spin()
{
	local wakes cpu

	kill -USR1 $servers $clients
	wait $clients || { cat client.log; return 1; }
	pids=${pids/ $clients/}
	cat client.log
	wakes=$(sed -n 's/.*wakes \([0-9]*\).*/\1/p' client.log)
	cpu=$(sed -n 's/.*cpu_ms \([0-9]*\).*/\1/p' client.log)
	at_most "$wakes" 80 && at_most "$cpu" 200
}

no_spin()
{
	export RUDP_MEM="100 200 300"
	mkfifo hoard
	new_port
	server server "$swarm" server "$port"
	ready_log listening || return
	servers=$pid
	"$truth" hoard "$RUDP_DOMAIN" 1000 <hoard >hoard.log &
	pids="$pids $!"
	exec 8>hoard
	"$truth" reaches "$RUDP_DOMAIN" 1000 >/dev/null
	server client "$swarm" client "$port" 0 1 1
	clients=$pid
	sleep 3
	exec 8>&-
	check "T36: a writer that the domain refuses for 3 s does not spin" t36_no_spin
	pass "$(cat client.log)"
	stop_all
	rm hoard
}

t95_finish()
{
	local i p clients=

	for i in 1 2 3 4 5 6 7 8 9 10; do
		run "$e2e_bin/many" client 127.0.0.1 "$many" 5 10 >many$i.log 2>&1 &
		clients="$clients $!"
	done
	for p in $clients; do
		wait "$p" || { cat many*.log; return 1; }
	done
}

hoarder()
{
	local stalled=750 may

	may=$(ulimit -Hn)	# the driver has two descriptors for each
	[ "$may" = unlimited ] || [ "$may" -ge 4096 ] || stalled=300
	export RUDP_MEM="1M 1536K 2M"
	new_port
	many=$port
	server many "$e2e_bin/many" server "$many"
	ready || return
	start $stalled $stalled
	"$truth" reaches "$RUDP_DOMAIN" 500 >/dev/null
	check "T95: ten who behave finish beside $stalled stalled connections" t95_finish
	check "T95: and what was stalled is right" end_well
}

# The process has memory.
until_holding()
{
	local i

	for ((i = 0; i < 200; i++)); do
		"$rudpstat" -j -d "$RUDP_DOMAIN" | "$python" -c '
import json, sys
sys.exit(not any(p["pid"] == int(sys.argv[1]) and p["charged"]
                 for p in json.load(sys.stdin)["domains"][0]["processes"]))' "$1" && return
		sleep 0.02
	done
	false
}

# Nobody waits for memory, and a family that left nobody behind is killed: what
# it held is missed by no one, and back within a second all the same.
t89_in_comfort()
{
	local victim ms

	: >gone
	for _ in 1 2 3; do
		RUDP_CARETAKER=off server victim "$swarm" client "$port" 1000 4 4 mortal
		victim=$pid
		until_holding "$victim" || return
		kill -9 "$victim"
		wait "$victim" 2>/dev/null
		pids=${pids/ $victim/}
		ms=$("$truth" gone "$RUDP_DOMAIN" "$victim") || return
		echo "$ms" >>gone
		at_most "$ms" 1000 || return
	done
}

comfort()
{
	export RUDP_MEM="1G 2G 3G"
	start 4 0
	check "T89: killed in comfort, its memory is back within a second" t89_in_comfort
	pass "after $(tr '\n' ' ' <gone)ms"
	check "T89: and nobody else is harmed" end_well
}

# The same bytes, whatever the limit.
t107_same()
{
	local m

	for m in "1G 1G 1G" "256K 384K 512K"; do
		RUDP_DOMAIN=$RUDP_DOMAIN-${m%% *}
		export RUDP_DOMAIN RUDP_MEM="$m"
		new_port
		server sender "$python" "$e2e_src/peer.py" stall-server "$port" 200000
		ready_log listening || return
		echo | run "$python" "$e2e_src/peer.py" stall-client "$port" 20 200000 >same.out ||
			return
		equal "$(tail -1 same.out)" "all right" || return
		stop_all
	done
}

same() { check "T107: limits of 1 GiB and of 512 KiB: the same bytes" t107_same; }

[ "$private" = no ] || ip link set lo mtu 1500
in_modes live_limits live_sizes no_spin hoarder comfort available same
finish
