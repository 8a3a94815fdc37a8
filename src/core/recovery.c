/*
 * recovery.c - from a loss to its repair, and back if there was none.
 *
 *            SACK, D-SACK            RACK marks a loss
 *     OPEN <-------------> DISORDER -------------------> RECOVERY
 *      ^  ^                    |                          |  |
 *      |  '---- undo ----------|--------- undo -----------'  |
 *      |                       | RTO                         | RTO
 *      |                       v                             v
 *      '---- high_seq acked -- LOSS <------------------------'
 *
 * OPEN and DISORDER: congestion control grows cwnd. RECOVERY: proportional
 * rate reduction (RFC 9937) leads from the flight at its beginning to ssthresh
 * while each acknowledgement clocks out what it may:
 *
 *	pipe > ssthresh:   sndcnt = ceil(prr_delivered * ssthresh / RecoverFS)
 *	                            - prr_out
 *	otherwise:         sndcnt = max(prr_delivered - prr_out, delivered)
 *	                            + 1 if SND.UNA advanced and nothing was lost
 *	                   at most ssthresh - pipe
 *	cwnd = pipe + sndcnt
 *
 * LOSS: the timer fired; slow start from one datagram above what is still
 * believed to be in flight (RFC 8985 6.3: only what is overdue is marked).
 *
 * Undo. A retransmission was needless if the acknowledgement that covers it
 * echoes a time stamp from before it (Eifel, RFC 3522), or if D-SACK reports
 * every retransmission as a duplicate (RFC 3708). Then cwnd and ssthresh are
 * what they were (RFC 4015). An RTO is judged by the same time stamps, which
 * takes F-RTO's place (RFC 5682).
 */
#include "core/snd.h"

void recovery_init(struct conn *c)
{
	c->cwnd = INIT_CWND;
	c->ssthresh = SSTHRESH_INF;
	c->reordering = DUPTHRESH;
	c->ca_state = CA_OPEN;
	c->rack.reo_wnd_mult = 1;
	c->undo_retrans = -1;
	c->cc_now = c->opts.cc_id;
	cc_by_id(c->cc_now)->init(c);
}

void recovery_set_cc(struct conn *c)
{
	if (c->cc_now == c->opts.cc_id)
		return;
	c->cc_now = c->opts.cc_id;
	c->pacing_rate = 0;
	cc_by_id(c->cc_now)->init(c);
}

/* The algorithm sets cwnd itself. */
static bool cc_controls(const struct conn *c)
{
	return cc_by_id(c->cc_now)->cong_control;
}

u32 recovery_quota(const struct conn *c)
{
	u32 flying = snd_in_flight(c);

	return c->cwnd > flying ? c->cwnd - flying : 0;
}

static void set_ca_state(struct conn *c, enum ca_state to)
{
	const struct cc_ops *cc = cc_by_id(c->cc_now);

	if (cc->set_state && c->ca_state != to)
		cc->set_state(c, to);
	c->ca_state = to;
}

/* ssthresh as it would be remembered now: what was reached is not forgotten. */
static u32 current_ssthresh(const struct conn *c)
{
	if (snd_in_recovery(c))
		return c->ssthresh;
	return max(c->ssthresh, c->cwnd / 2 + c->cwnd / 4);
}

/* ---- reduction ------------------------------------------------------------------- */

static void reduce_begin(struct conn *c)
{
	c->prior_ssthresh = current_ssthresh(c);
	c->prior_cwnd = c->cwnd;
	c->ssthresh = cc_by_id(c->cc_now)->ssthresh(c);
	c->high_seq = c->snd_nxt;
	c->tlp_end_seq = 0;
	c->cwnd_cnt = 0;
}

static void undo_begin(struct conn *c)
{
	c->undo_marker = c->snd_una;
	c->undo_retrans = c->retrans_out ? (s32)c->retrans_out : -1;
}

/* RFC 9937, for each acknowledgement in recovery. */
static void prr_update(struct conn *c, const struct ack_sample *s)
{
	struct conn_prr *p = &c->prr;
	u32 pipe = snd_in_flight(c);
	s64 sndcnt;

	p->delivered += s->delivered;
	if (pipe > c->ssthresh) {
		u64 due = (u64)p->delivered * c->ssthresh;

		sndcnt = (s64)DIV_ROUND_UP(due, max(p->recover_fs, 1u)) - p->out;
	} else {
		sndcnt = max((s64)p->delivered - p->out, (s64)s->delivered);
		if (s->una_advanced && !s->lost)		/* SSRB */
			sndcnt++;
		sndcnt = min((s64)c->ssthresh - pipe, sndcnt);
	}
	if (!p->out)
		sndcnt = max(sndcnt, (s64)1);	/* force a fast retransmit */
	c->cwnd = pipe + max(sndcnt, (s64)0);
}

static void enter_recovery(struct conn *c, const struct ack_sample *s)
{
	snd_count(c, CNT_TCPSackRecovery, 1);
	undo_begin(c);
	reduce_begin(c);
	c->prr.delivered = c->prr.out = 0;
	c->prr.recover_fs = c->packets_out - c->sacked_out + s->delivered;
	set_ca_state(c, CA_RECOVERY);
}

static void recovery_done(struct conn *c)
{
	bool disorder = c->sacked_out || c->lost_out || c->retrans_out;

	c->retrans_stamp = 0;
	rack_recovery_done(c);
	set_ca_state(c, disorder ? CA_DISORDER : CA_OPEN);
}

/* Repaired a loss that nobody else noticed: once, at once. */
void recovery_tlp_loss(struct conn *c)
{
	if (snd_in_recovery(c))
		return;
	reduce_begin(c);
	c->undo_marker = 0;
	c->cwnd = min(c->cwnd, c->ssthresh);
}

/* ---- undo ---------------------------------------------------------------------------- */

/* Back into the order of transmission. */
static void tsorted_insert(struct conn *c, struct seg *s)
{
	struct list *pos = c->tsorted.prev;

	while (pos != &c->tsorted && seg_of_tsorted(pos)->xmit_time > s->xmit_time)
		pos = pos->prev;
	list_add_after(&s->tsorted, pos);
}

static void unmark_lost(struct conn *c)
{
	for (struct list *l = c->sndq.next; l != c->send_head && c->lost_out; l = l->next) {
		struct seg *s = seg_of(l);

		if (!(s->flags & SEG_LOST))
			continue;
		score_flags(c, s, 0, SEG_LOST);
		if (list_empty(&s->tsorted))
			tsorted_insert(c, s);
	}
	c->rtx_hint = NULL;
}

static void undo(struct conn *c, bool unmark)
{
	if (unmark)
		unmark_lost(c);
	if (c->prior_ssthresh) {
		c->cwnd = cc_by_id(c->cc_now)->undo_cwnd(c);
		c->ssthresh = max(c->ssthresh, c->prior_ssthresh);
	}
	c->undo_marker = 0;
	snd_count(c, c->ca_state == CA_LOSS ? CNT_TCPSpuriousRTOs : CNT_TCPFullUndo, 1);
}

/* Does this acknowledgement answer something sent before the retransmission? */
static bool original_arrived(const struct conn *c, const struct wire_hdr *h)
{
	return c->retrans_stamp && h->ts_ecr &&
	       ts_before(h->ts_ecr, snd_ts(c, c->retrans_stamp));
}

static bool may_undo(const struct conn *c, const struct wire_hdr *h)
{
	return c->undo_marker && (!c->undo_retrans || original_arrived(c, h));
}

/* The repair is complete: was it one? */
static void finish(struct conn *c, const struct wire_hdr *h)
{
	if (may_undo(c, h))
		undo(c, false);
	else if (c->ca_state == CA_RECOVERY && !cc_controls(c))
		c->cwnd = c->ssthresh;
	recovery_done(c);
}

/* In the middle of recovery. True: leave loss marks alone this time. */
static bool undo_partial(struct conn *c, const struct wire_hdr *h)
{
	if (!c->undo_marker || !original_arrived(c, h))
		return false;
	c->rack.reordering_seen = true;
	if (c->ca_state == CA_RECOVERY && c->retrans_out)
		return true;		/* their D-SACKs will tell the rest */
	undo(c, true);
	recovery_done(c);
	return true;
}

/* ---- events -------------------------------------------------------------------------- */

static void try_to_open(struct conn *c)
{
	if (snd_in_recovery(c))
		return;
	set_ca_state(c, c->sacked_out || c->lost_out || c->retrans_out ? CA_DISORDER : CA_OPEN);
}

/* Steps of the machine before losses are looked for. True: do not look. */
static bool judge_recovery(struct conn *c, const struct wire_hdr *h, const struct ack_sample *s)
{
	if (snd_in_recovery(c) && !seq_before(c->snd_una, c->high_seq)) {
		finish(c, h);
		return false;
	}
	if (snd_in_recovery(c) && s->una_advanced && undo_partial(c, h))
		return true;
	if (s->dsack && c->undo_marker && !c->undo_retrans) {
		undo(c, false);			/* every retransmission was needless */
		if (snd_in_recovery(c))
			recovery_done(c);
	}
	return false;
}

/* RFC 7661 as Linux has it: does cwnd limit us, so that growing it means something? */
static bool cwnd_is_limit(const struct conn *c)
{
	if (c->cwnd_limited)
		return true;
	return snd_in_slow_start(c) && c->cwnd < 2 * c->max_packets_out;
}

void recovery_on_ack(struct conn *c, const struct wire_hdr *h, struct ack_sample *s, usec_t now)
{
	u64 lost_before = c->lost_total;
	bool look = !judge_recovery(c, h, s) && !c->peer_nomem;

	if (look && rack_detect_loss(c, now) && !snd_in_recovery(c))
		enter_recovery(c, s);
	try_to_open(c);
	s->lost = c->lost_total - lost_before;
	s->is_limited = cwnd_is_limit(c);
	if (cc_controls(c))
		cc_by_id(c->cc_now)->cong_control(c, s, now);
	else if (c->ca_state == CA_RECOVERY)
		prr_update(c, s);
	else if (s->delivered)
		cc_by_id(c->cc_now)->cong_avoid(c, s, now);
}

void recovery_reo_timeout(struct conn *c, usec_t now)
{
	struct ack_sample none = { .rtt_us = -1 };

	if (!rack_detect_loss(c, now) || snd_in_recovery(c))
		return;
	none.lost = 1;
	enter_recovery(c, &none);
	if (!cc_controls(c))
		prr_update(c, &none);
}

static void mark_for_rto(struct conn *c, bool reneged, usec_t now)
{
	for (struct list *l = c->sndq.next; l != c->send_head; l = l->next) {
		struct seg *s = seg_of(l);
		bool pending = (s->flags & (SEG_LOST | SEG_RETRANS)) == SEG_LOST;

		if (reneged)
			score_flags(c, s, 0, SEG_SACKED);
		if ((s->flags & SEG_SACKED) || pending)
			continue;
		if (reneged || l == c->sndq.next || rack_overdue(c, s, now))
			score_lost(c, s, LOST_TIMEOUT);
	}
	c->rtx_hint = NULL;
}

void recovery_rto(struct conn *c, usec_t now)
{
	bool reneged = seg_of(c->sndq.next)->flags & SEG_SACKED;

	snd_count(c, CNT_TCPTimeouts, 1);
	if (reneged)
		snd_count(c, CNT_TCPSACKReneging, 1);
	if (c->ca_state == CA_LOSS)
		snd_count(c, CNT_TCPLossFailures, 1);
	if (c->ca_state <= CA_DISORDER || !seq_before(c->snd_una, c->high_seq) ||
	    (c->ca_state == CA_LOSS && !c->retries))
		reduce_begin(c);
	undo_begin(c);
	if (reneged)
		sack_forget(c);
	mark_for_rto(c, reneged, now);
	c->cwnd = snd_in_flight(c) + 1;
	c->cwnd_cnt = 0;
	c->high_seq = c->snd_nxt;
	c->tlp_end_seq = 0;
	timer_clear(c, T_REO);
	set_ca_state(c, CA_LOSS);
}

/* What the receiver had no memory for is sent again; no congestion was seen. So
 * the probes' back-off is over: what was sent again too late to be known lost
 * now has the timer only. */
void recovery_nomem_over(struct conn *c, usec_t now)
{
	c->rtt.backoff = 0;
	for (struct list *l = c->sndq.next; l != c->send_head; l = l->next) {
		struct seg *s = seg_of(l);
		bool pending = (s->flags & (SEG_LOST | SEG_RETRANS)) == SEG_LOST;

		if (!(s->flags & SEG_SACKED) && !pending &&
		    s->xmit_time + c->rtt.srtt_us < now)
			score_lost(c, s, LOST_NOMEM);
	}
	if (c->packets_out)
		timer_una_advanced(c, now);
}

/* ---- was cwnd used? -------------------------------------------------------------------- */

/* RFC 7661: a window that the program did not use for an RTO says nothing
 * about the path any more. */
static void app_limited(struct conn *c, usec_t now)
{
	u32 used = max(c->cwnd_used, INIT_CWND);

	if (c->ca_state == CA_OPEN && !c->nospace && used < c->cwnd && !cc_controls(c)) {
		c->ssthresh = current_ssthresh(c);
		c->cwnd = (c->cwnd + used) / 2;
	}
	c->cwnd_used = 0;
	c->cwnd_stamp = now;
}

static void cwnd_validate(struct conn *c, usec_t now)
{
	bool limited = snd_in_flight(c) >= c->cwnd;

	if (!seq_before(c->snd_una, c->cwnd_usage_seq) || limited ||
	    (!c->cwnd_limited && c->packets_out > c->max_packets_out)) {
		c->cwnd_limited = limited;
		c->max_packets_out = c->packets_out;
		c->cwnd_usage_seq = c->snd_nxt;
	}
	if (c->cwnd_limited) {
		c->cwnd_used = 0;
		c->cwnd_stamp = now;
		return;
	}
	c->cwnd_used = max(c->cwnd_used, c->packets_out);
	if (now - c->cwnd_stamp >= c->rtt.rto_us)
		app_limited(c, now);
}

void recovery_sent(struct conn *c, u32 pkts, usec_t now)
{
	const struct cc_ops *cc = cc_by_id(c->cc_now);

	if (c->ca_state == CA_RECOVERY)
		c->prr.out += pkts;
	if (c->packets_out == pkts && cc->idle_restart && c->last_data_send)
		cc->idle_restart(c, now);
	cwnd_validate(c, now);
}

/* RFC 5681 4.1: after an idle RTO the path has to be learned anew. */
void recovery_idle_check(struct conn *c, usec_t now)
{
	u32 restart = min(c->cwnd, INIT_CWND), cwnd = c->cwnd;
	usec_t idle;

	if (c->packets_out || !c->last_data_send || cc_controls(c))
		return;
	idle = now - c->last_data_send;
	if (idle <= c->rtt.rto_us)
		return;
	c->ssthresh = current_ssthresh(c);
	for (; idle > c->rtt.rto_us && cwnd > restart; idle -= c->rtt.rto_us)
		cwnd /= 2;
	c->cwnd = max(cwnd, restart);
	c->cwnd_stamp = now;
	c->cwnd_used = 0;
}
