#!/bin/bash
# pressure.sh - a group that runs into memory pressure, and out of it again.
#
#	$ PATH=$PATH:.../bin pressure.sh
#
# Clients ask for files and do not read them: what the server sends piles up,
# until the domain is under pressure. rudpstat shows who holds it. Then they
# read, and the pressure ends. Needs python3 and curl.
set -eu

export RUDP_DOMAIN=${RUDP_DOMAIN:-pressure-$$}
export RUDP_MEM="2M 3M 4M"
python=${PYTHON:-python3}

dir=$(mktemp -d)
trap 'kill $server 2>/dev/null; wait; rm -rf "$dir" "/dev/shm/rudp.$UID.$RUDP_DOMAIN"' EXIT
head -c 4M /dev/zero >"$dir/file"
mkfifo "$dir/go"

rudp-run "$python" -u -m http.server 0 --bind 127.0.0.1 --directory "$dir" >"$dir/log" 2>&1 &
server=$!
until port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$dir/log") && [ -n "$port" ]; do
	kill -0 $server
	sleep 0.1
done

# Each client's output is a pipe that nobody reads before the word is given.
for i in $(seq 8); do
	rudp-run curl -sS "http://127.0.0.1:$port/file" |
		{ exec 3<"$dir/go"; cat >"$dir/got$i"; } &
	clients="${clients-} $!"
done

# until_pressure true|false
until_pressure()
{
	for i in $(seq 100); do
		rudpstat -j -d "$RUDP_DOMAIN" 2>/dev/null | grep -q "\"under_pressure\": $1" && return
		sleep 0.1
	done
	echo "pressure did not become $1" >&2
	exit 1
}

until_pressure true
rudpstat -d "$RUDP_DOMAIN"
echo
rudpstat -tm -d "$RUDP_DOMAIN"		# who holds it: the queues of each socket

exec 4>"$dir/go"			# the word: everybody reads
wait $clients
until_pressure false
echo
rudpstat -d "$RUDP_DOMAIN"
echo
rudpstat -s -d "$RUDP_DOMAIN" | grep -E '^(Counter|TCPMemoryPressures|Mem)'

for i in $(seq 8); do
	cmp "$dir/file" "$dir/got$i"
done
