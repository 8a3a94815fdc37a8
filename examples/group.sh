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

rudp-run "$python" -u -m http.server 0 --bind 127.0.0.1 --directory "$dir" >"$dir/log" 2>&1 &
server=$!
until port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$dir/log") && [ -n "$port" ]; do
	kill -0 $server
	sleep 0.1
done

for i in $(seq 12); do
	rudp-run curl -sS --limit-rate 3M -o "$dir/got$i" "http://127.0.0.1:$port/file" &
	clients="${clients-} $!"
done

# While they run: the summary, and the most that was ever charged.
most=0
while kill -0 $clients 2>/dev/null; do
	rudpstat -d "$RUDP_DOMAIN" || true
	pages=$(rudpstat -j -d "$RUDP_DOMAIN" | sed -n 's/.*"allocated": \([0-9]*\).*/\1/p')
	[ "${pages:-0}" -le $most ] || most=$pages
	sleep 0.3
done
wait $clients

for i in $(seq 12); do
	cmp "$dir/file" "$dir/got$i"
done
echo "12 downloads are complete; at most $most pages of 512 were charged at a time"
