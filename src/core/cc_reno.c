/*
 * cc_reno.c - RFC 5681: the yardstick.
 *
 *	slow start:            cwnd += acked				(2)
 *	congestion avoidance:  cwnd += 1 for each cwnd acknowledged	(3)
 *	loss:                  ssthresh = max(cwnd / 2, 2)		(4)
 */
#include "core/snd.h"

static void reno_init(struct conn *c)
{
	c->cwnd_cnt = 0;
}

static u32 reno_ssthresh(struct conn *c)
{
	return max(c->cwnd / 2, 2u);				/* (4) */
}

static void reno_cong_avoid(struct conn *c, const struct ack_sample *s, usec_t now)
{
	u32 acked = s->delivered;

	(void)now;
	if (!s->is_limited)
		return;
	if (snd_in_slow_start(c)) {
		acked = cc_slow_start(c, acked);		/* (2) */
		if (!acked)
			return;
	}
	cc_avoid_ai(c, c->cwnd, acked);				/* (3) */
}

static u32 reno_undo_cwnd(struct conn *c)
{
	return max(c->cwnd, c->prior_cwnd);
}

const struct cc_ops cc_reno = {
	.name = "reno",
	.init = reno_init,
	.ssthresh = reno_ssthresh,
	.cong_avoid = reno_cong_avoid,
	.undo_cwnd = reno_undo_cwnd,
};
