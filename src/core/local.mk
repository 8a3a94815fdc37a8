# The transport: pure, no system call, no clock. One line a file, sorted.
noinst_LTLIBRARIES += %reldir%/libcore.la
%canon_reldir%_libcore_la_SOURCES = \
	src/base.h src/bounds.h \
	%reldir%/ack.c \
	%reldir%/acks.c \
	%reldir%/cc.c \
	%reldir%/cc_bbr.c \
	%reldir%/cc_cubic.c \
	%reldir%/cc_reno.c \
	%reldir%/conn.h \
	%reldir%/cookie.c \
	%reldir%/flow.c \
	%reldir%/hash.c \
	%reldir%/hash.h \
	%reldir%/hash_avx2.c \
	%reldir%/hash_impl.h \
	%reldir%/info.c \
	%reldir%/input.c \
	%reldir%/metrics.c \
	%reldir%/ofo.c \
	%reldir%/open.c \
	%reldir%/open.h \
	%reldir%/output.c \
	%reldir%/pace.c \
	%reldir%/path.c \
	%reldir%/prune.c \
	%reldir%/rack.c \
	%reldir%/rate.c \
	%reldir%/rcv.h \
	%reldir%/rcvq.c \
	%reldir%/recovery.c \
	%reldir%/rtt.c \
	%reldir%/sack.c \
	%reldir%/seg.c \
	%reldir%/seg.h \
	%reldir%/send.c \
	%reldir%/snd.h \
	%reldir%/sndq.c \
	%reldir%/state.c \
	%reldir%/timer.c \
	%reldir%/tlp.c \
	%reldir%/trace.c %reldir%/trace.h \
	%reldir%/urgent.c \
	%reldir%/wire.c \
	%reldir%/wire.h
