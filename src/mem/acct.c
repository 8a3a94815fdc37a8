/*
 * acct.c - the life of one sock's account: opened, pre-paid, checked, closed.
 */
#include <errno.h>
#include "mem/arena_layout.h"
#include "mem/charge.h"
#include "mem/units.h"

#define RESERVE_MAX	(1u << 30)	/* SO_RESERVE_MEM, as Linux */

void acct_return(struct mem_acct *a, u32 page, unsigned n)
{
	a->forward_alloc -= (s64)n * PAGE_BYTES;
	a->pages -= n;
	arena_lock(a->arena);
	pages_give(a->arena, page, n);
	charge_reduce(a->arena, n);
	arena_unlock(a->arena);
}

/* Gives back wholly free pages that nothing keeps any more. */
static void return_idle(struct mem_acct *a)
{
	u32 *link = &a->partial;

	while (*link && acct_returnable(a) > 0) {
		u32 page = *link;
		struct page_entry *e = entry(a, page);

		if (e->used) {
			link = &e->next;
			continue;
		}
		*link = e->next;
		acct_return(a, page, 1);
	}
}

/* ---- opening, closing ------------------------------------------------------------------------------ */

/* One sock more or less. Lock held. */
static void count_socket(struct mem_acct *a, int n)
{
	struct arena *ar = a->arena;
	struct arena_local *l = arena_local(ar);
	u32 index = a->owner - OWNER_SOCK0;

	if (index < arena_slots_max(ar) && index < ar->slots_limit)
		l->slottab[index].acct = n > 0;
	else
		ar->accts_outside += (u32)n;
	atomic_store(&l->row->sockets, atomic_load(&l->row->sockets) + n);
	atomic_fetch_add(&l->domain->sockets_allocated, n);
}

void mem_acct_init(struct mem_acct *a, struct arena *arena, u32 owner, u32 gen)
{
	*a = (struct mem_acct){ .arena = arena, .owner = owner, .gen = gen };
	arena_lock(arena);
	charge_refresh(arena);
	a->sndbuf = arena->lim.wmem[1];
	a->rcvbuf = arena->lim.rmem[1];
	if (owner != OWNER_POOL)
		count_socket(a, 1);
	arena_unlock(arena);
}

void mem_acct_fini(struct mem_acct *a)
{
	assert(!a->wmem_queued && !a->rmem_alloc);
	a->reserved = 0;
	return_idle(a);
	assert(!a->pages && !a->forward_alloc);
	arena_lock(a->arena);
	if (a->owner != OWNER_POOL)
		count_socket(a, -1);
	arena_unlock(a->arena);
	a->arena = NULL;
}

void mem_acct_purge(struct mem_acct *a)
{
	struct arena *ar = a->arena;
	u32 pages, page = 1;

	arena_lock(ar);
	pages = min(atomic_load(&ar->pages), atomic_load(&arena_local(ar)->pages));
	while (page < pages) {
		unsigned n = 0;

		while (page + n < pages && n < RUN_PAGES_MAX && is_ours(a, entry(a, page + n)))
			n++;
		if (n) {
			pages_give(ar, page, n);
			charge_reduce(ar, n);
		}
		page += n ? n : 1;
	}
	arena_unlock(ar);
	a->pages = a->partial = a->reserved = 0;
	a->forward_alloc = a->wmem_queued = a->rmem_alloc = 0;
}

/* A run of up to `want` free pages for the account, pre-paid (R10.2). 0: no. */
static unsigned reserve_run(struct mem_acct *a, unsigned want)
{
	struct arena *ar = a->arena;
	unsigned len = 0;
	bool fresh, ok;
	u32 page = 0;

	arena_lock(ar);
	ok = charge_reserve(ar, want);
	if (ok) {
		page = pages_take_most(ar, want, &len, a->owner, a->gen);
		charge_reduce(ar, want - len);
	}
	fresh = ar->taken_fresh;
	arena_unlock(ar);
	for (u32 i = page; i < page + len; i++)
		acct_chain_add(a, i);
	a->pages += len;
	a->forward_alloc += (s64)len * PAGE_BYTES;
	return len && (!fresh || pages_populate(ar, page, len)) ? len : 0;
}

int mem_reserve(struct mem_acct *a, u32 bytes)
{
	s64 pages = mem_pages(bytes), more = pages - mem_pages(a->reserved);
	u32 before = a->reserved;

	if (bytes > RESERVE_MAX)
		return -EINVAL;
	a->reserved = (u32)(pages * PAGE_BYTES);
	while (more > 0) {
		unsigned got = reserve_run(a, (unsigned)min(more, (s64)RUN_PAGES_MAX));

		if (!got) {
			a->reserved = before;
			return_idle(a);
			return -ENOMEM;
		}
		more -= got;
	}
	return_idle(a);
	return 0;
}

/* ---- looking ----------------------------------------------------------------------------------------- */

void *mem_addr(const struct mem_acct *a, u32 unit)
{
	return arena_local(a->arena)->buf + (size_t)unit * UNIT_BYTES;
}

static bool chain_check(const struct mem_acct *a, u32 partial)
{
	u32 seen = 0;

	for (u32 page = a->partial; page; page = entry(a, page)->next, seen++)
		if (seen > a->pages || !is_ours(a, entry(a, page)) ||
		    entry(a, page)->used == PAGE_FULL)
			return false;
	return seen == partial;
}

bool mem_acct_check(const struct mem_acct *a)
{
	const struct arena_local *l = arena_local(a->arena);
	u32 limit = atomic_load(&l->pages), pages = 0, partial = 0, idle = 0;
	s64 free_bytes = 0;

	for (u32 page = 1; page < limit; page++) {
		const struct page_entry *e = &l->table[page];

		if (!is_ours(a, e))
			continue;
		pages++;
		partial += e->used != PAGE_FULL;
		idle += !e->used;
		free_bytes += (PAGE_UNITS - __builtin_popcount(e->used)) * UNIT_BYTES;
	}
	return pages == a->pages && free_bytes == a->forward_alloc &&
	       (s64)pages * PAGE_BYTES == a->forward_alloc + a->wmem_queued + a->rmem_alloc &&
	       idle <= mem_pages(a->reserved) && chain_check(a, partial);
}
