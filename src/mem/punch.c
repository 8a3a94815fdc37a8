/*
 * punch.c - free pages go back to the system (D8.16).
 *
 * That is a long call into the kernel, in which a process may be stopped or
 * killed: it is made without the arena's lock. The run is taken out of both maps
 * meanwhile, so that nobody finds it, and stays charged until it is done. A slot
 * under a robust lock says which it is. So who is stopped in the midst keeps
 * these pages from the others, no more; when he dies, whoever finds that puts
 * them back as what they were, free and perhaps resident.
 *
 * Order of locks: a slot's, the arena's. Under the arena's a slot's is only tried.
 */
#include <errno.h>
#include <sys/mman.h>
#include "mem/arena_layout.h"
#include "mem/charge.h"

enum {
	PUNCH_RUN = 512,	/* 2 MiB in one punch */
	PUNCH_PAGES = 2048,	/* by one who unlocks: about half a millisecond */
};

void punch_init(struct arena *ar)
{
	for (unsigned i = 0; i < ARENA_PUNCHES; i++)
		arena_lock_init(&ar->punch[i].lock);
}

static bool plausible(const struct arena *ar, const struct punch *p)
{
	u32 pages = min(atomic_load(&ar->pages), ARENA_PAGES);

	return p->n <= PUNCH_RUN && p->page && p->page < pages && p->n <= pages - p->page;
}

/* Lock held. The run is free again. */
static void restore(struct arena *ar, struct punch *p, bool punched)
{
	if (plausible(ar, p))
		pages_show(ar, p->page, p->n, !punched);
	p->n = 0;
	ar->going -= p->owed;
	if (punched)
		charge_punched(ar, p->owed);
	else
		ar->waiting += p->owed;
	p->owed = 0;
}

/* Is somebody at it, and alive? If not, the slot's lock is ours. */
static bool in_use(struct punch *p)
{
	int ret = pthread_mutex_trylock(&p->lock);

	if (ret == EOWNERDEAD)
		pthread_mutex_consistent(&p->lock);
	return ret && ret != EOWNERDEAD;
}

static struct punch *slot_get(struct arena *ar)
{
	for (unsigned i = 0; i < ARENA_PUNCHES; i++) {
		struct punch *p = &ar->punch[i];

		if (in_use(p))
			continue;
		if (p->n)
			restore(ar, p, false);
		return p;
	}
	return NULL;
}

void punch_recover(struct arena *ar)
{
	for (unsigned i = 0; i < ARENA_PUNCHES; i++) {
		struct punch *p = &ar->punch[i];

		if (!p->n || in_use(p))
			continue;
		restore(ar, p, false);
		pthread_mutex_unlock(&p->lock);
	}
}

/* What is noted is what a recount believes: first that, then the maps. */
static unsigned begin(struct arena *ar, struct punch *p)
{
	s64 over = (s64)ar->resident - ar->credit;
	unsigned n;
	u32 page = pages_highest_resident(ar, (unsigned)min(over, (s64)PUNCH_RUN), &n);

	if (!page)
		return 0;
	p->page = page;
	p->owed = min((s64)n, ar->waiting);
	p->n = n;
	pages_hide(ar, page, n);
	ar->waiting -= p->owed;
	ar->going += p->owed;
	return n;
}

static void punch(struct arena *ar, u32 page, unsigned n)
{
	if (!ar->is_private)
		madvise(arena_local(ar)->buf + (size_t)page * PAGE_BYTES, (size_t)n * PAGE_BYTES,
			MADV_REMOVE);
}

/* For what has been taken again, or may be kept, nothing need be awaited. */
static void settle(struct arena *ar)
{
	s64 over = max((s64)ar->resident - ar->credit, (s64)0);
	s64 n = ar->waiting - over;

	if (n <= 0)
		return;
	ar->waiting -= n;
	charge_punched(ar, n);
}

void punch_excess(struct arena *ar)
{
	struct punch *p;

	for (u32 done = 0, n = 1; n && done < PUNCH_PAGES; done += n) {
		settle(ar);
		if ((s64)ar->resident <= ar->credit)
			return;
		p = slot_get(ar);
		if (!p)
			return;		/* whoever is at it looks again when he has done */
		n = begin(ar, p);
		if (n) {
			u32 page = p->page;

			arena_release(ar);
			punch(ar, page, n);
			arena_lock(ar);
			restore(ar, p, true);
		}
		pthread_mutex_unlock(&p->lock);
	}
	settle(ar);
}

/* ---- the recount ------------------------------------------------------------------- */

void punch_before_recount(struct arena *ar)
{
	for (unsigned i = 0; i < ARENA_PUNCHES; i++)
		if (ar->punch[i].n && plausible(ar, &ar->punch[i]))
			pages_show(ar, ar->punch[i].page, ar->punch[i].n, true);
}

void punch_recount(struct arena *ar)
{
	ar->waiting = ar->going = 0;
	for (unsigned i = 0; i < ARENA_PUNCHES; i++) {
		struct punch *p = &ar->punch[i];

		if (!p->n)
			continue;
		if (!in_use(p)) {
			p->owed = p->n = 0;
			pthread_mutex_unlock(&p->lock);
		} else if (plausible(ar, p)) {
			p->owed = clamp(p->owed, (s64)0, (s64)p->n);
			ar->going += p->owed;
			pages_hide(ar, p->page, p->n);
		} else {
			p->owed = p->n = 0;
		}
	}
}
