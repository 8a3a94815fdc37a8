#!/bin/bash
# nginx as one process: a large file, keep-alive, many clients.
. "$(dirname "$0")/../lib.sh"
need nginx curl
enter "$@"

big=${E2E_BIG:-1073741824}
data big "$big"
big_sum=$(sum_of big)
head -c 16384 big >page

fetch_big() { equal "$(run curl -sS "$url/big" | cksum)" "$big_sum"; }

keep_alive()
{
	local opened

	opened=$(run curl -sS -o /dev/null -w '%{num_connects}\n' "$url/page?[1-200]" |
		awk '{ n += $1 } END { print n }')
	equal "$opened" 1
}

load()
{
	run wrk -t 2 -c 50 -d 2 --timeout 5 "$url/page" >wrk.out || return
	grep -q '^Requests/sec' wrk.out && ! grep -E 'Socket errors|Non-2xx' wrk.out
}

range()
{
	run curl -sS -r 1000000-1999999 -o part "$url/big" &&
		equal "$(sum_of part)" "$(tail -c +1000001 big | head -c 1000000 | cksum)"
}

# configure MASTER WORKERS
configure()
{
	cat >nginx.conf <<-END
	daemon off;
	$([ "$(id -u)" != 0 ] || echo "user root;")
	master_process $1;
	worker_processes $2;
	pid $tmp/nginx.pid;
	error_log stderr warn;
	events { worker_connections 1024; }
	http {
		access_log off;
		sendfile ${3:-on};
		tcp_nopush on;
		client_body_temp_path $tmp/body;
		proxy_temp_path $tmp/proxy;
		fastcgi_temp_path $tmp/fastcgi;
		uwsgi_temp_path $tmp/uwsgi;
		scgi_temp_path $tmp/scgi;
		server {
			listen 127.0.0.1:$port;
			keepalive_requests 1000000;
			root $tmp;
		}
	}
	END
}

start()
{
	new_port
	url=http://127.0.0.1:$port
	configure "$@"
	server nginx nginx -p "$tmp" -c "$tmp/nginx.conf"
	ready
}

one_process()
{
	start off 1 || return
	wire_mark
	check "$big bytes by sendfile arrive right" fetch_big
	wire_check "$big"
	check "a range is right" range
	check "200 requests over one connection" keep_alive
	if command -v wrk >/dev/null; then
		check "wrk: 50 connections without an error" load
	fi
	stop_all

	start off 1 off || return
	check "$big bytes without sendfile arrive right" fetch_big
}

workers()
{
	start on 2 || return
	wire_mark
	check "two workers: 64 MiB each to four clients" four_clients
	wire_check 268435456
	check "two workers: 200 requests over one connection" keep_alive
	if command -v wrk >/dev/null; then
		check "two workers: wrk without an error" load
	fi
}

four_clients()
{
	local i want p

	want=$(head -c 67108864 big | cksum)
	for i in 1 2 3 4; do
		run curl -sS -r 0-67108863 "$url/big" | cksum >"sum$i" &
		p="${p-} $!"
	done
	wait $p
	for i in 1 2 3 4; do
		equal "$(cat "sum$i")" "$want" || return
	done
}

in_modes ${NGINX_PART:-one_process}
finish
