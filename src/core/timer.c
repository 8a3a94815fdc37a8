/*
 * timer.c - when to act although nothing came. All rules of all timers:
 *
 * RTX     runs while anything is in flight: RTO after the last sign of
 *         progress (data sent into an empty flight, SND.UNA advanced, head or
 *         probe sent again). Fires: LOSS, the head is sent again, RTO doubles
 *         (RFC 6298 5). In SYN_SENT it repeats the SYN (a SYN that races once
 *         more, soon, and the race is then lost); while the client is
 *         unconfirmed and nothing is in flight, the third packet.
 * TLP     2 SRTT after the last sign of progress, if nothing is SACKed; fires
 *         once a flight: a probe (RFC 8985 7).
 * REO     RACK's: when the next segment in flight will be overdue.
 * PERSIST unsent data and nothing in flight, or the peer said NOMEM: probe
 *         after max(RTO, 200 ms), doubling (R4.23). Answers reset the count of
 *         probes, not the back-off. What Nagle or a cork held is pushed.
 * DELACK  the acknowledgement owed leaves.
 * KEEPALIVE  idle for keepidle: a probe each keepintvl, keepcnt of them; if the
 *            program chose neither, ever fewer, for a long time. Also
 *         the end of TIME_WAIT and of an orphan's FIN_WAIT2.
 * DOMWAIT the domain refused memory: look again after 2...201 ms, random, or
 *         as soon as the domain is seen below low (D8.6).
 * NOMEM   the receiver's: can the shortage be called over (D8.7)?
 *
 * Giving up: RETRIES2 retransmissions' worth of time (as Linux counts them:
 * with RTO_MIN as the base), TCP_USER_TIMEOUT, 240 s of silence while the
 * window is zero; an orphan sooner, and at once when memory or the number of
 * orphans forbids it (R6.3, R6.4).
 */
#include <errno.h>
#include "core/rcv.h"

enum {
	DOMWAIT_MIN_MS = 2, DOMWAIT_SPREAD_MS = 200,	/* 2..201, as HZ/5 + 1 */
	BACKOFF_MAX = 15,
};

#define ZERO_WND_PATIENCE_US	(2 * RTO_MAX_US)
#define RECENTLY_SENT_US	(60 * USEC_PER_SEC)	/* R6.4.4 */

void timer_set(struct conn *c, enum conn_timer t, usec_t when)
{
	c->timer[t] = when;
}

void timer_clear(struct conn *c, enum conn_timer t)
{
	c->timer[t] = USEC_NEVER;
}

usec_t timer_rto(const struct conn *c)
{
	return min((usec_t)c->rtt.rto_us << c->rtt.backoff, RTO_MAX_US);
}

static usec_t user_timeout(const struct conn *c)
{
	return (usec_t)c->opts.user_timeout_ms * USEC_PER_MSEC;
}

/* The RTO from now, but not beyond the program's own patience. */
static void arm_rtx(struct conn *c, usec_t now)
{
	usec_t when = now + timer_rto(c), limit = c->retrans_stamp + user_timeout(c);

	if (user_timeout(c) && c->retrans_stamp && limit > now)
		when = min(when, limit);
	timer_set(c, T_RTX, when);
}

/* ---- events ------------------------------------------------------------------------ */

void timer_syn_sent(struct conn *c, usec_t now)
{
	usec_t wait = min(RTO_INIT_US << c->syn_retries, RTO_MAX_US);

	if (c->syn_race == SYN_RACES)
		wait = SYN_AGAIN_US;
	else if (c->syn_race == SYN_AGAIN)
		wait = SYN_SILENT_US - SYN_AGAIN_US;
	timer_set(c, T_RTX, now + wait);
}

void timer_ack_sent(struct conn *c, usec_t now)
{
	if (c->unconfirmed && !c->packets_out)
		arm_rtx(c, now);
}

void timer_data_sent(struct conn *c, usec_t now)
{
	if (c->timer[T_PERSIST] != USEC_NEVER) {
		timer_clear(c, T_PERSIST);
		c->rtt.backoff = 0;
	}
	if (c->timer[T_RTX] == USEC_NEVER)
		arm_rtx(c, now);
	tlp_schedule(c, now);
}

void timer_head_resent(struct conn *c, usec_t now)
{
	arm_rtx(c, now);
}

void timer_una_advanced(struct conn *c, usec_t now)
{
	if (c->peer_nomem)
		return;
	arm_rtx(c, now);
	tlp_schedule(c, now);
}

void timer_all_acked(struct conn *c)
{
	timer_clear(c, T_RTX);
	timer_clear(c, T_TLP);
	timer_clear(c, T_REO);
	c->probe_due &= ~PROBE_TLP;
}

static usec_t persist_interval(const struct conn *c)
{
	return max(timer_rto(c), RTO_MIN_US);
}

void timer_nomem(struct conn *c, usec_t now)
{
	timer_all_acked(c);
	timer_check_persist(c, now);
}

void timer_check_persist(struct conn *c, usec_t now)
{
	bool waiting = c->packets_out ? c->peer_nomem : snd_has_unsent(c);

	if (!waiting)
		timer_clear(c, T_PERSIST);
	else if (c->timer[T_PERSIST] == USEC_NEVER)
		timer_set(c, T_PERSIST, now + persist_interval(c));
}

void timer_domain_wait(struct conn *c, usec_t now)
{
	u32 ms = DOMWAIT_MIN_MS + snd_rand(c) % DOMWAIT_SPREAD_MS;

	if (c->domwait)
		return;
	c->domwait = true;
	c->domwait_until = now + ms * USEC_PER_MSEC;
	timer_set(c, T_DOMWAIT, min(c->domwait_until, now + TICK_US));
	snd_count(c, CNT_MemDomainWait, 1);
}

static bool keepalive_is_end(const struct conn *c)
{
	return c->state == CONN_TIME_WAIT || (c->state == CONN_FIN_WAIT2 && c->orphan);
}

void timer_doubt(struct conn *c, usec_t when, usec_t now)
{
	if (keepalive_is_end(c))
		return;
	if (when > now)
		timer_set(c, T_KEEPALIVE, when);
	else
		c->probe_due |= PROBE_KEEP;
}

/* Asked once: then it is for ICMP to say so again. */
static bool in_doubt(const struct conn *c)
{
	return c->icmp_probed && c->last_rcv < c->icmp_first &&
	       c->last_send < c->icmp_probed + ICMP_VERDICT_US;
}

void timer_keepalive_start(struct conn *c, usec_t now)
{
	if (keepalive_is_end(c) || c->state == CONN_CLOSED || c->state == CONN_LISTEN ||
	    c->state == CONN_SYN_SENT)
		return;
	if (c->opts.keepalive)
		timer_set(c, T_KEEPALIVE, max(c->last_rcv + c->opts.keepidle_us, now));
	else
		timer_clear(c, T_KEEPALIVE);
}

void snd_established(struct conn *c, usec_t now)
{
	if (!c->passive && !c->syn_retries && c->syn_race < SYN_AGAIN && c->last_send) {
		rtt_min_update(&c->rtt, now - c->last_send, now);
		rtt_sample(&c->rtt, now - c->last_send);
	}
	timer_clear(c, T_RTX);
	c->cwnd_stamp = now;
	recovery_set_cc(c);
	metrics_start(c, now);
	if (!(c->mem.lock_bits & SNDBUF_LOCK))
		snd_expand_sndbuf(c);
	timer_keepalive_start(c, now);
}

/* ---- giving up ------------------------------------------------------------------------ */

static u64 orphans(const struct conn *c)
{
	const struct domain *d = snd_domain(c);
	s64 n = 0;

	for (unsigned i = 0; i < DOMAIN_ARENAS; i++)
		n += atomic_load_explicit(&d->arenas[i].orphans, memory_order_relaxed);
	return max(n, (s64)0);
}

bool timer_out_of_resources(const struct conn *c, unsigned shift)
{
	if (orphans(c) << shift > snd_limits(c)->max_orphans)
		return true;
	return c->mem.wmem_queued > SOCK_MIN_SNDBUF && mem_above_high(&c->mem);
}

/* Has it been tried for as long as `n` retransmissions take, had the first come
 * after RTO_MIN? */
static bool retransmits_timed_out(const struct conn *c, unsigned n, usec_t now)
{
	const unsigned doubling = 9;		/* log2(RTO_MAX / RTO_MIN) */
	u64 limit = ((2ULL << min(n, doubling)) - 1) * RTO_MIN_US;

	if (!c->retrans_stamp || !c->retries)
		return false;
	if (n > doubling)
		limit += (n - doubling) * RTO_MAX_US;
	return now - c->retrans_stamp >= limit;
}

static void give_up(struct conn *c, usec_t now)
{
	snd_count(c, CNT_TCPAbortOnTimeout, 1);
	conn_done(c, c->err_soft ? c->err_soft : ETIMEDOUT, now);
}

/* R6.4. The retry budget of an orphan; UINT32_MAX: it is gone already. */
static u32 orphan_budget(struct conn *c, bool probe, usec_t now)
{
	bool alive = timer_rto(c) < RTO_MAX_US;
	u32 budget = alive ? ORPHAN_RETRIES : 0;
	bool reset = probe || alive || !retransmits_timed_out(c, budget, now);
	unsigned shift = now - c->last_send > 2 * RTO_MAX_US || !reset;

	if (probe && !alive && c->rtt.backoff >= budget) {
		give_up(c, now);
		return UINT32_MAX;
	}
	shift += c->err_soft != 0;
	if (!timer_out_of_resources(c, shift))
		return budget;
	snd_count(c, CNT_TCPAbortOnMemory, 1);
	if (reset || now - c->last_send <= RECENTLY_SENT_US ||
	    (!c->snd_wnd && !c->packets_out))
		conn_abort(c, 0, now);
	else
		conn_done(c, 0, now);
	return UINT32_MAX;
}

/* ---- RTX --------------------------------------------------------------------------------- */

static void syn_timeout(struct conn *c, usec_t now)
{
	u32 most = c->opts.syncnt ? c->opts.syncnt : SYN_RETRIES;

	if (c->syn_race == SYN_RACES)
		c->syn_race = SYN_AGAIN;
	else if (c->syn_race == SYN_AGAIN && !c->syn_retries) {
		c->syn_race = SYN_SILENT;
		timer_set(c, T_RTX, now + RTO_INIT_US - SYN_SILENT_US);
	} else if (c->syn_retries >= most)
		give_up(c, now);
	else
		c->syn_retries++;	/* T_RTX off: conn_output sends it */
}

/* The third packet of the opening, without data, was lost, or its answer. */
static void unconfirmed_timeout(struct conn *c, usec_t now)
{
	if (c->retries++ >= SYN_RETRIES) {
		give_up(c, now);
		return;
	}
	c->rtt.backoff += c->rtt.backoff < BACKOFF_MAX;
	c->ack_now = true;
}

static bool write_timeout(struct conn *c, usec_t now)
{
	u32 budget = RETRIES2;

	if (c->orphan) {
		budget = orphan_budget(c, false, now);
		if (budget == UINT32_MAX)
			return true;
	}
	if (!c->snd_wnd) {		/* R4.23: its window is shut, it is alive */
		if (now - c->last_rcv <= ZERO_WND_PATIENCE_US)
			return false;
	} else if (user_timeout(c) && c->retrans_stamp) {
		if (now - c->retrans_stamp < user_timeout(c))
			return false;
	} else if (!retransmits_timed_out(c, budget, now)) {
		return false;
	}
	give_up(c, now);
	return true;
}

static void rtx_timeout(struct conn *c, usec_t now)
{
	if (c->state == CONN_SYN_SENT) {
		syn_timeout(c, now);
		return;
	}
	if (!c->packets_out) {
		if (c->unconfirmed)
			unconfirmed_timeout(c, now);
		return;
	}
	if (write_timeout(c, now))
		return;
	timer_clear(c, T_TLP);
	c->probe_due &= ~PROBE_TLP;
	recovery_rto(c, now);
	c->retries += c->retries < UINT8_MAX;
	c->rtt.backoff += c->rtt.backoff < BACKOFF_MAX;
	arm_rtx(c, now);
}

/* ---- the others ------------------------------------------------------------------------------ */

/* R4.23: does the window hold the head of the unsent data back? */
static bool window_blocks(const struct conn *c)
{
	const struct seg *s = seg_of(c->send_head);
	u64 room = c->snd_wnd_edge > s->seq ? c->snd_wnd_edge - s->seq : 0;

	return room < min(s->len, snd_mss(c));
}

static void persist_timeout(struct conn *c, usec_t now)
{
	u32 budget = RETRIES2;

	if (c->orphan) {
		budget = orphan_budget(c, true, now);
		if (budget == UINT32_MAX)
			return;
	}
	if (c->probes >= budget ||
	    (user_timeout(c) && c->probes && now - c->last_rcv >= user_timeout(c))) {
		give_up(c, now);
		return;
	}
	if (c->peer_nomem || c->packets_out || window_blocks(c)) {
		c->probe_due |= PROBE_WND;
		c->probes++;
		c->rtt.backoff += c->rtt.backoff < BACKOFF_MAX;
	} else {			/* held by Nagle or a cork: long enough */
		c->push_seq = c->write_seq;
		c->snd_more = false;
	}
	timer_check_persist(c, now);
}

/* Where a host lives and a process does not, the host says so. One that says nothing
 * has stopped, or cannot be reached for now: TCP would not even ask. */
static bool keep_patient(const struct conn *c)
{
	return !c->opts.keep_chosen && !user_timeout(c);
}

static bool keep_silent(const struct conn *c, usec_t idle)
{
	if (user_timeout(c))
		return idle >= user_timeout(c) && c->keep_probes;
	if (keep_patient(c))
		return idle >= KEEPALIVE_PATIENCE_US;
	return c->keep_probes >= c->opts.keepcnt;
}

static void keepalive_timeout(struct conn *c, usec_t now)
{
	usec_t idle = now - c->last_rcv, next = c->opts.keepintvl_us;

	if (keepalive_is_end(c)) {
		conn_done(c, 0, now);
		return;
	}
	if (in_doubt(c))
		c->probe_due |= PROBE_KEEP;
	if (!c->opts.keepalive)
		return;
	if (c->packets_out || snd_has_unsent(c)) {
		timer_set(c, T_KEEPALIVE, now + c->opts.keepidle_us);
		return;
	}
	if (idle < c->opts.keepidle_us) {
		timer_set(c, T_KEEPALIVE, c->last_rcv + c->opts.keepidle_us);
		return;
	}
	if (keep_silent(c, idle)) {
		snd_count(c, CNT_TCPAbortOnTimeout, 1);
		conn_abort(c, c->err_soft ? c->err_soft : ETIMEDOUT, now);
		return;
	}
	c->probe_due |= PROBE_KEEP;
	if (keep_patient(c))
		next <<= min(c->keep_probes, (u8)KEEPALIVE_DOUBLINGS);
	c->keep_probes++;
	timer_set(c, T_KEEPALIVE, now + next);
}

/* A FIN for which there was no descriptor (real shortage). */
static bool fin_missing(const struct conn *c)
{
	if (!c->fin_queued || c->snd_una > c->write_seq)
		return false;
	return list_empty(&c->sndq) || !(seg_of(c->sndq.prev)->flags & SEG_FIN);
}

static void domwait_timeout(struct conn *c, usec_t now)
{
	if (now < c->domwait_until && !mem_below_low(&c->mem)) {
		timer_set(c, T_DOMWAIT, min(c->domwait_until, now + TICK_US));
		return;
	}
	c->domwait = false;
	if (fin_missing(c))
		snd_queue_fin(c, now);
	snd_write_space(c, now);
}

static void tlp_timeout(struct conn *c, usec_t now)
{
	(void)now;
	if (c->packets_out && !c->tlp_end_seq)
		c->probe_due |= PROBE_TLP;
}

static void run(struct conn *c, enum conn_timer t, usec_t now)
{
	switch (t) {
	case T_RTX:
		rtx_timeout(c, now);
		break;
	case T_REO:
		recovery_reo_timeout(c, now);
		break;
	case T_TLP:
		tlp_timeout(c, now);
		break;
	case T_PERSIST:
		persist_timeout(c, now);
		break;
	case T_DELACK:
		acks_delack_timeout(c);
		break;
	case T_KEEPALIVE:
		keepalive_timeout(c, now);
		break;
	case T_DOMWAIT:
		domwait_timeout(c, now);
		break;
	case T_NOMEM:
		flow_nomem_check(c, now);
		break;
	case T_PACE:
	case T_COUNT:
		break;
	}
}

usec_t conn_deadline(const struct conn *c)
{
	usec_t least = USEC_NEVER;

	for (unsigned t = 0; t < T_COUNT; t++)
		least = min(least, c->timer[t]);
	return least;
}

void conn_timeout(struct conn *c, usec_t now)
{
	for (unsigned t = 0; t < T_COUNT; t++) {
		if (c->timer[t] > now)
			continue;
		c->timer[t] = USEC_NEVER;
		trace_expired(c, t, now);
		run(c, t, now);
	}
	trace_changes(c, now);
}
