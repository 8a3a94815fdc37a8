/*
 * prune.c - making room when our own limit is passed (R4.12 to R4.15): raise
 * the buffer if the domain is comfortable, repack what is wasteful, and at
 * last drop data out of order, from the top. Data in order is never dropped.
 */
#include <sys/uio.h>
#include "core/rcv.h"

static bool within(const struct conn *c)
{
	return c->mem.rmem_alloc <= c->mem.rcvbuf;
}

/* ---- R4.14 ----------------------------------------------------------- */

enum { REPACKED = PAGE_BYTES - UNIT_BYTES };	/* with its descriptor, a page */

static struct seg *next_in(struct list *q, const struct seg *s)
{
	return s->link.next == q ? NULL : seg_of(s->link.next);
}

static bool wasteful(const struct conn *c, const struct seg *s)
{
	return s->len < REPACKED && win_from_space(c, seg_truesize(s)) > s->len;
}

/* The wasteful segment that goes on where s ends; NULL: none. */
static struct seg *follower(const struct conn *c, struct list *q, const struct seg *s)
{
	struct seg *next = next_in(q, s);

	return next && seg_end(s) == next->seq && wasteful(c, next) ? next : NULL;
}

/* An empty segment for what lies from seq on, in s and its followers. Charged
 * without asking: what it replaces is given back at once, and is more. */
static struct seg *room_for(struct conn *c, struct list *q, struct seg *s, u64 seq)
{
	struct seg *into = seg_new(&c->mem, seq, MEM_RCV, true), *last = s;
	u64 end = seg_end(s);
	unsigned n;
	u32 unit;

	if (!into)
		return NULL;
	while (end - seq < REPACKED && (last = follower(c, q, last)))
		end = seg_end(last);
	n = DIV_ROUND_UP(min(end - seq, (u64)REPACKED), (u64)UNIT_BYTES);
	unit = mem_alloc(&c->mem, n, MEM_RCV, true);
	if (unit == MEM_NONE) {
		seg_free(&c->mem, into);
		return NULL;
	}
	into->frag[0] = (struct seg_frag){ .unit = unit, .units = n };
	into->nfrags = 1;
	list_add_before(&into->link, &s->link);
	return into;
}

/* Appends what s has from seq on, as much as goes in. */
static u32 copy_from(struct conn *c, struct seg *into, const struct seg *s, u64 seq)
{
	u32 most = min(seg_end(s) - seq, (u64)REPACKED - into->len), before = into->len;
	struct iovec iov[SEG_FRAGS];
	int n = seg_iov(&c->mem, s, seq - s->seq, most, iov);

	for (int i = 0; i < n; i++)
		seg_append(&c->mem, into, iov[i].iov_base, iov[i].iov_len, REPACKED);
	return into->len - before;
}

/* Moves the run that begins with s into segments of a page. Where the search
 * goes on; the end of the queue: there was no memory. */
static struct list *repack(struct conn *c, struct list *q, struct seg *s, u32 *freed)
{
	u64 seq = q == &c->rcvq ? max(s->seq, c->copied_seq) : s->seq;

	for (;;) {
		struct seg *into = room_for(c, q, s, seq), *next;

		if (!into) {
			seg_trim_head(&c->mem, s, seq - s->seq);
			return q;
		}
		while (s && into->len < REPACKED) {
			seq += copy_from(c, into, s, seq);
			if (seq < seg_end(s))
				break;
			next = follower(c, q, s);
			list_del(&s->link);
			seg_free(&c->mem, s);
			++*freed;
			s = next;
		}
		if (!s)
			return into->link.next;
		if (s->seq == seq && !follower(c, q, s))
			return s->link.next;	/* alone it is as good as it can be */
	}
}

/* Isolated data is skipped; where there is much of it, nothing is to be had. */
static void collapse(struct conn *c, struct list *q)
{
	struct list *l = q->next;
	u32 freed = 0, skipped = 0;

	while (l != q && skipped <= c->mem.rcvbuf / 8) {
		struct seg *s = seg_of(l);

		if (wasteful(c, s) && follower(c, q, s)) {
			l = repack(c, q, s, &freed);
			continue;
		}
		if (q == &c->ofoq && s->len < REPACKED)
			skipped += seg_truesize(s);
		l = l->next;
	}
	if (freed)
		snd_count(c, CNT_TCPRcvCollapsed, freed);
}

/* ---- R4.15 ----------------------------------------------------------- */

bool rcv_drop_ofo(struct conn *c, u64 seq)
{
	s64 portion = c->mem.rcvbuf / 8, goal = c->mem.rmem_alloc - portion;
	bool dropped = false;

	while (!list_empty(&c->ofoq)) {
		struct seg *s = seg_of(c->ofoq.prev);

		if (seq > s->seq)	/* what would be last must not evict the rest */
			break;
		list_del(&s->link);
		seg_free(&c->mem, s);
		c->drops++;
		dropped = true;
		if (c->mem.rmem_alloc > goal)
			continue;
		if (within(c) && !mem_under_pressure(&c->mem))
			break;
		goal = c->mem.rmem_alloc - portion;
	}
	if (dropped) {
		snd_count(c, CNT_OfoPruned, 1);
		acks_forget(c);
	}
	return dropped;
}

/* ---- R4.12 ----------------------------------------------------------- */

bool rcv_prune(struct conn *c, u64 seq)
{
	if (!c->mem.rmem_alloc)
		return false;
	snd_count(c, CNT_PruneCalled, 1);
	if (!within(c))
		flow_clamp_rcvbuf(c);
	else if (mem_under_pressure(&c->mem))
		flow_clamp_ssthresh(c);
	if (within(c))
		return true;
	collapse(c, &c->ofoq);
	collapse(c, &c->rcvq);
	if (within(c))
		return true;
	rcv_drop_ofo(c, seq);
	if (within(c))
		return true;
	snd_count(c, CNT_RcvPruned, 1);
	return false;
}
