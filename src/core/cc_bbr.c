/*
 * cc_bbr.c - BBR, version 1 (draft-cardwell-iccrg-bbr-congestion-control-00).
 *
 * Loss is not the signal: the path is modelled by two numbers, and the sender
 * is paced at the one and keeps about twice their product in flight.
 *
 *	BtlBw   the largest delivery rate of the last 10 round trips
 *	RTprop  the least round trip of the last 10 seconds
 *	rate  = pacing_gain * BtlBw		BDP = BtlBw * RTprop
 *	cwnd  = cwnd_gain * BDP			(and room for trains, and for
 *						 acknowledgements that come in bunches)
 *
 *	STARTUP ---> DRAIN ---> PROBE_BW ---> PROBE_RTT
 *	 rate x 2.89  /2.89      1.25, 0.75,   4 in flight for 200 ms, when
 *	 until BtlBw             1 x 6, a      RTprop is 10 s old
 *	 grows no more           round each      |
 *	    ^                      ^             |
 *	    '----------------------'-------------'
 *
 * A loss matters in two ways only: in the first round of a recovery no more is
 * sent than is delivered (packet conservation), and cwnd is what it was when
 * the recovery is over.
 *
 * Scale: gains in 1/256, rates in datagrams << 24 a microsecond.
 */
#include "core/snd.h"

enum {
	UNIT = 256,
	BW_SHIFT = 24,
	BW_ROUNDS = 10,			/* BtlBwFilterLen */
	HIGH_GAIN = 739,		/* 2 / ln 2: doubles each round */
	DRAIN_GAIN = 88,		/* its inverse */
	CWND_GAIN = 512,
	CYCLE = 8,
	FULL_BW_GROWTH = 320,		/* 1.25: less is no growth ... */
	FULL_BW_COUNT = 3,		/* ... after three rounds of it */
	CWND_MIN = 4,
	MARGIN_PERCENT = 1,		/* paced a little below: queues drain */
	EXTRA_ROUNDS = 5,		/* bunches are remembered for 5 to 10 rounds */
	EXTRA_MAX_US = 100000,
	EPOCH_PKTS_MAX = 1 << 20,
	PROBE_RTT_US = 200000,
	RTPROP_US = 10000000,		/* RTpropFilterLen */
};

enum mode { STARTUP, DRAIN, PROBE_BW, PROBE_RTT };

struct bbr {
	u64 next_round;		/* a round ends when this much was delivered */
	usec_t min_rtt_stamp, cycle_stamp;
	usec_t probe_rtt_done;	/* 0: not yet down to CWND_MIN */
	usec_t ack_epoch;
	u32 ack_epoch_acked;
	u32 bw[BW_ROUNDS];	/* the largest of each round */
	u32 round;
	u32 min_rtt_us;		/* 0: unknown */
	u32 prior_cwnd, full_bw;
	u16 extra_acked[2];
	u8 mode, cycle, full_bw_count, prev_ca, extra_at, extra_age;
	bool round_start : 1, full : 1, conserve : 1, idle_restart : 1, probe_round_done : 1;
};
static_assert(sizeof(struct bbr) <= sizeof(((struct conn *)0)->cc_priv), "fits");

static struct bbr *bbr_of(const struct conn *c)
{
	return (struct bbr *)(void *)c->cc_priv;
}

/* ---- the model's numbers -------------------------------------------------------- */

static u32 max_bw(const struct bbr *b)
{
	u32 bw = 0;

	for (unsigned i = 0; i < BW_ROUNDS; i++)
		bw = max(bw, b->bw[i]);
	return bw;
}

/* gain * BDP in datagrams. */
static u32 bdp(const struct bbr *b, u32 bw, u32 gain)
{
	u64 x;

	if (!b->min_rtt_us)
		return INIT_CWND;
	x = (u64)bw * b->min_rtt_us >> BW_SHIFT;
	return min(DIV_ROUND_UP(max(x, (u64)1) * gain, UNIT), (u64)SSTHRESH_INF / 2);
}

/* And room for what is on its way through GSO and GRO, at both ends. */
static u32 inflight(const struct conn *c, u32 gain)
{
	const struct bbr *b = bbr_of(c);
	u32 n = bdp(b, max_bw(b), gain) + 3 * pace_train(c, c->mss);

	n = (n + 1) & ~1u;
	if (b->mode == PROBE_BW && !b->cycle)
		n += 2;
	return n;
}

static u32 pacing_gain(const struct bbr *b)
{
	switch ((enum mode)b->mode) {
	case STARTUP:
		return HIGH_GAIN;
	case DRAIN:
		return DRAIN_GAIN;
	case PROBE_BW:
		return b->cycle == 0 ? UNIT * 5 / 4 : b->cycle == 1 ? UNIT * 3 / 4 : UNIT;
	case PROBE_RTT:
		break;
	}
	return UNIT;
}

static u64 rate_of(const struct conn *c, u64 bw, u32 gain)
{
	u64 bytes = bw * (c->mss + WIRE_HDR) >> 4;	/* << 20 a microsecond */

	bytes = min(bytes, (u64)1 << 42);		/* for the product */
	bytes = bytes * gain / UNIT * USEC_PER_SEC >> (BW_SHIFT - 4);
	return max(bytes / 100 * (100 - MARGIN_PERCENT), (u64)1);
}

/* Before the pipe is full a lower sample is no reason to slow down. */
static void set_pacing_rate(struct conn *c)
{
	const struct bbr *b = bbr_of(c);
	u32 bw = max_bw(b);
	u64 rate = rate_of(c, bw, pacing_gain(b));

	if (bw && (b->full || rate > c->pacing_rate))
		c->pacing_rate = rate;
}

static void first_pacing_rate(struct conn *c)
{
	u64 rtt = c->rtt.srtt_us ? c->rtt.srtt_us : USEC_PER_MSEC;

	c->pacing_rate = rate_of(c, ((u64)c->cwnd << BW_SHIFT) / rtt, HIGH_GAIN);
}

/* ---- modes ------------------------------------------------------------------------ */

static void enter_probe_bw(struct conn *c, usec_t now)
{
	struct bbr *b = bbr_of(c);

	b->mode = PROBE_BW;
	b->cycle = CYCLE - 1 - snd_rand(c) % (CYCLE - 1);	/* any but 3/4's */
	b->cycle = b->cycle == 1 ? 0 : b->cycle;
	b->cycle_stamp = now;
}

static void reset_mode(struct conn *c, usec_t now)
{
	if (bbr_of(c)->full)
		enter_probe_bw(c, now);
	else
		bbr_of(c)->mode = STARTUP;
}

static void save_cwnd(struct conn *c)
{
	struct bbr *b = bbr_of(c);

	if (b->prev_ca < CA_RECOVERY && b->mode != PROBE_RTT)
		b->prior_cwnd = c->cwnd;
	else
		b->prior_cwnd = max(b->prior_cwnd, c->cwnd);
}

static void next_round(struct bbr *b, u64 delivered)
{
	b->next_round = delivered;
	b->round++;
	b->bw[b->round % BW_ROUNDS] = 0;
	b->round_start = true;
}

/* ---- update: BtlBw ------------------------------------------------------------------ */

static void update_bw(struct conn *c, struct bbr *b, const struct ack_sample *s)
{
	u32 bw;

	b->round_start = false;
	if (!s->interval_us || !s->rate_pkts)
		return;
	if (s->prior_delivered >= b->next_round) {
		next_round(b, c->delivered);
		b->conserve = false;
	}
	bw = min(((u64)s->rate_pkts << BW_SHIFT) / s->interval_us, (u64)UINT32_MAX);
	if (!s->app_limited || bw >= max_bw(b))
		b->bw[b->round % BW_ROUNDS] = max(b->bw[b->round % BW_ROUNDS], bw);
}

/* Acknowledgements in bunches: what came above the rate, lately at most. */
static void update_bunches(struct conn *c, struct bbr *b, const struct ack_sample *s, usec_t now)
{
	u64 expected = (u64)max_bw(b) * (now - b->ack_epoch) >> BW_SHIFT;
	u32 extra;

	if (b->round_start && ++b->extra_age >= EXTRA_ROUNDS) {
		b->extra_age = 0;
		b->extra_at = !b->extra_at;
		b->extra_acked[b->extra_at] = 0;
	}
	if (b->ack_epoch_acked <= expected || b->ack_epoch_acked >= EPOCH_PKTS_MAX) {
		b->ack_epoch_acked = 0;
		b->ack_epoch = now;
		expected = 0;
	}
	b->ack_epoch_acked += s->delivered;
	extra = b->ack_epoch_acked - min((u64)b->ack_epoch_acked, expected);
	extra = min(extra, c->cwnd);
	extra = min(extra, (u32)UINT16_MAX);
	b->extra_acked[b->extra_at] = max(b->extra_acked[b->extra_at], (u16)extra);
}

static u32 bunch_room(const struct bbr *b)
{
	u64 most = (u64)max_bw(b) * EXTRA_MAX_US >> BW_SHIFT;

	if (!b->full)
		return 0;
	return min((u64)max(b->extra_acked[0], b->extra_acked[1]), most);
}

/* ---- update: the cycle and the modes -------------------------------------------------- */

static bool cycle_over(const struct conn *c, const struct bbr *b, const struct ack_sample *s,
		       usec_t now)
{
	bool long_enough = now - b->cycle_stamp > b->min_rtt_us;

	if (b->cycle == 0)		/* until it is felt, by loss or in flight */
		return long_enough && (s->lost || s->prior_in_flight >=
				       inflight(c, UNIT * 5 / 4));
	if (b->cycle == 1)		/* until what that queued is gone */
		return long_enough || s->prior_in_flight <= inflight(c, UNIT);
	return long_enough;
}

static void check_full(struct bbr *b, const struct ack_sample *s)
{
	u32 bw = max_bw(b);

	if (b->full || !b->round_start || s->app_limited)
		return;
	if (bw >= (u64)b->full_bw * FULL_BW_GROWTH / UNIT) {
		b->full_bw = bw;
		b->full_bw_count = 0;
		return;
	}
	b->full = ++b->full_bw_count >= FULL_BW_COUNT;
}

static void update_mode(struct conn *c, struct bbr *b, const struct ack_sample *s, usec_t now)
{
	if (b->mode == PROBE_BW && cycle_over(c, b, s, now)) {
		b->cycle = (b->cycle + 1) % CYCLE;
		b->cycle_stamp = now;
	}
	check_full(b, s);
	if (b->mode == STARTUP && b->full)
		b->mode = DRAIN;
	if (b->mode == DRAIN && snd_in_flight(c) <= inflight(c, UNIT))
		enter_probe_bw(c, now);
}

/* ---- update: RTprop --------------------------------------------------------------------- */

static void probe_rtt(struct conn *c, struct bbr *b, usec_t now)
{
	rate_mark_limited(c);		/* samples of a pipe kept empty */
	if (!b->probe_rtt_done) {
		if (snd_in_flight(c) > CWND_MIN)
			return;
		b->probe_rtt_done = now + PROBE_RTT_US;
		b->probe_round_done = false;
		b->next_round = c->delivered;
		return;
	}
	b->probe_round_done |= b->round_start;
	if (!b->probe_round_done || now <= b->probe_rtt_done)
		return;
	b->min_rtt_stamp = now;
	c->cwnd = max(c->cwnd, b->prior_cwnd);
	reset_mode(c, now);
}

static void update_min_rtt(struct conn *c, struct bbr *b, const struct ack_sample *s, usec_t now)
{
	bool expired = now > b->min_rtt_stamp + RTPROP_US;

	if (s->rtt_us >= 0 && (!b->min_rtt_us || s->rtt_us <= b->min_rtt_us || expired)) {
		b->min_rtt_us = max(s->rtt_us, (s64)1);
		b->min_rtt_stamp = now;
	}
	if (expired && !b->idle_restart && b->mode != PROBE_RTT) {
		save_cwnd(c);
		b->mode = PROBE_RTT;
		b->probe_rtt_done = 0;
	}
	if (b->mode == PROBE_RTT)
		probe_rtt(c, b, now);
	if (s->delivered)
		b->idle_restart = false;
}

/* ---- cwnd ----------------------------------------------------------------------------------- */

/* True: packet conservation rules, and cwnd is set. */
static bool modulate_for_recovery(struct conn *c, struct bbr *b, const struct ack_sample *s)
{
	u8 prev = b->prev_ca;

	b->prev_ca = c->ca_state;
	if (s->lost)
		c->cwnd = c->cwnd > s->lost ? c->cwnd - s->lost : 1;
	if (c->ca_state == CA_RECOVERY && prev != CA_RECOVERY) {
		b->conserve = true;
		b->next_round = c->delivered;
		c->cwnd = snd_in_flight(c) + s->delivered;
	} else if (prev >= CA_RECOVERY && c->ca_state < CA_RECOVERY) {
		c->cwnd = max(c->cwnd, b->prior_cwnd);
		b->conserve = false;
	}
	if (b->conserve)
		c->cwnd = max(c->cwnd, snd_in_flight(c) + s->delivered);
	return b->conserve;
}

static void set_cwnd(struct conn *c, struct bbr *b, const struct ack_sample *s)
{
	u32 gain = b->mode == STARTUP || b->mode == DRAIN ? HIGH_GAIN : CWND_GAIN;
	u32 target = inflight(c, b->mode == PROBE_RTT ? UNIT : gain) + bunch_room(b);

	if (s->delivered && !modulate_for_recovery(c, b, s)) {
		if (b->full)
			c->cwnd = min(c->cwnd + s->delivered, target);
		else if (c->cwnd < target || c->delivered < INIT_CWND)
			c->cwnd += s->delivered;
		c->cwnd = max(c->cwnd, (u32)CWND_MIN);
	}
	if (b->mode == PROBE_RTT)
		c->cwnd = min(c->cwnd, (u32)CWND_MIN);
}

/* ---- the interface ---------------------------------------------------------------------------- */

static void bbr_init(struct conn *c)
{
	struct bbr *b = bbr_of(c);

	*b = (struct bbr){ .min_rtt_us = c->rtt.min_rtt_us, .next_round = c->delivered,
			   .prior_cwnd = c->cwnd };
	b->min_rtt_stamp = c->rtt.min_rtt_stamp;
	c->ssthresh = SSTHRESH_INF;
	first_pacing_rate(c);
}

static void bbr_control(struct conn *c, const struct ack_sample *s, usec_t now)
{
	struct bbr *b = bbr_of(c);

	if (!max_bw(b) && c->rtt.srtt_us)
		first_pacing_rate(c);
	if (!b->min_rtt_stamp)
		b->min_rtt_stamp = now;
	update_bw(c, b, s);
	update_bunches(c, b, s, now);
	update_mode(c, b, s, now);
	update_min_rtt(c, b, s, now);
	set_pacing_rate(c);
	set_cwnd(c, b, s);
}

static u32 bbr_ssthresh(struct conn *c)
{
	save_cwnd(c);
	return c->ssthresh;
}

static void bbr_set_state(struct conn *c, enum ca_state to)
{
	struct bbr *b = bbr_of(c);

	if (to != CA_LOSS)
		return;
	b->prev_ca = CA_LOSS;
	b->full_bw = 0;
	b->round_start = true;		/* a timeout ends a round */
}

static void bbr_idle_restart(struct conn *c, usec_t now)
{
	struct bbr *b = bbr_of(c);

	if (!c->rate.app_limited)
		return;
	b->idle_restart = true;
	b->ack_epoch = now;
	b->ack_epoch_acked = 0;
	if (b->mode == PROBE_BW)	/* not with a queue of its own making */
		c->pacing_rate = rate_of(c, max_bw(b), UNIT);
}

static u32 bbr_undo_cwnd(struct conn *c)
{
	bbr_of(c)->full_bw = 0;
	bbr_of(c)->full_bw_count = 0;
	return max(c->cwnd, bbr_of(c)->prior_cwnd);
}

const struct cc_ops cc_bbr = {
	.name = "bbr",
	.paces = true,
	.init = bbr_init,
	.ssthresh = bbr_ssthresh,
	.cong_control = bbr_control,
	.set_state = bbr_set_state,
	.idle_restart = bbr_idle_restart,
	.undo_cwnd = bbr_undo_cwnd,
};
