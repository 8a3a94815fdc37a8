# pools.sh - pools, clusters, application servers, block devices.

program pgbouncer 1000000 pgbouncer pgbench /usr/lib/postgresql/15/bin/postgres
program_pgbouncer()
{
	local bin=/usr/lib/postgresql/15/bin up as=

	as_root && as="setpriv --reuid postgres --regid postgres --clear-groups"
	mkdir data && chmod 777 . data
	as_root && chown postgres data
	$as "$bin/initdb" -D data -A trust -U postgres -N >/dev/null 2>&1
	new_port
	up=$port
	server postgres $as "$bin/postgres" -D "$PWD/data" -p "$port" -k "$PWD" \
		-c listen_addresses=127.0.0.1 -c fsync=off
	ready || return
	new_port
	cat >conf <<-END
	[databases]
	postgres = host=127.0.0.1 port=$up
	[pgbouncer]
	listen_addr = 127.0.0.1
	listen_port = $port
	unix_socket_dir =
	auth_type = any
	pool_mode = transaction
	default_pool_size = 4
	END
	sed -i 's/^postgres = .*/& user=postgres/' conf
	server pgbouncer $as pgbouncer "$PWD/conf"
	ready || return
	check "pgbouncer: tables" run pgbench -h 127.0.0.1 -p "$port" -U postgres -i -q postgres
	check "pgbouncer: 20 clients over 4 connections" run pgbench -h 127.0.0.1 -p "$port" \
		-U postgres -c 20 -t 20 -n postgres
	check "pgbouncer: connections for each transaction" run pgbench -h 127.0.0.1 -p "$port" \
		-U postgres -c 10 -t 10 -C -S -n postgres
	check "pgbouncer: two megabytes of rows" equal "$(run psql -h 127.0.0.1 -p "$port" -U postgres \
		-Atc "select repeat('x', 2000) from generate_series(1, 1000)" postgres | wc -c)" 2001000
}

program redis_cluster 1000000 redis-server redis-cli redis-benchmark
program_redis_cluster()
{
	local i p nodes=

	for i in 1 2 3; do
		new_port
		p=$port
		new_port
		mkdir "$i"
		server "redis$i" redis-server --port "$p" --bind 127.0.0.1 --cluster-enabled yes \
			--cluster-port "$port" --dir "$PWD/$i" --save ''
		port=$p
		ready || return
		nodes="$nodes 127.0.0.1:$p"
	done
	check "redis cluster: three make one" run redis-cli --cluster create $nodes --cluster-yes
	for i in $(seq 300); do
		[ "$(run redis-cli -p "$port" cluster info | grep -c state:ok)" = 1 ] && break
		sleep 0.1
	done
	check "redis cluster: 2,000 SETs all over it" run redis-benchmark --cluster -p "$port" \
		-t set -n 2000 -r 1000 -d 500 -q
	run redis-cli -c -p "$port" -x set big <"$tmp/page" >/dev/null
	check "redis cluster: a megabyte" equal "$(run redis-cli -c -p "$port" get big |
		head -c 1000000 | cksum)" "$(cksum <"$tmp/page")"
}

program nbd 1000000 nbdkit nbdcopy qemu-img
program_nbd()
{
	new_port
	server nbdkit nbdkit -f -i 127.0.0.1 -p "$port" memory 64M
	ready || return
	data disk 8388608
	check "nbd: copied there" run nbdcopy disk "nbd://127.0.0.1:$port"
	run nbdcopy "nbd://127.0.0.1:$port" - | head -c 8388608 >got
	check "nbd: and back" cmp got disk
	run qemu-img convert -f raw -O raw "nbd://127.0.0.1:$port" got2
	check "nbd: by qemu" cmp -n 8388608 got2 disk
}

program unicorn 1000000 unicorn
program_unicorn()
{
	new_port
	cat >config.ru <<-END
	run lambda { |env| [200, {"Content-Type" => "text/plain"}, [File.binread("$tmp/page")]] }
	END
	printf 'worker_processes 3\n' >u.rb
	server unicorn unicorn -l "127.0.0.1:$port" -c u.rb config.ru
	ready || return
	check "unicorn: pages by three workers" parallel 12 "http://127.0.0.1:$port/"
}

program starman 1000000 starman
program_starman()
{
	new_port
	cat >app.psgi <<-END
	sub { open my \$f, '<:raw', '$tmp/page'; [200, ['Content-Type' => 'text/plain'], \$f] };
	END
	server starman starman --listen "127.0.0.1:$port" --workers 3 app.psgi
	ready || return
	check "starman: pages by three workers" parallel 12 "http://127.0.0.1:$port/"
}

program uwsgi 1000000 uwsgi /usr/lib/uwsgi/plugins/python3_plugin.so
program_uwsgi()
{
	new_port
	cat >app.py <<-END
	def application(env, start):
	    start("200 OK", [("Content-Type", "text/plain")])
	    return [open("$tmp/page", "rb").read()]
	END
	server uwsgi uwsgi --plugin python3 --http-socket "127.0.0.1:$port" --master --processes 3 \
		--need-app --wsgi-file app.py
	ready || return
	check "uwsgi: pages by three processes" parallel 12 "http://127.0.0.1:$port/"
	new_port
	server uwsgi uwsgi --plugin python3,http --http "127.0.0.1:$port" --master --processes 2 \
		--need-app --wsgi-file app.py
	ready || return
	check "uwsgi: its own router" parallel 12 "http://127.0.0.1:$port/"
}

program pyftpdlib 1000000 python3 /usr/lib/python3/dist-packages/pyftpdlib curl
program_pyftpdlib()
{
	new_port
	cp "$tmp/page" .
	server pyftpdlib /usr/bin/python3 -m pyftpdlib -i 127.0.0.1 -p "$port" -d "$PWD" -w
	ready || return
	check "pyftpdlib: passive" get "ftp://127.0.0.1:$port/page"
	check "pyftpdlib: active" get -P - "ftp://127.0.0.1:$port/page"
	check "pyftpdlib: up" run curl -sS -T "$tmp/page" "ftp://127.0.0.1:$port/up"
	check "pyftpdlib: it is right" cmp up "$tmp/page"
}

program tcpserver 1000000 tcpserver tcpclient
program_tcpserver()
{
	new_port
	server tcpserver tcpserver -H -R -l0 127.0.0.1 "$port" sh -c "cat '$tmp/page'"
	ready || return
	check "tcpserver, tcpclient" run tcpclient -H -R 127.0.0.1 "$port" sh -c 'exec cat <&6 >got'
	check "tcpserver: it is right" cmp got "$tmp/page"
}
