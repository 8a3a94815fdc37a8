/*
 * check_cubic.c - CUBIC against RFC 9438's formulas in floating point, and
 * HyStart++ (RFC 9406) by rounds.
 */
#include <math.h>
#include "core_rcv.h"

#define RTT_US	50000u

static struct conn c;
static usec_t now;

static void setup(void)
{
	memset(&c, 0, sizeof(c));
	now = USEC_PER_SEC;
	recovery_init(&c);
	c.rtt.srtt_us = c.rtt.min_rtt_us = RTT_US;
	c.snd_una = c.snd_nxt = 1;
}

static void acked(u32 pkts, s64 rtt)
{
	struct ack_sample s = { .delivered = pkts, .acked = pkts, .rtt_us = rtt,
				.una_advanced = true, .is_limited = true };

	cc_cubic.cong_avoid(&c, &s, now);
}

/* One round trip: all of cwnd is acknowledged, two at a time. */
static void round_trip(s64 rtt)
{
	u32 n = c.cwnd / 2;
	u64 end = c.snd_nxt + c.cwnd;

	c.snd_nxt = end;
	for (u32 i = 0; i < n; i++) {
		now += RTT_US / n;
		c.snd_una += 2;
		acked(2, rtt);
	}
	c.snd_una = end;
}

static void lose(void)
{
	c.ssthresh = cc_cubic.ssthresh(&c);
	c.cwnd = c.ssthresh;
}

START_TEST(beta_is_seven_tenths)
{
	c.cwnd = 1000;
	ck_assert_uint_eq(cc_cubic.ssthresh(&c), 700);
	c.cwnd = 2;
	ck_assert_uint_eq(cc_cubic.ssthresh(&c), 2);
}
END_TEST

/* cwnd(t) follows C (t - K)^3 + W_max within 2%, through the plateau. */
START_TEST(follows_the_cubic)
{
	double w_max = 4000, k = cbrt(w_max * 0.3 / 0.4);
	usec_t start;

	c.cwnd = w_max;
	lose();
	round_trip(-1);
	start = now - RTT_US;
	for (int i = 0; i < 600; i++) {
		double t = (now - start) / 1e6;
		double want = 0.4 * pow(t - k, 3) + w_max;

		ck_assert_msg(fabs(c.cwnd - want) < 0.02 * want,
			      "%.2f s: cwnd %u, cubic %.0f", t, c.cwnd, want);
		round_trip(-1);
	}
	ck_assert_uint_gt(c.cwnd, w_max);
}
END_TEST

/* A small window over a short path: Reno's growth, alpha = 9/17 at first. */
START_TEST(friendly_to_reno)
{
	c.rtt.srtt_us = 1000;
	c.cwnd = 100;
	lose();					/* 70 */
	for (int i = 0; i < 34; i++) {
		for (u32 n = c.cwnd; n >= 2; n -= 2)
			acked(2, -1);
		now += 1000;
	}
	ck_assert_uint_ge(c.cwnd, 70 + 34 * 9 / 17 - 2);
	ck_assert_uint_le(c.cwnd, 70 + 34 * 9 / 17 + 2);
}
END_TEST

START_TEST(fast_convergence)
{
	u32 k_before;

	c.cwnd = 1000;
	lose();
	k_before = c.cwnd;			/* 700, never back at 1000 */
	lose();
	ck_assert_uint_eq(c.cwnd, k_before * 717 / 1024);
	/* The plateau is now 0.85 * 700, not 700. */
	for (int i = 0; i < 40; i++)
		round_trip(-1);
	ck_assert_uint_lt(c.cwnd, 640);
	ck_assert_uint_gt(c.cwnd, 560);
}
END_TEST

START_TEST(grows_only_when_cwnd_is_the_limit)
{
	struct ack_sample s = { .delivered = 10, .rtt_us = RTT_US };

	cc_cubic.cong_avoid(&c, &s, now);
	ck_assert_uint_eq(c.cwnd, 10);
}
END_TEST

START_TEST(slow_start_doubles)
{
	round_trip(RTT_US);
	ck_assert_uint_eq(c.cwnd, 20);
	round_trip(RTT_US);
	ck_assert_uint_eq(c.cwnd, 40);
}
END_TEST

/* Round trips grow by an eighth: a quarter of the growth, for five rounds,
 * then congestion avoidance. */
START_TEST(hystart_slows_then_stops)
{
	for (int i = 0; i < 4; i++)
		round_trip(RTT_US);
	ck_assert_uint_eq(c.cwnd, 160);
	round_trip(RTT_US + 8000);
	ck_assert_uint_gt(c.cwnd, 190);		/* 160 + 8..160 / 4 */
	ck_assert_uint_lt(c.cwnd, 225);
	for (int i = 0; i < 8 && c.ssthresh == SSTHRESH_INF; i++)
		round_trip(RTT_US + 10000);
	ck_assert_uint_ne(c.ssthresh, SSTHRESH_INF);
	ck_assert_uint_lt(c.cwnd, 800);
}
END_TEST

START_TEST(hystart_takes_jitter_back)
{
	for (int i = 0; i < 4; i++)
		round_trip(RTT_US);
	round_trip(RTT_US + 8000);
	round_trip(RTT_US);			/* it was jitter */
	u32 before = c.cwnd;
	round_trip(RTT_US);
	ck_assert_uint_eq(c.cwnd, 2 * before - (before & 1));
	ck_assert_uint_eq(c.ssthresh, SSTHRESH_INF);
}
END_TEST

/* RFC 9438 5.8: an hour of silence does not make cwnd jump. */
START_TEST(idle_time_is_not_cubic_time)
{
	c.cwnd = 1000;
	lose();
	for (int i = 0; i < 20; i++)
		round_trip(-1);
	u32 before = c.cwnd;
	c.last_data_send = now;
	now += 3600 * USEC_PER_SEC;
	cc_cubic.idle_restart(&c, now);
	round_trip(-1);
	ck_assert_uint_lt(c.cwnd, before + 20);
}
END_TEST

START_TEST(huge_windows_and_times_do_not_wrap)
{
	c.cwnd = 400000000;
	lose();
	acked(100, -1);
	now += 100000 * USEC_PER_SEC;
	acked(100, -1);
	ck_assert_uint_ge(c.cwnd, c.ssthresh);
	ck_assert_uint_lt(c.cwnd, 500000000);
}
END_TEST

START_TEST(names_and_numbers)
{
	ck_assert_ptr_eq(cc_by_id(0), &cc_cubic);
	ck_assert_ptr_eq(cc_by_id(cc_find("reno")), &cc_reno);
	ck_assert_ptr_eq(cc_by_id(255), &cc_cubic);
	ck_assert_int_lt(cc_find("vegas"), 0);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, beta_is_seven_tenths);
	tcase_add_test(t, follows_the_cubic);
	tcase_add_test(t, friendly_to_reno);
	tcase_add_test(t, fast_convergence);
	tcase_add_test(t, grows_only_when_cwnd_is_the_limit);
	tcase_add_test(t, slow_start_doubles);
	tcase_add_test(t, hystart_slows_then_stops);
	tcase_add_test(t, hystart_takes_jitter_back);
	tcase_add_test(t, idle_time_is_not_cubic_time);
	tcase_add_test(t, huge_windows_and_times_do_not_wrap);
	tcase_add_test(t, names_and_numbers);
}

int main(void)
{
	return run_case("cubic", add);
}
