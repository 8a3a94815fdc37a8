/*
 * open.c - how connections begin, and how their ends are answered for when
 * nothing but a small entry, or nothing at all, is left of them.
 */
#include <errno.h>
#include <string.h>
#include "core/open.h"
#include "core/rcv.h"

enum {
	SYN_LEN = WIRE_HDR + WIRE_OPEN_LEN,
	SYN_CREDIT_SLACK = 64 * 1024,	/* overhead allowance before the first ACK */
};

/* ---- cookie ---------------------------------------------------------- */

static u8 *put(u8 *p, const void *v, size_t n)
{
	memcpy(p, v, n);
	return p + n;
}

/* The id a listener gives a connection: nobody who cannot receive at the
 * claimed address learns it. Host byte order: only this machine reads it. */
static u64 cookie_id(const struct listener_key *k, const struct flow_addr *fa, u64 src_id,
		     u16 dgram_max, u64 cookie_time)
{
	u8 buf[64], *p = buf;
	u64 id;

	p = put(p, fa->local, sizeof(fa->local));
	p = put(p, fa->peer, sizeof(fa->peer));
	p = put(p, &fa->lport, sizeof(fa->lport));
	p = put(p, &fa->pport, sizeof(fa->pport));
	p = put(p, &fa->scope, sizeof(fa->scope));
	p = put(p, &src_id, sizeof(src_id));
	p = put(p, &dgram_max, sizeof(dgram_max));
	p = put(p, &cookie_time, sizeof(cookie_time));
	id = siphash24(k->key, buf, p - buf);
	return id ? id : 1;
}

static bool open_sane(const struct wire_hdr *h)
{
	return h->has_open && h->open.src_id && h->open.dgram_max >= WIRE_DGRAM_MIN;
}

static unsigned seal(u8 *out, const struct wire_hdr *h, u64 seed)
{
	unsigned n = wire_encode(out, h, WIRE_HDR_MAX);

	wire_sum(out, n, NULL, 0, seed);
	return n;
}

/* ---- the listener ---------------------------------------------------- */

unsigned open_syn_reply(const struct listener_key *k, const struct flow_addr *fa,
			const struct wire_hdr *syn, size_t syn_len, u16 dgram_max, u32 wnd,
			u8 *reply, usec_t now)
{
	struct wire_hdr h = {
		.flags = WF_SYN | WF_ACK, .dst_id = syn->open.src_id, .ack = 1,
		.wnd = wnd, .ts_ecr = syn->ts, .credit = wnd + SYN_CREDIT_SLACK,
		.has_open = true,
	};

	if (syn->flags != WF_SYN || syn->dst_id || !open_sane(syn) || syn_len < SYN_LEN)
		return 0;
	h.open.dgram_max = dgram_max;
	h.open.cookie_time = now;
	h.open.src_id = cookie_id(k, fa, syn->open.src_id, syn->open.dgram_max, now);
	h.ts = (u32)now + ts_offset_of(h.open.src_id);
	return seal(reply, &h, wire_seed(syn->open.src_id, 0));
}

bool open_cookie_ok(const struct listener_key *k, const struct flow_addr *fa,
		    const struct wire_hdr *h, const u8 *pkt, size_t len, usec_t now)
{
	u64 made = h->open.cookie_time;

	if (!(h->flags & WF_ACK) || (h->flags & (WF_SYN | WF_RST)) || !open_sane(h))
		return false;
	if (made > now || now - made > COOKIE_LIFE_S * USEC_PER_SEC)
		return false;
	if (h->dst_id != cookie_id(k, fa, h->open.src_id, h->open.dgram_max, made))
		return false;
	return wire_sum_ok(pkt, len, wire_seed(h->dst_id, h->open.src_id));
}

/* ---- connections ----------------------------------------------------- */

u32 open_first_window(u32 rcvbuf, u32 clamp, u16 dgram_max)
{
	return flow_first_window((u64)rcvbuf * RATIO_INIT >> 8, dgram_max - WIRE_HDR, clamp);
}

/* What both ends begin with: stream offsets at 1 and the first window. */
static void begin_stream(struct conn *c)
{
	c->snd_una = c->snd_nxt = c->write_seq = 1;
	c->rcv_nxt = c->rcv_wup = c->copied_seq = 1;
	c->advmss = c->dgram_max - WIRE_HDR;
	c->window_clamp = c->opts.window_clamp ? c->opts.window_clamp : WINDOW_CLAMP_NONE;
	c->rcv_wnd = open_first_window(c->mem.rcvbuf, c->opts.window_clamp, c->dgram_max);
	c->rcv_ssthresh = c->rcv_wnd;
}

/* What the peer's first packet says of it. */
static void meet_peer(struct conn *c, const struct wire_hdr *h, usec_t now)
{
	c->peer_id = h->open.src_id;
	c->cookie_time = h->open.cookie_time;
	c->peer_dgram_max = h->open.dgram_max;
	c->sum_seed = wire_seed(c->id, c->peer_id);
	c->ts_recent = c->ack_ts = h->ts;
	c->credit = h->credit;
	c->snd_wnd = c->max_window = h->wnd;
	c->snd_wnd_edge = 1 + (u64)h->wnd;
	c->snd_wl1 = h->seq;
	c->snd_wl2 = h->ack;
	c->mss = min(c->dgram_max, c->peer_dgram_max) - WIRE_HDR;
	if (c->opts.maxseg)
		c->mss = min(c->mss, c->opts.maxseg);
	c->last_rcv = now;
}

int conn_connect(struct conn *c, usec_t now)
{
	if (c->state == CONN_SYN_SENT)
		return -EALREADY;
	if (c->state != CONN_CLOSED)
		return -EISCONN;
	begin_stream(c);
	c->sum_seed = wire_seed(c->id, 0);
	c->syn_retries = 0;
	c->syn_race = SYN_ALONE;
	snd_count(c, CNT_ActiveOpens, 1);
	conn_set_state(c, CONN_SYN_SENT, now);
	return 0;
}

void conn_race(struct conn *c)
{
	c->syn_race = SYN_RACES;
}

bool conn_silent(const struct conn *c)
{
	return c->syn_race == SYN_SILENT || c->syn_retries;
}

/* SYN_SENT, and the listener's answer is here. */
void open_synack(struct conn *c, const struct wire_hdr *h, usec_t now)
{
	if (!open_sane(h) || h->ack != 1) {
		snd_count(c, CNT_InErrs, 1);
		return;
	}
	meet_peer(c, h, now);
	c->unconfirmed = true;
	c->ack_now = true;
	conn_set_state(c, CONN_ESTABLISHED, now);
	rcv_established(c, now);
	snd_established(c, now);
}

void open_passive(struct conn *c, const struct wire_hdr *h, usec_t now)
{
	assert(c->id == h->dst_id && c->state == CONN_CLOSED);
	begin_stream(c);
	meet_peer(c, h, now);
	c->passive = true;
	snd_count(c, CNT_PassiveOpens, 1);
	conn_set_state(c, CONN_ESTABLISHED, now);
	rcv_established(c, now);
	snd_established(c, now);
}

bool open_sum_ok(const struct conn *c, const struct wire_hdr *h, const u8 *pkt, size_t len)
{
	if (wire_sum_ok(pkt, len, c->sum_seed))
		return true;
	if (c->passive || !(h->flags & (WF_SYN | WF_RST)))
		return false;
	return wire_sum_ok(pkt, len, wire_seed(c->id, 0));
}

/* ---- resets without a connection ------------------------------------- */

unsigned open_reset_reply(const struct wire_hdr *h, size_t len, u8 *reply, usec_t now)
{
	struct wire_hdr r = { .flags = WF_RST | WF_ACK, .ts = (u32)now, .ts_ecr = h->ts };
	u64 id;

	if ((h->flags & WF_RST) || len < WIRE_HDR)
		return 0;
	r.ack = h->seq + (len - h->len) + !!(h->flags & WF_SYN) + !!(h->flags & WF_FIN);
	if (h->has_open) {
		id = r.dst_id = h->open.src_id;
		r.seq = h->flags & WF_ACK ? h->ack : 0;
	} else {
		id = r.seq = h->dst_id;
	}
	return id ? seal(reply, &r, wire_seed(id, 0)) : 0;
}

bool open_reset_ok(const struct conn *c, const struct wire_hdr *h, const u8 *pkt, size_t len)
{
	/* While unconfirmed every packet of ours says our id in OPEN: a reset
	 * without it answers one that was damaged on its way. */
	return (h->flags & WF_RST) && !h->dst_id && !c->unconfirmed && c->peer_id &&
	       h->seq == c->peer_id &&
	       wire_sum_ok(pkt, len, wire_seed(c->peer_id, 0));
}

unsigned open_stale_reply(const struct wire_hdr *h, const u8 *pkt, size_t len, u8 *reply,
			  usec_t now)
{
	if (!wire_sum_ok(pkt, len, wire_seed(h->dst_id, h->open.src_id)))
		return 0;
	return open_reset_reply(h, len, reply, now);
}

/* ---- TIME_WAIT ------------------------------------------------------- */

/* Ids are never used again, so that TIME_WAIT is there only to answer a FIN
 * whose acknowledgement was lost: a few retransmissions of the peer's. */
usec_t tw_period(const struct conn *c)
{
	return clamp(7 * timer_rto(c) / 2, USEC_PER_SEC, FIN_TIMEOUT_US);
}

void tw_from_conn(struct tw *t, const struct conn *c, usec_t now)
{
	usec_t cookie_end = c->cookie_time + COOKIE_LIFE_S * USEC_PER_SEC;

	t->id = c->id;
	t->peer_id = c->peer_id;
	t->snd_nxt = c->snd_nxt;
	t->rcv_nxt = c->rcv_nxt;
	t->ts_recent = c->ts_recent;
	t->until = now + tw_period(c);
	if (c->passive)
		t->until = max(t->until, cookie_end);
}

unsigned tw_reply(const struct tw *t, const struct wire_hdr *h, size_t len, u8 *reply,
		  bool *restart, usec_t now)
{
	struct wire_hdr r = {
		.flags = WF_ACK, .dst_id = t->peer_id, .seq = t->snd_nxt, .ack = t->rcv_nxt,
		.ts = (u32)now + ts_offset_of(t->id), .ts_ecr = h->ts,
	};
	bool fin = h->flags & WF_FIN;
	u64 end = h->seq + (len - h->len);	/* of the payload */

	*restart = false;
	if ((h->flags & WF_RST) || len < WIRE_HDR)
		return 0;
	if (fin && end <= t->rcv_nxt) {
		*restart = true;
		r.ack = max(t->rcv_nxt, end + 1);	/* FIN_WAIT2's lives here too */
	} else if (end > t->rcv_nxt) {
		r.flags = WF_RST | WF_ACK;		/* data nobody will read */
	} else if (len == h->len && !(h->flags & WF_REPLY)) {
		return 0;				/* a bare ACK */
	}
	return seal(reply, &r, wire_seed(t->id, t->peer_id));
}
