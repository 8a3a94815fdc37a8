/*
 * metrics.h - what connections learned of a destination, for those that come
 * after them, of whatever process (RFC 9040; Linux's tcp_metrics).
 *
 * A table of the domain, sized by memory, without locks: each field is read and
 * written by itself, and a row that changes its destination meanwhile is
 * noticed or not. What comes out is a hint, so two connections that write at
 * once may mix; values are clamped by who uses them.
 */
#ifndef RUDP_MEM_METRICS_H
#define RUDP_MEM_METRICS_H

#include <stdatomic.h>
#include "mem/acct.h"

enum { METRICS_ROWS = 16384, METRICS_ROWS_MIN = 1024, METRICS_WAYS = 4 };
#define METRICS_LIFE_US	(3600 * USEC_PER_SEC)	/* as Linux: an hour */

struct path_metrics {		/* 0: not known */
	u32 srtt_us, rttvar_us;
	u32 ssthresh, cwnd;	/* datagrams */
	u32 reordering;
};

struct metrics_row {
	_Atomic u64 dest;	/* 0: free */
	_Atomic u64 stamp;	/* last written; microseconds */
	_Atomic u32 srtt_us, rttvar_us, ssthresh, cwnd, reordering;
};

/* What is known of a destination, named by a number of the caller's (not 0).
 * False: nothing, or it is too old; *m is zeros. */
bool mem_metrics_get(const struct mem_acct *a, u64 dest, struct path_metrics *m, usec_t now);
/* Replaces it; the oldest of a few others gives way. */
void mem_metrics_put(const struct mem_acct *a, u64 dest, const struct path_metrics *m,
		     usec_t now);

#endif
