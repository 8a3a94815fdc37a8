#!/bin/bash
# Servers that serve in several processes: a fork for each connection, workers
# that share a listener, connections that are passed on in messages.
. "$(dirname "$0")/../lib.sh"
need_python
enter "$@"

data sent 300000

forking() { run "$python" "$e2e_src/forking.py" "$@"; }

forking_server()
{
	new_port
	server "$1" "$python" -u "$e2e_src/forking.py" "$1" "$port" ${2-}
	ready_log listening
	case $1 in strangers|borrowed) ready_log started ;; esac
}

# of NAME COUNT LEAST [WORKERS]
of()
{
	forking_server "$1" ${4-} || return
	wire_mark
	check "python, $1: $2 answers from $3 processes or more" \
		forking ask 127.0.0.1 "$port" "$2" "$3"
	wire_check $(($2 * 500000))
	stop_all
}

managed()
{
	forking_server manager || return
	check "python: a manager, and connections of multiprocessing" \
		forking managed 127.0.0.1 "$port"
	stop_all
}

# The body comes back from at least two of three workers.
cluster_answers()
{
	local i

	: >pids
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		run curl -sS -m 10 -D heads -o back --data-binary @sent "$url/" || return
		cmp sent back || return
		grep -qi '^x-peer: 127.0.0.1' heads || { cat heads; return 1; }
		grep -i '^x-pid' heads >>pids
	done
	[ "$1" = none ] || at_least "$(sort -u pids | wc -l)" 2
}

cluster()
{
	command -v node >/dev/null && command -v curl >/dev/null || return 0
	new_port
	url=http://127.0.0.1:$port
	server cluster node "$e2e_src/cluster.js" "$port" "$1"
	ready_log listening || return
	check "node: a cluster, $2" cluster_answers "$1"
	run curl -sS -m 10 "$url/die" >/dev/null 2>&1
	ready_log replaced
	check "node: after one of them has died" cluster_answers "$1"
	stop_all
}

tests()
{
	of threading 20 1
	of forking 20 20
	of prefork 30 2 4
	of passing 20 4 4
	of strangers 20 3 3
	of borrowed 20 2 3
	managed
	cluster rr "connections are passed"
	cluster none "the listener is passed"
}

in_modes tests
finish
