/*
 * check_rack.c - RFC 8985: what is lost, when, and how wide the reordering
 * window is; tail loss probes.
 */
#include "core_snd.h"

enum { MSS = 1000 };

static void setup(void)
{
	snd_open(MSS, 1 << 20);
	know_rtt(100);
}

START_TEST(lost_after_the_reordering_window)
{
	put(5000);
	forget();
	at(100);
	answer(.ack = 0, .sack = { 1000, 3000 });	/* two: below DupThresh */
	left_none();
	ck_assert_uint_eq(B.c.ca_state, CA_DISORDER);
	at(124);
	left_none();
	at(125);					/* RTT + min_rtt / 4 */
	left(0, 1000);
	ck_assert_uint_eq(B.c.ca_state, CA_RECOVERY);
}
END_TEST

START_TEST(three_sacked_are_evidence_enough)
{
	put(5000);
	forget();
	at(100);
	answer(.ack = 0, .sack = { 1000, 4000 });
	left(0, 1000);
	left_none();
}
END_TEST

START_TEST(what_was_sent_later_is_not_judged)
{
	put(3000);
	at(50);
	put(3000);
	forget();
	at(100);
	answer(.ack = 1000);
	at(140);
	answer(.ack = 1000, .sack = { 2000, 3000 });
	at(149);			/* sent at 0: overdue at 140 + 140 / 4 */
	left_none();
	ck_assert_uint_eq(B.c.lost_out, 0);
	at(170);
	left(1000, 1000);
	ck_assert_uint_eq(B.c.lost_out, 1);
}
END_TEST

START_TEST(reordering_seen_keeps_the_window_open)
{
	put(6000);
	forget();
	at(100);
	answer(.ack = 0, .sack = { 1000, 2000 });
	at(110);
	answer(.ack = 2000);			/* it was only late */
	ck_assert(B.c.rack.reordering_seen);
	ck_assert_uint_eq(counter(&B, CNT_TCPSACKReorder), 1);
	answer(.ack = 2000, .sack = { 3000, 6000 });	/* three are no evidence now */
	left_none();
	at(135);
	left(2000, 1000);
}
END_TEST

START_TEST(dsack_widens_the_window_once_a_round)
{
	put(5000);
	at(100);
	answer(.ack = 0, .sack = { 1000, 4000 });	/* needless, as it turns out */
	ck_assert_uint_eq(B.c.rack.reo_wnd_mult, 1);
	at(110);
	answer(.ack = 5000, .dsack = { 0, 1000 });
	ck_assert_uint_eq(B.c.rack.reo_wnd_mult, 2);
	B.c.rack.reordering_seen = true;
	ck_assert_uint_eq(rack_reo_wnd(&B.c), min(2 * (B.c.rtt.min_rtt_us / 4), B.c.rtt.srtt_us));
	put(1000);
	rack_dsack(&B.c);
	ck_assert_uint_eq(B.c.rack.reo_wnd_mult, 3);
	rack_dsack(&B.c);			/* the same round */
	ck_assert_uint_eq(B.c.rack.reo_wnd_mult, 3);
}
END_TEST

START_TEST(sixteen_quiet_recoveries_narrow_it_again)
{
	B.c.rack.reo_wnd_mult = 5;
	B.c.rack.reo_wnd_persist = 16;
	for (int i = 0; i < 15; i++)
		rack_recovery_done(&B.c);
	ck_assert_uint_eq(B.c.rack.reo_wnd_mult, 5);
	rack_recovery_done(&B.c);
	ck_assert_uint_eq(B.c.rack.reo_wnd_mult, 1);
}
END_TEST

START_TEST(window_is_at_most_srtt)
{
	B.c.rack.reordering_seen = true;
	B.c.rack.reo_wnd_mult = 200;
	ck_assert_uint_eq(rack_reo_wnd(&B.c), 100000);
}
END_TEST

START_TEST(a_lost_retransmission_is_found_without_a_timeout)
{
	put(8000);
	forget();
	at(100);
	answer(.ack = 0, .sack = { 1000, 5000 });
	left(0, 1000);			/* lost again */
	put(1000);
	at(110);
	answer(.ack = 0, .sack = { 1000, 8000 });
	forget();
	at(210);
	answer(.ack = 0, .sack = { 1000, 9000 });	/* sent after it, arrived */
	left(0, 1000);
	ck_assert_uint_eq(counter(&B, CNT_TCPTimeouts), 0);
}
END_TEST

/* In one microsecond, new data first and a retransmission after it: the order
 * is kept. */
START_TEST(order_within_a_microsecond)
{
	put(10000);
	at(100);
	answer(.ack = 0, .sack = { 2000, 4000 });
	answer(.ack = 0, .sack = { 2000, 10000 });
	struct seg *head = seg_of(B.c.sndq.next);
	put(4000);
	forget();
	ck_assert(head->flags & SEG_RETRANS);
	at(200);
	answer(.ack = 0, .sack = { 2000, B.c.snd_nxt - 1 });
	/* What was sent before new data is lost, and nothing sent after it. */
	for (struct list *l = B.c.sndq.next; l != B.c.send_head; l = l->next)
		if (seg_of(l)->flags & SEG_LOST)
			ck_assert(seg_of(l)->xmit_time <= B.c.rack.xmit_ts ||
				  (seg_of(l)->flags & SEG_RETRANS));
}
END_TEST

START_TEST(a_block_cuts_at_datagram_boundaries)
{
	put(8000);
	forget();
	at(100);
	answer(.ack = 0, .sack = { 2500, 5500 });	/* wholly: 3000..5000 */
	ck_assert_uint_eq(B.c.sacked_out, 2);
	answer(.ack = 0, .sack = { 2000, 3000 });
	ck_assert_uint_eq(B.c.sacked_out, 3);
}
END_TEST

/* Blocks that come again, grow at either end, and merge. */
START_TEST(blocks_repeat_and_grow)
{
	B.c.cwnd = 40;
	put(30000);
	answer(.ack = 0, .sack = { 10000, 12000 }, .sack2 = { 20000, 21000 });
	ck_assert_uint_eq(B.c.sacked_out, 3);
	answer(.ack = 0, .sack = { 10000, 12000 }, .sack2 = { 20000, 21000 });
	ck_assert_uint_eq(B.c.sacked_out, 3);
	answer(.ack = 0, .sack = { 10000, 12500 }, .sack2 = { 19000, 21000 });
	ck_assert_uint_eq(B.c.sacked_out, 4);
	answer(.ack = 0, .sack = { 10000, 13000 }, .sack2 = { 19000, 22000 });
	ck_assert_uint_eq(B.c.sacked_out, 6);
	answer(.ack = 9000, .sack = { 10000, 22000 });
	ck_assert_uint_eq(B.c.sacked_out, 12);
	answer(.ack = 22000);
	ck_assert_uint_eq(B.c.sacked_out, 0);
}
END_TEST

START_TEST(senseless_blocks_are_discarded)
{
	put(3000);
	answer(.ack = 0, .sack = { 2000, 9000 }, .sack2 = { 2000, 1000 });
	ck_assert_uint_eq(B.c.sacked_out, 0);
	ck_assert_uint_eq(counter(&B, CNT_TCPSACKDiscard), 2);
}
END_TEST

/* ---- tail loss probes ------------------------------------------------------------------ */

START_TEST(probe_after_two_srtt)
{
	put(3000);
	forget();
	at(199);
	left_none();
	at(200);
	left(2000, 1000);		/* the last datagram, cut off its train */
	left_none();
	ck_assert_uint_eq(counter(&B, CNT_TCPLossProbes), 1);
	at(400);
	left_none();			/* once a flight */
}
END_TEST

START_TEST(lone_datagram_waits_for_a_delayed_ack)
{
	put(1000);
	forget();
	at(239);
	left_none();
	at(240);
	left(0, 1000);
}
END_TEST

START_TEST(probe_prefers_new_data)
{
	B.c.cwnd = 3;
	put(5000);
	left_train(0, 3000, MSS);
	at(200);
	left(3000, 1000);
	left_none();
}
END_TEST

START_TEST(probes_answer_starts_recovery)
{
	put(4000);
	forget();
	at(200);
	left(3000, 1000);
	at(300);
	answer(.ack = 1000, .sack = { 3000, 4000 });
	at(330);
	left(1000, 1000);		/* PRR: nothing was delivered since */
	ck_assert_uint_eq(B.c.ca_state, CA_RECOVERY);
	at(430);
	answer(.ack = 2000, .sack = { 3000, 4000 });
	left(2000, 1000);
	ck_assert_uint_eq(counter(&B, CNT_TCPTimeouts), 0);
}
END_TEST

START_TEST(both_copies_arrived)
{
	put(2000);
	at(200);
	answer(.ack = 2000, .dsack = { 1000, 2000 });
	ck_assert_uint_eq(B.c.tlp_end_seq, 0);
	ck_assert_uint_eq(B.c.cwnd, 10);
	ck_assert_uint_eq(B.c.rack.reo_wnd_mult, 1);
}
END_TEST

START_TEST(probe_that_repaired_a_loss_costs)
{
	B.c.cwnd = 20;
	put(2000);
	at(200);				/* 1000..2000 again */
	answer(.ack = 2000);
	put(1000);
	answer(.ack = 3000);			/* beyond it, and no D-SACK */
	ck_assert_uint_eq(counter(&B, CNT_TCPLossProbeRecovery), 1);
	ck_assert_uint_lt(B.c.cwnd, 20);
}
END_TEST

START_TEST(no_probe_once_something_is_sacked)
{
	put(4000);
	at(100);
	answer(.ack = 0, .sack = { 3000, 4000 });
	ck_assert_uint_eq(B.c.timer[T_TLP], USEC_NEVER);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, snd_close);
	tcase_add_test(t, lost_after_the_reordering_window);
	tcase_add_test(t, three_sacked_are_evidence_enough);
	tcase_add_test(t, what_was_sent_later_is_not_judged);
	tcase_add_test(t, reordering_seen_keeps_the_window_open);
	tcase_add_test(t, dsack_widens_the_window_once_a_round);
	tcase_add_test(t, sixteen_quiet_recoveries_narrow_it_again);
	tcase_add_test(t, window_is_at_most_srtt);
	tcase_add_test(t, a_lost_retransmission_is_found_without_a_timeout);
	tcase_add_test(t, order_within_a_microsecond);
	tcase_add_test(t, a_block_cuts_at_datagram_boundaries);
	tcase_add_test(t, blocks_repeat_and_grow);
	tcase_add_test(t, senseless_blocks_are_discarded);
	tcase_add_test(t, probe_after_two_srtt);
	tcase_add_test(t, lone_datagram_waits_for_a_delayed_ack);
	tcase_add_test(t, probe_prefers_new_data);
	tcase_add_test(t, probes_answer_starts_recovery);
	tcase_add_test(t, both_copies_arrived);
	tcase_add_test(t, probe_that_repaired_a_loss_costs);
	tcase_add_test(t, no_probe_once_something_is_sacked);
}

RUN_SUITE("rack", add)
