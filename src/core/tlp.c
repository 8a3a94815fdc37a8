/*
 * tlp.c - tail loss probes: RFC 8985, section 7.
 *
 * When the last segments of a flight are lost, nothing comes back that RACK
 * could judge by. So after PTO without an acknowledgement one segment is sent:
 * new data if there is any, else the last one again. Its acknowledgement tells
 * RACK about everything sent before it; no timeout is needed.
 *
 *	PTO = 2 * SRTT (1 s without a sample), and the peer's delay of
 *	      acknowledgements if a single datagram is in flight;	(7.2)
 *	      never later than the RTO
 *
 * One probe at a time. If the probe repeated data and no D-SACK says that both
 * copies arrived, it repaired a loss, and congestion control hears of it (7.4).
 */
#include "core/snd.h"

static usec_t pto(const struct conn *c)
{
	usec_t t = USEC_PER_SEC;

	if (c->rtt.srtt_us) {
		t = 2 * (usec_t)c->rtt.srtt_us;
		if (snd_in_flight(c) == 1)
			t += DELACK_US;
		t = max(t, TLP_MIN_US);
	}
	return t;
}

void tlp_schedule(struct conn *c, usec_t now)
{
	usec_t when;

	timer_clear(c, T_TLP);
	if (c->ca_state > CA_DISORDER || c->sacked_out || c->tlp_end_seq ||
	    !c->packets_out || c->peer_nomem || c->rtt.backoff)
		return;
	when = now + pto(c);
	if (when < c->timer[T_RTX])
		timer_set(c, T_TLP, when);
}

/* 7.4.2 */
void tlp_on_ack(struct conn *c, u64 ack, bool una_advanced, bool sacked, bool dup, usec_t now)
{
	(void)now;
	if (!c->tlp_end_seq || seq_before(ack, c->tlp_end_seq))
		return;
	if (!c->tlp_is_retrans || dup) {
		c->tlp_end_seq = 0;		/* nothing repeated, or both arrived */
	} else if (seq_after(ack, c->tlp_end_seq)) {
		c->tlp_end_seq = 0;
		recovery_tlp_loss(c);
		snd_count(c, CNT_TCPLossProbeRecovery, 1);
	} else if (!una_advanced && !sacked) {
		c->tlp_end_seq = 0;		/* a bare duplicate: both arrived */
	}
}
