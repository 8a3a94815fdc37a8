#!/bin/bash
# demo.sh - forty downloads by programs that know nothing of librudp, half of
# them slow, from a web server that knows nothing of it, all under one limit.
# What is charged against the limit is shown while they run.
. "$(dirname "$0")/../lib.sh"
need nginx curl
need_python
enter "$@"

clients=40		# every second one is slow
bytes=16777216		# each fetches another part of one file
slow_rate=1M
limit="3M 4M 6M"	# low, pressure, high

mkdir www got done
data www/file $((bytes + clients * 4099))
from() { echo $(($1 * 4099)); }
for i in $(seq $clients); do
	tail -c +$(($(from "$i") + 1)) www/file | head -c $bytes | cksum >want"$i" &
done
wait

if [ -n "$PRELOAD" ]; then
	mode=rudp
	new_domain
	RUDP_DOMAIN=demo-${E2E_STAGE#*.}
	export RUDP_MEM=$limit
else
	say "There is no librudp.so: this is kernel TCP."
fi

start_server()
{
	new_port
	cat >nginx.conf <<-END
	daemon off; master_process off; pid $tmp/nginx.pid; error_log stderr crit;
	events { worker_connections 1024; }
	http { access_log off; sendfile on;
	client_body_temp_path $tmp/t1; proxy_temp_path $tmp/t2;
	fastcgi_temp_path $tmp/t3; uwsgi_temp_path $tmp/t4; scgi_temp_path $tmp/t5;
	server { listen 127.0.0.1:$port; root $tmp/www; } }
	END
	server web nginx -p "$tmp" -c "$tmp/nginx.conf"
	ready
}

# One client; it leaves its verdict in done/N.
download()
{
	local slow=

	[ $(($1 % 2)) = 1 ] || slow="--limit-rate $slow_rate"
	T=100 run curl -sS $slow -r "$(from "$1")-$(($(from "$1") + bytes - 1))" \
		-o "got/$1" "http://127.0.0.1:$port/file" 2>"err$1"
	if [ "$(sum_of "got/$1")" = "$(cat "want$1")" ]; then
		echo right >"done/$1"
	else
		{ echo wrong; cat "err$1"; } >"done/$1"
	fi 2>/dev/null
}

[ $mode = native ] && over="kernel TCP" || over=librudp
cat <<END
A web server (nginx) and $clients clients (curl), unmodified, over $over.
Each client fetches $((bytes >> 20)) MiB; every second one reads at ${slow_rate}B/s.
Domain ${RUDP_DOMAIN-none}, RUDP_MEM="$limit" (low, pressure, high).

END
start_server || exit 1
wire_mark
for i in $(seq $clients); do
	download "$i" &
done
"$python" "$e2e_src/demo_watch.py" $clients "$([ $mode = rudp ] && echo "$rudpstat")"
watched=$?
if [ "$private" = yes ]; then
	echo "On the wire: $(($(udp_datagrams) - mark_udp)) UDP receptions," \
		"$(($(tcp_counts) - mark_tcp)) TCP segments and openings."
fi
exit $watched
