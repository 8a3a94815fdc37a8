/*
 * sim.h - runs one scenario to its end and judges it. Whatever is wrong ends
 * the process by abort() with a line that says what; campaign.h runs many in
 * children of their own and names the seed.
 */
#ifndef RUDP_TESTS_SIM_SIM_H
#define RUDP_TESTS_SIM_SIM_H

#include "refuse.h"
#include "scenario.h"

struct report {
	u64 runs, conns, bytes, packets, lost, events;
	u64 completed, failed_honestly;	/* by time-out or reset, where allowed */
	u64 adopted, allocs, refused;
	usec_t virtual_us;		/* from the first open to the last end */
	u64 peak_pages;			/* memory_allocated at its highest */
	u64 peak_in_flight;		/* datagrams of one connection */
	u64 counters[CNT_COUNT];
	/* of connection 0, for assertions about speed: */
	usec_t open_us, transfer_us;	/* until established; until the last byte was read */
	u64 reads;
	usec_t unstalled_us;	/* the last end of a connection without stalls */
};

void sim_run(const struct scenario *s, struct report *r);
void report_add(struct report *sum, const struct report *r);

#endif
