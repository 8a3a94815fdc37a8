/*
 * idmap.c - connection id -> sock, one open-addressing table with linear
 * probing; the driver's alone. Hashes are seeded: a peer chooses its own id.
 */
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "rt/rt.h"

struct idmap_slot {
	u64 id;
	u32 val;		/* 0: empty */
};

struct idmap {
	struct idmap_slot *slots;
	u64 seed;
	u32 mask, used;
};

enum { IDMAP_MIN = 64 };

static u32 place(const struct idmap *m, u64 id)
{
	return (u32)XXH3_64bits_withSeed(&id, sizeof(id), m->seed) & m->mask;
}

struct idmap *idmap_new(void)
{
	struct idmap *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->slots = calloc(IDMAP_MIN, sizeof(*m->slots));
	if (!m->slots) {
		free(m);
		return NULL;
	}
	m->mask = IDMAP_MIN - 1;
	m->seed = rt_random();
	return m;
}

void idmap_free(struct idmap *m)
{
	if (m)
		free(m->slots);
	free(m);
}

static void insert(struct idmap *m, u64 id, u32 val)
{
	u32 i = place(m, id);

	while (m->slots[i].val)
		i = (i + 1) & m->mask;
	m->slots[i] = (struct idmap_slot){ .id = id, .val = val };
	m->used++;
}

static bool grow(struct idmap *m)
{
	struct idmap_slot *old = m->slots;
	u32 n = m->mask + 1;
	struct idmap_slot *slots = calloc(n * 2ul, sizeof(*slots));

	if (!slots)
		return false;
	m->slots = slots;
	m->mask = n * 2 - 1;
	m->used = 0;
	for (u32 i = 0; i < n; i++)
		if (old[i].val)
			insert(m, old[i].id, old[i].val);
	free(old);
	return true;
}

bool idmap_put(struct idmap *m, u64 id, u32 val)
{
	assert(val);
	if (m->used >= m->mask - m->mask / 4 && !grow(m) && m->used >= m->mask)
		return false;
	insert(m, id, val);
	return true;
}

u32 idmap_get(const struct idmap *m, u64 id)
{
	for (u32 i = place(m, id); m->slots[i].val; i = (i + 1) & m->mask)
		if (m->slots[i].id == id)
			return m->slots[i].val;
	return 0;
}

/* Deletion moves later members of the run back, so that no marks are left. */
void idmap_del(struct idmap *m, u64 id, u32 val)
{
	u32 i = place(m, id), j;

	while (m->slots[i].val && (m->slots[i].id != id || m->slots[i].val != val))
		i = (i + 1) & m->mask;
	if (!m->slots[i].val)
		return;
	m->used--;
	for (j = (i + 1) & m->mask; m->slots[j].val; j = (j + 1) & m->mask) {
		u32 home = place(m, m->slots[j].id);

		if (((j - home) & m->mask) < ((j - i) & m->mask))
			continue;
		m->slots[i] = m->slots[j];
		i = j;
	}
	m->slots[i].val = 0;
}
