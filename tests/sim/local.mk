# The simulator: virtual clock, seeded network. `make sim-campaign` runs 10,000
# seeds of it; tests/sim/rudp-sim --list names what there is.
check_LTLIBRARIES += %reldir%/libsim.la
%canon_reldir%_libsim_la_SOURCES = \
	%reldir%/app.c %reldir%/app.h \
	%reldir%/campaign.c %reldir%/campaign.h \
	%reldir%/clock.c %reldir%/clock.h \
	%reldir%/host.c %reldir%/host.h %reldir%/host_int.h \
	%reldir%/host_rx.c \
	%reldir%/link.c %reldir%/link.h \
	%reldir%/refuse.c %reldir%/refuse.h \
	%reldir%/rng.h \
	%reldir%/scenario.c %reldir%/scenario.h \
	%reldir%/script.c %reldir%/script.h \
	%reldir%/sim.c %reldir%/sim.h

sim_libs = %reldir%/libsim.la src/core/libcore.la src/mem/libmem.la $(PTHREAD_LIBS)
sim_ldflags = $(AM_LDFLAGS) -Wl,--wrap=mem_alloc,--wrap=mem_alloc_most \
	-Wl,--wrap=mem_extend,--wrap=mem_adopt

sim_programs = \
	%reldir%/check_link \
	%reldir%/check_open \
	%reldir%/check_loss \
	%reldir%/check_reorder \
	%reldir%/check_window \
	%reldir%/check_close \
	%reldir%/check_memory \
	%reldir%/check_oom \
	%reldir%/check_bbr \
	%reldir%/check_trace
check_PROGRAMS += $(sim_programs) %reldir%/rudp-sim
core_tests += $(sim_programs)

%canon_reldir%_check_link_LDADD = $(sim_libs)
%canon_reldir%_check_link_LDFLAGS = $(sim_ldflags)
%canon_reldir%_check_open_LDADD = $(sim_libs)
%canon_reldir%_check_open_LDFLAGS = $(sim_ldflags)
%canon_reldir%_check_loss_LDADD = $(sim_libs)
%canon_reldir%_check_loss_LDFLAGS = $(sim_ldflags)
%canon_reldir%_check_reorder_LDADD = $(sim_libs)
%canon_reldir%_check_reorder_LDFLAGS = $(sim_ldflags)
%canon_reldir%_check_window_LDADD = $(sim_libs)
%canon_reldir%_check_window_LDFLAGS = $(sim_ldflags)
%canon_reldir%_check_close_LDADD = $(sim_libs)
%canon_reldir%_check_close_LDFLAGS = $(sim_ldflags)
%canon_reldir%_check_memory_LDADD = $(sim_libs)
%canon_reldir%_check_memory_LDFLAGS = $(sim_ldflags)
%canon_reldir%_check_oom_LDADD = $(sim_libs)
%canon_reldir%_check_oom_LDFLAGS = $(sim_ldflags)
%canon_reldir%_check_bbr_LDADD = $(sim_libs)
%canon_reldir%_check_bbr_LDFLAGS = $(sim_ldflags)
%canon_reldir%_check_trace_LDADD = $(sim_libs)
%canon_reldir%_check_trace_LDFLAGS = $(sim_ldflags)
%canon_reldir%_rudp_sim_SOURCES = %reldir%/rudp-sim.c
%canon_reldir%_rudp_sim_LDADD = $(sim_libs)
%canon_reldir%_rudp_sim_LDFLAGS = $(sim_ldflags)

SIM_SEEDS = 1..10000
sim-campaign: %reldir%/rudp-sim
	%reldir%/rudp-sim --scenario random --seeds $(SIM_SEEDS)
	%reldir%/rudp-sim --scenario all --seeds 1..500
.PHONY: sim-campaign
