/*
 * info.c - questions about a connection: readiness by the rules of tcp_poll(),
 * queue lengths, TCP_INFO, and whether it is sound.
 */
#include <string.h>
#include <linux/tcp.h>
#include "core/rcv.h"

/* ---- readiness ------------------------------------------------------- */

/* R4.21: SO_RCVLOWAT gives way where waiting for it would be a deadlock. */
static bool readable(const struct conn *c)
{
	u64 unread = urgent_readable(c);

	if (!unread)
		return false;
	return unread >= c->opts.rcvlowat || c->nomem || mem_under_pressure(&c->mem) ||
	       c->mem.rmem_alloc > c->mem.rcvbuf - c->mem.rcvbuf / 8 ||
	       rcv_window_left(c) <= c->rcv_mss;
}

unsigned conn_ready(const struct conn *c)
{
	unsigned ready = 0;

	if (c->state == CONN_CLOSED || (c->snd_shut && c->rcv_shut))
		ready |= READY_HUP;
	if (c->rcv_shut)
		ready |= READY_IN | READY_RDHUP;
	if (c->err)
		ready |= READY_ERR;
	if (c->state == CONN_SYN_SENT || c->state == CONN_LISTEN)
		return ready;
	if (readable(c))
		ready |= READY_IN;
	if (c->urg.state == URG_VALID)
		ready |= READY_PRI;
	if (c->snd_shut || (snd_writeable(c) && !c->domwait))
		ready |= READY_OUT;
	return ready;
}

/* ---- queues ---------------------------------------------------------- */

u64 conn_outq(const struct conn *c)
{
	if (c->state == CONN_CLOSED || c->snd_una >= c->write_seq)
		return 0;
	return c->write_seq - c->snd_una;
}

u64 conn_notsent(const struct conn *c)
{
	if (c->state == CONN_CLOSED || c->snd_nxt >= c->write_seq)
		return 0;
	return c->write_seq - c->snd_nxt;
}

bool conn_finished(const struct conn *c)
{
	return c->state == CONN_CLOSED && !c->rst_pending;
}

/* ---- TCP_INFO -------------------------------------------------------- */

static u32 ms_since(usec_t then, usec_t now)
{
	return then && now > then ? (now - then) / USEC_PER_MSEC : 0;
}

static void info_sending(const struct conn *c, struct tcp_info *ti)
{
	u32 rto = min(timer_rto(c), (usec_t)UINT32_MAX);

	ti->tcpi_rto = rto;
	ti->tcpi_snd_mss = c->mss;
	ti->tcpi_unacked = c->packets_out;
	ti->tcpi_sacked = c->sacked_out;
	ti->tcpi_lost = c->lost_out;
	ti->tcpi_retrans = c->retrans_out;
	ti->tcpi_rtt = c->rtt.srtt_us;
	ti->tcpi_rttvar = c->rtt.rttvar_us;
	ti->tcpi_min_rtt = c->rtt.min_rtt_us;
	ti->tcpi_snd_ssthresh = c->ssthresh;
	ti->tcpi_snd_cwnd = c->cwnd;
	ti->tcpi_reordering = c->reordering;
	ti->tcpi_total_retrans = c->retrans_total;
	ti->tcpi_bytes_acked = c->bytes_acked;
	ti->tcpi_bytes_sent = c->bytes_sent;
	ti->tcpi_bytes_retrans = c->bytes_retrans;
	ti->tcpi_segs_out = c->segs_out;
	ti->tcpi_notsent_bytes = min(conn_notsent(c), (u64)UINT32_MAX);
	ti->tcpi_delivered = c->delivered;
	ti->tcpi_snd_wnd = c->snd_wnd;
	ti->tcpi_max_pacing_rate = c->opts.max_pacing_rate;
	ti->tcpi_pacing_rate = pace_rate(c);
	if (c->rtt.srtt_us)
		ti->tcpi_delivery_rate = (u64)c->cwnd * c->mss * USEC_PER_SEC / c->rtt.srtt_us;
}

static void info_receiving(const struct conn *c, struct tcp_info *ti)
{
	ti->tcpi_ato = DELACK_US;
	ti->tcpi_rcv_mss = c->rcv_mss;
	ti->tcpi_advmss = c->advmss;
	ti->tcpi_rcv_ssthresh = c->rcv_ssthresh;
	ti->tcpi_rcv_rtt = c->rcv_rtt_us >> 3;
	ti->tcpi_rcv_space = c->rcvq_space.space;
	ti->tcpi_bytes_received = c->bytes_received;
	ti->tcpi_segs_in = c->segs_in;
	ti->tcpi_data_segs_in = c->data_segs_in;
	ti->tcpi_rcv_ooopack = c->ooo_segs_in;
}

void conn_info(const struct conn *c, struct tcp_info *ti, usec_t now)
{
	memset(ti, 0, sizeof(*ti));
	ti->tcpi_state = c->state;
	ti->tcpi_ca_state = c->ca_state;
	ti->tcpi_retransmits = c->retries;
	ti->tcpi_probes = c->probes;
	ti->tcpi_backoff = c->rtt.backoff;
	ti->tcpi_options = TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK;
	ti->tcpi_pmtu = c->dgram_max;
	ti->tcpi_last_data_sent = ms_since(c->last_send, now);
	ti->tcpi_last_data_recv = ms_since(c->last_data_rcv, now);
	ti->tcpi_last_ack_recv = ms_since(c->last_ack_rcv, now);
	info_sending(c, ti);
	info_receiving(c, ti);
}

/* ---- soundness ------------------------------------------------------- */

struct sums {
	u32 packets, sacked, lost, retrans;
	s64 truesize;
};

static void add_segment(struct sums *n, const struct seg *s, bool sent)
{
	n->truesize += seg_truesize(s);
	if (!sent)
		return;
	n->packets += s->pcount;
	n->sacked += s->flags & SEG_SACKED ? s->pcount : 0;
	n->lost += s->flags & SEG_LOST ? s->pcount : 0;
	n->retrans += s->flags & SEG_RETRANS ? s->pcount : 0;
	assert((s->flags & (SEG_SACKED | SEG_LOST)) != (SEG_SACKED | SEG_LOST));
}

static void check_sender(const struct conn *c)
{
	struct sums n = { 0 };
	bool sent = true;
	u64 seq = c->snd_una;

	assert(c->snd_una <= c->snd_nxt && c->snd_nxt <= c->write_seq + c->fin_queued);
	for (struct list *l = c->sndq.next; l != &c->sndq; l = l->next) {
		const struct seg *s = seg_of(l);

		if (l == c->send_head)
			sent = false;
		assert(s->dir == MEM_SND && s->seq == seq);
		assert(sent ? seg_end(s) <= c->snd_nxt : s->seq >= c->snd_nxt);
		seq = seg_end(s);
		add_segment(&n, s, sent);
	}
	assert(seq == c->write_seq + c->fin_queued || list_empty(&c->sndq));
	assert(n.packets == c->packets_out && n.sacked == c->sacked_out);
	assert(n.lost == c->lost_out && n.retrans == c->retrans_out);
	assert(c->packets_out + c->retrans_out >= c->sacked_out + c->lost_out);
	assert(n.truesize == c->mem.wmem_queued);
}

static void check_receiver(const struct conn *c)
{
	u64 seq, first = 0;
	s64 truesize = 0;

	assert(c->copied_seq <= c->rcv_nxt);
	assert(c->rcv_nxt <= rcv_edge(c) + c->fin_rcvd);
	for (struct list *l = c->rcvq.next; l != &c->rcvq; l = l->next) {
		const struct seg *s = seg_of(l);

		assert(s->dir == MEM_RCV && s->len);
		assert(first ? s->seq == first : c->copied_seq - s->seq < s->len);
		first = s->seq + s->len;
		truesize += seg_truesize(s);
	}
	assert(first ? first + c->fin_rcvd == c->rcv_nxt : !rcv_unread(c));
	seq = c->rcv_nxt + 1;		/* above it: a hole lies between */
	for (struct list *l = c->ofoq.next; l != &c->ofoq; l = l->next) {
		const struct seg *s = seg_of(l);

		assert(s->dir == MEM_RCV && s->len && s->seq >= seq);
		seq = s->seq + s->len;
		truesize += seg_truesize(s);
	}
	assert(!c->fin_ofo || c->fin_seq >= c->rcv_nxt);
	assert(truesize == c->mem.rmem_alloc);
}

void conn_check(const struct conn *c)
{
	if (c->state == CONN_CLOSED)
		assert(list_empty(&c->sndq) && list_empty(&c->ofoq) && !c->packets_out);
	else
		check_sender(c);
	check_receiver(c);
	assert((s64)c->mem.pages * PAGE_BYTES ==
	       c->mem.forward_alloc + c->mem.wmem_queued + c->mem.rmem_alloc);
}
