/*
 * send.c - taking the program's bytes, and telling it when there is room.
 *
 * Two questions (R3.1, R3.2), deliberately not the same: may a sender start
 * another segment, and may the program be told that it can write?
 *
 *   memory free:  wmem_queued < sndbuf            and  notsent     < lowat
 *   writeable:    a third of sndbuf is free       and  2 * notsent < lowat
 *
 * Two shortages: the sock's own limit is announced as over by acknowledgements
 * (nospace); the domain's is over when it is over, so that we look again after
 * a random time (domwait).
 */
#include <errno.h>
#include "core/snd.h"

/* ---- the two questions ------------------------------------------------------- */

static bool notsent_below_lowat(const struct conn *c, unsigned wake)
{
	u64 lowat = c->opts.notsent_lowat ? c->opts.notsent_lowat
					  : snd_limits(c)->notsent_lowat;
	u64 notsent = seq_after(c->write_seq, c->snd_nxt) ? c->write_seq - c->snd_nxt : 0;

	return notsent << wake < lowat;
}

bool snd_memory_free(const struct conn *c)
{
	return c->mem.wmem_queued < (s64)c->mem.sndbuf && notsent_below_lowat(c, 0);
}

bool snd_writeable(const struct conn *c)
{
	s64 queued = c->mem.wmem_queued;

	return (s64)c->mem.sndbuf - queued >= queued / 2 && notsent_below_lowat(c, 1);
}

/* ---- the size of sndbuf -------------------------------------------------------- */

static u64 pow2_ceil(u64 v)
{
	u64 p = 1;

	while (p < v)
		p <<= 1;
	return p;
}

/* Is this a moment to grow it? Who reserved memory has that under pressure. */
static bool may_expand(struct conn *c)
{
	if (c->mem.lock_bits & SNDBUF_LOCK)
		return false;
	if (mem_under_pressure(&c->mem)) {
		s64 unused = (s64)c->mem.reserved - c->mem.wmem_queued - c->mem.rmem_alloc;

		if (unused > SOCK_MIN_SNDBUF)
			c->mem.sndbuf = unused;
		return false;
	}
	return mem_below_low(&c->mem) && snd_in_flight(c) < c->cwnd;
}

void snd_expand_sndbuf(struct conn *c)
{
	u64 per_seg, segs, need;

	per_seg = pow2_ceil(c->mss + 640) + UNIT_BYTES;
	segs = max(INIT_CWND, c->cwnd);
	segs = max(segs, (u64)c->reordering + 1);
	need = (cc_by_id(c->cc_now)->paces ? 3 : 2) * segs * per_seg;
	need = min(need, (u64)snd_limits(c)->wmem[2]);
	if (c->mem.sndbuf < need)
		c->mem.sndbuf = need;
}

/* The callback of R3.7: nospace is cleared here and nowhere else. */
static void write_space(struct conn *c)
{
	if (c->nospace && snd_writeable(c))
		c->nospace = false;
}

void snd_write_space(struct conn *c, usec_t now)
{
	(void)now;
	if (!c->nospace)
		return;
	if (may_expand(c))
		snd_expand_sndbuf(c);
	write_space(c);
}

void conn_set_sndbuf(struct conn *c, u32 val, usec_t now)
{
	u64 v = min(val, snd_limits(c)->wmem_max);

	(void)now;
	c->mem.sndbuf = max(2 * v, (u64)SOCK_MIN_SNDBUF);
	c->mem.lock_bits |= SNDBUF_LOCK;
	write_space(c);
}

/* ---- the send loop (R3.3) -------------------------------------------------------- */

/* g of R3.3: as many datagrams as one system call carries, and not more than
 * half of what the peer ever offered; a single one under pressure (D8.4). */
static u32 size_goal(const struct conn *c)
{
	u32 mss = snd_mss(c), pkts;

	if ((mem_under_pressure(&c->mem) || mem_above_high(&c->mem)) &&
	    !mem_linux_rules(&c->mem))
		return mss;
	pkts = min((u32)WIRE_DGRAM_MAX / (c->mss + WIRE_HDR), (u32)TX_BATCH_PKTS);
	pkts = min(pkts, c->max_window / 2 / mss);
	return max(pkts, 1u) * mss;
}

/* The last segment, if it was not sent yet and has room. */
static struct seg *open_segment(const struct conn *c, u32 goal)
{
	struct seg *s;

	if (!snd_has_unsent(c))
		return NULL;
	s = seg_of(c->sndq.prev);
	return s->len < goal && !seg_full(s) && !(s->flags & SEG_URG) ? s : NULL;
}

static struct seg *new_segment(struct conn *c, usec_t now)
{
	bool idle = list_empty(&c->sndq);
	struct seg *s;

	if (!snd_memory_free(c))
		return NULL;
	s = seg_new(&c->mem, c->write_seq, MEM_SND, idle);
	if (!s)
		return NULL;
	if (idle)
		recovery_idle_check(c, now);
	list_add_before(&s->link, &c->sndq);
	if (!snd_has_unsent(c))
		c->send_head = &s->link;
	return s;
}

static void drop_if_empty(struct conn *c, struct seg *s)
{
	if (s->len)
		return;
	if (c->send_head == &s->link)
		c->send_head = &c->sndq;
	list_del(&s->link);
	seg_free(&c->mem, s);
}

static size_t fill_queue(struct conn *c, const u8 *buf, size_t len, usec_t now)
{
	u32 goal = size_goal(c);
	size_t done = 0;

	while (done < len) {
		struct seg *s = open_segment(c, goal);
		u32 n;

		if (!s)
			s = new_segment(c, now);
		if (!s)
			break;
		n = seg_append(&c->mem, s, buf + done, min(len - done, (size_t)goal), goal);
		c->write_seq += n;
		done += n;
		if (!n || (s->len < goal && done < len && !seg_full(s))) {
			drop_if_empty(c, s);
			break;
		}
	}
	return done;
}

/* R3.5: which of the two shortages was it? */
static void out_of_room(struct conn *c, usec_t now)
{
	c->nospace = true;
	if (snd_memory_free(c))
		timer_domain_wait(c, now);
}

/* What send(2) says when the connection does not take data; 0: it does. */
static int send_refusal(struct conn *c)
{
	if (c->err) {
		int err = c->err;

		c->err = 0;
		return -err;
	}
	if (c->snd_shut)
		return -EPIPE;
	switch (c->state) {
	case CONN_ESTABLISHED:
	case CONN_CLOSE_WAIT:
		return 0;
	case CONN_SYN_SENT:
		return -EAGAIN;
	case CONN_SYN_RECV_unused:
	case CONN_FIN_WAIT1:
	case CONN_FIN_WAIT2:
	case CONN_TIME_WAIT:
	case CONN_CLOSED:
	case CONN_LAST_ACK:
	case CONN_LISTEN:
	case CONN_CLOSING:
		break;
	}
	return -EPIPE;
}

ssize_t conn_send(struct conn *c, const void *buf, size_t len, bool more, usec_t now)
{
	int refusal = send_refusal(c);
	size_t done;

	if (refusal)
		return refusal;
	c->snd_more = more;
	if (!len)
		return 0;
	rate_check_app_limited(c);
	done = fill_queue(c, buf, len, now);
	if (done)
		c->domwait = false;
	if (done < len)
		out_of_room(c, now);
	else if (!snd_writeable(c))
		c->nospace = true;	/* the plug: poll would have said the same */
	timer_check_persist(c, now);
	return done ? (ssize_t)done : -EAGAIN;
}

void conn_opts_changed(struct conn *c, usec_t now)
{
	if (!c->opts.cork) {
		c->snd_more = false;
		if (c->opts.nodelay)
			c->push_seq = c->write_seq;
	}
	recovery_set_cc(c);
	write_space(c);
	timer_keepalive_start(c, now);
}
