# librudp.so: the libc calls of a program, mapped to socks.
#
# -Bsymbolic-functions: a program may define one of these names and call ours
# from it (beam.smp its sigaction); our calls of each other must not meet it.
# -fexceptions: a thread that is cancelled inside a wrapper takes its pin back.
# No fortified headers: they would define functions that we define. (It stands
# among the CFLAGS, behind the CPPFLAGS of whoever builds a package.)
lib_LTLIBRARIES += %reldir%/librudp.la
%canon_reldir%_librudp_la_SOURCES = \
	%reldir%/aio.c \
	%reldir%/attach.c \
	%reldir%/calls.def \
	%reldir%/direct.c %reldir%/direct.h \
	%reldir%/epoll.c \
	%reldir%/epoll_move.c %reldir%/epoll_move.h \
	%reldir%/evhooks.c \
	%reldir%/fd.c \
	%reldir%/fdtab.c %reldir%/fdtab.h \
	%reldir%/init.c \
	%reldir%/jump.c \
	%reldir%/libc.c %reldir%/libc.h \
	%reldir%/msg.c \
	%reldir%/opt.c \
	%reldir%/poll.c \
	%reldir%/proc.c \
	%reldir%/ready.c %reldir%/ready.h \
	%reldir%/rw.c \
	%reldir%/signals.c \
	%reldir%/socket.c \
	%reldir%/stdio.c \
	%reldir%/vfork.c \
	%reldir%/wrap.h \
	%reldir%/xfer.c
%canon_reldir%_librudp_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)
%canon_reldir%_librudp_la_CFLAGS = $(AM_CFLAGS) -U_FORTIFY_SOURCE -fexceptions
%canon_reldir%_librudp_la_LIBADD = \
	src/rt/librt.la src/core/libcore.la src/mem/libmem.la \
	$(PTHREAD_LIBS)
%canon_reldir%_librudp_la_LDFLAGS = $(AM_LDFLAGS) $(RUDP_DEFS) \
	-module -avoid-version -shared -Wl,-Bsymbolic-functions \
	-Wl,-e,caretaker_entry -Wl,--version-script=$(srcdir)/%reldir%/librudp.map
%canon_reldir%_librudp_la_DEPENDENCIES = \
	src/rt/librt.la src/core/libcore.la src/mem/libmem.la %reldir%/librudp.map
EXTRA_DIST += %reldir%/librudp.map
