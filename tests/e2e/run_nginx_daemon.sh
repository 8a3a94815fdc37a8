#!/bin/bash
# nginx as it comes: a daemon with four workers, reloaded under load, replaced
# by a new binary, talking to a second nginx by connections that it keeps.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:/usr/sbin
need nginx curl
nginx=$(command -v nginx)	# it executes itself
enter "$@"

data page 30000

# configure NAME PORT LOCATION
configure()
{
	mkdir -p "$1"
	cat >"$1/nginx.conf" <<-END
	$([ "$(id -u)" != 0 ] || echo "user root;")
	env LD_PRELOAD;
	env RUDP_DOMAIN;
	worker_processes 4;
	pid $tmp/$1/pid;
	error_log $tmp/$1/log info;
	events { worker_connections 512; }
	http {
		access_log off;
		sendfile on;
		client_body_temp_path $tmp/$1/body;
		proxy_temp_path $tmp/$1/proxy;
		fastcgi_temp_path $tmp/$1/fastcgi;
		uwsgi_temp_path $tmp/$1/uwsgi;
		scgi_temp_path $tmp/$1/scgi;
		upstream behind { server 127.0.0.1:$back; keepalive 8; }
		server {
			listen 127.0.0.1:$2;
			location / { $3 }
		}
	}
	END
}

ngx() { run "$nginx" -p "$tmp" -c "$tmp/$1/nginx.conf" "${@:2}"; }
daemon() { cat "$tmp/$1/pid"; }
gone() { for ((i = 0; i < 300; i++)); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.02; done; return 1; }

get() { run curl -sS -m 10 -o got "$url/page" && cmp got page; }

# Requests one after the other, each with a connection of its own, until told.
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

under_load()
{
	local p ret

	rm -f enough
	requests >load.out 2>&1 &
	p=$!
	"$@"
	ret=$?
	sleep 0.3
	touch enough
	wait "$p" || { cat load.out; return 1; }
	return $ret
}

reload()
{
	for i in 1 2 3; do
		ngx front -s reload || return
		sleep 0.3
	done
}

upgrade()
{
	local old new=

	old=$(daemon front)
	kill -USR2 "$old"
	for ((i = 0; i < 200; i++)); do
		[ -s "$tmp/front/pid.oldbin" ] && new=$(daemon front) && [ "$new" != "$old" ] && break
		sleep 0.02
	done
	[ "$new" != "$old" ] || { echo "no new master"; tail -3 front/log; return 1; }
	sleep 0.3
	kill -QUIT "$old"
	gone "$old" || { echo "the old one does not go"; return 1; }
}

tests()
{
	new_port; back=$port
	new_port; url=http://127.0.0.1:$port
	configure back "$back" "root $tmp;"
	configure front "$port" "proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection '';"
	check "a daemon starts and lets the shell go" ngx back
	check "another one" ngx front
	check "a page through both" get
	check "reloads under load" under_load reload
	check "a page" get
	check "a new binary under load" under_load upgrade
	check "a page from the new one" get
	if command -v wrk >/dev/null; then
		check "wrk" load
	fi
	ngx front -s quit
	ngx back -s stop
	gone "$(daemon front 2>/dev/null)"
}

load()
{
	run wrk -t 2 -c 50 -d 2 --timeout 5 "$url/page" >wrk.out || return
	cat wrk.out
	grep -q '^Requests/sec' wrk.out && ! grep -E 'Socket errors|Non-2xx' wrk.out
}

in_modes tests
finish
