#!/bin/bash
# Programs over librudp and plain TCP: a listener serves both, a connect() that finds nobody who speaks
# rudp goes on over TCP, and rules say what is carried at all.
. "$(dirname "$0")/../lib.sh"
need curl
need_python
enter "$@"

# alone NAME SCRIPT ARG...: a server that is not preloaded; its port. Its log may
# be there from another mode.
alone()
{
	: >"$1.log"
	"$python" "$e2e_src/$2" "${@:3}" >"$1.log" 2>&1 &
	pid=$!
	pids="$pids $pid"
	server_log=$tmp/$1.log
	ready_log '^port' || return
	port=$(sed -n 's/^port //p' "$1.log")
}

plain() { alone "$1" plain.py serve "${@:2}"; }
udp() { alone "$1" garbled.py "${@:2}"; }

# Plain programs are started without the library whatever the mode.
calls() { run "$python" "$e2e_src/plain.py" call "$1" "$port"; }
fetch() { run curl -sS -o got "http://127.0.0.1:$port/page" && same_data got www/page; }
fetch_plainly() { curl -sS --max-time 10 -o got "http://127.0.0.1:$port/page" && same_data got www/page; }
moved() { "$rudpstat" -sH -d "$RUDP_DOMAIN" | awk -v n="$1" '$1 == n { print $2 }'; }
told() { grep -q "^librudp: RUDP_MATCH=\"$1\": accepted are" out; }

fallback()
{
	plain four 127.0.0.1 || return
	check "a plain server on IPv4" calls 127.0.0.1
	plain six ::1 || return
	check "and on IPv6" calls ::1
	plain silent 127.0.0.1 silent || return
	export RUDP_LOG=info:$tmp/silent.events
	check "where datagrams are not answered" calls 127.0.0.1
	unset RUDP_LOG
	grep blocking check.out | sed 's/^/      /'
	[ "$mode" = native ] || check "only the first caller waited" \
		equal "$(grep -c why=silence silent.events)" 1
	[ "$mode" != rudp ] || successor
	plain puzzled 127.0.0.1 puzzled || return
	export RUDP_LOG=info:$tmp/puzzled.events
	check "where they are answered by something else" calls 127.0.0.1
	[ "$mode" = native ] || check "nobody waited there" waited_for_none
	unset RUDP_LOG
	stop_all
}

waited_for_none() { grep -q why=unreadable "$tmp/puzzled.events" && ! grep -q why=silence "$tmp/puzzled.events"; }

# Whoever gets the number of one that was silent is found, though TCP is not there.
successor()
{
	stop "$pid"
	export RUDP_LISTEN=rudp
	server successor "$python" "$e2e_src/plain.py" serve both "$port"
	unset RUDP_LISTEN
	ready_log '^port' || return
	check "a server without TCP in its place" \
		run "$python" "$e2e_src/plain.py" call 127.0.0.1 "$port" rudp
}

refused_after() { awk -v least="$2" '{ exit !($1 == "ECONNREFUSED" && $2 >= least) }' "$1"; }

# Something that makes no sense comes before the server's answer: whoever can
# forge its name must not make a connect() fail that would succeed.
lied_to()
{
	local silent

	udp silent silent || return
	run "$python" "$e2e_src/garbled.py" call "$port" >silent.out &
	silent=$!
	new_port
	export RUDP_LISTEN=rudp
	server alone "$python" "$e2e_src/plain.py" serve both "$port"
	unset RUDP_LISTEN
	ready_log '^port' || return
	udp before before "$port" || return
	check "an answer that can't be read refuses nobody" \
		run "$python" "$e2e_src/garbled.py" call "$port"
	udp nonsense puzzled || return
	run "$python" "$e2e_src/garbled.py" call "$port" >nonsense.out
	check "nothing else, and no TCP: refused" refused_after nonsense.out 0.9
	wait "$silent"
	check "silence, and no TCP: refused, late" refused_after silent.out 6.5
	stop_all
}

pages()
{
	mkdir -p www && data www/page 3000000
	new_port
	"$python" -m http.server "$port" --bind 127.0.0.1 --directory www >http.log 2>&1 &
	pid=$!
	pids="$pids $pid"
	until curl -s -o /dev/null "http://127.0.0.1:$port/"; do kill -0 $pid || return; sleep 0.05; done
	check "curl fetches from a plain server" fetch
	[ "$mode" = rudp ] || return 0
	check "the fallback is counted" at_least "$(moved PlainOpens)" 1
	export RUDP_FALLBACK=off
	check "without fallback it is refused" not fetch
	export RUDP_MATCH="10.0.0.0/8 [fd00::]/8 !:$port"
	check "unless a rule says so" fetch
	export RUDP_MATCH="!127.0.0.0/8:1-$((port - 1)),!127.0.0.1/32:$((port + 1))-65535"
	check "other ports' rules do not" not fetch
	unset RUDP_MATCH RUDP_FALLBACK
}

# A server by rule: on this port TCP, and rudp elsewhere.
by_rule()
{
	stop_all
	new_port
	export RUDP_MATCH="!*:$port"
	server http "$python" -u -m http.server "$port" --bind 127.0.0.1 --directory www
	unset RUDP_MATCH
	ready_log Serving || return
	check "a listener that a rule leaves to TCP" fetch_plainly
	export RUDP_MATCH=10.0.0.1:99999
	run true >out 2>&1
	check "a rule that makes no sense" equal $? 78
	check "is told" told 10.0.0.1:99999
	unset RUDP_MATCH
}

# A listener is there for both worlds, also when its driver was killed, and gone
# for both when it is closed.
both()
{
	local server

	new_port
	server both "$python" "$e2e_src/plain.py" serve both "$port"
	server=$pid
	ready_log '^port' || return
	check "plain callers are served" "$python" "$e2e_src/plain.py" call 127.0.0.1 "$port" echo
	check "and ours, over rudp" run "$python" "$e2e_src/plain.py" call 127.0.0.1 "$port" rudp
	check "a hundred of both at once" crowd
	check "the end of the listener is the end of both" \
		run "$python" "$e2e_src/plain.py" reborn "$port"
	stop "$server"
	server worker "$python" "$e2e_src/plain.py" workers "$port"
	ready_log '^port' || return
	check "a worker serves plain callers" \
		"$python" "$e2e_src/plain.py" call 127.0.0.1 "$port" echo
	kill -9 "$(sed -n 's/^driver //p' "$server_log")"
	check "and goes on when the driver is killed" \
		"$python" "$e2e_src/plain.py" call 127.0.0.1 "$port" echo
	check "for ours too" run "$python" "$e2e_src/plain.py" call 127.0.0.1 "$port" rudp
	kill "$(sed -n 's/^worker //p' "$server_log")"
}

crowd()
{
	local p jobs=

	for p in 1 2 3 4 5; do
		"$python" "$e2e_src/plain.py" crowd 127.0.0.1 "$port" 10 &
		jobs="$jobs $!"
		run "$python" "$e2e_src/plain.py" crowd 127.0.0.1 "$port" 10 &
		jobs="$jobs $!"
	done
	for p in $jobs; do wait "$p" || return; done
}

tests()
{
	[ "$mode" = native ] || both
	fallback
	[ "$mode" = native ] || lied_to
	pages
	[ "$mode" = native ] || by_rule
}

in_modes tests
finish
