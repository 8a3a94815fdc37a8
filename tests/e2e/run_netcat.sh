#!/bin/bash
# socat and netcat: echo, half-close, one way and the other, both families.
. "$(dirname "$0")/../lib.sh"
need socat nc
enter "$@"

data sent 8388608

# An echo ends when our half of the connection has ended and all came back.
socat_echo() { run socat -t 30 - "$1" <sent >got && same_data got sent; }

socat_server()
{
	new_port
	server socat socat "$1-LISTEN:$port,bind=$2,fork,reuseaddr" EXEC:cat
	ready "${2//[][]/}" || return
	wire_mark
	check "$1: socat echoes 8 MiB, half-closed" socat_echo "$1:$2:$port"
	wire_check 16777216
	check "$1: four echoes at once" four_echoes "$1:$2:$port"
	stop_all
}

four_echoes()
{
	local i p=

	for i in 1 2 3 4; do
		run socat -t 30 - "$1" <sent >"got$i" &
		p="$p $!"
	done
	wait $p
	for i in 1 2 3 4; do
		same_data "got$i" sent || return
	done
}

# The listener reads first and answers when it has seen the end.
answer_after_end()
{
	new_port
	server answer socat "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" "SYSTEM:cksum"
	ready || return
	check "the answer comes after our half-close" equal \
		"$(run socat -t 30 - "TCP:127.0.0.1:$port" <sent)" "$(sum_of sent)"
	stop_all
}

# A listener leaves when the caller's half has ended and it has nothing at hand
# to send, even if it could read more: so data goes one way at a time.
nc_listen()
{
	new_port
	set_in_mode
	: >nc.log
	timeout 30 "${in_mode[@]}" nc -nv "$1" -N -l "$2" "$port" <"$3" >"$4" 2>nc.log &
	pid=$! server_log=nc.log
	ready_log Listening
}

nc_to() { run nc -n "$1" -N "$2" "$port" <sent; }
nc_from() { run nc -nd "$1" "$2" "$port" >got; }

nc_pair()
{
	nc_listen "$1" "$2" /dev/null got || return
	wire_mark
	check "nc $1: 8 MiB to the listener" nc_to "$1" "$2"
	wait "$pid"
	check "nc $1: data is right" same_data got sent
	wire_check 8388608

	nc_listen "$1" "$2" sent none || return
	check "nc $1: 8 MiB to the caller" nc_from "$1" "$2"
	wait "$pid"
	check "nc $1: data is right" same_data got sent
}

tests()
{
	socat_server TCP4 127.0.0.1
	socat_server TCP6 '[::1]'
	answer_after_end
	nc_pair -4 127.0.0.1
	nc_pair -6 ::1
}

in_modes tests
finish
