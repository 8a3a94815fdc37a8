# The transport: pure, no system call, no clock. One line a file, sorted.
noinst_LTLIBRARIES += %reldir%/libcore.la
%canon_reldir%_libcore_la_SOURCES = \
	src/base.h src/bounds.h \
	%reldir%/conn.h \
	%reldir%/open.h \
	%reldir%/seg.h \
	%reldir%/wire.h
