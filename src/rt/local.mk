# The runtime: the only part with a clock, sockets and threads.
noinst_LTLIBRARIES += %reldir%/librt.la
%canon_reldir%_librt_la_SOURCES = \
	%reldir%/accept.c \
	%reldir%/care.c %reldir%/care.h %reldir%/caretaker.c \
	%reldir%/join.c %reldir%/join.h \
	%reldir%/driven.c %reldir%/driver.c %reldir%/driver_shm.h %reldir%/exit.c %reldir%/fresh.c %reldir%/given.c %reldir%/idmap.c %reldir%/io.c %reldir%/life.c \
	%reldir%/errq.c %reldir%/errq.h \
	%reldir%/both.c %reldir%/follow.c %reldir%/recv_ctl.c %reldir%/renew.c \
	%reldir%/family.c %reldir%/files.c %reldir%/files.h \
	%reldir%/match.c %reldir%/match.h %reldir%/notice.c \
	%reldir%/plain.c %reldir%/plain.h \
	%reldir%/leftover.c %reldir%/linger.c %reldir%/loader.c %reldir%/loader.h %reldir%/libev.c %reldir%/libev.h %reldir%/listen.c %reldir%/lock.c %reldir%/log.c %reldir%/log.h %reldir%/mirror.c %reldir%/path.c %reldir%/neighbour.c %reldir%/port.c %reldir%/port_opts.c \
	%reldir%/pump.c %reldir%/pump.h %reldir%/relay.c %reldir%/rt.h \
	%reldir%/rx.c %reldir%/standin.c %reldir%/standin.h %reldir%/sweep.c %reldir%/sock.c %reldir%/sock.h %reldir%/start.c \
	%reldir%/critical.c %reldir%/critical.h \
	%reldir%/sockopt.c %reldir%/sockopt.h \
	%reldir%/sockopt_ip.c %reldir%/sockopt_socket.c \
	%reldir%/sockopt_tcp.c %reldir%/sys.h %reldir%/tw.c %reldir%/urgent.c %reldir%/udp.c \
	%reldir%/watch.c %reldir%/watch.h
