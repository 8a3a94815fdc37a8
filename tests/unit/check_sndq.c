/*
 * check_sndq.c - taking the program's bytes: the two questions, the two
 * shortages, the size of sndbuf, FIN, the scoreboard under cutting.
 */
#include "core_snd.h"

enum { MSS = 1400 };

static void setup(void)
{
	snd_open(MSS, 1 << 20);
	know_rtt(100);
}

/* ---- the two questions ---------------------------------------------------------- */

START_TEST(t21_memory_free_and_writeable)
{
	s64 real = B.c.mem.wmem_queued;

	B.c.mem.sndbuf = 30000;
	B.c.mem.wmem_queued = 29999;
	ck_assert(snd_memory_free(&B.c));
	B.c.mem.wmem_queued = 30000;
	ck_assert(!snd_memory_free(&B.c));
	B.c.mem.wmem_queued = 20000;
	ck_assert(snd_writeable(&B.c));
	B.c.mem.wmem_queued = 20001;
	ck_assert(!snd_writeable(&B.c));
	B.c.mem.wmem_queued = real;
}
END_TEST

START_TEST(t22_notsent_lowat)
{
	struct mem_limits l = bench_limits();

	B.c.opts.notsent_lowat = 20000;
	B.c.write_seq = B.c.snd_nxt + 19999;
	ck_assert(snd_memory_free(&B.c));
	B.c.write_seq++;
	ck_assert(!snd_memory_free(&B.c));
	B.c.write_seq = B.c.snd_nxt + 9999;
	ck_assert(snd_writeable(&B.c));
	B.c.write_seq++;
	ck_assert(!snd_writeable(&B.c));

	B.c.opts.notsent_lowat = 0;		/* the global one */
	ck_assert(snd_writeable(&B.c));
	l.notsent_lowat = 5000;
	ck_assert_int_eq(domain_set_limits(B.d, &l), 0);
	ck_assert(!snd_writeable(&B.c));
	B.c.write_seq = B.c.snd_nxt;
}
END_TEST

/* ---- the send loop ----------------------------------------------------------------- */

START_TEST(t23_overshoot_is_one_size_goal)
{
	u32 goal = 65507 / (MSS + WIRE_HDR) * MSS;
	u64 took = 0;
	ssize_t n;

	lock_sndbuf(40000);
	B.c.snd_wnd_edge = 1;			/* the peer is stalled */
	while ((n = put(1000)) > 0)
		took += n;
	ck_assert_int_eq(n, -EAGAIN);
	ck_assert_int_gt(B.c.mem.wmem_queued, 40000);
	ck_assert_int_lt(B.c.mem.wmem_queued, 40000 + goal + 256 + 256);
	ck_assert_uint_eq(conn_outq(&B.c), took);
	ck_assert_uint_eq(conn_notsent(&B.c), took);
}
END_TEST

START_TEST(t24_t27_nospace_until_a_third_is_free)
{
	lock_sndbuf(30000);
	B.c.cwnd = 1000;
	while (put(1400) > 0)			/* a datagram, a segment each */
		;
	u64 sent = B.c.write_seq - 1;

	ck_assert(B.c.nospace);
	for (u64 a = 1400; a < sent; a += 1400) {
		bool had = B.c.nospace;

		answer(.ack = a);
		ck_assert_int_eq(B.c.nospace, B.c.mem.wmem_queued > 20000);
		ck_assert(had || !B.c.nospace);	/* one edge */
		if (B.c.nospace && B.c.mem.wmem_queued < 30000) {
			ck_assert_int_eq(put(1), 1);	/* T25: poll says no, send can */
			ck_assert(B.c.nospace);		/* T27 */
		}
	}
	ck_assert(!B.c.nospace);
}
END_TEST

START_TEST(t28_raising_sndbuf_wakes)
{
	lock_sndbuf(20000);
	B.c.snd_wnd_edge = 1;
	while (put(1000) > 0)
		;
	ck_assert(B.c.nospace);
	conn_set_sndbuf(&B.c, 200000, B.now);
	ck_assert(!B.c.nospace);
	ck_assert_uint_eq(B.c.mem.sndbuf, 400000);
}
END_TEST

START_TEST(t29_part_of_a_send_is_a_count)
{
	u32 goal = 65507 / (MSS + WIRE_HDR) * MSS;

	lock_sndbuf(4608);
	B.c.snd_wnd_edge = 1;
	ck_assert_int_eq(put(500000), goal);
	ck_assert(B.c.nospace && !B.c.domwait);
	ck_assert_int_eq(put(1), -EAGAIN);
}
END_TEST

START_TEST(t30_errors_come_once_then_epipe)
{
	B.c.err = ECONNRESET;
	ck_assert_int_eq(put(10), -ECONNRESET);
	conn_done(&B.c, 0, B.now);
	ck_assert_int_eq(put(10), -EPIPE);
}
END_TEST

START_TEST(t3_sndbuf_option)
{
	static const struct { u32 asked, got; } rows[] = {
		{ 0, 4608 }, { 2304, 4608 }, { 2305, 4610 }, { 100000, 200000 },
		{ UINT32_MAX, 2 * 4194304 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		conn_set_sndbuf(&B.c, rows[i].asked, B.now);
		ck_assert_uint_eq(B.c.mem.sndbuf, rows[i].got);
		ck_assert(B.c.mem.lock_bits & SNDBUF_LOCK);
	}
}
END_TEST

/* D8.4.1: under pressure a segment is one datagram. */
START_TEST(size_goal_under_pressure)
{
	other_takes(2000);
	limits(100, 200, 100000);
	lock_sndbuf(200000);
	B.c.snd_wnd_edge = 1;
	ck_assert_int_eq(put(20000), 20000);
	ck_assert(mem_under_pressure(&B.c.mem));
	for (struct list *l = B.c.sndq.next->next; l != &B.c.sndq; l = l->next)
		ck_assert_uint_le(seg_of(l)->len, MSS);
	other_gives();
}
END_TEST

/* ---- the domain's shortage ------------------------------------------------------------ */

START_TEST(t32_t34_domain_wait)
{
	/* in segments of one datagram, each with its descriptor */
	enum { PAGE = 2 * MSS + PAGE_BYTES - 2 * (1 + 6) * UNIT_BYTES - UNIT_BYTES };
	u64 sum = 0;
	ssize_t n;

	lock_sndbuf(400000);
	other_takes(1000);
	limits(10, 20, 30);
	n = put(20000);			/* wmem[0], less what holds it together */
	ck_assert_int_eq(n, PAGE);
	ck_assert_int_eq(B.c.mem.wmem_queued, 4096);
	ck_assert_int_eq(put(20000), -EAGAIN);
	ck_assert(B.c.domwait && B.c.nospace && snd_memory_free(&B.c));
	ck_assert(!(conn_ready(&B.c) & READY_OUT));

	for (int i = 0; i < 1000; i++) {	/* T34: 2..201 ms, even */
		u64 ms;

		B.c.domwait = false;
		timer_domain_wait(&B.c, B.now);
		ms = (B.c.domwait_until - B.now) / 1000;
		ck_assert(ms >= 2 && ms <= 201);
		sum += ms;
	}
	ck_assert(sum / 1000 >= 96 && sum / 1000 <= 106);

	u64 until = (B.c.domwait_until - base) / 1000;
	answer(.ack = n);			/* its own room does not end it */
	ck_assert(B.c.domwait);
	at(until - 1);
	ck_assert(B.c.domwait);
	at(until);
	ck_assert(!B.c.domwait && !B.c.nospace);
	ck_assert_int_eq(put(20000), PAGE);	/* again, all was acknowledged */
	ck_assert_int_eq(put(20000), -EAGAIN);
	ck_assert_int_eq(B.c.mem.wmem_queued, 4096);
	other_gives();
}
END_TEST

START_TEST(domain_wait_ends_early_below_low)
{
	lock_sndbuf(400000);
	other_takes(1000);
	limits(10, 20, 30);
	put(20000);
	B.c.domwait = false;
	while (B.c.domwait_until <= B.now + 150000) {
		B.c.domwait = false;
		timer_domain_wait(&B.c, B.now);
	}
	other_gives();
	at(99);
	ck_assert(B.c.domwait);
	at(100);				/* the driver's tick */
	ck_assert(!B.c.domwait);
}
END_TEST

START_TEST(a_send_that_succeeds_ends_the_domain_wait)
{
	lock_sndbuf(400000);
	other_takes(1000);
	limits(10, 20, 30);
	put(20000);
	ck_assert(B.c.domwait);
	other_gives();
	ck_assert_int_eq(put(5000), 5000);
	ck_assert(!B.c.domwait);
}
END_TEST

/* ---- the size of sndbuf ------------------------------------------------------------------ */

START_TEST(t37_expands_only_for_a_waiter)
{
	u32 before = B.c.mem.sndbuf;

	ck_assert_uint_eq(before, 2 * 10 * (2048 + 256));	/* R3.9, cwnd 10 */
	B.c.cwnd = 40;
	put(MSS);
	answer(.ack = MSS);
	ck_assert_uint_eq(B.c.mem.sndbuf, before);
	put(MSS);
	B.c.nospace = true;
	answer(.ack = 2 * MSS);
	ck_assert_uint_eq(B.c.mem.sndbuf, 2 * B.c.cwnd * (2048 + 256));
	B.c.reordering = B.c.cwnd + 20;			/* they may be in flight, too */
	put(MSS);
	B.c.nospace = true;
	answer(.ack = 3 * MSS);
	ck_assert_uint_eq(B.c.mem.sndbuf, 2 * (B.c.reordering + 1) * (2048 + 256));
}
END_TEST

static void waiter_looks(void)
{
	B.c.nospace = true;
	snd_write_space(&B.c, B.now);
}

START_TEST(t38_what_forbids_expansion)
{
	u32 before = B.c.mem.sndbuf;
	u64 total;

	B.c.cwnd = 40;
	B.c.mem.lock_bits |= SNDBUF_LOCK;
	waiter_looks();
	ck_assert_uint_eq(B.c.mem.sndbuf, before);
	B.c.mem.lock_bits = 0;

	B.c.cwnd = 1;
	put(MSS);
	waiter_looks();		/* in flight >= cwnd */
	ck_assert_uint_eq(B.c.mem.sndbuf, before);
	B.c.cwnd = 40;

	other_takes(100);
	total = domain_allocated(B.d);
	limits(total, total, total + 100);	/* total == low */
	waiter_looks();
	ck_assert_uint_eq(B.c.mem.sndbuf, before);
	limits(total + 1, total + 1, total + 100);
	domain_enter_pressure(B.d);
	waiter_looks();
	ck_assert_uint_eq(B.c.mem.sndbuf, before);
	domain_leave_pressure(B.d);
	waiter_looks();		/* total == low - 1 */
	ck_assert_uint_gt(B.c.mem.sndbuf, before);
	other_gives();
}
END_TEST

START_TEST(t39_t40_moderation_and_recovery)
{
	s64 real = B.c.mem.wmem_queued;

	B.c.mem.sndbuf = 65536;
	B.c.mem.wmem_queued = 60000;
	mem_moderate_sndbuf(&B.c.mem);
	ck_assert_uint_eq(B.c.mem.sndbuf, 30000);
	B.c.mem.wmem_queued = 0;
	mem_moderate_sndbuf(&B.c.mem);
	ck_assert_uint_eq(B.c.mem.sndbuf, 4608);
	B.c.mem.wmem_queued = real;

	put(MSS);
	answer(.ack = MSS);			/* nobody waits: stays */
	ck_assert_uint_eq(B.c.mem.sndbuf, 4608);
	put(MSS);
	B.c.nospace = true;
	B.c.cwnd = 10;
	B.c.cwnd_limited = false;
	answer(.ack = 2 * MSS);
	ck_assert_uint_eq(B.c.mem.sndbuf, 2 * B.c.cwnd * (2048 + 256));
}
END_TEST

/* ---- splitting ------------------------------------------------------------------------------ */

START_TEST(t41_split_limit)
{
	s64 real;
	struct seg *s;

	lock_sndbuf(1 << 20);
	B.c.cwnd = 100;
	max_bytes = 2 * (MSS + WIRE_HDR);
	for (int i = 0; i < 10; i++)
		put(2 * MSS);
	lock_sndbuf(4608);
	real = B.c.mem.wmem_queued;
	s = seg_of(B.c.sndq.next->next);	/* a middle one */
	B.c.mem.wmem_queued = 273666;
	ck_assert(!sndq_split(&B.c, s, MSS));
	ck_assert_uint_eq(counter(&B, CNT_TCPWqueueTooBig), 1);
	B.c.mem.wmem_queued = 273665;
	ck_assert(sndq_split(&B.c, s, MSS));
	B.c.mem.wmem_queued = 273666;
	ck_assert(sndq_split(&B.c, seg_of(B.c.sndq.next), MSS));
	ck_assert(sndq_split(&B.c, seg_of(B.c.sndq.prev), MSS));
	B.c.mem.wmem_queued = real + 3 * 256;
	conn_check(&B.c);
}
END_TEST

/* Any block, any acknowledgement: the scoreboard agrees with the queue
 * (conn_check), and in the end everything is free. */
START_TEST(scoreboard_survives_any_answer)
{
	u64 sent, una = 0;
	u32 r = 12345 + _i;

	lock_sndbuf(1 << 20);
	B.c.cwnd = 500;
	put(200000);
	sent = B.c.snd_nxt - 1;
	for (int i = 0; i < 100; i++) {
		u64 a, b;

		r = r * 1103515245 + 12345;
		a = una + (r >> 8) % (sent - una);
		r = r * 1103515245 + 12345;
		b = a + 1 + (r >> 8) % (sent - a);
		at_us(100000 + i * 500);
		if (i % 4 == 3) {
			una += (a - una) / 8;
			answer(.ack = una, .sack = { a, b });
		} else {
			answer(.ack = una, .sack = { a, b }, .sack2 = { una / 2, b + 1 });
		}
	}
	answer(.ack = sent);
	ck_assert_uint_eq(B.c.packets_out, 0);
	ck_assert_int_eq(B.c.mem.wmem_queued, 0);
}
END_TEST

/* ---- FIN ---------------------------------------------------------------------------------------- */

static void finish(void)
{
	ck_assert_int_eq(conn_shutdown(&B.c, SHUT_WR, B.now), 0);
	conn_check(&B.c);
}

START_TEST(t42_fin_rides_on_unsent_data)
{
	B.c.snd_wnd_edge = 1;
	put(500);
	s64 queued = B.c.mem.wmem_queued;
	finish();
	ck_assert_int_eq(B.c.mem.wmem_queued, queued);
	answer(.ack = 0, .wnd = 1000);
	left(0, 500);
	ck_assert(last_left()->h.flags & WF_FIN);
}
END_TEST

START_TEST(t42_fin_rides_on_sent_data_under_pressure)
{
	put(500);
	forget();
	domain_enter_pressure(B.d);
	s64 queued = B.c.mem.wmem_queued;
	finish();
	flush_out();
	left_none();
	ck_assert_int_eq(B.c.mem.wmem_queued, queued);
	at(2000);				/* its retransmission */
	left(0, 500);
	ck_assert(last_left()->h.flags & WF_FIN);
	answer(.ack = 501);
	ck_assert_int_eq(B.c.state, CONN_FIN_WAIT2);
	domain_leave_pressure(B.d);
}
END_TEST

START_TEST(t42_fin_is_forced)
{
	other_takes(1000);
	limits(10, 20, 30);
	finish();
	flush_out();
	left(0, 0);
	ck_assert(last_left()->h.flags & WF_FIN);
	ck_assert_int_eq(B.c.mem.wmem_queued, 256);
	answer(.ack = 1);
	ck_assert_int_eq(B.c.state, CONN_FIN_WAIT2);
	other_gives();
}
END_TEST

START_TEST(fin_waits_for_a_descriptor)
{
	mem_test_refuse(1);			/* real shortage */
	finish();
	mem_test_refuse(0);
	flush_out();
	left_none();
	at(202);
	left(0, 0);
	ck_assert(last_left()->h.flags & WF_FIN);
}
END_TEST

START_TEST(data_acknowledged_but_not_its_fin)
{
	B.c.snd_wnd_edge = 1;
	put(500);
	finish();
	answer(.ack = 0, .wnd = 1000);
	answer(.ack = 500);
	ck_assert_int_eq(B.c.state, CONN_FIN_WAIT1);
	ck_assert_uint_eq(B.c.packets_out, 1);
	answer(.ack = 501);
	ck_assert_int_eq(B.c.state, CONN_FIN_WAIT2);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, snd_close);
	tcase_add_test(t, t21_memory_free_and_writeable);
	tcase_add_test(t, t22_notsent_lowat);
	tcase_add_test(t, t23_overshoot_is_one_size_goal);
	tcase_add_test(t, t24_t27_nospace_until_a_third_is_free);
	tcase_add_test(t, t28_raising_sndbuf_wakes);
	tcase_add_test(t, t29_part_of_a_send_is_a_count);
	tcase_add_test(t, t30_errors_come_once_then_epipe);
	tcase_add_test(t, t3_sndbuf_option);
	tcase_add_test(t, size_goal_under_pressure);
	tcase_add_test(t, t32_t34_domain_wait);
	tcase_add_test(t, domain_wait_ends_early_below_low);
	tcase_add_test(t, a_send_that_succeeds_ends_the_domain_wait);
	tcase_add_test(t, t37_expands_only_for_a_waiter);
	tcase_add_test(t, t38_what_forbids_expansion);
	tcase_add_test(t, t39_t40_moderation_and_recovery);
	tcase_add_test(t, t41_split_limit);
	tcase_add_loop_test(t, scoreboard_survives_any_answer, 0, 30);
	tcase_add_test(t, t42_fin_rides_on_unsent_data);
	tcase_add_test(t, t42_fin_rides_on_sent_data_under_pressure);
	tcase_add_test(t, t42_fin_is_forced);
	tcase_add_test(t, fin_waits_for_a_descriptor);
	tcase_add_test(t, data_acknowledged_but_not_its_fin);
}

RUN_SUITE("sndq", add)
