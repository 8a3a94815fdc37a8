# librudp-mem: the governance of memory alone, include/rudp/mem.h.
#
# -version-info: current:revision:age, changed at releases only. Code changed:
# revision + 1. Calls added: current + 1, revision 0, age + 1. Calls changed or
# taken away: current + 1, revision 0, age 0.
lib_LTLIBRARIES += %reldir%/librudp-mem.la
rudpincludedir = $(includedir)/rudp
rudpinclude_HEADERS = include/rudp/mem.h
%canon_reldir%_librudp_mem_la_SOURCES = %reldir%/govern.c
%canon_reldir%_librudp_mem_la_LIBADD = src/mem/libmem.la $(PTHREAD_LIBS)
%canon_reldir%_librudp_mem_la_LDFLAGS = $(AM_LDFLAGS) $(RUDP_DEFS) -version-info 0:0:0 \
	-Wl,--version-script=$(srcdir)/%reldir%/librudp-mem.map
EXTRA_DIST += %reldir%/librudp-mem.map

# The same to be linked in: one object, in which all names but the header's are
# local, so that none of ours meets one of a program's.
staticdir = $(libdir)
static_DATA = %reldir%/librudp-mem.a
CLEANFILES += %reldir%/librudp-mem.a %reldir%/librudp-mem.o
%reldir%/librudp-mem.a: %reldir%/librudp-mem.la
	$(AM_V_GEN)$(CC) $(CFLAGS) -r -nostdlib -o %reldir%/librudp-mem.o \
		%reldir%/.libs/govern.o -Wl,--whole-archive src/mem/.libs/libmem.a && \
	$(OBJCOPY) --localize-hidden %reldir%/librudp-mem.o && \
	rm -f $@ && $(AR) rcs $@ %reldir%/librudp-mem.o
