/*
 * check_acks.c - when an acknowledgement is due, and what it says.
 */
#include "core_rcv.h"

enum { MSS = 1424 };

static struct bench b;

static void setup(void)
{
	struct mem_limits l = bench_limits();

	bench_open(&b, &l, MSS + WIRE_HDR);
	send_ack(&b);
}

static void teardown(void)
{
	bench_close(&b);
}

/* Past the quick ones, with a known segment size. */
static u64 settle(void)
{
	u64 seq = 1;

	for (int i = 0; i < 40; i++, seq += MSS) {
		feed(&b, seq, MSS);
		drink(&b, MSS);
		conn_input_end(&b.c, b.now);
		if (b.c.ack_now)
			send_ack(&b);
	}
	send_ack(&b);
	b.c.quick_left = 0;
	return seq;
}

START_TEST(quick_at_the_start)
{
	feed(&b, 1, 100);
	conn_input_end(&b.c, b.now);
	ck_assert(b.c.ack_now);
}
END_TEST

START_TEST(one_small_segment_waits)
{
	u64 seq = settle();

	feed(&b, seq, 100);
	conn_input_end(&b.c, b.now);
	ck_assert(!b.c.ack_now && b.c.ack_pending);
	ck_assert_uint_eq(b.c.timer[T_DELACK], b.now + DELACK_US);
	conn_timeout(&b.c, b.now + DELACK_US);
	ck_assert(b.c.ack_now);
	ck_assert_uint_eq(counter(&b, CNT_DelayedACKs), 1);
	send_ack(&b);
	ck_assert_uint_eq(b.c.timer[T_DELACK], USEC_NEVER);
}
END_TEST

START_TEST(more_than_a_segment_is_acknowledged_once_a_batch)
{
	u64 seq = settle();

	for (int i = 0; i < 3; i++, seq += MSS) {
		feed(&b, seq, MSS);
		ck_assert(!b.c.ack_now);
		drink(&b, 1);		/* as if the program kept up */
		b.c.ack_now = false;
	}
	drink(&b, 10000);
	b.c.ack_now = false;
	conn_input_end(&b.c, b.now);
	ck_assert(b.c.ack_now);
}
END_TEST

/* R4.17: with data unread, only if the window would not be less. */
START_TEST(more_than_a_segment_waits_for_the_window)
{
	u64 seq = settle();

	feed(&b, seq, MSS);
	feed(&b, seq + MSS, MSS);
	b.c.rcv_wnd = flow_raw_window(&b.c) + 1;
	b.c.ack_now = false;
	conn_input_end(&b.c, b.now);
	ck_assert(!b.c.ack_now);
	b.c.rcv_wnd--;
	conn_input_end(&b.c, b.now);
	ck_assert(b.c.ack_now);
	drink(&b, 2 * MSS);
}
END_TEST

START_TEST(reading_sends_what_was_held_back)
{
	u64 seq = settle();

	for (int i = 0; i < 3; i++, seq += MSS)
		feed(&b, seq, MSS);
	drink(&b, 10000);
	ck_assert(b.c.ack_now);
}
END_TEST

START_TEST(who_answers_needs_no_quick_ack)
{
	u64 seq = settle();

	for (int i = 0; i < 5; i++, seq += 10) {
		b.now += 500;
		b.c.last_data_send = b.now;	/* our answer to the last one */
		b.now += 500;
		b.c.quick_left = 3;
		feed(&b, seq, 10);
		conn_input_end(&b.c, b.now);
		ck_assert(!b.c.ack_now);
		drink(&b, 10);
		b.c.ack_now = false;
	}
}
END_TEST

START_TEST(out_of_order_is_answered_at_once)
{
	u64 seq = settle();

	feed(&b, seq + MSS, MSS);
	ck_assert(b.c.ack_now);
	send_ack(&b);
	feed(&b, seq, MSS);		/* fills the hole */
	ck_assert(b.c.ack_now);
}
END_TEST

START_TEST(probes_and_openings_are_answered)
{
	struct rx_pkt p = {
		.h = { .flags = WF_ACK | WF_REPLY, .dst_id = b.c.id, .seq = 0, .ack = 1,
		       .wnd = 65536, .ts = 1, .len = WIRE_HDR },
	};

	conn_input(&b.c, &p, b.now);
	ck_assert(b.c.ack_now);
	send_ack(&b);
	p.h.flags = WF_ACK;
	conn_input(&b.c, &p, b.now);	/* a bare ACK is not: no echo for ever */
	ck_assert(!b.c.ack_now);
	p.h.has_open = true;
	conn_input(&b.c, &p, b.now);
	ck_assert(b.c.ack_now);
}
END_TEST

START_TEST(sack_names_the_latest_first)
{
	struct wire_hdr h = { 0 };

	feed(&b, 10001, 100);
	feed(&b, 20001, 100);
	feed(&b, 15001, 100);
	ck_assert_uint_eq(rcv_sack_fill(&b.c, &h, 16), 3);
	ck_assert_uint_eq(h.sack[0].start, 15001);
	ck_assert_uint_eq(h.sack[0].end, 15101);
	ck_assert_uint_eq(h.sack[1].start, 20001);
	ck_assert_uint_eq(h.sack[2].start, 10001);
	feed(&b, 10101, 100);		/* grows an old one: now it is the first */
	ck_assert_uint_eq(rcv_sack_fill(&b.c, &h, 2), 2);
	ck_assert_uint_eq(h.sack[0].start, 10001);
	ck_assert_uint_eq(h.sack[0].end, 10201);
	feed(&b, 1, 10000);		/* wider than a datagram, nevertheless */
	ck_assert_uint_eq(rcv_sack_fill(&b.c, &h, 16), 2);
	ck_assert_uint_eq(h.sack[0].start, 15001);
	drink(&b, 20000);
}
END_TEST

START_TEST(sack_shows_more_than_it_remembers)
{
	struct wire_hdr h = { 0 };
	unsigned n;

	for (int i = 0; i < 20; i++)
		feed(&b, 1001 + 2000 * i, 100);
	n = rcv_sack_fill(&b.c, &h, 16);
	ck_assert_uint_eq(n, 16);
	ck_assert_uint_eq(h.sack[0].start, 1001 + 2000 * 19);
	ck_assert_uint_eq(h.sack[4].start, 1001);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < i; k++)
			ck_assert(h.sack[i].start != h.sack[k].start);
}
END_TEST

START_TEST(a_fin_out_of_order_is_sacked)
{
	struct wire_hdr h = { 0 };

	feed_flags(&b, 1001, 100, WF_FIN);
	ck_assert_uint_eq(rcv_sack_fill(&b.c, &h, 16), 1);
	ck_assert_uint_eq(h.sack[0].start, 1001);
	ck_assert_uint_eq(h.sack[0].end, 1102);
}
END_TEST

START_TEST(a_lone_fin_is_sacked)
{
	struct wire_hdr h = { 0 };

	feed(&b, 501, 100);
	feed_flags(&b, 1001, 0, WF_FIN);
	ck_assert_uint_eq(rcv_sack_fill(&b.c, &h, 16), 2);
	ck_assert_uint_eq(h.sack[1].start, 1001);
	ck_assert_uint_eq(h.sack[1].end, 1002);
}
END_TEST

START_TEST(dsack_is_told_once)
{
	struct wire_hdr h = { 0 };

	feed(&b, 1, 1000);
	send_ack(&b);
	feed(&b, 1, 1000);
	ck_assert(b.c.ack_now);
	rcv_sack_fill(&b.c, &h, 16);
	ck_assert(h.has_dsack);
	ck_assert_uint_eq(h.dsack.start, 1);
	ck_assert_uint_eq(h.dsack.end, 1001);
	send_ack(&b);
	ck_assert_uint_eq(counter(&b, CNT_TCPDSACKOldSent), 1);
	rcv_sack_fill(&b.c, &h, 16);
	ck_assert(!h.has_dsack);
}
END_TEST

START_TEST(the_oldest_clock_is_echoed)
{
	u64 seq = settle();
	u32 first;

	b.now += 1000;
	first = b.now;
	feed(&b, seq, MSS);
	b.now += 1000;
	feed(&b, seq + MSS, MSS);	/* not acknowledged in between */
	ck_assert_uint_eq(b.c.ts_recent, first);
	send_ack(&b);
	b.now += 1000;
	feed(&b, seq + 2 * MSS, MSS);
	ck_assert_uint_eq(b.c.ts_recent, first + 2000);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, quick_at_the_start);
	tcase_add_test(t, one_small_segment_waits);
	tcase_add_test(t, more_than_a_segment_is_acknowledged_once_a_batch);
	tcase_add_test(t, reading_sends_what_was_held_back);
	tcase_add_test(t, more_than_a_segment_waits_for_the_window);
	tcase_add_test(t, who_answers_needs_no_quick_ack);
	tcase_add_test(t, out_of_order_is_answered_at_once);
	tcase_add_test(t, probes_and_openings_are_answered);
	tcase_add_test(t, sack_names_the_latest_first);
	tcase_add_test(t, sack_shows_more_than_it_remembers);
	tcase_add_test(t, a_fin_out_of_order_is_sacked);
	tcase_add_test(t, a_lone_fin_is_sacked);
	tcase_add_test(t, dsack_is_told_once);
	tcase_add_test(t, the_oldest_clock_is_echoed);
}

int main(void)
{
	return run_case("acks", add_tests);
}
