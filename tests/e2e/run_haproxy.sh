#!/bin/bash
# haproxy in master-worker mode: reloaded under load, listeners handed over.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:/usr/sbin
need haproxy nginx curl
enter "$@"

data page 200000

configure()
{
	cat >haproxy.cfg <<-END
	global
		master-worker
		stats socket $tmp/ha.sock mode 600 level admin expose-fd listeners
		nbthread 2
	defaults
		mode http
		timeout connect 5s
		timeout client 20s
		timeout server 20s
	frontend f
		bind 127.0.0.1:$port
		default_backend b
	backend b
		server s 127.0.0.1:$back
	END
	cat >nginx.conf <<-END
	daemon off;
	$([ "$(id -u)" != 0 ] || echo "user root;")
	master_process off;
	pid $tmp/nginx.pid;
	error_log stderr warn;
	events { worker_connections 512; }
	http {
		access_log off;
		client_body_temp_path $tmp/body;
		proxy_temp_path $tmp/proxy;
		fastcgi_temp_path $tmp/fastcgi;
		uwsgi_temp_path $tmp/uwsgi;
		scgi_temp_path $tmp/scgi;
		server { listen 127.0.0.1:$back; root $tmp; }
	}
	END
}

get() { run curl -sS -m 10 -o got "$url/page" && cmp got page; }

requests()
{
	local n=0

	set_in_mode
	until [ -e enough ]; do
		"${in_mode[@]}" curl -sS -m 10 -o got.load "$url/page" && cmp got.load page || {
			echo "request $n failed"
			return 1
		}
		n=$((n + 1))
	done
	echo "$n requests"
	[ "$n" -gt 3 ]
}

reload()
{
	rm -f enough
	requests >load.out 2>&1 &
	local p=$!
	for i in 1 2 3; do
		kill -USR2 "$ha"
		sleep 0.5
	done
	touch enough
	wait "$p" || { cat load.out; tail -5 haproxy.log; return 1; }
}

tests()
{
	new_port; back=$port
	new_port; url=http://127.0.0.1:$port
	configure
	server nginx nginx -p "$tmp" -c "$tmp/nginx.conf"
	port=$back ready || return
	server haproxy haproxy -W -f "$tmp/haproxy.cfg"
	ha=$pid
	ready || return
	check "a page" get
	check "three reloads under load" reload
	check "a page afterwards" get
}

in_modes tests
finish
