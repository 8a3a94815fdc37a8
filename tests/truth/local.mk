# Many processes under one limit, and whether every page of theirs is what the
# counters say.
check_PROGRAMS += %D%/halted %D%/swarm %D%/truth
%C%_halted_SOURCES = %D%/halted.c
%C%_halted_LDADD = $(PTHREAD_LIBS)
%C%_swarm_SOURCES = %D%/swarm.c
%C%_truth_SOURCES = %D%/truth.c
%C%_truth_LDADD = src/mem/libmem.la $(PTHREAD_LIBS)
dist_noinst_SCRIPTS += %D%/plot.sh %D%/run_counters.sh %D%/run_truth.sh %D%/run_set.sh
full_tests += %D%/run_counters.sh %D%/run_truth.sh %D%/run_set.sh
dist_noinst_SCRIPTS += %D%/run_below.sh %D%/run_family.sh %D%/run_sndtimeo.sh
EXTRA_DIST += %D%/below.py %D%/counted.py %D%/family.py %D%/sndtimeo.py
full_tests += %D%/run_below.sh %D%/run_family.sh %D%/run_sndtimeo.sh
dist_noinst_SCRIPTS += %D%/run_episode.sh
full_tests += %D%/run_episode.sh
