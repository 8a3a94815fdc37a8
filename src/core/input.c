/*
 * input.c - a packet arrives: RFC 9293 3.10.7.4 with its own numbers.
 *
 *   1 sequence   inside what we promised to take? (R4.7)
 *   2 RST        believable?
 *   3 security   not ours
 *   4 SYN        not in a connection that is open
 *   5 ACK        the sender's half (snd_ack_received), then our FIN
 *   6 urgent     the mark (urgent.c)
 *   7 text       the receive queue (rcv_data)
 *   8 FIN        there too, when everything before it has come
 *
 * The checksum over both random ids was right, so a packet is the peer's; what
 * is checked here is whether it is of now. Bare acknowledgements are never
 * answered unless they ask for it (WF_REPLY): two ends cannot echo for ever.
 */
#include <errno.h>
#include "core/open.h"
#include "core/rcv.h"

enum step { STEP_NEXT, STEP_DONE };

/* An answer to a doubtful packet tells an honest peer where we are. */
static enum step challenge(struct conn *c, enum counter why)
{
	snd_count(c, why, 1);
	c->ack_now = true;
	return STEP_DONE;
}

/* Step 1. A FIN does not count: it may lie one past the edge. */
static enum step input_sequence(struct conn *c, const struct rx_pkt *p)
{
	u64 seq = p->h.seq, end = seq + p->len, edge = rcv_edge(c);

	if (p->h.flags & WF_RST)
		return STEP_NEXT;		/* step 2 has rules of its own */
	if (likely(end <= edge))
		return STEP_NEXT;
	if (seq == c->rcv_nxt && seq == edge)
		return STEP_NEXT;		/* window zero: the ACK counts (R4.8) */
	if (seq < edge && list_empty(&c->rcvq))
		return STEP_NEXT;
	c->drops += p->len > 0;
	return challenge(c, CNT_BeyondWindow);
}

/* Step 2. One that answers a packet of ours which found no connection names
 * our peer's id and was checked by open_reset_ok(); any other is sealed by the
 * connection and must be in the window (RFC 5961). */
static enum step input_rst(struct conn *c, const struct rx_pkt *p, usec_t now)
{
	if (!(p->h.flags & WF_RST))
		return STEP_NEXT;
	if (p->h.dst_id && (p->h.seq < c->rcv_nxt || p->h.seq > rcv_edge(c)))
		return challenge(c, CNT_TCPChallengeACK);
	conn_reset(c, now);
	return STEP_DONE;
}

/* Step 4. */
static enum step input_syn(struct conn *c, const struct rx_pkt *p)
{
	if (!(p->h.flags & WF_SYN))
		return STEP_NEXT;
	/* The listener's answer once more: it missed our third packet. */
	return challenge(c, CNT_TCPChallengeACK);
}

/* The packet is the peer's and of now. */
static void input_alive(struct conn *c, const struct rx_pkt *p, usec_t now)
{
	c->last_rcv = now;
	c->keep_probes = 0;
	c->err_soft = 0;
	c->unconfirmed = false;
	if (p->h.has_open || (p->h.flags & WF_REPLY))
		c->ack_now = true;
	/* RFC 7323 4.3: the clock of the earliest packet not acknowledged yet. */
	if (p->h.seq <= c->rcv_wup && !ts_before(p->h.ts, c->ts_recent))
		c->ts_recent = p->h.ts;
}

/* Step 5. */
static enum step input_ack(struct conn *c, const struct rx_pkt *p, usec_t now)
{
	if (!(p->h.flags & WF_ACK))
		return STEP_DONE;
	if (p->h.ack > c->snd_nxt)		/* acks what we never sent */
		return challenge(c, CNT_TCPChallengeACK);
	if (!p->len) {
		c->last_ack_rcv = now;
		c->pure_acks++;
	}
	snd_ack_received(c, &p->h, p->len, now);
	if (c->fin_queued && c->snd_una > c->write_seq)
		conn_fin_acked(c, now);
	return c->state == CONN_CLOSED ? STEP_DONE : STEP_NEXT;
}

/* Steps 6, 7 and 8. */
static void input_text(struct conn *c, struct rx_pkt *p, usec_t now)
{
	bool fin = p->h.flags & WF_FIN, urg = p->h.flags & WF_URG && p->len;

	if (!p->len && !fin)
		return;
	switch (c->state) {
	case CONN_ESTABLISHED:
		if (unlikely(urg))
			urgent_received(c, p);
		rcv_data(c, p, now);
		break;
	case CONN_FIN_WAIT1:
	case CONN_FIN_WAIT2:
		/* Nobody will read it, and the peer must know (RFC 1122 4.2.2.13). */
		if (c->rcv_shut && p->h.seq + p->len > c->rcv_nxt) {
			snd_count(c, CNT_TCPAbortOnData, 1);
			conn_abort(c, ECONNRESET, now);
			break;
		}
		if (unlikely(urg))
			urgent_received(c, p);
		rcv_data(c, p, now);
		break;
	case CONN_TIME_WAIT:
		if (fin)
			timer_set(c, T_KEEPALIVE, now + tw_period(c));
		c->ack_now = true;
		break;
	case CONN_CLOSE_WAIT:
	case CONN_CLOSING:
	case CONN_LAST_ACK:
		acks_dsack(c, p->h.seq, min(p->h.seq + p->len + fin, c->rcv_nxt));
		c->ack_now = true;
		break;
	case CONN_CLOSED:
	case CONN_SYN_SENT:
	case CONN_SYN_RECV_unused:
	case CONN_LISTEN:
		break;
	}
}

static void input_syn_sent(struct conn *c, const struct rx_pkt *p, usec_t now)
{
	if (!(p->h.flags & WF_ACK) || p->h.ack != 1)
		return;			/* answers nothing that we sent */
	if (p->h.flags & WF_RST)
		conn_reset(c, now);
	else if (p->h.flags & WF_SYN)
		open_synack(c, &p->h, now);
}

static void run_steps(struct conn *c, struct rx_pkt *p, usec_t now)
{
	if (c->state == CONN_CLOSED || c->state == CONN_LISTEN)
		return;
	if (c->state == CONN_SYN_SENT) {
		input_syn_sent(c, p, now);
		return;
	}
	if (input_sequence(c, p) == STEP_DONE)
		return;
	if (input_rst(c, p, now) == STEP_DONE)
		return;
	if (input_syn(c, p) == STEP_DONE)
		return;
	input_alive(c, p, now);
	if (input_ack(c, p, now) == STEP_DONE)
		return;
	input_text(c, p, now);
}

void conn_input(struct conn *c, struct rx_pkt *p, usec_t now)
{
	p->taken = false;
	c->segs_in++;
	trace_received(c, p, now);
	run_steps(c, p, now);
	trace_changes(c, now);
}
