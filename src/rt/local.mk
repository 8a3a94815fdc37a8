# The runtime: the only part with a clock, sockets and threads.
noinst_LTLIBRARIES += %reldir%/librt.la
%canon_reldir%_librt_la_SOURCES = \
	%reldir%/sock.h \
	%reldir%/sockopt.c %reldir%/sockopt.h \
	%reldir%/sockopt_ip.c %reldir%/sockopt_socket.c \
	%reldir%/sockopt_tcp.c
%canon_reldir%_librt_la_LIBADD = $(EV_LIBS)
