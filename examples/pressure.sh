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
mkfifo "$dir/go" "$dir/log" "$dir/events"
exec 6<>"$dir/events"
RUDP_LOG=info:$dir/events rudp-run "$python" -u -m http.server 0 --bind 127.0.0.1 \
	--directory "$dir" >"$dir/log" 2>/dev/null &
server=$!
exec 5<"$dir/log"
read -r line <&5			# it says where it listens
port=$(expr "$line" : '.* port \([0-9]*\) ')

# Each client's output is a pipe that nobody reads before the word is given.
for i in $(seq 8); do
	rudp-run curl -sS "http://127.0.0.1:$port/file" |
		{ exec 3<"$dir/go"; cat >"$dir/got$i"; } &
	clients="${clients-} $!"
done

# until_pressure on|off: the log says when it changes
until_pressure()
{
	while read -t 30 -r event <&6; do
		case $event in *" pressure domain=$RUDP_DOMAIN is=$1 "*) return ;; esac
	done
	echo "pressure did not go $1" >&2
	exit 1
}

until_pressure on
rudpstat -d "$RUDP_DOMAIN"
echo
rudpstat -tm -d "$RUDP_DOMAIN"		# who holds it: the queues of each socket

exec 4>"$dir/go"			# the word: everybody reads
wait $clients
until_pressure off
echo
rudpstat -d "$RUDP_DOMAIN"
echo
rudpstat -s -d "$RUDP_DOMAIN" | grep -E '^(Counter|TCPMemoryPressures|Mem)'

for i in $(seq 8); do
	cmp "$dir/file" "$dir/got$i"
done
