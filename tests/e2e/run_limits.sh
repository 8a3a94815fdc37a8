#!/bin/bash
# Stalled readers under a small limit: it holds, and every byte is right when
# they read at last. Settings that make no sense are refused.
. "$(dirname "$0")/../lib.sh"
need_python
[ -x "$rudpstat" ] || [ -z "$PRELOAD" ] || skip "rudpstat is not built"
enter "$@"

readers=100
bytes=1000000		# each
high=2048		# pages: 8 MiB for 100 MB that want to be sent

# What the domain guarantees (D8.4), in pages: the limit, three pages for each
# sock, sixteen for each arena's pool, a run of sixteen for each thread.
bound() { echo $((high + 3 * $1 + 32 * $2)); }

# sample FILE: "allocated socks processes" of the domain, once.
sample()
{
	"$rudpstat" -j -d "$RUDP_DOMAIN" | "$python" -c '
import json, sys
d = json.load(sys.stdin)["domains"][0]
print(d["memory"]["allocated"], d["sockets"]["alloc"], len(d["processes"]))' >>"$1"
}

limit_held()
{
	local pages socks procs most=0

	while read -r pages socks procs; do
		[ "$pages" -le "$most" ] || most=$pages
		at_most "$pages" "$(bound "$socks" "$procs")" || return
	done <samples
	echo "$most" >most
	at_least "$most" $((high / 2))
}

stalled_readers()
{
	local client i

	new_port
	server sender "$python" "$e2e_src/peer.py" stall-server "$port" $bytes
	ready || return
	mkfifo go
	: >client.log
	set_in_mode
	timeout 60 "${in_mode[@]}" "$python" "$e2e_src/peer.py" stall-client \
		"$port" $readers $bytes <go >client.log 2>&1 &
	client=$!
	pids="$pids $client"
	exec 9>go
	server_log=client.log
	ready_log stalled || return
	: >samples
	for i in 1 2 3 4 5 6 7 8 9 10; do
		[ "$mode" = native ] || sample samples
		sleep 0.2
	done
	echo >&9
	exec 9>&-
	for i in 1 2 3; do
		[ "$mode" = native ] || sample samples
	done
	wait "$client"
	check "$readers readers, stalled for 2 s, got every byte right" \
		grep -q 'all right' client.log || tail -3 client.log
	pids=${pids/ $client/}
	rm go
	stop_all
}

# refused VARIABLE=VALUE: one line that names the variable, and status 78.
refused()
{
	local rc

	set_in_mode
	timeout 10 "${in_mode[@]}" "$1" "$python" -c 'print("ran")' >out 2>err && rc=0 || rc=$?
	equal "$rc" 78 && equal "$(cat out)" "" && equal "$(wc -l <err)" 1 &&
		grep -q "${1%%=*}" err || { cat err; false; }
}

settings()
{
	local v

	for v in "RUDP_MEM=many" "RUDP_MEM=1 2" "RUDP_MEM=3 2 1" "RUDP_MEM=1 2 3 4" \
		 "RUDP_MEM=4M 8M -1" "RUDP_MEM=4X 8X 9X" "RUDP_WMEM=4096 16384" \
		 "RUDP_RMEM=4096 x 9" "RUDP_DOMAIN=/etc/passwd"; do
		check "$v is refused" refused "$v"
	done
}

tests()
{
	if [ "$mode" = rudp ]; then
		settings
		export RUDP_MEM="4M 6M 8M"
	fi
	ip link set lo mtu 1500
	stalled_readers
	[ "$mode" = rudp ] || return
	check "the limit of $high pages was held" limit_held
	pass "at most $(cat most) pages were charged in $(wc -l <samples) samples"
}

in_modes tests
finish
