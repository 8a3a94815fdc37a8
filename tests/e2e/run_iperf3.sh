#!/bin/bash
# iperf3 in all directions.
. "$(dirname "$0")/../lib.sh"
need iperf3
need_python
enter "$@"

# measure LEAST_MB ARG...: the server says that it received at least so much.
measure()
{
	local least=$1

	shift
	run iperf3 -c 127.0.0.1 -p "$port" -t 2 -J "$@" >iperf.json || {
		grep '"error"' iperf.json
		return 1
	}
	"$python" - "$least" <<-'END'
	import json, sys
	end = json.load(open("iperf.json"))["end"]
	sums = [end[k] for k in ("sum_received", "sum_received_bidir_reverse") if k in end]
	mb = [s["bytes"] / 1e6 for s in sums]
	print(", ".join(f"{m:.0f} MB" for m in mb))
	sys.exit(min(mb) < float(sys.argv[1]))
	END
}

# Its test over UDP has the number of the server's listener, which gives way: the
# last, for that one is the kernel's TCP from then on.
datagrams() { run iperf3 -c 127.0.0.1 -p "$port" -u -t 1 -b 1M >udp.out 2>&1 && grep -q receiver udp.out; }

tests()
{
	new_port
	server iperf iperf3 -s -p "$port" --forceflush
	ready_log 'Server listening' || return
	wire_mark
	check "forward" measure 50
	wire_check 50000000
	check "reverse" measure 50 -R
	check "both directions" measure 25 --bidir
	check "8 streams" measure 50 -P 8
	check "8 streams, reverse" measure 50 -P 8 -R
	check "1 KiB writes, no delay" measure 10 -l 1024 -N
	check "at a rate of 50 Mbit/s" measure 10 -b 50M
	check "UDP beside it" datagrams
	check "and once more" datagrams
}

in_modes tests
finish
