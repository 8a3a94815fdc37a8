#!/bin/bash
# memcached with four threads, and a client that keeps several connections.
. "$(dirname "$0")/../lib.sh"
need memcached
need_python
enter "$@"

tests()
{
	new_port
	server memcached memcached -u "$(id -un)" -l 127.0.0.1,::1 -p "$port" -U 0 -t 4 -m 128
	ready || return
	wire_mark
	check "20,000 sets and gets over 8 connections, right" \
		run "$python" "$e2e_src/memcached_client.py" 127.0.0.1 "$port" 8 2500
	wire_check 1000000
	check "the same over IPv6" \
		run "$python" "$e2e_src/memcached_client.py" ::1 "$port" 4 500
}

in_modes tests
finish
