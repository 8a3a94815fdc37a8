#!/bin/bash
# A slow link, then a host that drops everything: the kernel's queue stays short,
# what waits is in governed memory (T106).
. "$(dirname "$0")/../lib.sh"
[ -n "$PRELOAD" ] || skip "no library"
MODES=rudp
here=$(cd "$(dirname "$0")" && pwd)
need ip tc nsenter
need_python
enter "$@"
[ "$private" = yes ] || skip "no namespaces"

# Two hosts, 50 Mbit/s between them and a queue of 10 MB in front of that.
two_hosts()
{
	unshare -n sleep infinity &
	pids="$pids $!"
	far="nsenter -t $! -n"
	until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do
		sleep 0.01
	done
	ip link add v0 type veth peer name v1 netns $! || return
	ip addr add 10.78.0.1/24 dev v0
	ip link set v0 up
	$far ip addr add 10.78.0.2/24 dev v1
	$far ip link set v1 up
	$far ip link set lo up
	tc qdisc add dev v0 root tbf rate 50mbit burst 64k limit 10m 2>/dev/null ||
		skip "no tbf in this kernel"
}

# A segment is at most 64 KiB and what the kernel adds to it; two may lie there,
# four to repair.
t106_kernel_queue()
{
	local below meminfo queued sndbuf

	read -r _ below _ meminfo _ queued sndbuf _ < <(tail -1 "$tmp/writer.log")
	at_least "$below" 1 && at_most "$below" 300000 &&
		at_least "$meminfo" 1 && at_most "$meminfo" 300000
}

t106_all_else_is_governed()
{
	local queued sndbuf left

	read -r _ _ _ _ _ queued sndbuf _ left < <(tail -1 "$tmp/writer.log")
	at_least "$left" 1 && at_least "$queued" 1000000 && at_most "$queued" $((sndbuf + 66000))
}

# says LOG WORD
says()
{
	local i

	for ((i = 0; i < 500; i++)); do
		grep -q "$2" "$1" && return
		sleep 0.02
	done
	cat "$1"
	false
}

# There is no way to the peer any more.
t85_reset_that_cannot_leave()
{
	local i

	ip link set v0 down
	echo >&8
	says resetter.log closed || return
	for ((i = 0; i < 100; i++)); do
		"$rudpstat" -s -d "$RUDP_DOMAIN" | grep -qE 'TCPAbortFailed +1\b' && return
		sleep 0.02
	done
	"$rudpstat" -s -d "$RUDP_DOMAIN"
	false
}

# So many connections of one listener's socket that what each may leave in the
# kernel's queue is more than this holds.
t85_kernel_takes_no_more()
{
	local i

	: >fan.log
	"${in_mode[@]}" "$python" "$here/below.py" fan 10.78.0.1 7002 120 >fan.log 2>&1 &
	pids="$pids $!"
	says fan.log listening || return
	$far "${in_mode[@]}" "$python" "$here/below.py" crowd 10.78.0.1 7002 120 >crowd.log 2>&1 &
	pids="$pids $!"
	for ((i = 0; i < 200; i++)); do
		"$rudpstat" -s -d "$RUDP_DOMAIN" | grep -q '^ *SndBufErrors' && return
		sleep 0.05
	done
	cat fan.log crowd.log
	"$rudpstat" -s -d "$RUDP_DOMAIN"
	false
}

far_reader()
{
	: >reader.log
	$far "${in_mode[@]}" "$python" "$here/below.py" reader 10.78.0.2 "$1" >reader.log 2>&1 &
	pids="$pids $!"
	says reader.log listening
}

dead_host()
{
	mkfifo end end2
	set_in_mode
	two_hosts && far_reader 7000 || return
	"${in_mode[@]}" "$python" "$here/below.py" writer 10.78.0.2 7000 64000000 \
		<end >writer.log 2>&1 &
	writer=$!
	exec 8>end
	says writer.log writing || return
	sleep 2
	$far ip addr del 10.78.0.2/24 dev v1
	echo >&8
	wait $writer || cat writer.log
	check "T106: a slow link, then a dead host: the kernel's queue stays short" \
		t106_kernel_queue
	check "T106: all else is governed memory, within sndbuf" t106_all_else_is_governed
	pass "$(tail -1 writer.log)"

	$far ip addr add 10.78.0.2/24 dev v1
	far_reader 7001 || return
	"${in_mode[@]}" "$python" "$here/below.py" resetter 10.78.0.2 7001 \
		<end2 >resetter.log 2>&1 &
	pids="$pids $!"
	exec 8>end2
	says resetter.log connected
	check "TCPAbortFailed: a reset that could not leave" t85_reset_that_cannot_leave
	exec 8>&-
	ip link set v0 up
	check "SndBufErrors: the kernel's queue is full" t85_kernel_takes_no_more
}

in_modes dead_host
finish
