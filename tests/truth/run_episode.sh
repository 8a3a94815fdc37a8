#!/bin/bash
# Eight processes with 250 connections whose readers stall: when pressure begins,
# what it does to writers, what there is at rest, and when it ends (T70).
. "$(dirname "$0")/../lib.sh"
[ -n "$PRELOAD" ] || skip "no library"
MODES=rudp
need_python
[ -x "$top_builddir/tests/truth/truth" ] || skip "tests/truth/truth is not built"
swarm=$top_builddir/tests/truth/swarm
truth=$top_builddir/tests/truth/truth
enter "$@"

start_all()
{
	local i n

	servers= clients=
	for i in 0 1 2 3; do
		n=$((62 + i % 2))
		new_port
		server server$i "$swarm" server "$port"
		ready_log listening || return
		servers="$servers $pid"
		server client$i "$swarm" client "$port" $((i * 100)) $n $n
		clients="$clients $pid"
	done
}

# sampled FILE: what there is from now on, until it is ended by sampled_end.
sampled()
{
	"$truth" sample "$RUDP_DOMAIN" 1000000 2 "$1" >sample.log 2>&1 &
	sampler=$!
	pids="$pids $sampler"
}

sampled_end()
{
	kill "$sampler"
	wait "$sampler" 2>/dev/null
	pids=${pids/ $sampler/}
	! grep truth: sample.log
}

# in_time COMMAND...: it holds some day; what it said last is shown if not.
in_time()
{
	local i

	for ((i = 0; i < 200; i++)); do
		"$@" >said 2>&1 && { cat said; return; }
		sleep 0.1
	done
	cat said
	false
}

connected()
{
	"$rudpstat" -j -d "$RUDP_DOMAIN" | grep -qE '"alloc": 504'
}

# All clients have answered so often: "writeable N smaller N full N of N".
answered() { [ "$(cat client?.log | grep -c writeable)" -ge "$1" ]; }

# Nobody may write. Who was refused by the domain has a smaller sndbuf; not, who
# had filled his own before there was pressure.
asked=0
t70_writers()
{
	kill -USR2 $clients
	asked=$((asked + 4))
	in_time answered $asked
	tail -qn 1 client?.log | awk '{ print; n += $2; smaller += $4; rest += $8 - $4 - $6 }
		END { exit n || rest || smaller < 100 }'
}

# look FILE PROGRAM: samples of truth.c, as lists; what is read of one sample is
# read one after the other, so that its flag may be younger than its total.
look()
{
	"$python" - "$1" <<-EOF
	import sys
	rows = [list(map(int, line.split())) for line in open(sys.argv[1])
	        if len(line.split()) == 12]
	total = [r[1] for r in rows]
	owned, pool, credit, blocks = ([r[i] for r in rows] for i in (2, 3, 4, 5))
	flag = [r[9] for r in rows]
	$2
	EOF
}

# No flag before the total was above the threshold, or is with the next look (but
# for a run that was refused at once); once it is above, and stays, there is one.
t70_begins()
{
	look fill.txt '
first = flag.index(1)
print("flag with sample", first, "of", len(rows), "at", total[max(first - 1, 0):first + 2])
sys.exit(max(total[:first + 2]) <= 3000 - 16 or flag[-1] != 1 or max(total) <= 3000)'
}

# T87: nobody has credit then, and what is charged is owned or in pools; what is
# owned has its blocks.
t87_at_rest()
{
	look fill.txt '
still = [i for i in range(len(rows)) if not credit[i] and
         total[i] == owned[i] + pool[i] and owned[i] <= blocks[i] <= total[i]]
print(len(still), "of", len(rows), "samples at rest;", rows[-1])
sys.exit(not still or still[-1] < len(rows) - 50)'
}

flag_is() { [ "$(tail -1 drain.txt | cut -d' ' -f10)" = "$1" ]; }

# It ends, and not before the total was below low (but for pools that refill).
t70_ends()
{
	local p

	kill -USR1 $servers
	for p in $clients; do
		wait "$p" || { cat client?.log server?.log; return 1; }
		pids=${pids/ $p/}
	done
	in_time flag_is 0 && sampled_end || return
	look drain.txt '
first = flag.index(0)
print("flag until sample", first, "of", len(rows), "at", total[max(first - 1, 0):first + 2])
sys.exit(not first or min(total[:first + 2]) > 2000 + 128)'
}

episode()
{
	export RUDP_MEM="2000 3000 5000"
	start_all || return
	sampled fill.txt
	check "250 connections" in_time connected || return
	"$truth" reaches "$RUDP_DOMAIN" 3001 >/dev/null
	check "T70: no writer may write, the sndbuf of those refused is smaller" in_time t70_writers
	check "T87: at rest there is no credit, and owned pages have their blocks" \
		in_time t87_at_rest
	pass "$(cat "$tmp/check.out")"
	check "every page is accounted for meanwhile" sampled_end
	check "T70: pressure began when the total passed 3000 pages" t70_begins
	sampled drain.txt
	check "T70: it lasts" in_time flag_is 1
	kill -USR1 $clients	# they write no more
	check "T70: it ended when the total fell below 2000; every byte was right" t70_ends
	pass "$(cat "$tmp/check.out")"
	stop_all
}

[ "$private" = no ] || ip link set lo mtu 1500
in_modes episode
finish
