/*
 * trace.c - writes events into a connection's ring (trace.h). Packets, losses
 * and timers that fire are written as they happen; of everything else it is
 * looked, after each step, what differs from what was said last.
 */
#include <string.h>
#include "core/rcv.h"
#include "core/trace.h"

static u64 pair(u32 low, u32 high)
{
	return low | (u64)high << 32;
}

/* The next place, or NULL: nobody reads any more. To be given to put(). */
static struct trace_event *take(struct conn *c, enum trace_kind kind, usec_t now)
{
	struct trace_ring *r = c->trace;
	struct trace_event *e;
	u64 head;

	if (!r || atomic_load_explicit(&r->until, memory_order_relaxed) <= now ||
	    atomic_load_explicit(&r->owner, memory_order_relaxed) != trace_owner(c)) {
		c->trace = NULL;
		return NULL;
	}
	head = atomic_load_explicit(&r->head, memory_order_relaxed);
	e = &r->event[head % TRACE_EVENTS];
	atomic_store_explicit(&e->seq, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	r->now = e->time = now;
	e->kind = (u16)kind;
	e->n = 0;
	e->a = 0;
	memset(e->w, 0, sizeof(e->w));
	return e;
}

static void put(struct conn *c, struct trace_event *e)
{
	struct trace_ring *r = c->trace;
	u64 head = atomic_load_explicit(&r->head, memory_order_relaxed) + 1;

	atomic_store_explicit(&e->seq, head, memory_order_release);
	atomic_store_explicit(&r->head, head, memory_order_release);
}

/* ---- packets ---------------------------------------------------------------------- */

void trace_sent_slow(struct conn *c, const struct tx_batch *b, usec_t now)
{
	struct trace_event *e = take(c, TRACE_SENT, now);
	bool data = b->kind == TX_DATA || b->kind == TX_RETRANS;

	if (!e)
		return;
	e->n = (u16)b->npkts;
	e->a = (u32)b->kind | (u32)b->probe << 8 | (u32)(data && b->fin) << 16;
	e->w[0] = data ? b->seq : c->snd_nxt;
	e->w[1] = data ? b->end : c->snd_nxt;
	e->w[2] = pair(b->bytes, data ? b->mss : 0);
	e->w[3] = c->rcv_nxt;
	e->w[4] = rcv_edge(c) - c->rcv_nxt;
	put(c, e);
}

static void put_sacks(struct conn *c, const struct wire_hdr *h, usec_t now)
{
	for (unsigned i = 0; i < h->nsack; i += TRACE_SACKS) {
		struct trace_event *e = take(c, TRACE_SACK, now);
		unsigned n = min(h->nsack - i, (unsigned)TRACE_SACKS);

		if (!e)
			return;
		e->n = (u16)n;
		for (unsigned j = 0; j < n; j++)
			e->w[j] = pair((u32)(h->sack[i + j].start - h->ack),
				       (u32)(h->sack[i + j].end - h->ack));
		put(c, e);
	}
}

void trace_received_slow(struct conn *c, const struct rx_pkt *p, usec_t now)
{
	struct trace_event *e = take(c, TRACE_RECEIVED, now);

	if (!e)
		return;
	e->n = 1;
	e->a = p->h.flags | (u32)p->h.nsack << 8 | (u32)p->h.has_dsack << 16;
	e->w[0] = p->h.seq;
	e->w[1] = pair(p->len, p->h.len);
	e->w[2] = p->h.ack;
	e->w[3] = p->h.wnd;
	put(c, e);
	put_sacks(c, &p->h, now);
}

/* Found while a packet or a timer was looked at, which was dated just now. */
void trace_lost_slow(struct conn *c, u32 pkts, u64 seq, u64 end, enum trace_lost why)
{
	struct trace_event *e = take(c, TRACE_LOST, c->trace->now);

	if (!e)
		return;
	e->n = (u16)pkts;
	e->a = why;
	e->w[0] = seq;
	e->w[1] = end;
	put(c, e);
}

static void put_timer(struct conn *c, enum conn_timer t, enum trace_timer what, usec_t now)
{
	struct trace_event *e = take(c, TRACE_TIMER, now);

	if (!e)
		return;
	e->a = (u32)t | (u32)what << 8;
	e->w[0] = c->timer[t];
	put(c, e);
}

void trace_expired_slow(struct conn *c, enum conn_timer t, usec_t now)
{
	c->trace->seen.timers &= ~(1u << t);
	put_timer(c, t, TIMER_EXPIRED, now);
}

/* ---- what has changed --------------------------------------------------------------- */

static void state(struct conn *c, struct trace_seen *s, usec_t now)
{
	struct trace_event *e;

	if (c->state == s->state)
		return;
	e = take(c, TRACE_STATE, now);
	if (!e)
		return;
	e->a = (u32)c->state | s->state << 8;
	e->w[0] = (u64)c->err;
	put(c, e);
	s->state = c->state;
}

static u32 stream_bits(const struct conn *c)
{
	return (c->fin_queued && c->snd_nxt > c->write_seq ? STREAM_SENT_ALL : 0) |
	       (c->fin_queued && c->snd_una > c->write_seq ? STREAM_FIN_ACKED : 0) |
	       (c->fin_rcvd ? STREAM_FIN_RECEIVED : 0) |
	       (c->snd_shut ? STREAM_SND_SHUT : 0) | (c->rcv_shut ? STREAM_RCV_SHUT : 0);
}

static void stream(struct conn *c, struct trace_seen *s, usec_t now)
{
	u32 is = stream_bits(c), came = is & ~s->stream;

	for (u32 bit = 1; came; bit <<= 1) {
		struct trace_event *e;

		if (!(came & bit))
			continue;
		came &= ~bit;
		e = take(c, TRACE_STREAM, now);
		if (!e)
			return;
		e->a = bit;
		e->w[0] = bit & (STREAM_FIN_RECEIVED | STREAM_RCV_SHUT) ? c->rcv_nxt : c->write_seq;
		put(c, e);
	}
	s->stream = is;
}

static void metrics(struct conn *c, struct trace_seen *s, usec_t now)
{
	u64 w[5] = {
		pair(c->cwnd, c->ssthresh), pair(c->mss, snd_in_flight(c)),
		pair(c->rtt.srtt_us, c->rtt.rttvar_us), pair(c->rtt.min_rtt_us, c->flight_bytes),
		c->pacing_rate,
	};
	struct trace_event *e;

	if (!memcmp(w, s->metrics, sizeof(w)) && c->ca_state == s->ca_state)
		return;
	e = take(c, TRACE_METRICS, now);
	if (!e)
		return;
	e->a = c->ca_state;
	memcpy(e->w, w, sizeof(w));
	put(c, e);
	memcpy(s->metrics, w, sizeof(w));
	s->ca_state = c->ca_state;
}

/* A timer that runs and is moved says nothing new. */
static void timers(struct conn *c, struct trace_seen *s, usec_t now)
{
	for (unsigned t = 0; t < T_COUNT; t++) {
		bool runs = c->timer[t] != USEC_NEVER, ran = s->timers >> t & 1;

		if (runs == ran)
			continue;
		put_timer(c, t, runs ? TIMER_SET : TIMER_CANCELLED, now);
		s->timers ^= 1u << t;
	}
}

static void memory(struct conn *c, struct trace_seen *s, usec_t now)
{
	u32 is = (u32)c->nospace << MEMORY_NOSPACE | (u32)c->domwait << MEMORY_DOMWAIT |
		 (u32)c->peer_nomem << MEMORY_PEER_NOMEM | (u32)c->nomem << MEMORY_NOMEM |
		 (u32)domain_under_pressure(snd_domain(c)) << MEMORY_PRESSURE;

	for (unsigned i = 0; i < MEMORY_KINDS; i++) {
		struct trace_event *e;

		if (!((is ^ s->memory) >> i & 1))
			continue;
		e = take(c, TRACE_MEMORY, now);
		if (!e)
			return;
		e->a = i | (is >> i & 1) << 8;
		e->w[0] = (u64)c->mem.wmem_queued;
		e->w[1] = c->mem.sndbuf;
		e->w[2] = (u64)c->mem.rmem_alloc;
		e->w[3] = c->mem.rcvbuf;
		e->w[4] = c->mem.pages;
		put(c, e);
	}
	s->memory = is;
}

static void drops(struct conn *c, struct trace_seen *s, usec_t now)
{
	struct trace_event *e;

	if (c->drops == s->drops)
		return;
	e = take(c, TRACE_DROPPED, now);
	if (!e)
		return;
	e->n = (u16)min(c->drops - s->drops, (u32)UINT16_MAX);
	put(c, e);
	s->drops = c->drops;
}

void trace_changes_slow(struct conn *c, usec_t now)
{
	struct trace_seen *s = &c->trace->seen;

	state(c, s, now);
	stream(c, s, now);
	drops(c, s, now);
	metrics(c, s, now);
	memory(c, s, now);
	timers(c, s, now);
}

void trace_begin(struct conn *c, struct trace_ring *r, usec_t now)
{
	c->trace = r;
	if (!r)
		return;
	r->seen = (struct trace_seen){ .drops = c->drops };
	r->now = now;
	trace_changes_slow(c, now);
}
