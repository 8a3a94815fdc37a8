/*
 * qlog.h - a connection's events as qlog (draft-ietf-quic-qlog-main-schema-05,
 * qlog_version 0.3), one JSON object, as qvis reads it.
 *
 * qlog counts packets, we count bytes. Each transmission of a datagram is given
 * a packet number of its own, in order; what covers its bytes later, an
 * acknowledgement or a loss, is said of that number. Packets that arrive are
 * numbered as they come.
 */
#ifndef RUDPSTAT_QLOG_H
#define RUDPSTAT_QLOG_H

#include <jansson.h>
#include "core/trace.h"
#include "rudpstat/snapshot.h"

struct qlog_packet {		/* sent, and not acknowledged */
	u64 number, seq, end;
	u32 length;		/* of the datagram */
	bool fin;
	bool lost;		/* and said to be; not sent again yet */
};

struct qlog {
	usec_t begin, last;	/* times never go back */
	bool any;		/* an event was written */
	u64 sent, received;	/* the next packets' numbers */
	struct qlog_packet *out;
	size_t nout, room;
	u64 metrics[5];
	u32 ca_state, known;	/* known: `metrics` and `ca_state` were said */
	u32 state;
	u64 acked;		/* of those received, what a packet of ours has said */
	u64 edge;		/* the peer's window, as it was said */
	u64 newest;		/* the highest number acknowledged, if ... */
	bool any_acked;
	json_t *pending, *ranges;	/* received; `blocks` of SACK are to come */
	usec_t pending_at;
	u64 ack;
	u32 blocks;
};

void qlog_head(struct qlog *q, const struct stat_conn *c, usec_t now);
/* One event of a ring; anything may be in it. */
void qlog_event(struct qlog *q, const struct trace_event *e);
/* What a look from outside shows, where no events come. */
void qlog_sample(struct qlog *q, const struct stat_conn *c, usec_t now);
void qlog_missed(struct qlog *q, u64 events);	/* the reader was too slow */
void qlog_tail(struct qlog *q, bool closed, usec_t now);

#endif
