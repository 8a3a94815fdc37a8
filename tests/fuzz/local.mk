# Fuzzers. `make check` replays their corpora, and mutations of these, with a
# main of our own; `make fuzz` hands them to libFuzzer where clang has it.
fuzz_programs = \
	%reldir%/fuzz_conn \
	%reldir%/fuzz_env \
	%reldir%/fuzz_wire
check_PROGRAMS += $(fuzz_programs)
core_programs += $(fuzz_programs)
dist_noinst_SCRIPTS += %reldir%/replay_corpora %reldir%/run_fuzz
core_tests += %reldir%/replay_corpora
EXTRA_DIST += %reldir%/corpus

fuzz_libs = src/core/libcore.la src/mem/libmem.la $(PTHREAD_LIBS)
fuzz_common = %reldir%/replay.c %reldir%/fuzz.h %reldir%/fuzz_world.h tests/sim/rng.h
%canon_reldir%_fuzz_conn_SOURCES = %reldir%/fuzz_conn.c $(fuzz_common)
%canon_reldir%_fuzz_conn_LDADD = $(fuzz_libs)
%canon_reldir%_fuzz_env_SOURCES = %reldir%/fuzz_env.c $(fuzz_common)
%canon_reldir%_fuzz_env_LDADD = $(fuzz_libs)
%canon_reldir%_fuzz_wire_SOURCES = %reldir%/fuzz_wire.c $(fuzz_common)
%canon_reldir%_fuzz_wire_LDADD = $(fuzz_libs)

FUZZ_SECONDS = 60
fuzz:
	$(srcdir)/%reldir%/run_fuzz $(srcdir) $(FUZZ_SECONDS)
.PHONY: fuzz
