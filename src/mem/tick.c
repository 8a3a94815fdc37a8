/*
 * tick.c - a driver's housekeeping for its arena: credit that lies idle, flushes
 * that the domain asks for, pressure by level, the dead.
 */
#include "mem/arena_layout.h"
#include "mem/charge.h"

/* How often the dead are looked for: at once when their pages are missed. */
#define REAP_SHORT_US	(500 * USEC_PER_MSEC)
#define REAP_LONG_US	(5 * USEC_PER_SEC)

enum { FLUSH_STEP = 1024 };	/* pages punched in one hold of the lock */

static void give_back(struct arena *ar, s64 n)
{
	while (n > 0) {
		s64 step;

		arena_lock(ar);
		step = min(n, (s64)FLUSH_STEP);
		step = min(step, ar->credit);
		charge_credit_back(ar, step);
		arena_unlock(ar);
		if (step <= 0)
			return;
		n -= step;
	}
}

void arena_flush(struct arena *ar)
{
	give_back(ar, INT64_MAX);
}

/* Credit beyond what was needed in the last second is not needed. */
static void idle_credit(struct arena *ar, usec_t now)
{
	s64 idle;

	if (now - ar->credit_look < USEC_PER_SEC)
		return;
	arena_lock(ar);
	ar->credit_look = now;
	idle = min(ar->credit_least, ar->credit);
	ar->credit_least = ar->credit;
	arena_unlock(ar);
	give_back(ar, idle);
}

/* charged = used + credit whenever the lock is free: twice the same difference
 * is nobody's half-done work. */
static void check_drift(struct arena *ar)
{
	s64 drift, before;

	arena_lock(ar);
	drift = (s64)((u64)atomic_load(&arena_local(ar)->row->charged) - ar->used -
		      (u64)ar->credit);
	before = ar->drift;
	ar->drift = drift;
	arena_unlock(ar);
	if (drift && drift == before)
		arena_recount(ar, false);
}

void arena_tick(struct arena *ar, usec_t now)
{
	struct domain *d = arena_local(ar)->domain;
	u32 flush = atomic_load(&d->flush);
	bool tight;

	arena_lock(ar);
	charge_refresh(ar);
	tight = domain_allocated(d) > (s64)ar->lim.mem[0];
	arena_unlock(ar);
	if (tight || flush != ar->flush_seen)
		arena_flush(ar);
	ar->flush_seen = flush;
	idle_credit(ar, now);
	check_drift(ar);
	if (ar->audit_due || now - ar->reap_look >= (tight ? REAP_SHORT_US : REAP_LONG_US)) {
		ar->audit_due = 0;
		ar->reap_look = now;
		domain_reap(d);
	}
	if (domain_under_pressure(d))
		domain_look(d);
}

bool arena_wants_tick(const struct arena *ar)
{
	const struct domain *d = arena_local(ar)->domain;

	return atomic_load_explicit(&arena_local(ar)->row->credit, memory_order_relaxed) ||
	       domain_under_pressure(d);
}
