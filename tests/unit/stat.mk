# rudpstat against a domain of the test's own.
if HAVE_CHECK
core_tests += %reldir%/check_rudpstat
check_PROGRAMS += %reldir%/check_rudpstat
%canon_reldir%_check_rudpstat_SOURCES = %reldir%/check_rudpstat.c
%canon_reldir%_check_rudpstat_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_check_rudpstat_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(JANSSON_LIBS)
endif
