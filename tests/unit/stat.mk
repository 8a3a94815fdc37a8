# rudpstat, and the governor's public calls, over domains of the tests' own.
if HAVE_CHECK
rudpstat_domain = %reldir%/rudpstat_domain.c %reldir%/rudpstat_domain.h
core_tests += %reldir%/check_rudpstat
check_PROGRAMS += %reldir%/check_rudpstat
%canon_reldir%_check_rudpstat_SOURCES = %reldir%/check_rudpstat.c $(rudpstat_domain)
%canon_reldir%_check_rudpstat_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_check_rudpstat_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(JANSSON_LIBS)

core_tests += %reldir%/check_rudpstat_data
check_PROGRAMS += %reldir%/check_rudpstat_data
%canon_reldir%_check_rudpstat_data_SOURCES = %reldir%/check_rudpstat_data.c $(rudpstat_domain)
%canon_reldir%_check_rudpstat_data_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_check_rudpstat_data_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(JANSSON_LIBS)

core_tests += %reldir%/check_rudpstat_change
check_PROGRAMS += %reldir%/check_rudpstat_change
%canon_reldir%_check_rudpstat_change_SOURCES = %reldir%/check_rudpstat_change.c $(rudpstat_domain)
%canon_reldir%_check_rudpstat_change_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
%canon_reldir%_check_rudpstat_change_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(JANSSON_LIBS)

core_tests += %reldir%/check_match
check_PROGRAMS += %reldir%/check_match
%canon_reldir%_check_match_SOURCES = %reldir%/check_match.c src/rt/match.c
%canon_reldir%_check_match_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_match_LDADD = $(CHECK_LIBS)

core_tests += %reldir%/check_govern
check_PROGRAMS += %reldir%/check_govern
%canon_reldir%_check_govern_SOURCES = %reldir%/check_govern.c
%canon_reldir%_check_govern_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_govern_LDADD = src/govern/librudp-mem.la $(CHECK_LIBS)
endif
