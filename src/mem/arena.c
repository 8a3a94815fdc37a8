/*
 * arena.c - an arena's head: its lock, its recount, and where things are.
 */
#include <errno.h>
#include <string.h>
#include "mem/arena_layout.h"
#include "mem/charge.h"
#include "mem/domain_local.h"

/* Leaf lock, robust, shared by processes. */
void arena_lock_init(pthread_mutex_t *m)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(m, &attr);
	pthread_mutexattr_destroy(&attr);
}

void arena_init(struct arena *ar, u32 slot_bytes)
{
	memcpy(ar->magic, ARENA_MAGIC, sizeof(ar->magic));
	ar->version = ARENA_VERSION;
	ar->slot_bytes = slot_bytes;
	arena_lock_init(&ar->lock);
	punch_init(ar);
	pages_added(ar, 1, atomic_load(&ar->pages));
}

void arena_init_pool(struct arena *ar)
{
	mem_acct_init(&ar->pool, ar, OWNER_POOL, 0);
}

void arena_lock(struct arena *ar)
{
	_Atomic u32 *seq = &arena_local(ar)->row->seq;
	int ret = pthread_mutex_lock(&ar->lock);

	atomic_store_explicit(seq, atomic_load_explicit(seq, memory_order_relaxed) | 1,
			      memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	if (unlikely(ret == EOWNERDEAD)) {
		arena_recount(ar, true);
		pthread_mutex_consistent(&ar->lock);
	}
	if (unlikely(!arena_synced(ar)))
		arena_sync_slow(ar);
}

void arena_release(struct arena *ar)
{
	struct arena_local *l = arena_local(ar);
	u32 seq = atomic_load_explicit(&l->row->seq, memory_order_relaxed);

	atomic_store_explicit(&l->row->seq, seq + 1, memory_order_release);
	pthread_mutex_unlock(&ar->lock);
}

void arena_unlock(struct arena *ar)
{
	if (unlikely(ar->resident > ar->credit || ar->waiting))
		punch_excess(ar);
	arena_release(ar);
}

/* ---- the recount (D8.9) ------------------------------------------------------------ */

static inline void map_put(u64 *map, u32 i, bool on)
{
	u64 bit = 1ull << (i % 64);

	map[i / 64] = on ? map[i / 64] | bit : map[i / 64] & ~bit;
}

/* What the table says: pages in use, in the pool, and the maps anew. Of pages
 * that this process could not map the free map is all there is. */
static s64 count_table(struct arena *ar, s64 *pool)
{
	struct arena_local *l = arena_local(ar);
	u32 pages = min(atomic_load(&ar->pages), ARENA_PAGES);
	u32 mapped = min(pages, atomic_load(&l->pages));
	s64 used = 0;

	memset(ar->hint, 0, sizeof(ar->hint));
	ar->resident = 0;
	ar->resident_top = pages / 64;
	map_put(l->free_map, 0, false);		/* page 0 is never handed out */
	map_put(l->resident_map, 0, false);
	*pool = 0;
	for (u32 i = 1; i < pages; i++) {
		const struct page_entry *e = &l->table[i];
		bool free_here, touched;

		if (i < mapped) {
			free_here = e->owner == OWNER_FREE;
			touched = e->flags & PAGE_TOUCHED;
			*pool += e->owner == OWNER_POOL;
		} else {
			free_here = l->free_map[i / 64] >> (i % 64) & 1;
			touched = l->resident_map[i / 64] >> (i % 64) & 1;
		}
		map_put(l->free_map, i, free_here);
		map_put(l->resident_map, i, free_here && touched);
		ar->resident += free_here && touched;
		used += !free_here;
	}
	return used;
}

/* Ends with no credit. Whether the dead man's last change reached the total is
 * not known; it errs on the safe side, and the next audit knows. */
long arena_recount(struct arena *ar, bool locked)
{
	struct arena_local *l = arena_local(ar);
	s64 used, sum, pool, charged, diff;	/* charged may be absurd */

	if (!locked)
		arena_lock(ar);
	arena_sync(ar);
	punch_before_recount(ar);
	used = count_table(ar, &pool);
	charged = atomic_load(&l->row->charged);
	diff = (s64)((u64)charged - (u64)used - (u64)ar->credit - (u64)ar->waiting -
		     (u64)ar->going);
	ar->credit = 0;
	punch_recount(ar);
	sum = used + ar->going;
	atomic_store(&l->row->credit, ar->going);
	atomic_store(&l->row->pool, pool);
	atomic_store(&l->row->charged, sum);
	atomic_fetch_sub(&l->domain->memory_allocated, (s64)((u64)charged - (u64)sum));
	ar->used = (u32)used;
	ar->drift = 0;
	ar->credit_least = 0;
	ar->audit_due = 1;
	arena_recount_slots(ar);
	if (diff)
		domain_count(l->domain, CNT_MemAudit,
			     min(diff < 0 ? -(u64)diff : (u64)diff, (u64)UINT32_MAX));
	if (!locked)
		arena_unlock(ar);
	return (long)diff;
}

/* ---- where things are ------------------------------------------------------------------ */

struct domain *arena_domain(const struct arena *ar)
{
	return arena_local(ar)->domain;
}

u32 arena_row(const struct arena *ar)
{
	return ar->row;
}

/* With all that a run beginning there may reach to: pieces end anywhere. */
static bool page_mapped(const struct arena *ar, u32 page)
{
	const _Atomic u32 *mapped = &arena_local(ar)->pages;

	if (likely(page + RUN_PAGES_MAX <= atomic_load_explicit(mapped, memory_order_relaxed)))
		return true;
	return arena_sync((struct arena *)(uintptr_t)ar) && page < atomic_load(mapped);
}

struct page_entry *arena_page(const struct arena *ar, u32 page)
{
	return page_mapped(ar, page) ? &arena_local(ar)->table[page] : NULL;
}

void *arena_unit_addr(const struct arena *ar, u32 unit)
{
	if (!page_mapped(ar, unit / PAGE_UNITS))
		return NULL;
	return arena_local(ar)->buf + (size_t)unit * UNIT_BYTES;
}

struct mem_acct *arena_pool(struct arena *ar)
{
	return &ar->pool;
}

unsigned arena_pool_target(const struct arena *ar)
{
	const struct domain *d = arena_local(ar)->domain;
	struct mem_limits l;
	u64 share, arenas = atomic_load_explicit(&ar->arenas, memory_order_relaxed);

	domain_limits(d, &l);
	share = l.mem[2] / (32 * max(arenas, (u64)1));
	return (unsigned)clamp(share, (u64)POOL_PAGES_MIN, (u64)POOL_PAGES_MAX);
}

void arena_kernel_rules(struct arena *ar, bool on)
{
	atomic_store(&arena_local(ar)->domain->linux_rules, on);
}
