/*
 * check_close.c - the ends of connections: FIN in every order, resets, what a
 * closed program leaves behind, TIME_WAIT.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "campaign.h"
#include "script.h"

static void app_shutdown(int how)
{
	want(conn_shutdown(S.c, how, S.now) == 0);
	settle();
}

static void app_close(void)
{
	conn_close(S.c, S.now);
	settle();
}

/* ---- the states of RFC 9293, figure 5 --------------------------------------------- */

static void active_close(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_write(500);
	expect_data(0, 500);
	app_close();
	expect_fin(500, 0);
	want(S.c->state == CONN_FIN_WAIT1 && S.c->orphan);
	at(10);
	inject(.ack = 501);
	want(S.c->state == CONN_FIN_WAIT2);
	at(20);
	inject(.ack = 501, .flags = WF_FIN);
	expect_ack(1);
	want(S.c->state == CONN_TIME_WAIT && S.c->mem.wmem_queued == 0);
	S.slack_us = USEC_NEVER / 2;
	at(70000);
	want(S.c->state == CONN_CLOSED && conn_finished(S.c));
	script_end();
}

static void passive_close(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	inject(.len = 100, .flags = WF_FIN);
	expect_ack(101);
	want(S.c->state == CONN_CLOSE_WAIT);
	want(conn_ready(S.c) & READY_IN && conn_ready(S.c) & READY_RDHUP);
	want(!(conn_ready(S.c) & READY_HUP));
	want(app_read(1000) == 100 && app_read(1000) == 0 && app_read(1000) == 0);
	want(app_write(700) == 700);		/* the other half is open */
	expect_data(0, 700);
	app_close();
	expect_fin(700, 0);
	want(S.c->state == CONN_LAST_ACK);
	at(10);
	inject(.ack = 701);
	want(S.c->state == CONN_CLOSED && conn_finished(S.c));
	script_end();
}

static void simultaneous_close(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_close();
	expect_fin(0, 0);
	inject(.ack = 0, .flags = WF_FIN);
	expect_ack(1);
	want(S.c->state == CONN_CLOSING);
	at(10);
	inject(.ack = 1);
	want(S.c->state == CONN_TIME_WAIT);
	script_end();
}

static void fin_with_its_ack(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_close();
	expect_fin(0, 0);
	at(10);
	inject(.ack = 1, .flags = WF_FIN);
	expect_ack(1);
	want(S.c->state == CONN_TIME_WAIT);
	script_end();
}

static void half_close(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_shutdown(SHUT_WR);
	expect_fin(0, 0);
	want(app_write(1) == -EPIPE);
	at(10);
	inject(.ack = 1);
	want(S.c->state == CONN_FIN_WAIT2);
	S.slack_us = USEC_NEVER / 2;
	at(100000);				/* a program holds it: no time-out */
	skip_all();
	want(S.c->state == CONN_FIN_WAIT2);
	inject(.ack = 1, .len = 1000);
	want(app_read(2000) == 1000);
	inject(.ack = 1, .flags = WF_FIN);
	want(app_read(1) == 0 && S.c->state == CONN_TIME_WAIT);
	want(conn_ready(S.c) & READY_HUP);
	skip_all();
	script_end();
}

static void fin_is_repeated(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_close();
	expect_fin(0, 0);
	S.slack_us = USEC_NEVER / 2;
	at(3000);
	expect_fin(0, 0);
	want(S.nout > S.next);
	skip_all();
	inject(.ack = 1);
	want(S.c->state == CONN_FIN_WAIT2);
	script_end();
}

static void fin_rides_on_the_last_data(void)
{
	establish(.mss = 1000, .rtt_ms = 100);
	app_write(100);
	expect_data(0, 100);
	app_write(50);				/* Nagle holds it back */
	expect_none();
	app_close();
	expect_fin(100, 50);
	script_end();
}

static void an_orphan_does_not_wait_for_ever(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_close();
	expect_fin(0, 0);
	at(10);
	inject(.ack = 1);
	want(S.c->state == CONN_FIN_WAIT2);
	at(59000);
	want(S.c->state == CONN_FIN_WAIT2);
	S.slack_us = USEC_NEVER / 2;
	at(75000);
	want(S.c->state == CONN_CLOSED);
	skip_all();
	script_end();
}

static void orphans_give_up_soon(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_write(5000);
	app_close();
	S.slack_us = USEC_NEVER / 2;
	for (unsigned i = 0; i < 60 && S.c->state != CONN_CLOSED; i++) {
		skip_all();
		at_us(conn_deadline(S.c) - S.base);
	}
	skip_all();
	want(S.c->state == CONN_CLOSED && S.c->mem.wmem_queued == 0);
	want(S.now - S.base < 200 * USEC_PER_SEC);	/* 8 retries, not 15 */
	script_end();
}

/* ---- resets ------------------------------------------------------------------------------ */

static void unread_data_resets(void)	/* T76 */
{
	establish(.mss = 1000, .rtt_ms = 10);
	inject(.len = 1);
	skip_all();
	app_close();
	expect_rst();
	want(S.c->state == CONN_CLOSED && count_of(CNT_TCPAbortOnClose) == 1);
	script_end();
}

static void an_unread_fin_does_not(void)	/* T76 */
{
	establish(.mss = 1000, .rtt_ms = 10);
	inject(.flags = WF_FIN);
	skip_all();
	app_close();
	expect_fin(0, 0);
	want(S.c->state == CONN_LAST_ACK && count_of(CNT_TCPAbortOnClose) == 0);
	script_end();
}

static void linger_zero_resets(void)	/* T81 */
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_write(3000);
	skip_all();
	S.c->opts.shut_linger = 1;
	app_close();
	expect_rst();
	want(S.c->state == CONN_CLOSED && S.c->mem.wmem_queued == 0);
	want(count_of(CNT_TCPAbortOnData) == 1);
	script_end();
}

static void data_after_close_resets(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_close();
	expect_fin(0, 0);
	at(10);
	inject(.ack = 1);
	inject(.ack = 1, .len = 100);
	expect_rst();
	want(S.c->state == CONN_CLOSED);
	script_end();
}

static void reset_is_told_once(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_write(3000);
	skip_all();
	inject(.len = 700);
	skip_all();
	inject(.flags = WF_RST);
	expect_none();
	want(S.c->state == CONN_CLOSED && S.c->mem.wmem_queued == 0);
	want(conn_ready(S.c) & READY_ERR && conn_ready(S.c) & READY_HUP);
	want(conn_ready(S.c) & READY_IN && conn_ready(S.c) & READY_OUT);
	ssize_t n = app_read(1000);		/* Linux: what had come can still be read */

	want(n == 700 || n == -ECONNRESET);
	if (n == 700)
		n = app_read(1000);
	want(n == -ECONNRESET && app_read(1000) == 0 && app_write(1) == -EPIPE);
	script_end();
}

static void a_reset_outside_the_window_is_challenged(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	inject(.at_seq = true, .seq = 5000000, .flags = WF_RST);
	expect_ack(0);
	want(S.c->state == CONN_ESTABLISHED && count_of(CNT_TCPChallengeACK) == 1);
	script_end();
}

static void an_ack_of_what_was_never_sent(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_write(100);
	expect_data(0, 100);
	inject(.ack = 5000);
	expect_ack(0);
	want(S.c->snd_una == 1);
	script_end();
}

static void a_reset_leaves_after_an_abort(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_write(100);
	skip_all();
	conn_abort(S.c, ECONNABORTED, S.now);
	settle();
	expect_rst();
	want(app_read(1) == -ECONNABORTED && app_read(1) == 0);
	want(conn_finished(S.c));
	script_end();
}

/* ---- TIME_WAIT -------------------------------------------------------------------------------- */

static void time_wait_answers_a_repeated_fin(void)
{
	u8 reply[WIRE_HDR_MAX];
	struct wire_hdr fin = { .flags = WF_FIN | WF_ACK, .dst_id = 0x1111, .seq = 1, .ack = 2,
				.len = WIRE_HDR, .ts = 1234 }, r;
	bool restart = false;
	struct tw t;

	establish(.mss = 1000, .rtt_ms = 10);
	app_close();
	expect_fin(0, 0);
	at(10);
	inject(.ack = 1, .flags = WF_FIN);
	skip_all();
	want(S.c->state == CONN_TIME_WAIT);
	tw_from_conn(&t, S.c, S.now);
	want(t.until > S.now && t.until <= S.now + FIN_TIMEOUT_US + COOKIE_LIFE_S * USEC_PER_SEC);

	unsigned n = tw_reply(&t, &fin, WIRE_HDR, reply, &restart, S.now);

	want(n && n <= WIRE_HDR && restart && wire_decode(&r, reply, n));
	want(wire_sum_ok(reply, n, wire_seed(0x1111, S.peer_id)));
	want(r.dst_id == S.peer_id && r.flags == WF_ACK && r.ack == 2 && r.seq == 2);

	fin.flags = WF_ACK;			/* a bare acknowledgement: silence */
	restart = false;
	want(!tw_reply(&t, &fin, WIRE_HDR, reply, &restart, S.now) && !restart);
	fin.flags = WF_RST;
	want(!tw_reply(&t, &fin, WIRE_HDR, reply, &restart, S.now));
	fin.flags = WF_ACK;			/* data that nobody will read */
	n = tw_reply(&t, &fin, WIRE_HDR + 100, reply, &restart, S.now);
	want(n && wire_decode(&r, reply, n) && r.flags & WF_RST);
	script_end();
}

static void time_wait_in_the_connection_answers(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_shutdown(SHUT_WR);
	expect_fin(0, 0);
	at(10);
	inject(.ack = 1, .flags = WF_FIN);
	expect_ack(1);
	want(S.c->state == CONN_TIME_WAIT);
	at(200);
	inject(.ack = 1, .at_seq = true, .seq = 0, .flags = WF_FIN);
	expect_ack(1);
	want(S.c->state == CONN_TIME_WAIT);
	script_end();
}

/* A reset that can only name its peer's id. */
static void reset_by_the_peers_id(void)
{
	u8 pkt[WIRE_HDR_MAX], reply[WIRE_HDR_MAX];
	struct wire_hdr h, mine = { .flags = WF_ACK, .len = WIRE_HDR };

	establish(.mss = 1000, .rtt_ms = 10);
	mine.dst_id = S.peer_id;		/* our packet, which found nobody */
	unsigned n = open_reset_reply(&mine, WIRE_HDR, reply, S.now);

	want(n && wire_decode(&h, reply, n));
	want(open_reset_ok(S.c, &h, reply, n));
	memcpy(pkt, reply, n);
	pkt[20] ^= 1;				/* in seq, the id */
	want(wire_decode(&h, pkt, n) && !open_reset_ok(S.c, &h, pkt, n));
	want(wire_decode(&h, reply, n));
	script_input(&h, NULL, 0);
	want(S.c->state == CONN_CLOSED && S.c->err == ECONNRESET);
	script_end();
}

/* ---- soft errors ------------------------------------------------------------------------------------ */

static void icmp_does_not_kill_a_connection(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_write(100);
	skip_all();
	conn_icmp(S.c, EHOSTUNREACH, S.now);
	settle();
	want(S.c->state == CONN_ESTABLISHED && !(conn_ready(S.c) & READY_ERR));
	S.slack_us = USEC_NEVER / 2;
	for (unsigned i = 0; i < 60 && S.c->state != CONN_CLOSED; i++) {
		skip_all();
		at_us(conn_deadline(S.c) - S.base);
	}
	skip_all();
	want(app_read(1) == -EHOSTUNREACH);	/* it explains the time-out */
	script_end();
}

static void seeds_of_every_kind(void)
{
	campaign_test("violent", 1, 300);
	campaign_test("random", 1000, 1200);
}

static const struct test tests[] = {
	{ "active_close", active_close },
	{ "passive_close", passive_close },
	{ "simultaneous_close", simultaneous_close },
	{ "fin_with_its_ack", fin_with_its_ack },
	{ "half_close", half_close },
	{ "fin_is_repeated", fin_is_repeated },
	{ "fin_rides_on_the_last_data", fin_rides_on_the_last_data },
	{ "an_orphan_does_not_wait_for_ever", an_orphan_does_not_wait_for_ever },
	{ "orphans_give_up_soon", orphans_give_up_soon },
	{ "unread_data_resets", unread_data_resets },
	{ "an_unread_fin_does_not", an_unread_fin_does_not },
	{ "linger_zero_resets", linger_zero_resets },
	{ "data_after_close_resets", data_after_close_resets },
	{ "reset_is_told_once", reset_is_told_once },
	{ "a_reset_outside_the_window_is_challenged", a_reset_outside_the_window_is_challenged },
	{ "an_ack_of_what_was_never_sent", an_ack_of_what_was_never_sent },
	{ "a_reset_leaves_after_an_abort", a_reset_leaves_after_an_abort },
	{ "time_wait_answers_a_repeated_fin", time_wait_answers_a_repeated_fin },
	{ "time_wait_in_the_connection_answers", time_wait_in_the_connection_answers },
	{ "reset_by_the_peers_id", reset_by_the_peers_id },
	{ "icmp_does_not_kill_a_connection", icmp_does_not_kill_a_connection },
	{ "seeds_of_every_kind", seeds_of_every_kind },
};

int main(int argc, char **argv)
{
	return tests_run(tests, ARRAY_SIZE(tests), argc, argv);
}
