# Unit tests: check_<module>, one program for one file. For each:
#   core_tests += %reldir%/check_x
#   check_PROGRAMS += %reldir%/check_x
#   %canon_reldir%_check_x_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
#   %canon_reldir%_check_x_LDADD = src/core/libcore.la src/mem/libmem.la $(CHECK_LIBS)
EXTRA_DIST += %reldir%/core_rcv.h %reldir%/core_pair.h
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
core_tests += %reldir%/check_acks
check_PROGRAMS += %reldir%/check_acks
%canon_reldir%_check_acks_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_acks_LDADD = src/core/libcore.la src/mem/libmem.la $(CHECK_LIBS)
core_tests += %reldir%/check_open
check_PROGRAMS += %reldir%/check_open
%canon_reldir%_check_open_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_open_LDADD = src/core/libcore.la src/mem/libmem.la $(CHECK_LIBS)
core_tests += %reldir%/check_state
check_PROGRAMS += %reldir%/check_state
%canon_reldir%_check_state_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_state_LDADD = src/core/libcore.la src/mem/libmem.la $(CHECK_LIBS)
endif
