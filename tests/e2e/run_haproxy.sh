#!/bin/bash
# haproxy in master-worker mode: reloaded under load, listeners handed over.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:/usr/sbin
need haproxy nginx curl
need_python
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

# The log says N times what PATTERN is; the hammers have got so many pages more.
said() { [ "$(grep -c -e "$2" "$server_log")" -ge "$1" ]; }
got_more() { [ "$(wc -c <got.count)" -ge $(($1 + 20)) ]; }

within_10s()
{
	local end=$(($(now_ms) + 10000))

	until "$@"; do
		[ "$(now_ms)" -lt "$end" ] || { echo "not within 10 s: $*"; return 1; }
		kill -0 "${hammers[@]}" 2>/dev/null || { echo "no more load"; return 1; }
		sleep 0.02
	done
}

reload()
{
	local i ok=0

	rm -f enough
	: >got.count
	hammers=()
	set_in_mode
	for i in 1 2; do
		"${in_mode[@]}" "$python" "$e2e_src/hammer.py" "$port" page page &
		hammers+=($!)
	done
	for i in 1 2 3; do
		within_10s got_more "$(wc -c <got.count)" || { ok=1; break; }
		kill -USR2 "$ha"
		within_10s said "$i" "Former worker" || { ok=1; break; }
	done
	[ "$ok" = 1 ] || within_10s got_more "$(wc -c <got.count)" || ok=1
	touch enough
	for i in "${hammers[@]}"; do
		wait "$i" || ok=1
	done
	return "$ok"
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
