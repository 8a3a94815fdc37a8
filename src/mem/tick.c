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

static s64 credit(const struct arena *ar)
{
	return atomic_load_explicit(&arena_local(ar)->row->credit, memory_order_relaxed);
}

static void give_back(struct arena *ar, s64 n)
{
	while (n > 0) {
		s64 step, have;

		arena_lock(ar);
		have = credit(ar);
		step = min(n, (s64)FLUSH_STEP);
		step = min(step, have);
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
	idle = min(ar->credit_least, credit(ar));
	ar->credit_least = credit(ar) - max(idle, (s64)0);
	arena_unlock(ar);
	give_back(ar, idle);
}

/* charged = used + credit whenever the lock is free: twice the same difference
 * is nobody's half-done work. */
static void check_drift(struct arena *ar)
{
	s64 drift, before;

	arena_lock(ar);
	drift = atomic_load(&arena_local(ar)->row->charged) - ar->used - credit(ar);
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
	arena_unlock(ar);
	tight = domain_allocated(d) > (s64)ar->lim.mem[0];
	if (credit(ar) && (tight || flush != ar->flush_seen))
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

	return credit(ar) || domain_under_pressure(d);
}
