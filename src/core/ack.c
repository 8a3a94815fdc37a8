/*
 * ack.c - step 5 of RFC 9293 3.10.7.4: what an acknowledgement says.
 *
 *   1  the window and the peer's shortage of memory (newest packet wins)
 *   2  selective acknowledgements mark, the cumulative one frees
 *   3  a round-trip sample: of a segment sent once, else of the time stamp
 *   4  was the tail loss probe needed?
 *   5  loss detection, recovery, congestion control
 *   6  timers, and room for the program
 */
#include "core/snd.h"

/* 1. A promised edge is never taken back; that a window is zero or memory is
 * short must be believed even where nothing else is new (R4.23, D8.7). */
static void window_update(struct conn *c, const struct wire_hdr *h, usec_t now)
{
	u64 edge = h->ack + h->wnd;
	bool nomem = h->flags & WF_NOMEM;

	if (edge > c->snd_wnd_edge)
		c->snd_wnd_edge = edge;
	if (ts_before(h->ts, c->ack_ts))
		return;
	c->ack_ts = h->ts;
	c->snd_wnd = h->wnd;
	c->max_window = max(c->max_window, h->wnd);
	c->snd_wl1 = h->seq;
	c->snd_wl2 = h->ack;
	c->credit = h->credit;
	if (nomem == c->peer_nomem)
		return;
	c->peer_nomem = nomem;
	if (nomem)
		timer_nomem(c, now);
	else
		recovery_nomem_over(c, now);
}

/* 3. RFC 6298 section 3 (Karn), RFC 7323 section 4.1 where it would say no. */
static void take_rtt(struct conn *c, const struct wire_hdr *h, const struct sndq_acked *a,
		     const struct sack_result *sr, struct ack_sample *s, usec_t now)
{
	s64 rtt = -1;

	if (a->first) {
		rtt = max((s64)(now - a->first), (s64)0);
		s->rtt_us = max((s64)(now - a->last), (s64)0);
	} else if (sr->first) {
		s->rtt_us = rtt = max((s64)(now - sr->first), (s64)0);
	} else if (s->una_advanced && a->retrans && h->ts_ecr) {
		s32 d = snd_ts(c, now) - h->ts_ecr;

		if (d >= 0)
			s->rtt_us = rtt = d;
	}
	if (rtt < 0 || rtt > (s64)UINT32_MAX)
		return;
	rtt_min_update(&c->rtt, s->rtt_us, now);
	rtt_sample(&c->rtt, rtt);
}

/* The peer took back what it had SACKed: then the queue's head stays SACKed
 * although everything before it is acknowledged. A late packet may look alike,
 * so the timer decides, soon (R4.15). */
static void check_reneging(struct conn *c, usec_t now)
{
	usec_t soon = now + max(c->rtt.srtt_us / 2, 10000u);

	if (c->packets_out && (seg_of(c->sndq.next)->flags & SEG_SACKED) &&
	    c->timer[T_RTX] > soon)
		timer_set(c, T_RTX, soon);
}

static void after_ack(struct conn *c, const struct ack_sample *s, usec_t now)
{
	/* This trouble is over, also one that was a mere probe: the next one is
	 * given its own time before the connection is given up. */
	if (s->una_advanced && !c->retrans_out && !snd_in_recovery(c))
		c->retrans_stamp = 0;
	/* What small writes with NODELAY gathered meanwhile has waited enough. */
	if (s->una_advanced && c->opts.nodelay && !c->opts.cork && !c->snd_more)
		c->push_seq = c->write_seq;
	if (!c->packets_out) {
		timer_all_acked(c);
	} else if (s->una_advanced) {
		timer_una_advanced(c, now);
		check_reneging(c, now);
	} else {
		tlp_schedule(c, now);
	}
	timer_check_persist(c, now);
	snd_write_space(c, now);
}

void snd_ack_received(struct conn *c, const struct wire_hdr *h, u32 len, usec_t now)
{
	struct ack_sample s = {
		.prior_una = c->snd_una, .prior_in_flight = snd_in_flight(c), .rtt_us = -1,
	};
	struct sndq_acked a = { 0 };
	struct sack_result sr;

	(void)len;
	if (seq_after(h->ack, c->snd_nxt)) {		/* of what we never sent */
		c->ack_now = true;
		return;
	}
	c->probes = 0;					/* it answers */
	c->rack.prior_fack = c->rack.fack;
	window_update(c, h, now);
	sack_apply(c, h, &sr, now);
	if (seq_after(h->ack, c->snd_una)) {
		c->bytes_acked += h->ack - c->snd_una;
		sndq_ack(c, h->ack, &a, now);
		s.una_advanced = true;
		c->retries = 0;
		c->rtt.backoff = 0;
	}
	s.dsack = h->has_dsack;
	s.acked = a.pkts;
	s.sacked = sr.pkts;
	s.delivered = a.new_pkts + sr.pkts;
	c->delivered += s.delivered;

	take_rtt(c, h, &a, &sr, &s, now);
	rate_sample(c, &s, now);
	tlp_on_ack(c, h->ack, s.una_advanced, sr.pkts, sr.tlp_dup, now);
	recovery_on_ack(c, h, &s, now);
	after_ack(c, &s, now);
}
