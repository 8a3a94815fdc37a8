/*
 * rack.c - which segments are lost, by time: RFC 8985, section 6.
 *
 * A segment is lost when one that was sent later has been delivered and more
 * than a reordering window has passed since it should have been:
 *
 *	RACK.xmit_ts, .end_seq   the last sent segment that was delivered
 *	RACK.rtt                 its round trip
 *	reo_wnd                  min(mult * min_rtt / 4, SRTT)	(6.2 step 4)
 *
 *	lost(s):  s sent before RACK.segment  and
 *	          s.xmit_ts + RACK.rtt + reo_wnd <= now		(6.2 step 5)
 *
 * The same rule holds for retransmissions, which is how a lost one is found
 * without a timeout. What is not yet overdue is looked at again when T_REO
 * fires. The window is 0 while no reordering was ever seen and there is other
 * evidence of loss (three SACKed, or recovery has begun). Each round trip with
 * a D-SACK widens it by a quarter of min_rtt; 16 recoveries without one narrow
 * it again.
 *
 * tsorted holds what is in flight by time of its last transmission, so that the
 * search stops at the first segment sent after RACK.segment.
 */
#include "core/snd.h"

enum { REO_WND_PERSIST = 16 };		/* recoveries; RFC 8985 6.2 step 4 */

/* RACK_sent_after() of section 6.2: ties are broken by sequence. */
static bool sent_after(usec_t t1, u64 end1, usec_t t2, u64 end2)
{
	return t1 > t2 || (t1 == t2 && seq_after(end1, end2));
}

void rack_advance(struct conn *c, const struct seg *s, u64 end, usec_t now)
{
	struct conn_rack *r = &c->rack;
	u64 rtt = now > s->xmit_time ? now - s->xmit_time : 0;

	/* Step 2: sooner than any round trip ever: of the original. */
	if ((s->flags & SEG_EVER_RETRANS) && rtt < c->rtt.min_rtt_us)
		return;
	r->rtt_us = max(rtt, (u64)1);
	if (sent_after(s->xmit_time, end, r->xmit_ts, r->end_seq)) {
		r->xmit_ts = s->xmit_time;
		r->end_seq = end;
	}
	/* Step 3: something above it was known to be delivered: reordered. */
	if (seq_after(end, r->fack))
		r->fack = end;
	if (seq_before(end, r->prior_fack) && !(s->flags & SEG_EVER_RETRANS) &&
	    !r->reordering_seen) {
		r->reordering_seen = true;
		snd_count(c, CNT_TCPSACKReorder, 1);
	}
}

void rack_dsack(struct conn *c)
{
	struct conn_rack *r = &c->rack;

	r->dsack_seen = true;
	if (seq_before(c->snd_una, r->dsack_round))	/* once a round trip */
		return;
	r->dsack_round = c->snd_nxt;
	r->reo_wnd_mult = min(r->reo_wnd_mult + 1, 255u);
	r->reo_wnd_persist = REO_WND_PERSIST;
}

void rack_recovery_done(struct conn *c)
{
	if (c->rack.reo_wnd_persist && --c->rack.reo_wnd_persist == 0)
		c->rack.reo_wnd_mult = 1;
}

u32 rack_reo_wnd(const struct conn *c)
{
	u64 wnd = (u64)c->rack.reo_wnd_mult * (c->rtt.min_rtt_us / 4);

	if (!c->rack.reordering_seen &&
	    (snd_in_recovery(c) || c->sacked_out >= DUPTHRESH))
		return 0;
	return min(wnd, (u64)c->rtt.srtt_us);
}

bool rack_overdue(const struct conn *c, const struct seg *s, usec_t now)
{
	return s->xmit_time + c->rack.rtt_us + rack_reo_wnd(c) <= now;
}

bool rack_detect_loss(struct conn *c, usec_t now)
{
	u32 reo_wnd = rack_reo_wnd(c);
	usec_t check = USEC_NEVER;	/* when the last of them will be overdue */
	u32 lost = 0;
	struct list *l, *next;

	timer_clear(c, T_REO);
	if (!c->rack.xmit_ts)
		return false;
	for (l = c->tsorted.next; l != &c->tsorted; l = next) {
		struct seg *s = seg_of_tsorted(l);
		usec_t due = s->xmit_time + c->rack.rtt_us + reo_wnd;

		next = l->next;
		if (!sent_after(c->rack.xmit_ts, c->rack.end_seq, s->xmit_time, seg_end(s)))
			break;
		if (due <= now) {
			lost += s->pcount;
			score_lost(c, s, LOST_TIME);
		} else {
			check = due;
		}
	}
	if (check != USEC_NEVER)
		timer_set(c, T_REO, check);
	if (lost)
		snd_count(c, CNT_TCPRackLost, lost);
	return lost;
}
