/*
 * cc_cubic.c - CUBIC (RFC 9438) with HyStart++ (RFC 9406), in integers.
 *
 * After a loss at W_max the window follows a cubic of the time since the loss:
 * it comes back to W_max quickly, stays about there, then probes beyond.
 *
 *	W_cubic(t) = C * (t - K)^3 + W_max				(Figure 1)
 *	K = cbrt((W_max - cwnd_epoch) / C)				(Figure 2)
 *	W_est += alpha * acked / cwnd    (what Reno would have)	(Figure 4)
 *	alpha = 3 * (1 - beta) / (1 + beta)
 *
 *	cwnd  |          K         .
 *	W_max +- - - - ._____.  .      convex: probing
 *	      |     .   plateau
 *	      |   .   concave: coming back
 *	beta*W+ .
 *	      +------------------------ t
 *
 * Scale: windows in datagrams, W_est in 1/1024 of one, time in milliseconds.
 * C = 0.4 per s^3 is 2 / (5 * 10^9) per ms^3, beta = 0.7 is 717/1024.
 *
 * HyStart++ ends the first slow start when round trips grow, before the queue
 * overflows: a round whose smallest RTT exceeds that of the round before by
 * RttThresh starts Conservative Slow Start (growth a quarter); if the RTT goes
 * back within five rounds, it was jitter and slow start goes on, else ssthresh
 * is set. Its limit L on growth per acknowledgement is not used: we count what
 * an acknowledgement delivers, and one may stand for a whole batch.
 */
#include "core/snd.h"

enum {
	BETA = 717,			/* beta_cubic = 0.7, of 1024 (4.6) */
	BETA_FC = 870,			/* (1 + beta) / 2, fast convergence (4.7) */
	ALPHA_NUM = 9, ALPHA_DEN = 17,	/* 3 * 0.3 / 1.7 = 9/17 (4.3) */
	EST_SCALE = 1024,

	/* RFC 9406 4.3 */
	MIN_RTT_THRESH_US = 4000,
	MAX_RTT_THRESH_US = 16000,
	MIN_RTT_DIVISOR = 8,
	N_RTT_SAMPLE = 8,
	CSS_GROWTH_DIVISOR = 4,
	CSS_ROUNDS = 5,
};

#define MSEC_D_MAX	((u64)1 << 20)	/* |t - K| up to 17 min: its cube fits */

struct cubic {
	u64 epoch_start;	/* usec of the epoch's begin; 0: none */
	u32 w_max;		/* 4.2; 0: no loss yet */
	u32 cwnd_prior;		/* cwnd at the last reduction (4.3) */
	u32 origin;		/* W_max of this epoch: the plateau */
	u32 k_ms;
	u64 w_est;		/* Reno's window, scaled */
	/* HyStart++ */
	u64 window_end;		/* the round ends when this is acknowledged */
	u32 last_round_min, curr_round_min, css_baseline;	/* usec; 0: none */
	u8 samples, css_rounds;
	bool hystart_done, css;
	u32 css_cnt;
};
static_assert(sizeof(struct cubic) <= sizeof(((struct conn *)0)->cc_priv), "fits");

static struct cubic *cubic_of(struct conn *c)
{
	return (struct cubic *)(void *)c->cc_priv;
}

static void cubic_init(struct conn *c)
{
	*cubic_of(c) = (struct cubic){ 0 };
}

/* ---- the cubic ----------------------------------------------------------------- */

/* Integer cube root, bit by bit: once an epoch. */
static u32 cbrt_u64(u64 v)
{
	u64 r = 0;

	for (int bit = 21; bit >= 0; bit--) {
		u64 t = r | (u64)1 << bit;

		if (t * t <= v / t)
			r = t;
	}
	return r;
}

/* 4.2: the epoch begins with the first acknowledgement after a reduction. */
static void epoch_begin(struct conn *c, struct cubic *cu, usec_t now)
{
	cu->epoch_start = now;
	c->cwnd_cnt = 0;
	cu->w_est = (u64)c->cwnd * EST_SCALE;			/* 4.3: W_est = cwnd_epoch */
	if (c->cwnd < cu->w_max) {
		cu->k_ms = cbrt_u64((u64)(cu->w_max - c->cwnd) * 2500000000ULL); /* Figure 2 */
		cu->origin = cu->w_max;
	} else {
		cu->k_ms = 0;					/* 4.10: no W_max yet */
		cu->origin = c->cwnd;
	}
}

/* Figure 1, never below 0. */
static u32 w_cubic(const struct cubic *cu, u64 t_ms)
{
	bool below = t_ms < cu->k_ms;
	u64 d = min(below ? cu->k_ms - t_ms : t_ms - cu->k_ms, MSEC_D_MAX);
	u64 delta = d * d * d / 5 * 2 / 1000000000ULL;		/* C * |t - K|^3 */

	if (below)
		return delta < cu->origin ? cu->origin - delta : 0;
	return min(cu->origin + delta, (u64)SSTHRESH_INF);
}

/* 4.3: Reno's window; alpha is 1 once it has caught up with cwnd_prior. */
static u32 reno_estimate(const struct conn *c, struct cubic *cu, u32 acked)
{
	u64 inc = (u64)acked * EST_SCALE / c->cwnd;

	if (cu->w_est < (u64)cu->cwnd_prior * EST_SCALE)
		inc = inc * ALPHA_NUM / ALPHA_DEN;
	cu->w_est += inc;					/* Figure 4 */
	return min(cu->w_est / EST_SCALE, (u64)SSTHRESH_INF);
}

static void cubic_update(struct conn *c, u32 acked, usec_t now)
{
	struct cubic *cu = cubic_of(c);
	u32 target, est;
	u64 t_ms;

	if (!cu->epoch_start)
		epoch_begin(c, cu, now);
	t_ms = (now - cu->epoch_start) / USEC_PER_MSEC;
	est = reno_estimate(c, cu, acked);
	if (w_cubic(cu, t_ms) < est) {				/* 4.3: Reno-friendly */
		if (est > c->cwnd) {
			c->cwnd = est;
			c->cwnd_cnt = 0;
		}
		return;
	}
	/* 4.4, 4.5: towards W_cubic a round trip ahead, at most by half. */
	target = w_cubic(cu, t_ms + c->rtt.srtt_us / USEC_PER_MSEC);
	target = clamp(target, c->cwnd, c->cwnd + c->cwnd / 2);
	if (target > c->cwnd)		/* (target - cwnd) / cwnd an acked datagram */
		cc_avoid_ai(c, c->cwnd / (target - c->cwnd), acked);
	else
		cc_avoid_ai(c, 100 * c->cwnd, acked);		/* plateau: barely */
}

/* 4.6, and 4.7 fast convergence: who did not come back to W_max leaves room. */
static u32 cubic_ssthresh(struct conn *c)
{
	struct cubic *cu = cubic_of(c);

	cu->epoch_start = 0;
	cu->hystart_done = true;
	cu->css = false;
	cu->cwnd_prior = c->cwnd;
	cu->w_max = c->cwnd < cu->w_max ? (u64)c->cwnd * BETA_FC / 1024 : c->cwnd;
	return max((u64)c->cwnd * BETA / 1024, (u64)2);
}

/* ---- HyStart++ ------------------------------------------------------------------- */

static void round_begin(const struct conn *c, struct cubic *cu)
{
	cu->window_end = c->snd_nxt;
	cu->last_round_min = cu->curr_round_min;
	cu->curr_round_min = 0;
	cu->samples = 0;
}

static void slow_start_over(struct conn *c, struct cubic *cu)
{
	c->ssthresh = c->cwnd;
	cu->hystart_done = true;
	cu->css = false;
}

/* 4.2, after each RTT sample. */
static void judge_round(struct cubic *cu)
{
	u32 thresh;

	if (cu->samples < N_RTT_SAMPLE || !cu->curr_round_min)
		return;
	if (cu->css) {
		if (cu->curr_round_min < cu->css_baseline)
			cu->css = false;			/* jitter it was */
		return;
	}
	if (!cu->last_round_min)
		return;
	thresh = clamp(cu->last_round_min / MIN_RTT_DIVISOR, (u32)MIN_RTT_THRESH_US,
		       (u32)MAX_RTT_THRESH_US);
	if (cu->curr_round_min >= cu->last_round_min + thresh) {
		cu->css = true;
		cu->css_baseline = cu->curr_round_min;
		cu->css_rounds = 0;
		cu->css_cnt = 0;
	}
}

static void hystart_ack(struct conn *c, struct cubic *cu, const struct ack_sample *s)
{
	if (!cu->window_end || !seq_before(c->snd_una, cu->window_end)) {
		if (cu->css && ++cu->css_rounds >= CSS_ROUNDS)
			slow_start_over(c, cu);
		round_begin(c, cu);
	}
	if (s->rtt_us < 0)
		return;
	if (!cu->curr_round_min || s->rtt_us < cu->curr_round_min)
		cu->curr_round_min = s->rtt_us;
	cu->samples += cu->samples < UINT8_MAX;
	judge_round(cu);
}

/* ---- the interface ------------------------------------------------------------------ */

static void cubic_cong_avoid(struct conn *c, const struct ack_sample *s, usec_t now)
{
	struct cubic *cu = cubic_of(c);
	u32 acked = s->delivered;

	if (snd_in_slow_start(c) && !cu->hystart_done)
		hystart_ack(c, cu, s);
	if (!s->is_limited)
		return;
	if (snd_in_slow_start(c)) {
		if (cu->css) {					/* growth / 4 */
			cu->css_cnt += acked;
			acked = cu->css_cnt / CSS_GROWTH_DIVISOR;
			cu->css_cnt %= CSS_GROWTH_DIVISOR;
		}
		acked = cc_slow_start(c, acked);
		if (!acked)
			return;
	}
	cubic_update(c, acked, now);
}

/* 4.8: after a timeout everything begins anew. */
static void cubic_set_state(struct conn *c, enum ca_state to)
{
	if (to == CA_LOSS)
		cubic_of(c)->epoch_start = 0;
}

/* 5.8: the cubic's time does not run while the program has nothing to say. */
static void cubic_idle_restart(struct conn *c, usec_t now)
{
	struct cubic *cu = cubic_of(c);

	if (cu->epoch_start && now > c->last_data_send)
		cu->epoch_start = min(cu->epoch_start + (now - c->last_data_send), now);
}

static u32 cubic_undo_cwnd(struct conn *c)
{
	return max(c->cwnd, c->prior_cwnd);
}

const struct cc_ops cc_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.ssthresh = cubic_ssthresh,
	.cong_avoid = cubic_cong_avoid,
	.set_state = cubic_set_state,
	.idle_restart = cubic_idle_restart,
	.undo_cwnd = cubic_undo_cwnd,
};
