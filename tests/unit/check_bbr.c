/* check_bbr.c - delivery rate samples, and BBR's model of the path. */
#include "core_snd.h"

enum { MSS = 1000, CUBIC = 0, BBR = 2 };

static struct ack_sample seen;	/* by the algorithm at hand */

static void setup(void)
{
	snd_open(MSS, 4 << 20);
	know_rtt(100);
	B.c.mem.sndbuf = 4 << 20;
	B.c.mem.lock_bits |= SNDBUF_LOCK;
}

static void use_bbr(void)
{
	B.c.opts.cc_id = BBR;
	conn_opts_changed(&B.c, B.now);
	ck_assert_str_eq(cc_by_id(B.c.cc_now)->name, "bbr");
}

/* The sample that an acknowledgement of everything up to `ack` makes. */
static struct ack_sample sample(u64 ack)
{
	struct sndq_acked a;

	seen = (struct ack_sample){ .rtt_us = -1 };
	sndq_ack(&B.c, ack + 1, &a, B.now);
	seen.delivered = a.new_pkts;
	B.c.delivered += a.new_pkts;
	rate_sample(&B.c, &seen, B.now);
	return seen;
}

/* ---- rates ---------------------------------------------------------------------- */

START_TEST(a_rate_is_what_came_in_its_time)
{
	struct ack_sample s;

	B.c.cwnd = 100;
	put(10 * MSS);
	at(100);
	s = sample(10 * MSS);
	ck_assert_uint_eq(s.rate_pkts, 10);
	ck_assert_uint_eq(s.interval_us, 100000);
	put(20 * MSS);
	at(150);
	put(5 * MSS);
	at(200);
	s = sample(30 * MSS);
	ck_assert_uint_eq(s.rate_pkts, 20);
	ck_assert_uint_eq(s.interval_us, 100000);
	at(250);
	s = sample(35 * MSS);		/* since the last delivery before it was sent */
	ck_assert_uint_eq(s.rate_pkts, 25);
	ck_assert_uint_eq(s.interval_us, 150000);
	ck_assert_uint_eq(s.prior_delivered, 10);
}
END_TEST

/* Acknowledgements that were held up and come together say no more than the
 * time in which the data was sent. */
START_TEST(bunched_acknowledgements_are_not_a_faster_path)
{
	struct ack_sample s;

	B.c.cwnd = 100;
	B.c.timer[T_RTX] = USEC_NEVER;
	for (int ms = 0; ms < 100; ms += 10) {
		at(ms);
		put(MSS);
	}
	at(190);
	s = sample(5 * MSS);
	at(191);
	s = sample(10 * MSS);
	ck_assert_uint_ge(s.interval_us, 90000);
	ck_assert_uint_le(s.rate_pkts, 10);
}
END_TEST

START_TEST(the_programs_rate_is_marked)
{
	struct ack_sample s;

	B.c.cwnd = 100;
	put(MSS);			/* it had nothing to send before */
	at(100);
	s = sample(MSS);
	ck_assert(s.app_limited);
	B.c.cwnd = 4;
	put(20 * MSS);			/* now cwnd is what limits */
	at(200);
	s = sample(5 * MSS);
	flush_out();
	at(300);
	s = sample(9 * MSS);
	ck_assert(!s.app_limited);
}
END_TEST

/* ---- the model ------------------------------------------------------------------- */

/* A pipe that delivers `bw` datagrams a millisecond, 100 ms long, for so long. */
static void pipe_for(u32 bw, u32 for_ms)
{
	u64 ms = (B.now - base) / 1000;

	for (u64 end = ms + for_ms; ms <= end; ms++) {
		unsigned n = 0;

		at(ms);
		while (n < bw && n < ncaught && caught[n].at + 100000 <= B.now)
			n++;
		if (n)
			answer(.ack = caught[n - 1].off + caught[n - 1].len);
		memmove(caught, caught + n, (ncaught -= n) * sizeof(caught[0]));
		if (conn_notsent(&B.c) < 100 * MSS)
			put(100 * MSS);
	}
}

START_TEST(bbr_finds_rate_and_window)
{
	use_bbr();
	ck_assert_uint_eq(B.c.cwnd, 10);
	/* 2.89 * 10 datagrams in 100 ms */
	ck_assert_uint_ge(B.c.pacing_rate, 280000);
	ck_assert_uint_le(B.c.pacing_rate, 310000);
	pipe_for(2, 4000);
	/* 2 datagrams a ms, 200 in flight, give or take what it probes */
	ck_assert_uint_ge(pace_rate(&B.c), 1400000);
	ck_assert_uint_le(pace_rate(&B.c), 2700000);
	ck_assert_uint_ge(B.c.cwnd, 300);
	ck_assert_uint_le(B.c.cwnd, 550);
	ck_assert_uint_eq(B.c.ssthresh, SSTHRESH_INF);
}
END_TEST

START_TEST(bbr_keeps_its_window_through_a_loss)
{
	u32 before;
	u64 una;

	use_bbr();
	pipe_for(2, 2000);
	before = B.c.cwnd;
	una = B.c.snd_una - 1;
	answer(.ack = una, .sack = { una + MSS, una + 60 * MSS });
	ck_assert_int_eq(B.c.ca_state, CA_RECOVERY);
	at((B.now - base) / 1000 + 110);
	answer(.ack = B.c.snd_nxt - 1);
	ck_assert_int_eq(B.c.ca_state, CA_OPEN);
	ck_assert_uint_ge(B.c.cwnd, before * 9 / 10);
}
END_TEST

START_TEST(leaving_bbr_leaves_its_rate)
{
	use_bbr();
	ck_assert_uint_gt(B.c.pacing_rate, 0);
	B.c.opts.cc_id = CUBIC;
	conn_opts_changed(&B.c, B.now);
	ck_assert_uint_eq(B.c.pacing_rate, 0);
	B.c.cwnd = 100;
	put(100 * MSS);
	ck_assert_uint_eq(ncaught, 100);
}
END_TEST

START_TEST(t4_sndbuf_has_room_for_bbr)
{
	B.c.mem.lock_bits = 0;
	B.c.mem.sndbuf = 16384;
	B.c.mss = 1408;
	use_bbr();
	snd_established(&B.c, B.now);
	ck_assert_uint_eq(B.c.mem.sndbuf, 69120);
	B.c.mss = 65483;
	snd_established(&B.c, B.now);
	ck_assert_uint_eq(B.c.mem.sndbuf, 3939840);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, snd_close);
	tcase_add_test(t, a_rate_is_what_came_in_its_time);
	tcase_add_test(t, bunched_acknowledgements_are_not_a_faster_path);
	tcase_add_test(t, the_programs_rate_is_marked);
	tcase_add_test(t, bbr_finds_rate_and_window);
	tcase_add_test(t, bbr_keeps_its_window_through_a_loss);
	tcase_add_test(t, leaving_bbr_leaves_its_rate);
	tcase_add_test(t, t4_sndbuf_has_room_for_bbr);
}

RUN_SUITE("bbr", add)
