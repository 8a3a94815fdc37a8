/*
 * slots.c - sock slots: handed out from a free list, each with a lock that is
 * made once and a generation that tells an old reference.
 */
#include <errno.h>
#include <string.h>
#include "mem/arena_layout.h"

static struct slot_head *slot_at(const struct arena *ar, u32 index)
{
	return (struct slot_head *)(void *)(arena_local(ar)->slots_at +
					    (size_t)index * ar->slot_bytes);
}

static u32 pick(struct arena *ar)
{
	struct arena_local *l = arena_local(ar);
	u32 index = ar->slot_free;

	if (index) {
		ar->slot_free = l->slottab[index - 1].next_free;
		return index;
	}
	if (atomic_load(&ar->slot_top) >= atomic_load(&ar->slots) && !arena_grow_slots(ar))
		return 0;
	return atomic_fetch_add(&ar->slot_top, 1) + 1;
}

/* Memory that nobody has used yet takes the kernel long to find, in which one may be
 * stopped: not under the lock. */
static void touch_next(struct arena *ar)
{
	u32 next = arena_slots_max(ar);

	if (next < atomic_load_explicit(&arena_local(ar)->slots, memory_order_relaxed))
		atomic_fetch_or(&slot_at(ar, next)->gen, 0);
}

void *arena_slot_get(struct arena *ar, u32 *index, u32 *gen)
{
	struct slot_entry *e;
	struct slot_head *s;
	u32 picked;

	touch_next(ar);
	arena_lock(ar);
	picked = pick(ar);
	if (!picked) {
		arena_unlock(ar);
		errno = ENFILE;
		return NULL;
	}
	picked--;
	e = &arena_local(ar)->slottab[picked];
	s = slot_at(ar, picked);
	if (!e->made) {
		arena_lock_init(&s->lock);
		s->index = picked;
		e->gen = 1;
		e->made = 1;
		atomic_store(&s->gen, 1);
	}
	e->used = 1;
	*gen = e->gen;
	arena_unlock(ar);
	memset(s + 1, 0, ar->slot_bytes - sizeof(*s));
	*index = picked;
	return s;
}

void arena_slot_put(struct arena *ar, u32 index)
{
	struct slot_entry *e;

	arena_lock(ar);
	assert(index < arena_slots_max(ar));
	e = &arena_local(ar)->slottab[index];
	assert(e->used);
	e->gen = e->gen + 1 ? e->gen + 1 : 1;
	e->used = 0;
	atomic_store(&slot_at(ar, index)->gen, e->gen);
	e->next_free = ar->slot_free;
	ar->slot_free = index + 1;
	arena_unlock(ar);
}

void *arena_slot(struct arena *ar, u32 index)
{
	if (index >= arena_slots_max(ar))
		return NULL;
	if (unlikely(index >= atomic_load_explicit(&arena_local(ar)->slots,
						   memory_order_relaxed)) &&
	    (!arena_sync_slow(ar) || index >= atomic_load(&arena_local(ar)->slots)))
		return NULL;
	return slot_at(ar, index);
}

u32 arena_slots_max(const struct arena *ar)
{
	return atomic_load_explicit(&ar->slot_top, memory_order_acquire);
}

/* Free list and socket count from the slot table. */
void arena_recount_slots(struct arena *ar)
{
	struct arena_local *l = arena_local(ar);
	s64 open = 0, counted = atomic_load(&l->row->sockets);
	u32 top = min(arena_slots_max(ar), atomic_load(&ar->slots));	/* may be absurd */

	top = min(top, ar->slots_limit);
	ar->slot_free = 0;
	atomic_store(&ar->slot_top, top);
	for (u32 i = top; i-- > 0;) {
		struct slot_entry *e = &l->slottab[i];

		open += e->acct;
		if (e->used)
			continue;
		e->next_free = ar->slot_free;
		ar->slot_free = i + 1;
	}
	open += ar->accts_outside;
	atomic_store(&l->row->sockets, open);
	atomic_fetch_sub(&l->domain->sockets_allocated, counted - open);
}
