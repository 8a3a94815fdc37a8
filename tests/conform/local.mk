# The same program over kernel TCP and over librudp; run.sh compares.
conform_programs = \
	%reldir%/ancillary %reldir%/asyncs %reldir%/closing %reldir%/cutoff %reldir%/dataflags %reldir%/dups \
	%reldir%/effects %reldir%/epolls %reldir%/fdlimits %reldir%/files %reldir%/inherit \
	%reldir%/ioctls %reldir%/lingering %reldir%/mapped %reldir%/mmsg %reldir%/names \
	%reldir%/passing \
	%reldir%/nonblock %reldir%/oddsends %reldir%/opening %reldir%/options %reldir%/pipes %reldir%/ports \
	%reldir%/pollbits %reldir%/polling %reldir%/relays %reldir%/signals %reldir%/states %reldir%/streams \
	%reldir%/threads %reldir%/timeouts %reldir%/urgent %reldir%/watching %reldir%/xfers
conform_programs += %reldir%/forks
check_PROGRAMS += $(conform_programs)
check_LTLIBRARIES += %reldir%/libconform.la
%canon_reldir%_libconform_la_SOURCES = %reldir%/conform.c %reldir%/conform.h
%canon_reldir%_closing_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_cutoff_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_dataflags_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_dups_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_forks_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_inherit_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_ioctls_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_lingering_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_effects_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_files_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
conform_programs += %reldir%/ownnames %reldir%/oneshot %reldir%/beside
%canon_reldir%_beside_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_oneshot_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_ownnames_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_mapped_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_mmsg_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_names_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_nonblock_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_opening_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_options_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_passing_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_pipes_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_pollbits_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_polling_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_signals_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_streams_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_timeouts_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_urgent_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_relays_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_ancillary_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_watching_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_xfers_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_states_SOURCES = %reldir%/states.c %reldir%/stages.c %reldir%/stages.h
%canon_reldir%_states_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
conform_programs += %reldir%/setstates %reldir%/cancels %reldir%/contents %reldir%/ranges
%canon_reldir%_ranges_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_setstates_SOURCES = %reldir%/setstates.c %reldir%/stages.c %reldir%/stages.h
%canon_reldir%_setstates_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_cancels_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_contents_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_threads_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_asyncs_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_epolls_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_fdlimits_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_oddsends_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_ports_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
EXTRA_DIST += %reldir%/programs %reldir%/README
dist_noinst_SCRIPTS += %reldir%/run.sh
full_tests += %reldir%/run.sh
check_PROGRAMS += %reldir%/handed
%canon_reldir%_handed_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
conform_programs += %reldir%/bynumber %reldir%/fastopen %reldir%/interrupted %reldir%/peeks %reldir%/sets %reldir%/zerocopy
%canon_reldir%_sets_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_peeks_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_zerocopy_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_bynumber_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_interrupted_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
%canon_reldir%_fastopen_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
conform_programs += %reldir%/given
%canon_reldir%_given_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
conform_programs += %reldir%/optedges
%canon_reldir%_optedges_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
conform_programs += %reldir%/evhooks
%canon_reldir%_evhooks_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
conform_programs += %reldir%/corners
%canon_reldir%_corners_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
check_PROGRAMS += %reldir%/roam
%canon_reldir%_roam_SOURCES = %reldir%/roam.c %reldir%/roam.h %reldir%/roam_calls.c \
	%reldir%/roam_told.c %reldir%/roam_waits.c
%canon_reldir%_roam_LDADD = %reldir%/libconform.la $(PTHREAD_LIBS)
dist_noinst_SCRIPTS += %reldir%/roam.sh
full_tests += %reldir%/roam.sh
