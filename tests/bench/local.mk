# Benchmarks: not part of make check.
check_PROGRAMS += %D%/pingpong
%C%_pingpong_SOURCES = %D%/pingpong.c
dist_noinst_SCRIPTS += %D%/run.sh
EXTRA_DIST += %D%/bench.py %D%/offload.py
