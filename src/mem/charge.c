/*
 * charge.c - the ladder (R2.5) with D8.4 and D8.5, the credit (D8.3), and the
 * byte-level verbs of R2.2.
 *
 * Order of stores to the shared numbers, for whoever dies in between: a row's
 * `charged` never counts what memory_allocated does not. Taking adds to the
 * total first, giving subtracts from the row first.
 */
#include "mem/arena_layout.h"
#include "mem/charge.h"
#include "mem/domain_local.h"

static inline s64 get(const _Atomic s64 *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static inline void put(_Atomic s64 *v, s64 n)
{
	atomic_store_explicit(v, n, memory_order_relaxed);
}

/* ---- the limits as this arena last read them ------------------------------------ */

static void derive(struct arena *ar)
{
	const struct mem_limits *l = &ar->lim;
	const s64 mss = 13 * UNIT_BYTES;	/* payload of one segment, D8.4 */
	u64 r = l->reserve ? l->reserve : l->mem[2] / (16ull * ar->arenas);
	u64 k;

	ar->r = (u32)clamp(r, (u64)1, (u64)256);
	k = 2ull * (ar->r - 1);
	if (!l->reserve)
		k = max(k, l->mem[0] / (4ull * ar->arenas));
	ar->k = (u32)min(k, (u64)ARENA_PAGES);
	ar->grant = (u32)(mem_pages(max((s64)l->wmem[0], (s64)SOCK_MIN_SNDBUF) +
				    UNIT_BYTES + mss) +
			  mem_pages(max((s64)l->rmem[0], mss + UNIT_BYTES)));
}

void charge_refresh(struct arena *ar)
{
	struct domain *d = arena_local(ar)->domain;
	u32 config = atomic_load_explicit(&d->config, memory_order_acquire);

	if (likely(config == ar->config))
		return;
	ar->config = config;
	domain_limits(d, &ar->lim);
	atomic_store_explicit(&ar->arenas, domain_arenas(d), memory_order_relaxed);
	derive(ar);
}

/* ---- the shared number --------------------------------------------------------------- */

/* Returns the new total as R2.3 reads it. */
static s64 total_add(struct arena_local *l, s64 n)
{
	s64 total = atomic_fetch_add(&l->domain->memory_allocated, n) + n;

	put(&l->row->charged, get(&l->row->charged) + n);
	return max(total, (s64)0);
}

static s64 total_sub(struct arena_local *l, s64 n)
{
	put(&l->row->charged, get(&l->row->charged) - n);
	return max(atomic_fetch_sub(&l->domain->memory_allocated, n) - n, (s64)0);
}

static inline void show_credit(struct arena *ar)
{
	put(&arena_local(ar)->row->credit, ar->credit + ar->waiting + ar->going);
}

static inline void set_credit(struct arena *ar, s64 credit)
{
	ar->credit = credit;
	show_credit(ar);
	ar->credit_least = min(ar->credit_least, credit);
}

static void sub_and_look(struct arena *ar, s64 n)
{
	struct domain *d = arena_local(ar)->domain;

	if (total_sub(arena_local(ar), n) < (s64)ar->lim.mem[0] && domain_under_pressure(d))
		domain_leave_pressure(d);
}

/* Of n pages that are charged no more: how many stay so until memory of free
 * pages that the credit does not cover is the system's again (punch.c). */
static s64 keep_resident(struct arena *ar, s64 n)
{
	s64 over = (s64)ar->resident - ar->credit - ar->waiting;

	over = clamp(over, (s64)0, n);
	ar->waiting += over;
	return over;
}

void charge_credit_back(struct arena *ar, s64 n)
{
	if (n <= 0)
		return;
	ar->credit -= n;
	n -= keep_resident(ar, n);
	set_credit(ar, ar->credit);
	sub_and_look(ar, n);
}

void charge_punched(struct arena *ar, s64 n)
{
	show_credit(ar);
	if (n > 0)
		sub_and_look(ar, n);
}

/* ---- the ladder ------------------------------------------------------------------------ */

s64 mem_unused_reserved(const struct mem_acct *a)
{
	return max((s64)a->reserved - a->wmem_queued - a->rmem_alloc, (s64)0);
}

void mem_moderate_sndbuf(struct mem_acct *a)
{
	s64 v;

	if (a->lock_bits & SNDBUF_LOCK)
		return;
	v = min((s64)a->sndbuf, a->wmem_queued / 2);
	v = max(v, mem_unused_reserved(a));
	v = max(v, (s64)SOCK_MIN_SNDBUF);
	if (v != a->sndbuf)
		domain_count(arena_local(a->arena)->domain, CNT_MemModerated, 1);
	a->sndbuf = (u32)v;
}

static bool within_guarantee(const struct mem_acct *a, const struct mem_limits *lim,
			     enum mem_dir dir)
{
	return dir == MEM_RCV ? a->rmem_alloc < lim->rmem[0] : a->wmem_queued < lim->wmem[0];
}

static s64 sockets(const struct domain *d)
{
	return max(get(&d->sockets_allocated), (s64)0);
}

static bool linux_rules(const struct domain *d)
{
	return atomic_load_explicit(&d->linux_rules, memory_order_relaxed);
}

/* How far above high the guarantee and step 8 still hold. */
static s64 ceiling(const struct arena *ar, const struct domain *d)
{
	if (linux_rules(d))
		return INT64_MAX;
	return (s64)ar->lim.mem[2] + sockets(d) * ar->grant;
}

static bool fair_share(const struct mem_acct *a, const struct domain *d, s64 high)
{
	s64 own = mem_pages(a->wmem_queued + a->rmem_alloc + a->forward_alloc);

	return high > sockets(d) * own;
}

/* Steps 2 to 9 of R2.5 for a total that contains what is asked for. */
static bool ladder(struct mem_acct *a, s64 size, s64 total, enum mem_dir dir)
{
	struct arena *ar = a->arena;
	struct domain *d = arena_local(ar)->domain;
	const struct mem_limits *lim = &ar->lim;
	s64 high = (s64)lim->mem[2];

	if (total <= (s64)lim->mem[0]) {
		domain_leave_pressure(d);
		return true;
	}
	if (total > (s64)lim->mem[1])
		domain_enter_pressure(d);
	if (total <= high) {
		if (within_guarantee(a, lim, dir) || !domain_under_pressure(d) ||
		    fair_share(a, d, high))
			return true;
	} else if (!linux_rules(d) && total <= ceiling(ar, d) &&
		   within_guarantee(a, lim, dir)) {
		if (dir == MEM_SND)	/* stopped by its own limit after this */
			mem_moderate_sndbuf(a);
		return true;		/* D8.5 */
	}
	if (dir == MEM_SND) {
		mem_moderate_sndbuf(a);
		if (a->wmem_queued + size >= a->sndbuf && total <= ceiling(ar, d))
			return true;
		domain_count(d, CNT_MemRefused, 1);
	}
	return false;
}

/* Everybody is accepted (step 6): no question is asked of who has credit. */
static bool asks_nothing(const struct arena *ar, s64 total)
{
	return total <= (s64)ar->lim.mem[1] &&
	       !domain_under_pressure(arena_local(ar)->domain);
}

/*
 * How much credit may be kept while the domain holds `total`. In comfort K. Up
 * to the pressure threshold with the flag clear everything is accepted anyway,
 * so a credit of R - 1, which the next tick takes away if it idles, changes
 * nothing but the cost: without it each page given would be punched out, and
 * each page taken be made anew. Under pressure one run: it stays charged, so
 * that the ladder, which is asked for every page then, errs towards refusing
 * by that much until the next tick. (With R = 1 there is no credit at all.)
 */
static s64 credit_kept(const struct arena *ar, s64 total)
{
	if (likely(total <= (s64)ar->lim.mem[0]))
		return ar->k;
	if (asks_nothing(ar, total) || ar->r == 1)
		return ar->r - 1;
	return min((s64)ar->r, (s64)RUN_PAGES_MAX);
}

/* Takes n from the credit, refilling it while the domain is comfortable. */
static bool from_credit(struct arena *ar, s64 n)
{
	struct arena_local *l = arena_local(ar);
	s64 low = (s64)ar->lim.mem[0], total = domain_allocated(l->domain), more;

	if (unlikely(total > low && !asks_nothing(ar, total)))
		return false;
	if (ar->credit < n) {
		more = n - ar->credit + ar->r - 1;
		if (total + more > low)
			return false;
		if (total_add(l, more) > low) {
			total_sub(l, more);
			return false;
		}
		set_credit(ar, ar->credit + more);
	}
	set_credit(ar, ar->credit - n);
	if (unlikely(total <= low && domain_under_pressure(l->domain)))
		domain_leave_pressure(l->domain);
	return true;
}

/* Adds n to the account, from the credit first; what may not be kept of it is
 * given back before. */
static s64 add_exactly(struct arena *ar, s64 n)
{
	struct arena_local *l = arena_local(ar);
	s64 credit = min(ar->credit, n), rest = ar->credit - credit;
	s64 keep = rest ? credit_kept(ar, domain_allocated(l->domain)) : 0;

	charge_credit_back(ar, rest - keep);
	set_credit(ar, ar->credit - credit);
	return n > credit ? total_add(l, n - credit) : domain_allocated(l->domain);
}

bool charge_raise(struct mem_acct *a, s64 size, s64 n, enum mem_dir dir)
{
	struct arena *ar = a->arena;

	charge_refresh(ar);
	if (likely(from_credit(ar, n)))
		return true;
	if (likely(ladder(a, size, add_exactly(ar, n), dir)))
		return true;
	/* It does not leave pressure; next time nothing of ours is in the way. */
	n += ar->credit;
	ar->credit = 0;
	n -= keep_resident(ar, n);
	set_credit(ar, 0);
	total_sub(arena_local(ar), n);
	return false;
}

bool charge_pass(struct mem_acct *a, s64 size, enum mem_dir dir)
{
	charge_refresh(a->arena);
	return ladder(a, size, domain_allocated(arena_local(a->arena)->domain), dir);
}

void charge_force(struct mem_acct *a, s64 size, s64 n)
{
	struct arena *ar = a->arena;

	charge_refresh(ar);
	if (!from_credit(ar, n))
		add_exactly(ar, n);
	domain_count(arena_local(ar)->domain, CNT_MemForced, (u64)max(size, (s64)0));
}

bool charge_reserve(struct arena *ar, s64 n)
{
	charge_refresh(ar);
	if (add_exactly(ar, n) <= (s64)ar->lim.mem[1])
		return true;
	total_sub(arena_local(ar), n - keep_resident(ar, n));
	show_credit(ar);
	return false;
}

void charge_reduce(struct arena *ar, s64 n)
{
	s64 keep;

	if (!n)
		return;
	charge_refresh(ar);
	set_credit(ar, ar->credit + n);
	keep = credit_kept(ar, domain_allocated(arena_local(ar)->domain));
	if (unlikely(ar->credit > keep))
		charge_credit_back(ar, ar->credit - keep / 2);
}

/* ---- bytes ----------------------------------------------------------------------------- */

bool mem_schedule(struct mem_acct *a, s64 size, enum mem_dir dir)
{
	s64 delta = size - a->forward_alloc, n;
	bool ok;

	if (delta <= 0)
		return true;
	n = mem_pages(delta);
	a->forward_alloc += n * PAGE_BYTES;
	arena_lock(a->arena);
	ok = charge_raise(a, delta, n, dir);
	arena_unlock(a->arena);
	if (ok)
		a->pages += (u32)n;
	else
		a->forward_alloc -= n * PAGE_BYTES;
	a->refused = !ok;
	return ok;
}

void mem_force(struct mem_acct *a, s64 size)
{
	s64 delta = size - a->forward_alloc, n;

	if (delta <= 0)
		return;
	n = mem_pages(delta);
	a->forward_alloc += n * PAGE_BYTES;
	a->pages += (u32)n;
	arena_lock(a->arena);
	charge_force(a, delta, n);
	arena_unlock(a->arena);
}

void mem_charge(struct mem_acct *a, s64 truesize, enum mem_dir dir)
{
	assert(truesize <= a->forward_alloc);
	acct_move(a, truesize, dir);
}

void mem_uncharge(struct mem_acct *a, s64 truesize, enum mem_dir dir)
{
	s64 n;

	acct_move(a, -truesize, dir);
	n = (a->forward_alloc - mem_unused_reserved(a)) / PAGE_BYTES;
	if (n <= 0)
		return;
	a->forward_alloc -= n * PAGE_BYTES;
	a->pages -= (u32)n;
	arena_lock(a->arena);
	charge_reduce(a->arena, n);
	arena_unlock(a->arena);
}

/* ---- what the core asks ------------------------------------------------------------------ */

static s64 threshold(const struct domain *d, int i)
{
	u32 seq = atomic_load_explicit(&d->limits_seq, memory_order_acquire);

	return (s64)__atomic_load_n(&d->limits[seq & 1].mem[i], __ATOMIC_RELAXED);
}

bool mem_linux_rules(const struct mem_acct *a)
{
	return linux_rules(arena_local(a->arena)->domain);
}

bool mem_under_pressure(const struct mem_acct *a)
{
	return domain_under_pressure(arena_local(a->arena)->domain);
}

bool mem_below_low(const struct mem_acct *a)
{
	const struct domain *d = arena_local(a->arena)->domain;

	return domain_allocated(d) < threshold(d, 0);
}

bool mem_above_high(const struct mem_acct *a)
{
	const struct domain *d = arena_local(a->arena)->domain;

	return domain_allocated(d) > threshold(d, 2);
}
