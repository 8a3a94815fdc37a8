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
	%reldir%/limits.c \
	%reldir%/metrics.c \
	%reldir%/metrics.h \
	%reldir%/pages.c \
	%reldir%/pressure.c \
	%reldir%/punch.c \
	%reldir%/reap.c \
	%reldir%/slots.c \
	%reldir%/tick.c \
	%reldir%/units.c \
	%reldir%/units.h
