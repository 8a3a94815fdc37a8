/*
 * check_wait.c - waiting for room to send: what wakes a writer of its own
 * limit, what of the domain's, and when the limit grows.
 */
#include "core_snd.h"

enum { MSS = 1400 };

static void setup(void)
{
	snd_open(MSS, 1 << 20);
	know_rtt(100);
}

static bool out(void)
{
	return conn_ready(&B.c) & READY_OUT;
}

/* ---- its own limit ------------------------------------------------------------- */

static void sndbuf_at(u32 mss, u32 cwnd, u32 want)
{
	B.c.mem.sndbuf = 16384;
	B.c.mem.lock_bits = 0;
	B.c.mss = mss;
	B.c.cwnd = cwnd;
	snd_established(&B.c, B.now);
	ck_assert_uint_eq(B.c.mem.sndbuf, want);
	B.c.mem.sndbuf = 16384;
	B.c.mem.lock_bits = SNDBUF_LOCK;
	snd_established(&B.c, B.now);
	ck_assert_uint_eq(B.c.mem.sndbuf, 16384);
}

START_TEST(t4_buffers_at_the_beginning)
{
	struct mem_acct fresh;

	mem_acct_init(&fresh, B.ar, OWNER_SOCK0 + 1, 1);
	ck_assert_uint_eq(fresh.sndbuf, 16384);
	ck_assert_uint_eq(fresh.rcvbuf, 131072);
	ck_assert_uint_eq(fresh.lock_bits, 0);
	mem_acct_fini(&fresh);
	sndbuf_at(1408, 10, 46080);
	sndbuf_at(1409, 10, 87040);
	sndbuf_at(8948, 10, 332800);
	sndbuf_at(65483, 10, 2626560);
	domain_enter_pressure(B.d);		/* asks nobody at the beginning */
	sndbuf_at(1408, 10, 46080);
	domain_leave_pressure(B.d);
}
END_TEST

START_TEST(t25_poll_says_no_and_send_succeeds)
{
	lock_sndbuf(30000);
	B.c.snd_wnd_edge = 1;
	while (B.c.mem.wmem_queued <= 20000)
		ck_assert_int_eq(put(MSS), MSS);
	ck_assert(!out() && snd_memory_free(&B.c));
	ck_assert_int_eq(put(100), 100);
	ck_assert(!out());
}
END_TEST

/* Every order of seven writes and seven acknowledgements: who was told EAGAIN
 * either sees room at once, or is marked and shown an edge when a third is
 * free, and exactly one. */
static void one_order(unsigned order)
{
	u64 acked = B.c.write_seq - 1;
	bool waits = false;

	for (unsigned step = 0; step < 14; step++) {
		bool was = out();

		if (order >> step & 1) {
			ssize_t n = put(8 * MSS);

			waits |= n == -EAGAIN;
			ck_assert(!waits || !out() || n > 0);
		} else if (acked + MSS < B.c.snd_nxt) {
			answer(.ack = acked += MSS);
		}
		if (waits && out()) {
			ck_assert(!was && !B.c.nospace);
			waits = false;
		}
		ck_assert(!waits || B.c.nospace);
		ck_assert(out() || B.c.nospace);	/* the plug is in */
	}
	for (int i = 0; i < 20 && !out(); i++)
		answer(.ack = B.c.snd_nxt - 1);
	ck_assert(out());
	ncaught = looked_at = 0;
}

START_TEST(t26_no_wakeup_is_lost)
{
	lock_sndbuf(30000);
	for (unsigned order = 0; order < 1 << 14; order++)
		if (__builtin_popcount(order) == 7)
			one_order(order);
}
END_TEST

START_TEST(t27_a_partial_send_leaves_nospace)
{
	lock_sndbuf(30000);
	B.c.snd_wnd_edge = 1;
	while (put(1000) > 0)
		;
	ck_assert(B.c.nospace);
	B.c.mem.sndbuf = B.c.mem.wmem_queued + 2000;		/* nobody ran the callback */
	ck_assert_int_gt(put(100000), 0);
	ck_assert(B.c.nospace);
	B.c.snd_wnd_edge = 1 << 20;
	B.c.cwnd = 1000;
	flush_out();
	answer(.ack = B.c.snd_nxt - 1);
	ck_assert(!B.c.nospace && out());
}
END_TEST

/* ---- the domain's ------------------------------------------------------------------ */

START_TEST(t96_the_refused_do_not_come_back_together)
{
	unsigned in_ms[202] = { 0 };
	u64 rng = 1;

	for (unsigned i = 0; i < 100; i++) {
		B.c.rng = rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
		B.c.domwait = false;
		timer_domain_wait(&B.c, B.now);
		in_ms[(B.c.domwait_until - B.now) / 1000]++;
	}
	for (unsigned ms = 0; ms < ARRAY_SIZE(in_ms); ms++)
		ck_assert_uint_le(in_ms[ms], 5);
	B.c.domwait = false;
	timer_clear(&B.c, T_DOMWAIT);
}
END_TEST

START_TEST(t104_one_edge_though_nothing_is_queued)
{
	unsigned edges = 0;
	usec_t from;
	ssize_t n;

	lock_sndbuf(400000);
	other_takes(1000);
	limits(10, 20, 30);
	while ((n = put(20000)) > 0)
		;
	ck_assert_int_eq(n, -EAGAIN);
	answer(.ack = B.c.snd_nxt - 1);
	ck_assert(list_empty(&B.c.sndq) && !out());
	from = B.now;
	for (u64 ms = (B.now - base) / 1000; ms < 400; ms++) {
		bool was = out();

		at(ms);
		if (out() && !was) {
			edges++;
			ck_assert_uint_ge(B.now - from, 2000);
			ck_assert_uint_le(B.now - from, 202000);
		}
	}
	ck_assert_uint_eq(edges, 1);
	ck_assert_uint_eq(counter(&B, CNT_MemDomainWait), 1);
	other_gives();
}
END_TEST

START_TEST(a_refusal_ends_with_the_stream)
{
	lock_sndbuf(400000);
	other_takes(1000);
	limits(10, 20, 30);
	while (put(20000) > 0)
		;
	ck_assert(B.c.domwait && !out());
	conn_shutdown(&B.c, SHUT_WR, B.now);
	ck_assert(out());			/* a write says EPIPE at once */
	ck_assert_int_eq(put(1), -EPIPE);
	other_gives();
}
END_TEST

/* ---- SO_RESERVE_MEM ------------------------------------------------------------------ */

START_TEST(t102_what_is_reserved_is_the_buffer_under_pressure)
{
	ck_assert_int_eq(mem_reserve(&B.c.mem, 40960), 0);
	domain_enter_pressure(B.d);
	B.c.mem.sndbuf = 4608;
	B.c.nospace = true;
	snd_write_space(&B.c, B.now);
	ck_assert_uint_eq(B.c.mem.sndbuf, 40960);
	ck_assert_int_eq(mem_reserve(&B.c.mem, 4096), 0);	/* not above 4608 */
	domain_enter_pressure(B.d);
	B.c.mem.sndbuf = 4608;
	B.c.nospace = true;
	snd_write_space(&B.c, B.now);
	ck_assert_uint_eq(B.c.mem.sndbuf, 4608);
	ck_assert_int_eq(mem_reserve(&B.c.mem, 0), 0);
	domain_leave_pressure(B.d);
}
END_TEST

static void add(TCase *t)
{
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, snd_close);
	tcase_add_test(t, t4_buffers_at_the_beginning);
	tcase_add_test(t, t25_poll_says_no_and_send_succeeds);
	tcase_add_test(t, t26_no_wakeup_is_lost);
	tcase_add_test(t, t27_a_partial_send_leaves_nospace);
	tcase_add_test(t, t96_the_refused_do_not_come_back_together);
	tcase_add_test(t, t104_one_edge_though_nothing_is_queued);
	tcase_add_test(t, a_refusal_ends_with_the_stream);
	tcase_add_test(t, t102_what_is_reserved_is_the_buffer_under_pressure);
}

RUN_SUITE("wait", add)
