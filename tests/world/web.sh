# web.sh - web servers, proxies and their clients.

# get URL ARG...: the page, by curl.
get() { run curl -sS -m 30 -o got "$@" && cmp got "$tmp/page"; }

program lighttpd 10000000 lighttpd ab
program_lighttpd()
{
	new_port
	cat >conf <<-END
	server.document-root = "$tmp"
	server.bind = "127.0.0.1"
	server.port = $port
	END
	server lighttpd lighttpd -D -f conf
	ready || return
	check "lighttpd: a page" get "http://127.0.0.1:$port/page"
	check "lighttpd: a range of it" equal "$(run curl -sS -r 1000-1999 \
		"http://127.0.0.1:$port/page" | cksum)" "$(tail -c +1001 "$tmp/page" | head -c 1000 | cksum)"
	check "ab: 200 pages, kept alive" benchmarked -k -c 8 -n 200
	check "ab: 60 connections" benchmarked -c 8 -n 60
}

benchmarked()
{
	run ab -q "$@" "http://127.0.0.1:$port/page" >ab.log || return
	grep -q '^Failed requests: *0$' ab.log && grep -q "^Complete requests: *${!#}$" ab.log
}

program nghttpd 5000000 nghttpd nghttp h2load
program_nghttpd()
{
	certificate
	new_port
	server nghttpd nghttpd -a 127.0.0.1 -d "$tmp" "$port" key.pem cert.pem
	ready || return
	check "nghttpd: curl --http2" get --http2 -k "https://127.0.0.1:$port/page"
	check "nghttp: multiplexed" run nghttp -n --no-verify-peer -m 5 "https://127.0.0.1:$port/page"
	run h2load -c 4 -m 8 -n 100 "https://127.0.0.1:$port/page" >h2load.log
	check "h2load: 100 requests, 4 connections" grep -q '100 succeeded, 0 failed, 0 errored' h2load.log
}

program tinyproxy 2000000 tinyproxy lighttpd
program_tinyproxy()
{
	local origin

	new_port
	origin=$port
	printf 'server.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %d\n' \
		"$tmp" "$port" >conf
	server lighttpd lighttpd -D -f conf
	ready || return
	new_port
	printf 'Port %d\nListen 127.0.0.1\nTimeout 30\nMaxClients 20\n' "$port" >proxy.conf
	server tinyproxy tinyproxy -d -c proxy.conf
	ready || return
	check "tinyproxy: a page" get -x "http://127.0.0.1:$port" "http://127.0.0.1:$origin/page"
	check "tinyproxy: a tunnel" get -p -x "http://127.0.0.1:$port" "http://127.0.0.1:$origin/page"
}

program squid 2000000 squid lighttpd
program_squid()
{
	local origin

	new_port
	origin=$port
	printf 'server.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %d\n' \
		"$tmp" "$port" >conf
	server lighttpd lighttpd -D -f conf
	ready || return
	new_port
	cat >squid.conf <<-END
	http_port 127.0.0.1:$port
	http_access allow all
	acl SSL method CONNECT
	cache_mem 16 MB
	maximum_object_size_in_memory 2 MB
	pid_filename $PWD/squid.pid
	cache_log /dev/stderr
	access_log stdio:$PWD/access.log
	logfile_rotate 0
	pinger_enable off
	shutdown_lifetime 0 seconds
	visible_hostname localhost
	END
	as_root && chown proxy .
	server squid squid -N -f squid.conf
	ready || return
	check "squid: a page" get -x "http://127.0.0.1:$port" "http://127.0.0.1:$origin/page"
	check "squid: again" get -x "http://127.0.0.1:$port" "http://127.0.0.1:$origin/page"
	check "squid: a tunnel" get -p -x "http://127.0.0.1:$port" "http://127.0.0.1:$origin/page"
}

program varnish 1000000 varnishd lighttpd
program_varnish()
{
	local origin

	new_port
	origin=$port
	printf 'server.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %d\n' \
		"$tmp" "$port" >conf
	server lighttpd lighttpd -D -f conf
	ready || return
	new_port
	server varnish varnishd -F -j none -a "127.0.0.1:$port" -b "127.0.0.1:$origin" -n "$PWD/v" \
		-s malloc,16m
	ready || return
	check "varnish: a page" get "http://127.0.0.1:$port/page"
	check "varnish: again" get "http://127.0.0.1:$port/page"
}

program aria2 1000000 aria2c lighttpd
program_aria2()
{
	new_port
	printf 'server.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %d\n' \
		"$tmp" "$port" >conf
	server lighttpd lighttpd -D -f conf
	ready || return
	check "aria2: in four pieces at once" run aria2c -q -x 4 -s 4 -k 1M --min-split-size=1M \
		-d . -o got "http://127.0.0.1:$port/page"
	check "aria2: it is right" cmp got "$tmp/page"
}

program axel 1000000 axel lighttpd
program_axel()
{
	new_port
	printf 'server.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %d\n' \
		"$tmp" "$port" >conf
	server lighttpd lighttpd -D -f conf
	ready || return
	check "axel: in four pieces at once" run axel -q -n 4 -o got "http://127.0.0.1:$port/page"
	check "axel: it is right" cmp got "$tmp/page"
}

program gunicorn 4000000 gunicorn
program_gunicorn()
{
	cat >app.py <<-END
	def app(environ, start):
	    if environ["REQUEST_METHOD"] == "POST":
	        body = environ["wsgi.input"].read()
	    else:
	        body = open("$tmp/page", "rb").read()
	    start("200 OK", [("Content-Length", str(len(body)))])
	    return [body]
	END
	new_port
	server gunicorn gunicorn -w 3 -b "127.0.0.1:$port" app:app
	ready || return
	check "gunicorn: pages by three workers" parallel 20 "http://127.0.0.1:$port/"
	check "gunicorn: a post" get --data-binary "@$tmp/page" "http://127.0.0.1:$port/"
}

# parallel N URL: all of them right, ten at a time.
parallel()
{
	run curl -sS -Z --parallel-max 10 -m 50 -o 'got#1' -w '%{http_code}\n' "$2?[1-$1]" >codes
	equal "$(sort codes | uniq -c | awk '{ print $1, $2 }')" "$1 200" || return
	equal "$(cat got[0-9]* | cksum)" "$(for ((i = 0; i < $1; i++)); do cat "$tmp/page"; done | cksum)"
}
