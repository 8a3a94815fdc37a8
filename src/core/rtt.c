/*
 * rtt.c - how long a round trip takes, and when to stop waiting for one.
 *
 * RFC 6298, in microseconds:
 *
 *	first sample R:   SRTT = R,  RTTVAR = R/2			(2.2)
 *	each further R':  RTTVAR = 3/4 RTTVAR + 1/4 |SRTT - R'|		(2.3)
 *			  SRTT   = 7/8 SRTT + 1/8 R'
 *	RTO = SRTT + max(RTO_MIN, 4 RTTVAR)				(2.3)
 *
 * As in Linux, the minimum is a floor for the variance's part and not for the
 * sum: what a peer may delay an acknowledgement is then always covered. The
 * back-off of section 5.5 is kept apart (timer_rto()).
 *
 * The smallest RTT is kept for RACK and HyStart++. It is forgotten after five
 * minutes, since a path may become longer.
 */
#include "core/snd.h"

#define MIN_RTT_WINDOW_US	(300 * USEC_PER_SEC)	/* Linux: tcp_min_rtt_wlen */

void rtt_init(struct conn_rtt *r)
{
	*r = (struct conn_rtt){ .rto_us = RTO_INIT_US };
}

void rtt_sample(struct conn_rtt *r, u32 rtt_us)
{
	u32 err, var;

	rtt_us = max(rtt_us, 1u);
	if (!r->srtt_us) {
		r->srtt_us = rtt_us;				/* (2.2) */
		r->rttvar_us = rtt_us / 2;
	} else {
		err = rtt_us > r->srtt_us ? rtt_us - r->srtt_us : r->srtt_us - rtt_us;
		r->rttvar_us = ((u64)r->rttvar_us * 3 + err) / 4;	/* (2.3) */
		r->srtt_us = ((u64)r->srtt_us * 7 + rtt_us) / 8;
		r->srtt_us = max(r->srtt_us, 1u);
	}
	var = min((u64)r->rttvar_us * 4, RTO_MAX_US);
	r->rto_us = min(r->srtt_us + max((u64)var, RTO_MIN_US), RTO_MAX_US);
}

void rtt_min_update(struct conn_rtt *r, u32 rtt_us, usec_t now)
{
	bool stale = now - r->min_rtt_stamp > MIN_RTT_WINDOW_US;

	rtt_us = max(rtt_us, 1u);
	if (!r->min_rtt_us || rtt_us <= r->min_rtt_us || stale) {
		r->min_rtt_us = rtt_us;
		r->min_rtt_stamp = now;
	}
}
