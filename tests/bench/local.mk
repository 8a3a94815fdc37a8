# Benchmarks: not part of make check.
check_PROGRAMS += %D%/pingpong
%C%_pingpong_SOURCES = %D%/pingpong.c
dist_noinst_SCRIPTS += %D%/run.sh
EXTRA_DIST += %D%/bench.py %D%/forks.py %D%/governance.py %D%/offload.py %D%/programs.py

# What the ledger costs, in nanoseconds.
check_PROGRAMS += %D%/bench_mem
%C%_bench_mem_SOURCES = %D%/bench_mem.c
%C%_bench_mem_LDADD = src/mem/libmem.la $(PTHREAD_LIBS)
