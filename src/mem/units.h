/*
 * units.h - what the allocator (units.c) and the account's life (acct.c) share:
 * an account's pages in the table. The sock's lock is held throughout.
 */
#ifndef RUDP_MEM_UNITS_H
#define RUDP_MEM_UNITS_H

#include "mem/arena_layout.h"
#include "mem/charge.h"

enum { PAGE_FULL = 0xffff };	/* page_entry.used */

static inline struct page_entry *entry(const struct mem_acct *a, u32 page)
{
	return &arena_local(a->arena)->table[page];
}

static inline bool is_ours(const struct mem_acct *a, const struct page_entry *e)
{
	return __atomic_load_n(&e->owner, __ATOMIC_RELAXED) == a->owner &&
	       __atomic_load_n(&e->gen, __ATOMIC_RELAXED) == a->gen;
}

static inline void acct_chain_add(struct mem_acct *a, u32 page)
{
	entry(a, page)->next = a->partial;
	a->partial = page;
}

/* Wholly free pages that may go back (R10.2 keeps some). */
static inline s64 acct_returnable(const struct mem_acct *a)
{
	return (a->forward_alloc - mem_unused_reserved(a)) / PAGE_BYTES;
}

/* Gives n adjacent pages back, which are off the chain. */
void acct_return(struct mem_acct *a, u32 page, unsigned n);

#endif
