/*
 * sndq.c - the send queue and its scoreboard.
 *
 *        snd_una                 snd_nxt                  write_seq (FIN)
 *           |  in flight            |  unsent                |
 *   sndq:  [s1][s2 SACKED][s3 LOST][s4   ][s5          ]
 *                                   ^ send_head
 *
 * One list; send_head is the first unsent segment. A segment holds as many
 * datagrams as one system call carries (up to 64 KB), so that the hot path
 * costs one descriptor, one memcpy and one free for 64 KB. It is cut only
 * where a window, a SACK block or a retransmission ends inside of it, at
 * datagram boundaries. Memory is freed by cumulative acknowledgement alone,
 * in order: a receiver may take back what it SACKed (R4.15).
 */
#include "core/snd.h"

/* ---- the scoreboard ----------------------------------------------------------- */

/* Adds sign times the segment's part to the sums. */
static void score(struct conn *c, const struct seg *s, s32 sign)
{
	s32 pkts = sign * s->pcount;

	c->packets_out += pkts;
	if (s->flags & SEG_SACKED)
		c->sacked_out += pkts;
	else
		c->flight_bytes += sign * (s32)(seg_end(s) - s->seq);
	if (s->flags & SEG_LOST)
		c->lost_out += pkts;
	if (s->flags & SEG_RETRANS)
		c->retrans_out += pkts;
	if ((s->flags & (SEG_LOST | SEG_RETRANS)) == SEG_LOST)
		c->rtx_pending += pkts;
}

void score_add(struct conn *c, const struct seg *s)
{
	score(c, s, 1);
}

void score_del(struct conn *c, const struct seg *s)
{
	score(c, s, -1);
}

void score_flags(struct conn *c, struct seg *s, unsigned set, unsigned clear)
{
	score_del(c, s);
	s->flags = (s->flags & ~clear) | set;
	score_add(c, s);
}

void score_lost(struct conn *c, struct seg *s, enum trace_lost why)
{
	assert(!(s->flags & SEG_SACKED));
	trace_lost(c, s->pcount, s->seq, seg_end(s), why);
	score_flags(c, s, SEG_LOST, SEG_RETRANS);
	c->lost_total += s->pcount;
	list_del(&s->tsorted);
	if (!c->rtx_hint || s->seq < seg_of(c->rtx_hint)->seq)
		c->rtx_hint = &s->link;
}

u32 snd_in_flight(const struct conn *c)
{
	return c->packets_out - c->sacked_out - c->lost_out + c->retrans_out;
}

u32 snd_mss(const struct conn *c)
{
	u32 mss = c->mss - (c->unconfirmed ? WIRE_OPEN_LEN : 0);
	u32 most = c->max_window > 536 ? c->max_window / 2 : c->max_window;

	return most ? min(mss, most) : mss;
}

/* ---- cutting -------------------------------------------------------------------- */

static u16 pcount_of(const struct seg *s)
{
	return s->len && s->mss ? DIV_ROUND_UP(s->len, s->mss) : 1;
}

/* R3.13: a peer must not make us cut what we hold into tiny pieces. */
static bool split_refused(const struct conn *c, const struct seg *s)
{
	const s64 headroom = 2 * 66112;

	if (c->mem.wmem_queued / 2 <= (s64)c->mem.sndbuf + headroom)
		return false;
	if (c->sndq.next == &s->link || s->link.next == c->send_head)
		return false;
	snd_count(c, CNT_TCPWqueueTooBig, 1);
	return true;
}

bool sndq_split(struct conn *c, struct seg *s, u32 at)
{
	bool sent = s->seq < c->snd_nxt;
	struct seg *n;

	if (sent && split_refused(c, s))
		return false;
	if (sent)
		score_del(c, s);
	n = seg_split(&c->mem, s, at);
	if (n) {
		list_add_after(&n->link, &s->link);
		s->pcount = pcount_of(s);
		n->pcount = pcount_of(n);
	}
	if (sent) {
		score_add(c, s);
		if (n)
			score_add(c, n);
	}
	if (!n)
		return false;
	if (!list_empty(&s->tsorted))
		list_add_after(&n->tsorted, &s->tsorted);
	return true;
}

/* ---- freeing ---------------------------------------------------------------------- */

static void note_acked(struct sndq_acked *r, const struct seg *s, u32 pkts)
{
	r->pkts += pkts;
	if (!(s->flags & SEG_SACKED))
		r->new_pkts += pkts;
	if (s->flags & SEG_EVER_RETRANS) {
		r->retrans = true;
	} else if (!(s->flags & SEG_SACKED)) {
		if (!r->first)
			r->first = s->xmit_time;
		r->last = s->xmit_time;
	}
}

/* The acknowledgement ends inside of s. */
static void ack_part(struct conn *c, struct seg *s, u64 ack, struct sndq_acked *r,
		     usec_t now)
{
	u16 before = s->pcount;

	if (!(s->flags & SEG_SACKED)) {
		rack_advance(c, s, ack, now);
		rate_delivered(c, s);
	}
	score_del(c, s);
	seg_trim_head(&c->mem, s, ack - s->seq);
	s->pcount = pcount_of(s);
	score_add(c, s);
	if (s->pcount < before)
		note_acked(r, s, before - s->pcount);
}

void sndq_ack(struct conn *c, u64 ack, struct sndq_acked *r, usec_t now)
{
	*r = (struct sndq_acked){ 0 };
	while (c->sndq.next != c->send_head) {
		struct seg *s = seg_of(c->sndq.next);

		if (seg_end(s) > ack) {
			if (s->seq < ack)
				ack_part(c, s, ack, r, now);
			break;
		}
		note_acked(r, s, s->pcount);
		if (!(s->flags & SEG_SACKED)) {
			rack_advance(c, s, seg_end(s), now);
			rate_delivered(c, s);
		}
		if (c->rtx_hint == &s->link)
			c->rtx_hint = NULL;
		if (c->sack_hint == &s->link)
			c->sack_hint = NULL;
		score_del(c, s);
		list_del(&s->tsorted);
		list_del(&s->link);
		seg_free(&c->mem, s);
	}
	c->snd_una = ack;
}

void snd_purge(struct conn *c)
{
	while (!list_empty(&c->sndq)) {
		struct seg *s = seg_of(c->sndq.next);

		list_del(&s->link);
		seg_free(&c->mem, s);
	}
	c->send_head = &c->sndq;
	c->rtx_hint = NULL;
	sack_forget(c);
	list_init(&c->tsorted);
	c->packets_out = c->sacked_out = c->lost_out = c->retrans_out = 0;
	c->rtx_pending = c->flight_bytes = 0;
}

/* ---- FIN ---------------------------------------------------------------------------- */

/* The last segment in flight, if FIN may ride on its retransmission. */
static struct seg *fin_carrier(const struct conn *c)
{
	struct seg *s;

	if (c->send_head == c->sndq.next)
		return NULL;
	s = seg_of(c->send_head->prev);
	return s->flags & SEG_SACKED ? NULL : s;
}

/* R3.14: counted as sent; reaches the peer when that segment is sent again. */
static void fin_ride_sent(struct conn *c, struct seg *s)
{
	score_flags(c, s, SEG_FIN, 0);
	c->snd_nxt++;
}

static bool fin_own_segment(struct conn *c)
{
	struct seg *s = seg_new(&c->mem, c->write_seq, MEM_SND, true);

	if (!s)
		return false;
	s->flags = SEG_FIN;
	list_add_before(&s->link, &c->sndq);
	if (!snd_has_unsent(c))
		c->send_head = &s->link;
	return true;
}

void snd_queue_fin(struct conn *c, usec_t now)
{
	struct seg *carrier = fin_carrier(c);

	c->fin_queued = true;
	c->push_seq = c->write_seq + 1;
	if (snd_has_unsent(c))
		seg_of(c->sndq.prev)->flags |= SEG_FIN;
	else if (carrier && mem_under_pressure(&c->mem))
		fin_ride_sent(c, carrier);
	else if (!fin_own_segment(c)) {
		if (carrier)
			fin_ride_sent(c, carrier);
		else			/* real shortage: try again soon */
			timer_domain_wait(c, now);
	}
	timer_check_persist(c, now);
}
