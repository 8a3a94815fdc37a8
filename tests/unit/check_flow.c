/*
 * check_flow.c - windows and their memory, by the numbers of the memory model.
 */
#include "core_rcv.h"

static struct bench b;

static void setup(void)
{
	struct mem_limits l = bench_limits();

	bench_open(&b, &l, 1448 + WIRE_HDR);
	b.c.scaling_ratio = 128;
	b.c.mem.rcvbuf = 131072;
}

static void teardown(void)
{
	b.c.mem.rmem_alloc = 0;		/* tests set it by hand */
	bench_close(&b);
}

START_TEST(t46_first_window)
{
	ck_assert_uint_eq(flow_first_window(65536, 1460, 0), 64240);
	ck_assert_uint_eq(flow_first_window(65536, 1448, 0), 65160);
	ck_assert_uint_eq(flow_first_window(65536, 1400, 0), 64400);
	ck_assert_uint_eq(flow_first_window(4000, 1448, 0), 2896);
	ck_assert_uint_eq(flow_first_window(1152, 1448, 0), 1152);
	ck_assert_uint_eq(b.c.rcv_wnd, 65160);
}
END_TEST

/* R4.4: the first guess of the peer's segment: the least of both MSS, half of
 * the window and 536, but at least 88. */
START_TEST(first_guess_of_the_segment_size)
{
	static const struct { u32 mss, wnd, guess; } rows[] = {
		{ 1448, 65160, 536 }, { 400, 65160, 400 }, { 1448, 800, 400 },
		{ 1448, 100, 88 }, { 50, 65160, 88 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		b.c.mss = rows[i].mss;
		b.c.rcv_wnd = rows[i].wnd;
		rcv_established(&b.c, b.now);
		ck_assert_uint_eq(b.c.rcv_mss, rows[i].guess);
	}
}
END_TEST

static u32 raw_at(s64 rmem_alloc)
{
	b.c.window_clamp = 65536;
	b.c.rcv_ssthresh = 64088;
	b.c.rcv_mss = 1448;
	b.c.mem.rmem_alloc = rmem_alloc;
	return flow_raw_window(&b.c);
}

START_TEST(t47_window)
{
	ck_assert_uint_eq(raw_at(0), 64088);
	ck_assert_uint_eq(raw_at(60000), 35536);
	ck_assert_uint_eq(raw_at(100000), 15536);
	ck_assert_uint_eq(raw_at(122880), 4096);
	ck_assert_uint_eq(raw_at(122882), 0);
	ck_assert_uint_eq(raw_at(140000), 0);
	domain_enter_pressure(b.d);
	ck_assert_uint_eq(raw_at(60000), 35536);
	ck_assert_uint_eq(raw_at(100000), 5792);
	ck_assert_uint_eq(b.c.rcv_ssthresh, 5792);
}
END_TEST

START_TEST(t48_never_shrinks)
{
	offer(&b, 8000);
	b.c.window_clamp = 65536;
	b.c.mem.rmem_alloc = 140000;
	ck_assert_uint_eq(rcv_select_window(&b.c), 8000);
	ck_assert_uint_eq(rcv_edge(&b.c), 8001);
	ck_assert_uint_eq(counter(&b, CNT_TCPWantZeroWindowAdv), 1);
	b.c.mem.rmem_alloc = 0;
	feed(&b, 1, 1448);
	ck_assert_uint_eq(b.c.rcv_nxt, 1449);
	drink(&b, 1448);
}
END_TEST

START_TEST(zero_window_is_counted)
{
	offer(&b, 0);
	b.c.rcv_mss = 1448;
	ck_assert_uint_gt(rcv_select_window(&b.c), 0);
	ck_assert_uint_eq(counter(&b, CNT_TCPFromZeroWindowAdv), 1);
	offer(&b, 1);
	b.c.rcv_nxt++, b.c.copied_seq++;
	b.c.mem.rmem_alloc = 140000;
	ck_assert_uint_eq(rcv_select_window(&b.c), 0);
	ck_assert_uint_eq(counter(&b, CNT_TCPToZeroWindowAdv), 1);
}
END_TEST

static u32 grown(u32 ssthresh, u32 clamp, u32 len, u32 truesize)
{
	struct rx_pkt p = { .len = len };

	b.c.rcv_ssthresh = ssthresh;
	b.c.window_clamp = clamp;
	b.c.mem.rcvbuf = 1 << 21;
	b.c.rcv_mss = b.c.advmss = 1448;
	b.c.scaling_ratio = 128;
	flow_data_stored(&b.c, &p, len, truesize, true, b.now);
	return b.c.rcv_ssthresh;
}

START_TEST(t49_ssthresh_growth)
{
	const u32 start = 65160, wide = 1 << 20;

	ck_assert_uint_eq(grown(start, wide, 1448, 2304), 68056);
	ck_assert_uint_eq(grown(start, wide, 700, 2304), 68056);
	ck_assert_uint_eq(grown(start, wide, 200, 2304), 68056);
	ck_assert_uint_eq(grown(start, wide, 130, 2304), 68056);
	ck_assert_uint_eq(grown(start, wide, 127, 2304), start);
	ck_assert_uint_eq(grown(start, 65536, 1448, 2304), 65536);
	ck_assert_uint_eq(grown(400000, wide, 200, 2304), 400000);
	domain_enter_pressure(b.d);
	ck_assert_uint_eq(grown(start, wide, 1448, 2304), 5792);
	ck_assert_uint_eq(grown(start, wide, 700, 2304), 5792);
	ck_assert_uint_eq(grown(start, wide, 130, 2304), 5792);
	ck_assert_uint_eq(grown(400000, wide, 200, 2304), 5792);
	ck_assert_uint_eq(grown(3000, wide, 1448, 2304), 3000);
}
END_TEST

static u32 ratio_after(u32 rcv_mss, u32 len, u32 truesize)
{
	struct rx_pkt p = { .len = len };

	b.c.scaling_ratio = 128;
	b.c.rcv_mss = rcv_mss;
	flow_data_stored(&b.c, &p, len, truesize, true, b.now);
	return b.c.scaling_ratio;
}

START_TEST(t50_ratio)
{
	ck_assert_uint_eq(ratio_after(536, 1448, 2304), 160);
	ck_assert_uint_eq(b.c.window_clamp, 131072ull * 160 / 256);
	ck_assert_uint_eq(ratio_after(536, 64, 896), 128);
	ck_assert_uint_eq(ratio_after(536, 1448, 1280), 255);
	ck_assert_uint_eq(ratio_after(536, 1448, 0), 255);
	ck_assert_uint_eq(ratio_after(1, 2, 65536), 1);
}
END_TEST

static u32 drs(u32 now, u32 old, u32 rtt_us)
{
	b.c.mem.rcvbuf = 131072;
	b.c.rcvq_space.space = old;
	b.c.rcv_rtt_us = rtt_us * 8;
	flow_grow_rcvbuf(&b.c, now);
	return b.c.mem.rcvbuf;
}

START_TEST(t61_drs)
{
	ck_assert_uint_eq(drs(14480, 14480, 20000), 131072);
	ck_assert_uint_eq(drs(28960, 14480, 20000), 347520);
	ck_assert_uint_eq(drs(100000, 50000, 20000), 1200000);
	ck_assert_uint_eq(drs(100000, 50000, 100), 440000);
	ck_assert_uint_eq(drs(10000000, 50000, 20000), 6291456);
	offer(&b, 1 << 20);
	feed(&b, 50000, 1);		/* a span of 50000 out of order */
	b.c.scaling_ratio = 128;
	ck_assert_uint_eq(drs(100000, 50000, 20000), 1300000);
	b.c.mem.lock_bits |= RCVBUF_LOCK;
	ck_assert_uint_eq(drs(100000, 50000, 20000), 131072);
	rcv_purge(&b.c);
}
END_TEST

/* A full segment that echoes what was sent so long ago. */
static void echoed(u32 us_ago)
{
	struct rx_pkt p = { .len = 65535, .h.ts_ecr = snd_ts(&b.c, b.now) - us_ago };

	flow_rtt_measure(&b.c, &p, b.now++);
}

/* A window that was offered so long ago is full with this segment. */
static void window_full(u64 seq, u32 us_ago)
{
	b.c.rcv_rtt_est.seq = b.c.rcv_nxt;
	b.c.rcv_rtt_est.time = b.now - us_ago;
	feed(&b, seq, 100);
}

/* R4.19: the first sample and each smaller one; of larger ones only echoes, by
 * an eighth, and none while the program lags. */
START_TEST(t61_round_trip_of_the_receiver)
{
	echoed(20000);
	ck_assert_uint_eq(b.c.rcv_rtt_us, 20000 << 3);
	echoed(60000);
	ck_assert_uint_eq(b.c.rcv_rtt_us, (20000 << 3) - 20000 + 60000);
	echoed(10000);
	ck_assert_uint_eq(b.c.rcv_rtt_us, 10000 << 3);
	window_full(1, 40000);
	ck_assert_uint_eq(b.c.rcv_rtt_us, 10000 << 3);
	drink(&b, 100);
	window_full(101, 40000);
	ck_assert_uint_eq(b.c.rcv_rtt_us, 10000 << 3);
	echoed(60000);				/* 100 bytes are unread */
	ck_assert_uint_eq(b.c.rcv_rtt_us, 10000 << 3);
	window_full(201, 5000);
	ck_assert_uint_eq(b.c.rcv_rtt_us, 5000 << 3);
	rcv_purge(&b.c);
}
END_TEST

START_TEST(t62_drs_counts_what_was_consumed)
{
	u32 before = b.c.mem.rcvbuf;
	u64 seq = 1;

	b.c.rcv_rtt_us = 8 * 20000;
	for (int rtt = 0; rtt < 20; rtt++) {
		offer(&b, 1 << 22);
		for (int i = 0; i < 5; i++, seq += 1448)
			feed(&b, seq, 1448);
		b.now += 20000;
		drink(&b, 1448);
	}
	ck_assert_uint_eq(b.c.mem.rcvbuf, before);
	rcv_purge(&b.c);
}
END_TEST

START_TEST(t67_no_silly_window)
{
	u64 seq = 1;
	u32 left;

	offer(&b, 1 << 22);
	for (; b.c.mem.rmem_alloc < 131072; seq += 1448)
		feed(&b, seq, 1448);
	offer(&b, 0);
	send_ack(&b);
	while ((left = conn_unread(&b.c))) {
		drink(&b, 1);
		if (b.c.ack_now)
			break;
	}
	/* An update only when a segment and a sixteenth are free. */
	ck_assert(b.c.ack_now);
	ck_assert_uint_ge(send_ack(&b), max(1448u, 131072 * b.c.scaling_ratio / 256 / 16));
	ck_assert_uint_gt(left, 0);
	rcv_purge(&b.c);
}
END_TEST

START_TEST(t3_rcvbuf_option)
{
	conn_set_rcvbuf(&b.c, 0);
	ck_assert_uint_eq(b.c.mem.rcvbuf, 2304);
	conn_set_rcvbuf(&b.c, 1152);
	ck_assert_uint_eq(b.c.mem.rcvbuf, 2304);
	conn_set_rcvbuf(&b.c, 1153);
	ck_assert_uint_eq(b.c.mem.rcvbuf, 2306);
	conn_set_rcvbuf(&b.c, -1);
	ck_assert_uint_eq(b.c.mem.rcvbuf, 2 * 4194304);
}
END_TEST

START_TEST(t6_rcvlowat_option)
{
	b.c.scaling_ratio = 128;
	conn_set_rcvlowat(&b.c, 1000000);
	ck_assert_uint_eq(b.c.mem.rcvbuf, 2000000);
	ck_assert_uint_eq(b.c.opts.rcvlowat, 1000000);
	conn_set_rcvlowat(&b.c, 1 << 30);
	ck_assert_uint_eq(b.c.opts.rcvlowat, 6291456 / 2);
	conn_set_rcvlowat(&b.c, 0);
	ck_assert_uint_eq(b.c.opts.rcvlowat, 1);
	conn_set_rcvlowat(&b.c, -1);
	ck_assert_uint_eq(b.c.opts.rcvlowat, 6291456 / 2);
	conn_set_rcvbuf(&b.c, 50000);
	conn_set_rcvlowat(&b.c, 80000);
	ck_assert_uint_eq(b.c.opts.rcvlowat, 50000);
	ck_assert_uint_eq(b.c.mem.rcvbuf, 100000);
}
END_TEST

START_TEST(t69_lowat_gives_way)
{
	u64 seq = 1;

	conn_set_rcvlowat(&b.c, 50000);
	offer(&b, 1 << 22);
	for (; seq <= 49000; seq += 1000)
		feed(&b, seq, 1000);
	ck_assert(!(conn_ready(&b.c) & READY_IN));
	domain_enter_pressure(b.d);
	ck_assert(conn_ready(&b.c) & READY_IN);
	domain_leave_pressure(b.d);
	ck_assert(!(conn_ready(&b.c) & READY_IN));
	offer(&b, b.c.rcv_mss);
	ck_assert(conn_ready(&b.c) & READY_IN);
	offer(&b, 1 << 22);
	b.c.mem.rcvbuf = b.c.mem.rmem_alloc * 8 / 7 + 8;	/* seven eighths, and more */
	ck_assert(!(conn_ready(&b.c) & READY_IN));
	b.c.mem.rcvbuf -= 16;
	ck_assert(conn_ready(&b.c) & READY_IN);
	b.c.mem.rcvbuf = 1 << 20;
	ck_assert(!(conn_ready(&b.c) & READY_IN));
	feed(&b, seq, 1000);
	ck_assert(conn_ready(&b.c) & READY_IN);
	rcv_purge(&b.c);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, t46_first_window);
	tcase_add_test(t, first_guess_of_the_segment_size);
	tcase_add_test(t, t47_window);
	tcase_add_test(t, t48_never_shrinks);
	tcase_add_test(t, zero_window_is_counted);
	tcase_add_test(t, t49_ssthresh_growth);
	tcase_add_test(t, t50_ratio);
	tcase_add_test(t, t61_drs);
	tcase_add_test(t, t61_round_trip_of_the_receiver);
	tcase_add_test(t, t62_drs_counts_what_was_consumed);
	tcase_add_test(t, t67_no_silly_window);
	tcase_add_test(t, t3_rcvbuf_option);
	tcase_add_test(t, t6_rcvlowat_option);
	tcase_add_test(t, t69_lowat_gives_way);
}

int main(void)
{
	return run_case("flow", add_tests);
}
