/*
 * check_loss.c - loss and its repair: RACK, tail loss probes, time-outs and
 * their back-off, undo; and what loss costs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "campaign.h"
#include "script.h"

/* The last expected packet left between these milliseconds. */
static void left_between(u64 from, u64 to)
{
	want(S.last->at >= S.base + from * 1000 && S.last->at <= S.base + to * 1000);
}

/* ---- RACK (RFC 8985) --------------------------------------------------------- */

static void rack_waits_the_reordering_window(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	want(app_write(5000) == 5000);
	expect_train(0, 5000);
	at(100);
	inject(.ack = 0, .sack = {{ 1000, 3000 }});	/* two: below DupThresh */
	expect_none();
	want(S.c->ca_state == CA_DISORDER && S.c->sacked_out == 2);
	at(124);
	expect_none();
	at(125);					/* rtt + min_rtt / 4 */
	expect_data(0, 1000);
	want(S.c->ca_state == CA_RECOVERY);
	at(225);
	inject(.ack = 5000);
	want(S.c->ca_state == CA_OPEN && !S.c->lost_out && !S.c->packets_out);
	script_end();
}

static void three_sacked_need_no_wait(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(6000);
	expect_train(0, 6000);
	at(100);
	inject(.ack = 0, .sack = {{ 1000, 4000 }});
	expect_data(0, 1000);
	want(S.c->ca_state == CA_RECOVERY && count_of(CNT_TCPSackRecovery) == 1);
	want(count_of(CNT_TCPFastRetrans) == 1 && count_of(CNT_TCPRackLost) == 1);
	want(S.c->ssthresh == 7);			/* CUBIC: 10 * 0.7 */
	at(200);
	inject(.ack = 6000);
	want(S.c->ca_state == CA_OPEN && S.c->cwnd <= 7);
	script_end();
}

static void reno_halves(void)
{
	establish(.mss = 1000, .rtt_ms = 100, .reno = true);
	app_write(10000);
	expect_train(0, 10000);
	at(100);
	inject(.ack = 0, .sack = {{ 1000, 4000 }});
	expect_data(0, 1000);
	want(S.c->ssthresh == 5);
	script_end();
}

static void lost_retransmission_is_found(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(10000);
	expect_train(0, 10000);
	at(100);
	inject(.ack = 0, .sack = {{ 1000, 4000 }});
	expect_data(0, 1000);
	app_write(5000);
	at(110);
	inject(.ack = 0, .sack = {{ 1000, 10000 }});
	S.slack_us = 100000;
	expect_data(10000, 1000);		/* PRR lets new data out */
	skip_all();
	at(211);				/* sent later, and delivered */
	inject(.ack = 0, .sack = {{ 1000, 11000 }});
	expect_data(0, 1000);
	want(count_of(CNT_TCPTimeouts) == 0);
	script_end();
}

/* ---- the tail (RFC 8985, 7) ----------------------------------------------------- */

static void tail_loss_probe(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(3000);
	expect_train(0, 3000);
	S.slack_us = 30000;
	at(220);
	expect_data(2000, 1000);		/* after two round trips */
	left_between(199, 215);
	want(count_of(CNT_TCPLossProbes) == 1);
	at(310);				/* the probe was news: 0..2000 is lost */
	inject(.ack = 0, .sack = {{ 2000, 3000 }});
	expect_data(0, 1000);			/* PRR: one for one */
	at(410);
	inject(.ack = 1000, .sack = {{ 2000, 3000 }});
	expect_data(1000, 1000);
	want(count_of(CNT_TCPTimeouts) == 0);
	script_end();
}

static void probe_prefers_new_data(void)
{
	establish(.mss = 1000, .rtt_ms = 100, .wnd = 2000);
	app_write(5000);
	expect_train(0, 2000);
	at(50);
	expect_none();
	S.peer_wnd = 5000;
	inject(.ack = 0, .wnd = 4000);
	skip_all();
	S.slack_us = 30000;
	script_end();
}

static void probe_that_repaired_a_loss_costs_a_window(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(3000);
	expect_train(0, 3000);
	S.slack_us = 30000;
	at(100);
	inject(.ack = 2000);			/* the last one is lost */
	at(345);				/* alone in flight: and a delayed ACK */
	expect_data(2000, 1000);
	left_between(335, 345);
	u32 cwnd = S.c->cwnd;

	at(440);
	inject(.ack = 3000);
	app_write(1000);
	expect_data(3000, 1000);
	at(540);
	inject(.ack = 4000);			/* no D-SACK: the original never came */
	want(count_of(CNT_TCPLossProbeRecovery) == 1);
	want(S.c->cwnd < cwnd || S.c->ssthresh < cwnd);
	script_end();
}

/* ---- time-outs (RFC 6298) ----------------------------------------------------------- */

static void rto_backs_off(void)
{
	usec_t last;
	u64 acks;

	establish(.mss = 1000, .rtt_ms = 100);
	app_write(1000);
	expect_data(0, 1000);
	S.slack_us = USEC_NEVER / 2;
	at(2000);
	skip_all();				/* a probe, and the first time-outs */
	want(count_of(CNT_TCPTimeouts) >= 1);
	want(S.c->ca_state == CA_LOSS && S.c->cwnd == 1);
	last = S.last->at;
	for (unsigned i = 0; i < 4; i++) {	/* each gap is twice the last */
		usec_t due = conn_deadline(S.c), gap = due - S.now;

		at_us(due - S.base);
		expect_data(0, 1000);
		want(conn_deadline(S.c) - due >= gap * 2 - 2000 || i == 0);
		last = due;
	}
	want(last > S.base);
	want(count_of(CNT_TCPLossFailures) == count_of(CNT_TCPTimeouts) - 1);
	want(count_of(CNT_TCPSlowStartRetrans) == count_of(CNT_TCPTimeouts));
	acks = count_of(CNT_TCPPureAcks);
	inject(.ack = 1000);
	want(count_of(CNT_TCPPureAcks) == acks + 1);
	script_end();
}

static void gives_up_after_retries2(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_write(1000);
	S.slack_us = USEC_NEVER / 2;
	for (unsigned i = 0; i < 40 && S.c->state == CONN_ESTABLISHED; i++) {
		skip_all();
		want(conn_deadline(S.c) != USEC_NEVER);
		at_us(conn_deadline(S.c) - S.base);
	}
	skip_all();
	want(S.c->state == CONN_CLOSED && S.c->err == ETIMEDOUT);
	want(S.c->mem.wmem_queued == 0);
	want(S.now - S.base > 600 * USEC_PER_SEC && S.now - S.base < 1100 * USEC_PER_SEC);
	want(count_of(CNT_TCPAbortOnTimeout) == 1);
	script_end();
}

/* A probe long ago does not shorten what a time-out of today may last. */
static void old_trouble_is_forgotten(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	S.slack_us = USEC_NEVER / 2;
	app_write(1000);
	skip_all();
	at(100);
	want(count_of(CNT_TCPLossProbes) == 1);
	skip_all();
	inject(.ack = 1000);
	at(3600 * 1000);
	app_write(1000);
	skip_all();
	at(3600 * 1000 + 20000);
	want(count_of(CNT_TCPTimeouts) > 3 && S.c->state == CONN_ESTABLISHED);
	skip_all();
	script_end();
}

static void user_timeout_is_kept(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	S.c->opts.user_timeout_ms = 5000;
	app_write(1000);
	S.slack_us = USEC_NEVER / 2;
	for (unsigned i = 0; i < 40 && S.c->state == CONN_ESTABLISHED; i++) {
		skip_all();
		at_us(conn_deadline(S.c) - S.base);
	}
	skip_all();
	want(S.c->state == CONN_CLOSED && S.c->err == ETIMEDOUT);
	want(S.now - S.base >= 4900 * USEC_PER_MSEC && S.now - S.base < 8 * USEC_PER_SEC);
	script_end();
}

/* The acknowledgement was only late: what the time-out did is undone. */
static void spurious_rto_is_undone(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(5000);
	expect_train(0, 5000);
	S.slack_us = USEC_NEVER / 2;
	at(900);
	want(count_of(CNT_TCPTimeouts) == 1 && S.c->cwnd == 1);
	skip_all();
	S.rtt_us = 900000;			/* it answers the first transmission */
	inject(.ack = 5000);
	want(S.c->ca_state == CA_OPEN);
	want(S.c->cwnd >= 10);
	script_end();
}

static void rto_counts_all_lost(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(10000);
	expect_train(0, 10000);
	S.slack_us = USEC_NEVER / 2;
	at(900);
	want(S.c->ca_state == CA_LOSS);
	skip_all();
	S.rtt_us = 100000;
	for (u64 acked = 1000; acked <= 10000; acked = S.c->snd_una - 1 + 1000) {
		at_us(S.now - S.base + 100000);
		skip_all();
		inject(.ack = acked > 10000 ? 10000 : acked);
		skip_all();
		want(S.c->retrans_total <= 13);
	}
	want(S.c->snd_una == 10001);
	script_end();
}

/* ---- D-SACK (RFC 3708) ------------------------------------------------------------------ */

static void dsack_undoes_recovery(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(6000);
	expect_train(0, 6000);
	at(100);
	inject(.ack = 0, .sack = {{ 1000, 4000 }});
	expect_data(0, 1000);
	want(S.c->ca_state == CA_RECOVERY);
	at(105);
	inject(.ack = 4000);			/* the original was only late */
	at(200);
	inject(.ack = 6000, .dsack = { 0, 1000 });
	want(S.c->ca_state == CA_OPEN && S.c->cwnd >= 10);
	want(count_of(CNT_TCPFullUndo) + count_of(CNT_TCPSpuriousRTOs) >= 1 ||
	     count_of(CNT_TCPDSACKRecv) == 1);
	script_end();
}

/* ---- seeds --------------------------------------------------------------------------------- */

static void seeds_of_every_kind(void)
{
	campaign_test("loss", 1, 150);
	campaign_test("heavy-loss", 1, 60);
	campaign_test("burst", 1, 60);
	campaign_test("corrupt", 1, 60);
	campaign_test("narrow", 1, 60);
	campaign_test("outage", 1, 60);
	campaign_test("idle", 1, 60);
	campaign_test("soft-errors", 1, 40);
	campaign_test("random", 1, 150);
}

/* ---- what it costs ---------------------------------------------------------------------------- */

static void one_connection(struct scenario *s, struct link_params l, struct report *r)
{
	s->conns = 1;
	for (unsigned k = 0; k < 2; k++) {
		s->link[k] = l;
		s->host[k].dgram_max = 1472;
		s->host[k].max_batch = WIRE_DGRAM_MAX;
		s->host[k].tx_refuse_ppm = s->host[k].coalesce_us = 0;
		s->host[k].cc_id = 0;
		s->host[k].rcv_credit = 64 << 20;
	}
	refuse = (struct refuse){ 0 };
	sim_run(s, r);
}

static struct report transfer(struct link_params l, u64 bytes)
{
	static struct scenario s;
	struct report r;

	scenario_make(&s, scenario_find("clean"), 1);
	scenario_bulk(&s, 0, bytes);
	one_connection(&s, l, &r);
	printf("# %llu bytes in %.3f s, %.1f Mbit/s, %llu retransmitted, %llu time-outs\n",
	       (unsigned long long)bytes, (double)r.transfer_us / 1e6,
	       (double)bytes * 8 / (double)r.transfer_us,
	       (unsigned long long)r.counters[CNT_RetransSegs],
	       (unsigned long long)r.counters[CNT_TCPTimeouts]);
	return r;
}

/* Small questions and answers: a round trip each, nothing said twice, hardly
 * a packet that only acknowledges. */
static void questions_and_answers(void)
{
	static struct scenario s;
	const u32 rtts[] = { 100, 1000, 20000, 150000 };

	for (unsigned i = 0; i < ARRAY_SIZE(rtts); i++) {
		struct link_params l = { .delay_us = rtts[i] / 2 };
		struct report r;

		scenario_make(&s, scenario_find("clean"), 1);
		for (unsigned k = 0; k < 2; k++)
			s.plan[0][k] = (struct app_plan){
				.tx_total = 20000, .turn = 100, .turn_second = k,
				.write_chunk = 100, .read_chunk = 4096 };
		one_connection(&s, l, &r);
		printf("# round trip %u us: 200 answers in %.1f ms, %llu packets\n", rtts[i],
		       (double)r.transfer_us / 1e3, (unsigned long long)r.packets);
		want(r.counters[CNT_RetransSegs] == 0 && r.counters[CNT_TCPLossProbes] == 0);
		want(r.transfer_us < 203 * (u64)rtts[i] + 45000);
		want(r.packets < 400 + 40);
	}
}

static double mbit(u64 bytes, const struct report *r)
{
	return (double)bytes * 8 / (double)r->transfer_us;
}

static void full_rate_without_loss(void)
{
	u64 bytes = 40 << 20;
	struct report r = transfer((struct link_params){ .rate = 12500000, .delay_us = 5000,
							 .queue_bytes = 1 << 20 }, bytes);

	want(mbit(bytes, &r) > 85);		/* of 100; the headers take 6 */
	want(r.counters[CNT_TCPTimeouts] == 0);
	/* the queue overflows when slow start ends, and now and then later */
	want(r.counters[CNT_RetransSegs] * 20 < r.packets);
}

static void no_queue_no_loss(void)
{
	u64 bytes = 20 << 20;
	struct report r = transfer((struct link_params){ .delay_us = 500 }, bytes);

	want(r.counters[CNT_RetransSegs] == 0 && r.counters[CNT_TCPTimeouts] == 0);
	want(mbit(bytes, &r) > 300);
}

/* With loss p the window of CUBIC's friendly region is about 1.3 / sqrt(p)
 * segments: 13 at 1%, so 13 * 1424 * 8 / 20 ms = 7.4 Mbit/s. */
static void one_percent_loss(void)
{
	u64 bytes = 30 << 20;
	struct report r = transfer((struct link_params){ .delay_us = 10000, .seed = 5,
							 .loss_ppm = 10000 }, bytes);

	want(mbit(bytes, &r) > 5.5 && mbit(bytes, &r) < 12);
	want(r.counters[CNT_TCPTimeouts] * 20 <= r.lost);
	want(r.counters[CNT_RetransSegs] <= r.lost * 3 / 2 + 10);
}

static void five_percent_loss(void)
{
	u64 bytes = 1 << 20;
	struct report r = transfer((struct link_params){ .delay_us = 10000, .seed = 5,
							 .loss_ppm = 50000 }, bytes);

	want(mbit(bytes, &r) > 1.2);
	want(r.counters[CNT_RetransSegs] <= r.lost * 3 / 2 + 10);
}

static const struct test tests[] = {
	{ "rack_waits_the_reordering_window", rack_waits_the_reordering_window },
	{ "three_sacked_need_no_wait", three_sacked_need_no_wait },
	{ "reno_halves", reno_halves },
	{ "lost_retransmission_is_found", lost_retransmission_is_found },
	{ "tail_loss_probe", tail_loss_probe },
	{ "probe_prefers_new_data", probe_prefers_new_data },
	{ "probe_that_repaired_a_loss_costs_a_window",
	  probe_that_repaired_a_loss_costs_a_window },
	{ "rto_backs_off", rto_backs_off },
	{ "gives_up_after_retries2", gives_up_after_retries2 },
	{ "old_trouble_is_forgotten", old_trouble_is_forgotten },
	{ "user_timeout_is_kept", user_timeout_is_kept },
	{ "spurious_rto_is_undone", spurious_rto_is_undone },
	{ "rto_counts_all_lost", rto_counts_all_lost },
	{ "dsack_undoes_recovery", dsack_undoes_recovery },
	{ "questions_and_answers", questions_and_answers },
	{ "full_rate_without_loss", full_rate_without_loss },
	{ "no_queue_no_loss", no_queue_no_loss },
	{ "one_percent_loss", one_percent_loss },
	{ "five_percent_loss", five_percent_loss },
	{ "seeds_of_every_kind", seeds_of_every_kind },
};

int main(int argc, char **argv)
{
	return tests_run(tests, ARRAY_SIZE(tests), argc, argv);
}
