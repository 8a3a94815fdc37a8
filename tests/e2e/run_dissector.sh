#!/bin/bash
# The Wireshark dissector of examples/ reads what was captured while a file was
# fetched through a relay that loses packets: every field is decoded, every
# checksum found right, and a byte that is wrong found wrong.
. "$(dirname "$0")/../lib.sh"
need tshark
need_python
need_helper relay
enter "$@"

lua=$top_srcdir/examples/librudp.lua
mkdir www
data www/file 300000

# Until its input ends, see stop_capture.
capture()
{
	mkfifo end
	"$python" "$e2e_src/capture.py" udp.pcap <end >capture.log 2>&1 &
	capture=$!
	exec 9>end
	until grep -q capturing capture.log; do
		kill -0 "$capture" 2>/dev/null || return
		sleep 0.01
	done
}

stop_capture()
{
	exec 9>&-
	wait "$capture"
}

read_capture()
{
	tshark -X "lua_script:$lua" -r udp.pcap -Y librudp -T json >frames.json 2>tshark.log
}

look() { "$python" "$e2e_src/dissected.py" "$@"; }

fetch()
{
	run "$python" -c 'import sys, urllib.request
open("got", "wb").write(urllib.request.urlopen(sys.argv[1]).read())' \
		"http://127.0.0.1:$1/file" && same_data got www/file
}

transfer()
{
	local target

	ip link set lo mtu 1500 || skip "the device's MTU cannot be set"
	capture || skip "packets cannot be captured"
	new_port
	target=$port
	server python "$python" -u -m http.server "$port" --bind 127.0.0.1 --directory www
	ready || return
	: >relay.port
	"$e2e_bin/relay" -t "127.0.0.1:$target" -i loss=3%,seed=1 >relay.port 2>/dev/null &
	pids="$pids $!"
	until port=$(cat relay.port) && [ -n "$port" ]; do sleep 0.01; done
	check "a file is fetched and captured" fetch "$port"
	stop_all
	stop_capture
	check "tshark reads it" read_capture
	check "the opening is read" look opening
	check "the stream is read" look stream www/file
	check "acknowledged blocks, windows and the end are read" look fields
	check "every checksum was looked at and is right" look sums
	look spoil udp.pcap && read_capture
	check "a wrong byte is marked" look bad
}

over_ipv6()
{
	local port

	rm -f end && capture || return
	new_port
	server python6 "$python" -u -m http.server "$port" --bind ::1 --directory www
	ready ::1 || return
	check "a file is fetched over IPv6" fetch6 "$port"
	stop_all
	stop_capture
	check "and read" read_capture
	check "with its opening, its stream and right checksums" read_right
}

fetch6()
{
	run "$python" -c 'import sys, urllib.request
open("got", "wb").write(urllib.request.urlopen(sys.argv[1]).read())' \
		"http://[::1]:$1/file" && same_data got www/file
}

read_right() { look opening && look stream www/file && look sums; }

tests()
{
	[ "$mode" = native ] || { transfer && over_ipv6; }
}

in_modes tests
finish
