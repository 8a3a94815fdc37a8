/*
 * seg.h - a segment: one 256-byte unit that describes a range of the stream
 * and the unit runs ("frags") which hold its bytes.
 *
 * A segment is on exactly one queue (send: unsent or rtx; receive: in order
 * or out of order) and is charged for its descriptor and its frags as long as
 * it exists. Splitting gives the boundary unit to the *second* half: the first
 * is always freed first (the send queue is freed by cumulative ack alone).
 *
 * Guarded by the sock's lock.
 */
#ifndef RUDP_CORE_SEG_H
#define RUDP_CORE_SEG_H

#include "base.h"
#include "mem/acct.h"

enum { SEG_FRAGS = 9 };

enum seg_flags {
	SEG_SACKED = 1,		/* peer has it, out of order */
	SEG_LOST = 2,		/* deemed lost (stays set while RETRANS is in flight) */
	SEG_RETRANS = 4,	/* its last retransmission is in flight */
	SEG_EVER_RETRANS = 8,	/* RTT samples of it are ambiguous without ts */
	SEG_FIN = 16,		/* carries FIN after its last byte */
	SEG_PSH = 32,
	SEG_URG = 64,		/* its last byte is urgent; nothing is appended */
	SEG_APP_LIMITED = 128,	/* sent while the program was the limit */
};

struct seg_frag {
	u32 unit;		/* first unit owned */
	u16 units;		/* owned; 0: the data lies in the next frag's unit */
	u16 pad;
	u32 off;		/* of the data from the start of `unit` */
	u32 len;		/* bytes of data */
};

struct seg {
	struct list link;	/* its queue, by seq */
	struct list tsorted;	/* RACK: in-flight segments by time sent */
	u64 seq;		/* first byte */
	u32 len;		/* bytes of payload */
	u16 flags;
	u8 nfrags;
	u8 retrans;		/* times retransmitted */
	usec_t xmit_time;	/* last transmission; received: when its last part came */
	u64 delivered;		/* conn's `delivered` when it was sent: rate sample */
	u32 unit;		/* our own descriptor */
	u16 pcount;		/* datagrams of its last transmission */
	u16 dir;		/* enum mem_dir */
	u32 mss;		/* payload of a full datagram of it */
	u32 delivered_ago;	/* microseconds, when it was sent: since the last
				 * delivery; since the flight before it was sent */
	u32 first_sent_ago;
	u32 pad;
	struct seg_frag frag[SEG_FRAGS];
};
static_assert(sizeof(struct seg) <= UNIT_BYTES, "a descriptor is one unit");

static inline u64 seg_end(const struct seg *s)	/* FIN included */
{
	return s->seq + s->len + !!(s->flags & SEG_FIN);
}

/* An empty segment at `seq`, charged; NULL: refused (mem_alloc's rules). */
struct seg *seg_new(struct mem_acct *a, u64 seq, enum mem_dir dir, bool force);
void seg_free(struct mem_acct *a, struct seg *s);
/* Appends up to `len` bytes from `src`, never beyond `max_len` in all; charges
 * as needed. Returns the bytes taken: fewer when memory is refused or frags
 * run out (then seg_full()). */
u32 seg_append(struct mem_acct *a, struct seg *s, const void *src, u32 len, u32 max_len);
bool seg_full(const struct seg *s);
/* Cuts [seq + at, end) off into a new segment that is returned unlinked, with
 * the same flags (FIN, PSH and URG move to it). 0 < at < len. NULL: no descriptor
 * to be had (it is forced: only real shortage). */
struct seg *seg_split(struct mem_acct *a, struct seg *s, u32 at);
/* Drops the first n bytes (n < len; n == len if FIN remains); units wholly in
 * front are freed. */
void seg_trim_head(struct mem_acct *a, struct seg *s, u32 n);
void seg_trim_tail(struct mem_acct *a, struct seg *s, u32 new_len);
/* Copies out [off, off+len). */
void seg_copy(const struct mem_acct *a, const struct seg *s, u32 off, void *dst, u32 len);
/* Describes [off, off+len) as pieces; returns how many (<= SEG_FRAGS). */
struct iovec;
int seg_iov(const struct mem_acct *a, const struct seg *s, u32 off, u32 len,
	    struct iovec *iov);
u32 seg_truesize(const struct seg *s);

#endif
