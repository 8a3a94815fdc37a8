/*
 * check_rtt.c - RFC 6298 by numbers.
 */
#include "core_rcv.h"

static struct conn_rtt r;

static void setup(void)
{
	rtt_init(&r);
}

START_TEST(before_any_sample)
{
	ck_assert_uint_eq(r.rto_us, RTO_INIT_US);		/* (2.1) */
}
END_TEST

START_TEST(first_sample)
{
	rtt_sample(&r, 100000);
	ck_assert_uint_eq(r.srtt_us, 100000);
	ck_assert_uint_eq(r.rttvar_us, 50000);
	ck_assert_uint_eq(r.rto_us, 300000);		/* SRTT + 4 RTTVAR */
}
END_TEST

START_TEST(further_samples)
{
	rtt_sample(&r, 100000);
	rtt_sample(&r, 180000);
	ck_assert_uint_eq(r.rttvar_us, (50000 * 3 + 80000) / 4);
	ck_assert_uint_eq(r.srtt_us, (100000 * 7 + 180000) / 8);
	ck_assert_uint_eq(r.rto_us, r.srtt_us + 4 * r.rttvar_us);
}
END_TEST

START_TEST(the_floor_is_the_variances)
{
	for (int i = 0; i < 200; i++)
		rtt_sample(&r, 100000);
	ck_assert_uint_lt(r.rttvar_us, 10);
	ck_assert_uint_eq(r.rto_us, 100000 + RTO_MIN_US);
}
END_TEST

START_TEST(bounds)
{
	rtt_sample(&r, UINT32_MAX);
	ck_assert_uint_eq(r.rto_us, RTO_MAX_US);
	rtt_init(&r);
	rtt_sample(&r, 0);			/* less than the clock's step */
	ck_assert_uint_eq(r.srtt_us, 1);
	for (int i = 0; i < 100; i++)
		rtt_sample(&r, 0);
	ck_assert_uint_ge(r.srtt_us, 1);
}
END_TEST

START_TEST(minimum_ages)
{
	usec_t now = USEC_PER_SEC;

	rtt_min_update(&r, 500, now);
	rtt_min_update(&r, 900, now + USEC_PER_SEC);
	ck_assert_uint_eq(r.min_rtt_us, 500);
	rtt_min_update(&r, 400, now + 2 * USEC_PER_SEC);
	ck_assert_uint_eq(r.min_rtt_us, 400);
	rtt_min_update(&r, 900, now + 303 * USEC_PER_SEC);
	ck_assert_uint_eq(r.min_rtt_us, 900);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, before_any_sample);
	tcase_add_test(t, first_sample);
	tcase_add_test(t, further_samples);
	tcase_add_test(t, the_floor_is_the_variances);
	tcase_add_test(t, bounds);
	tcase_add_test(t, minimum_ages);
}

int main(void)
{
	return run_case("rtt", add);
}
