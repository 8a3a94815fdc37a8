# librudp.so: the libc calls of a program, mapped to socks.
lib_LTLIBRARIES += %reldir%/librudp.la
%canon_reldir%_librudp_la_SOURCES =
%canon_reldir%_librudp_la_LIBADD = \
	src/rt/librt.la src/core/libcore.la src/mem/libmem.la \
	$(EV_LIBS) $(PTHREAD_LIBS)
%canon_reldir%_librudp_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared
