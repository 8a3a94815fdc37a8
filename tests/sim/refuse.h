/*
 * refuse.h - refusing memory on purpose. The programs are linked with
 * --wrap for the four functions by which memory is had (mem_alloc,
 * mem_alloc_most, mem_extend, mem_adopt); these count the calls and refuse
 * some, in the two ways that there are: as the domain does (a->refused = 1,
 * forced calls go through), or as a machine without memory does
 * (a->refused = 0, forced calls too).
 */
#ifndef RUDP_TESTS_SIM_REFUSE_H
#define RUDP_TESTS_SIM_REFUSE_H

#include "mem/acct.h"

struct refuse {
	u64 calls;		/* so far */
	u64 from, count;	/* refuses the calls from <= n < from + count */
	u32 ppm;		/* and others by chance ... */
	u64 seed;		/* ... that depends on this */
	bool machine;		/* forced ones too */
	u64 refused;
};

extern struct refuse refuse;

/* A forced allocation for the simulator's own use, not counted. */
u32 refuse_exempt_alloc(struct mem_acct *a, unsigned units);

#endif
