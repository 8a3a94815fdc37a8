#!/bin/bash
# Transfers through a relay that loses 2%, reorders 5% and duplicates 1% of the
# datagrams of each direction. Over TCP it can carry nothing: there its own
# doing is looked at.
. "$(dirname "$0")/../lib.sh"
need curl
need_python
need_helper relay many
enter "$@"

weather=loss=2%,reorder=5%,reorder_by=3ms,dup=1%,delay=1ms,jitter=500us
mkdir www
data www/big 16777216
data www/small 4194304

# relayed PORT SEED: a relay to it; its port is in $port.
relayed()
{
	: >relay.port
	"$e2e_bin/relay" -t "127.0.0.1:$1" -o "$weather,seed=$2" -i "$weather,seed=$2" \
		>relay.port 2>relay.log &
	relay=$!
	pids="$pids $relay"
	until port=$(cat relay.port) && [ -n "$port" ]; do
		kill -0 "$relay" || return
		sleep 0.01
	done
}

the_relay_itself()
{
	check "the relay loses, reorders and duplicates as told" \
		"$python" "$e2e_src/relay_check.py" "$e2e_bin/relay" "$weather,seed=1"
}

fetch() { T=100 run curl -sS -o got "http://127.0.0.1:$port/$1" && same_data got "www/$1"; }

damage()
{
	stop "$relay"
	sed 's/^relay: /      /' relay.log
}

transfers()
{
	local server_port

	new_port
	server_port=$port
	server python "$python" -u -m http.server "$port" --bind 127.0.0.1 --directory www
	ready || return

	relayed "$server_port" 1 || return
	wire_mark
	check "16 MiB through the relay, right" fetch big
	wire_check 16777216
	damage

	ip link set lo mtu 1500 || return
	relayed "$server_port" 2 || return
	check "4 MiB in datagrams of at most 1,500 bytes, right" fetch small
	damage
	ip link set lo mtu 65536
	stop_all

	new_port
	server_port=$port
	server many "$e2e_bin/many" server "$port"
	ready || return
	relayed "$server_port" 3 || return
	check "100 connections echo through the relay" \
		run "$e2e_bin/many" client 127.0.0.1 "$port" 100 5
	damage
}

tests()
{
	if [ "$mode" = native ]; then
		the_relay_itself
	else
		transfers
	fi
}

in_modes tests
finish
