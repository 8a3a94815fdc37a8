# Examples: built by make check, each run by a test.
# The dissector is for Wireshark: tests/e2e/run_dissector.sh.
EXTRA_DIST += %reldir%/librudp.lua

# Of these tests/e2e/run_examples.sh.
EXTRA_DIST += %reldir%/rudp-web.service %reldir%/Dockerfile
dist_noinst_SCRIPTS += %reldir%/group.sh %reldir%/pressure.sh

check_PROGRAMS += %reldir%/hold
core_programs += %reldir%/hold
%canon_reldir%_hold_SOURCES = %reldir%/hold.c
%canon_reldir%_hold_LDADD = src/govern/librudp-mem.la
dist_noinst_SCRIPTS += %reldir%/run_hold
core_tests += %reldir%/run_hold

check_PROGRAMS += %reldir%/courier
core_programs += %reldir%/courier
%canon_reldir%_courier_SOURCES = %reldir%/courier.c
%canon_reldir%_courier_LDADD = src/govern/librudp-mem.la
dist_noinst_SCRIPTS += %reldir%/run_courier
core_tests += %reldir%/run_courier
