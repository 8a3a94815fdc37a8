#!/bin/bash
# Apache as it comes: a daemon, with each of its three models, and CGI.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:/usr/sbin
need apache2 curl
modules=/usr/lib/apache2/modules
[ -e $modules/mod_mpm_prefork.so ] || skip "no modules of apache"
enter "$@"

mkdir -p htdocs/cgi
data htdocs/page 3000000
printf '#!/bin/sh\necho "Content-Type: text/plain"\necho\necho "from $REMOTE_ADDR"\ncat\n' >htdocs/cgi/echo
chmod 755 . htdocs htdocs/cgi htdocs/cgi/echo

# configure MODEL
configure()
{
	local cgi=cgid

	[ "$1" != prefork ] || cgi=cgi
	cat >apache.conf <<-END
	ServerRoot $tmp
	ServerName localhost
	Listen 127.0.0.1:$port
	PidFile $tmp/apache.pid
	ErrorLog $tmp/apache.log
	LoadModule mpm_$1_module $modules/mod_mpm_$1.so
	LoadModule authz_core_module $modules/mod_authz_core.so
	LoadModule alias_module $modules/mod_alias.so
	LoadModule ${cgi}_module $modules/mod_$cgi.so
	$([ $cgi = cgi ] || echo "ScriptSock $tmp/cgisock")
	$([ "$(id -u)" != 0 ] || echo "User www-data")
	DocumentRoot $tmp/htdocs
	ScriptAlias /cgi/ $tmp/htdocs/cgi/
	<Directory $tmp/htdocs>
		Require all granted
	</Directory>
	END
}

get() { run curl -sS -m 20 -o got "$url/page" && cmp got htdocs/page; }
gone() { for ((i = 0; i < 300; i++)); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.02; done; return 1; }

cgi()
{
	equal "$(run curl -sS -m 20 -d 'said so' "$url/cgi/echo")" "from 127.0.0.1
said so"
}

many()
{
	run curl -sS -Z --parallel-max 20 -m 50 -o /dev/null -w '%{http_code}\n' "$url/page?[1-60]" >codes
	equal "$(sort codes | uniq -c | awk '{ print $1, $2 }')" "60 200"
}

model()
{
	new_port
	url=http://127.0.0.1:$port
	configure "$1"
	check "$1: starts" run apache2 -d "$tmp" -f "$tmp/apache.conf" -k start
	for ((i = 0; i < 200; i++)); do [ -s apache.pid ] && break; sleep 0.02; done
	check "$1: 3 MB" get
	check "$1: CGI" cgi
	check "$1: 60 of 3 MB, 20 at a time" many
	check "$1: graceful" run apache2 -d "$tmp" -f "$tmp/apache.conf" -k graceful
	check "$1: 3 MB afterwards" get
	p=$(cat apache.pid)
	check "$1: stops" run apache2 -d "$tmp" -f "$tmp/apache.conf" -k stop
	check "$1: is gone" gone "$p"
}

tests()
{
	model prefork
	model worker
	model event
}

in_modes tests
finish
