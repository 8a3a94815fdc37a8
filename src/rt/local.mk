# The runtime: the only part with a clock, sockets and threads.
noinst_LTLIBRARIES += %reldir%/librt.la
%canon_reldir%_librt_la_SOURCES = \
	%reldir%/sock.h
%canon_reldir%_librt_la_LIBADD = $(EV_LIBS)
