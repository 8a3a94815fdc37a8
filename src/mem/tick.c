/*
 * tick.c - a driver's housekeeping for its arena: credit that lies idle, flushes
 * that the domain asks for, pressure by level, the dead.
 */
#include "mem/arena_layout.h"
#include "mem/charge.h"

/* How often the dead are looked for: families by whoever of the domain comes
 * first, so that their pages are back within a second whatever else is going
 * on; processes, and whether all adds up, by everybody, rarely. */
#define REAP_ROWS_US	(500 * USEC_PER_MSEC)
#define REAP_ALL_US	(5 * USEC_PER_SEC)

enum { FLUSH_STEP = 1024 };	/* pages, before others may have the lock */

static void give_back(struct arena *ar, s64 n)
{
	do {
		s64 step;

		arena_lock(ar);
		punch_recover(ar);
		step = min(n, (s64)FLUSH_STEP);
		step = min(step, ar->credit);
		charge_credit_back(ar, step);
		arena_unlock(ar);
		if (step <= 0)
			return;
		n -= step;
	} while (n > 0);
}

void arena_flush(struct arena *ar)
{
	give_back(ar, INT64_MAX);
}

/* Credit beyond what was needed in the last second is not needed. */
static s64 idle_credit(struct arena *ar, usec_t now)
{
	s64 idle;

	if (now - ar->credit_look < USEC_PER_SEC)
		return 0;
	ar->credit_look = now;
	idle = ar->credit_least;
	ar->credit_least = ar->credit;
	return idle;
}

/* charged is a sum of the others whenever the lock is free: twice the same difference
 * is nobody's half-done work. */
static bool drifted(struct arena *ar)
{
	u64 charged = (u64)atomic_load(&arena_local(ar)->row->charged);
	s64 drift = (s64)(charged - ar->used - (u64)ar->credit - (u64)ar->waiting -
			  (u64)ar->going);
	s64 before = ar->drift;

	ar->drift = drift;
	return drift && drift == before;
}

static bool rows_due(struct domain *d, usec_t now)
{
	u64 last = atomic_load_explicit(&d->reaped_at, memory_order_relaxed);

	return (last > now || now - last >= REAP_ROWS_US) &&
	       atomic_compare_exchange_strong(&d->reaped_at, &last, now);
}

static bool all_due(struct arena *ar, usec_t now)
{
	if (!ar->audit_due && now - ar->reap_look < REAP_ALL_US)
		return false;
	ar->audit_due = 0;
	ar->reap_look = now;
	return true;
}

/* A family may have several drivers: what is due is decided under the lock. */
void arena_tick(struct arena *ar, usec_t now)
{
	struct domain *d = arena_local(ar)->domain;
	u32 flush = atomic_load(&d->flush);
	bool all;
	s64 back;

	arena_lock(ar);
	charge_refresh(ar);
	if (drifted(ar))
		arena_recount(ar, true);
	back = idle_credit(ar, now);
	if (domain_allocated(d) > (s64)ar->lim.mem[0] || flush != ar->flush_seen)
		back = ar->credit;
	ar->flush_seen = flush;
	all = all_due(ar, now);
	arena_unlock(ar);
	give_back(ar, back);
	if (all)
		domain_reap(d);
	else if (rows_due(d, now))
		domain_reap_rows(d);
	if (domain_under_pressure(d))
		domain_look(d);
}

bool arena_wants_tick(const struct arena *ar)
{
	const struct domain *d = arena_local(ar)->domain;

	if (atomic_load_explicit(&arena_local(ar)->row->credit, memory_order_relaxed) ||
	    domain_under_pressure(d))
		return true;
	for (unsigned i = 0; i < ARENA_PUNCHES; i++)
		if (atomic_load_explicit(&ar->punch[i].n, memory_order_relaxed))
			return true;
	return false;
}
