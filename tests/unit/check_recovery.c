/*
 * check_recovery.c - the machine of recovery.c: PRR by numbers (RFC 9937),
 * timeouts, undo, and whether cwnd was used.
 */
#include "core_snd.h"

enum { MSS = 1000 };

static void setup(void)
{
	snd_open(MSS, 1 << 20);
	B.c.opts.cc_id = cc_find("reno");	/* ssthresh is cwnd / 2 */
	recovery_set_cc(&B.c);
	know_rtt(100);
}

/* Sends n datagrams and a tail of unsent ones, with cwnd == n. */
static void fly(u32 n)
{
	B.c.cwnd = n;
	put((n + 40) * MSS);
	left_train(0, n * MSS, MSS);
	left_none();
}

/* ---- PRR -------------------------------------------------------------------------- */

/* 20 in flight, the first is lost: each two acknowledgements let one out, and
 * in the end cwnd is ssthresh. */
START_TEST(prr_halves_smoothly)
{
	fly(20);
	at(100);
	answer(.ack = 0, .sack = { 1000, 4000 });	/* three: lost */
	left(0, 1000);
	ck_assert_uint_eq(B.c.ssthresh, 10);
	ck_assert_uint_eq(B.c.prr.recover_fs, 20);
	for (u32 k = 5; k <= 20; k++)
		answer(.ack = 0, .sack = { 1000, k * 1000 });
	/* 19 of 20 delivered, half of them: ceil(19 * 10 / 20) */
	ck_assert_uint_eq(ncaught - 20, 10);
	at(200);
	answer(.ack = 20000);
	ck_assert_uint_ge(B.c.cwnd, 10);
	answer(.ack = B.c.snd_nxt - 1);
	ck_assert_uint_eq(B.c.ca_state, CA_OPEN);
	ck_assert_uint_ge(B.c.cwnd, 10);
	ck_assert_uint_le(B.c.cwnd, 20);
}
END_TEST

/* Half of the flight is lost at once: slow-start reduction bound brings the
 * flight back up to ssthresh, never above. */
START_TEST(prr_after_a_burst)
{
	fly(20);
	at(100);
	answer(.ack = 0, .sack = { 15000, 20000 });
	ck_assert_uint_eq(B.c.lost_out, 15);
	ck_assert_uint_eq(snd_in_flight(&B.c), 5);	/* five delivered, five out */
	for (u32 i = 1; i <= 4; i++) {
		at(200 + i);
		answer(.ack = i * 1000, .sack = { 15000, 20000 });
		ck_assert_uint_le(snd_in_flight(&B.c), B.c.ssthresh);
	}
	ck_assert_uint_gt(snd_in_flight(&B.c), 5);
}
END_TEST

START_TEST(recovery_ends_at_ssthresh)
{
	fly(20);
	at(100);
	answer(.ack = 0, .sack = { 1000, 20000 });
	u64 high = B.c.high_seq - 1;
	at(200);
	answer(.ack = high);
	ck_assert_uint_eq(B.c.ca_state, CA_OPEN);
	ck_assert_uint_eq(B.c.cwnd, 10);
	ck_assert_uint_eq(B.c.ssthresh, 10);
}
END_TEST

START_TEST(one_reduction_for_one_window)
{
	fly(20);
	at(100);
	answer(.ack = 0, .sack = { 1000, 10000 });
	answer(.ack = 0, .sack = { 1000, 10000 }, .sack2 = { 11000, 20000 });
	ck_assert_uint_eq(B.c.lost_out, 2);
	ck_assert_uint_eq(B.c.ssthresh, 10);
	ck_assert_uint_eq(counter(&B, CNT_TCPSackRecovery), 1);
}
END_TEST

/* ---- timeouts ------------------------------------------------------------------------ */

START_TEST(rto_sends_the_head_and_doubles)
{
	put(1000);
	forget();
	at(240);
	left(0, 1000);			/* tail loss probe */
	at(539);
	left_none();
	at(540);			/* RTO 300, from the probe on */
	left(0, 1000);
	ck_assert_uint_eq(B.c.ca_state, CA_LOSS);
	ck_assert_uint_eq(B.c.cwnd, 1);
	at(1139);
	left_none();
	at(1140);
	left(0, 1000);
	ck_assert_uint_eq(counter(&B, CNT_TCPTimeouts), 2);
	answer(.ack = 1000);
	ck_assert_uint_eq(timer_rto(&B.c), B.c.rtt.rto_us);	/* back-off is over */
}
END_TEST

START_TEST(loss_state_slow_starts)
{
	fly(8);
	forget();
	at(2000);			/* new data as a probe, then the RTO */
	forget();
	ck_assert_uint_eq(B.c.ca_state, CA_LOSS);
	u64 out = ncaught;
	answer(.ack = 1000, .ecr = snd_ts(&B.c, B.now));
	ck_assert_uint_eq(ncaught - out, 2);
	answer(.ack = 3000, .ecr = snd_ts(&B.c, B.now));
	ck_assert_uint_eq(ncaught - out, 6);
}
END_TEST

START_TEST(reneging_is_noticed_by_the_timer)
{
	put(4000);
	at(100);
	answer(.ack = 0, .sack = { 1000, 4000 });	/* then it drops them (R4.15) */
	at(200);
	answer(.ack = 1000);
	forget();
	at(260);				/* soon: half a round trip */
	left(1000, 1000);
	ck_assert_uint_eq(counter(&B, CNT_TCPSACKReneging), 1);
	at(360);
	answer(.ack = 2000);
	left_train(2000, 2000, MSS);
	answer(.ack = 2000, .sack = { 3000, 4000 });	/* again, and believed again */
	ck_assert_uint_eq(B.c.sacked_out, 1);
	answer(.ack = 4000);
	ck_assert_uint_eq(B.c.packets_out, 0);
}
END_TEST

/* ---- undo ------------------------------------------------------------------------------- */

START_TEST(eifel_undoes_a_spurious_rto)
{
	fly(8);
	u32 old = snd_ts(&B.c, B.now);
	at(2000);
	ck_assert_uint_eq(B.c.ca_state, CA_LOSS);
	answer(.ack = 1000, .ecr = old);	/* the original arrived */
	ck_assert_uint_eq(B.c.ca_state, CA_OPEN);
	ck_assert_uint_ge(B.c.cwnd, 8);
	ck_assert_uint_eq(B.c.lost_out, 0);
	ck_assert_uint_eq(counter(&B, CNT_TCPSpuriousRTOs), 1);
}
END_TEST

START_TEST(dsack_undoes_recovery)
{
	fly(10);
	at(100);
	answer(.ack = 0, .sack = { 1000, 4000 });
	ck_assert_uint_eq(B.c.cwnd < 10, true);
	at(110);
	answer(.ack = 4000);			/* late, not lost ... */
	at(200);
	answer(.ack = 4000, .dsack = { 0, 1000 });	/* ... and so was the copy */
	ck_assert_uint_eq(B.c.ca_state, CA_OPEN);
	ck_assert_uint_ge(B.c.cwnd, 10);
	ck_assert_uint_eq(counter(&B, CNT_TCPFullUndo), 1);
}
END_TEST

START_TEST(eifel_undoes_recovery_at_its_end)
{
	fly(10);
	u32 old = snd_ts(&B.c, B.now);
	at(100);
	answer(.ack = 0, .sack = { 1000, 10000 });
	u64 high = B.c.high_seq - 1;
	at(110);
	answer(.ack = high, .ecr = old);
	ck_assert_uint_ge(B.c.cwnd, 10);
	ck_assert_uint_eq(counter(&B, CNT_TCPFullUndo), 1);
}
END_TEST

START_TEST(a_real_loss_is_not_undone)
{
	fly(10);
	at(100);
	answer(.ack = 0, .sack = { 1000, 10000 });
	u64 high = B.c.high_seq - 1;
	at(200);
	answer(.ack = high);			/* echoes the retransmission */
	ck_assert_uint_eq(B.c.cwnd, 5);
	ck_assert_uint_eq(counter(&B, CNT_TCPFullUndo), 0);
}
END_TEST

/* ---- was cwnd used? ------------------------------------------------------------------------ */

START_TEST(unused_cwnd_does_not_grow)
{
	for (int i = 1; i <= 30; i++) {
		at(i * 100);
		put(1000);
		answer(.ack = i * 1000);
	}
	ck_assert_uint_eq(B.c.cwnd, 10);
}
END_TEST

START_TEST(cwnd_unused_for_long_shrinks)
{
	B.c.cwnd = 100;
	for (int i = 1; i <= 30; i++) {
		at(i * 100);
		put(1000);
		answer(.ack = i * 1000);
	}
	ck_assert_uint_lt(B.c.cwnd, 60);
	ck_assert_uint_ge(B.c.ssthresh, 75);
}
END_TEST

START_TEST(idle_restart)
{
	put(1000);
	answer(.ack = 1000);
	B.c.cwnd = 160;
	at(100);
	put(1000);
	answer(.ack = 2000);
	u32 rto = B.c.rtt.rto_us / 1000;
	at(100 + 2 * rto + 10);
	put(1000);				/* idle for two RTO: two halvings */
	ck_assert_uint_eq(B.c.cwnd, 40);
	answer(.ack = 3000);
	at(200000);
	put(1000);
	ck_assert_uint_eq(B.c.cwnd, 10);
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, snd_close);
	tcase_add_test(t, prr_halves_smoothly);
	tcase_add_test(t, prr_after_a_burst);
	tcase_add_test(t, recovery_ends_at_ssthresh);
	tcase_add_test(t, one_reduction_for_one_window);
	tcase_add_test(t, rto_sends_the_head_and_doubles);
	tcase_add_test(t, loss_state_slow_starts);
	tcase_add_test(t, reneging_is_noticed_by_the_timer);
	tcase_add_test(t, eifel_undoes_a_spurious_rto);
	tcase_add_test(t, dsack_undoes_recovery);
	tcase_add_test(t, eifel_undoes_recovery_at_its_end);
	tcase_add_test(t, a_real_loss_is_not_undone);
	tcase_add_test(t, unused_cwnd_does_not_grow);
	tcase_add_test(t, cwnd_unused_for_long_shrinks);
	tcase_add_test(t, idle_restart);
}

RUN_SUITE("recovery", add)
