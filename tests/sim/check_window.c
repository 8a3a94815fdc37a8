/*
 * check_window.c - flow control: zero windows and their probes, silly windows,
 * Nagle and cork, delayed acknowledgements, keepalive.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "campaign.h"
#include "script.h"

static u64 ms_of(usec_t t)
{
	return (t - S.base) / 1000;
}

/* ---- zero window (R4.23, T65, T66) ------------------------------------------------- */

static void probes_back_off(void)
{
	u64 b, due;

	establish(.mss = 1000, .rtt_ms = 100, .wnd = 8000);
	app_write(3000);
	expect_train(0, 3000);
	app_write(5000);
	skip_all();
	at(100);
	inject(.ack = 8000, .wnd_zero = true);
	app_write(2000);
	expect_none();
	b = max((u64)S.c->rtt.rto_us / 1000, (u64)200);
	S.slack_us = 2000;
	due = 100;
	for (u64 step = b; step < 8 * b; step *= 2) {
		due += step;
		at(due + 1);
		want(S.next + 1 == S.nout);
		want(S.out[S.next].h.flags & WF_REPLY && !S.out[S.next].len);
		want(ms_of(S.out[S.next].at) + 1 >= due);
		skip_all();
		inject(.ack = 8000, .wnd_zero = true);
	}
	want(count_of(CNT_TCPWinProbe) == 3);
	at(due + 50);
	inject(.ack = 8000, .wnd = 10000);
	S.slack_us = 0;
	expect_train(8000, 2000);
	script_end();
}

/* A live peer may keep its window shut for a week. */
static void an_answering_peer_is_never_given_up(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .wnd = 2000);
	app_write(5000);
	skip_all();
	S.slack_us = USEC_NEVER / 2;
	at(10);
	inject(.ack = 2000, .wnd_zero = true);
	while (S.now < S.base + 7 * 86400 * USEC_PER_SEC) {
		want(conn_deadline(S.c) != USEC_NEVER && S.c->state == CONN_ESTABLISHED);
		at_us(conn_deadline(S.c) - S.base);
		if (S.nout - S.next)
			inject(.ack = 2000, .wnd_zero = true);
		S.nout = S.next = S.nsent = 0;
	}
	inject(.ack = 2000, .wnd = 5000);
	expect_train(2000, 3000);
	script_end();
}

static void a_silent_peer_is_given_up(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .wnd = 1000);
	app_write(3000);
	skip_all();
	S.slack_us = USEC_NEVER / 2;
	at(10);
	inject(.ack = 1000, .wnd_zero = true);
	for (unsigned i = 0; i < 60 && S.c->state == CONN_ESTABLISHED; i++) {
		at_us(conn_deadline(S.c) - S.base);
		skip_all();
	}
	want(S.c->state == CONN_CLOSED && S.c->err == ETIMEDOUT);
	script_end();
}

/* ---- the receiver's window ------------------------------------------------------------ */

static void the_edge_never_moves_back(void)
{
	u64 edge = 0;

	establish(.mss = 1000, .rtt_ms = 10, .passive = true, .rcvbuf = 20000);
	for (unsigned i = 0; i < 60; i++) {
		if (S.c->rcv_wup + S.c->rcv_wnd < S.c->rcv_nxt + 1000)
			break;
		inject(.len = 1000);
		for (unsigned n = S.next; n < S.nout; n++) {
			want(S.out[n].h.ack + S.out[n].h.wnd >= edge);
			edge = S.out[n].h.ack + S.out[n].h.wnd;
		}
		skip_all();
	}
	want(conn_unread(S.c) > 10000);
	while (conn_unread(S.c)) {
		want(app_read(700) > 0);
		for (unsigned n = S.next; n < S.nout; n++) {
			want(S.out[n].h.ack + S.out[n].h.wnd >= edge);
			edge = S.out[n].h.ack + S.out[n].h.wnd;
		}
		skip_all();
	}
	script_end();
}

/* T67: one byte at a time opens nothing until a segment's worth is free. */
static void no_silly_windows(void)
{
	unsigned updates = 0;

	establish(.mss = 1000, .rtt_ms = 10, .passive = true, .rcvbuf = 8000);
	for (unsigned i = 0; i < 40; i++) {
		u64 room = S.c->rcv_wup + S.c->rcv_wnd - S.c->rcv_nxt;

		if (!room)
			break;
		inject(.len = (u32)min(room, (u64)1000));
		skip_all();
		at(50 * i + 50);
		skip_all();
	}
	want(S.c->rcv_wup + S.c->rcv_wnd == S.c->rcv_nxt);
	u64 unread = conn_unread(S.c);

	for (u64 i = 0; i < unread; i++) {
		want(app_read(1) == 1);
		updates += S.nout - S.next;
		for (unsigned n = S.next; n < S.nout; n++)
			want(S.out[n].h.wnd >= 500);
		skip_all();
	}
	want(updates >= 1 && updates <= 12);
	script_end();
}

static void beyond_the_window_is_dropped(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .passive = true, .rcvbuf = 5000);
	inject(.at_seq = true, .seq = 900000, .len = 1000);
	expect_ack(0);
	want(S.last->h.nsack == 0 && count_of(CNT_BeyondWindow) == 1);
	want(S.c->mem.rmem_alloc == 0);
	script_end();
}

/* ---- delayed acknowledgements (RFC 9293 3.8.6.3) ----------------------------------------- */

static void calm_down(void)		/* out of the quick acks of the beginning */
{
	for (unsigned i = 0; i < 80; i++) {
		inject(.len = 1000, .ack = S.c->snd_una - 1);
		skip_all();
		at(ms_of(S.now) + 1);
		app_read(100000);
		skip_all();
	}
	at(ms_of(S.now) + 100);
	skip_all();
}

static void one_segment_waits_for_the_timer(void)
{
	u64 t;

	establish(.mss = 1000, .rtt_ms = 10, .passive = true);
	calm_down();
	t = ms_of(S.now);
	inject(.len = 500);
	expect_none();
	at(t + 39);
	expect_none();
	at(t + 41);
	expect_ack(80500);
	want(count_of(CNT_DelayedACKs) >= 1);
	script_end();
}

static void two_segments_are_acked_when_read(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .passive = true);
	calm_down();
	inject(.len = 1000);
	skip_all();
	inject(.len = 1000);
	app_read(2000);
	expect_ack(82000);
	script_end();
}

static void the_answer_carries_the_acknowledgement(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .passive = true);
	calm_down();
	inject(.len = 100);
	expect_none();
	app_write(50);
	expect_data(0, 50);
	want(S.last->h.ack == 80101);
	at(ms_of(S.now) + 100);
	skip_all();
	script_end();
}

/* ---- Nagle and cork ------------------------------------------------------------------------ */

static void nagle_waits_for_the_acknowledgement(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(100);
	expect_data(0, 100);
	app_write(100);
	app_write(100);
	expect_none();
	at(50);
	app_write(1900);			/* two full ones may go */
	expect_train(100, 2000);
	expect_none();
	app_write(10);
	expect_none();
	at(100);
	inject(.ack = 100);
	expect_data(2100, 110);			/* no small one is out any more */
	script_end();
}

static void nodelay_does_not_wait(void)
{
	establish(.mss = 1000, .rtt_ms = 100, .nodelay = true);
	app_write(100);
	expect_data(0, 100);
	app_write(100);
	expect_data(100, 100);
	script_end();
}

static void turning_nodelay_on_pushes(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(100);
	expect_data(0, 100);
	app_write(100);
	expect_none();
	S.c->opts.nodelay = true;
	conn_opts_changed(S.c, S.now);
	settle();
	expect_data(100, 100);
	script_end();
}

static void cork_collects(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	S.c->opts.cork = true;
	app_write(600);
	expect_none();
	app_write(600);
	expect_data(0, 1000);
	expect_none();
	S.c->opts.cork = false;
	conn_opts_changed(S.c, S.now);
	settle();
	expect_data(1000, 200);
	script_end();
}

/* tcp(7): what a cork holds back leaves after 200 ms all the same. */
static void a_forgotten_cork_lets_go(void)
{
	establish(.mss = 1000, .rtt_ms = 50);
	S.c->opts.cork = true;
	app_write(600);
	S.slack_us = 1000000;
	at(1000);
	expect_data(0, 600);
	want(ms_of(S.last->at) >= 150 && ms_of(S.last->at) <= 400);
	script_end();
}

static void more_is_a_cork_for_one_call(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write_more(300);
	expect_none();
	app_write(300);
	expect_data(0, 600);
	script_end();
}

/* ---- keepalive -------------------------------------------------------------------------------- */

static void keepalive_finds_the_dead(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .keepalive = true);
	S.c->opts.keep_chosen = true;
	S.slack_us = 1;
	at(4999);
	expect_none();
	for (unsigned i = 0; i < KEEPALIVE_PROBES; i++) {
		at(5000 + 1000 * i);
		want(S.next + 1 == S.nout && S.out[S.next].h.flags & WF_REPLY);
		want(S.out[S.next].h.seq == S.c->snd_una - 1);
		skip_all();
	}
	at(5000 + 1000 * KEEPALIVE_PROBES);
	skip_all();
	want(S.c->state == CONN_CLOSED && S.c->err == ETIMEDOUT);
	script_end();
}

static void an_answer_ends_the_doubt(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .keepalive = true);
	S.slack_us = 1;
	while (S.now < S.base + 100 * USEC_PER_SEC) {
		at_us(conn_deadline(S.c) - S.base);
		if (S.nout > S.next)
			inject(.ack = 0);
		skip_all();
	}
	want(S.nout < 26 && S.nout > 16);		/* one in five seconds */
	want(S.c->state == CONN_ESTABLISHED);
	script_end();
}

static void a_probe_is_answered(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	struct wire_hdr h = { .flags = WF_ACK | WF_REPLY, .dst_id = S.c->id, .seq = 0, .ack = 1,
			      .wnd = 65536, .credit = 1 << 20, .ts = 99, .len = WIRE_HDR };

	script_input(&h, NULL, 0);
	expect_ack(0);
	h.flags = WF_ACK;			/* and a bare one is not */
	script_input(&h, NULL, 0);
	expect_none();
	script_end();
}

/* ---- seeds --------------------------------------------------------------------------------------- */

static void seeds_of_every_kind(void)
{
	campaign_test("slow", 1, 100);
	campaign_test("stall", 1, 100);
	campaign_test("small", 1, 150);
	campaign_test("credit", 1, 100);
}

static const struct test tests[] = {
	{ "probes_back_off", probes_back_off },
	{ "an_answering_peer_is_never_given_up", an_answering_peer_is_never_given_up },
	{ "a_silent_peer_is_given_up", a_silent_peer_is_given_up },
	{ "the_edge_never_moves_back", the_edge_never_moves_back },
	{ "no_silly_windows", no_silly_windows },
	{ "beyond_the_window_is_dropped", beyond_the_window_is_dropped },
	{ "one_segment_waits_for_the_timer", one_segment_waits_for_the_timer },
	{ "two_segments_are_acked_when_read", two_segments_are_acked_when_read },
	{ "the_answer_carries_the_acknowledgement", the_answer_carries_the_acknowledgement },
	{ "nagle_waits_for_the_acknowledgement", nagle_waits_for_the_acknowledgement },
	{ "nodelay_does_not_wait", nodelay_does_not_wait },
	{ "turning_nodelay_on_pushes", turning_nodelay_on_pushes },
	{ "cork_collects", cork_collects },
	{ "a_forgotten_cork_lets_go", a_forgotten_cork_lets_go },
	{ "more_is_a_cork_for_one_call", more_is_a_cork_for_one_call },
	{ "keepalive_finds_the_dead", keepalive_finds_the_dead },
	{ "an_answer_ends_the_doubt", an_answer_ends_the_doubt },
	{ "a_probe_is_answered", a_probe_is_answered },
	{ "seeds_of_every_kind", seeds_of_every_kind },
};

int main(int argc, char **argv)
{
	return tests_run(tests, ARRAY_SIZE(tests), argc, argv);
}
