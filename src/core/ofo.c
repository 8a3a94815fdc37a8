/*
 * ofo.c - the out-of-order queue: what came above rcv_nxt, sorted, disjoint.
 *
 * Arrivals are mostly at the end, so positions are looked for from the tail.
 * What overlaps is stored once, and the peer is told (D-SACK).
 */
#include "core/rcv.h"

/* The last segment that begins at or before seq; NULL: none. */
static struct seg *find_before(const struct conn *c, u64 seq)
{
	struct list *l = c->ofoq.prev;

	while (l != &c->ofoq && seg_of(l)->seq > seq)
		l = l->prev;
	return l == &c->ofoq ? NULL : seg_of(l);
}

static struct seg *next_of(const struct conn *c, const struct seg *s)
{
	struct list *l = s ? s->link.next : c->ofoq.next;

	return l == &c->ofoq ? NULL : seg_of(l);
}

/* Cuts from the piece's front what is here: by one segment, and by those that
 * follow it without a hole. False: nothing is left. */
static bool trim_front(struct conn *c, struct rcv_piece *b)
{
	u64 end = b->seq + b->len, have;
	const struct seg *prev;

	while ((prev = find_before(c, b->seq)) && (have = seg_end(prev)) > b->seq) {
		acks_dsack(c, b->seq, min(end, have));
		if (have >= end) {
			snd_count(c, CNT_TCPOFOMerge, 1);
			return false;
		}
		b->data += have - b->seq;
		b->len = end - have;
		b->seq = have;
	}
	return true;
}

/* Stores the piece behind prev; the segment that has its bytes now. */
static struct seg *store(struct conn *c, const struct rcv_piece *b)
{
	struct seg *prev = find_before(c, b->seq), *next = next_of(c, prev);
	bool clear = !next || next->seq >= b->seq + b->len;
	struct seg *s;

	if (prev && clear && seg_end(prev) == b->seq && rcv_coalesce(c, prev, b))
		return prev;
	s = rcv_seg(c, b, false);
	if (!s)
		return NULL;
	list_add_after(&s->link, prev ? &prev->link : &c->ofoq);
	return s;
}

/* R4.10 for data out of order. */
static struct seg *admit(struct conn *c, const struct rcv_piece *b)
{
	struct seg *s = NULL;

	if (c->mem.rmem_alloc <= c->mem.rcvbuf)
		s = store(c, b);
	if (s || !rcv_prune(c, b->seq))
		return s;
	while (!(s = store(c, b)))
		if (!rcv_drop_ofo(c, b->seq))
			return NULL;
	return s;
}

/* Removes what the new segment s covers behind it. */
static void clear_behind(struct conn *c, struct seg *s)
{
	struct seg *next;

	while ((next = next_of(c, s)) && next->seq < seg_end(s)) {
		u64 end = seg_end(next);

		if (end > seg_end(s)) {
			acks_dsack(c, next->seq, seg_end(s));
			seg_trim_tail(&c->mem, s, next->seq - s->seq);
			return;
		}
		acks_dsack(c, next->seq, end);
		list_del(&next->link);
		seg_free(&c->mem, next);
		snd_count(c, CNT_TCPOFOMerge, 1);
	}
}

void rcv_ofo(struct conn *c, struct rcv_piece *b, usec_t now)
{
	s64 before = c->mem.rmem_alloc;
	u64 start, end;
	struct seg *s;

	c->ack_now = true;
	c->ooo_segs_in++;
	if (!trim_front(c, b))
		return;
	start = b->seq;
	end = b->seq + b->len;
	s = admit(c, b);
	if (!s) {
		/* No NOMEM: what fills the hole is taken, and must come (R4.9). */
		c->rx_edge++;
		c->drops++;
		snd_count(c, CNT_TCPOFODrop, 1);
		return;
	}
	clear_behind(c, s);
	acks_ofo_added(c, start, end);
	acks_data_received(c, 0, now);
	snd_count(c, CNT_TCPOFOQueue, 1);
	flow_data_stored(c, b->p, b->len, max(c->mem.rmem_alloc - before, (s64)0), false, now);
	if (!c->orphan)
		flow_grow_rcvbuf(c, c->rcvq_space.space);
}

void rcv_ofo_drain(struct conn *c)
{
	while (!list_empty(&c->ofoq)) {
		struct seg *s = seg_of(c->ofoq.next);
		u64 end = seg_end(s);

		if (s->seq > c->rcv_nxt)
			return;
		list_del(&s->link);
		acks_dsack(c, s->seq, min(end, c->rcv_nxt));
		if (end <= c->rcv_nxt) {
			seg_free(&c->mem, s);
			snd_count(c, CNT_TCPOFOMerge, 1);
			continue;
		}
		if (s->seq < c->rcv_nxt)
			seg_trim_head(&c->mem, s, c->rcv_nxt - s->seq);
		list_add_before(&s->link, &c->rcvq);
		c->bytes_received += s->len;
		c->rcv_nxt = end;
	}
}
