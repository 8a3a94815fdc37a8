# Real programs over librudp.
e2e_scripts = \
	%D%/run_check.sh \
	%D%/run_examples.sh \
	%D%/run_log.sh \
	%D%/run_dissector.sh \
	%D%/run_files.sh \
	%D%/run_gone.sh \
	%D%/run_iperf3.sh \
	%D%/run_java.sh \
	%D%/run_limits.sh \
	%D%/run_loss.sh \
	%D%/run_many.sh \
	%D%/run_memcached.sh \
	%D%/run_netcat.sh \
	%D%/run_nginx.sh \
	%D%/run_nginx_workers.sh \
	%D%/run_plain.sh \
	%D%/run_node.sh \
	%D%/run_python.sh \
	%D%/run_redis.sh \
	%D%/run_rudpstat.sh \
	%D%/run_trace.sh
full_tests += $(e2e_scripts)
dist_noinst_SCRIPTS += $(e2e_scripts) %D%/demo.sh
EXTRA_DIST += tests/lib.sh tests/schema.py %D%/Nio.java %D%/demo_watch.py %D%/ends_well.py %D%/memcached_client.py %D%/node_client.js \
	%D%/node_pattern.js %D%/node_server.js %D%/peer.py %D%/relay_check.py \
	%D%/capture.py %D%/deaths.py %D%/orphaned.py %D%/dissected.py %D%/garbled.py %D%/files.py %D%/group.py %D%/killed.py %D%/hammer.py %D%/self.py %D%/talker.py %D%/watch.py \
	%D%/plain.py %D%/qlog.schema.json %D%/traced.py

check_PROGRAMS += %D%/deny %D%/many %D%/probe %D%/relay
%C%_deny_SOURCES = %D%/deny.c
%C%_many_SOURCES = %D%/many.c
%C%_probe_SOURCES = %D%/probe.c
%C%_relay_SOURCES = %D%/relay.c tests/sim/link.c
# objects of its own: the simulator's are made by libtool
%C%_relay_CPPFLAGS = $(AM_CPPFLAGS)
check_PROGRAMS += %D%/deaths %D%/ends %D%/restarts %D%/stopped
%C%_deaths_SOURCES = %D%/deaths.c %D%/helpers.h
%C%_ends_SOURCES = %D%/ends.c %D%/helpers.h
%C%_restarts_SOURCES = %D%/restarts.c %D%/helpers.h
%C%_stopped_SOURCES = %D%/stopped.c %D%/helpers.h

EXTRA_DIST += %D%/cluster.js %D%/forking.py %D%/owners.py

# What processes do: they fork, execute, end.
proc_scripts = \
	%D%/run_apache.sh \
	%D%/run_daemons.sh \
	%D%/run_deaths.sh \
	%D%/run_ends.sh \
	%D%/run_inetd.sh \
	%D%/run_haproxy.sh \
	%D%/run_nginx_daemon.sh \
	%D%/run_owners.sh \
	%D%/run_postgres.sh \
	%D%/run_prefork.sh \
	%D%/run_restarts.sh \
	%D%/run_sshd.sh \
	%D%/run_stopped.sh
full_tests += $(proc_scripts)
dist_noinst_SCRIPTS += $(proc_scripts)
