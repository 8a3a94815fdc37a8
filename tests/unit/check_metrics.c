/* What a connection leaves behind for the next one to the same host. */
#include "core_rcv.h"
#include "core/snd.h"
#include "mem/metrics.h"

static struct bench B;

static void setup(void)
{
	struct mem_limits l = bench_limits();

	bench_open(&B, &l, 1472);
	B.c.dest = 7;
}

static void teardown(void)
{
	bench_close(&B);
}

/* The numbers that an ended connection had. */
static void ended(u32 srtt, u32 var, u32 cwnd, u32 ssthresh, u32 reordering)
{
	B.c.rtt.srtt_us = srtt;
	B.c.rtt.rttvar_us = var;
	B.c.cwnd = cwnd;
	B.c.ssthresh = ssthresh;
	B.c.reordering = reordering;
	metrics_end(&B.c, B.now);
}

static struct path_metrics known(u64 dest)
{
	struct path_metrics m;

	mem_metrics_get(&B.c.mem, dest, &m, B.now);
	return m;
}

static void again(void)
{
	rtt_init(&B.c.rtt);
	recovery_init(&B.c);
	metrics_start(&B.c, B.now);
}

START_TEST(the_first_is_taken_as_it_is)
{
	struct path_metrics m;

	ended(50000, 5000, 40, SSTHRESH_INF, 12);
	m = known(7);
	ck_assert_uint_eq(m.srtt_us, 50000);
	ck_assert_uint_eq(m.rttvar_us, 25000);	/* half of the way from nothing */
	ck_assert_uint_eq(m.cwnd, 40);
	ck_assert_uint_eq(m.ssthresh, 0);
	ck_assert_uint_eq(m.reordering, 12);
	ck_assert_uint_eq(known(8).srtt_us, 0);
}
END_TEST

/* Longer at once, shorter by an eighth. */
START_TEST(round_trips_are_rather_overestimated)
{
	ended(50000, 5000, 10, SSTHRESH_INF, 3);
	ended(90000, 5000, 10, SSTHRESH_INF, 3);
	ck_assert_uint_eq(known(7).srtt_us, 90000);
	ended(10000, 5000, 10, SSTHRESH_INF, 3);
	ck_assert_uint_eq(known(7).srtt_us, 80000);
	B.c.rtt.backoff = 1;
	metrics_end(&B.c, B.now);
	ck_assert_uint_eq(known(7).srtt_us, 0);
}
END_TEST

START_TEST(windows_as_the_state_says)
{
	ended(50000, 5000, 100, 60, 3);		/* congestion avoidance */
	ck_assert_uint_eq(known(7).ssthresh, 60);
	ck_assert_uint_eq(known(7).cwnd, 50);
	ended(50000, 5000, 20, 80, 3);		/* slow start, after a loss */
	ck_assert_uint_eq(known(7).ssthresh, 80);
	ck_assert_uint_eq(known(7).cwnd, 65);
	ended(50000, 5000, 400, SSTHRESH_INF, 3);
	ck_assert_uint_eq(known(7).ssthresh, 200);
	ck_assert_uint_eq(known(7).cwnd, 400);
}
END_TEST

START_TEST(the_next_one_starts_from_it)
{
	struct mem_limits l = bench_limits();

	ended(300000, 5000, 100, 60, 9);
	again();
	ck_assert_uint_eq(B.c.reordering, 9);
	ck_assert_uint_eq(B.c.rtt.rto_us, 900000);
	ck_assert_uint_eq(B.c.ssthresh, SSTHRESH_INF);	/* as in Linux, unless asked for */
	ck_assert_uint_eq(B.c.cwnd, INIT_CWND);
	l.ssthresh_metrics = 1;
	ck_assert_int_eq(domain_set_limits(B.d, &l), 0);
	again();
	ck_assert_uint_eq(B.c.ssthresh, 60);
	B.now += METRICS_LIFE_US + 1;
	again();
	ck_assert_uint_eq(B.c.reordering, DUPTHRESH);
	ck_assert_uint_eq(B.c.rtt.rto_us, RTO_INIT_US);
}
END_TEST

/* Only a round trip longer than the opening's says that the first time-out
 * should be later. */
START_TEST(the_openings_round_trip_counts)
{
	ended(300000, 5000, 10, SSTHRESH_INF, 3);
	for (u32 srtt = 299999; srtt <= 300001; srtt++) {
		rtt_init(&B.c.rtt);
		B.c.rtt.srtt_us = srtt;
		B.c.rtt.rto_us = 777;
		metrics_start(&B.c, B.now);
		ck_assert_uint_eq(B.c.rtt.rto_us, srtt < 300000 ? 900000 : 777);
	}
}
END_TEST

/* Whatever others write there. */
START_TEST(absurd_values_are_clamped)
{
	struct path_metrics m = { .srtt_us = UINT32_MAX, .rttvar_us = UINT32_MAX,
				  .ssthresh = UINT32_MAX, .reordering = UINT32_MAX };

	mem_metrics_put(&B.c.mem, 7, &m, B.now);
	again();
	ck_assert_uint_eq(B.c.rtt.rto_us, RTO_MAX_US / 4 * 3);
	ck_assert_uint_le(B.c.reordering, 300);
	conn_check(&B.c);
	ended(1000, 10, 10, SSTHRESH_INF, 3);
}
END_TEST

START_TEST(the_oldest_gives_way)
{
	struct path_metrics m = { .srtt_us = 1 };
	unsigned there = 0;

	for (u64 dest = 1; dest <= 4 * METRICS_ROWS_MIN; dest++) {
		mem_metrics_put(&B.c.mem, dest, &m, ++B.now);
		ck_assert_uint_eq(known(dest).srtt_us, 1);
	}
	for (u64 dest = 1; dest <= 4 * METRICS_ROWS_MIN; dest++)
		there += known(dest).srtt_us;
	ck_assert_uint_le(there, METRICS_ROWS_MIN);
	ck_assert_uint_ge(there, METRICS_ROWS_MIN / 2);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_first_is_taken_as_it_is);
	tcase_add_test(t, round_trips_are_rather_overestimated);
	tcase_add_test(t, windows_as_the_state_says);
	tcase_add_test(t, the_next_one_starts_from_it);
	tcase_add_test(t, the_openings_round_trip_counts);
	tcase_add_test(t, absurd_values_are_clamped);
	tcase_add_test(t, the_oldest_gives_way);
}

int main(void)
{
	return run_case("metrics", add);
}
