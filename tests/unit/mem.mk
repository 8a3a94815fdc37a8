# Unit tests: check_<module>, one program for one file. For each:
#   core_tests += %reldir%/check_x
#   check_PROGRAMS += %reldir%/check_x
#   %canon_reldir%_check_x_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
#   %canon_reldir%_check_x_LDADD = src/mem/libmem.la $(CHECK_LIBS)
EXTRA_DIST += %reldir%/mem_test.h
if HAVE_CHECK
mem_checks = \
	%reldir%/check_mem_limits \
	%reldir%/check_mem_charge \
	%reldir%/check_mem_sender \
	%reldir%/check_mem_acct \
	%reldir%/check_mem_arena \
	%reldir%/check_mem_domain \
	%reldir%/check_mem_threads \
	%reldir%/check_mem_crash
check_PROGRAMS += $(mem_checks)
core_tests += $(mem_checks)
thread_tests += %reldir%/check_mem_threads

%canon_reldir%_check_mem_limits_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_mem_limits_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(PTHREAD_LIBS)
%canon_reldir%_check_mem_charge_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_mem_charge_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(PTHREAD_LIBS)
%canon_reldir%_check_mem_sender_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_mem_sender_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(PTHREAD_LIBS)
%canon_reldir%_check_mem_acct_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_mem_acct_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(PTHREAD_LIBS)
%canon_reldir%_check_mem_arena_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_mem_arena_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(PTHREAD_LIBS)
%canon_reldir%_check_mem_domain_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_mem_domain_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(PTHREAD_LIBS)
%canon_reldir%_check_mem_threads_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_mem_threads_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(PTHREAD_LIBS)
%canon_reldir%_check_mem_crash_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_mem_crash_LDADD = src/mem/libmem.la $(CHECK_LIBS) $(PTHREAD_LIBS)
endif
