/*
 * output.c - what may leave now, as a list of questions.
 *
 * conn_output() asks, in this order:
 *
 *   1  is a reset owed?                     2  a SYN?
 *   3  an acknowledgement with SACK?        (beside data there is no room)
 *   4  has a tail loss probe been asked for?
 *   5  is something lost and not yet sent again?	(pacing, small queues: pace.c)
 *   6  may new data go?                     new_data_limit()
 *   7  is another probe due?                8  a bare acknowledgement?
 *
 * The first yes builds a train of datagrams from one segment; the first no of
 * question 6 is remembered in why_blocked. Building commits nothing that
 * anybody can see: a segment may be cut in two where a window ends, and the
 * window that the header offers counts as offered. conn_sent() commits.
 *
 * Every packet carries the cumulative acknowledgement. Datagrams of a train
 * must be of one size, so that SACK options ride only on a datagram that is
 * alone and has room; otherwise the acknowledgement stays owed.
 */
#include <string.h>
#include "core/snd.h"

enum { CREDIT_OVERHEAD = 1024 };	/* a packet, wire.h */

/* ---- headers ----------------------------------------------------------------- */

static u8 ack_flags(const struct conn *c)
{
	return WF_ACK | (c->nomem ? WF_NOMEM : 0);
}

static void header_init(struct conn *c, struct wire_hdr *h, u64 seq, usec_t now)
{
	memset(h, 0, offsetof(struct wire_hdr, sack));
	h->flags = ack_flags(c);
	h->dst_id = c->peer_id;
	h->seq = seq;
	h->ack = c->rcv_nxt;
	h->wnd = rcv_select_window(c);
	h->ts = snd_ts(c, now);
	h->ts_ecr = c->ts_recent;
	h->credit = c->rcv_credit;
	h->has_open = c->unconfirmed;
	h->open.dgram_max = c->dgram_max;
	h->open.src_id = c->id;
	h->open.cookie_time = c->cookie_time;
}

/* A packet without payload; room: for its header. */
static int lone_packet(struct tx_batch *b, enum tx_kind kind, const struct wire_hdr *h,
		       unsigned room, u64 seed)
{
	unsigned len = wire_encode(b->hdr, h, room);

	wire_sum(b->hdr, len, NULL, 0, seed);
	b->kind = kind;
	b->npkts = 1;
	b->gso_size = b->bytes = len;
	b->iov[0] = (struct iovec){ b->hdr, len };
	b->niov = 1;
	b->seg = NULL;
	b->fin = false;
	return 1;
}

static int build_rst(struct conn *c, struct tx_batch *b, usec_t now)
{
	struct wire_hdr h;

	header_init(c, &h, c->snd_nxt, now);
	h.flags = WF_RST | WF_ACK;
	return lone_packet(b, TX_RST, &h, WIRE_HDR_MAX, c->sum_seed);
}

static int build_syn(struct conn *c, struct tx_batch *b, usec_t now)
{
	struct wire_hdr h;

	header_init(c, &h, 0, now);
	h.flags = WF_SYN;
	h.dst_id = h.ack = 0;
	h.has_open = true;
	h.open.cookie_time = 0;
	return lone_packet(b, TX_SYN, &h, WIRE_HDR_MAX, wire_seed(c->id, 0));
}

/* A client that has heard nothing yet wants an answer, so that it may stop
 * repeating OPEN. */
static int build_ack(struct conn *c, struct tx_batch *b, usec_t now)
{
	struct wire_hdr h;

	header_init(c, &h, c->snd_nxt, now);
	rcv_sack_fill(c, &h, SACK_BLOCKS_ACK);
	if (c->unconfirmed)
		h.flags |= WF_REPLY;
	b->acks = true;
	return lone_packet(b, TX_ACK, &h, WIRE_HDR_MAX, c->sum_seed);
}

/* An old sequence number, nothing in it, to be answered. */
static int build_empty_probe(struct conn *c, struct tx_batch *b, u8 why, usec_t now)
{
	struct wire_hdr h;

	header_init(c, &h, c->snd_una - 1, now);
	h.flags |= WF_REPLY;
	b->probe = why;
	return lone_packet(b, TX_PROBE, &h, WIRE_HDR_MAX, c->sum_seed);
}

/* ---- trains ------------------------------------------------------------------- */

/* Beside data: only on a datagram that is alone and has room for it. */
static void ack_options(struct conn *c, struct tx_batch *b, struct wire_hdr *h,
			const struct seg *s)
{
	unsigned room = WIRE_HDR_DATA_MAX - WIRE_HDR;

	rcv_sack_fill(c, h, SACK_BLOCKS_DATA);
	b->acks = !h->nsack && !h->has_dsack;
	if (b->acks)
		return;
	if (b->npkts == 1 && !h->has_open && s->len + room <= c->mss &&
	    !(h->nsack && h->has_dsack)) {
		b->acks = true;
		return;
	}
	h->nsack = 0;
	h->has_dsack = false;
}

/* Datagrams of s, each with its header and checksum. */
static void fill_train(struct conn *c, struct tx_batch *b, const struct seg *s,
		       struct wire_hdr *h)
{
	bool last_of_queue = s->link.next == &c->sndq;
	u8 flags = h->flags, *hdr = b->hdr;
	u32 off = 0;

	for (unsigned i = 0; i < b->npkts; i++, hdr += WIRE_HDR_DATA_MAX) {
		u32 len = min(b->mss, s->len - off);
		struct iovec *iov = &b->iov[b->niov];
		unsigned hlen;
		int n;

		h->seq = s->seq + off;
		h->flags = flags;
		if (i + 1 == b->npkts) {
			h->flags |= s->flags & SEG_FIN ? WF_FIN : 0;
			h->flags |= last_of_queue || (s->flags & SEG_PSH) ? WF_PSH : 0;
			h->flags |= s->flags & SEG_URG && len ? WF_URG : 0;
		}
		hlen = wire_encode(hdr, h, WIRE_HDR_DATA_MAX);
		n = seg_iov(&c->mem, s, off, len, iov + 1);
		wire_sum(hdr, hlen, iov + 1, n, c->sum_seed);
		*iov = (struct iovec){ hdr, hlen };
		b->niov += 1 + n;
		b->bytes += hlen + len;
		if (!i)
			b->gso_size = hlen + len;
		off += len;
	}
}

/* Small writes with NODELAY on a near path. When a few of them are in flight
 * the next ones gather until an acknowledgement comes, as Linux gathers what
 * waits for the device (tcp_autocorking); the last that leaves before asks for
 * it, and should it be lost, TLP ends the wait. */
static bool streams_small(const struct conn *c, const struct seg *s)
{
	return c->opts.nodelay && s->len < AUTOCORK_BYTES && c->rtt.srtt_us &&
	       c->rtt.min_rtt_us < AUTOCORK_RTT_US && c->ca_state == CA_OPEN;
}

/* Sends the first datagrams of s, `pkts` at most; cuts the rest off. */
static int build_train(struct conn *c, struct tx_batch *b, struct seg *s, u32 pkts,
		       unsigned max_bytes, usec_t now)
{
	u32 hlen = WIRE_HDR + (c->unconfirmed ? WIRE_OPEN_LEN : 0);
	struct wire_hdr h;

	pkts = min(pkts, (u32)TX_BATCH_PKTS);
	pkts = min(pkts, max_bytes / (b->mss + hlen));
	pkts = max(pkts, 1u);
	if (s->len > pkts * b->mss && !sndq_split(c, s, pkts * b->mss)) {
		c->why_blocked = WHY_MEM;
		return 0;
	}
	b->npkts = s->len ? DIV_ROUND_UP(s->len, b->mss) : 1;
	b->niov = 0;
	b->bytes = 0;
	b->seg = s;
	b->seq = s->seq;
	b->end = seg_end(s);
	b->fin = s->flags & SEG_FIN;
	header_init(c, &h, s->seq, now);
	if (streams_small(c, s) && c->packets_out + 1 >= AUTOCORK_PKTS)
		h.flags |= WF_REPLY;
	ack_options(c, b, &h, s);
	fill_train(c, b, s, &h);
	return 1;
}

/* ---- 5: retransmission ----------------------------------------------------------- */

static struct seg *first_pending(struct conn *c)
{
	struct list *l = c->rtx_hint ? c->rtx_hint : c->sndq.next;

	for (; l != c->send_head; l = l->next) {
		struct seg *s = seg_of(l);

		if ((s->flags & (SEG_LOST | SEG_RETRANS)) == SEG_LOST) {
			c->rtx_hint = l;
			return s;
		}
	}
	return NULL;
}

/* The size it had, unless the path has shrunk. */
static int build_again(struct conn *c, struct tx_batch *b, struct seg *s, u32 pkts,
		       unsigned max_bytes, usec_t now)
{
	u32 most = c->mss - (c->unconfirmed ? WIRE_OPEN_LEN : 0);

	b->kind = TX_RETRANS;
	b->mss = s->mss && s->mss <= most ? s->mss : most;
	return build_train(c, b, s, pkts, max_bytes, now);
}

/* R3.15: too early, or too much of us lies in the kernel's queue. */
static bool held_below(struct conn *c, const struct seg *s, bool again, usec_t now)
{
	if (unlikely(pace_early(c, now)))
		pace_wait(c);
	else if (unlikely(pace_queue_full(c, s, again)))
		pace_queue_wait(c, now);
	else
		return false;
	return true;
}

static int build_retrans(struct conn *c, struct tx_batch *b, unsigned max_bytes, usec_t now)
{
	u32 quota = recovery_quota(c);
	struct seg *s;

	if (!c->rtx_pending || !quota || c->peer_nomem)
		return 0;
	s = first_pending(c);
	if (!s || held_below(c, s, true, now))
		return 0;
	return build_again(c, b, s, min(quota, pace_train(c, s->mss)), max_bytes, now);
}

/* ---- 6: new data -------------------------------------------------------------------- */

/* How many datagrams of s the peer's window takes; 0: not even one. */
static u32 window_pkts(const struct conn *c, const struct seg *s, u32 mss)
{
	u64 room = c->snd_wnd_edge > s->seq ? c->snd_wnd_edge - s->seq : 0;

	if (s->len <= room)
		return UINT32_MAX;
	return room / mss;
}

/* What may be in flight towards the peer's port; one packet always may. */
static u32 credit_pkts(const struct conn *c, const struct seg *s, u32 mss)
{
	u32 flying = c->packets_out - c->sacked_out;
	u64 used = c->flight_bytes + (u64)flying * CREDIT_OVERHEAD;
	u64 room = c->credit > used ? c->credit - used : 0;
	u32 pkts = room / (mss + CREDIT_OVERHEAD);

	if (s->len + CREDIT_OVERHEAD * DIV_ROUND_UP(s->len, mss) <= room)
		return UINT32_MAX;
	return pkts || flying ? pkts : 1;
}

/* Nagle (RFC 1122 4.2.3.4) with Minshall: a small packet waits while another
 * one is unacknowledged; corked, it waits for more; with NODELAY only behind a
 * stream of small ones on a near path. How many datagrams of s need not wait. */
static u32 nagle_pkts(const struct conn *c, const struct seg *s, u32 mss)
{
	bool corked = c->opts.cork || c->snd_more;

	if (s->len % mss == 0 || s->link.next != &c->sndq || (s->flags & SEG_FIN) ||
	    seg_end(s) <= c->push_seq)
		return UINT32_MAX;
	if (corked || (!c->opts.nodelay && c->snd_sml > c->snd_una) ||
	    (streams_small(c, s) && c->packets_out >= AUTOCORK_PKTS))
		return s->len / mss;
	return UINT32_MAX;
}

/* Allowed by state, memory of the peer, cwnd, window, credit, Nagle? */
static u32 new_data_limit(struct conn *c, const struct seg *s, u32 mss)
{
	u32 pkts = recovery_quota(c), n;

	c->why_blocked = WHY_NOMEM;
	if (c->peer_nomem)
		return 0;
	c->why_blocked = WHY_CWND;
	if (!pkts)
		return 0;
	c->why_blocked = WHY_WND;
	n = window_pkts(c, s, mss);
	if (!n)
		return 0;
	pkts = min(pkts, n);
	c->why_blocked = WHY_CREDIT;
	n = credit_pkts(c, s, mss);
	if (!n)
		return 0;
	pkts = min(pkts, n);
	c->why_blocked = WHY_NAGLE;
	n = nagle_pkts(c, s, mss);
	if (!n)
		return 0;
	c->why_blocked = WHY_NONE;
	return min(pkts, n);
}

static int build_new(struct conn *c, struct tx_batch *b, unsigned max_bytes, usec_t now)
{
	struct seg *s;
	u32 pkts;

	if (!snd_has_unsent(c)) {
		c->why_blocked = WHY_EMPTY;
		c->pace_held = false;
		return 0;
	}
	s = seg_of(c->send_head);
	b->kind = TX_DATA;
	b->mss = snd_mss(c);
	pkts = new_data_limit(c, s, b->mss);
	if (!pkts)
		c->pace_held = false;
	if (!pkts || held_below(c, s, false, now))
		return 0;
	return build_train(c, b, s, min(pkts, pace_train(c, b->mss)), max_bytes, now);
}

/* ---- 4 and 7: probes -------------------------------------------------------------------- */

/* RFC 8985 7.3: one datagram of new data whatever cwnd says, else the last one
 * in flight again. */
static int build_tlp(struct conn *c, struct tx_batch *b, unsigned max_bytes, usec_t now)
{
	struct seg *s;
	u32 keep;

	if (!c->packets_out || c->peer_nomem)
		return 0;
	b->probe = PROBE_TLP;
	b->kind = TX_DATA;
	b->mss = snd_mss(c);
	if (snd_has_unsent(c) && window_pkts(c, seg_of(c->send_head), b->mss))
		return build_train(c, b, seg_of(c->send_head), 1, max_bytes, now);

	s = seg_of(c->send_head->prev);
	if (s->flags & SEG_SACKED)
		return 0;
	keep = s->pcount > 1 ? (s->pcount - 1u) * s->mss : 0;
	if (keep && sndq_split(c, s, keep))
		s = seg_of(s->link.next);
	return build_again(c, b, s, 1, max_bytes, now);
}

/* R4.23: what fits the window, else an empty packet. */
static int build_wnd_probe(struct conn *c, struct tx_batch *b, unsigned max_bytes, usec_t now)
{
	struct seg *s;
	u64 room;

	if (!snd_has_unsent(c) || c->peer_nomem || c->packets_out)
		return build_empty_probe(c, b, PROBE_WND, now);
	s = seg_of(c->send_head);
	room = c->snd_wnd_edge > s->seq ? c->snd_wnd_edge - s->seq : 0;
	if (!room && s->len)
		return build_empty_probe(c, b, PROBE_WND, now);
	b->probe = PROBE_WND;
	b->kind = TX_DATA;
	b->mss = min((u64)snd_mss(c), max(room, (u64)1));
	return build_train(c, b, s, 1, max_bytes, now);
}

static int build_probe(struct conn *c, struct tx_batch *b, unsigned max_bytes, usec_t now)
{
	if (c->probe_due & PROBE_WND)
		return build_wnd_probe(c, b, max_bytes, now);
	if (c->probe_due & PROBE_KEEP)
		return build_empty_probe(c, b, PROBE_KEEP, now);
	return 0;
}

/* ---- the questions ------------------------------------------------------------------------ */

static bool sack_owed(const struct conn *c)
{
	return c->ack_now && (c->dsack.start < c->dsack.end || c->fin_ofo ||
			      !list_empty(&c->ofoq));
}

int conn_output(struct conn *c, struct tx_batch *b, unsigned max_bytes, usec_t now)
{
	b->kind = TX_NONE;
	b->probe = 0;
	b->acks = false;
	c->below_full = false;
	timer_clear(c, T_PACE);		/* set again if it is still too early */
	if (c->rst_pending)
		return build_rst(c, b, now);
	if (c->state == CONN_CLOSED || c->state == CONN_LISTEN)
		return 0;
	if (c->state == CONN_SYN_SENT)
		return c->timer[T_RTX] == USEC_NEVER ? build_syn(c, b, now) : 0;
	if (sack_owed(c))
		return build_ack(c, b, now);
	if ((c->probe_due & PROBE_TLP) && build_tlp(c, b, max_bytes, now))
		return 1;
	b->probe = 0;
	if (build_retrans(c, b, max_bytes, now))
		return 1;
	if (build_new(c, b, max_bytes, now))
		return 1;
	if (build_probe(c, b, max_bytes, now))
		return 1;
	return c->ack_now ? build_ack(c, b, now) : 0;
}

/* ---- commit ---------------------------------------------------------------------------------- */

/* RACK breaks ties of time by sequence, so what is sent again after something
 * above it, in the same microsecond, is dated one later. */
static void transmitted(struct conn *c, struct seg *s, usec_t now)
{
	s->xmit_time = max(now, c->xmit_last);
	if (s->xmit_time == c->xmit_last && seq_before(seg_end(s), c->xmit_end))
		s->xmit_time++;
	c->xmit_last = s->xmit_time;
	c->xmit_end = seg_end(s);
	list_del(&s->tsorted);
	list_add_before(&s->tsorted, &c->tsorted);
}

static void sent_new(struct conn *c, const struct tx_batch *b, usec_t now)
{
	struct seg *s = b->seg;

	assert(c->send_head == &s->link);
	c->send_head = s->link.next;
	s->mss = b->mss;
	s->pcount = b->npkts;
	rate_sent(c, s, now);
	score_add(c, s);
	transmitted(c, s, now);
	c->snd_nxt = b->end;
	c->bytes_sent += s->len;
	pace_sent(c, b, now);
	if (s->len < b->npkts * b->mss)
		c->snd_sml = c->snd_nxt;
	recovery_sent(c, b->npkts, now);
	c->last_data_send = now;
	timer_data_sent(c, now);
	snd_write_space(c, now);
}

static void count_retrans(struct conn *c, u32 pkts)
{
	c->retrans_total += pkts;
	snd_count(c, CNT_RetransSegs, pkts);
	if (c->ca_state == CA_LOSS)
		snd_count(c, CNT_TCPSlowStartRetrans, pkts);
	else if (c->ca_state == CA_RECOVERY)
		snd_count(c, CNT_TCPFastRetrans, pkts);
}

static void sent_again(struct conn *c, const struct tx_batch *b, usec_t now)
{
	struct seg *s = b->seg;

	score_del(c, s);
	s->mss = b->mss;
	s->pcount = b->npkts;
	s->flags |= SEG_RETRANS | SEG_EVER_RETRANS;
	score_add(c, s);
	rate_sent(c, s, now);
	s->retrans += s->retrans < UINT8_MAX;
	transmitted(c, s, now);
	if (!c->retrans_stamp)
		c->retrans_stamp = now;
	c->undo_retrans = max(c->undo_retrans, 0) + (s32)b->npkts;
	c->bytes_retrans += s->len;
	c->bytes_sent += s->len;
	pace_sent(c, b, now);
	count_retrans(c, b->npkts);
	if (c->rtx_hint == &s->link)
		c->rtx_hint = s->link.next != c->send_head ? s->link.next : NULL;
	recovery_sent(c, b->npkts, now);
	c->last_data_send = now;
	if (c->sndq.next == &s->link)
		timer_head_resent(c, now);
}

static void sent_probe(struct conn *c, const struct tx_batch *b, usec_t now)
{
	c->probe_due &= ~b->probe;
	switch (b->probe) {
	case PROBE_TLP:
		snd_count(c, CNT_TCPLossProbes, 1);
		c->tlp_end_seq = c->snd_nxt;
		c->tlp_is_retrans = b->kind == TX_RETRANS;
		timer_head_resent(c, now);
		break;
	case PROBE_WND:
		snd_count(c, CNT_TCPWinProbe, 1);
		break;
	case PROBE_KEEP:
		snd_count(c, CNT_TCPKeepAlive, 1);
		break;
	}
}

void conn_sent(struct conn *c, const struct tx_batch *b, usec_t now)
{
	trace_sent(c, b, now);
	c->segs_out += b->npkts;
	snd_count(c, CNT_OutSegs, b->npkts);
	switch (b->kind) {
	case TX_RST:
		c->rst_pending = false;
		break;
	case TX_SYN:
		timer_syn_sent(c, now);
		break;
	case TX_DATA:
		sent_new(c, b, now);
		break;
	case TX_RETRANS:
		sent_again(c, b, now);
		break;
	case TX_ACK:
		timer_ack_sent(c, now);
		break;
	case TX_PROBE:
	case TX_NONE:
		break;
	}
	if (b->probe)
		sent_probe(c, b, now);
	if (b->acks)
		rcv_ack_sent(c, now);
	c->last_send = now;
	trace_changes(c, now);
}
