/*
 * scenario.h - what happens in one simulation, all of it from one seed: the
 * network, the machines, their memory, and what every program does.
 */
#ifndef RUDP_TESTS_SIM_SCENARIO_H
#define RUDP_TESTS_SIM_SCENARIO_H

#include "app.h"
#include "mem/domain.h"

enum { SCENARIO_CONNS = 400 };

struct scenario {
	const char *name;
	u64 seed;
	usec_t start;			/* of the clock */
	unsigned conns;
	struct link_params link[2];	/* 0: towards the server */
	struct host_config host[2];	/* 0: client */
	struct mem_limits limits;
	u32 pages;			/* of each arena */
	bool tight;			/* the domain's limits bite */
	u32 swing_us;			/* they change so often, by chance; 0: never */
	bool lossy;			/* timing out is an honest end */
	bool violent;			/* resets are an honest end */
	bool refused;			/* nobody listens */
	u32 icmp_ppm;			/* soft errors, for each packet sent */
	struct app_plan plan[SCENARIO_CONNS][2];
};

struct scenario_kind {
	const char *name, *what;
	void (*make)(struct scenario *s, struct rng *r);
};

extern const struct scenario_kind scenario_kinds[];	/* name NULL: the end */
const struct scenario_kind *scenario_find(const char *name);
/* Fills s; a scenario of that kind and seed is always the same. */
void scenario_make(struct scenario *s, const struct scenario_kind *k, u64 seed);
/* Both programs of connection i, by chance, of up to `bytes` each way. */
void scenario_plan(struct scenario *s, unsigned i, struct rng *r, u64 bytes);
/* A plain transfer: `bytes` from the client, read as they come. */
void scenario_bulk(struct scenario *s, unsigned i, u64 bytes);

#endif
