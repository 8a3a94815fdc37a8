/*
 * tw.c - connections that have ended but must still answer: TIME_WAIT, and
 * ids whose opening cookie is still young. A ring in order of arrival with an
 * idmap over it; no socket, no page (R6.5).
 */
#include <stdlib.h>
#include "rt/rt.h"

struct tw_slot {
	struct tw tw;
	u32 next, prev;		/* by age; slot number + 1 */
	bool live;
};

struct twtab {
	struct idmap *ids;
	struct tw_slot *slots;
	u32 len, max, live;
	u32 free_head;		/* through next */
	u32 head, tail;		/* oldest, youngest */
};

struct twtab *twtab_new(u32 max)
{
	struct twtab *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ids = idmap_new();
	t->max = max;
	if (!t->ids) {
		free(t);
		return NULL;
	}
	return t;
}

void twtab_limit(struct twtab *t, u32 max)
{
	t->max = max;
}

struct tw *twtab_find(struct twtab *t, u64 id)
{
	u32 val = idmap_get(t->ids, id);

	return val ? &t->slots[val - 1].tw : NULL;
}

static void unlink_slot(struct twtab *t, u32 i)
{
	struct tw_slot *s = &t->slots[i];

	if (s->prev)
		t->slots[s->prev - 1].next = s->next;
	else
		t->head = s->next;
	if (s->next)
		t->slots[s->next - 1].prev = s->prev;
	else
		t->tail = s->prev;
}

static void drop(struct twtab *t, u32 i)
{
	struct tw_slot *s = &t->slots[i];

	unlink_slot(t, i);
	idmap_del(t->ids, s->tw.id, i + 1);
	s->live = false;
	s->next = t->free_head;
	t->free_head = i + 1;
	t->live--;
}

static bool grow(struct twtab *t)
{
	u32 len = t->len ? t->len * 2 : 64;
	struct tw_slot *slots;

	slots = realloc(t->slots, len * sizeof(*slots));
	if (!slots)
		return false;
	for (u32 i = len; i-- > t->len;) {
		slots[i] = (struct tw_slot){ .next = t->free_head };
		t->free_head = i + 1;
	}
	t->slots = slots;
	t->len = len;
	return true;
}

bool twtab_add(struct twtab *t, const struct tw *tw)
{
	struct tw_slot *s;
	u32 i;

	if (t->live >= t->max || (!t->free_head && !grow(t)))
		return false;
	i = t->free_head - 1;
	s = &t->slots[i];
	if (!idmap_put(t->ids, tw->id, i + 1))
		return false;
	t->free_head = s->next;
	*s = (struct tw_slot){ .tw = *tw, .live = true, .prev = t->tail };
	if (t->tail)
		t->slots[t->tail - 1].next = i + 1;
	else
		t->head = i + 1;
	t->tail = i + 1;
	t->live++;
	return true;
}

/* Periods differ, so look a little past the first that must stay. */
u32 twtab_expire(struct twtab *t, usec_t now)
{
	u32 i = t->head, kept = 0;

	while (i && kept < 64) {
		u32 next = t->slots[i - 1].next;

		if (t->slots[i - 1].tw.until <= now)
			drop(t, i - 1);
		else
			kept++;
		i = next;
	}
	return t->live;
}

void tw_input(struct sock *port_sk, struct tw *tw, const u8 *pkt, size_t len,
	      const struct rx_meta *m)
{
	u8 reply[WIRE_HDR_MAX];
	struct wire_hdr h;
	bool restart = false;
	unsigned n;

	if (!wire_decode(&h, pkt, len) ||
	    !wire_sum_ok(pkt, len, wire_seed(tw->id, tw->peer_id)))
		return;
	n = tw_reply(tw, &h, len, reply, &restart, drv.now);
	if (restart)
		tw->until = max(tw->until, drv.now + 4 * RTO_MIN_US);
	if (n)
		udp_reply(port_sk, reply, n, &m->from, &m->to);
}
