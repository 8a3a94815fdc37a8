# The ledger: accounts, arenas, the domain.
noinst_LTLIBRARIES += %reldir%/libmem.la
%canon_reldir%_libmem_la_SOURCES = \
	src/base.h \
	src/bounds.h \
	src/stat/counters.def \
	%reldir%/acct.c \
	%reldir%/acct.h \
	%reldir%/arena.c \
	%reldir%/arena.h \
	%reldir%/arena_layout.h \
	%reldir%/arena_map.c \
	%reldir%/charge.c \
	%reldir%/charge.h \
	%reldir%/domain.c \
	%reldir%/domain.h \
	%reldir%/domain_local.h \
	%reldir%/layout.c \
	%reldir%/limits.c \
	%reldir%/metrics.c \
	%reldir%/metrics.h \
	%reldir%/pages.c \
	%reldir%/pressure.c \
	%reldir%/reap.c \
	%reldir%/slots.c \
	%reldir%/tick.c \
	%reldir%/units.c \
	%reldir%/units.h

# Programs of different builds meet in domains: what lies in shared memory must
# be declared alike, comments aside.
shared_layout = \
	src/bounds.h \
	src/core/conn.h \
	src/core/open.h \
	src/core/seg.h \
	src/core/trace.h \
	src/core/wire.h \
	src/mem/acct.h \
	src/mem/arena.h \
	src/mem/arena_layout.h \
	src/mem/domain.h \
	src/mem/metrics.h \
	src/rt/driver_shm.h \
	src/rt/sock.h \
	src/stat/counters.def
src/layout.h: $(shared_layout)
	$(AM_V_GEN)$(MKDIR_P) src && (cd $(srcdir) && cat $(shared_layout)) | \
		sed -e 's|/[*].*[*]/||' -e '/^[[:space:]]*[/ ][*]/d' | cksum | \
		sed 's/^\([0-9]*\).*/#define LAYOUT_SUM \1u/' >$@.new && mv $@.new $@
%reldir%/layout.lo: src/layout.h
CLEANFILES += src/layout.h
