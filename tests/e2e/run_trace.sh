#!/bin/bash
# rudpstat --trace follows a transfer through a relay that loses datagrams: what
# it writes is qlog, and tells of every packet what became of it. A program that
# does not answer is looked at from outside.
. "$(dirname "$0")/../lib.sh"
need_python
need_helper relay
[ -z "$PRELOAD" ] || [ -x "$rudpstat" ] || skip "rudpstat is not built"
enter "$@"

schema=$top_srcdir/tests/e2e/qlog.schema.json

# through LINK BYTES: a program with a connection through such a relay: in $id.
# Its standard input is descriptor 7.
through()
{
	rm -f orders && mkfifo orders && exec 7<>orders
	set_in_mode
	server_log=$tmp/traced.log
	: >"$server_log"
	"${in_mode[@]}" "$python" "$e2e_src/traced.py" send "$2" <orders >"$server_log" 2>&1 &
	pid=$!
	pids="$pids $pid"
	ready_log '^port' || return
	: >relay.port
	"$e2e_bin/relay" -t "127.0.0.1:$(sed -n 's/^port //p' "$server_log")" -o "$1" \
		>relay.port 2>relay.log &
	pids="$pids $!"
	until [ -s relay.port ]; do sleep 0.01; done
	cat relay.port >&7
	ready_log '^local' || return
	id=$("$rudpstat" -tiH -d "$RUDP_DOMAIN" sport "$(sed -n 's/^local //p' "$server_log")" |
		sed -n 's/.*  id:\([0-9a-f]*\).*/\1/p')
	[ -n "$id" ]
}

# follow FILE: until it has written something of this kind
follow()
{
	"$rudpstat" --trace "$id" >"$1" 2>trace.err &
	tracer=$!
	pids="$pids $tracer"
	until grep -qs "$2" "$1"; do kill -0 $tracer || return; sleep 0.01; done
}

lossy_transfer()
{
	[ "$private" = no ] || ip link set lo mtu 1500
	through loss=3%,delay=2ms,seed=5 1000000 || return
	follow trace.qlog rudp:timer_updated || return
	echo go >&7
	wait "$pid" && wait "$tracer"
}

whole() { grep -qx 'got 1000000' "$server_log"; }

stopped_program()
{
	through delay=1ms 1000 || return
	kill -STOP "$pid"
	follow stopped.qlog metrics_updated
	until grep -q 'does not answer' trace.err; do kill -0 "$tracer" || return; sleep 0.01; done
	kill -CONT "$pid"
	echo go >&7
	wait "$pid" && wait "$tracer"
	grep -q transport:packet_sent stopped.qlog
}

# What a reader leaves behind when it is killed ends by itself.
killed_reader()
{
	through delay=1ms 300000 || return
	for _ in 1 2 3 4 5; do
		follow killed.qlog metrics_updated || return
		kill -9 "$tracer"
		wait "$tracer"
	done 2>/dev/null
	echo go >&7
	wait "$pid"
}

tests()
{
	[ "$mode" = rudp ] || return 0
	check "a transfer with losses is followed" lossy_transfer
	check "and was not disturbed" whole
	check "what was written is qlog, and right" \
		"$python" "$e2e_src/traced.py" check trace.qlog "$schema" 10
	[ "$failed" = 0 ] && sed 's/^/      /' check.out
	check "a stopped program is looked at, and followed when it goes on" stopped_program
	check "readers may be killed" killed_reader
	exec 7>&-
	return 0
}

in_modes tests
finish
