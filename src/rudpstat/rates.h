/*
 * rates.h - what changes from one snapshot to the next: throughput of each
 * connection, and a history of each domain's memory and throughput.
 */
#ifndef RUDPSTAT_RATES_H
#define RUDPSTAT_RATES_H

#include "rudpstat/snapshot.h"

enum { HISTORY = 240, RATE_DOMAINS = 64 };

struct history {
	char name[DOMAIN_NAME_MAX];
	double pages[HISTORY];		/* the oldest first */
	double bytes[HISTORY];		/* a second, both directions */
	unsigned n;
	bool seen;			/* in the newest snapshot */
};

struct rate {			/* of one connection, bytes a second */
	u64 id;
	s32 pid;
	u64 sent, received;	/* in all */
	double tx, rx;
};

struct rates {
	struct rate *conns;	/* sorted by id, pid */
	size_t n;
	usec_t taken;
	struct history *domains;	/* RATE_DOMAINS */
	unsigned ndomains;
};

int rates_init(struct rates *r);	/* -ENOMEM */
void rates_fini(struct rates *r);
/* The next snapshot; on -ENOMEM the rates are those of before. */
int rates_update(struct rates *r, const struct stat_domain *s, size_t n);
const struct rate *rates_of(const struct rates *r, const struct stat_conn *c);	/* or NULL */
const struct history *rates_domain(const struct rates *r, const char *name);

#endif
