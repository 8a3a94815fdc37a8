/*
 * text.c - the tables for people: sockets as ss(8) prints them, counters as
 * nstat(8) does.
 */
#include <inttypes.h>
#include <stdio.h>
#include "rudpstat/out.h"

static void print_skmem(const struct stat_conn *c)
{
	printf(" skmem:(r%" PRId64 ",rb%" PRId64 ",t%" PRId64 ",tb%" PRId64 ",f%" PRId64
	       ",w%" PRId64 ",o%" PRId64 ",bl%" PRId64 ",d%" PRId64 ")",
	       c->skmem.rmem_alloc, c->skmem.rcvbuf, c->skmem.wmem_alloc, c->skmem.sndbuf,
	       c->skmem.forward_alloc, c->skmem.wmem_queued, c->skmem.optmem,
	       c->skmem.backlog, c->skmem.drops);
}

static void print_rates(const struct stat_conn *sc)
{
	char rate[32];

	printf(" send:%s", human_rate(send_rate(sc), rate));
	if (sc->ti.tcpi_pacing_rate && sc->ti.tcpi_pacing_rate != UINT64_MAX)
		printf(" pacing_rate:%s", human_rate((double)sc->ti.tcpi_pacing_rate * 8, rate));
	printf(" delivery_rate:%s", human_rate((double)sc->ti.tcpi_delivery_rate * 8, rate));
}

static void print_sending(const struct stat_conn *sc)
{
	const struct conn *c = &sc->conn;

	printf(" %s rto:%.3f", cc_name(c->opts.cc_id), sc->ti.tcpi_rto / 1e3);
	if (c->rtt.backoff)
		printf(" backoff:%u", c->rtt.backoff);
	printf(" rtt:%.3f/%.3f minrtt:%.3f mss:%" PRIu32 " pmtu:%u rcvmss:%" PRIu32
	       " advmss:%" PRIu32 " cwnd:%" PRIu32, c->rtt.srtt_us / 1e3,
	       c->rtt.rttvar_us / 1e3, c->rtt.min_rtt_us / 1e3, c->mss, c->dgram_max,
	       c->rcv_mss, c->advmss, c->cwnd);
	if (c->ssthresh < INT32_MAX)
		printf(" ssthresh:%" PRIu32, c->ssthresh);
	printf(" ca_state:%s", ca_state_name(c->ca_state));
}

static void print_info(const struct stat_conn *sc)
{
	const struct conn *c = &sc->conn;

	print_sending(sc);
	printf(" bytes_sent:%" PRIu64 " bytes_retrans:%" PRIu64 " bytes_acked:%" PRIu64
	       " bytes_received:%" PRIu64 " segs_out:%" PRIu64 " segs_in:%" PRIu64,
	       c->bytes_sent, c->bytes_retrans, c->bytes_acked, c->bytes_received,
	       c->segs_out, c->segs_in);
	print_rates(sc);
	printf(" lastsnd:%u lastrcv:%u lastack:%u", sc->ti.tcpi_last_data_sent,
	       sc->ti.tcpi_last_data_recv, sc->ti.tcpi_last_ack_recv);
	printf(" delivered:%" PRIu64 " unacked:%" PRIu32 " sacked:%" PRIu32 " lost:%" PRIu32
	       " retrans:%" PRIu32 "/%" PRIu64 " reordering:%" PRIu32, c->delivered,
	       c->packets_out, c->sacked_out, c->lost_out, c->retrans_out, c->retrans_total,
	       c->reordering);
	printf(" notsent:%" PRIu64 " snd_wnd:%" PRIu32 " rcv_wnd:%" PRIu32 " rcv_ssthresh:%" PRIu32
	       " rcv_space:%" PRIu32 " rcv_rtt:%.3f credit:%" PRIu32 " limited:%s",
	       c->write_seq > c->snd_nxt ? c->write_seq - c->snd_nxt : 0, c->snd_wnd,
	       c->rcv_wnd, c->rcv_ssthresh, c->rcvq_space.space, c->rcv_rtt_us / 8e3, c->credit,
	       limited_name(c->why_blocked));
}

static void print_conn(const struct stat_conn *c, unsigned show)
{
	printf("%-10s %-8" PRIu64 " %-8" PRIu64 " %23s %23s", c->state, c->recv_q, c->send_q,
	       c->local, c->peer);
	if (c->orphan)
		printf("  orphan");
	else
		printf("  users:((\"%s\",pid=%" PRId32 "))", c->comm, c->pid);
	if (show & SHOW_INFO)
		printf("  id:%016" PRIx64, c->id);
	if (show & SHOW_MEMORY || (show & SHOW_INFO && !c->listener))
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
		printf("%s%-10s %-8s %-8s %23s %23s  %s%s\n", col.head, "State", "Recv-Q",
		       "Send-Q", "Local Address:Port", "Peer Address:Port", "Process", col.off);
	for (size_t i = 0; i < s->nconns; i++)
		print_conn(&s->conns[i], show);
}

/* The name, in all, since the last look (if one is known of), the meaning. */
static void print_counters(const struct stat_domain *s, unsigned show)
{
	if (!(show & SHOW_NO_HEADER))
		printf("%s%-28s %14s%s  %s%s\n", col.head, "Counter", "Total",
		       show & SHOW_SINCE ? "        Since" : "", "Meaning", col.off);
	for (unsigned i = 0; i < CNT_COUNT; i++) {
		if (!s->counters[i] && !(show & SHOW_ZEROS))
			continue;
		printf("%-28s %14" PRIu64, counter_names[i], s->counters[i]);
		if (show & SHOW_SINCE)
			printf(" %12" PRIu64, s->since[i]);
		printf("  %s\n", counter_descs[i]);
	}
}

void text_print(const struct stat_domain *s, unsigned show)
{
	if (show & SHOW_ANY_SOCKETS)
		print_sockets(s, show);
	if (show & SHOW_COUNTERS)
		print_counters(s, show);
	if (!(show & SHOW_VIEWS))
		summary_print(s, !(show & SHOW_NO_HEADER));
}
