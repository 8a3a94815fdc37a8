#!/bin/bash
# A node.js HTTP server and client.
. "$(dirname "$0")/../lib.sh"
need node
enter "$@"

tests()
{
	new_port
	server node node "$e2e_src/node_server.js" "$port"
	ready || return
	wire_mark
	check "602 requests over kept and fresh connections, right" \
		run node "$e2e_src/node_client.js" "$port"
	wire_check 12000000
}

in_modes tests
finish
