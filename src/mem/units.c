/*
 * units.c - the unit allocator of one sock over whole pages of its arena.
 *
 * An account knows its partly free pages as a chain through the page table.
 * In use as a queue that chain is one or two pages long; a look goes through
 * a few of it only, and through all of it when the domain has refused.
 */
#include <limits.h>
#include "mem/arena_layout.h"
#include "mem/charge.h"
#include "mem/units.h"

enum { CHAIN_LOOK = 4 };

static u64 refuse_nth;		/* mem_test_refuse */
static bool refused_one;

void mem_test_refuse(u64 nth)
{
	refuse_nth = nth;
	refused_one = false;
}

bool mem_test_refused(void)
{
	return refused_one;
}

static inline bool test_refuses(struct mem_acct *a)
{
	if (likely(!refuse_nth) || --refuse_nth)
		return false;
	refused_one = true;
	a->refused = 0;
	return true;
}

/* ---- units of a page -------------------------------------------------------------------- */

static inline u16 mask(unsigned first, unsigned n)
{
	return (u16)(((1u << n) - 1) << first);
}

/* The first run of n free units in the map, or -1. */
static inline int find_units(u16 used, unsigned n)
{
	u32 x = (u16)~used;
	unsigned have = 1;

	while (have < n) {
		unsigned step = min(have, n - have);

		x &= x >> step;
		have += step;
	}
	return x ? __builtin_ctz(x) : -1;
}

static unsigned longest_run(u16 used)
{
	u32 x = (u16)~used;
	unsigned n = 0;

	for (; x; x &= x >> 1)
		n++;
	return n;
}

/* Free units from `first` on, without a gap. */
static inline unsigned free_from(u16 used, unsigned first)
{
	return (unsigned)__builtin_ctz((u32)used >> first | 1u << (PAGE_UNITS - first));
}

/* ---- the chain of partly free pages ------------------------------------------------------- */

static void chain_del(struct mem_acct *a, u32 page)
{
	u32 *link = &a->partial;

	while (*link != page) {
		assert(*link);
		link = &entry(a, *link)->next;
	}
	*link = entry(a, page)->next;
	entry(a, page)->next = 0;
}

/* Takes a run out of the page that `link` points to. */
static u32 take_units(struct mem_acct *a, u32 *link, unsigned first, unsigned n)
{
	u32 page = *link;
	struct page_entry *e = entry(a, page);

	e->used |= mask(first, n);
	if (e->used == PAGE_FULL) {
		*link = e->next;
		e->next = 0;
	}
	return page * PAGE_UNITS + first;
}

static u32 partial_alloc(struct mem_acct *a, unsigned n, unsigned look)
{
	u32 *link = &a->partial;

	for (; *link && look; link = &entry(a, *link)->next, look--) {
		int first = find_units(entry(a, *link)->used, n);

		if (first >= 0)
			return take_units(a, link, (unsigned)first, n);
	}
	return MEM_NONE;
}

/* The longest run, at most `want`, of the first page that has any room. */
static u32 partial_crumb(struct mem_acct *a, unsigned want, unsigned *got)
{
	unsigned n;

	if (!a->partial)
		return MEM_NONE;
	n = min(longest_run(entry(a, a->partial)->used), want);
	*got = n;
	return partial_alloc(a, n, 1);
}

/* ---- pages from the arena --------------------------------------------------------------------- */

enum ask { ASK, FORCE };

static bool charge_pages(struct mem_acct *a, s64 size, unsigned n, enum mem_dir dir,
			 enum ask ask)
{
	if (ask == ASK)
		return charge_raise(a, size, n, dir);
	charge_force(a, size, n);
	return true;
}

/* R2.9: no real memory. */
static void no_memory(struct mem_acct *a, enum mem_dir dir)
{
	a->refused = 0;
	domain_enter_pressure(arena_local(a->arena)->domain);
	if (dir == MEM_SND)
		mem_moderate_sndbuf(a);
}

/* Gets blocks for pages just taken and already in forward_alloc. */
static bool make_real(struct mem_acct *a, u32 page, unsigned n, enum mem_dir dir)
{
	if (likely(pages_populate(a->arena, page, n)))
		return true;
	acct_return(a, page, n);
	no_memory(a, dir);
	return false;
}

/* Charges and takes a run for `size` bytes: `n` pages, or (got != NULL) fewer
 * when that is what there is. They are added to the account, nothing of them
 * is in use. 0: refused. */
static u32 pages_get(struct mem_acct *a, s64 size, unsigned n, unsigned *got,
		     enum mem_dir dir, enum ask ask)
{
	struct arena *ar = a->arena;
	unsigned len = n;
	bool fresh;
	u32 page;

	a->forward_alloc += (s64)n * PAGE_BYTES;
	arena_lock(ar);
	if (unlikely(!charge_pages(a, size, n, dir, ask))) {
		arena_unlock(ar);
		a->forward_alloc -= (s64)n * PAGE_BYTES;
		a->refused = 1;
		return 0;
	}
	page = got ? pages_take_most(ar, n, &len, a->owner, a->gen) :
		     pages_take(ar, n, a->owner, a->gen);
	if (unlikely(!page))
		len = 0;
	charge_reduce(ar, n - len);
	fresh = ar->taken_fresh;
	arena_unlock(ar);
	a->forward_alloc -= (s64)(n - len) * PAGE_BYTES;
	a->pages += len;
	if (unlikely(!page)) {
		no_memory(a, dir);
		return 0;
	}
	if (fresh && !make_real(a, page, len, dir))
		return 0;
	if (got)
		*got = len;
	return page;
}

/* Marks the first n units of a run of whole pages as used. */
static u32 use_run(struct mem_acct *a, u32 page, unsigned n)
{
	u32 last = page + n / PAGE_UNITS;

	for (u32 i = page; i < last; i++)
		entry(a, i)->used = PAGE_FULL;
	if (n % PAGE_UNITS) {
		entry(a, last)->used = mask(0, n % PAGE_UNITS);
		acct_chain_add(a, last);
	}
	return page * PAGE_UNITS;
}

/* ---- allocation ------------------------------------------------------------------------------ */

u32 mem_alloc(struct mem_acct *a, unsigned n, enum mem_dir dir, bool force)
{
	u32 unit = MEM_NONE, page;

	assert(n >= 1 && n <= RUN_UNITS_MAX);
	if (unlikely(test_refuses(a)))
		return MEM_NONE;
	if (n <= PAGE_UNITS)
		unit = partial_alloc(a, n, CHAIN_LOOK);
	if (!unit) {
		page = pages_get(a, (s64)n * UNIT_BYTES, DIV_ROUND_UP(n, PAGE_UNITS), NULL,
				 dir, force ? FORCE : ASK);
		if (likely(page))
			unit = use_run(a, page, n);
		else if (n <= PAGE_UNITS)
			unit = partial_alloc(a, n, UINT_MAX);
	}
	if (likely(unit))
		acct_move(a, (s64)n * UNIT_BYTES, dir);
	return unit;
}

/* R3.4: however full the domain, a sender gets as far as wmem[0]. */
static u32 floor_alloc(struct mem_acct *a, unsigned want, unsigned *got)
{
	struct mem_limits lim;
	unsigned n;
	u32 page;
	s64 left;

	domain_limits(arena_local(a->arena)->domain, &lim);
	left = (s64)lim.wmem[0] - a->wmem_queued;
	n = (unsigned)clamp(left / UNIT_BYTES, (s64)0, (s64)want);
	if (!n)
		return MEM_NONE;
	page = pages_get(a, (s64)n * UNIT_BYTES, DIV_ROUND_UP(n, PAGE_UNITS), NULL,
			 MEM_SND, FORCE);
	if (!page)
		return MEM_NONE;
	*got = n;
	return use_run(a, page, n);
}

u32 mem_alloc_most(struct mem_acct *a, unsigned want, unsigned *got, enum mem_dir dir)
{
	unsigned n = want, pages = DIV_ROUND_UP(want, PAGE_UNITS);
	u32 unit = MEM_NONE, page;

	assert(want >= 1 && want <= RUN_UNITS_MAX);
	if (unlikely(test_refuses(a)))
		return MEM_NONE;
	if (want <= PAGE_UNITS)
		unit = partial_alloc(a, want, CHAIN_LOOK);
	if (!unit) {
		page = pages_get(a, (s64)want * UNIT_BYTES, pages, &pages, dir, ASK);
		if (likely(page)) {
			n = min(want, pages * PAGE_UNITS);
			unit = use_run(a, page, n);
		}
	}
	if (unlikely(!unit))
		unit = partial_crumb(a, want, &n);
	if (unlikely(!unit && a->refused && dir == MEM_SND))
		unit = floor_alloc(a, want, &n);
	if (unlikely(!unit))
		return MEM_NONE;
	acct_move(a, (s64)n * UNIT_BYTES, dir);
	*got = n;
	return unit;
}

/* Free units that follow `end` in pages of the account, taken. */
static unsigned extend_owned(struct mem_acct *a, u32 end, unsigned want)
{
	u32 limit = atomic_load_explicit(&arena_local(a->arena)->pages, memory_order_relaxed);
	unsigned got = 0;

	while (got < want) {
		u32 page = (end + got) / PAGE_UNITS;
		unsigned first = (end + got) % PAGE_UNITS, n;
		struct page_entry *e = entry(a, page);

		if (page >= limit || !is_ours(a, e) || e->used == PAGE_FULL)
			break;
		n = min(free_from(e->used, first), want - got);
		if (!n)
			break;
		e->used |= mask(first, n);
		if (e->used == PAGE_FULL)
			chain_del(a, page);
		got += n;
		if (first + n < PAGE_UNITS)
			break;
	}
	return got;
}

/* Charges and takes free pages that begin exactly at `page`. */
static unsigned extend_fresh(struct mem_acct *a, u32 page, unsigned want, enum mem_dir dir)
{
	struct arena *ar = a->arena;
	unsigned n;
	bool ok, fresh;

	arena_lock(ar);
	n = pages_free_at(ar, page, DIV_ROUND_UP(want, PAGE_UNITS));
	if (n && !pages_warm_at(ar, page))
		n = 0;		/* a run elsewhere costs less than a first touch */
	want = min(want, n * PAGE_UNITS);
	a->forward_alloc += (s64)n * PAGE_BYTES;
	ok = n && charge_raise(a, (s64)want * UNIT_BYTES, n, dir);
	if (ok)
		pages_take_at(ar, page, n, a->owner, a->gen);
	fresh = ar->taken_fresh;
	arena_unlock(ar);
	if (!ok) {
		a->forward_alloc -= (s64)n * PAGE_BYTES;
		a->refused = n > 0;
		return 0;
	}
	a->pages += n;
	if (fresh && !make_real(a, page, n, dir))
		return 0;
	use_run(a, page, want);
	return want;
}

unsigned mem_extend(struct mem_acct *a, u32 end, unsigned want, enum mem_dir dir)
{
	unsigned got;

	if (unlikely(test_refuses(a)))
		return 0;
	got = extend_owned(a, end, want);
	if (got < want && (end + got) % PAGE_UNITS == 0)
		got += extend_fresh(a, (end + got) / PAGE_UNITS, want - got, dir);
	acct_move(a, (s64)got * UNIT_BYTES, dir);
	return got;
}

/* ---- freeing ------------------------------------------------------------------------------------ */

void mem_free(struct mem_acct *a, u32 unit, unsigned n, enum mem_dir dir)
{
	u32 run = 0;
	unsigned run_len = 0, here;
	s64 may;

	acct_move(a, -(s64)n * UNIT_BYTES, dir);
	may = acct_returnable(a);
	for (; n; unit += here, n -= here) {
		u32 page = unit / PAGE_UNITS;
		struct page_entry *e = entry(a, page);
		u16 was = e->used, bits;

		here = min(n, PAGE_UNITS - unit % PAGE_UNITS);
		bits = mask(unit % PAGE_UNITS, here);
		assert(is_ours(a, e) && (was & bits) == bits);
		e->used = was & (u16)~bits;
		if (!e->used && may > 0) {
			if (was != PAGE_FULL)
				chain_del(a, page);
			if (!run_len++)
				run = page;
			may--;
			continue;
		}
		if (was == PAGE_FULL)
			acct_chain_add(a, page);
		if (run_len)
			acct_return(a, run, run_len);
		run_len = 0;
	}
	if (run_len)
		acct_return(a, run, run_len);
}

/* Marks every unit of the run as used by its new owner. */
static void adopt_units(struct mem_acct *a, struct mem_acct *from, u32 page, unsigned npages)
{
	s64 bytes = (s64)npages * PAGE_BYTES, used = 0;

	for (u32 i = page; i < page + npages; i++) {
		struct page_entry *e = entry(a, i);

		assert(is_ours(from, e));
		if (e->used != PAGE_FULL)
			chain_del(from, i);
		used += __builtin_popcount(e->used) * UNIT_BYTES;
		e->used = PAGE_FULL;
	}
	from->rmem_alloc -= used;
	from->forward_alloc -= bytes - used;
	from->pages -= npages;
}

/* The domain's total stays as it is: what the pool gives up, the sock gets. */
bool mem_adopt(struct mem_acct *a, struct mem_acct *from, u32 page, unsigned npages,
	       bool force)
{
	s64 bytes = (s64)npages * PAGE_BYTES;
	bool ok;

	if (unlikely(test_refuses(a)))
		return false;
	a->forward_alloc += bytes;
	arena_lock(a->arena);
	ok = force || charge_pass(a, bytes, MEM_RCV);
	if (ok) {
		adopt_units(a, from, page, npages);
		pages_rename(a->arena, page, npages, a->owner, a->gen);
	}
	arena_unlock(a->arena);
	if (!ok) {
		a->forward_alloc -= bytes;
		a->refused = 1;
		return false;
	}
	a->pages += npages;
	acct_move(a, bytes, MEM_RCV);
	return true;
}
