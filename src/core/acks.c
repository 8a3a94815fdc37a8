/*
 * acks.c - when to acknowledge, and what to say of data out of order.
 *
 * An acknowledgement leaves with any packet. A bare one leaves
 *   - at once (ack_now) for data out of order, duplicates, probes, FIN;
 *   - once at the end of a receive batch, if more than a segment is
 *     unacknowledged and the window would not shrink by waiting for the
 *     program to read, or while the peer's cwnd is opening (quick ACKs);
 *   - when the program has read and the window at least doubled (R4.17);
 *   - DELACK_US after the data otherwise (RFC 9293 3.8.6.3).
 *
 * SACK (RFC 2018): the block that changed last comes first. D-SACK (RFC 2883)
 * is an option of its own and is told once.
 */
#include "core/rcv.h"

enum {
	SACK_WALK_MAX = 128,	/* segments looked at for one acknowledgement */
};

/* ---- when ------------------------------------------------------------ */

static void quickacks(struct conn *c)
{
	u32 n = c->rcv_wnd / (2 * max(c->rcv_mss, 1u));

	n = max(n, 2u);
	c->quick_left = min(n, (u32)QUICKACKS_MAX);
}

/* Two ends that answer each other: the answer carries the acknowledgement. */
static bool answered(const struct conn *c)
{
	return c->last_data_send && c->last_data_send >= c->last_data_rcv &&
	       c->last_data_send - c->last_data_rcv < DELACK_US;
}

void acks_data_received(struct conn *c, u32 len, usec_t now)
{
	if (answered(c))
		c->pingpong = true;
	if (!c->data_segs_in++ || now - c->last_data_rcv > timer_rto(c))
		quickacks(c);
	c->last_data_rcv = now;
	c->ack_pending = true;
	c->ack_bytes += len;
}

static bool quick(const struct conn *c)
{
	return c->opts.quickack || c->quickack_mode || (c->quick_left && !c->pingpong);
}

/* More than a segment waits for its acknowledgement, and the window need not
 * wait for the program. */
static bool ack_due(struct conn *c)
{
	return c->ack_bytes > c->rcv_mss &&
	       (rcv_unread(c) < c->opts.rcvlowat || flow_raw_window(c) >= c->rcv_wnd);
}

static void flush_counts(struct conn *c)
{
	if (c->coalesced)
		snd_count(c, CNT_TCPRcvCoalesce, c->coalesced);
	if (c->pure_acks)
		snd_count(c, CNT_TCPPureAcks, c->pure_acks);
	c->coalesced = c->pure_acks = 0;
}

void conn_input_end(struct conn *c, usec_t now)
{
	flush_counts(c);
	if (c->ack_now || !c->ack_pending)
		return;
	if (quick(c) || ack_due(c))
		c->ack_now = true;
	else if (c->timer[T_DELACK] == USEC_NEVER)
		timer_set(c, T_DELACK, now + DELACK_US);
}

void acks_delack_timeout(struct conn *c)
{
	timer_clear(c, T_DELACK);
	if (!c->ack_pending)
		return;
	c->pingpong = false;		/* it did not answer: not interactive */
	c->ack_now = true;
	snd_count(c, CNT_DelayedACKs, 1);
}

void acks_data_read(struct conn *c, bool copied)
{
	u32 left, raw;

	if (c->state == CONN_CLOSED)
		return;
	if (c->ack_pending && copied &&
	    (c->ack_bytes > c->rcv_mss ||
	     (c->rcv_psh && !c->pingpong && list_empty(&c->rcvq)))) {
		c->ack_now = true;
		return;
	}
	left = rcv_window_left(c);
	if (!copied || c->rcv_shut || 2 * (u64)left > c->window_clamp)
		return;
	raw = flow_raw_window(c);
	if (raw && raw >= 2 * (u64)left)
		c->ack_now = true;
}

void rcv_ack_sent(struct conn *c, usec_t now)
{
	(void)now;
	if (c->quick_left && c->ack_pending)
		c->quick_left--;
	if (c->nomem)
		snd_count(c, CNT_MemNomemAck, 1);
	if (c->dsack.start < c->dsack.end)
		snd_count(c, CNT_TCPDSACKOldSent, 1);
	c->dsack.start = c->dsack.end = 0;
	c->ack_now = c->ack_pending = false;
	c->ack_bytes = 0;
	timer_clear(c, T_DELACK);
}

/* ---- what ------------------------------------------------------------ */

static bool touch(const struct sack_block *b, u64 start, u64 end)
{
	return b->start <= end && start <= b->end;
}

static void extend(struct sack_block *b, u64 start, u64 end)
{
	b->start = min(b->start, start);
	b->end = max(b->end, end);
}

void acks_dsack(struct conn *c, u64 start, u64 end)
{
	if (start >= end)
		return;
	if (c->dsack.start < c->dsack.end && touch(&c->dsack, start, end))
		extend(&c->dsack, start, end);
	else if (c->dsack.start >= c->dsack.end)
		c->dsack = (struct sack_block){ start, end };
	c->ack_now = true;
}

/* Puts the block at the front, with every recent one it touches merged in. */
void acks_ofo_added(struct conn *c, u64 start, u64 end)
{
	struct sack_block *r = c->sack_recent, b = { start, end }, kept[4];
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(c->sack_recent); i++) {
		if (r[i].start >= r[i].end)
			continue;
		if (touch(&r[i], b.start, b.end))
			extend(&b, r[i].start, r[i].end);
		else
			kept[n++] = r[i];
	}
	r[0] = b;
	for (unsigned i = 1; i < ARRAY_SIZE(c->sack_recent); i++)
		r[i] = i <= n ? kept[i - 1] : (struct sack_block){ 0, 0 };
	c->ack_now = true;
}

void acks_rcv_nxt_moved(struct conn *c)
{
	for (unsigned i = 0; i < ARRAY_SIZE(c->sack_recent); i++)
		if (c->sack_recent[i].start <= c->rcv_nxt)
			c->sack_recent[i] = (struct sack_block){ 0, 0 };
}

void acks_forget(struct conn *c)
{
	for (unsigned i = 0; i < ARRAY_SIZE(c->sack_recent); i++)
		c->sack_recent[i] = (struct sack_block){ 0, 0 };
}

/* Adds a whole block of the ofo queue, unless a recent one within it was put
 * already: then that one grows to it. */
static unsigned put_block(struct wire_hdr *h, unsigned n, unsigned most, u64 start, u64 end)
{
	for (unsigned i = 0; i < n; i++) {
		if (h->sack[i].start >= start && h->sack[i].end <= end) {
			h->sack[i] = (struct sack_block){ start, end };
			return n;
		}
	}
	if (n < most)
		h->sack[n++] = (struct sack_block){ start, end };
	return n;
}

unsigned rcv_sack_fill(const struct conn *c, struct wire_hdr *h, unsigned max_blocks)
{
	struct sack_block b = { 0, 0 };
	unsigned n = 0, walked = 0;

	h->has_dsack = c->dsack.start < c->dsack.end;
	h->dsack = c->dsack;
	max_blocks = min(max_blocks, (unsigned)SACK_BLOCKS_ACK);
	for (unsigned i = 0; i < ARRAY_SIZE(c->sack_recent) && n < max_blocks; i++)
		if (c->sack_recent[i].start < c->sack_recent[i].end)
			h->sack[n++] = c->sack_recent[i];
	for (struct list *l = c->ofoq.next; l != &c->ofoq && walked < SACK_WALK_MAX; l = l->next) {
		const struct seg *s = seg_of(l);

		walked++;
		if (b.end != s->seq) {
			if (b.end)
				n = put_block(h, n, max_blocks, b.start, b.end);
			b.start = s->seq;
		}
		b.end = s->seq + s->len;
	}
	if (c->fin_ofo) {		/* takes one offset after the last byte */
		if (b.end && b.end != c->fin_seq)
			n = put_block(h, n, max_blocks, b.start, b.end);
		if (b.end != c->fin_seq)
			b.start = c->fin_seq;
		b.end = c->fin_seq + 1;
	}
	if (b.end)
		n = put_block(h, n, max_blocks, b.start, b.end);
	h->nsack = n;
	return n;
}
