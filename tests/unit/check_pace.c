/* check_pace.c - R3.15: pacing, and what may lie in the queue below. */
#include <linux/tcp.h>
#include "core_snd.h"

enum { MSS = 1000 };

static void setup(void)
{
	snd_open(MSS, 4 << 20);
	know_rtt(20);
	B.c.mem.sndbuf = 4 << 20;
	B.c.mem.lock_bits |= SNDBUF_LOCK;
	B.c.cwnd = 2000;
}

static void rate(u64 bytes_per_s)
{
	B.c.opts.max_pacing_rate = bytes_per_s;
}

/* Bytes of payload that left in [from, to) ms. */
static u64 left_between(u64 from, u64 to)
{
	u64 n = 0;

	for (unsigned i = 0; i < ncaught; i++)
		if (caught[i].at >= base + from * 1000 && caught[i].at < base + to * 1000)
			n += caught[i].len;
	return n;
}

/* Until then; the peer acknowledges all of it each 5 ms. */
static void run(u64 ms)
{
	for (u64 t = (B.now - base) / 1000; t <= ms; t += 5) {
		at(t);
		answer(.ack = B.c.snd_nxt - 1);
	}
}

/* ---- pacing ------------------------------------------------------------------- */

START_TEST(without_a_wish_nothing_is_paced)
{
	ck_assert_int_eq(put(1000000), 1000000);
	ck_assert_uint_eq(left_between(0, 1), 1000000);
	ck_assert_uint_eq(B.c.timer[T_PACE], USEC_NEVER);
}
END_TEST

START_TEST(max_pacing_rate_is_kept)
{
	rate(1000000);
	ck_assert_int_eq(put(1000000), 1000000);
	run(500);
	/* 10 at once, and the burst that SLACK allows */
	ck_assert_uint_le(left_between(0, 500), 500000 + 10 * MSS + 4 * MSS);
	ck_assert_uint_ge(left_between(0, 500), 450000);
	ck_assert_uint_le(left_between(100, 101), 3 * MSS);
	run(1100);
	ck_assert_uint_eq(left_between(0, 1100), 1000000);
	ck_assert(!snd_has_unsent(&B.c));
}
END_TEST

/* The event loop wakes us late: by less than SLACK costs nothing. */
START_TEST(late_timers_cost_no_throughput)
{
	rate(4000000);
	put(2000000);
	for (u64 us = 0; us < 400000; us += 1900) {	/* nothing in between */
		B.now = base + us;
		conn_timeout(&B.c, B.now);
		flush_out();
		answer(.ack = B.c.snd_nxt - 1);
	}
	ck_assert_uint_ge(left_between(0, 400), 1600000 * 95 / 100);
	ck_assert_uint_le(left_between(0, 400), 1600000 + 20 * MSS);
}
END_TEST

/* Nor does a machine on which we are not run for half a round trip ... */
START_TEST(who_was_not_run_makes_it_good)
{
	u64 sent[3] = { 0 };		/* acknowledged after 45 ms */

	know_rtt(45);
	rate(4000000);
	put(2000000);
	for (unsigned i = 0; i < 400 / 15; i++) {
		B.now = base + i * 15000;
		conn_timeout(&B.c, B.now);
		if (sent[i % 3])
			answer(.ack = sent[i % 3]);
		flush_out();
		sent[i % 3] = B.c.snd_nxt - 1;
	}
	ck_assert_uint_ge(left_between(0, 400), 1600000 * 90 / 100);
	ck_assert_uint_le(left_between(0, 400), 1600000 + 80 * MSS);
}
END_TEST

/* ... but who had nothing to send has saved nothing up. */
START_TEST(a_pause_is_not_made_good)
{
	know_rtt(40);
	rate(4000000);
	put(50000);
	run(100);
	ck_assert(!snd_has_unsent(&B.c));
	forget();
	at(200);
	put(200000);
	ck_assert_uint_le(left_between(200, 201), 4000 * 2 + 6 * MSS);
}
END_TEST

START_TEST(a_slow_rate_sends_two_datagrams_at_a_time)
{
	rate(10000);			/* 0.2 s for two */
	put(100000);
	run(1000);
	ck_assert_uint_le(left_between(300, 1000), 9 * MSS);
	ck_assert_uint_ge(left_between(300, 1000), 6 * MSS);
	for (unsigned i = 0; i + 2 < ncaught; i++)
		if (caught[i].off >= 12 * MSS)
			ck_assert_uint_lt(caught[i].at, caught[i + 2].at);
}
END_TEST

START_TEST(repair_is_paced_and_acks_are_not)
{
	rate(100000);
	put(10000);
	run(1000);
	put(40000);
	at(1100);
	forget();
	B.c.ack_now = true;
	flush_out();
	ck_assert_uint_eq(last_left()->len, 0);
	answer(.ack = 10000, .sack = { 12000, B.c.snd_nxt - 1 });
	at(1130);
	ck_assert_uint_gt(B.c.retrans_total, 0);
	ck_assert_uint_le(left_between(1100, 1130), 5 * MSS);
}
END_TEST

START_TEST(tcp_info_tells_the_rate)
{
	struct tcp_info ti;

	B.c.cwnd = 20;
	B.c.ssthresh = 20;
	conn_info(&B.c, &ti, B.now);
	ck_assert_uint_eq(ti.tcpi_pacing_rate, 1200000);	/* 20 a 20 ms, and a fifth */
	ck_assert_uint_eq(ti.tcpi_max_pacing_rate, UINT64_MAX);
	B.c.ssthresh = 100;
	conn_info(&B.c, &ti, B.now);
	ck_assert_uint_eq(ti.tcpi_pacing_rate, 2000000);
	rate(5000);
	conn_info(&B.c, &ti, B.now);
	ck_assert_uint_eq(ti.tcpi_pacing_rate, 5000);
	ck_assert_uint_eq(ti.tcpi_max_pacing_rate, 5000);
}
END_TEST

/* ---- small queues --------------------------------------------------------------- */

/* Segments of two datagrams, so 2304 bytes of truesize each. */
static void put_segments(unsigned n)
{
	B.c.max_window = 4 * MSS;
	while (n--)
		ck_assert_int_eq(put(2000), 2000);
}

START_TEST(t44_two_segments_lie_below)
{
	u64 limit, truesize;

	rate(1000000);			/* 8 Mbit/s: 976 bytes a 1/1024 s */
	conn_below(&B.c, 0);
	put_segments(1);
	truesize = seg_truesize(seg_of(B.c.sndq.next));
	limit = max(2 * truesize, (u64)976);
	ck_assert_uint_eq(pace_queue_limit(&B.c, seg_of(B.c.sndq.next)), limit);
	put_segments(9);
	for (unsigned t = 0; t < 35; t++) {
		at(t);
		ck_assert_uint_le(B.c.tx_below, limit);
	}
	ck_assert_uint_eq(left_between(0, 100), 4000);
	ck_assert(B.c.below_full && B.c.why_blocked == WHY_BELOW);
	ck_assert(B.c.timer[T_PACE] != USEC_NEVER);

	/* one has gone: one more goes */
	ck_assert(conn_below(&B.c, truesize));
	flush_out();
	ck_assert_uint_eq(left_between(0, 100), 6000);
	ck_assert(!conn_below(&B.c, limit));
	ck_assert(conn_below(&B.c, 0));
}
END_TEST

START_TEST(t44_one_segment_always_goes)
{
	rate(1000000);
	conn_below(&B.c, 0);
	put_segments(2);
	ck_assert_uint_eq(B.c.tx_below, 2 * seg_truesize(seg_of(B.c.sndq.next)));
	forget();
	answer(.ack = 4000);		/* nothing in flight, all of it still below */
	at(50);
	ck_assert_int_eq(put(2000), 2000);
	left_train(4000, 2000, MSS);
	ck_assert_int_eq(put(2000), 2000);	/* one in flight: one more */
	at(60);
	left_train(6000, 2000, MSS);
	put(2000);
	at(70);
	left_none();
}
END_TEST

START_TEST(t44_repair_may_have_twice_as_much)
{
	conn_below(&B.c, 0);
	rate(1000000);
	put_segments(2);
	put_segments(6);
	conn_below(&B.c, 0);
	flush_out();
	at(30);
	ck_assert(B.c.below_full);
	forget();
	answer(.ack = 0, .sack = { 4000, 8000 });
	at(60);
	ck_assert_uint_eq(B.c.retrans_total, 4);	/* two segments */
	ck_assert(B.c.tx_below > pace_queue_limit(&B.c, seg_of(B.c.sndq.next)));
}
END_TEST

START_TEST(t44_fast_flows_have_a_longer_queue)
{
	struct seg *s;

	conn_below(&B.c, 0);
	put_segments(1);
	s = seg_of(B.c.sndq.next);
	B.c.cwnd = 10000;		/* 10 MB in 20 ms: 600 MB/s */
	B.c.ssthresh = 10000;
	ck_assert_uint_eq(pace_queue_limit(&B.c, s), 600000000 / 1024);
	B.c.cwnd = 1000000;
	ck_assert_uint_eq(pace_queue_limit(&B.c, s), 4 << 20);
}
END_TEST

START_TEST(a_queue_that_has_drained_needs_no_look)
{
	conn_below(&B.c, 0);
	put_segments(1);
	B.c.max_window = 1 << 20;
	B.c.cwnd = 1000;		/* 1 MB in 20 ms: 58,593 bytes a 1/1024 s */
	B.c.ssthresh = 1000;
	put(100000);
	ck_assert(B.c.below_full && B.c.timer[T_PACE] != USEC_NEVER);
	ck_assert(conn_below(&B.c, 0));
	flush_out();
	ck_assert(!snd_has_unsent(&B.c) && !B.c.below_full);
	ck_assert_uint_eq(B.c.timer[T_PACE], USEC_NEVER);
}
END_TEST

START_TEST(who_is_not_told_has_no_bound)
{
	ck_assert_int_eq(put(2000000), 2000000);
	ck_assert_uint_eq(left_between(0, 1), 2000000);
	ck_assert_uint_eq(B.c.tx_below, 0);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, snd_close);
	tcase_add_test(t, without_a_wish_nothing_is_paced);
	tcase_add_test(t, max_pacing_rate_is_kept);
	tcase_add_test(t, late_timers_cost_no_throughput);
	tcase_add_test(t, who_was_not_run_makes_it_good);
	tcase_add_test(t, a_pause_is_not_made_good);
	tcase_add_test(t, a_slow_rate_sends_two_datagrams_at_a_time);
	tcase_add_test(t, repair_is_paced_and_acks_are_not);
	tcase_add_test(t, tcp_info_tells_the_rate);
	tcase_add_test(t, t44_two_segments_lie_below);
	tcase_add_test(t, t44_one_segment_always_goes);
	tcase_add_test(t, t44_repair_may_have_twice_as_much);
	tcase_add_test(t, t44_fast_flows_have_a_longer_queue);
	tcase_add_test(t, a_queue_that_has_drained_needs_no_look);
	tcase_add_test(t, who_is_not_told_has_no_bound);
}

RUN_SUITE("pace", add)
