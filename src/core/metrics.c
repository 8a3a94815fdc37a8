/*
 * metrics.c - a connection begins with what the last one to the same
 * destination learned, and leaves behind what it learned itself (RFC 9040
 * 8.1, temporal sharing; rules and weights are those of Linux's tcp_metrics).
 *
 * An overestimated round trip is better than an underestimated one: a longer
 * one replaces what was known, a shorter one counts an eighth. Nothing is
 * learned from a connection that was aborted. cwnd is kept for who looks at
 * the table: the window a connection starts with is RFC 6928's.
 */
#include "core/snd.h"
#include "mem/metrics.h"

void metrics_start(struct conn *c, usec_t now)
{
	u32 rtt, reordering_max = 300;		/* tcp_max_reordering */
	struct path_metrics m;

	if (!c->dest || !mem_metrics_get(&c->mem, c->dest, &m, now))
		return;
	if (m.ssthresh && snd_limits(c)->ssthresh_metrics)
		c->ssthresh = max(m.ssthresh, 2u);
	c->reordering = clamp(m.reordering, DUPTHRESH, reordering_max);
	rtt = min((u64)m.srtt_us, RTO_MAX_US / 4);
	if (rtt > c->rtt.srtt_us)	/* the opening's sample was a lucky one */
		c->rtt.rto_us = rtt + max(2 * rtt, (u32)RTO_MIN_US);
}

static void learn_rtt(struct path_metrics *m, const struct conn_rtt *r)
{
	u32 apart = m->srtt_us > r->srtt_us ? m->srtt_us - r->srtt_us : r->srtt_us - m->srtt_us;
	u32 var = max(apart / 2, r->rttvar_us);

	if (m->srtt_us <= r->srtt_us)
		m->srtt_us = r->srtt_us;
	else
		m->srtt_us -= apart / 8;
	if (m->rttvar_us <= var)
		m->rttvar_us = var;
	else
		m->rttvar_us -= (m->rttvar_us - var) / 4;
}

static void learn_window(struct path_metrics *m, const struct conn *c)
{
	if (c->ssthresh >= SSTHRESH_INF) {		/* nothing was ever lost */
		if (m->ssthresh)
			m->ssthresh = max(m->ssthresh, c->cwnd / 2);
		m->cwnd = max(m->cwnd, c->cwnd);
	} else if (!snd_in_slow_start(c) && c->ca_state == CA_OPEN) {
		m->ssthresh = max(c->cwnd / 2, c->ssthresh);
		m->cwnd = (u32)(((u64)m->cwnd + c->cwnd) / 2);
	} else {					/* it knows the threshold alone */
		m->cwnd = (u32)(((u64)m->cwnd + c->ssthresh) / 2);
		m->ssthresh = max(m->ssthresh, c->ssthresh);
	}
}

void metrics_end(struct conn *c, usec_t now)
{
	struct path_metrics m;

	if (!c->dest)
		return;
	mem_metrics_get(&c->mem, c->dest, &m, now);
	if (c->rtt.backoff || !c->rtt.srtt_us) {	/* it could not tell */
		m.srtt_us = 0;
	} else {
		learn_rtt(&m, &c->rtt);
		learn_window(&m, c);
		if (c->reordering != DUPTHRESH)
			m.reordering = max(m.reordering, c->reordering);
	}
	mem_metrics_put(&c->mem, c->dest, &m, now);
}
