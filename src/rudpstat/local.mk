# What users run: rudpstat reads a domain, rudp-run starts a program in one.
bin_PROGRAMS += %reldir%/rudpstat %reldir%/rudp-run

%canon_reldir%_rudpstat_SOURCES = \
	%reldir%/json.c \
	%reldir%/main.c \
	%reldir%/set.c \
	%reldir%/set.h \
	%reldir%/snapshot.c \
	%reldir%/snapshot.h \
	%reldir%/socks.c \
	%reldir%/socks.h \
	%reldir%/text.c
%canon_reldir%_rudpstat_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_rudpstat_LDADD = src/core/libcore.la src/mem/libmem.la $(JANSSON_LIBS) $(PTHREAD_LIBS)

%canon_reldir%_rudp_run_SOURCES = %reldir%/rudp-run.c
%canon_reldir%_rudp_run_CPPFLAGS = $(AM_CPPFLAGS) -DRUDP_LIBDIR='"$(libdir)"'
%canon_reldir%_rudp_run_LDADD = src/mem/libmem.la $(PTHREAD_LIBS)
