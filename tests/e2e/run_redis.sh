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

field() { run redis-cli -p "$1" info "$2" | tr -d '\r' | awk -F: -v f="$3" '$1 == f { print $2 }'; }

# until_it_says WHAT COMMAND...: within ten seconds.
until_it_says()
{
	local i

	for ((i = 0; i < 500; i++)); do
		[ "$("${@:2}")" = "$1" ] && return
		sleep 0.02
	done
	equal "$("${@:2}")" "$1"
}

# The child has all connections of its parent, and outlives none of them.
saved_under_load()
{
	local p ret

	bench -c 20 -n 60000 -t set,get -r 10000 &
	p=$!
	cli bgsave >/dev/null && until_it_says 0 field "$port" persistence rdb_bgsave_in_progress &&
		equal "$(field "$port" persistence rdb_last_bgsave_status)" ok
	ret=$?
	wait $p && return $ret
}

redis()
{
	server "$1" redis-server --port "$2" --save '' --appendonly no --dir "$tmp/$1" \
		--daemonize no "${@:3}"
}

# A second one follows the first, which forks for it, and is killed.
replicated()
{
	local first=$port second digest

	second=$("$e2e_bin/probe" port)
	mkdir -p replica
	redis replica "$second" --bind 127.0.0.1 --replicaof 127.0.0.1 "$first"
	port=$second ready || return
	until_it_says up field "$second" replication master_link_status || return
	run redis-cli -p "$second" get large | head -c 5000000 | cmp - value || return
	bench -c 20 -n 20000 -t set,incr,lpush -r 1000 || return
	cli set last word >/dev/null
	until_it_says word run redis-cli -p "$second" get last || return
	for digest in dbsize "llen mylist" "get counter:000000000001"; do
		equal "$(run redis-cli -p "$second" $digest)" "$(cli $digest)" || return
	done
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	pids=${pids/ $pid/}
	until_it_says 0 field "$first" replication connected_slaves
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
	check "BGSAVE under load" saved_under_load
	check "a replica" replicated
	check "benchmark: every command, 50 clients" bench -c 50 -n 2000
	check "benchmark: every command, 50 clients, pipelines of 16" bench -c 50 -n 8000 -P 16
}

in_modes tests
finish
