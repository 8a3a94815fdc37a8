/* check_reorder.c - packets that overtake each other or arrive twice. */
#include <stdio.h>
#include <string.h>
#include "campaign.h"
#include "script.h"

/* ---- the receiver ------------------------------------------------------------ */

static void ofo_data_is_acked_selectively(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .passive = true);
	inject(.len = 1000);
	skip_all();
	inject(.at_seq = true, .seq = 2000, .len = 1000);
	expect_ack(1000);
	want(S.last->h.nsack == 1);
	want(S.last->h.sack[0].start == 2001 && S.last->h.sack[0].end == 3001);
	inject(.at_seq = true, .seq = 5000, .len = 1000);
	expect_ack(1000);
	want(S.last->h.nsack == 2 && S.last->h.sack[0].start == 5001);
	want(S.last->h.sack[1].start == 2001);
	inject(.at_seq = true, .seq = 3000, .len = 1000);	/* the newest comes first */
	expect_ack(1000);
	want(S.last->h.sack[0].start == 2001 && S.last->h.sack[0].end == 4001);
	want(conn_unread(S.c) == 1000);
	inject(.at_seq = true, .seq = 1000, .len = 1000);
	expect_ack(4000);
	want(S.last->h.nsack == 1 && S.last->h.sack[0].start == 5001);
	inject(.at_seq = true, .seq = 4000, .len = 1000);
	expect_ack(6000);
	want(S.last->h.nsack == 0 && conn_unread(S.c) == 6000);
	want(app_read(10000) == 6000);
	script_end();
}

static void duplicates_are_reported(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .passive = true);
	inject(.len = 1000);
	skip_all();
	inject(.at_seq = true, .seq = 0, .len = 1000);
	expect_ack(1000);
	want(S.last->h.has_dsack && S.last->h.dsack.start == 1 && S.last->h.dsack.end == 1001);
	inject(.at_seq = true, .seq = 3000, .len = 1000);
	expect_ack(1000);
	want(!S.last->h.has_dsack);
	inject(.at_seq = true, .seq = 3500, .len = 1000);	/* half of it is new */
	expect_ack(1000);
	want(S.last->h.has_dsack && S.last->h.dsack.start == 3501);
	want(S.last->h.dsack.end == 4001 && S.last->h.sack[0].end == 4501);
	want(app_read(10000) == 1000);
	script_end();
}

static void overlaps_are_trimmed(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .passive = true);
	inject(.len = 1000);
	inject(.at_seq = true, .seq = 400, .len = 1000);	/* half old */
	inject(.at_seq = true, .seq = 2000, .len = 1000);
	inject(.at_seq = true, .seq = 2500, .len = 1000);
	inject(.at_seq = true, .seq = 1800, .len = 500);
	inject(.at_seq = true, .seq = 1700, .len = 3000);	/* covers them all */
	inject(.at_seq = true, .seq = 1000, .len = 1000);
	skip_all();
	want(S.c->rcv_nxt == 4701);
	want(app_read(300) == 300 && app_read(9999) == 4400 && S.c->mem.rmem_alloc == 0);
	script_end();
}

static void fin_out_of_order(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .passive = true);
	inject(.at_seq = true, .seq = 1000, .len = 500, .flags = WF_FIN);
	expect_ack(0);
	want(S.c->state == CONN_ESTABLISHED);
	inject(.at_seq = true, .seq = 0, .len = 1000);
	expect_ack(1501);
	want(S.c->state == CONN_CLOSE_WAIT);
	want(app_read(9999) == 1500 && app_read(1) == 0);
	want(conn_ready(S.c) & READY_RDHUP);
	script_end();
}

/* ---- the sender ---------------------------------------------------------------- */

/* A D-SACK says that a retransmission was for nothing: RACK waits longer. */
static void dsack_widens_the_window(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(6000);
	expect_train(0, 6000);
	at(100);
	inject(.ack = 0, .sack = {{ 1000, 3000 }});
	at(125);
	expect_data(0, 1000);
	at(130);
	inject(.ack = 6000);
	at(225);
	inject(.ack = 6000, .dsack = { 0, 1000 });
	want(S.c->rack.reo_wnd_mult == 2);
	want(S.c->ca_state == CA_OPEN && S.c->cwnd >= 10);
	script_end();
}

static void reordering_is_remembered(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(8000);
	expect_train(0, 8000);
	at(100);
	inject(.ack = 0, .sack = {{ 1000, 2000 }});
	at(110);
	inject(.ack = 2000);			/* never retransmitted: overtaken */
	want(S.c->rack.reordering_seen);
	inject(.ack = 8000);
	app_write(8000);
	expect_train(8000, 8000);
	at(210);
	inject(.ack = 8000, .sack = {{ 9000, 14000 }});	/* five, and still patient */
	expect_none();
	at(234);
	expect_none();
	at(240);
	S.slack_us = 10000;
	expect_data(8000, 1000);
	script_end();
}

/* ---- what it costs ------------------------------------------------------------------ */

static struct report reordered(u32 ppm, u32 by_us)
{
	static struct scenario s;
	struct report r;

	scenario_make(&s, scenario_find("reorder"), 1);
	s.conns = 1;
	scenario_bulk(&s, 0, 8 << 20);
	for (unsigned k = 0; k < 2; k++) {
		s.link[k] = (struct link_params){ .seed = 4, .delay_us = 10000,
						  .reorder_ppm = ppm, .reorder_us = by_us };
		s.host[k].dgram_max = 1472;
		s.host[k].tx_refuse_ppm = s.host[k].coalesce_us = 0;
		s.host[k].cc_id = 0;
		s.host[k].rcv_credit = 64 << 20;
	}
	refuse = (struct refuse){ 0 };
	sim_run(&s, &r);
	printf("# %.2f%% overtaken by %u us: %.1f Mbit/s, %llu of %llu sent again, %llu time-outs\n",
	       ppm / 1e4, by_us, (double)(8 << 20) * 8 / (double)r.transfer_us,
	       (unsigned long long)r.counters[CNT_RetransSegs], (unsigned long long)r.packets,
	       (unsigned long long)r.counters[CNT_TCPTimeouts]);
	return r;
}

/* Within a quarter of the round trip RACK repeats nothing but at the start. */
static void reordering_within_the_window_is_free(void)
{
	struct report r = reordered(20000, 3000);

	want(r.counters[CNT_RetransSegs] <= 60);
	want(r.counters[CNT_TCPTimeouts] == 0);
	want(r.transfer_us < 1500000);
}

static void reordering_beyond_it_is_learned(void)
{
	struct report r = reordered(10000, 15000);

	want(r.counters[CNT_RetransSegs] * 20 < r.packets);
	want(r.counters[CNT_TCPTimeouts] == 0);
}

static void seeds_of_every_kind(void)
{
	campaign_test("reorder", 1, 150);
	campaign_test("duplicate", 1, 150);
}

static const struct test tests[] = {
	{ "ofo_data_is_acked_selectively", ofo_data_is_acked_selectively },
	{ "duplicates_are_reported", duplicates_are_reported },
	{ "overlaps_are_trimmed", overlaps_are_trimmed },
	{ "fin_out_of_order", fin_out_of_order },
	{ "dsack_widens_the_window", dsack_widens_the_window },
	{ "reordering_is_remembered", reordering_is_remembered },
	{ "reordering_within_the_window_is_free", reordering_within_the_window_is_free },
	{ "reordering_beyond_it_is_learned", reordering_beyond_it_is_learned },
	{ "seeds_of_every_kind", seeds_of_every_kind },
};

int main(int argc, char **argv)
{
	return tests_run(tests, ARRAY_SIZE(tests), argc, argv);
}
