/*
 * json.c - everything as one JSON object. Its keys are an interface: they are
 * never renamed and never change their unit, and rudpstat.schema.json says
 * which there are. Memory is in pages, skmem in bytes, times as the key says.
 */
#include <errno.h>
#include <stdio.h>
#include "rudpstat/out.h"

#define INT(v)	((json_int_t)(v))

static json_t *triple(const u32 v[3])
{
	return json_pack("[I, I, I]", INT(v[0]), INT(v[1]), INT(v[2]));
}

static json_t *memory(const struct stat_domain *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:f, s:f}",
			 "allocated", INT(s->allocated),
			 "low", INT(s->limits.mem[0]),
			 "pressure", INT(s->limits.mem[1]),
			 "high", INT(s->limits.mem[2]),
			 "page_size", INT(PAGE_BYTES),
			 "under_pressure", s->under_pressure,
			 "pressure_seconds", s->pressure_seconds,
			 "pressure_now_seconds", s->pressure_now);
}

static json_t *limits(const struct stat_domain *s)
{
	const struct mem_limits *l = &s->limits;

	return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "rmem", triple(l->rmem),
			 "wmem", triple(l->wmem), "max_orphans", INT(l->max_orphans),
			 "rmem_max", INT(l->rmem_max), "wmem_max", INT(l->wmem_max),
			 "notsent_lowat", INT(l->notsent_lowat), "reserve", INT(l->reserve),
			 "ssthresh_metrics", INT(l->ssthresh_metrics));
}

static json_t *sockets(const struct stat_domain *s)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "inuse", INT(s->inuse),
			 "orphan", INT(s->orphan), "timewait", INT(s->timewait),
			 "alloc", INT(s->alloc));
}

/* A command's name is bytes; JSON's strings are UTF-8. */
static json_t *text(const char *bytes)
{
	json_t *j = json_string(bytes);

	return j ? j : json_string("?");
}

static json_t *processes(const struct stat_domain *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nprocs; i++) {
		const struct stat_proc *p = &s->procs[i];

		json_array_append_new(list,
			json_pack("{s:I, s:o, s:I, s:I}", "pid", INT(p->pid), "comm",
				  text(p->comm), "charged", INT(p->charged), "sockets",
				  INT(p->sockets)));
	}
	return list;
}

static json_t *skmem(const struct stat_conn *c)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "rmem_alloc", INT(c->skmem.rmem_alloc),
			 "rcvbuf", INT(c->skmem.rcvbuf),
			 "wmem_alloc", INT(c->skmem.wmem_alloc),
			 "sndbuf", INT(c->skmem.sndbuf),
			 "forward_alloc", INT(c->skmem.forward_alloc),
			 "wmem_queued", INT(c->skmem.wmem_queued),
			 "optmem", INT(c->skmem.optmem),
			 "backlog", INT(c->skmem.backlog),
			 "drops", INT(c->skmem.drops));
}

static void put(json_t *o, const char *key, u64 v)
{
	json_object_set_new(o, key, json_integer(INT(v)));
}

/* Rates in bytes a second; what has no bound has no key. */
static void info_rates(json_t *o, const struct tcp_info *ti)
{
	put(o, "delivery_rate", ti->tcpi_delivery_rate);
	if (ti->tcpi_pacing_rate && ti->tcpi_pacing_rate != UINT64_MAX)
		put(o, "pacing_rate", ti->tcpi_pacing_rate);
	put(o, "last_sent_ms", ti->tcpi_last_data_sent);
	put(o, "last_received_ms", ti->tcpi_last_data_recv);
	put(o, "last_ack_ms", ti->tcpi_last_ack_recv);
}

static void info_sending(json_t *o, const struct conn *c)
{
	json_object_set_new(o, "congestion", json_string(cc_name(c->opts.cc_id)));
	json_object_set_new(o, "ca_state", json_string(ca_state_name(c->ca_state)));
	json_object_set_new(o, "limited", json_string(limited_name(c->why_blocked)));
	put(o, "rto_us", c->rtt.rto_us);
	put(o, "backoff", c->rtt.backoff);
	put(o, "srtt_us", c->rtt.srtt_us);
	put(o, "rttvar_us", c->rtt.rttvar_us);
	put(o, "min_rtt_us", c->rtt.min_rtt_us);
	put(o, "mss", c->mss);
	put(o, "datagram_max", c->dgram_max);
	put(o, "cwnd", c->cwnd);
	put(o, "ssthresh", c->ssthresh);
	put(o, "packets_out", c->packets_out);
	put(o, "sacked_out", c->sacked_out);
	put(o, "lost_out", c->lost_out);
	put(o, "retrans_out", c->retrans_out);
	put(o, "retrans_total", c->retrans_total);
	put(o, "reordering", c->reordering);
	put(o, "delivered", c->delivered);
	put(o, "notsent_bytes", c->write_seq > c->snd_nxt ? c->write_seq - c->snd_nxt : 0);
	put(o, "unacked_bytes", c->snd_nxt > c->snd_una ? c->snd_nxt - c->snd_una : 0);
	put(o, "snd_wnd", c->snd_wnd);
	put(o, "credit", c->credit);
	put(o, "bytes_sent", c->bytes_sent);
	put(o, "bytes_retrans", c->bytes_retrans);
	put(o, "bytes_acked", c->bytes_acked);
	put(o, "segs_out", c->segs_out);
}

static void info_receiving(json_t *o, const struct conn *c)
{
	put(o, "advmss", c->advmss);
	put(o, "rcv_mss", c->rcv_mss);
	put(o, "rcv_wnd", c->rcv_wnd);
	put(o, "rcv_ssthresh", c->rcv_ssthresh);
	put(o, "rcv_space", c->rcvq_space.space);
	put(o, "rcv_rtt_us", c->rcv_rtt_us >> 3);
	put(o, "bytes_received", c->bytes_received);
	put(o, "segs_in", c->segs_in);
}

static json_t *connection(const struct stat_conn *c)
{
	json_t *info = json_object();
	char id[17];

	put(info, "recv_q", c->recv_q);
	put(info, "send_q", c->send_q);
	json_object_set_new(info, "orphan", json_boolean(c->orphan));
	if (!c->listener) {
		info_sending(info, &c->conn);
		info_receiving(info, &c->conn);
		info_rates(info, &c->ti);
	}
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)c->id);
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "id", id, "state", c->state,
			 "local", c->local, "peer", c->peer, "pid", INT(c->pid),
			 "comm", text(c->comm), "skmem", skmem(c), "info", info);
}

static json_t *connections(const struct stat_domain *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nconns; i++)
		json_array_append_new(list, connection(&s->conns[i]));
	return list;
}

static json_t *counters(const u64 v[static CNT_COUNT])
{
	json_t *o = json_object();

	for (unsigned i = 0; i < CNT_COUNT; i++)
		put(o, counter_names[i], v[i]);
	return o;
}

static json_t *domain(const struct stat_domain *s, unsigned show)
{
	json_t *o = json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "name", text(s->name),
			      "uid", INT(s->uid), "memory", memory(s), "limits", limits(s),
			      "sockets", sockets(s), "processes", processes(s),
			      "connections", connections(s), "counters", counters(s->counters));

	if (show & SHOW_SINCE)
		json_object_set_new(o, "counters_since", counters(s->since));
	return o;
}

json_t *json_build(const struct stat_domain *s, size_t n, unsigned show)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, domain(&s[i], show));
	if (json_array_size(list) != n) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:s, s:o}", "version", RUDP_VERSION, "domains", list);
}

int json_print(const struct stat_domain *s, size_t n, unsigned show)
{
	json_t *top = json_build(s, n, show);
	int ret = 0;

	if (!top)
		ret = -ENOMEM;
	else if (json_dumpf(top, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF)
		ret = -EIO;
	json_decref(top);
	return ret;
}
