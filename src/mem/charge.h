/*
 * charge.h - the ladder: pages between a sock's account and its domain.
 *
 * Two layers. The lower one moves pages and is what the unit allocator uses,
 * together with the page table, in one hold of the arena's lock. The upper one
 * is Linux's world of bytes: schedule, charge, uncharge, reclaim over the same
 * account, for whoever keeps buffers of his own.
 *
 * Between the arena and the domain stands the credit (D8.3): pages charged in
 * advance, so that the line all processes share is only read while the domain
 * is comfortable. It is one-sided, and gone as soon as total > low.
 */
#ifndef RUDP_MEM_CHARGE_H
#define RUDP_MEM_CHARGE_H

#include "mem/acct.h"

struct arena;

/* ---- pages; the arena's lock is held ---------------------------------------- */

/* R2.5: n pages more for an account that lacks `size` bytes; forward_alloc
 * contains them already. False: refused, nothing charged. */
bool charge_raise(struct mem_acct *a, s64 size, s64 n, enum mem_dir dir);
/* The same question for pages that the domain has been charged with already
 * and that only change hands. */
bool charge_pass(struct mem_acct *a, s64 size, enum mem_dir dir);
void charge_force(struct mem_acct *a, s64 size, s64 n);		/* R2.7 */
bool charge_reserve(struct arena *ar, s64 n);			/* R10.2 */
void charge_reduce(struct arena *ar, s64 n);			/* R2.8 */
/* Gives `n` pages of credit back to the domain. */
void charge_credit_back(struct arena *ar, s64 n);
/* Uncharges `n` pages that stayed charged until they were punched out. */
void charge_punched(struct arena *ar, s64 n);
/* Reads the limits again if they changed. */
void charge_refresh(struct arena *ar);
s64 mem_unused_reserved(const struct mem_acct *a);	/* R10.2 */
static inline s64 mem_pages(s64 bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* Charges (negative: uncharges) so many bytes to a queue. */
static inline void acct_move(struct mem_acct *a, s64 truesize, enum mem_dir dir)
{
	a->forward_alloc -= truesize;
	if (dir == MEM_RCV)
		a->rmem_alloc += truesize;
	else
		a->wmem_queued += truesize;
}

/* ---- bytes (R2.2); the lock is taken inside ------------------------------------ */

bool mem_schedule(struct mem_acct *a, s64 size, enum mem_dir dir);
void mem_force(struct mem_acct *a, s64 size);
void mem_charge(struct mem_acct *a, s64 truesize, enum mem_dir dir);
void mem_uncharge(struct mem_acct *a, s64 truesize, enum mem_dir dir);	/* and reclaim */

#endif
