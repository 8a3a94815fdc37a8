#!/bin/bash
# PostgreSQL as it comes: a process for each connection.
. "$(dirname "$0")/../lib.sh"
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
PATH=$PATH:$bin
need postgres initdb psql pgbench runuser
[ "$(id -u)" = 0 ] || skip "initdb wants an account of its own, and root to use it"
id postgres >/dev/null 2>&1 || skip "no user postgres"
enter "$@"

as_pg() { run runuser -u postgres -- env PATH="$PATH" "$@"; }
sql() { as_pg psql -X -q -t -A -h 127.0.0.1 -p "$port" -d postgres "$@"; }

make_cluster()
{
	chmod 755 "$tmp"
	mkdir -p pg
	chown postgres pg
	runuser -u postgres -- env PATH="$PATH" initdb -D "$tmp/pg/data" -A trust \
		--no-sync >initdb.log 2>&1 || { cat initdb.log; return 1; }
}

start()
{
	server postgres runuser -u postgres -- env PATH="$PATH" postgres -D "$tmp/pg/data" \
		-p "$port" -k "$tmp/pg" -c fsync=off
	for ((i = 0; i < 200; i++)); do
		[ "$(sql -c 'select 1' 2>/dev/null)" = 1 ] && return
		sleep 0.05
	done
	fail "the server is ready"
	tail -5 "$server_log"
	return 1
}

postmaster() { head -1 "$tmp/pg/data/postmaster.pid"; }

# LONG: 50 MB each way.
copy_in_and_out()
{
	awk -v rows=${LONG:+1300000} 'BEGIN { for (i = 0; i < (rows ? rows : 400000); i++) printf "%d\tthis is row number %d of them\n", i, i }' >rows
	sql -c 'drop table if exists t; create table t (i int, s text)' || return
	sql -c '\copy t from stdin' <rows || return
	sql -c '\copy (select * from t order by i) to stdout' >rows.back || return
	same_data rows rows.back
}

cancel()
{
	local p

	sql -c 'select pg_sleep(30)' >cancel.out 2>&1 &
	p=$!
	for ((i = 0; i < 100; i++)); do
		[ "$(sql -c "select count(*) from pg_stat_activity where query = 'select pg_sleep(30)'")" = 1 ] &&
			break
		sleep 0.02
	done
	pkill -INT -P "$p" psql 2>/dev/null || pkill -INT -f 'select pg_sleep' 2>/dev/null
	wait "$p"
	grep 'canceling statement due to user request' cancel.out
}

# A backend dies: the others are ended by the postmaster, which goes on.
crash()
{
	local victim

	victim=$(sql -c 'select pg_backend_pid(); select pg_sleep(20)' 2>crash.out & 
		for ((i = 0; i < 100; i++)); do
			p=$(sql -c "select pid from pg_stat_activity where query like '%pg_sleep(20)' and pid <> pg_backend_pid()" 2>/dev/null)
			[ -n "$p" ] && break
			sleep 0.02
		done
		kill -9 "$p"
		wait)
	grep -E 'server closed the connection|terminat' crash.out || return
	for ((i = 0; i < 200; i++)); do
		[ "$(sql -c 'select 1' 2>/dev/null)" = 1 ] && return
		sleep 0.05
	done
	return 1
}

bench()
{
	as_pg pgbench -h 127.0.0.1 -p "$port" -n -S -c 20 -t 50 "$@" postgres >bench.out 2>&1 ||
		{ cat bench.out; return 1; }
	grep 'number of failed transactions: 0' bench.out
}

# A standby is copied from the server and follows it, while it works.
replicated()
{
	local first=$port second p ret i

	second=$("$e2e_bin/probe" port)
	rm -rf pg/standby
	as_pg pg_basebackup -h 127.0.0.1 -p "$port" -D "$tmp/pg/standby" -R -X stream \
		--checkpoint=fast --no-sync || return
	server standby runuser -u postgres -- env PATH="$PATH" postgres -D "$tmp/pg/standby" \
		-p "$second" -k "$tmp/pg" -c fsync=off
	p=$(sql -c "create table streamed as select generate_series(1, 100000) as i;
		select pg_current_wal_lsn()")
	bench -c 4 -t 20 || return
	for ((i = 0; i < 500; i++)); do
		port=$second sql -c "select pg_last_wal_replay_lsn() >= '$p'" 2>/dev/null |
			grep -q t && break
		sleep 0.02
	done
	equal "$(port=$second sql -c 'select count(*), sum(i) from streamed')" "100000|5000050000" &&
		equal "$(sql -c 'select state from pg_stat_replication')" streaming
	ret=$?
	kill -INT "$(head -1 pg/standby/postmaster.pid)"
	wait "$pid"
	pids=${pids/ $pid/}
	return $ret
}

tests()
{
	new_port
	rm -rf pg
	make_cluster || { fail "initdb"; return; }
	start || return
	first_pid=$pid
	wire_mark
	check "select" equal "$(sql -c 'select 6 * 7')" 42
	check "COPY in and out" copy_in_and_out
	wire_check 30000000
	check "pgbench: tables" as_pg pgbench -h 127.0.0.1 -p "$port" -i -q postgres
	check "pgbench: 20 clients" bench
	check "pgbench: a connection for each transaction" bench -C -t 10
	check "a running query is cancelled" cancel
	[ -z "${LONG-}" ] || check "a standby follows" replicated
	check "a backend is killed" crash
	kill -INT "$(postmaster)"
	wait "$first_pid"
	pids=${pids/ $first_pid/}
	check "and started again on its port" start
}

in_modes tests
finish
