/*
 * flow.c - how much the peer may send: from memory to window and back.
 *
 *   W(x) = x * ratio / 256       the window that x bytes of memory can back
 *   S(w) = w * 256 / ratio       the memory that a window of w needs
 *
 * with ratio learned from what segments really cost. rcv_ssthresh is what we
 * dare to offer, grown by segments that are worth their memory; rcvbuf grows
 * with what the program consumes in a round trip (DRS). The rules are R4.1 to
 * R4.5 and R4.16 to R4.21 of the memory model. Windows on the wire are bytes,
 * and the edge that was offered once is never taken back: a shortage is told
 * by NOMEM instead (D8.7).
 */
#include "core/rcv.h"

enum {
	RCVBUF_CAP = INT32_MAX,
	MSS_DEFAULT = 536, MSS_MIN = 88,
	DRS_LOW_RTT_US = 1000,
	RTT_SANE_US = 60000000,
	NOMEM_WAIT_MIN_MS = 2, NOMEM_WAIT_SPREAD_MS = 200,	/* D8.12 */
	BACKLOG_EXTRA = 65536,
	GROW_MIN_LEN = 128,	/* smaller ones say nothing of the peer's mss */
};

/* ---- R4.1, R4.2 ------------------------------------------------------ */

s64 win_from_space(const struct conn *c, s64 space)
{
	return space * (s64)c->scaling_ratio >> 8;
}

s64 space_from_win(const struct conn *c, s64 win)
{
	return (win << 8) / c->scaling_ratio;
}

static s64 full_space(const struct conn *c)
{
	return win_from_space(c, c->mem.rcvbuf);
}

static s64 free_space(const struct conn *c)
{
	return win_from_space(c, (s64)c->mem.rcvbuf - c->mem.rmem_alloc);
}

/* The clamp is all that rcvbuf backs, unless the program wants less. */
static void clamp_follows(struct conn *c)
{
	c->window_clamp = full_space(c);
	if (c->opts.window_clamp)
		c->window_clamp = min(c->window_clamp, c->opts.window_clamp);
}

/* ---- R4.4: the beginning --------------------------------------------- */

u32 flow_first_window(s64 full, u32 mss, u32 clamp)
{
	s64 space = min((s64)(clamp ? clamp : WINDOW_CLAMP_NONE), full);

	if (space > mss)
		space -= space % mss;
	return space;
}

void rcv_established(struct conn *c, usec_t now)
{
	s64 full = full_space(c), held = 2 * (s64)c->advmss;
	u32 mss = min(c->advmss, c->mss);

	mss = min(mss, c->rcv_wnd / 2);
	c->rcv_mss = max(min(mss, (u32)MSS_DEFAULT), (u32)MSS_MIN);
	c->rcvq_space.seq = c->copied_seq;
	c->rcvq_space.time = now;
	if (c->window_clamp > full)
		c->window_clamp = full;
	if (c->window_clamp > held && c->window_clamp + (s64)c->advmss > full)
		c->window_clamp = max(held, full - c->advmss);	/* one segment held back */
	c->rcv_ssthresh = min(c->rcv_ssthresh, c->window_clamp);
	c->rcvq_space.space = min(c->rcv_ssthresh, c->rcv_wnd);
	c->rcvq_space.space = min(c->rcvq_space.space, 10 * c->advmss);
}

/* ---- pressure -------------------------------------------------------- */

/* Four segments under pressure; above high what can certainly be taken. */
void flow_clamp_ssthresh(struct conn *c)
{
	s64 top = 4 * (s64)c->advmss;
	s64 unused = (s64)c->mem.reserved - c->mem.wmem_queued - c->mem.rmem_alloc;

	if (mem_above_high(&c->mem) && !mem_linux_rules(&c->mem))	/* D8.5.2 */
		top = max((s64)c->advmss, win_from_space(c, snd_limits(c)->rmem[0]));
	c->rcv_ssthresh = min((s64)c->rcv_ssthresh, top);
	if (unused > 0)					/* R10.2 */
		c->rcv_ssthresh = max((s64)c->rcv_ssthresh, win_from_space(c, unused));
}

/* R4.13: in comfort the buffer is raised to what it holds already. */
void flow_clamp_rcvbuf(struct conn *c)
{
	const struct mem_limits *l = snd_limits(c);

	c->quick_left = 0;
	if (c->mem.rcvbuf < l->rmem[2] && !(c->mem.lock_bits & RCVBUF_LOCK) &&
	    !mem_under_pressure(&c->mem) && mem_below_low(&c->mem))
		c->mem.rcvbuf = min(c->mem.rmem_alloc, (s64)l->rmem[2]);
	if (c->mem.rmem_alloc > c->mem.rcvbuf)
		c->rcv_ssthresh = min(c->window_clamp, 2 * c->advmss);
}

/* ---- R4.3: what segments cost ---------------------------------------- */

static void learn_ratio(struct conn *c, u32 len, u32 truesize)
{
	u32 ratio = truesize ? (u64)len * 256 / truesize : 255;

	ratio = clamp(ratio, 1u, 255u);
	if (ratio == c->scaling_ratio)
		return;
	c->scaling_ratio = ratio;
	clamp_follows(c);
	c->rcvq_space.space = min(c->rcvq_space.space, c->window_clamp);
}

static void measure_mss(struct conn *c, u32 len, u32 truesize, bool pushed)
{
	if (len >= c->rcv_mss) {
		if (len != c->rcv_mss)
			learn_ratio(c, len, truesize);
		c->rcv_mss = min(len, c->advmss);
	} else if (len >= MSS_DEFAULT || (len >= MSS_MIN && !pushed)) {
		if (len == c->last_seg_size)
			c->rcv_mss = len;
		c->last_seg_size = len;
	}
}

/* ---- R4.5: what we dare to offer ------------------------------------- */

static u32 growth(const struct conn *c, u32 len, u32 truesize)
{
	s64 cost = win_from_space(c, truesize), win;
	const struct mem_limits *l = snd_limits(c);

	if (cost <= len)
		return 2 * c->advmss;
	/* The worse the overhead, the lower the level up to which we grow. */
	win = win_from_space(c, l->rmem[2]) / 2;
	for (cost /= 2; c->rcv_ssthresh <= win; cost /= 2, win /= 2)
		if (cost <= len)
			return 2 * c->rcv_mss;
	return 0;
}

static void grow_window(struct conn *c, u32 len, u32 truesize)
{
	s64 room = min((s64)c->window_clamp, free_space(c)) - c->rcv_ssthresh;
	u32 incr;

	if (room <= 0)
		return;
	if (mem_under_pressure(&c->mem)) {
		flow_clamp_ssthresh(c);
		return;
	}
	incr = growth(c, len, truesize);
	if (incr)
		c->rcv_ssthresh += min(room, (s64)max(incr, 2 * len));
}

/* ---- R4.19: the receiver's round trip -------------------------------- */

static void rtt_update(struct conn *c, u32 sample, bool by_window)
{
	u32 old = c->rcv_rtt_us;

	if (!old || sample << 3 < old)
		c->rcv_rtt_us = sample << 3;
	else if (!by_window && !rcv_unread(c))
		c->rcv_rtt_us = old - (old >> 3) + sample;
}

/* (a): how long one full offered window takes. */
static void rtt_by_window(struct conn *c, usec_t now)
{
	usec_t took = now - c->rcv_rtt_est.time;

	if (c->rcv_rtt_est.time) {
		if (c->rcv_nxt < c->rcv_rtt_est.seq)
			return;
		if (took < RTT_SANE_US)
			rtt_update(c, max(took, (usec_t)1), true);
	}
	c->rcv_rtt_est.seq = c->rcv_nxt + c->rcv_wnd;
	c->rcv_rtt_est.time = now;
}

/* (b): by echoed time stamps of full segments, each echo once. */
void flow_rtt_measure(struct conn *c, const struct rx_pkt *p, usec_t now)
{
	s32 delta = snd_ts(c, now) - p->h.ts_ecr;

	if (!p->h.ts_ecr || p->h.ts_ecr == c->rcv_rtt_ecr)
		return;
	c->rcv_rtt_ecr = p->h.ts_ecr;
	if (p->len >= c->rcv_mss && delta > 0 && delta < RTT_SANE_US)
		rtt_update(c, delta, false);
}

void flow_data_stored(struct conn *c, const struct rx_pkt *p, u32 len, u32 truesize,
		      bool in_order, usec_t now)
{
	measure_mss(c, len, truesize, p->h.flags & WF_PSH);
	if (in_order)
		rtt_by_window(c, now);
	if (!in_order || len >= GROW_MIN_LEN)
		grow_window(c, len, truesize);
}

/* ---- R4.19: dynamic right-sizing ------------------------------------- */

static u64 ofo_span(const struct conn *c)
{
	if (list_empty(&c->ofoq))
		return 0;
	return seg_end(seg_of(c->ofoq.prev)) - c->rcv_nxt;
}

void flow_grow_rcvbuf(struct conn *c, u32 copied)
{
	u32 old = c->rcvq_space.space, rtt = c->rcv_rtt_us >> 3;
	const struct mem_limits *l = snd_limits(c);
	u64 win = 2 * (u64)copied;
	s64 target;

	c->rcvq_space.space = copied;
	if (c->mem.lock_bits & RCVBUF_LOCK)
		return;
	if (rtt < DRS_LOW_RTT_US)
		win += win * rtt / DRS_LOW_RTT_US;
	else if (copied > old && old)
		win += 2 * win * (copied - old) / old;
	win += ofo_span(c);
	win = min(win, (u64)RCVBUF_CAP);
	target = min(space_from_win(c, win), (s64)l->rmem[2]);
	if (target <= c->mem.rcvbuf)
		return;
	c->mem.rcvbuf = target;
	clamp_follows(c);
}

void flow_data_read(struct conn *c, usec_t now)
{
	s64 copied;

	if (!c->rcv_rtt_us || now - c->rcvq_space.time < c->rcv_rtt_us >> 3)
		return;
	copied = (s64)(c->copied_seq - c->rcvq_space.seq) - (s64)rcv_unread(c);
	if (copied > c->rcvq_space.space)
		flow_grow_rcvbuf(c, min(copied, (s64)RCVBUF_CAP));
	c->rcvq_space.seq = c->copied_seq;
	c->rcvq_space.time = now;
}

/* ---- R4.16: choosing the window -------------------------------------- */

u32 flow_raw_window(struct conn *c)
{
	s64 full = full_space(c), free = free_space(c);
	s64 top = min((s64)c->window_clamp, full);
	s64 mss = min((s64)c->rcv_mss, top);

	if (mss <= 0)
		return 0;
	if (free < top / 2) {
		c->quick_left = 0;
		if (mem_under_pressure(&c->mem))
			flow_clamp_ssthresh(c);
		if (free < full / 16 || free < mss)
			return 0;
	}
	return min(free, (s64)c->rcv_ssthresh);
}

u32 rcv_select_window(struct conn *c)
{
	u32 cur = rcv_window_left(c), old = c->rcv_wnd, raw, win;

	if (c->state == CONN_SYN_SENT || c->state == CONN_CLOSED)
		return c->rcv_wnd;
	raw = flow_raw_window(c);
	win = c->nomem ? cur : max(raw, cur);	/* the edge never moves back */
	if (!raw && cur && !c->nomem)
		snd_count(c, CNT_TCPWantZeroWindowAdv, 1);
	if (!win && old)
		snd_count(c, CNT_TCPToZeroWindowAdv, 1);
	else if (win && !old)
		snd_count(c, CNT_TCPFromZeroWindowAdv, 1);
	c->rcv_wup = c->rcv_nxt;
	c->rcv_wnd = win;
	return win;
}

/* ---- D8.7 ------------------------------------------------------------ */

bool flow_admits(struct conn *c)
{
	u32 len = max(c->rcv_mss, c->nomem_len);
	unsigned units = 1 + DIV_ROUND_UP(len, (u32)UNIT_BYTES);
	u32 unit;

	if (list_empty(&c->rcvq))
		return true;		/* R4.9: one segment always, ofo data yields to it */
	if (c->mem.rmem_alloc > c->mem.rcvbuf)
		return false;
	units = min(units, (unsigned)RUN_UNITS_MAX);
	unit = mem_alloc(&c->mem, units, MEM_RCV, false);
	if (unit == MEM_NONE)
		return false;
	mem_free(&c->mem, unit, units, MEM_RCV);
	return true;
}

/* Random, or all that were refused together would come back together. */
static void nomem_wait(struct conn *c, usec_t now)
{
	u32 ms = NOMEM_WAIT_MIN_MS + snd_rand(c) % NOMEM_WAIT_SPREAD_MS;

	timer_set(c, T_NOMEM, now + ms * USEC_PER_MSEC);
}

void flow_nomem(struct conn *c, u32 len, usec_t now)
{
	if (!c->nomem)
		nomem_wait(c, now);
	c->nomem = true;
	c->nomem_len = len;
	c->ack_now = true;
	c->rx_edge++;		/* the reader must make room, whatever SO_RCVLOWAT says */
}

void flow_nomem_check(struct conn *c, usec_t now)
{
	if (!c->nomem)
		return;
	if (!flow_admits(c)) {
		nomem_wait(c, now);
		return;
	}
	c->nomem = false;
	c->nomem_len = 0;
	c->ack_now = true;
	timer_clear(c, T_NOMEM);
}

/* ---- R4.6 ------------------------------------------------------------ */

__attribute__((no_sanitize("thread")))
bool conn_backlog_full(const struct conn *c, u64 parked)
{
	const struct mem_acct *m = &c->mem;
	u64 limit = 2 * (u64)m->rcvbuf + m->sndbuf / 2 + BACKLOG_EXTRA;

	return parked + (u64)m->rmem_alloc > limit;
}

/* ---- options --------------------------------------------------------- */

void conn_set_rcvbuf(struct conn *c, u32 val)		/* R4.20 */
{
	const struct mem_limits *l = snd_limits(c);
	u64 v;

	v = 2 * (u64)min(val, l->rmem_max);
	v = max(v, (u64)SOCK_MIN_RCVBUF);
	c->mem.rcvbuf = min(v, (u64)RCVBUF_CAP);
	c->mem.lock_bits |= RCVBUF_LOCK;
	if (c->state == CONN_CLOSED || c->state == CONN_LISTEN)
		return;
	clamp_follows(c);
	c->rcv_ssthresh = min(max(c->rcv_ssthresh, c->rcv_wnd), c->window_clamp);
}

void conn_set_rcvlowat(struct conn *c, s32 val)		/* R4.21 */
{
	bool locked = c->mem.lock_bits & RCVBUF_LOCK;
	const struct mem_limits *l = snd_limits(c);
	u32 v, cap;

	cap = (locked ? c->mem.rcvbuf : l->rmem[2]) / 2;
	v = min(val < 0 ? (u32)INT32_MAX : (u32)val, cap);
	c->opts.rcvlowat = max(v, 1u);
	c->rx_edge++;
	if (locked || space_from_win(c, v) <= c->mem.rcvbuf)
		return;
	c->mem.rcvbuf = min(space_from_win(c, v), (s64)RCVBUF_CAP);
	c->window_clamp = max(c->window_clamp, v);
}
