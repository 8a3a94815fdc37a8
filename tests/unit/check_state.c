/*
 * check_state.c - how connections end: FIN, RST, ICMP, orphans.
 */
#include "core_pair.h"

static struct pair p;

static void setup(void)
{
	struct mem_limits l = bench_limits();

	pair_init(&p, &l);
	pair_connect(&p);
}

static void teardown(void)
{
	pair_fini(&p);
}

static u64 count(enum counter c)
{
	return atomic_load(&p.d->counters[c]);
}

START_TEST(half_close)
{
	pair_write(&p, &p.a, 100);
	ck_assert_int_eq(conn_shutdown(&p.a, SHUT_WR, p.now), 0);
	pair_settle(&p);
	ck_assert_int_eq(p.a.state, CONN_FIN_WAIT2);
	ck_assert_int_eq(p.b.state, CONN_CLOSE_WAIT);
	ck_assert_uint_eq(conn_ready(&p.b), READY_IN | READY_RDHUP | READY_OUT);
	ck_assert_int_eq(conn_send(&p.a, "x", 1, false, p.now), -EPIPE);
	ck_assert_int_eq(pair_read(&p, &p.b, 1000), 100);
	ck_assert_int_eq(pair_read(&p, &p.b, 1000), 0);
	pair_write(&p, &p.b, 5000);			/* the other way is open */
	pair_run(&p, 100000);
	ck_assert_int_eq(pair_read(&p, &p.a, 9000), 5000);
	conn_close(&p.b, p.now);
	pair_settle(&p);
	ck_assert_int_eq(p.a.state, CONN_TIME_WAIT);
	ck_assert_int_eq(p.b.state, CONN_CLOSED);
	ck_assert(conn_finished(&p.b));
	ck_assert_int_eq(pair_read(&p, &p.a, 1), 0);
	ck_assert_int_eq(conn_shutdown(&p.a, SHUT_WR, p.now), -ENOTCONN);
	ck_assert_uint_eq(conn_ready(&p.a), READY_IN | READY_RDHUP | READY_OUT | READY_HUP);
	pair_run(&p, FIN_TIMEOUT_US + USEC_PER_SEC);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
}
END_TEST

START_TEST(simultaneous_close)
{
	static struct tx_batch t;

	conn_close(&p.a, p.now);
	conn_close(&p.b, p.now);
	/* Both FINs are under way before either arrives. */
	ck_assert_int_eq(p.a.state, CONN_FIN_WAIT1);
	ck_assert_int_eq(p.b.state, CONN_FIN_WAIT1);
	ck_assert_int_eq(conn_output(&p.b, &t, 1472, p.now), 1);
	ck_assert(t.fin);
	conn_sent(&p.b, &t, p.now);
	pair_run(&p, 10 * USEC_PER_SEC);
	ck_assert(p.a.state == CONN_TIME_WAIT || p.a.state == CONN_CLOSED);
	ck_assert(p.b.state == CONN_TIME_WAIT || p.b.state == CONN_CLOSED);
	pair_run(&p, FIN_TIMEOUT_US);
	ck_assert(conn_finished(&p.a) && conn_finished(&p.b));
	ck_assert(!p.a.err && !p.b.err);
}
END_TEST

START_TEST(t76_close_with_unread_data_resets)
{
	pair_write(&p, &p.b, 1);
	pair_settle(&p);
	conn_close(&p.a, p.now);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert(!conn_finished(&p.a));		/* the RST has to leave */
	ck_assert_uint_eq(count(CNT_TCPAbortOnClose), 1);
	pair_settle(&p);
	ck_assert(conn_finished(&p.a));
	ck_assert_uint_eq(conn_ready(&p.b),
			  READY_IN | READY_OUT | READY_RDHUP | READY_HUP | READY_ERR);
	ck_assert_int_eq(pair_read(&p, &p.b, 1), -ECONNRESET);
	ck_assert_int_eq(pair_read(&p, &p.b, 1), 0);
	ck_assert_int_eq(conn_send(&p.b, "x", 1, false, p.now), -EPIPE);
}
END_TEST

START_TEST(t76_an_unread_fin_does_not_count)
{
	conn_close(&p.b, p.now);
	pair_settle(&p);
	ck_assert_int_eq(p.a.state, CONN_CLOSE_WAIT);
	conn_close(&p.a, p.now);
	pair_settle(&p);
	ck_assert_uint_eq(count(CNT_TCPAbortOnClose), 0);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_int_eq(p.b.state, CONN_TIME_WAIT);
}
END_TEST

START_TEST(t81_linger_zero_resets)
{
	p.a.opts.shut_linger = 1;
	pair_write(&p, &p.a, 100);
	conn_close(&p.a, p.now);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_uint_eq(count(CNT_TCPAbortOnData), 1);
	pair_settle(&p);
	ck_assert_int_eq(pair_read(&p, &p.b, 1000), -ECONNRESET);
}
END_TEST

START_TEST(what_came_before_a_reset_is_readable)
{
	pair_write(&p, &p.a, 100);
	pair_settle(&p);
	conn_abort(&p.a, 0, p.now);
	pair_settle(&p);
	ck_assert_int_eq(p.b.state, CONN_CLOSED);
	ck_assert_int_eq(pair_read(&p, &p.b, 1000), 100);
	ck_assert_int_eq(pair_read(&p, &p.b, 1000), -ECONNRESET);
}
END_TEST

START_TEST(an_orphan_delivers)
{
	pair_write(&p, &p.a, 10000);
	conn_close(&p.a, p.now);
	pair_run(&p, 100000);
	ck_assert_int_eq(p.a.state, CONN_FIN_WAIT2);
	ck_assert_int_eq(pair_read(&p, &p.b, 20000), 10000);
	ck_assert_int_eq(pair_read(&p, &p.b, 20000), 0);
	pair_run(&p, FIN_TIMEOUT_US + USEC_PER_SEC);	/* nobody closes there */
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
}
END_TEST

START_TEST(data_for_an_orphan_is_reset)
{
	conn_close(&p.a, p.now);
	pair_settle(&p);
	pair_write(&p, &p.b, 10);
	pair_settle(&p);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_uint_eq(count(CNT_TCPAbortOnData), 1);
	ck_assert_int_eq(p.b.state, CONN_CLOSED);
	ck_assert_int_eq(p.b.err, EPIPE);		/* it was in CLOSE_WAIT */
}
END_TEST

START_TEST(negative_linger2_ends_at_once)
{
	p.a.opts.linger2_s = -1;
	conn_close(&p.a, p.now);
	pair_settle(&p);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_uint_eq(count(CNT_TCPAbortOnLinger), 1);
}
END_TEST

/* The edge: with so much queued it is spared, with a byte more it is not. */
START_TEST(t78_what_is_queued_at_close)
{
	struct mem_limits l = bench_limits();
	s64 more;

	l.mem[0] = 1, l.mem[1] = 1, l.mem[2] = 1;
	pair_write(&p, &p.a, 10000);
	ck_assert_int_eq(domain_set_limits(p.d, &l), 0);
	more = 4608 + _i - p.a.mem.wmem_queued;
	p.a.mem.wmem_queued += more;
	conn_close(&p.a, p.now);
	ck_assert_int_eq(p.a.state, _i ? CONN_CLOSED : CONN_FIN_WAIT1);
	ck_assert_uint_eq(count(CNT_TCPAbortOnMemory), _i);
	p.a.mem.wmem_queued -= more;
}
END_TEST

START_TEST(t78_orphans_above_high)
{
	struct mem_limits l = bench_limits();

	l.mem[0] = 1, l.mem[1] = 1, l.mem[2] = 1;
	p.drop = NULL;
	pair_write(&p, &p.a, 10000);
	ck_assert_int_eq(domain_set_limits(p.d, &l), 0);
	ck_assert_int_gt(p.a.mem.wmem_queued, 4608);
	conn_close(&p.a, p.now);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_uint_eq(count(CNT_TCPAbortOnMemory), 1);
	conn_close(&p.b, p.now);			/* nothing queued: spared */
	ck_assert_int_eq(p.b.state, CONN_FIN_WAIT1);
}
END_TEST

static s64 orphans(void)
{
	return atomic_load(&p.d->arenas[arena_row(p.ar)].orphans);
}

START_TEST(t77_max_orphans_is_exact)
{
	struct mem_limits l = bench_limits();

	l.max_orphans = 1;
	ck_assert_int_eq(domain_set_limits(p.d, &l), 0);
	pair_write(&p, &p.a, 1000);
	pair_write(&p, &p.b, 1000);
	conn_close(&p.a, p.now);
	ck_assert_int_eq(orphans(), 1);
	ck_assert_int_eq(p.a.state, CONN_FIN_WAIT1);
	conn_close(&p.b, p.now);			/* 2 > 1 */
	ck_assert_int_eq(p.b.state, CONN_CLOSED);
	ck_assert_int_eq(orphans(), 1);
	ck_assert_uint_eq(count(CNT_TCPAbortOnMemory), 1);
}
END_TEST

START_TEST(t103_an_orphan_counts_until_its_data_arrived)
{
	pair_write(&p, &p.a, 1000);
	conn_close(&p.a, p.now);
	ck_assert_int_eq(orphans(), 1);
	pair_settle(&p);
	ck_assert_int_eq(p.a.state, CONN_FIN_WAIT2);
	ck_assert_int_eq(orphans(), 0);
	pair_read(&p, &p.b, 2000);
	conn_close(&p.b, p.now);
	ck_assert_int_eq(orphans(), 1);
	pair_settle(&p);
	ck_assert_int_eq(p.a.state, CONN_TIME_WAIT);
	ck_assert_int_eq(p.b.state, CONN_CLOSED);
	ck_assert_int_eq(orphans(), 0);
}
END_TEST

START_TEST(icmp_refuses_an_opening)
{
	struct conn *c = &p.a;
	struct conn_seed seed = { .id = 5, .rng = 5, .dgram_max = 1472 };

	conn_purge(c);
	conn_init(c, &seed, p.now);
	ck_assert_int_eq(conn_connect(c, p.now), 0);
	conn_icmp(c, ECONNREFUSED, p.now);
	ck_assert_int_eq(c->state, CONN_CLOSED);
	ck_assert_int_eq(pair_read(&p, c, 1), -ECONNREFUSED);
	ck_assert_uint_eq(count(CNT_AttemptFails), 1);
}
END_TEST

static bool drop_all(const struct wire_hdr *h, bool from_a)
{
	(void)h, (void)from_a;
	return true;
}

START_TEST(a_peer_that_is_gone_is_noticed_by_icmp)
{
	usec_t start = p.now;

	p.drop = drop_all;
	pair_write(&p, &p.a, 10);
	while (p.a.state != CONN_CLOSED && p.now < start + 10 * USEC_PER_SEC) {
		u64 sent = p.a.segs_out;

		pair_run(&p, 10000);
		if (p.a.segs_out != sent)
			conn_icmp(&p.a, ECONNREFUSED, p.now);
	}
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_int_eq(p.a.err, ECONNRESET);
	ck_assert_uint_le(p.now - start, 1500000);
}
END_TEST

/* However long the next packet by itself would take, or if there is none. */
START_TEST(one_report_is_followed_up)
{
	usec_t start = p.now;
	u64 sent;

	p.drop = drop_all;
	p.a.opts.keepalive = false;
	conn_opts_changed(&p.a, p.now);
	sent = p.a.segs_out;
	conn_icmp(&p.a, ECONNREFUSED, p.now);
	while (p.a.state != CONN_CLOSED && p.now < start + 10 * USEC_PER_SEC) {
		pair_run(&p, 10000);
		if (p.a.segs_out != sent)
			conn_icmp(&p.a, ECONNREFUSED, p.now);
		sent = p.a.segs_out;
	}
	ck_assert_int_eq(p.a.err, ECONNRESET);
	ck_assert_uint_le(p.now - start, 1500000);
}
END_TEST

START_TEST(forged_icmp_does_not_reset_a_living_peer)
{
	for (int i = 0; i < 3000; i++) {
		conn_icmp(&p.a, ECONNREFUSED, p.now);
		pair_run(&p, 10000);
	}
	ck_assert_int_eq(p.a.state, CONN_ESTABLISHED);
}
END_TEST

START_TEST(an_old_reset_is_challenged)
{
	struct rx_pkt r = {
		.h = { .flags = WF_RST | WF_ACK, .dst_id = p.a.id, .seq = p.a.rcv_nxt - 1,
		       .len = WIRE_HDR },
	};

	conn_input(&p.a, &r, p.now);
	ck_assert_int_eq(p.a.state, CONN_ESTABLISHED);
	ck_assert(p.a.ack_now);
	ck_assert_uint_eq(count(CNT_TCPChallengeACK), 1);
	r.h.seq = p.a.rcv_nxt;
	conn_input(&p.a, &r, p.now);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_int_eq(p.a.err, ECONNRESET);
}
END_TEST

START_TEST(an_ack_of_the_future_is_challenged)
{
	struct rx_pkt r = {
		.h = { .flags = WF_ACK, .dst_id = p.a.id, .seq = p.a.rcv_nxt,
		       .ack = p.a.snd_nxt + 1, .len = WIRE_HDR },
	};

	conn_input(&p.a, &r, p.now);
	ck_assert_uint_eq(count(CNT_TCPChallengeACK), 1);
	ck_assert_uint_eq(p.a.snd_una, p.a.snd_nxt);
}
END_TEST

START_TEST(keepalive_notices_silence)
{
	p.a.opts.keep_chosen = true;
	p.drop = drop_all;
	pair_run(&p, 60 * USEC_PER_SEC);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_int_eq(p.a.err, ETIMEDOUT);
}
END_TEST

START_TEST(keepalive_keeps_alive)
{
	pair_run(&p, 600 * USEC_PER_SEC);
	ck_assert_int_eq(p.a.state, CONN_ESTABLISHED);
	ck_assert_int_eq(p.b.state, CONN_ESTABLISHED);
}
END_TEST

START_TEST(shut_rd_reads_the_rest_then_nothing)
{
	pair_write(&p, &p.a, 10);
	pair_settle(&p);
	ck_assert_int_eq(conn_shutdown(&p.b, SHUT_RD, p.now), 0);
	ck_assert(conn_ready(&p.b) & READY_RDHUP);
	ck_assert_int_eq(pair_read(&p, &p.b, 100), 10);
	ck_assert_int_eq(pair_read(&p, &p.b, 100), 0);
	ck_assert_int_eq(p.b.state, CONN_ESTABLISHED);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, half_close);
	tcase_add_test(t, simultaneous_close);
	tcase_add_test(t, t76_close_with_unread_data_resets);
	tcase_add_test(t, t76_an_unread_fin_does_not_count);
	tcase_add_test(t, t81_linger_zero_resets);
	tcase_add_test(t, what_came_before_a_reset_is_readable);
	tcase_add_test(t, an_orphan_delivers);
	tcase_add_test(t, data_for_an_orphan_is_reset);
	tcase_add_test(t, negative_linger2_ends_at_once);
	tcase_add_loop_test(t, t78_what_is_queued_at_close, 0, 2);
	tcase_add_test(t, t78_orphans_above_high);
	tcase_add_test(t, t77_max_orphans_is_exact);
	tcase_add_test(t, t103_an_orphan_counts_until_its_data_arrived);
	tcase_add_test(t, icmp_refuses_an_opening);
	tcase_add_test(t, a_peer_that_is_gone_is_noticed_by_icmp);
	tcase_add_test(t, one_report_is_followed_up);
	tcase_add_test(t, forged_icmp_does_not_reset_a_living_peer);
	tcase_add_test(t, an_old_reset_is_challenged);
	tcase_add_test(t, an_ack_of_the_future_is_challenged);
	tcase_add_test(t, keepalive_notices_silence);
	tcase_add_test(t, keepalive_keeps_alive);
	tcase_add_test(t, shut_rd_reads_the_rest_then_nothing);
}

int main(void)
{
	return run_case("state", add_tests);
}
