/*
 * rcv.h - what the files of the receiver's half share.
 *
 * The receive queue holds [.., rcv_nxt) in order; reading moves copied_seq
 * through it and frees whole segments (R4.18). The ofo queue holds what came
 * above rcv_nxt. All stored bytes are in segments of direction MEM_RCV.
 */
#ifndef RUDP_CORE_RCV_H
#define RUDP_CORE_RCV_H

#include "core/conn.h"
#include "core/snd.h"

enum {
	/* small payloads gather in one segment up to this; reading frees whole
	 * segments, so not longer */
	RCV_SEG_MAX = 16384,
	RATIO_INIT = 128,	/* R4.2: half of the memory becomes window */
	QUICKACKS_MAX = 16,	/* TCP_MAX_QUICKACKS: while the peer's cwnd opens */
	WINDOW_CLAMP_NONE = 65535 << 14,	/* R4.4: as far as TCP can say */
};

/* Bytes the program has not read yet. */
static inline u64 rcv_unread(const struct conn *c)
{
	return c->rcv_nxt - c->fin_rcvd - c->copied_seq;
}

/* The furthest offset we promised to take. It never moves back. */
static inline u64 rcv_edge(const struct conn *c)
{
	return c->rcv_wup + c->rcv_wnd;
}

/* What is left of the last offer. */
static inline u32 rcv_window_left(const struct conn *c)
{
	return rcv_edge(c) > c->rcv_nxt ? rcv_edge(c) - c->rcv_nxt : 0;
}

/* A connection's clock offset. Of its id, so that a stateless answer agrees. */
static inline u32 ts_offset_of(u64 id)
{
	return (u32)id ^ (u32)(id >> 32);
}

/* ---- room (flow.c) --------------------------------------------------- */

s64 win_from_space(const struct conn *c, s64 space);	/* W of R4.2 */
s64 space_from_win(const struct conn *c, s64 win);	/* S */
/* R4.4: the first window for `full` bytes of it; clamp 0: none. */
u32 flow_first_window(s64 full, u32 mss, u32 clamp);
u32 flow_raw_window(struct conn *c);		/* R4.16's raw choice */
/* A segment of `len` bytes was stored at the cost of `truesize`. */
void flow_data_stored(struct conn *c, const struct rx_pkt *p, u32 len, u32 truesize,
		      bool in_order, usec_t now);
void flow_rtt_measure(struct conn *c, const struct rx_pkt *p, usec_t now);
void flow_data_read(struct conn *c, usec_t now);	/* DRS after a read */
void flow_grow_rcvbuf(struct conn *c, u32 copied);	/* R4.19 grow() */
void flow_clamp_ssthresh(struct conn *c);	/* under pressure: D8.5.2 */
void flow_clamp_rcvbuf(struct conn *c);		/* R4.13 */
/* Would what was refused, or one more full segment, be admitted now? Nothing is
 * kept. */
bool flow_admits(struct conn *c);
/* The domain or our own limit refused so much: tell the peer (D8.7). */
void flow_nomem(struct conn *c, u32 len, usec_t now);
/* T_NOMEM, and whenever memory came back: announce relief, or wait on. */
void flow_nomem_check(struct conn *c, usec_t now);

/* ---- urgent data (urgent.c) ------------------------------------------ */

void urgent_received(struct conn *c, const struct rx_pkt *p);	/* a packet with URG and data */
/* How much of len lies before the mark. A byte at the front that is read
 * around is dropped; peeking, *skip says that there is one. */
size_t urgent_before(struct conn *c, size_t len, bool peek, bool *skip);
void urgent_passed(struct conn *c);		/* copied_seq has moved */
u64 urgent_readable(const struct conn *c);	/* unread bytes that a read would give */
void rcv_skip(struct conn *c, size_t len);	/* drops from the front of the queue */

/* ---- acknowledgements (acks.c) --------------------------------------- */

void acks_data_received(struct conn *c, u32 len, usec_t now);
void acks_dsack(struct conn *c, u64 start, u64 end);	/* a duplicate came */
void acks_ofo_added(struct conn *c, u64 start, u64 end);
void acks_rcv_nxt_moved(struct conn *c);	/* forget blocks now in order */
void acks_forget(struct conn *c);		/* the ofo queue was dropped from */
void acks_data_read(struct conn *c, bool copied);	/* R4.17 */
/* T_DELACK. */
void acks_delack_timeout(struct conn *c);

/* ---- queues (rcvq.c, ofo.c, prune.c) --------------------------------- */

/* New bytes of a packet: what is left of it after trimming. */
struct rcv_piece {
	u64 seq;
	const u8 *data;
	u32 len;
	struct rx_pkt *p;	/* its pages, if they may be taken over */
	usec_t came;
};

/* A segment with the piece in it: pages taken over, or copied. NULL: refused. */
struct seg *rcv_seg(struct conn *c, const struct rcv_piece *b, bool force);
/* Appends the piece to a segment that ends where it begins. */
bool rcv_coalesce(struct conn *c, struct seg *s, const struct rcv_piece *b);
void rcv_ofo(struct conn *c, struct rcv_piece *b, usec_t now);
/* Moves what follows rcv_nxt now from the ofo queue to the receive queue. */
void rcv_ofo_drain(struct conn *c);
/* R4.12; seq is the arriving segment's. True: within our own limit. */
bool rcv_prune(struct conn *c, u64 seq);
bool rcv_drop_ofo(struct conn *c, u64 seq);	/* R4.15; false: nothing dropped */
void rcv_queue_free(struct conn *c, struct list *q);

/* ---- states (state.c) ------------------------------------------------ */

void conn_fin_received(struct conn *c, usec_t now);	/* step 8 */
void conn_fin_acked(struct conn *c, usec_t now);

#endif
