# daemons.sh - repositories, brokers, directories, caches, screens, tunnels.

# Serves $tmp by HTTP on a port of its own: $origin.
origin()
{
	new_port
	origin=$port
	printf 'server.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %d\n' \
		"$tmp" "$port" >origin.conf
	server origin lighttpd -D -f origin.conf
	ready
}

program svn 1000000 svn svnserve svnadmin
program_svn()
{
	svnadmin create repo
	printf '[general]\nanon-access = write\n' >repo/conf/svnserve.conf
	new_port
	server svn svnserve -d --foreground --listen-host 127.0.0.1 --listen-port "$port" -r "$PWD"
	ready || return
	check "svn: checkout" run svn -q co "svn://127.0.0.1:$port/repo" work
	cp "$tmp/page" work
	run svn -q add work/page
	check "svn: commit" run svn -q ci -m page work
	check "svn: export" run svn -q export "svn://127.0.0.1:$port/repo/page" got
	check "svn: it is right" cmp got "$tmp/page"
}

# repo.git, which is empty, and work, with a page in it.
repositories()
{
	export HOME=$PWD
	git config --global user.name me
	git config --global user.email me@localhost
	git config --global safe.directory '*'
	git init -q --bare repo.git
	git init -q work
	cp "$tmp/page" work
	(cd work && git add page && git commit -q -m page)
}

program git 1000000 git
program_git()
{
	repositories
	new_port
	server git git daemon --reuseaddr --listen=127.0.0.1 --port="$port" --export-all \
		--enable=receive-pack --base-path="$PWD"
	ready || return
	check "git: push" run git -C work push -q "git://127.0.0.1:$port/repo.git" HEAD:refs/heads/x
	check "git: clone" run git clone -q -b x "git://127.0.0.1:$port/repo.git" copy
	check "git: it is right" cmp copy/page "$tmp/page"
}

program git_http 1000000 git lighttpd /usr/lib/git-core/git-http-backend
program_git_http()
{
	repositories
	git -C repo.git config http.receivepack true
	new_port
	cat >conf <<-END
	server.modules = ("mod_alias", "mod_cgi", "mod_setenv")
	server.document-root = "$PWD"
	server.bind = "127.0.0.1"
	server.port = $port
	alias.url += ("/git" => "/usr/lib/git-core/git-http-backend")
	cgi.assign = ("" => "")
	setenv.set-environment = ("GIT_PROJECT_ROOT" => "$PWD", "GIT_HTTP_EXPORT_ALL" => "")
	END
	server lighttpd lighttpd -D -f conf
	ready || return
	check "git over http: push" run git -C work push -q "http://127.0.0.1:$port/git/repo.git" \
		HEAD:refs/heads/x
	check "git over http: clone" run git clone -q -b x "http://127.0.0.1:$port/git/repo.git" copy
	check "git over http: it is right" cmp copy/page "$tmp/page"
}

program siege 1000000 siege lighttpd
program_siege()
{
	local origin

	origin || return
	check "siege: 5 users, 10 pages each" sieged
}

sieged()
{
	HOME=$PWD run siege -b -q -j -c 5 -r 10 "http://127.0.0.1:$origin/page" >siege.log 2>&1
	grep -q '"transactions":[[:space:]]*50,' siege.log || { head -5 siege.log; return 1; }
}

program nuttcp 1000000 nuttcp
program_nuttcp()
{
	new_port
	server nuttcp nuttcp -S --nofork -P "$port"
	ready || return
	check "nuttcp: up" run nuttcp -P "$port" -p $((port + 1)) -T 1 127.0.0.1
	check "nuttcp: down" run nuttcp -r -P "$port" -p $((port + 1)) -T 1 127.0.0.1
}

program qperf 1000000 qperf
program_qperf()
{
	new_port
	server qperf qperf -lp "$port"
	ready || return
	check "qperf: bandwidth and latency" run qperf -lp "$port" -ip $((port + 1)) -t 1 127.0.0.1 \
		tcp_bw tcp_lat
}

# php_fpm WORKERS: it runs, at $fpm; a page for it, and another port.
php_fpm()
{
	new_port
	fpm=$port
	cat >fpm.conf <<-END
	[global]
	error_log = /dev/stderr
	daemonize = no
	[www]
	listen = 127.0.0.1:$port
	pm = static
	pm.max_children = $1
	$(as_root && printf 'user = nobody\ngroup = nogroup')
	END
	server fpm php-fpm8.2 -n -R -y fpm.conf
	ready_log 'ready to handle' || return
	cat >index.php <<-END
	<?php readfile("$tmp/page");
	END
	new_port
}

program php_fpm 1000000 php-fpm8.2 lighttpd
program_php_fpm()
{
	local fpm

	php_fpm 3 || return
	cat >conf <<-END
	server.modules = ("mod_fastcgi")
	server.document-root = "$PWD"
	server.bind = "127.0.0.1"
	server.port = $port
	index-file.names = ("index.php")
	fastcgi.server = (".php" => ((
		"host" => "127.0.0.1", "port" => $fpm, "broken-scriptfilename" => "enable")))
	END
	server lighttpd lighttpd -D -f conf
	ready || return
	check "php-fpm: pages by three workers" parallel 12 "http://127.0.0.1:$port/index.php"
}

program nginx_fpm 1000000 php-fpm8.2 nginx
program_nginx_fpm()
{
	local fpm

	php_fpm 12 || return
	cat >conf <<-END
	daemon off;
	pid $PWD/pid;
	error_log stderr;
	worker_processes 2;
	events { worker_connections 64; }
	http {
		access_log off;
		client_body_temp_path $PWD/b; proxy_temp_path $PWD/p; fastcgi_temp_path $PWD/f;
		uwsgi_temp_path $PWD/u; scgi_temp_path $PWD/s;
		upstream fpm { server 127.0.0.1:$fpm; keepalive 2; }
		server {
			listen 127.0.0.1:$port;
			location / {
				fastcgi_pass fpm;
				fastcgi_keep_conn on;
				fastcgi_param SCRIPT_FILENAME $PWD/index.php;
				fastcgi_param REQUEST_METHOD \$request_method;
			}
		}
	}
	END
	server nginx nginx -c "$PWD/conf"
	ready || return
	check "nginx, php-fpm, connections kept" parallel 12 "http://127.0.0.1:$port/"
}

program danted 1000000 danted lighttpd
program_danted()
{
	local origin

	origin || return
	new_port
	cat >conf <<-END
	logoutput: stderr
	internal: 127.0.0.1 port = $port
	external: lo
	socksmethod: none
	clientmethod: none
	user.privileged: root
	user.unprivileged: nobody
	client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
	socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
	END
	server danted danted -f "$PWD/conf"
	ready || return
	check "danted: by SOCKS 5" get --socks5 "127.0.0.1:$port" "http://127.0.0.1:$origin/page"
	check "danted: by SOCKS 4" get --socks4 "127.0.0.1:$port" "http://127.0.0.1:$origin/page"
}

program privoxy 1000000 privoxy lighttpd
program_privoxy()
{
	local origin

	origin || return
	new_port
	printf 'listen-address 127.0.0.1:%d\nlogdir %s\nconfdir /etc/privoxy\n' "$port" "$PWD" >conf
	server privoxy privoxy --no-daemon "$PWD/conf"
	ready || return
	check "privoxy: a page" get -x "http://127.0.0.1:$port" "http://127.0.0.1:$origin/page"
	check "privoxy: a tunnel" get -p -x "http://127.0.0.1:$port" "http://127.0.0.1:$origin/page"
}

program nghttpx 1000000 nghttpx lighttpd
program_nghttpx()
{
	local origin

	certificate
	origin || return
	new_port
	server nghttpx nghttpx -f "127.0.0.1,$port" -b "127.0.0.1,$origin" -n 2 --errorlog-file=/dev/stderr \
		--accesslog-file=/dev/null --conf=/dev/null key.pem cert.pem
	ready || return
	check "nghttpx: HTTP/2 in front of HTTP/1" get -k --http2 "https://127.0.0.1:$port/page"
}

program hitch 1000000 hitch lighttpd
program_hitch()
{
	local origin

	certificate
	openssl dhparam -dsaparam 1024 >>both.pem 2>/dev/null
	origin || return
	new_port
	cat >conf <<-END
	frontend = { host = "127.0.0.1" port = "$port" }
	backend = "[127.0.0.1]:$origin"
	pem-file = "$PWD/both.pem"
	daemon = off
	workers = 2
	END
	server hitch hitch -u nobody --config=conf
	ready || return
	check "hitch: a page" get -k "https://127.0.0.1:$port/page"
	check "hitch: ten at once" run curl -sSk -Z -m 50 -o 'got#1' "https://127.0.0.1:$port/page?[1-10]"
	check "hitch: the last" cmp got10 "$tmp/page"
}

program h2o 1000000 h2o
program_h2o()
{
	certificate
	new_port
	cat >conf <<-END
	$(as_root && echo "user: root")
	num-threads: 2
	hosts:
	  default:
	    listen: { host: 127.0.0.1, port: $port, ssl: { key-file: key.pem, certificate-file: cert.pem } }
	    paths: { /: { file.dir: $tmp } }
	END
	server h2o h2o -c conf
	ready || return
	check "h2o: HTTP/2" get -k --http2 "https://127.0.0.1:$port/page"
	check "h2o: HTTP/1" get -k --http1.1 "https://127.0.0.1:$port/page"
}

program samba 1000000 smbd smbclient
program_samba()
{
	as_root || return
	new_port
	mkdir share private
	cp "$tmp/page" share
	chmod 777 share
	cat >conf <<-END
	[global]
	smb ports = $port
	interfaces = 127.0.0.1
	bind interfaces only = yes
	private dir = $PWD/private
	state directory = $PWD/private
	cache directory = $PWD/private
	lock directory = $PWD/private
	pid directory = $PWD/private
	ncalrpc dir = $PWD/private/rpc
	log file = $PWD/log
	map to guest = bad user
	server role = standalone
	load printers = no
	disable spoolss = yes
	[s]
	path = $PWD/share
	guest ok = yes
	read only = no
	force user = root
	END
	server smbd smbd -F -s conf
	ready || return
	check "samba: get" run smbclient -s conf -p "$port" -N //127.0.0.1/s -c 'get page got'
	check "samba: it is right" cmp got "$tmp/page"
	check "samba: put" run smbclient -s conf -p "$port" -N //127.0.0.1/s -c 'put got page2'
	check "samba: it is right" cmp share/page2 "$tmp/page"
}

program slapd 100000 slapd ldapadd ldapsearch
program_slapd()
{
	new_port
	mkdir db
	cat >conf <<-END
	include /etc/ldap/schema/core.schema
	modulepath /usr/lib/ldap
	moduleload back_mdb
	database mdb
	suffix "dc=test"
	rootdn "cn=root,dc=test"
	rootpw x
	directory $PWD/db
	END
	server slapd slapd -d 0 -h "ldap://127.0.0.1:$port" -f conf
	ready || return
	awk 'BEGIN { print "dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: test\no: t\n"
		for (i = 1; i <= 500; i++)
			printf "dn: cn=p%d,dc=test\nobjectClass: person\ncn: p%d\nsn: %d\n\n", i, i, i }' >ldif
	check "slapd: ldapadd" run ldapadd -x -H "ldap://127.0.0.1:$port" -D cn=root,dc=test -w x -f ldif
	run ldapsearch -x -LLL -z 0 -H "ldap://127.0.0.1:$port" -D cn=root,dc=test -w x -b dc=test \
		'(sn=*)' cn >got
	check "slapd: ldapsearch, 500 entries" equal "$(grep -c ^dn: got)" 500
}

program gearman 100000 gearmand gearman
program_gearman()
{
	new_port
	server gearmand gearmand -L 127.0.0.1 -p "$port" -l stderr -t 2
	ready || return
	run gearman -h 127.0.0.1 -p "$port" -w -c 3 -f sum cksum &
	worker=$!
	check "gearman: a job" equal "$(run gearman -h 127.0.0.1 -p "$port" -f sum <"$tmp/page")" \
		"$(cksum <"$tmp/page")"
	check "gearman: another" equal "$(run gearman -h 127.0.0.1 -p "$port" -f sum <"$tmp/page")" \
		"$(cksum <"$tmp/page")"
	run gearman -h 127.0.0.1 -p "$port" -f sum <"$tmp/page" >/dev/null
	wait "$worker"
}

program distcc 1000 distccd distcc gcc
program_distcc()
{
	new_port
	server distccd distccd --no-detach --daemon --allow 127.0.0.1 --listen 127.0.0.1 -p "$port" \
		--log-stderr -N 0 -j 2 --enable-tcp-insecure
	ready || return
	echo 'int main(void) { return 7; }' >m.c
	export DISTCC_HOSTS="127.0.0.1:$port/2" DISTCC_DIR=$PWD DISTCC_FALLBACK=0
	PATH=/usr/lib/distcc:$PATH check "distcc: compiled over there" run distcc gcc -c m.c -o m.o
	gcc m.o -o m && ./m
	check "distcc: it is right" equal $? 7
	unset DISTCC_HOSTS DISTCC_DIR DISTCC_FALLBACK
}

program nats - nats-server
program_nats()
{
	local -x RUDP_FALLBACK=tcp

	new_port
	server nats nats-server -a 127.0.0.1 -p "$port"
	ready || return
	printf 'CONNECT {"verbose":false}\r\nSUB t 1\r\nPUB t 5\r\nhello\r\nPING\r\n' >asked
	check "nats: a message to oneself" nats_hello
}

nats_hello()
{
	(cat asked; sleep 0.5) | run nc -q 1 127.0.0.1 "$port" >got
	grep -q '^hello' got
}

program rabbitmq 1000000 rabbitmq-server rabbitmq-diagnostics
program_rabbitmq()
{
	local -x RABBITMQ_NODE_PORT RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODENAME=r@localhost \
		RABBITMQ_MNESIA_BASE=$PWD/m RABBITMQ_LOG_BASE=$PWD/l RABBITMQ_PID_FILE=$PWD/pid HOME=$PWD \
		RABBITMQ_DIST_PORT ERL_EPMD_PORT RABBITMQ_ENABLED_PLUGINS_FILE=$PWD/plugins

	new_port
	ERL_EPMD_PORT=$port
	new_port
	RABBITMQ_DIST_PORT=$port
	new_port
	RABBITMQ_NODE_PORT=$port
	server rabbitmq /usr/lib/rabbitmq/bin/rabbitmq-server
	ready_log 'completed with' || return
	check "rabbitmq: ten messages of 100 KB" run /usr/bin/python3 "$world/amqp.py" "$port"
}

program etcd - etcd etcdctl
program_etcd()
{
	local -x RUDP_FALLBACK=tcp
	local client

	new_port
	client=$port
	new_port
	server etcd etcd --data-dir "$PWD/d" --listen-client-urls "http://127.0.0.1:$client" \
		--advertise-client-urls "http://127.0.0.1:$client" \
		--listen-peer-urls "http://127.0.0.1:$port" \
		--initial-advertise-peer-urls "http://127.0.0.1:$port" \
		--initial-cluster "default=http://127.0.0.1:$port"
	port=$client
	ready || return
	check "etcd: put" run etcdctl --endpoints "http://127.0.0.1:$port" put a b
	check "etcd: curl asks it" run curl -sS -m 5 -f "http://127.0.0.1:$port/version"
}

program xtcp 100000 Xvnc xwd xdpyinfo
program_xtcp()
{
	# X's own protocol over TCP: display n listens on 6000 + n
	new_port
	local n=$((port % 500 + 90)) rfb=$port

	port=$((6000 + n))
	server Xvnc Xvnc ":$n" -listen tcp -nolisten unix -nolisten local -ac -SecurityTypes None \
		-rfbport "$rfb" -geometry 640x480
	ready || return
	check "X over TCP: xdpyinfo" run xdpyinfo -display "127.0.0.1:$n"
	check "X over TCP: xwd of the screen" run xwd -silent -root -display "127.0.0.1:$n" -out got
	check "X over TCP: 640 by 480 of it" at_least "$(stat -c %s got)" 1200000
	port=$rfb
	check "VNC: what it says first" equal "$(run curl -s -m 1 "telnet://127.0.0.1:$port" </dev/null |
		head -c 3)" RFB
}

program transmission 1000 transmission-daemon transmission-remote
program_transmission()
{
	new_port
	server transmission transmission-daemon -f -g "$PWD/c" -p "$port" -r 127.0.0.1 --no-dht \
		--no-portmap --no-lpd -w "$PWD" -P $((port + 1))
	ready || return
	check "transmission: asked" run transmission-remote "127.0.0.1:$port" -si
}

program syslog_ng 100000 syslog-ng
program_syslog_ng()
{
	new_port
	cat >conf <<-END
	@version: 3.38
	source s { tcp(ip("127.0.0.1") port($port)); };
	destination d { file("$PWD/out" template("\$MSG\n") perm(0644)); };
	log { source(s); destination(d); };
	END
	server syslog-ng syslog-ng -F -f conf --persist-file=p --pidfile=pid --control=ctl --no-caps
	ready || return
	seq -f '<13>Nov 22 12:00:00 host app: line %g of many that are sent' 1 3000 >sent
	check "syslog-ng: 3000 lines" run nc -q 1 127.0.0.1 "$port" <sent
	for i in $(seq 100); do
		[ "$(grep -c many out 2>/dev/null)" = 3000 ] && break
		sleep 0.05
	done
	check "syslog-ng: all are written" equal "$(grep -c many out)" 3000
}

program websockify 1000 websockify
program_websockify()
{
	local origin

	origin || return
	new_port
	server websockify websockify "127.0.0.1:$port" "127.0.0.1:$origin"
	ready || return
	check "websockify: its answer" equal "$(run curl -s -m 5 -o /dev/null -w '%{http_code}' \
		"http://127.0.0.1:$port/")" 405
}

program exim 1000000 exim4 swaks
program_exim()
{
	as_root || return
	new_port
	mkdir spool mail log
	chmod 777 mail spool log
	cat >conf <<-END
	exim_user = nobody
	exim_group = nogroup
	spool_directory = $PWD/spool
	log_file_path = $PWD/log/%s
	pid_file_path = $PWD/pid
	daemon_smtp_ports = $port
	local_interfaces = 127.0.0.1
	primary_hostname = localhost
	acl_smtp_rcpt = ok
	keep_environment = LD_PRELOAD : RUDP_DOMAIN : RUDP_FALLBACK
	begin acl
	ok:
	  accept
	begin routers
	r:
	  driver = accept
	  transport = t
	begin transports
	t:
	  driver = appendfile
	  file = $PWD/mail/\$local_part
	  user = nobody
	END
	chown root conf
	server exim exim4 -bdf -C "$PWD/conf"
	ready || return
	base64 "$tmp/page" >body
	check "exim: swaks delivers 1.3 MB" run swaks -s 127.0.0.1 -p "$port" -f a@localhost \
		-t b@localhost --body @body --silent 2
}

