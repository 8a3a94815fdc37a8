/*
 * pages.c - the page table, and the search for free runs.
 *
 * Two maps of bits follow the table: free pages, and those of them that may
 * have a block in the memfd ("resident"). Runs are searched first fit from the
 * lowest address, so that what is used stays hot and what is punched out lies
 * at the top. For each class of run lengths (1, 2, 4, 8, 16) a hint says below
 * which word none begins; taking raises it, giving lowers it.
 */
#include <errno.h>
#include <sys/mman.h>
#include "mem/arena_layout.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum {
	WARM_LOOK = 128,	/* words: half a microsecond at most */
};

static u32 page_limit(const struct arena *ar)
{
	return min(atomic_load_explicit(&ar->pages, memory_order_relaxed),
		   atomic_load_explicit(&arena_local(ar)->pages, memory_order_relaxed));
}

/* ---- maps --------------------------------------------------------------------------- */

static inline u64 bits(unsigned first, unsigned n)
{
	return (n == 64 ? ~0ull : (1ull << n) - 1) << first;
}

/* The bits of the run page..page+n that lie in one word, and how many. */
static inline u64 word_part(u32 page, unsigned n, unsigned *len)
{
	*len = min(n, 64 - page % 64);
	return bits(page % 64, *len);
}

static void map_set(u64 *map, u32 page, unsigned n)
{
	unsigned len;

	for (; n; page += len, n -= len) {
		u64 mask = word_part(page, n, &len);

		map[page / 64] |= mask;
	}
}

/* Clears, and counts what was set. */
static unsigned map_clear(u64 *map, u32 page, unsigned n)
{
	unsigned len, was = 0;

	for (; n; page += len, n -= len) {
		u64 mask = word_part(page, n, &len);

		was += (unsigned)__builtin_popcountll(map[page / 64] & mask);
		map[page / 64] &= ~mask;
	}
	return was;
}

static inline bool map_has(const u64 *map, u32 page)
{
	return map[page / 64] >> (page % 64) & 1;
}

/* ---- searching ------------------------------------------------------------------------- */

static inline unsigned class_below(unsigned n)	/* the largest class <= n */
{
	return 31 - (unsigned)__builtin_clz(n);
}

static inline unsigned class_above(unsigned n)	/* the smallest class >= n */
{
	return n == 1 ? 0 : class_below(n - 1) + 1;
}

/* In which bits of `lo` does a run of n begin that may go on into `hi`? */
static inline u64 run_starts(u64 lo, u64 hi, unsigned n)
{
	unsigned __int128 x = (unsigned __int128)hi << 64 | lo;
	unsigned have = 1;

	while (have < n) {
		unsigned step = min(have, n - have);

		x &= x >> step;
		have += step;
	}
	return (u64)x;
}

static void raise_hints(struct arena *ar, unsigned n, u32 word)
{
	for (unsigned c = class_above(n); c < RUN_CLASSES; c++)
		ar->hint[c] = max(ar->hint[c], word);
}

static void lower_hints(struct arena *ar, u32 page)
{
	u32 word = (page > RUN_PAGES_MAX ? page - RUN_PAGES_MAX : 0) / 64;

	for (unsigned c = 0; c < RUN_CLASSES; c++)
		ar->hint[c] = min(ar->hint[c], word);
}

static u32 find_run(struct arena *ar, unsigned n)
{
	const u64 *map = arena_local(ar)->free_map;
	u32 limit = page_limit(ar), words = DIV_ROUND_UP(limit, 64);
	u32 w = ar->hint[class_below(n)], page;
	u64 starts = 0;

	for (; w < words; w++) {
		if (!map[w])
			continue;
		starts = run_starts(map[w], w + 1 < words ? map[w + 1] : 0, n);
		if (starts)
			break;
	}
	raise_hints(ar, n, w);
	if (!starts)
		return 0;
	page = w * 64 + (u32)__builtin_ctzll(starts);
	return page + n <= limit ? page : 0;
}

bool pages_warm_at(const struct arena *ar, u32 page)
{
	return !ar->resident || map_has(arena_local(ar)->resident_map, page);
}

/* A first touch costs microseconds, and while more pages are resident than the
 * credit allows each costs a punch besides: so a run that has its blocks is
 * preferred to a lower one that has not. */
static u32 find_warm_run(struct arena *ar, unsigned n)
{
	const u64 *map = arena_local(ar)->resident_map;
	u32 cold = find_run(ar, n), limit = page_limit(ar);
	u32 words = min(DIV_ROUND_UP(limit, 64), (u32)WARM_LOOK), page;

	if (!cold || likely(pages_warm_at(ar, cold)) || ar->resident < n)
		return cold;
	for (u32 w = 0; w < words; w++) {
		u64 starts = map[w] ? run_starts(map[w], map[w + 1], n) : 0;

		if (!starts)
			continue;
		page = w * 64 + (u32)__builtin_ctzll(starts);
		return page + n <= limit ? page : cold;
	}
	return cold;
}

unsigned pages_free_at(const struct arena *ar, u32 page, unsigned n)
{
	const u64 *map = arena_local(ar)->free_map;
	u32 limit = page_limit(ar);
	unsigned got = 0;

	while (got < n && page + got < limit && map_has(map, page + got))
		got++;
	return got;
}

/* ---- owning ------------------------------------------------------------------------------- */

static inline void count_pool(struct arena_local *l, s64 n)
{
	s64 was = atomic_load_explicit(&l->row->pool, memory_order_relaxed);

	atomic_store_explicit(&l->row->pool, was + n, memory_order_relaxed);
}

/* Others may look at any entry's owner without the lock. */
static inline void set_owner(struct page_entry *e, u32 owner, u32 gen)
{
	__atomic_store_n(&e->gen, gen, __ATOMIC_RELAXED);
	__atomic_store_n(&e->owner, owner, __ATOMIC_RELAXED);
}

void pages_take_at(struct arena *ar, u32 page, unsigned n, u32 owner, u32 gen)
{
	struct arena_local *l = arena_local(ar);
	unsigned resident;

	for (u32 i = page; i < page + n; i++) {
		struct page_entry *e = &l->table[i];

		e->next = 0;
		e->used = 0;
		e->flags = PAGE_TOUCHED;
		set_owner(e, owner, gen);
	}
	map_clear(l->free_map, page, n);
	resident = map_clear(l->resident_map, page, n);
	ar->resident -= resident;
	ar->taken_fresh = resident < n;
	ar->used += n;
	if (owner == OWNER_POOL)
		count_pool(l, n);
}

u32 pages_take(struct arena *ar, unsigned n, u32 owner, u32 gen)
{
	u32 page = find_warm_run(ar, n);

	if (!page && arena_grow(ar))
		page = find_run(ar, n);
	if (page)
		pages_take_at(ar, page, n, owner, gen);
	return page;
}

/* Half the run at once is better than growing; growing is better than crumbs. */
u32 pages_take_most(struct arena *ar, unsigned n, unsigned *got, u32 owner, u32 gen)
{
	u32 page = find_warm_run(ar, n);
	unsigned least = (n + 1) / 2;

	if (!page)
		page = find_run(ar, least);
	if (!page && arena_grow(ar))
		page = find_run(ar, n);
	for (; !page && least > 1; page = find_run(ar, least))
		least /= 2;
	if (!page)
		return 0;
	*got = pages_free_at(ar, page, n);
	pages_take_at(ar, page, *got, owner, gen);
	return page;
}

void pages_give(struct arena *ar, u32 page, unsigned n)
{
	struct arena_local *l = arena_local(ar);

	if (l->table[page].owner == OWNER_POOL)
		count_pool(l, -(s64)n);
	for (u32 i = page; i < page + n; i++) {
		struct page_entry *e = &l->table[i];

		assert(e->owner != OWNER_FREE);
		set_owner(e, OWNER_FREE, 0);	/* the rest counts for an owner alone */
	}
	map_set(l->resident_map, page, n);
	map_set(l->free_map, page, n);
	ar->resident += n;
	ar->resident_top = max(ar->resident_top, (page + n - 1) / 64);
	ar->used -= n;
	lower_hints(ar, page);
}

void pages_rename(struct arena *ar, u32 page, unsigned n, u32 owner, u32 gen)
{
	struct arena_local *l = arena_local(ar);

	if (l->table[page].owner == OWNER_POOL)
		count_pool(l, -(s64)n);
	for (u32 i = page; i < page + n; i++)
		set_owner(&l->table[i], owner, gen);
	if (owner == OWNER_POOL)
		count_pool(l, n);
}

void pages_added(struct arena *ar, u32 from, u32 to)
{
	map_set(arena_local(ar)->free_map, from, to - from);
	lower_hints(ar, from);
}

/* ---- real memory (D8.16) --------------------------------------------------------------------- */

u32 pages_highest_resident(struct arena *ar, unsigned most, unsigned *n)
{
	const u64 *map = arena_local(ar)->resident_map;
	u32 w = ar->resident_top, page;

	while (w && !map[w])
		w--;
	ar->resident_top = w;
	if (!map[w])
		return 0;
	page = w * 64 + 63 - (u32)__builtin_clzll(map[w]);
	for (*n = 1; *n < most && map_has(map, page - 1); ++*n)
		page--;
	return page + *n <= page_limit(ar) ? page : 0;
}

void pages_hide(struct arena *ar, u32 page, unsigned n)
{
	struct arena_local *l = arena_local(ar);

	map_clear(l->free_map, page, n);
	ar->resident -= map_clear(l->resident_map, page, n);
}

void pages_show(struct arena *ar, u32 page, unsigned n, bool blocks)
{
	struct arena_local *l = arena_local(ar);
	u32 mapped = atomic_load_explicit(&l->pages, memory_order_relaxed);

	for (u32 i = page; !blocks && i < min(page + n, mapped); i++)
		l->table[i].flags = 0;
	if (blocks) {
		map_set(l->resident_map, page, n);
		ar->resident += n;
		ar->resident_top = max(ar->resident_top, (page + n - 1) / 64);
	}
	map_set(l->free_map, page, n);
	lower_hints(ar, page);
}

/* One call instead of a fault for each, and an error instead of a signal. */
bool pages_populate(struct arena *ar, u32 page, unsigned n)
{
	char *at = arena_local(ar)->buf + (size_t)page * PAGE_BYTES;
	int ret;

	if (ar->is_private)
		return true;
	do
		ret = madvise(at, (size_t)n * PAGE_BYTES, MADV_POPULATE_WRITE);
	while (ret && errno == EINTR);
	/* Kernels before 5.14, and filters of system calls: faults do it. */
	return !ret || (errno != ENOMEM && errno != EFAULT && errno != EHWPOISON);
}
