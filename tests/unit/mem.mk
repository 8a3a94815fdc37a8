# Unit tests: check_<module>, one program for one file. For each:
#   core_tests += %reldir%/check_x
#   check_PROGRAMS += %reldir%/check_x
#   %canon_reldir%_check_x_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
#   %canon_reldir%_check_x_LDADD = src/mem/libmem.la $(CHECK_LIBS)
if HAVE_CHECK
endif
