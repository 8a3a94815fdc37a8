/*
 * trace.c - samples of shared memory as qlog (draft-ietf-quic-qlog-main-schema),
 * which qvis draws: recovery:metrics_updated when a number of the sender's
 * changed, recovery:congestion_state_updated, connectivity:
 * connection_state_updated. It is a sampler: what came and went between two
 * looks is not seen, and the connection does nothing for it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "rudpstat/out.h"
#include "rudpstat/trace.h"

enum { INTERVAL_MS = 20 };

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

struct tracer {
	u64 id;
	usec_t begin, newest;
	bool any;		/* an event was written */
	struct stat_conn last;
};

/* What is watched, by qlog's names; bytes, and milliseconds as fractions. */
static json_t *metrics(const struct conn *c)
{
	u32 in_flight = c->packets_out + c->retrans_out;

	in_flight -= min(in_flight, c->sacked_out + c->lost_out);
	return json_pack("{s:f, s:f, s:f, s:I, s:I, s:I, s:I}",
			 "min_rtt", c->rtt.min_rtt_us / 1e3,
			 "smoothed_rtt", c->rtt.srtt_us / 1e3,
			 "rtt_variance", c->rtt.rttvar_us / 1e3,
			 "congestion_window", (json_int_t)((u64)c->cwnd * c->mss),
			 "ssthresh", (json_int_t)min((u64)c->ssthresh * c->mss, (u64)INT64_MAX),
			 "bytes_in_flight", (json_int_t)((u64)in_flight * c->mss),
			 "packets_in_flight", (json_int_t)in_flight);
}

static void event(struct tracer *t, usec_t now, const char *name, json_t *data)
{
	json_t *e = json_pack("{s:f, s:s, s:o}", "time", (double)(now - t->begin) / 1e3, "name",
			      name, "data", data);

	fputs(t->any ? ",\n" : "\n", stdout);
	json_dumpf(e, stdout, JSON_COMPACT);
	json_decref(e);
	t->any = true;
}

static void changes(struct tracer *t, const struct stat_conn *c, usec_t now)
{
	json_t *is = metrics(&c->conn), *was = t->any ? metrics(&t->last.conn) : NULL;

	if (!t->any || c->st != t->last.st)
		event(t, now, "connectivity:connection_state_updated",
		      json_pack("{s:s, s:s}", "old", t->any ? t->last.state : "UNCONN",
				"new", c->state));
	if (!json_equal(is, was))
		event(t, now, "recovery:metrics_updated", json_incref(is));
	if (!was || c->conn.ca_state != t->last.conn.ca_state)
		event(t, now, "recovery:congestion_state_updated",
		      json_pack("{s:s}", "new", ca_state_name(c->conn.ca_state)));
	if (c->conn.lost_total > t->last.conn.lost_total && was)
		event(t, now, "loss:packets_lost",
		      json_pack("{s:I}", "count",
				(json_int_t)(c->conn.lost_total - t->last.conn.lost_total)));
	json_decref(is);
	json_decref(was);
	t->last = *c;
}

static void head(const struct tracer *t, const struct stat_conn *c)
{
	json_t *title = json_sprintf("%s - %s", c->local, c->peer);
	char *text = json_dumps(title, JSON_ENCODE_ANY);

	printf("{\"qlog_version\":\"0.3\",\"qlog_format\":\"JSON\",\"title\":%s,\"traces\":["
	       "{\"title\":%s,\"vantage_point\":{\"type\":\"unknown\",\"name\":\"rudpstat\"},"
	       "\"common_fields\":{\"time_format\":\"relative\",\"reference_time\":0,"
	       "\"group_id\":\"%016llx\",\"protocol_type\":[\"RUDP\"]},\"events\":[", text, text,
	       (unsigned long long)t->id);
	free(text);
	json_decref(title);
}

/* 1: seen; 0: it is not there; -errno. */
static int look(struct tracer *t, const char *domain)
{
	struct filter f = { .id = t->id };
	char failed[DOMAIN_NAME_MAX];
	struct stat_domain *s;
	int found = 0;
	size_t n;

	snapshot_all(&s, &n, domain, failed);
	for (size_t i = 0; i < n && !found; i++) {
		filter_apply(&f, &s[i]);
		if (!s[i].nconns || s[i].conns[0].listener)
			continue;
		if (!t->begin) {
			t->begin = s[i].taken;
			head(t, &s[i].conns[0]);
		}
		t->newest = s[i].taken;
		changes(t, &s[i].conns[0], t->newest);
		found = 1;
	}
	snapshot_free_all(s, n);
	return ferror(stdout) ? -EIO : found;
}

int trace(const char *domain, u64 id)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct tracer t = { .id = id };
	int ret;

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	for (;;) {
		ret = look(&t, domain);
		if (ret <= 0 || interrupted)
			break;
		fflush(stdout);
		poll(NULL, 0, INTERVAL_MS);
	}
	if (!t.begin)
		return ret ? ret : -ENOENT;
	if (ret == 0)
		event(&t, t.newest, "connectivity:connection_closed", json_object());
	puts("\n]}]}");
	return ret < 0 ? ret : 0;
}
