/*
 * clock.h - virtual time: events in a heap, run in order of time, then in the
 * order in which they were set.
 */
#ifndef RUDP_TESTS_SIM_CLOCK_H
#define RUDP_TESTS_SIM_CLOCK_H

#include "base.h"

struct event {			/* embedded in what it concerns; zeroed: off */
	usec_t at;
	u64 order;
	u32 pos;		/* in the heap, from 1; 0: not set */
	void (*run)(struct event *e, usec_t now);
};

struct clock {
	usec_t now;
	u64 order;
	struct event **heap;	/* heap[1] is the next */
	u32 n, room;
};

void clock_init(struct clock *k, usec_t start);
void clock_fini(struct clock *k);
/* (Re)sets e for `at` (not before now); USEC_NEVER turns it off. */
void clock_set(struct clock *k, struct event *e, usec_t at);
/* Runs the next event and moves the time to it. False: there is none. */
bool clock_step(struct clock *k);
usec_t clock_next(const struct clock *k);	/* USEC_NEVER: none */

#endif
