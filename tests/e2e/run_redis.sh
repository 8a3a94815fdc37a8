#!/bin/bash
# redis: its client, and its benchmark as a load of every command.
. "$(dirname "$0")/../lib.sh"
need redis-server redis-cli redis-benchmark
enter "$@"

data value 5000000
cli() { run redis-cli -p "$port" "$@"; }

# 5 MB in one value, and back by the raw protocol.
large_value()
{
	equal "$(cli -x set large <value)" OK || return
	cli get large | head -c 5000000 | cmp - value
}

# 50,000 commands down one pipe.
mass_insert()
{
	local replies

	awk 'BEGIN { for (i = 0; i < 50000; i++) printf "SET key:%d value-%d\r\n", i, i * 7 }' >cmds
	replies=$(cli --pipe <cmds | tail -1)
	equal "$replies" "errors: 0, replies: 50000" || return
	equal "$(cli get key:49999)" value-349993
}

subscriber()
{
	run timeout 10 redis-cli -p "$port" subscribe news >news &
	local sub=$!

	for i in $(seq 200); do
		[ "$(cli publish news hello)" = 1 ] && break
	done
	for i in $(seq 200); do
		grep -q hello news && break
		sleep 0.02
	done
	kill "$sub" 2>/dev/null
	wait "$sub" 2>/dev/null
	grep -q hello news
}

bench()
{
	run redis-benchmark -p "$port" -q --csv "$@" >bench.out || return
	grep -q '^"' bench.out && ! grep -iE 'error|reset|refused' bench.out
}

tests()
{
	new_port
	server redis redis-server --port "$port" --bind 127.0.0.1 -::1 --save '' \
		--appendonly no --dir "$tmp" --daemonize no
	ready || return
	wire_mark
	check "PING" equal "$(cli ping)" PONG
	check "a value of 5 MB goes in and comes back" large_value
	wire_check 10000000
	check "PING over IPv6" equal "$(run redis-cli -h ::1 -p "$port" ping)" PONG
	check "50,000 SETs down a pipe" mass_insert
	check "a subscriber hears" subscriber
	check "benchmark: every command, 50 clients" bench -c 50 -n 2000
	check "benchmark: every command, 50 clients, pipelines of 16" bench -c 50 -n 8000 -P 16
}

in_modes tests
finish
