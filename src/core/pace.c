/*
 * pace.c - when data may leave, and how much of it may lie below us (R3.15).
 *
 * Pacing, for who wants it (a congestion control that says so, or a program by
 * SO_MAX_PACING_RATE): a train departs no sooner than the bytes before it take
 * at the pacing rate. The earliest departure of the next one is
 *
 *	next = max(next, now - slack) + bytes / rate
 *
 * so that a timer that comes late by up to `slack` costs no throughput. Data
 * that had to wait for its time and whose process was not run when that had
 * come may be late by half a round trip: that much is made good at once, which
 * a kernel's timers never need and a program on a busy machine does. What comes
 * after a pause for another reason has 2 ms. A train holds what the rate
 * carries in 1/1024 s, two datagrams at least. The first ten datagrams of a
 * connection are not paced, nor is anything but data.
 *
 * The rate is the algorithm's, else that of the window with room to grow:
 *
 *	rate = cwnd * mss / srtt * (cwnd < ssthresh / 2 ? 2 : 1.2)
 *
 * Small queues: what was handed to the kernel's UDP queue and has not left it
 * delays everything behind it and answers to no account. So of a connection
 * there lie below at most
 *
 *	min(max(2 segments, rate / 1024), 4 MiB)	twice that to repair
 *
 * bytes of truesize; a segment may always go while at most one is in flight.
 * The runtime tells what is still there (conn_below) when conn_output() held
 * something back. Until it has told anything, there is no bound.
 */
#include "core/snd.h"

enum {
	SLACK_US = 2000,	/* an event loop's timers are late by 1 ms and more */
	LATE_MAX_US = 20000,	/* a burst of more fills queues on the way */
	RATE_SHIFT = 10,	/* a burst of 1/1024 s, as Linux */
	LIMIT_OUTPUT_BYTES = 4 << 20,
	SS_PERCENT = 200, CA_PERCENT = 120,
	LOOK_MIN_US = 250, LOOK_MAX_US = 10000,	/* at a queue that is full */
};

#define NSEC_PER_USEC	1000ULL

/* ---- pacing -------------------------------------------------------------------- */

static u64 window_rate(const struct conn *c)
{
	u64 percent = c->cwnd < c->ssthresh / 2 ? SS_PERCENT : CA_PERCENT;
	u64 srtt = c->rtt.srtt_us ? c->rtt.srtt_us : USEC_PER_MSEC;
	u64 flight = max(c->cwnd, c->packets_out);

	return flight * c->mss * percent / 100 * USEC_PER_SEC / srtt;
}

u64 pace_rate(const struct conn *c)
{
	u64 rate = c->pacing_rate ? c->pacing_rate : window_rate(c);

	return max(min(rate, c->opts.max_pacing_rate), (u64)1);
}

static bool paced(const struct conn *c)
{
	return c->opts.max_pacing_rate != PACING_NONE || cc_by_id(c->cc_now)->paces;
}

bool pace_early(const struct conn *c, usec_t now)
{
	return paced(c) && c->pace_next > now * NSEC_PER_USEC;
}

void pace_wait(struct conn *c)
{
	c->why_blocked = WHY_PACE;
	c->pace_held = true;
	timer_set(c, T_PACE, DIV_ROUND_UP(c->pace_next, NSEC_PER_USEC));
}

u32 pace_train(const struct conn *c, u32 mss)
{
	u64 pkts;

	if (!paced(c))
		return TX_BATCH_PKTS;
	pkts = (pace_rate(c) >> RATE_SHIFT) / mss;
	return clamp(pkts, (u64)2, (u64)TX_BATCH_PKTS);
}

static usec_t slack(const struct conn *c)
{
	if (!c->pace_held)
		return SLACK_US;
	return clamp(c->rtt.srtt_us / 2, (usec_t)SLACK_US, (usec_t)LATE_MAX_US);
}

static void next_departure(struct conn *c, unsigned bytes, usec_t now)
{
	u64 earliest = (now - min(now, slack(c))) * NSEC_PER_USEC;

	if (c->bytes_sent + c->bytes_retrans <= (u64)INIT_CWND * c->mss)
		return;
	c->pace_next = max(c->pace_next, earliest) +
		       bytes * USEC_PER_SEC * NSEC_PER_USEC / pace_rate(c);
}

/* ---- small queues ------------------------------------------------------------------ */

u64 pace_queue_limit(const struct conn *c, const struct seg *s)
{
	u64 most = max(2 * (u64)seg_truesize(s), pace_rate(c) >> RATE_SHIFT);

	return min(most, (u64)LIMIT_OUTPUT_BYTES);
}

/* At most one segment is in flight. */
static bool nearly_idle(const struct conn *c)
{
	return c->send_head == c->sndq.next || c->send_head == c->sndq.next->next;
}

bool pace_queue_full(const struct conn *c, const struct seg *s, bool again)
{
	if (!c->below_told || nearly_idle(c))
		return false;
	return c->tx_below + seg_truesize(s) > pace_queue_limit(c, s) << again;
}

/* Nobody tells when the queue has drained: look when it should have. */
void pace_queue_wait(struct conn *c, usec_t now)
{
	u64 us = c->tx_below * USEC_PER_SEC / pace_rate(c) / 2;

	c->why_blocked = WHY_BELOW;
	c->pace_held = false;
	c->below_full = true;
	timer_set(c, T_PACE, now + clamp(us, (u64)LOOK_MIN_US, (u64)LOOK_MAX_US));
}

bool conn_below(struct conn *c, u64 bytes)
{
	bool some_left = bytes < c->tx_below;

	c->below_told = true;
	c->tx_below = min(c->tx_below, bytes);
	return some_left;
}

void pace_sent(struct conn *c, const struct tx_batch *b, usec_t now)
{
	if (c->below_told)
		c->tx_below += seg_truesize(b->seg);
	if (paced(c))
		next_departure(c, b->bytes, now);
}
