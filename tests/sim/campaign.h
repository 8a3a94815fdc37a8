/*
 * campaign.h - many simulations, each failure survived and named.
 *
 * The simulations run in a child. When it dies (an assertion, a crash, a
 * second of real time that became a minute) the parent prints the seed and the
 * command that repeats it, and starts another child behind that seed.
 */
#ifndef RUDP_TESTS_SIM_CAMPAIGN_H
#define RUDP_TESTS_SIM_CAMPAIGN_H

#include "sim.h"

enum { CAMPAIGN_FAILURES_MAX = 20 };	/* then it gives up */

struct campaign {
	const char *kind;
	u64 from, to;			/* seeds, both included */
	/* Changes the scenario and sets `refuse` before run number `variant` of
	 * a seed; false: there is no such variant. NULL: one plain run. The
	 * report is that of the run before. */
	bool (*prepare)(struct scenario *s, unsigned variant, const struct report *last);
	/* Judges a finished run beyond what sim_run does; sim_fail if bad. */
	void (*judge)(const struct scenario *s, const struct report *r);
};

/* Returns the number of seeds that failed; the sums go to *sum. */
unsigned campaign_run(const struct campaign *c, struct report *sum);

/* A test program: named functions, each in a child of its own, which fail by
 * ending it. Prints a line for each and 'N passed, N failed'; returns main's
 * value. A name as the only argument runs that one alone, without a child. */
struct test {
	const char *name;
	void (*run)(void);
};
int tests_run(const struct test *t, unsigned n, int argc, char **argv);
/* The common body of one: fails the test unless every seed passed. */
void campaign_test(const char *kind, u64 from, u64 to);

#endif
