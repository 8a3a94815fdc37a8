/*
 * check_timer.c - the rules of the timers: persist, keepalive, giving up,
 * orphans.
 */
#include "core_snd.h"

enum { MSS = 1000 };

static void setup(void)
{
	snd_open(MSS, 1 << 20);
	know_rtt(10);
}

static void alive(void)		/* an answer that brings nothing new */
{
	answer(.ack = B.c.snd_una - 1, .shut = true);
}

/* ---- persist -------------------------------------------------------------------- */

START_TEST(t65_probes_double_while_answered)
{
	u32 b = B.c.rtt.rto_us / 1000, t = 0;

	B.c.snd_wnd_edge = 1;
	B.c.snd_wnd = 0;
	put(5000);
	left_none();
	for (int i = 0; i < 5; i++) {		/* at b, 3b, 7b, 15b, 31b */
		t += b << i;
		at(t - 1);
		left_none();
		at(t);
		left(UINT64_MAX, 0);		/* an old sequence number: una - 1 */
		ck_assert(last_left()->h.flags & WF_REPLY);
		alive();
		ck_assert_uint_eq(B.c.probes, 0);
	}
	ck_assert_uint_eq(counter(&B, CNT_TCPWinProbe), 5);
	answer(.ack = 0, .wnd = 5000);		/* opens: at once */
	left_train(0, 5000, MSS);
	ck_assert_uint_eq(B.c.timer[T_PERSIST], USEC_NEVER);
	ck_assert_uint_eq(timer_rto(&B.c), B.c.rtt.rto_us);
}
END_TEST

START_TEST(t66_a_dead_peer_is_given_up)
{
	B.c.snd_wnd_edge = 1;
	B.c.snd_wnd = 0;
	put(5000);
	at(3600 * 1000);
	ck_assert_int_eq(B.c.state, CONN_CLOSED);
	ck_assert_int_eq(B.c.err, ETIMEDOUT);
	ck_assert_uint_eq(ncaught, RETRIES2);
}
END_TEST

START_TEST(t66_a_live_peer_is_probed_for_ever)
{
	B.c.snd_wnd_edge = 1;
	B.c.snd_wnd = 0;
	put(5000);
	for (u64 s = 0; s < 7 * 86400; s += 60) {
		at(s * 1000);
		alive();
		looked_at = ncaught = 0;
	}
	ck_assert_int_eq(B.c.state, CONN_ESTABLISHED);
}
END_TEST

START_TEST(a_window_too_small_gets_what_fits)
{
	B.c.snd_wnd_edge = 1 + 300;
	B.c.snd_wnd = 300;
	put(5000);
	left_none();
	at(1000);
	left(0, 300);
}
END_TEST

/* ---- giving up -------------------------------------------------------------------- */

START_TEST(retries2)
{
	put(1000);
	at(900 * 1000);
	ck_assert_int_eq(B.c.state, CONN_ESTABLISHED);
	at(1200 * 1000);
	ck_assert_int_eq(B.c.state, CONN_CLOSED);
	ck_assert_int_eq(B.c.err, ETIMEDOUT);
	ck_assert_uint_eq(counter(&B, CNT_TCPAbortOnTimeout), 1);
}
END_TEST

START_TEST(user_timeout)
{
	B.c.opts.user_timeout_ms = 3000;
	put(1000);
	at(2900);
	ck_assert_int_eq(B.c.state, CONN_ESTABLISHED);
	at(3500);
	ck_assert_int_eq(B.c.state, CONN_CLOSED);
}
END_TEST

START_TEST(soft_error_is_what_the_program_hears)
{
	put(1000);
	B.c.err_soft = EHOSTUNREACH;
	at(2000 * 1000);
	ck_assert_int_eq(B.c.err, EHOSTUNREACH);
}
END_TEST

START_TEST(t79_orphans_are_given_up_sooner)
{
	put(1000);
	conn_close(&B.c, B.now);
	flush_out();
	for (u64 ms = 0; B.c.state != CONN_CLOSED && ms < 240 * 1000; ms += 100)
		at(ms);
	ck_assert_int_eq(B.c.state, CONN_CLOSED);
	ck_assert_uint_eq(B.c.retries, 8);
	ck_assert_uint_eq(counter(&B, CNT_TCPTimeouts), 8);
	ck_assert_uint_eq(counter(&B, CNT_TCPAbortOnTimeout), 1);
}
END_TEST

/* With an rto that cannot grow any more it is not alive. */
START_TEST(t79_who_is_not_alive_has_no_retry)
{
	put(1000);
	at(1000);
	while (timer_rto(&B.c) < RTO_MAX_US)
		B.c.rtt.backoff++;
	conn_close(&B.c, B.now);
	flush_out();
	B.c.err_soft = _i ? EHOSTUNREACH : 0;
	forget();
	B.now += RTO_MAX_US + USEC_PER_SEC;
	conn_timeout(&B.c, B.now);
	ck_assert_int_eq(B.c.state, CONN_CLOSED);
	flush_out();
	left_none();
}
END_TEST

START_TEST(t80_orphan_in_zero_window_above_high)
{
	struct mem_limits l = bench_limits();

	B.c.snd_wnd_edge = 1;
	B.c.snd_wnd = 0;
	put(8000);
	conn_close(&B.c, B.now);
	l.mem[0] = 1;
	l.mem[1] = l.mem[2] = 2;
	ck_assert_int_eq(domain_set_limits(B.d, &l), 0);
	at(1000);
	ck_assert_int_eq(B.c.state, CONN_CLOSED);
	ck_assert(last_left()->h.flags & WF_RST);
	ck_assert_uint_eq(counter(&B, CNT_TCPAbortOnMemory), 1);
}
END_TEST

START_TEST(too_many_orphans)
{
	struct mem_limits l = bench_limits();

	put(1000);
	conn_close(&B.c, B.now);
	atomic_store(&B.d->arenas[3].orphans, 6);
	l.max_orphans = 5;
	ck_assert_int_eq(domain_set_limits(B.d, &l), 0);
	at(2000);
	ck_assert_int_eq(B.c.state, CONN_CLOSED);
	atomic_store(&B.d->arenas[3].orphans, 0);
}
END_TEST

/* R6.4: silence for long, and an ICMP error, each double the orphans. */
START_TEST(doubtful_orphans_count_twice)
{
	bool silent = _i & 1, error = _i & 2;
	struct mem_limits l = bench_limits();

	put(1000);
	conn_close(&B.c, B.now);
	flush_out();
	B.c.err_soft = error ? EHOSTUNREACH : 0;
	atomic_store(&B.d->arenas[3].orphans, 3);
	l.max_orphans = silent + error == 2 ? 11 : 5;
	ck_assert_int_eq(domain_set_limits(B.d, &l), 0);
	B.now += (silent ? 2 * RTO_MAX_US : RTO_MAX_US) + USEC_PER_SEC;
	conn_timeout(&B.c, B.now);
	ck_assert_uint_eq(counter(&B, CNT_TCPAbortOnMemory), silent || error);
	atomic_store(&B.d->arenas[3].orphans, 0);
}
END_TEST

/* ---- keepalive ------------------------------------------------------------------------ */

static void keepalive_on(void)
{
	B.c.opts.keepalive = true;
	conn_opts_changed(&B.c, B.now);
}

START_TEST(keepalive_probes_then_gives_up)
{
	B.c.opts.keep_chosen = true;
	keepalive_on();
	at(4999);
	left_none();
	at(12999);
	ck_assert_uint_eq(ncaught, KEEPALIVE_PROBES);
	ck_assert(last_left()->h.flags & WF_REPLY);
	ck_assert_int_eq(B.c.state, CONN_ESTABLISHED);
	at(13000);
	ck_assert_int_eq(B.c.state, CONN_CLOSED);
	ck_assert_int_eq(B.c.err, ETIMEDOUT);
	ck_assert(last_left()->h.flags & WF_RST);
	ck_assert_uint_eq(counter(&B, CNT_TCPKeepAlive), KEEPALIVE_PROBES);
}
END_TEST

/* 5 s, then 1, 2, 4, 8 and 16 later, and each 16 s. */
START_TEST(keepalive_waits_for_who_is_stopped)
{
	static const unsigned asks[] = { 5, 6, 8, 12, 20, 36, 52, 68 };

	keepalive_on();
	for (unsigned i = 0; i < ARRAY_SIZE(asks); i++) {
		at(asks[i] * 1000 - 1);
		ck_assert_uint_eq(ncaught, i);
		at(asks[i] * 1000);
		ck_assert_uint_eq(ncaught, i + 1);
	}
	at(899999);
	ck_assert_int_eq(B.c.state, CONN_ESTABLISHED);
	at(916000);
	ck_assert_int_eq(B.c.state, CONN_CLOSED);
	ck_assert_int_eq(B.c.err, ETIMEDOUT);
}
END_TEST

START_TEST(keepalive_answered)
{
	keepalive_on();
	at(5000);
	left(UINT64_MAX, 0);
	alive();
	at(9999);
	left_none();
	at(10000);
	left(UINT64_MAX, 0);
}
END_TEST

START_TEST(keepalive_rests_while_data_is_out)
{
	keepalive_on();
	put(1000);
	at(20000);
	ck_assert_uint_eq(counter(&B, CNT_TCPKeepAlive), 0);
	ck_assert_int_eq(B.c.state, CONN_ESTABLISHED);
}
END_TEST

START_TEST(keepalive_switched_off)
{
	keepalive_on();
	B.c.opts.keepalive = false;
	conn_opts_changed(&B.c, B.now);
	at(100000);
	left_none();
	ck_assert_uint_eq(conn_deadline(&B.c), USEC_NEVER);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, snd_close);
	tcase_add_test(t, t65_probes_double_while_answered);
	tcase_add_test(t, t66_a_dead_peer_is_given_up);
	tcase_add_test(t, t66_a_live_peer_is_probed_for_ever);
	tcase_add_test(t, a_window_too_small_gets_what_fits);
	tcase_add_test(t, retries2);
	tcase_add_test(t, user_timeout);
	tcase_add_test(t, soft_error_is_what_the_program_hears);
	tcase_add_test(t, t79_orphans_are_given_up_sooner);
	tcase_add_loop_test(t, t79_who_is_not_alive_has_no_retry, 0, 2);
	tcase_add_test(t, t80_orphan_in_zero_window_above_high);
	tcase_add_test(t, too_many_orphans);
	tcase_add_loop_test(t, doubtful_orphans_count_twice, 0, 4);
	tcase_add_test(t, keepalive_probes_then_gives_up);
	tcase_add_test(t, keepalive_waits_for_who_is_stopped);
	tcase_add_test(t, keepalive_answered);
	tcase_add_test(t, keepalive_rests_while_data_is_out);
	tcase_add_test(t, keepalive_switched_off);
}

RUN_SUITE("timer", add)
