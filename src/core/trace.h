/*
 * trace.h - a connection's events, while somebody wants them: written by
 * whoever holds its lock into a bounded ring that lies in memory others read.
 * Off (conn.trace is NULL) an event costs a look at that pointer.
 *
 * One writer: a ring is one connection's, under its lock. It never waits: old
 * events are overwritten, and a reader who was too slow sees that by `seq`,
 * which is the event's number + 1, and 0 while it is being written. A reader
 * who is gone stops renewing `until`, and the next event turns tracing off.
 */
#ifndef RUDP_CORE_TRACE_H
#define RUDP_CORE_TRACE_H

#include <stdatomic.h>
#include "base.h"
#include "core/conn.h"

enum {
	TRACE_RING_BYTES = 256 << 10,
	TRACE_HEAD_BYTES = 4096,
	TRACE_EVENT_BYTES = 64,
	TRACE_EVENTS = (TRACE_RING_BYTES - TRACE_HEAD_BYTES) / TRACE_EVENT_BYTES,
	TRACE_SACKS = 5,		/* blocks in one TRACE_SACK */
};

enum trace_kind {
	/* a: tx_kind | probe << 8 | fin << 16; n: datagrams; w: seq, end, bytes
	 * with headers | payload of a full datagram << 32, ack, window offered */
	TRACE_SENT = 1,
	/* a: wire_flags | SACK blocks << 8 | D-SACK << 16; w: seq, payload |
	 * header << 32, ack, window */
	TRACE_RECEIVED,
	/* n: blocks; w: of the packet before: start | end << 32, from its ack on */
	TRACE_SACK,
	TRACE_LOST,		/* n: datagrams; a: enum trace_lost; w: seq, end */
	/* a: ca_state; w: cwnd | ssthresh << 32, mss | in flight << 32, srtt |
	 * rttvar << 32, min_rtt | bytes in flight << 32, pacing rate */
	TRACE_METRICS,
	TRACE_STATE,		/* a: conn_state | the one before << 8; w: err */
	TRACE_STREAM,		/* a: enum trace_stream that came; w: offset */
	TRACE_TIMER,		/* a: conn_timer | enum trace_timer << 8; w: deadline */
	/* a: enum trace_memory | on << 8; w: wmem_queued, sndbuf, rmem_alloc,
	 * rcvbuf, pages of the sock */
	TRACE_MEMORY,
	TRACE_DROPPED,		/* n: packets since the last event of the kind */
	TRACE_KINDS,
};

enum trace_lost { LOST_TIME, LOST_TIMEOUT, LOST_NOMEM };
enum trace_stream { STREAM_SENT_ALL = 1, STREAM_FIN_RECEIVED = 2, STREAM_SND_SHUT = 4,
		    STREAM_RCV_SHUT = 8, STREAM_FIN_ACKED = 16 };
enum trace_timer { TIMER_SET, TIMER_EXPIRED, TIMER_CANCELLED };
enum trace_memory { MEMORY_NOSPACE, MEMORY_DOMWAIT, MEMORY_PEER_NOMEM, MEMORY_NOMEM,
		    MEMORY_PRESSURE, MEMORY_KINDS };

struct trace_event {
	_Atomic u64 seq;
	usec_t time;
	u16 kind, n;
	u32 a;
	u64 w[5];
};
static_assert(sizeof(struct trace_event) == TRACE_EVENT_BYTES, "a line of its own");

struct trace_seen {		/* what the last events said */
	u64 metrics[5];
	u32 ca_state, state, stream, memory, timers, drops;
};

struct trace_ring {
	/* the reader's; the program only reads */
	_Atomic u64 owner;	/* trace_owner(); 0: nobody's */
	_Atomic usec_t until;	/* by the monotonic clock; USEC_NEVER: for ever */
	/* the writer's */
	_Alignas(64) _Atomic u64 head;	/* number of the next event */
	usec_t now;		/* of the last one */
	struct trace_seen seen;
	_Alignas(TRACE_HEAD_BYTES) struct trace_event event[TRACE_EVENTS];
};
static_assert(sizeof(struct trace_ring) <= TRACE_RING_BYTES, "a ring fits its place");

/* The account's name and generation, which no other connection has. */
static inline u64 trace_owner(const struct conn *c)
{
	return c->mem.owner | (u64)c->mem.gen << 32;
}

/* From now on into r, beginning with everything as it is. NULL: no more. */
void trace_begin(struct conn *c, struct trace_ring *r, usec_t now);

void trace_sent_slow(struct conn *c, const struct tx_batch *b, usec_t now);
void trace_received_slow(struct conn *c, const struct rx_pkt *p, usec_t now);
void trace_lost_slow(struct conn *c, u32 pkts, u64 seq, u64 end, enum trace_lost why);
void trace_expired_slow(struct conn *c, enum conn_timer t, usec_t now);
void trace_changes_slow(struct conn *c, usec_t now);

static inline void trace_sent(struct conn *c, const struct tx_batch *b, usec_t now)
{
	if (unlikely(c->trace))
		trace_sent_slow(c, b, now);
}

static inline void trace_received(struct conn *c, const struct rx_pkt *p, usec_t now)
{
	if (unlikely(c->trace))
		trace_received_slow(c, p, now);
}

static inline void trace_lost(struct conn *c, u32 pkts, u64 seq, u64 end, enum trace_lost why)
{
	if (unlikely(c->trace))
		trace_lost_slow(c, pkts, seq, end, why);
}

static inline void trace_expired(struct conn *c, enum conn_timer t, usec_t now)
{
	if (unlikely(c->trace))
		trace_expired_slow(c, t, now);
}

/* What a call, a packet or a timer has changed: states, numbers, timers, waits
 * for memory. Called at the end of each, and whenever the lock is left. */
static inline void trace_changes(struct conn *c, usec_t now)
{
	if (unlikely(c->trace))
		trace_changes_slow(c, now);
}

#endif
