/*
 * filter.h - which sockets are meant: words in the manner of ss(8).
 *
 *	state NAME | exclude NAME	established, listening ...; several add up
 *	src ADDRESS | dst ADDRESS	ADDRESS[/BITS][:PORT], or :PORT
 *	sport PORT | dport PORT | port PORT	port: either end's
 *	pid NUMBER | comm NAME | id HEX
 *
 * All that are given must hold. Between a word and its value, "=" or "eq" may
 * stand, and parentheses and "and" anywhere.
 */
#ifndef RUDPSTAT_FILTER_H
#define RUDPSTAT_FILTER_H

#include "rudpstat/snapshot.h"

struct addr_match {
	int family;		/* 0: any */
	u8 addr[16];
	unsigned bits;
	int port;		/* 0: any */
};

enum { FILTER_WHY = 400 };

struct filter {
	u32 states;		/* 1 << enum conn_state; 0: any */
	struct addr_match src, dst;
	int port;		/* of either end; 0: any */
	s32 pid;		/* 0: any */
	const char *comm;	/* NULL: any */
	u64 id;			/* of the connection; 0: any */
};

/* 0, or -EINVAL; then `why` names the word that was not understood, and what
 * is accepted in its place. The filter keeps pointers into argv. */
int filter_parse(struct filter *f, int argc, char **argv, char why[static FILTER_WHY]);
bool filter_match(const struct filter *f, const struct stat_conn *c);
/* Takes away what does not match. */
void filter_apply(const struct filter *f, struct stat_domain *s);

/* What ss(8) shows without options, with -l, and with -a. */
enum { STATES_LISTEN = 1 << CONN_LISTEN, STATES_ALL = (1 << 12) - 2,
       STATES_DEFAULT = STATES_ALL & ~(1 << CONN_LISTEN | 1 << CONN_CLOSED | 1 << CONN_TIME_WAIT) };

#endif
