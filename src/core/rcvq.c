/*
 * rcvq.c - the receive queue: bytes in order, from packet to program.
 *
 * A payload that fills most of the pool pages it lies in is taken over with
 * them; any other is copied, into the tail segment while that is short, so
 * that small packets cost little more than their bytes.
 *
 * What is refused (R4.8 to R4.10): our own limit is tested before the segment
 * is counted, the domain by the charge itself. One segment on an empty queue
 * is always taken: a reader that has read everything makes progress however
 * full the domain is (R4.9).
 */
#include <errno.h>
#include <sys/socket.h>
#include "core/rcv.h"

/* ---- storing --------------------------------------------------------- */

/* At least three quarters of the pages filled (D8.1). */
static bool worth_pages(const struct rcv_piece *b)
{
	return b->p->npages && 4 * (u64)b->len >= 3 * (u64)b->p->npages * PAGE_BYTES;
}

static bool take_pages(struct conn *c, struct seg *s, const struct rcv_piece *b, bool force)
{
	u32 unit = b->p->page * PAGE_UNITS;
	const u8 *base = mem_addr(&c->mem, unit);

	if (!mem_adopt(&c->mem, arena_pool(c->mem.arena), b->p->page, b->p->npages, force))
		return false;
	s->frag[0] = (struct seg_frag){
		.unit = unit, .units = b->p->npages * PAGE_UNITS,
		.off = b->data - base, .len = b->len,
	};
	s->nfrags = 1;
	s->len = b->len;
	b->p->taken = true;
	return true;
}

/* A charge that no limit may refuse, for as few runs as there are to be had. */
static void copy_forced(struct conn *c, struct seg *s, const struct rcv_piece *b)
{
	unsigned n = DIV_ROUND_UP(b->len, (u32)UNIT_BYTES);
	u32 unit = n <= RUN_UNITS_MAX ? mem_alloc(&c->mem, n, MEM_RCV, true) : MEM_NONE;

	if (unit != MEM_NONE) {
		s->frag[0] = (struct seg_frag){ .unit = unit, .units = n };
		s->nfrags = 1;
	}
	seg_append(&c->mem, s, b->data, b->len, b->len);
}

struct seg *rcv_seg(struct conn *c, const struct rcv_piece *b, bool force)
{
	struct seg *s = seg_new(&c->mem, b->seq, MEM_RCV, force);

	if (!s)
		return NULL;
	s->xmit_time = b->came;
	if (worth_pages(b) && take_pages(c, s, b, force))
		return s;
	if (force)
		copy_forced(c, s, b);
	else
		seg_append(&c->mem, s, b->data, b->len, b->len);
	if (s->len == b->len)
		return s;
	seg_free(&c->mem, s);
	return NULL;
}

bool rcv_coalesce(struct conn *c, struct seg *s, const struct rcv_piece *b)
{
	u32 before = s->len;

	if (before + b->len > RCV_SEG_MAX || worth_pages(b) || seg_full(s))
		return false;
	if (seg_append(&c->mem, s, b->data, b->len, RCV_SEG_MAX) == b->len) {
		s->xmit_time = b->came;
		c->coalesced++;
		return true;
	}
	seg_trim_tail(&c->mem, s, before);
	return false;
}

static bool store_tail(struct conn *c, const struct rcv_piece *b, bool force)
{
	struct seg *s;

	if (!list_empty(&c->rcvq) && rcv_coalesce(c, seg_of(c->rcvq.prev), b))
		return true;
	s = rcv_seg(c, b, force);
	if (!s)
		return false;
	list_add_before(&s->link, &c->rcvq);
	return true;
}

/* R4.10 and storing in one: with a ledger of pages the charge is the test. */
static bool admit(struct conn *c, const struct rcv_piece *b)
{
	if (c->mem.rmem_alloc <= c->mem.rcvbuf && store_tail(c, b, false))
		return true;
	if (!rcv_prune(c, b->seq))
		return false;
	while (!store_tail(c, b, false))
		if (!rcv_drop_ofo(c, b->seq))
			return false;
	return true;
}

/* ---- in order (R4.8) ------------------------------------------------- */

static bool take_in_order(struct conn *c, const struct rcv_piece *b, usec_t now)
{
	if (likely(admit(c, b)))
		return true;
	flow_nomem(c, b->len, now);
	if (list_empty(&c->rcvq) && store_tail(c, b, true))	/* R4.9 */
		return true;
	c->drops++;
	snd_count(c, CNT_TCPRcvQDrop, 1);
	return false;
}

static void rcv_in_order(struct conn *c, const struct rcv_piece *b, usec_t now)
{
	s64 before = c->mem.rmem_alloc;

	if (!rcv_window_left(c)) {
		c->ack_now = true;
		c->drops++;
		snd_count(c, CNT_TCPZeroWindowDrop, 1);
		return;
	}
	if (!take_in_order(c, b, now))
		return;
	c->rcv_nxt += b->len;
	c->bytes_received += b->len;
	c->rcv_psh = b->p->h.flags & WF_PSH;
	c->rx_edge++;
	acks_data_received(c, b->len, now);
	flow_data_stored(c, b->p, b->len, max(c->mem.rmem_alloc - before, (s64)0), true, now);
	if (unlikely(!list_empty(&c->ofoq))) {
		rcv_ofo_drain(c);
		acks_rcv_nxt_moved(c);
		c->ack_now = true;		/* RFC 5681 4.2: a hole was filled */
	}
	if (c->rcv_nxt > rcv_edge(c))		/* an empty queue takes a whole segment */
		c->rcv_wnd = c->rcv_nxt - c->rcv_wup;
}

/* ---- steps 7 and 8 --------------------------------------------------- */

/* A FIN says where the stream ends: once, and not before what we have. False:
 * the packet contradicts what was said. */
static bool note_fin(struct conn *c, const struct rx_pkt *p)
{
	u64 end = p->h.seq + p->len;

	if (c->fin_ofo && (end > c->fin_seq || ((p->h.flags & WF_FIN) && end != c->fin_seq)))
		return false;
	if (!(p->h.flags & WF_FIN) || c->fin_ofo)
		return true;
	if (end < c->rcv_nxt || (!list_empty(&c->ofoq) && end < seg_end(seg_of(c->ofoq.prev))))
		return false;
	c->fin_ofo = true;
	c->fin_seq = end;
	return true;
}

void rcv_data(struct conn *c, struct rx_pkt *p, usec_t now)
{
	struct rcv_piece b = { p->h.seq, p->payload, p->len, p, now };
	u64 end = b.seq + b.len;

	if (unlikely(!note_fin(c, p)))
		return;
	if (p->h.ts_ecr != c->rcv_rtt_ecr)
		flow_rtt_measure(c, p, now);
	if (unlikely(b.seq < c->rcv_nxt)) {
		u32 old = min(end, c->rcv_nxt) - b.seq;

		acks_dsack(c, b.seq, b.seq + old);
		b.seq += old;
		b.data += old;
		b.len -= old;
	}
	if (b.len && b.seq == c->rcv_nxt)
		rcv_in_order(c, &b, now);
	else if (b.len)
		rcv_ofo(c, &b, now);
	if (unlikely(c->fin_ofo)) {
		c->ack_now = true;
		if (c->rcv_nxt == c->fin_seq) {
			c->rcv_nxt++;
			conn_fin_received(c, now);
		}
	}
}

/* ---- reading --------------------------------------------------------- */

void rcv_queue_free(struct conn *c, struct list *q)
{
	while (!list_empty(q)) {
		struct seg *s = seg_of(q->next);

		list_del(&s->link);
		seg_free(&c->mem, s);
	}
}

void rcv_purge(struct conn *c)
{
	rcv_queue_free(c, &c->rcvq);
	rcv_queue_free(c, &c->ofoq);
	acks_forget(c);
	c->copied_seq = c->rcv_nxt - c->fin_rcvd;
}

/* Nothing to copy: why? In the order of tcp_recvmsg(). */
static ssize_t nothing_to_read(struct conn *c)
{
	int err = c->err;

	if (c->fin_rcvd)
		return 0;
	if (err) {
		c->err = 0;
		return -err;
	}
	if (c->rcv_shut)
		return 0;
	return c->state == CONN_CLOSED || c->state == CONN_LISTEN ? -ENOTCONN : -EAGAIN;
}

/* From that byte of what is unread on. */
static size_t peek(const struct conn *c, u8 *buf, size_t len, u64 from)
{
	u64 at = c->copied_seq + from;
	size_t done = 0;

	for (struct list *l = c->rcvq.next; l != &c->rcvq && done < len; l = l->next) {
		const struct seg *s = seg_of(l);
		u32 off = at - s->seq;
		u32 n;

		if (off >= s->len)
			continue;	/* all of it comes before */
		n = min((size_t)(s->len - off), len - done);
		if (buf)
			seg_copy(&c->mem, s, off, buf + done, n);
		at += n;
		done += n;
	}
	return done;
}

/* Copies out and frees segments that were read to their end (R4.18). */
static size_t consume(struct conn *c, u8 *buf, size_t len)
{
	size_t done = 0;

	while (done < len && !list_empty(&c->rcvq)) {
		struct seg *s = seg_of(c->rcvq.next);
		u32 off = c->copied_seq - s->seq;
		u32 n = min((size_t)(s->len - off), len - done);

		if (buf)
			seg_copy(&c->mem, s, off, buf + done, n);
		done += n;
		c->copied_seq += n;
		c->read_stamp = s->xmit_time;
		if (off + n == s->len) {
			list_del(&s->link);
			seg_free(&c->mem, s);
		}
	}
	return done;
}

void rcv_skip(struct conn *c, size_t len)
{
	consume(c, NULL, len);
}

ssize_t conn_peek(struct conn *c, void *buf, size_t len, u64 from)
{
	bool skip = false;
	u64 end;

	if (!len)
		return 0;
	if (unlikely(c->urg.state != URG_NONE)) {
		end = urgent_before(c, from + len, true, &skip);
		len = end > from ? end - from : len;
	}
	if (rcv_unread(c) <= from + skip)
		return nothing_to_read(c);
	return peek(c, buf, len, from + skip);
}

ssize_t conn_recv(struct conn *c, void *buf, size_t len, int flags, usec_t now)
{
	bool skip = false;
	size_t n;

	if (flags & MSG_PEEK)
		return conn_peek(c, flags & MSG_TRUNC ? NULL : buf, len, 0);
	if (!len)
		return 0;
	if (unlikely(c->urg.state != URG_NONE))
		len = urgent_before(c, len, false, &skip);
	if (list_empty(&c->rcvq) || (skip && rcv_unread(c) == 1))
		return nothing_to_read(c);
	if (flags & MSG_TRUNC)
		buf = NULL;		/* count, and drop */
	n = consume(c, buf, len);
	if (unlikely(c->opts.peek_off > 0))
		c->opts.peek_off -= (s32)min((size_t)c->opts.peek_off, n);
	urgent_passed(c);
	flow_data_read(c, now);
	flow_nomem_check(c, now);
	acks_data_read(c, n > 0);
	return n;
}
