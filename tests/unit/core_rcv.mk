# Unit tests: check_<module>, one program for one file. For each:
#   core_tests += %reldir%/check_x
#   check_PROGRAMS += %reldir%/check_x
#   %canon_reldir%_check_x_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
#   %canon_reldir%_check_x_LDADD = src/core/libcore.la src/mem/libmem.la $(CHECK_LIBS)
EXTRA_DIST += %reldir%/core_rcv.h
if HAVE_CHECK
core_tests += %reldir%/check_wire
check_PROGRAMS += %reldir%/check_wire
%canon_reldir%_check_wire_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_wire_LDADD = src/core/libcore.la src/mem/libmem.la $(CHECK_LIBS)
core_tests += %reldir%/check_cookie
check_PROGRAMS += %reldir%/check_cookie
%canon_reldir%_check_cookie_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_cookie_LDADD = src/core/libcore.la src/mem/libmem.la $(CHECK_LIBS)
core_tests += %reldir%/check_rcvq
check_PROGRAMS += %reldir%/check_rcvq
%canon_reldir%_check_rcvq_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_rcvq_LDADD = src/core/libcore.la src/mem/libmem.la $(CHECK_LIBS)
core_tests += %reldir%/check_flow
check_PROGRAMS += %reldir%/check_flow
%canon_reldir%_check_flow_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_flow_LDADD = src/core/libcore.la src/mem/libmem.la $(CHECK_LIBS)
endif
