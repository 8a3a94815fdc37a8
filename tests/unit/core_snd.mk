# Unit tests of the sender's half: check_<module>, one program for one file.
EXTRA_DIST += %reldir%/core_snd.h
if HAVE_CHECK
snd_checks = \
	%reldir%/check_seg \
	%reldir%/check_rtt \
	%reldir%/check_bbr \
	%reldir%/check_cubic \
	%reldir%/check_sndq \
	%reldir%/check_metrics \
	%reldir%/check_output \
	%reldir%/check_pace \
	%reldir%/check_rack \
	%reldir%/check_recovery \
	%reldir%/check_timer \
	%reldir%/check_wait
core_tests += $(snd_checks)
check_PROGRAMS += $(snd_checks)
snd_check_libs = src/core/libcore.la src/mem/libmem.la $(CHECK_LIBS) $(PTHREAD_LIBS)

%canon_reldir%_check_seg_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_seg_LDADD = $(snd_check_libs)
%canon_reldir%_check_rtt_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_rtt_LDADD = $(snd_check_libs)
%canon_reldir%_check_cubic_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_cubic_LDADD = $(snd_check_libs) -lm
%canon_reldir%_check_sndq_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_sndq_LDADD = $(snd_check_libs)
%canon_reldir%_check_metrics_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_metrics_LDADD = $(snd_check_libs)
%canon_reldir%_check_output_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_output_LDADD = $(snd_check_libs)
%canon_reldir%_check_pace_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_pace_LDADD = $(snd_check_libs)
%canon_reldir%_check_rack_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_rack_LDADD = $(snd_check_libs)
%canon_reldir%_check_recovery_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_recovery_LDADD = $(snd_check_libs)
%canon_reldir%_check_timer_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_timer_LDADD = $(snd_check_libs)
%canon_reldir%_check_bbr_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_bbr_LDADD = $(snd_check_libs)
%canon_reldir%_check_wait_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
%canon_reldir%_check_wait_LDADD = $(snd_check_libs)
endif
