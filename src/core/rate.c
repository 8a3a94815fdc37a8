/*
 * rate.c - how fast the network delivers
 * (draft-cheng-iccrg-delivery-rate-estimation).
 *
 * What is sent notes how much had been delivered by then, when, and since when
 * the flight before it had been sent. When it is delivered itself:
 *
 *	delivered    = C.delivered - P.delivered
 *	send_elapsed = P.sent_time - P.first_sent_time
 *	ack_elapsed  = C.delivered_time - P.delivered_time
 *	rate         = delivered / max(send_elapsed, ack_elapsed)
 *
 * so that neither a burst of data nor one of acknowledgements makes it look
 * faster than it is. Of what one acknowledgement delivers, that counts which
 * was sent last. While the program has nothing to send the rate is its own and
 * only a lower bound for the network's: such samples are marked.
 */
#include "core/snd.h"

void rate_sent(struct conn *c, struct seg *s, usec_t now)
{
	struct conn_rate *r = &c->rate;

	if (!c->packets_out)
		r->first_sent = r->delivered_time = now;
	s->delivered = c->delivered;
	s->delivered_ago = min(now - r->delivered_time, (usec_t)UINT32_MAX);
	s->first_sent_ago = now > r->first_sent ? min(now - r->first_sent, (usec_t)UINT32_MAX) : 0;
	s->flags = (s->flags & ~SEG_APP_LIMITED) | (r->app_limited ? SEG_APP_LIMITED : 0);
}

void rate_delivered(struct conn *c, const struct seg *s)
{
	struct conn_rate *r = &c->rate;

	if (r->any && s->delivered < r->prior_delivered)
		return;
	if (r->any && s->delivered == r->prior_delivered && s->xmit_time < r->first_sent)
		return;
	r->any = true;
	r->prior_delivered = s->delivered;
	r->prior_time = s->xmit_time - s->delivered_ago;
	r->send_elapsed = s->first_sent_ago;
	r->was_limited = s->flags & SEG_APP_LIMITED;
	r->first_sent = s->xmit_time;
}

void rate_sample(struct conn *c, struct ack_sample *s, usec_t now)
{
	struct conn_rate *r = &c->rate;
	usec_t elapsed;

	s->interval_us = 0;
	if (r->app_limited && c->delivered > r->app_limited)
		r->app_limited = 0;		/* those are all delivered */
	if (s->delivered)
		r->delivered_time = now;
	if (!r->any)
		return;
	r->any = false;
	elapsed = max((usec_t)r->send_elapsed, now - min(now, r->prior_time));
	s->prior_delivered = r->prior_delivered;
	s->rate_pkts = c->delivered - r->prior_delivered;
	s->app_limited = r->was_limited;
	/* Sooner than any round trip: a retransmission's original arrived. */
	if (elapsed && elapsed >= c->rtt.min_rtt_us)
		s->interval_us = min(elapsed, (usec_t)UINT32_MAX);
}

void rate_check_app_limited(struct conn *c)
{
	if (c->write_seq - min(c->write_seq, c->snd_nxt) < c->mss &&
	    snd_in_flight(c) < c->cwnd && c->lost_out <= c->retrans_out)
		rate_mark_limited(c);
}

void rate_mark_limited(struct conn *c)
{
	c->rate.app_limited = max(c->delivered + snd_in_flight(c), (u64)1);
}
