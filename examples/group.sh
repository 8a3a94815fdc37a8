#!/bin/bash
# group.sh - a server and its clients share one account of buffer memory.
#
#	$ PATH=$PATH:.../bin group.sh
#
# Twelve slow downloads of 4 MiB want more buffers than the group may have. The
# group's limit holds all the same, and everybody gets the whole file. Needs
# python3 and curl.
set -eu

export RUDP_DOMAIN=${RUDP_DOMAIN:-group-$$}	# who names it, belongs to it
export RUDP_MEM="1M 1536K 2M"			# low, pressure, high
python=${PYTHON:-python3}

dir=$(mktemp -d)
trap 'kill $server 2>/dev/null; wait; rm -rf "$dir" "/dev/shm/rudp.$UID.$RUDP_DOMAIN"' EXIT
head -c 4M /dev/zero >"$dir/file"

mkfifo "$dir/log"
rudp-run "$python" -u -m http.server 0 --bind 127.0.0.1 --directory "$dir" \
	>"$dir/log" 2>/dev/null &
server=$!
exec 5<"$dir/log"
read -r line <&5			# it says where it listens
port=$(expr "$line" : '.* port \([0-9]*\) ')

for i in $(seq 12); do
	rudp-run curl -sS --limit-rate 3M -o "$dir/got$i" "http://127.0.0.1:$port/file" &
	clients="${clients-} $!"
done

# While they run: the summary each time that one of them is done, and the most
# that was charged when somebody looked.
most=0
for client in $clients; do
	rudpstat -d "$RUDP_DOMAIN"
	pages=$(rudpstat -j -d "$RUDP_DOMAIN" | sed -n 's/.*"allocated": \([0-9]*\).*/\1/p')
	[ "${pages:-0}" -le $most ] || most=$pages
	wait $client
done

for i in $(seq 12); do
	cmp "$dir/file" "$dir/got$i"
done
echo "12 downloads are complete; at most $most pages of 512 were charged at a time"
