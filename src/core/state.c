/*
 * state.c - a connection's life: its states and every way they change.
 *
 * Nobody else writes c->state. What a program asks for (close, shutdown,
 * abort) and what the network says (FIN, RST, ICMP, our FIN acknowledged) are
 * events here; conn.h has the diagram.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "core/open.h"
#include "core/rcv.h"

/* ---- beginning ------------------------------------------------------- */

static void opts_default(struct conn_opts *o, u8 cc_id)
{
	*o = (struct conn_opts){
		.keepalive = true,
		.keepidle_us = KEEPALIVE_IDLE_US,
		.keepintvl_us = KEEPALIVE_INTVL_US,
		.keepcnt = KEEPALIVE_PROBES,
		.syncnt = SYN_RETRIES,
		.rcvlowat = 1,
		.peek_off = -1,
		.cc_id = cc_id,
		.max_pacing_rate = PACING_NONE,
	};
}

void conn_init(struct conn *c, const struct conn_seed *seed, usec_t now)
{
	struct mem_acct mem = c->mem;

	memset(c, 0, sizeof(*c));
	c->mem = mem;
	c->state = CONN_CLOSED;
	c->id = seed->id;
	c->rng = seed->rng ? seed->rng : seed->id;
	c->ts_offset = ts_offset_of(seed->id);
	c->dgram_max = seed->dgram_max;
	c->mss = c->advmss = seed->dgram_max - WIRE_HDR;
	opts_default(&c->opts, seed->cc_id);
	list_init(&c->sndq);
	list_init(&c->tsorted);
	list_init(&c->rcvq);
	list_init(&c->ofoq);
	c->send_head = &c->sndq;
	c->window_clamp = WINDOW_CLAMP_NONE;
	c->scaling_ratio = RATIO_INIT;
	c->last_rcv = now;
	for (unsigned t = 0; t < T_COUNT; t++)
		c->timer[t] = USEC_NEVER;
	rtt_init(&c->rtt);
	recovery_init(c);
}

void conn_purge(struct conn *c)
{
	snd_purge(c);
	rcv_purge(c);
}

/* ---- the table ------------------------------------------------------- */

#define TO(s)	(1u << CONN_##s)

static const u16 moves[] = {
	[CONN_CLOSED] = TO(SYN_SENT) | TO(ESTABLISHED) | TO(LISTEN),
	[CONN_LISTEN] = TO(CLOSED),
	[CONN_SYN_SENT] = TO(ESTABLISHED) | TO(CLOSED),
	[CONN_ESTABLISHED] = TO(FIN_WAIT1) | TO(CLOSE_WAIT) | TO(CLOSED),
	[CONN_FIN_WAIT1] = TO(FIN_WAIT2) | TO(CLOSING) | TO(CLOSED),
	[CONN_FIN_WAIT2] = TO(TIME_WAIT) | TO(CLOSED),
	[CONN_CLOSE_WAIT] = TO(LAST_ACK) | TO(CLOSED),
	[CONN_CLOSING] = TO(TIME_WAIT) | TO(CLOSED),
	[CONN_LAST_ACK] = TO(CLOSED),
	[CONN_TIME_WAIT] = TO(CLOSED),
};

/* FIN_WAIT2 without a program ends by itself (R6.2.5); TIME_WAIT always. */
static void end_timer(struct conn *c, usec_t now)
{
	usec_t wait = c->opts.linger2_s > 0 ? c->opts.linger2_s * USEC_PER_SEC : FIN_TIMEOUT_US;

	if (c->state == CONN_TIME_WAIT)
		timer_set(c, T_KEEPALIVE, now + tw_period(c));
	else if (c->state == CONN_FIN_WAIT2 && c->orphan)
		timer_set(c, T_KEEPALIVE, now + max(wait, 7 * timer_rto(c) / 2));
}

/* R6.1: an orphan counts as long as it has something to deliver. What only
 * waits for the peer's FIN is as good as in TIME_WAIT. */
static bool delivers(const struct conn *c)
{
	return c->orphan && c->state != CONN_CLOSED && c->state != CONN_TIME_WAIT &&
	       c->state != CONN_FIN_WAIT2;
}

static void count_orphan(struct conn *c)
{
	bool counts = delivers(c);
	u32 row = arena_row(c->mem.arena);

	if (counts == c->orphan_counted || row >= DOMAIN_ARENAS)
		return;
	c->orphan_counted = counts;
	atomic_fetch_add(&snd_domain(c)->arenas[row].orphans, counts ? 1 : -1);
}

void conn_set_state(struct conn *c, enum conn_state to, usec_t now)
{
	assert(moves[c->state] & 1u << to);
	if (to == CONN_TIME_WAIT)
		metrics_end(c, now);
	c->state = to;
	count_orphan(c);
	end_timer(c, now);
}

/* ---- the end --------------------------------------------------------- */

/* What was received in order stays readable, as in the kernel. */
void conn_done(struct conn *c, int err, usec_t now)
{
	if (c->state == CONN_CLOSED)
		return;
	if (c->state == CONN_SYN_SENT && !c->held)
		snd_count(c, CNT_AttemptFails, 1);
	conn_set_state(c, CONN_CLOSED, now);
	snd_purge(c);
	rcv_queue_free(c, &c->ofoq);
	acks_forget(c);
	if (c->orphan)
		rcv_purge(c);
	for (unsigned t = 0; t < T_COUNT; t++)
		c->timer[t] = USEC_NEVER;
	c->ack_now = c->ack_pending = c->nomem = false;
	c->nospace = c->domwait = false;
	c->probe_due = 0;
	c->snd_shut = c->rcv_shut = true;
	if (err)
		c->err = err;
	c->rx_edge++;
}

void conn_hold(struct conn *c, usec_t now)
{
	conn_set_state(c, CONN_SYN_SENT, now);
	c->held = true;
	c->err = 0;
	c->snd_shut = c->rcv_shut = false;
}

static bool synchronized(const struct conn *c)
{
	return c->state != CONN_CLOSED && c->state != CONN_LISTEN &&
	       c->state != CONN_SYN_SENT && c->state != CONN_TIME_WAIT;
}

void conn_abort(struct conn *c, int err, usec_t now)
{
	if (synchronized(c)) {
		c->rst_pending = true;
		snd_count(c, CNT_OutRsts, 1);
		if (c->state == CONN_ESTABLISHED || c->state == CONN_CLOSE_WAIT)
			snd_count(c, CNT_EstabResets, 1);
	}
	conn_done(c, err, now);
}

/* Step 2: a believable RST. */
void conn_reset(struct conn *c, usec_t now)
{
	int err = ECONNRESET;

	if (c->state == CONN_SYN_SENT)
		err = ECONNREFUSED;
	else if (c->state == CONN_CLOSE_WAIT)
		err = EPIPE;
	else if (c->state == CONN_TIME_WAIT)	/* RFC 1337 */
		return;
	if (c->state == CONN_ESTABLISHED || c->state == CONN_CLOSE_WAIT)
		snd_count(c, CNT_EstabResets, 1);
	c->rcvd_reset = true;
	conn_done(c, err, now);
}

/* ---- FIN ------------------------------------------------------------- */

/* Step 8: the peer's FIN is in order. */
void conn_fin_received(struct conn *c, usec_t now)
{
	c->fin_rcvd = true;
	c->fin_ofo = false;
	c->rcv_shut = true;
	c->ack_now = true;
	c->rx_edge++;
	if (c->state == CONN_ESTABLISHED)
		conn_set_state(c, CONN_CLOSE_WAIT, now);
	else if (c->state == CONN_FIN_WAIT1)
		conn_set_state(c, CONN_CLOSING, now);
	else if (c->state == CONN_FIN_WAIT2)
		conn_set_state(c, CONN_TIME_WAIT, now);
}

/* Our FIN, and so everything we sent, has arrived. */
void conn_fin_acked(struct conn *c, usec_t now)
{
	if (c->state == CONN_CLOSING) {
		conn_set_state(c, CONN_TIME_WAIT, now);
	} else if (c->state == CONN_LAST_ACK) {
		metrics_end(c, now);
		conn_done(c, 0, now);
	} else if (c->state == CONN_FIN_WAIT1) {
		conn_set_state(c, CONN_FIN_WAIT2, now);
		if (c->orphan && c->opts.linger2_s < 0) {
			snd_count(c, CNT_TCPAbortOnLinger, 1);
			conn_abort(c, 0, now);
		}
	}
}

static void send_fin(struct conn *c, usec_t now)
{
	if (c->state == CONN_ESTABLISHED)
		conn_set_state(c, CONN_FIN_WAIT1, now);
	else if (c->state == CONN_CLOSE_WAIT)
		conn_set_state(c, CONN_LAST_ACK, now);
	else
		return;
	snd_queue_fin(c, now);
}

/* ---- calls of the program -------------------------------------------- */

int conn_shutdown(struct conn *c, int how, usec_t now)
{
	if (c->state == CONN_CLOSED || c->state == CONN_TIME_WAIT)
		return -ENOTCONN;
	if (c->state == CONN_SYN_SENT) {	/* a disconnect, as in the kernel */
		conn_done(c, ECONNRESET, now);
		return 0;
	}
	if (how != SHUT_WR)
		c->rcv_shut = true;
	if (how != SHUT_RD && !c->snd_shut) {
		c->snd_shut = true;
		c->nospace = c->domwait = false;
		send_fin(c, now);
	}
	c->rx_edge++;
	return 0;
}

/* R6.2.2: true: reset, and there is nothing left to do. */
static bool close_resets(struct conn *c, usec_t now)
{
	if (rcv_unread(c))
		snd_count(c, CNT_TCPAbortOnClose, 1);
	else if (c->opts.shut_linger && !c->opts.linger_s)
		snd_count(c, CNT_TCPAbortOnData, 1);
	else
		return false;
	rcv_purge(c);
	conn_abort(c, 0, now);
	return true;
}

void conn_close(struct conn *c, usec_t now)
{
	bool was_closed = c->state == CONN_CLOSED;

	c->orphan = true;
	if (was_closed || c->state == CONN_SYN_SENT) {
		conn_done(c, 0, now);
		conn_purge(c);
		return;
	}
	if (close_resets(c, now))
		return;
	rcv_queue_free(c, &c->rcvq);
	c->snd_shut = c->rcv_shut = true;
	c->nospace = c->domwait = false;
	if (c->state == CONN_FIN_WAIT2 && c->opts.linger2_s < 0) {
		snd_count(c, CNT_TCPAbortOnLinger, 1);
		conn_abort(c, 0, now);
		return;
	}
	send_fin(c, now);
	count_orphan(c);
	if (c->state == CONN_FIN_WAIT2)
		end_timer(c, now);
	if (delivers(c) && timer_out_of_resources(c, 0)) {	/* R6.2.6 */
		snd_count(c, CNT_TCPAbortOnMemory, 1);
		conn_abort(c, 0, now);
	}
}

/* ---- ICMP ------------------------------------------------------------ */

/* Port unreachable: the peer's process may be gone. But ICMP is easy to forge,
 * so the peer is given a chance to contradict: the verdict needs a packet that
 * left after the first report, a second's silence after it, and one more
 * report. A peer that is there answers a probe or acknowledges meanwhile. What
 * is to leave is made to: the next by itself may be a minute away. */
static bool peer_is_gone(struct conn *c, usec_t now)
{
	if (!c->icmp_first || c->last_rcv >= c->icmp_first) {
		c->icmp_first = now;
		c->icmp_probed = 0;
		timer_doubt(c, now, now);
	} else if (!c->icmp_probed) {
		if (c->last_send < c->icmp_first)
			return false;
		c->icmp_probed = now;
		timer_doubt(c, now + ICMP_VERDICT_US, now);
	} else {
		return now - c->icmp_probed >= ICMP_VERDICT_US;
	}
	return false;
}

void conn_icmp(struct conn *c, int err, usec_t now)
{
	if (err == EMSGSIZE || c->state == CONN_CLOSED || c->state == CONN_LISTEN)
		return;
	if (c->state == CONN_SYN_SENT) {
		conn_done(c, err, now);
		return;
	}
	c->err_soft = err;
	if (err == ECONNREFUSED && peer_is_gone(c, now)) {
		snd_count(c, CNT_EstabResets, 1);
		conn_done(c, c->state == CONN_CLOSE_WAIT ? EPIPE : ECONNRESET, now);
	}
}
