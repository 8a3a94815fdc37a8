/*
 * urgent.c - urgent data as Linux TCP has it: one byte of the stream, the last
 * one that send(2) was given with MSG_OOB, is a mark. The receiver can take it
 * out of turn, reading stops in front of it, and passes over it unless
 * SO_OOBINLINE wants it in its place. There is one mark at a time: a newer one
 * turns the byte before into ordinary data.
 *
 * On the wire the packet that ends with the byte says URG. The segment does so
 * each time it is sent, thus a mark is not lost. In contrast to TCP's urgent
 * pointer it does not run ahead of its data.
 */
#include <errno.h>
#include <sys/socket.h>
#include "core/rcv.h"

/* ---- sender --------------------------------------------------------------- */

void conn_mark_urgent(struct conn *c)
{
	struct seg *s;

	if (!snd_has_unsent(c))
		return;
	s = seg_of(c->sndq.prev);
	s->flags |= SEG_URG;
	c->push_seq = c->write_seq;
}

/* ---- receiver ------------------------------------------------------------- */

static bool out_of_line(const struct conn *c)
{
	return c->urg.state != URG_NONE && !c->opts.oobinline;
}

/* The byte is next, it has come, and reading goes around it. */
static bool to_skip(const struct conn *c)
{
	return out_of_line(c) && c->urg.seq == c->copied_seq && rcv_unread(c);
}

/* Step 6. The byte is the packet's last. */
void urgent_received(struct conn *c, const struct rx_pkt *p)
{
	u64 at = p->h.seq + p->len - 1;

	if (at < c->rcv_nxt || (c->urg.state != URG_NONE && at <= c->urg.seq))
		return;			/* known */
	if (to_skip(c))
		rcv_skip(c, 1);		/* nobody took it, nobody will */
	c->urg.seq = at;
	c->urg.byte = p->payload[p->len - 1];
	c->urg.state = URG_VALID;
}

void urgent_passed(struct conn *c)
{
	if (c->urg.state != URG_NONE && c->copied_seq > c->urg.seq)
		c->urg.state = URG_NONE;
}

size_t urgent_before(struct conn *c, size_t len, bool peek, bool *skip)
{
	*skip = to_skip(c);
	if (*skip && !peek) {
		rcv_skip(c, 1);
		urgent_passed(c);
		*skip = false;
	}
	if (c->urg.state != URG_NONE && c->urg.seq > c->copied_seq)
		len = min((u64)len, c->urg.seq - c->copied_seq);
	return len;
}

bool conn_at_mark(const struct conn *c)
{
	return c->urg.state != URG_NONE && c->urg.seq == c->copied_seq;
}

u64 urgent_readable(const struct conn *c)
{
	return rcv_unread(c) - to_skip(c);
}

u64 conn_unread(const struct conn *c)
{
	u64 unread = rcv_unread(c);

	if (out_of_line(c) && c->urg.seq < c->rcv_nxt)
		return min(unread, c->urg.seq - c->copied_seq);
	return unread;
}

int conn_recv_urgent(struct conn *c, bool peek)
{
	if (c->urg.state == URG_NONE || c->urg.state == URG_TAKEN || c->opts.oobinline)
		return -EINVAL;
	if (c->state == CONN_CLOSED && !c->fin_rcvd)
		return -ENOTCONN;
	if (!peek)
		c->urg.state = URG_TAKEN;
	return c->urg.byte;
}
