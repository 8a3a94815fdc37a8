# The ledger: accounts, arenas, the domain.
noinst_LTLIBRARIES += %reldir%/libmem.la
%canon_reldir%_libmem_la_SOURCES = \
	src/stat/counters.def \
	%reldir%/acct.h \
	%reldir%/arena.h \
	%reldir%/domain.h
