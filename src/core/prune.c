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

static bool wasteful(const struct conn *c, const struct seg *s)
{
	return win_from_space(c, seg_truesize(s)) > s->len;
}

/* Moves next's bytes to the end of s. */
static bool merge(struct conn *c, struct seg *s, struct seg *next)
{
	struct iovec iov[SEG_FRAGS];
	int n = seg_iov(&c->mem, next, 0, next->len, iov);
	u32 before = s->len;

	for (int i = 0; i < n; i++) {
		if (seg_append(&c->mem, s, iov[i].iov_base, iov[i].iov_len, RCV_SEG_MAX) ==
		    iov[i].iov_len)
			continue;
		seg_trim_tail(&c->mem, s, before);
		return false;
	}
	list_del(&next->link);
	seg_free(&c->mem, next);
	return true;
}

static void collapse(struct conn *c, struct list *q)
{
	struct list *l = q->next;
	u32 freed = 0;

	while (l != q && l->next != q) {
		struct seg *s = seg_of(l), *next = seg_of(l->next);

		if (seg_end(s) == next->seq && s->len + next->len <= RCV_SEG_MAX &&
		    (wasteful(c, s) || wasteful(c, next)) && merge(c, s, next))
			freed++;
		else
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
