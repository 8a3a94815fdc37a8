#!/bin/bash
# 2,000 connections, held and used, with one thread at each end.
. "$(dirname "$0")/../lib.sh"
need_helper many
enter "$@"

[ "$(ulimit -Hn)" -ge 8192 ] || skip "the descriptor limit is $(ulimit -Hn)"
ulimit -n "$(ulimit -Hn)"

# A busy machine may need more than the second after which TCP is tried, too.
export RUDP_FALLBACK=off

tests()
{
	new_port
	server many "$e2e_bin/many" server "$port"
	ready || return
	wire_mark
	check "2,000 connections, 5 rounds" run "$e2e_bin/many" client 127.0.0.1 "$port" 2000 5
	wire_check 2000000
	check "and again" run "$e2e_bin/many" client 127.0.0.1 "$port" 2000 2
	check "the server is alive" kill -0 "$pid"
}

in_modes tests
finish
