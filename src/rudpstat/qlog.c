/* qlog.c - events as qlog; see qlog.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rudpstat/qlog.h"

enum { PACKETS_MAX = 1 << 20 };		/* in flight, of whatever memory says */

static double milliseconds(u64 us)
{
	return (double)us / 1e3;
}

static json_t *number(u64 v)
{
	return json_integer((json_int_t)min(v, (u64)INT64_MAX));
}

static void event(struct qlog *q, usec_t now, const char *name, json_t *data)
{
	json_t *e;

	q->last = max(q->last, now);
	e = json_pack("{s:f, s:s, s:o}", "time", milliseconds(q->last - q->begin), "name", name,
		      "data", data);
	fputs(q->any ? ",\n" : "\n", stdout);
	json_dumpf(e, stdout, JSON_COMPACT);
	json_decref(e);
	q->any = true;
}

void qlog_head(struct qlog *q, const struct stat_conn *c, usec_t now)
{
	json_t *title = json_sprintf("%s - %s", c->local, c->peer);
	char *text = json_dumps(title, JSON_ENCODE_ANY);

	q->begin = q->last = now;
	q->state = CONN_CLOSED;
	printf("{\"qlog_version\":\"0.3\",\"qlog_format\":\"JSON\",\"title\":%s,\"traces\":["
	       "{\"title\":%s,\"vantage_point\":{\"type\":\"%s\",\"name\":\"rudpstat\"},"
	       "\"common_fields\":{\"time_format\":\"relative\",\"reference_time\":0,"
	       "\"group_id\":\"%016llx\",\"protocol_type\":[\"RUDP\"]},\"events\":[", text, text,
	       c->conn.passive ? "server" : "client", (unsigned long long)c->id);
	free(text);
	json_decref(title);
}

/* ---- packets on their way ------------------------------------------------------ */

static void packet_out(struct qlog *q, const struct qlog_packet *p)
{
	struct qlog_packet *more;

	if (q->nout == q->room) {
		size_t room = q->room ? q->room * 2 : 256;

		more = room > PACKETS_MAX ? NULL : realloc(q->out, room * sizeof(*more));
		if (!more)
			return;
		q->out = more;
		q->room = room;
	}
	q->out[q->nout++] = *p;
}

/* Takes what lies in [from, to) off the list; `found` is told of each. */
static void packets_done(struct qlog *q, u64 from, u64 to, void *arg,
			 void (*found)(void *arg, const struct qlog_packet *p))
{
	size_t kept = 0;

	for (size_t i = 0; i < q->nout; i++) {
		struct qlog_packet p = q->out[i];

		if (p.seq >= from && p.end <= to)
			found(arg, &p);
		else
			q->out[kept++] = p;
	}
	q->nout = kept;
}

static json_t *range(u64 first, u64 last)
{
	return json_pack("[o, o]", number(first), number(last));
}

/* Ranges of numbers, as they grow. */
static void add_range(void *arg, const struct qlog_packet *p)
{
	json_t *ranges = arg, *last = json_array_get(ranges, json_array_size(ranges) - 1);

	if (last && (u64)json_integer_value(json_array_get(last, 1)) + 1 == p->number)
		json_array_set_new(last, 1, number(p->number));
	else
		json_array_append_new(ranges, range(p->number, p->number));
}

/* ---- sent -------------------------------------------------------------------------- */

static json_t *stream_frame(u64 seq, u64 len, bool fin)
{
	return json_pack("{s:s, s:i, s:o, s:o, s:b}", "frame_type", "stream", "stream_id", 0,
			 "offset", number(seq ? seq - 1 : 0), "length", number(len), "fin", fin);
}

/* What has come since the last one, or the newest again. Without a packet's
 * number it would be none for qvis. */
static void add_ack(struct qlog *q, json_t *frames)
{
	u64 first = q->acked < q->received ? q->acked : q->received - 1;

	if (!q->received)
		return;
	json_array_append_new(frames, json_pack("{s:s, s:[o]}", "frame_type", "ack",
						"acked_ranges", range(first, q->received - 1)));
	q->acked = q->received;
}

static const char *tx_trigger(u32 a)
{
	if ((a >> 8 & 0xff) == PROBE_TLP)
		return "pto_probe";
	if ((a >> 8 & 0xff) == PROBE_WND)
		return "window_probe";
	if ((a >> 8 & 0xff) == PROBE_KEEP)
		return "keepalive";
	return (a & 0xff) == TX_RETRANS ? "retransmit" : NULL;
}

/* What is sent again after it was lost will not be acknowledged as it was. */
static void forget_lost(struct qlog *q, u64 from, u64 to)
{
	size_t kept = 0;

	for (size_t i = 0; i < q->nout; i++)
		if (!q->out[i].lost || q->out[i].seq < from || q->out[i].end > to)
			q->out[kept++] = q->out[i];
	q->nout = kept;
}

static void sent_one(struct qlog *q, const struct trace_event *e, u64 seq, u64 len, bool fin)
{
	enum tx_kind kind = e->a & 0xff;
	u64 header = (u32)e->w[2] > e->w[1] - e->w[0] ? (u32)e->w[2] - (e->w[1] - e->w[0]) : 0;
	json_t *frames = json_array(), *data;

	header /= max(e->n, (u16)1);
	if (kind == TX_RST)
		json_array_append_new(frames, json_pack("{s:s, s:s}", "frame_type",
							"connection_close", "error_space",
							"transport"));
	else if (kind != TX_SYN)
		add_ack(q, frames);
	if (len || fin)
		json_array_append_new(frames, stream_frame(seq, len, fin));
	data = json_pack("{s:{s:s, s:o}, s:{s:o, s:o}, s:o}", "header", "packet_type",
			 kind == TX_SYN ? "initial" : "1RTT", "packet_number", number(q->sent),
			 "raw", "length", number(header + len), "payload_length", number(len),
			 "frames", frames);
	if (tx_trigger(e->a))
		json_object_set_new(data, "trigger", json_string(tx_trigger(e->a)));
	event(q, e->time, "transport:packet_sent", data);
	if (len || fin)
		packet_out(q, &(struct qlog_packet){ q->sent, seq, seq + len + fin,
						     (u32)(header + len), fin, false });
	q->sent++;
}

static void sent(struct qlog *q, const struct trace_event *e)
{
	u64 seq = e->w[0], end = e->w[1], mss = e->w[2] >> 32;
	bool fin = e->a >> 16 & 1;

	if (end < seq + fin || end - seq > (u64)WIRE_DGRAM_MAX * TX_BATCH_PKTS)
		return;
	if ((e->a & 0xff) == TX_RETRANS)
		forget_lost(q, seq, end);
	end -= fin;			/* FIN takes one offset */
	for (unsigned i = 0; i < e->n && i < TX_BATCH_PKTS; i++) {
		u64 len = i + 1u < e->n ? min(mss, end - seq) : end - seq;

		sent_one(q, e, seq, len, fin && seq + len == end);
		seq += len;
	}
}

/* ---- received ------------------------------------------------------------------------ */

/* The packet whose SACK blocks were awaited, with what has come of them. What
 * is acknowledged again, the newest before it, is said where nothing else is. */
static void flush(struct qlog *q)
{
	json_t *frames = json_object_get(q->pending, "frames");

	if (!q->pending)
		return;
	if (!json_array_size(q->ranges) && q->any_acked)
		json_array_append_new(q->ranges, range(q->newest, q->newest));
	if (json_array_size(q->ranges))
		json_array_insert_new(frames, 0, json_pack("{s:s, s:O}", "frame_type", "ack",
							   "acked_ranges", q->ranges));
	json_decref(q->ranges);
	event(q, q->pending_at, "transport:packet_received", q->pending);
	q->pending = NULL;
	q->blocks = 0;
}

static void acked_one(void *arg, const struct qlog_packet *p)
{
	struct qlog *q = arg;

	add_range(q->ranges, p);
	q->newest = q->any_acked ? max(q->newest, p->number) : p->number;
	q->any_acked = true;
}

static void sacked_one(void *arg, const struct qlog_packet *p)
{
	add_range(((struct qlog *)arg)->ranges, p);
}

/* The window is an offset in the stream, as QUIC's. */
static void add_window(struct qlog *q, json_t *frames, u64 ack, u64 window)
{
	u64 edge = (ack ? ack - 1 : 0) + window;

	if (edge == q->edge || edge < window)
		return;
	q->edge = edge;
	json_array_append_new(frames, json_pack("{s:s, s:i, s:o}", "frame_type", "max_stream_data",
						"stream_id", 0, "maximum", number(edge)));
}

static void received(struct qlog *q, const struct trace_event *e)
{
	u32 flags = e->a & 0xff, len = (u32)e->w[1];
	json_t *frames = json_array();

	q->ack = e->w[2];
	q->blocks = e->a >> 8 & 0xff;
	q->pending_at = e->time;
	q->ranges = json_array();
	if (flags & WF_ACK) {
		packets_done(q, 0, q->ack, q, acked_one);
		add_window(q, frames, q->ack, e->w[3]);
	}
	if (len || flags & WF_FIN)
		json_array_append_new(frames, stream_frame(e->w[0], len, flags & WF_FIN));
	if (flags & WF_RST)
		json_array_append_new(frames, json_pack("{s:s, s:s}", "frame_type",
							"connection_close", "error_space",
							"transport"));
	q->pending = json_pack("{s:{s:s, s:o}, s:{s:o, s:o}, s:o, s:b}", "header", "packet_type",
			       flags & WF_SYN ? "initial" : "1RTT", "packet_number",
			       number(q->received++), "raw", "length",
			       number(len + (e->w[1] >> 32)), "payload_length", number(len),
			       "frames", frames, "rudp_nomem", !!(flags & WF_NOMEM));
	if (!q->blocks)
		flush(q);
}

/* Of the packet before: an event has no room for all of them. */
static void sacked(struct qlog *q, const struct trace_event *e)
{
	if (!q->pending)
		return;
	for (unsigned i = 0; i < e->n && i < TRACE_SACKS; i++)
		packets_done(q, q->ack + (u32)e->w[i], q->ack + (e->w[i] >> 32), q, sacked_one);
	q->blocks -= min(q->blocks, (u32)e->n);
	if (!q->blocks)
		flush(q);
}

static void lost_one(struct qlog *q, const struct trace_event *e, const struct qlog_packet *p)
{
	static const char *const why[] = { "time_threshold", "pto_expired", "receiver_memory" };
	u64 len = p->end - p->seq - p->fin;
	json_t *data = json_pack("{s:{s:s}, s:{s:o}, s:[o], s:s}", "header", "packet_type", "1RTT",
				 "raw", "payload_length", number(len), "frames",
				 stream_frame(p->seq, len, p->fin), "trigger",
				 e->a < ARRAY_SIZE(why) ? why[e->a] : "?");

	if (p->number != UINT64_MAX) {
		json_object_set_new(json_object_get(data, "header"), "packet_number",
				    number(p->number));
		json_object_set_new(json_object_get(data, "raw"), "length", number(p->length));
	}
	event(q, e->time, "recovery:packet_lost", data);
}

static void lost(struct qlog *q, const struct trace_event *e)
{
	struct qlog_packet before = { UINT64_MAX, e->w[0], e->w[1], 0, false, true };
	bool any = false;

	if (e->w[1] < e->w[0])
		return;
	for (size_t i = 0; i < q->nout; i++) {
		struct qlog_packet *p = &q->out[i];

		if (p->seq < e->w[0] || p->end > e->w[1])
			continue;
		any = true;
		if (!p->lost)
			lost_one(q, e, p);
		p->lost = true;
	}
	if (!any)			/* sent before somebody looked */
		lost_one(q, e, &before);
}

/* ---- numbers ---------------------------------------------------------------------------- */

static u32 low(u64 v) { return (u32)v; }
static u32 high(u64 v) { return (u32)(v >> 32); }

static const char *ca_name(u32 ca, u64 cwnd)
{
	if (ca == CA_RECOVERY)
		return "recovery";
	if (ca == CA_LOSS)
		return "loss";
	return low(cwnd) < high(cwnd) ? "slow_start" : "congestion_avoidance";
}

static void ca_said(struct qlog *q, usec_t now, const char *to)
{
	json_t *data = json_pack("{s:s}", "new", to);

	if (q->known)
		json_object_set_new(data, "old",
				    json_string(ca_name(q->ca_state, q->metrics[0])));
	event(q, now, "recovery:congestion_state_updated", data);
}

static void metrics(struct qlog *q, usec_t now, u32 ca, const u64 w[5])
{
	const u64 *was = q->metrics;
	u64 mss = low(w[1]), old_mss = low(was[1]);
	struct {
		const char *name;
		double is, was;
		bool ms;
	} all[] = {
		{ "min_rtt", low(w[3]), low(was[3]), true },
		{ "smoothed_rtt", low(w[2]), low(was[2]), true },
		{ "rtt_variance", high(w[2]), high(was[2]), true },
		{ "congestion_window", low(w[0]) * mss, low(was[0]) * old_mss, false },
		{ "ssthresh", high(w[0]) * mss, high(was[0]) * old_mss, false },
		{ "bytes_in_flight", high(w[3]), high(was[3]), false },
		{ "packets_in_flight", high(w[1]), high(was[1]), false },
		{ "pacing_rate", min(w[4], (u64)INT64_MAX / 8) * 8,
		  min(was[4], (u64)INT64_MAX / 8) * 8, false },
	};
	json_t *data = json_object();

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		if (q->known && all[i].is == all[i].was)
			continue;
		json_object_set_new(data, all[i].name, all[i].ms ? json_real(all[i].is / 1e3) :
				    json_integer((json_int_t)all[i].is));
	}
	if (json_object_size(data))
		event(q, now, "recovery:metrics_updated", json_incref(data));
	json_decref(data);
	if (!q->known || strcmp(ca_name(ca, w[0]), ca_name(q->ca_state, was[0])) != 0)
		ca_said(q, now, ca_name(ca, w[0]));
	memcpy(q->metrics, w, sizeof(q->metrics));
	q->ca_state = ca;
	q->known = 1;
}

static void state(struct qlog *q, usec_t now, u32 to, const char *name, u64 err)
{
	json_t *data;

	if (to == q->state)
		return;
	data = json_pack("{s:s, s:s}", "old", state_name(q->state), "new", name);
	if (err && err < 4096)
		json_object_set_new(data, "error", json_string(strerror((int)err)));
	event(q, now, "connectivity:connection_state_updated", data);
	q->state = to;
}

void qlog_sample(struct qlog *q, const struct stat_conn *c, usec_t now)
{
	const struct conn *k = &c->conn;
	u32 in_flight = k->packets_out + k->retrans_out;
	u64 w[5] = {
		k->cwnd | (u64)k->ssthresh << 32,
		k->mss | (u64)(in_flight - min(in_flight, k->sacked_out + k->lost_out)) << 32,
		k->rtt.srtt_us | (u64)k->rtt.rttvar_us << 32,
		k->rtt.min_rtt_us | (u64)k->flight_bytes << 32, k->pacing_rate,
	};

	state(q, now, c->st, c->state, (u64)k->err);
	metrics(q, now, k->ca_state, w);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void stream(struct qlog *q, const struct trace_event *e)
{
	const char *side = "sending", *to;

	switch (e->a) {
	case STREAM_SENT_ALL: to = "data_sent"; break;
	case STREAM_FIN_ACKED: to = "data_received"; break;
	case STREAM_SND_SHUT: to = "half_closed_local"; break;
	case STREAM_FIN_RECEIVED: side = "receiving"; to = "data_received"; break;
	case STREAM_RCV_SHUT: side = "receiving"; to = "half_closed_remote"; break;
	default: return;
	}
	event(q, e->time, "transport:stream_state_updated",
	      json_pack("{s:i, s:s, s:s, s:o}", "stream_id", 0, "stream_side", side, "new", to,
			"offset", number(e->w[0] ? e->w[0] - 1 : 0)));
}

static void timer(struct qlog *q, const struct trace_event *e)
{
	static const char *const names[] = {
		[T_RTX] = "rto", [T_REO] = "reordering", [T_TLP] = "tail_loss_probe",
		[T_PERSIST] = "persist", [T_DELACK] = "delayed_ack", [T_KEEPALIVE] = "keepalive",
		[T_DOMWAIT] = "domain_wait", [T_NOMEM] = "receiver_memory", [T_PACE] = "pacing",
	};
	static const char *const what[] = { "set", "expired", "cancelled" };
	u32 t = e->a & 0xff, did = e->a >> 8;
	bool loss = t == T_RTX || t == T_REO || t == T_TLP;
	json_t *data;

	if (t >= ARRAY_SIZE(names) || did >= ARRAY_SIZE(what))
		return;
	data = json_pack("{s:s, s:s}", "event_type", what[did], "timer", names[t]);
	if (loss)
		json_object_set_new(data, "timer_type", json_string(t == T_REO ? "ack" : "pto"));
	if (did == TIMER_SET && e->w[0] >= e->time)
		json_object_set_new(data, "delta", json_real(milliseconds(e->w[0] - e->time)));
	event(q, e->time, loss ? "recovery:loss_timer_updated" : "rudp:timer_updated", data);
}

static void memory(struct qlog *q, const struct trace_event *e)
{
	static const char *const names[] = {
		[MEMORY_NOSPACE] = "send_buffer", [MEMORY_DOMWAIT] = "domain",
		[MEMORY_PEER_NOMEM] = "peer", [MEMORY_NOMEM] = "receiver",
		[MEMORY_PRESSURE] = "pressure",
	};
	u32 which = e->a & 0xff;

	if (which >= ARRAY_SIZE(names))
		return;
	event(q, e->time, "rudp:memory_wait",
	      json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "wait", names[which], "event_type",
			e->a >> 8 ? "begin" : "end", "wmem_queued", number(e->w[0]), "sndbuf",
			number(e->w[1]), "rmem_alloc", number(e->w[2]), "rcvbuf", number(e->w[3]),
			"pages", number(e->w[4])));
}

static void dropped(struct qlog *q, const struct trace_event *e)
{
	event(q, e->time, "transport:packet_dropped",
	      json_pack("{s:s, s:i}", "trigger", "no_room", "count", (int)e->n));
}

void qlog_event(struct qlog *q, const struct trace_event *e)
{
	if (e->kind != TRACE_SACK)
		flush(q);
	switch (e->kind) {
	case TRACE_SENT: sent(q, e); break;
	case TRACE_RECEIVED: received(q, e); break;
	case TRACE_SACK: sacked(q, e); break;
	case TRACE_LOST: lost(q, e); break;
	case TRACE_METRICS: metrics(q, e->time, e->a, e->w); break;
	case TRACE_STATE: state(q, e->time, e->a & 0xff, state_name(e->a & 0xff), e->w[0]); break;
	case TRACE_STREAM: stream(q, e); break;
	case TRACE_TIMER: timer(q, e); break;
	case TRACE_MEMORY: memory(q, e); break;
	case TRACE_DROPPED: dropped(q, e); break;
	default: break;
	}
}

void qlog_missed(struct qlog *q, u64 events)
{
	flush(q);
	q->nout = 0;		/* what became of these is not known */
	event(q, q->last, "rudp:events_missed", json_pack("{s:o}", "count", number(events)));
}

void qlog_tail(struct qlog *q, bool closed, usec_t now)
{
	flush(q);
	if (closed)
		event(q, now, "connectivity:connection_closed", json_object());
	puts("\n]}]}");
	free(q->out);
	q->out = NULL;
}
