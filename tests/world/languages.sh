# languages.sh - what comes with languages: their sockets, their HTTP, their TLS.

# A self-signed certificate for localhost: key.pem, cert.pem, both.pem.
certificate()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-keyout key.pem -out cert.pem -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
	cat key.pem cert.pem >both.pem
	chmod 644 ./*.pem
}

program perl 2000000 perl
program_perl()
{
	check "perl: a server that forks, 20 clients" run perl "$world/sockets.pl"
}

program perl_http 1000000 perl /usr/share/perl5/LWP.pm /usr/share/perl5/HTTP/Daemon.pm
program_perl_http()
{
	check "perl: HTTP::Daemon and LWP" run perl "$world/http.pl" "$tmp/page"
}

program ruby 2000000 ruby
program_ruby()
{
	check "ruby: sockets, net/http, drb" run ruby "$world/sockets.rb" "$tmp/page"
}

program tcl 1000000 tclsh
program_tcl()
{
	check "tcl: sockets with fileevents, fcopy" run tclsh "$world/sockets.tcl" "$tmp/page"
}

program lua 1000000 lua /usr/share/lua/5.3/socket.lua
program_lua()
{
	check "lua: luasocket" run lua "$world/sockets.lua" "$tmp/page"
}

program php 3000000 php
program_php()
{
	cat >index.php <<-'END'
	<?php
	if ($_SERVER['REQUEST_METHOD'] == 'POST') {
		echo md5(file_get_contents('php://input')), ' ', $_SERVER['REMOTE_ADDR'];
	} else {
		readfile($_GET['file']);
	}
	END
	new_port
	server php php -S "127.0.0.1:$port" -t .
	ready || return
	check "php -S: a page" run curl -sS -m 20 -o got "http://127.0.0.1:$port/?file=$tmp/page"
	check "php -S: it is right" cmp got "$tmp/page"
	check "php -S: a post" equal \
		"$(run curl -sS -m 20 --data-binary "@$tmp/page" "http://127.0.0.1:$port/")" \
		"$(md5sum <"$tmp/page" | cut -d' ' -f1) 127.0.0.1"
	check "php: its own client" equal "$(run php -r \
		"echo md5(file_get_contents('http://127.0.0.1:$port/?file=$tmp/page'));")" \
		"$(md5sum <"$tmp/page" | cut -d' ' -f1)"
}

program node_tls 1000000 node
program_node_tls()
{
	certificate
	check "node: tls, 10 connections, renewed sessions" run node "$world/tls.js" "$tmp/page"
}

program node_http2 3000000 node
program_node_http2()
{
	certificate
	check "node: http2, 30 streams, both ways" run node "$world/http2.js" "$tmp/page"
}

program aiohttp 5000000 /usr/lib/python3/dist-packages/aiohttp
program_aiohttp()
{
	check "aiohttp: pages and websockets" run /usr/bin/python3 "$world/aio.py" "$tmp/page"
}

program tornado 5000000 /usr/lib/python3/dist-packages/tornado
program_tornado()
{
	check "tornado: its server and clients" run /usr/bin/python3 "$world/torn.py" "$tmp/page"
}

program twisted 5000000 /usr/lib/python3/dist-packages/twisted
program_twisted()
{
	check "twisted: its server and clients" run /usr/bin/python3 "$world/twist.py" "$tmp/page"
}

program gevent 5000000 /usr/lib/python3/dist-packages/gevent
program_gevent()
{
	check "gevent: its server, urllib patched" run /usr/bin/python3 "$world/green.py" "$tmp/page"
}

program erlang 1000000 erl escript
program_erlang()
{
	check "erlang: gen_tcp and httpc" run escript "$world/sockets.escript" "$tmp/page"
}
