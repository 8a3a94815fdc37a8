/*
 * text.c - the tables for people: a summary, sockets as ss(8) prints them,
 * counters as nstat(8) does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "rudpstat/snapshot.h"

enum { BAR_WIDTH = 50 };

/* Pages as people read them. */
static const char *human(u64 pages, char buf[static 32])
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB" };
	double v = (double)pages * (PAGE_BYTES / 1024);
	unsigned u = 0;

	while (v >= 1024 && u + 1 < ARRAY_SIZE(unit)) {
		v /= 1024;
		u++;
	}
	snprintf(buf, 32, v < 10 && u ? "%.1f %s" : "%.0f %s", v, unit[u]);
	return buf;
}

/* Charged memory as # against high; | marks low and pressure. */
static void print_bar(const struct stat_domain *s)
{
	u64 high = max(s->limits.mem[2], (u64)1);
	char bar[BAR_WIDTH + 1];

	for (u64 i = 0; i < BAR_WIDTH; i++)
		bar[i] = i * high < s->allocated * BAR_WIDTH ? '#' : '-';
	for (unsigned i = 0; i < 2; i++) {
		u64 at = min(s->limits.mem[i], high) * BAR_WIDTH / high;

		if (at < BAR_WIDTH && bar[at] == '-')
			bar[at] = '|';
	}
	bar[BAR_WIDTH] = '\0';
	printf("  [%s]%s\n", bar, s->allocated > high ? " above high" : "");
}

static void print_summary(const struct stat_domain *s, bool header)
{
	char used[32], high[32], charged[32];

	printf("domain %s, user %" PRIu32 "\n", s->name, s->uid);
	printf("memory %" PRIu64 " pages (%s) of %" PRIu64 " (%s)\n", s->allocated,
	       human(s->allocated, used), s->limits.mem[2], human(s->limits.mem[2], high));
	print_bar(s);
	printf("  low %" PRIu64 "  pressure %" PRIu64 "  high %" PRIu64 "\n",
	       s->limits.mem[0], s->limits.mem[1], s->limits.mem[2]);
	printf("pressure %s, entered %" PRIu64 " times, %.3f s in all\n",
	       s->under_pressure ? "YES" : "no", s->counters[CNT_TCPMemoryPressures],
	       s->pressure_seconds);
	printf("sockets inuse %" PRIu64 " orphan %" PRIu64 " timewait %" PRIu64
	       " alloc %" PRIu64 "\n", s->inuse, s->orphan, s->timewait, s->alloc);
	if (!s->nprocs)
		return;
	if (header)
		printf("%10s  %-16s%10s%10s  %s\n", "PID", "COMMAND", "SOCKETS", "PAGES", "CHARGED");
	for (size_t i = 0; i < s->nprocs; i++) {
		const struct stat_proc *p = &s->procs[i];

		printf("%10" PRId32 "  %-16s%10" PRIu64 "%10" PRIu64 "  %s\n", p->pid,
		       p->comm, p->sockets, p->charged, human(p->charged, charged));
	}
}

static void print_skmem(const struct stat_conn *c)
{
	printf(" skmem:(r%" PRId64 ",rb%" PRId64 ",t%" PRId64 ",tb%" PRId64 ",f%" PRId64
	       ",w%" PRId64 ",o%" PRId64 ",bl%" PRId64 ",d%" PRId64 ")",
	       c->skmem.rmem_alloc, c->skmem.rcvbuf, c->skmem.wmem_alloc, c->skmem.sndbuf,
	       c->skmem.forward_alloc, c->skmem.wmem_queued, c->skmem.optmem,
	       c->skmem.backlog, c->skmem.drops);
}

static void print_info(const struct stat_conn *sc)
{
	const struct conn *c = &sc->conn;

	printf(" %s rto:%.3f rtt:%.3f/%.3f minrtt:%.3f mss:%" PRIu32 " pmtu:%u rcvmss:%" PRIu32
	       " advmss:%" PRIu32 " cwnd:%" PRIu32, cc_name(c->opts.cc_id),
	       c->rtt.rto_us / 1e3, c->rtt.srtt_us / 1e3, c->rtt.rttvar_us / 1e3,
	       c->rtt.min_rtt_us / 1e3, c->mss, c->dgram_max, c->rcv_mss, c->advmss, c->cwnd);
	if (c->ssthresh < INT32_MAX)
		printf(" ssthresh:%" PRIu32, c->ssthresh);
	printf(" ca_state:%s bytes_sent:%" PRIu64 " bytes_retrans:%" PRIu64 " bytes_acked:%" PRIu64
	       " bytes_received:%" PRIu64 " segs_out:%" PRIu64 " segs_in:%" PRIu64,
	       ca_state_name(c->ca_state), c->bytes_sent, c->bytes_retrans, c->bytes_acked,
	       c->bytes_received, c->segs_out, c->segs_in);
	printf(" delivered:%" PRIu64 " unacked:%" PRIu32 " sacked:%" PRIu32 " lost:%" PRIu32
	       " retrans:%" PRIu32 "/%" PRIu64 " reordering:%" PRIu32, c->delivered,
	       c->packets_out, c->sacked_out, c->lost_out, c->retrans_out, c->retrans_total,
	       c->reordering);
	printf(" notsent:%" PRIu64 " snd_wnd:%" PRIu32 " rcv_wnd:%" PRIu32 " rcv_ssthresh:%" PRIu32
	       " rcv_space:%" PRIu32 " rcv_rtt:%.3f credit:%" PRIu32,
	       c->write_seq > c->snd_nxt ? c->write_seq - c->snd_nxt : 0, c->snd_wnd,
	       c->rcv_wnd, c->rcv_ssthresh, c->rcvq_space.space, c->rcv_rtt_us / 1e3, c->credit);
}

static void print_conn(const struct stat_conn *c, unsigned show)
{
	printf("%-10s %-8" PRIu64 " %-8" PRIu64 " %23s %23s", c->state, c->recv_q, c->send_q,
	       c->local, c->peer);
	if (c->orphan)
		printf("  orphan");
	else
		printf("  users:((\"%s\",pid=%" PRId32 "))", c->comm, c->pid);
	if (show & (SHOW_MEMORY | SHOW_INFO))
		printf("\n\t");
	if (show & SHOW_MEMORY)
		print_skmem(c);
	if (show & SHOW_INFO && !c->listener)
		print_info(c);
	putchar('\n');
}

static void print_sockets(const struct stat_domain *s, unsigned show)
{
	if (!(show & SHOW_NO_HEADER))
		printf("%-10s %-8s %-8s %23s %23s  %s\n", "State", "Recv-Q", "Send-Q",
		       "Local Address:Port", "Peer Address:Port", "Process");
	for (size_t i = 0; i < s->nconns; i++)
		print_conn(&s->conns[i], show);
}

static void print_counters(const struct stat_domain *s)
{
	for (unsigned i = 0; i < CNT_COUNT; i++)
		if (s->counters[i])
			printf("%-28s %14" PRIu64 "  %s\n", counter_names[i], s->counters[i],
			       counter_descs[i]);
}

void text_print(const struct stat_domain *s, unsigned show)
{
	bool header = !(show & SHOW_NO_HEADER);

	if (show & (SHOW_SOCKETS | SHOW_MEMORY | SHOW_INFO))
		print_sockets(s, show);
	if (show & SHOW_COUNTERS)
		print_counters(s);
	if (!(show & (SHOW_SOCKETS | SHOW_MEMORY | SHOW_INFO | SHOW_COUNTERS)))
		print_summary(s, header);
}
