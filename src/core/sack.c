/*
 * sack.c - what selective acknowledgements (RFC 2018) and duplicate reports
 * (RFC 2883) say about the send queue.
 *
 * A block marks whole datagrams only: where it covers part of a segment, the
 * segment is cut at datagram boundaries. A block that makes no sense is
 * counted and skipped; nothing a peer says can do more than mark what is in
 * flight.
 *
 * Acknowledgements repeat their blocks. What the last one said already is not
 * looked at again, and the search for what is new begins where the last block
 * ended, so that an acknowledgement costs what it brings and not the length of
 * the queue.
 */
#include "core/snd.h"

/* Cuts out of s the datagrams that lie wholly in [start, end). NULL: none. */
static struct seg *cut_to_block(struct conn *c, struct seg *s, u64 start, u64 end)
{
	u32 mss = max(s->mss, 1u);
	u32 lo = 0, hi = s->len;

	if (start > s->seq)
		lo = DIV_ROUND_UP(start - s->seq, mss) * mss;
	if (end < seg_end(s)) {
		hi = (end - s->seq) / mss * mss;
		if (hi == s->len && hi)		/* all but its FIN */
			hi -= mss;
	}
	if (lo >= hi)
		return s->len || end < seg_end(s) ? NULL : s;	/* a bare FIN */
	if (hi < s->len && !sndq_split(c, s, hi))
		return NULL;
	if (!lo)
		return s;
	return sndq_split(c, s, lo) ? seg_of(s->link.next) : NULL;
}

static void mark_sacked(struct conn *c, struct seg *s, struct sack_result *r, usec_t now)
{
	rack_advance(c, s, seg_end(s), now);
	rate_delivered(c, s);
	if (!(s->flags & SEG_EVER_RETRANS) && (!r->first || s->xmit_time < r->first))
		r->first = s->xmit_time;
	if (c->rtx_hint == &s->link)
		c->rtx_hint = s->link.next != c->send_head ? s->link.next : NULL;
	r->pkts += s->pcount;
	score_flags(c, s, SEG_SACKED, SEG_LOST | SEG_RETRANS);
	list_del(&s->tsorted);
}

/* The segment in flight that holds `seq`, near the hint; send_head: none. */
static struct list *seek(const struct conn *c, u64 seq)
{
	struct list *l = c->sack_hint ? c->sack_hint : c->sndq.next;

	while (l != c->sndq.next && seg_of(l)->seq > seq)
		l = l->prev;
	while (l != c->send_head && seg_end(seg_of(l)) <= seq)
		l = l->next;
	return l;
}

/* Where the part of b begins that the last acknowledgement did not bring; the
 * byte before may lie in a datagram that was covered only in part. */
static u64 news_of(const struct conn *c, const struct sack_block *b)
{
	u64 from = b->start;

	for (unsigned i = 0; i < ARRAY_SIZE(c->sack_cache); i++) {
		u64 start = c->sack_cache_base + c->sack_cache[i].start;
		u64 end = c->sack_cache_base + c->sack_cache[i].end;

		if (start <= b->start && end > from)
			from = end;
	}
	return from;
}

static void apply_block(struct conn *c, const struct sack_block *b, struct sack_result *r,
			usec_t now)
{
	u64 from = news_of(c, b);
	struct list *l;

	if (from >= b->end)
		return;
	for (l = seek(c, from > b->start ? from - 1 : from); l != c->send_head; l = l->next) {
		struct seg *s = seg_of(l), *cut;

		if (s->seq >= b->end)
			return;
		if (s->flags & SEG_SACKED)
			continue;
		cut = cut_to_block(c, s, b->start, b->end);
		if (!cut)
			continue;
		mark_sacked(c, cut, r, now);
		c->sack_hint = l = &cut->link;
	}
}

/* The blocks that make sense, ascending. Returns how many. */
static unsigned sort_blocks(const struct conn *c, const struct wire_hdr *h,
			    struct sack_block *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->nsack; i++) {
		struct sack_block k = h->sack[i];
		unsigned j = n;

		if (k.start >= k.end || k.end > c->snd_nxt) {
			snd_count(c, CNT_TCPSACKDiscard, 1);
			continue;
		}
		if (k.end <= c->snd_una)
			continue;
		for (; j > 0 && b[j - 1].start > k.start; j--)
			b[j] = b[j - 1];
		b[j] = k;
		n++;
	}
	return n;
}

/* RFC 2883, and RFC 8985 7.4 for the tail loss probe. */
static void apply_dsack(struct conn *c, const struct sack_block *d, struct sack_result *r)
{
	u32 pkts;

	if (d->start >= d->end || d->end > c->snd_nxt || d->end - d->start > UINT32_MAX) {
		snd_count(c, CNT_TCPSACKDiscard, 1);
		return;
	}
	snd_count(c, CNT_TCPDSACKRecv, 1);
	if (!c->retrans_total)
		return;			/* the network duplicated it, not we */
	pkts = DIV_ROUND_UP((u32)(d->end - d->start), max(c->mss, 1u));
	if (c->tlp_end_seq && c->tlp_is_retrans && d->end == c->tlp_end_seq)
		r->tlp_dup = true;
	else
		rack_dsack(c);
	if (c->undo_marker && c->undo_retrans > 0 && d->end > c->undo_marker)
		c->undo_retrans -= min((u32)c->undo_retrans, pkts);
}

/* Of the blocks that made sense, n of them. */
static void remember(struct conn *c, const struct sack_block *b, unsigned n)
{
	c->sack_cache_base = c->snd_una;
	for (unsigned i = 0; i < ARRAY_SIZE(c->sack_cache); i++) {
		bool sound = i < n && b[i].start >= c->snd_una &&
			     b[i].end - c->snd_una <= UINT32_MAX;

		c->sack_cache[i].start = sound ? b[i].start - c->snd_una : 0;
		c->sack_cache[i].end = sound ? b[i].end - c->snd_una : 0;
	}
}

void sack_forget(struct conn *c)
{
	c->sack_hint = NULL;
	remember(c, NULL, 0);
}

void sack_apply(struct conn *c, const struct wire_hdr *h, struct sack_result *r, usec_t now)
{
	struct sack_block b[SACK_BLOCKS_ACK];
	unsigned n;

	*r = (struct sack_result){ 0 };
	if (h->has_dsack)
		apply_dsack(c, &h->dsack, r);
	if (!h->nsack)
		return;
	n = sort_blocks(c, h, b);
	for (unsigned i = 0; i < n; i++)
		apply_block(c, &b[i], r, now);
	remember(c, b, n);
}
