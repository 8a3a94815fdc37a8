# What users run: rudpstat reads a domain, rudp-run starts a program in one.
bin_PROGRAMS += %reldir%/rudpstat %reldir%/rudp-run

%canon_reldir%_rudpstat_SOURCES = \
	%reldir%/control.c \
	%reldir%/control.h \
	%reldir%/count.c \
	%reldir%/count.h \
	%reldir%/filter.c \
	%reldir%/filter.h \
	%reldir%/json.c \
	%reldir%/kill.c \
	%reldir%/kill.h \
	%reldir%/main.c \
	%reldir%/out.h \
	%reldir%/prom.c \
	%reldir%/qlog.c \
	%reldir%/qlog.h \
	%reldir%/rates.c \
	%reldir%/rates.h \
	%reldir%/set.c \
	%reldir%/set.h \
	%reldir%/snapshot.c \
	%reldir%/snapshot.h \
	%reldir%/socks.c \
	%reldir%/socks.h \
	%reldir%/summary.c \
	%reldir%/text.c \
	%reldir%/trace.c \
	%reldir%/trace.h \
	%reldir%/watch.c \
	%reldir%/watch.h \
	%reldir%/watch_term.c
%canon_reldir%_rudpstat_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(NCURSES_CFLAGS)
%canon_reldir%_rudpstat_LDADD = src/core/libcore.la src/mem/libmem.la $(JANSSON_LIBS) $(NCURSES_LIBS) $(PTHREAD_LIBS)

%canon_reldir%_rudp_run_SOURCES = %reldir%/rudp-run.c %reldir%/rudp-run.h \
	%reldir%/rudp-run-check.c %reldir%/rudp-run-program.c src/rt/match.c src/rt/match.h
%canon_reldir%_rudp_run_CPPFLAGS = $(AM_CPPFLAGS) -DRUDP_LIBDIR='"$(libdir)"'
%canon_reldir%_rudp_run_LDADD = src/core/libcore.la src/mem/libmem.la $(PTHREAD_LIBS)

# What --json promises.
dist_pkgdata_DATA += %reldir%/rudpstat.schema.json
