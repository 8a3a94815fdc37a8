/*
 * check_output.c - what may leave, question by question, and that building a
 * batch which the network refuses changes nothing.
 */
#include "core_snd.h"

enum { MSS = 1000 };

static void setup(void)
{
	snd_open(MSS, 1 << 20);
	know_rtt(100);
}

/* ---- trains ----------------------------------------------------------------------- */

START_TEST(a_segment_is_one_train)
{
	B.c.cwnd = 100;
	put(60000);
	left_train(0, 60000, MSS);
	ck_assert_uint_eq(trains, 1);
	ck_assert_uint_eq(B.c.packets_out, 60);
	ck_assert(last_left()->h.flags & WF_PSH);
	ck_assert(!(caught[0].h.flags & WF_PSH));
}
END_TEST

START_TEST(trains_keep_the_callers_limit)
{
	B.c.cwnd = 100;
	max_bytes = 5 * (MSS + WIRE_HDR) + 10;
	put(12500);
	left_train(0, 12500, MSS);
	ck_assert_uint_eq(trains, 3);
}
END_TEST

START_TEST(loopback_datagrams)
{
	snd_close();
	snd_open(WIRE_DGRAM_MAX - WIRE_HDR, 4 << 20);
	put(131072);
	left_train(0, 131072, WIRE_DGRAM_MAX - WIRE_HDR);
	ck_assert_uint_eq(B.c.packets_out, 3);
	answer(.ack = 131072);
	ck_assert_uint_eq(B.c.packets_out, 0);
}
END_TEST

START_TEST(cwnd_counts_datagrams)
{
	put(15500);
	left_train(0, 10000, MSS);
	left_none();
	ck_assert_uint_eq(B.c.why_blocked, WHY_CWND);
	answer(.ack = 2000);
	left_train(10000, 4000, MSS);		/* slow start: two for one */
	left_none();
}
END_TEST

/* Many small datagrams: cwnd counts them, nothing stalls. */
START_TEST(small_datagrams_do_not_stall)
{
	B.c.opts.nodelay = true;
	for (int i = 0; i < 15; i++)
		put(10);
	for (int i = 0; i < 10; i++)
		left(i * 10, 10);
	left_none();
	answer(.ack = 10);
	left(100, 50);				/* what waited was gathered */
	left_none();
}
END_TEST

START_TEST(a_refused_batch_is_built_again)
{
	static struct conn before;

	network_refuses = true;
	put(4500);
	before = B.c;
	for (int i = 0; i < 5; i++)
		flush_out();
	ck_assert_int_eq(memcmp(&before, &B.c, sizeof(before)), 0);
	left_none();
	network_refuses = false;
	flush_out();
	left_train(0, 4500, MSS);
}
END_TEST

/* ---- windows ------------------------------------------------------------------------ */

START_TEST(window_ends_inside_a_segment)
{
	peer_wnd = 2500;
	B.c.snd_wnd_edge = 1 + 2500;
	put(5000);
	left(0, MSS);
	left(1000, MSS);
	left_none();				/* no silly 500 */
	ck_assert_uint_eq(B.c.why_blocked, WHY_WND);
	answer(.ack = 1000, .wnd = 2000);
	left(2000, MSS);
	left_none();
}
END_TEST

START_TEST(the_edge_never_moves_back)
{
	put(1000);
	answer(.ack = 1000, .wnd = 3000);
	answer(.ack = 1000, .wnd = 10);
	ck_assert_uint_eq(B.c.snd_wnd, 10);
	ck_assert_uint_ge(B.c.snd_wnd_edge, 1 + (1 << 20));
}
END_TEST

/* A peer with little memory: no datagram larger than half of its window. */
START_TEST(half_the_largest_window_is_a_datagram)
{
	snd_close();
	snd_open(65000, 8192);
	put(20000);
	left(0, 4096);
	left(4096, 4096);
	left_none();
}
END_TEST

START_TEST(port_credit)
{
	B.c.credit = 3 * (MSS + 1024) + 100;
	put(8000);
	left_train(0, 3000, MSS);
	left_none();
	ck_assert_uint_eq(B.c.why_blocked, WHY_CREDIT);
	answer(.ack = 1000, .credit = 10);	/* still two in flight */
	left_none();
	answer(.ack = 3000, .credit = 10);	/* one always may go */
	left(3000, MSS);
	left_none();
}
END_TEST

START_TEST(sacked_bytes_use_no_credit)
{
	B.c.credit = 4 * (MSS + 1024);
	put(8000);
	left_train(0, 4000, MSS);
	answer(.ack = 0, .sack = { 2000, 4000 }, .credit = 4 * (MSS + 1024));
	left_train(4000, 2000, MSS);
	left_none();
}
END_TEST

START_TEST(nomem_stops_everything)
{
	put(3000);
	forget();
	answer(.ack = 1000, .nomem = true);
	put(5000);
	left_none();
	ck_assert_uint_eq(B.c.why_blocked, WHY_NOMEM);
	ck_assert_uint_eq(B.c.timer[T_RTX], USEC_NEVER);
	at(50);
	answer(.ack = 3000);
	left_train(3000, 5000, MSS);
	ck_assert_uint_ge(B.c.cwnd, 10);	/* no reaction */
}
END_TEST

/* What the receiver threw away meanwhile is sent again, without a reduction. */
START_TEST(relief_from_nomem_repairs)
{
	put(4000);
	forget();
	at(100);
	answer(.ack = 1000, .nomem = true);
	at(250);
	answer(.ack = 1000);
	left_train(1000, 3000, MSS);
	ck_assert_uint_eq(B.c.ca_state, CA_DISORDER);
	ck_assert_uint_eq(counter(&B, CNT_TCPSackRecovery), 0);
	answer(.ack = 4000);
	ck_assert_uint_eq(B.c.ca_state, CA_OPEN);
}
END_TEST

/* Relief that comes sooner than srtt after what it asks for was sent again and
 * refused once more: that is not taken for lost yet. The timer then is what it
 * would be without the time in which the peer had no memory. */
START_TEST(refused_again_is_not_waited_for_long)
{
	usec_t from;

	put(3 * MSS);
	at(20);
	answer(.ack = 0, .nomem = true);
	for (unsigned i = 0; i < 10; i++) {	/* probes, and each is answered */
		at_us(conn_deadline(&B.c) - base);
		answer(.ack = 0, .nomem = true);
	}
	ck_assert_uint_eq(timer_rto(&B.c), RTO_MAX_US);
	forget();
	answer(.ack = 0);
	ck_assert_uint_gt(ncaught, looked_at);
	from = B.now;
	B.now += 1000;
	answer(.ack = 0, .nomem = true);
	B.now += 1000;
	forget();
	answer(.ack = 0);
	at_us(from - base + 2 * USEC_PER_SEC);
	ck_assert_uint_gt(ncaught, looked_at);
}
END_TEST

/* ---- Nagle -------------------------------------------------------------------------------- */

START_TEST(nagle_with_minshall)
{
	put(100);
	left(0, 100);				/* nothing small in flight */
	put(100);
	put(50);
	left_none();
	ck_assert_uint_eq(B.c.why_blocked, WHY_NAGLE);
	put(2000);				/* full ones need not wait */
	left(100, MSS);
	left(1100, MSS);
	left_none();
	answer(.ack = 100);
	left(2100, 150);
}
END_TEST

START_TEST(a_small_tail_behind_full_ones_goes)
{
	put(2500);
	left_train(0, 2500, MSS);
}
END_TEST

START_TEST(nodelay)
{
	B.c.opts.nodelay = true;
	put(100);
	put(100);
	left(0, 100);
	left(100, 100);
}
END_TEST

/* A stream of small writes on a near path: the fourth asks for an answer, what
 * comes then gathers until there is one, or until it is worth a datagram. */
START_TEST(nodelay_gathers_behind_a_few)
{
	B.c.opts.nodelay = true;
	B.c.rtt.srtt_us = B.c.rtt.min_rtt_us = 100;
	for (unsigned i = 0; i < AUTOCORK_PKTS; i++) {
		put(100);
		left(100 * i, 100);
	}
	put(100);
	put(100);
	left_none();
	ck_assert_uint_eq(B.c.why_blocked, WHY_NAGLE);
	answer(.ack = 100);
	left(100 * AUTOCORK_PKTS, 200);
}
END_TEST

START_TEST(a_lost_answer_does_not_hold_what_gathered)
{
	B.c.opts.nodelay = true;
	B.c.rtt.srtt_us = B.c.rtt.min_rtt_us = 100;
	for (unsigned i = 0; i < AUTOCORK_PKTS; i++) {
		put(100);
		left(100 * i, 100);
	}
	put(100);
	left_none();
	at_us(TLP_MIN_US);
	left(100 * AUTOCORK_PKTS, 100);
}
END_TEST

START_TEST(nodelay_does_not_gather_on_a_far_path)
{
	B.c.opts.nodelay = true;
	B.c.rtt.srtt_us = B.c.rtt.min_rtt_us = AUTOCORK_RTT_US;
	for (unsigned i = 0; i < 2 * AUTOCORK_PKTS; i++) {
		put(100);
		left(100 * i, 100);
	}
}
END_TEST

START_TEST(switching_nodelay_on_pushes)
{
	put(100);
	put(100);
	left(0, 100);
	B.c.opts.nodelay = true;
	conn_opts_changed(&B.c, B.now);
	flush_out();
	left(100, 100);
}
END_TEST

START_TEST(cork_gathers_full_datagrams)
{
	B.c.opts.cork = true;
	put(700);
	left_none();
	put(700);
	left(0, MSS);
	left_none();
	B.c.opts.cork = false;
	conn_opts_changed(&B.c, B.now);
	flush_out();
	left(1000, 400);
}
END_TEST

START_TEST(cork_holds_for_200_ms_at_most)
{
	B.c.opts.cork = true;
	put(700);
	at(310);				/* max(RTO, 200 ms) */
	left(0, 700);
	left_none();
}
END_TEST

START_TEST(msg_more_holds_until_the_next_send)
{
	B.c.opts.nodelay = true;
	put_more(300, true);
	left_none();
	put(200);
	left(0, 500);
}
END_TEST

START_TEST(fin_pushes)
{
	put(100);
	put(100);
	forget();
	conn_shutdown(&B.c, SHUT_WR, B.now);
	flush_out();
	left(100, 100);
	ck_assert(last_left()->h.flags & WF_FIN);
}
END_TEST

/* ---- what rides along ------------------------------------------------------------------------ */

START_TEST(data_carries_the_acknowledgement)
{
	feed(&B, 1, 10);
	conn_input_end(&B.c, B.now);
	B.c.ack_now = true;
	put(10);
	left(0, 10);
	left_none();
	ck_assert_uint_eq(last_left()->h.ack, 11);
	ck_assert(!B.c.ack_pending && !B.c.ack_now);
	drink(&B, 10);
}
END_TEST

START_TEST(sack_rides_on_a_lone_datagram_with_room)
{
	feed(&B, 101, 10);			/* a hole before it */
	ck_assert(B.c.ack_now);
	B.c.ack_now = false;
	B.c.ack_pending = true;
	put(100);
	left(0, 100);
	ck_assert_uint_eq(last_left()->h.nsack, 1);
	ck_assert_uint_eq(last_left()->h.sack[0].start, 101);
	ck_assert(!B.c.ack_pending);
}
END_TEST

START_TEST(sack_has_a_packet_of_its_own_beside_a_train)
{
	feed(&B, 101, 10);
	put(5000);
	left(0, 0);				/* the acknowledgement first */
	ck_assert_uint_eq(last_left()->h.nsack, 0);
	ck_assert_uint_eq(caught[0].h.nsack, 1);
	left_train(0, 5000, MSS);
}
END_TEST

START_TEST(open_rides_on_everything_until_confirmed)
{
	B.c.unconfirmed = true;
	put(2000);
	left(0, MSS - WIRE_OPEN_LEN);
	ck_assert(last_left()->h.has_open);
	answer(.ack = MSS - WIRE_OPEN_LEN);
	ck_assert(!B.c.unconfirmed);
	forget();
	put(3000);
	ck_assert(!last_left()->h.has_open);
}
END_TEST

START_TEST(reset)
{
	put(100);
	forget();
	conn_abort(&B.c, ECONNABORTED, B.now);
	flush_out();
	ck_assert_uint_eq(last_left()->h.flags, WF_RST | WF_ACK);
	ck_assert_uint_eq(last_left()->h.seq, 101);
	ck_assert(conn_finished(&B.c));
	ck_assert_int_eq(B.c.mem.wmem_queued, 0);
}
END_TEST

/* Retransmission, ACK and probe need no memory (T43). */
START_TEST(t43_repair_is_not_charged)
{
	s64 queued;

	put(3000);
	forget();
	queued = B.c.mem.wmem_queued;
	mem_test_refuse(1);
	at(2000);
	mem_test_refuse(0);
	ck_assert_uint_gt(ncaught, looked_at);
	ck_assert_int_le(B.c.mem.wmem_queued, queued + 256);
}
END_TEST

struct charges { s64 total, forward, wmem, rmem; };

static struct charges charges(void)
{
	return (struct charges){ domain_allocated(B.d), B.c.mem.forward_alloc,
				 B.c.mem.wmem_queued, B.c.mem.rmem_alloc };
}

static void same_charges(struct charges before)
{
	struct charges now = charges();

	ck_assert_mem_eq(&now, &before, sizeof(now));
}

/* Repair that splits nothing, acknowledgement, window update, probe and reset with
 * twice what there
 * may be: the account is what it was, to the byte. */
START_TEST(t43_nothing_that_must_leave_is_charged)
{
	struct charges before;

	feed(&B, 1, 100);
	put(MSS);
	other_takes(2 * 100);
	limits(80, 90, 100);
	before = charges();
	forget();
	at(1000);				/* retransmission, acknowledgement */
	ck_assert_uint_gt(counter(&B, CNT_TCPTimeouts), 0);
	ck_assert_uint_gt(ncaught, looked_at);
	same_charges(before);

	B.c.ack_now = true;			/* window update */
	forget();
	flush_out();
	ck_assert_uint_eq(ncaught, looked_at + 1);
	same_charges(before);

	answer(.ack = MSS, .shut = true);	/* and probes */
	B.c.snd_wnd_edge = B.c.snd_nxt;
	put(500);
	before = charges();
	forget();
	at(10000);
	ck_assert_uint_gt(counter(&B, CNT_TCPWinProbe), 1);
	same_charges(before);

	conn_abort(&B.c, 0, B.now);		/* gives, and takes nothing */
	flush_out();
	ck_assert(last_left()->h.flags & WF_RST);
	ck_assert_int_le(domain_allocated(B.d), before.total);
	ck_assert_int_le(B.c.mem.wmem_queued, before.wmem);
	other_gives();
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, snd_close);
	tcase_add_test(t, a_segment_is_one_train);
	tcase_add_test(t, trains_keep_the_callers_limit);
	tcase_add_test(t, loopback_datagrams);
	tcase_add_test(t, cwnd_counts_datagrams);
	tcase_add_test(t, small_datagrams_do_not_stall);
	tcase_add_test(t, a_refused_batch_is_built_again);
	tcase_add_test(t, window_ends_inside_a_segment);
	tcase_add_test(t, the_edge_never_moves_back);
	tcase_add_test(t, half_the_largest_window_is_a_datagram);
	tcase_add_test(t, port_credit);
	tcase_add_test(t, sacked_bytes_use_no_credit);
	tcase_add_test(t, nomem_stops_everything);
	tcase_add_test(t, relief_from_nomem_repairs);
	tcase_add_test(t, refused_again_is_not_waited_for_long);
	tcase_add_test(t, nagle_with_minshall);
	tcase_add_test(t, a_small_tail_behind_full_ones_goes);
	tcase_add_test(t, nodelay);
	tcase_add_test(t, nodelay_gathers_behind_a_few);
	tcase_add_test(t, a_lost_answer_does_not_hold_what_gathered);
	tcase_add_test(t, nodelay_does_not_gather_on_a_far_path);
	tcase_add_test(t, switching_nodelay_on_pushes);
	tcase_add_test(t, cork_gathers_full_datagrams);
	tcase_add_test(t, cork_holds_for_200_ms_at_most);
	tcase_add_test(t, msg_more_holds_until_the_next_send);
	tcase_add_test(t, fin_pushes);
	tcase_add_test(t, data_carries_the_acknowledgement);
	tcase_add_test(t, sack_rides_on_a_lone_datagram_with_room);
	tcase_add_test(t, sack_has_a_packet_of_its_own_beside_a_train);
	tcase_add_test(t, open_rides_on_everything_until_confirmed);
	tcase_add_test(t, reset);
	tcase_add_test(t, t43_repair_is_not_charged);
	tcase_add_test(t, t43_nothing_that_must_leave_is_charged);
}

RUN_SUITE("output", add)
