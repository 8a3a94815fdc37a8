/*
 * check_open.c - opening: the three packets, their loss, refusal, forged
 * cookies, and what the dead still answer.
 */
#include <errno.h>
#include <string.h>
#include "campaign.h"
#include "script.h"

/* ---- the client's side ------------------------------------------------------ */

static void syn_is_repeated_and_given_up(void)
{
	script_fresh((struct script_open){ 0 });
	want(conn_connect(S.c, S.now) == 0);
	want(conn_connect(S.c, S.now) == -EALREADY);
	settle();
	expect_syn();
	for (u64 ms = 1000, step = 2000, n = 1; n <= SYN_RETRIES; n++, step *= 2) {
		S.slack_us = 1;
		at(ms - 1);
		expect_none();
		at(ms);
		expect_syn();
		ms += min(step, (u64)(RTO_MAX_US / 1000));
	}
	want(conn_ready(S.c) == 0 || !(conn_ready(S.c) & (READY_IN | READY_ERR)));
	at(127000);
	want(S.c->state == CONN_CLOSED && S.c->err == ETIMEDOUT);
	want(conn_ready(S.c) & READY_ERR && conn_ready(S.c) & READY_HUP);
	want(conn_finished(S.c) && conn_deadline(S.c) == USEC_NEVER);
	expect_none();
	script_end();
}

/* One more, early; the rest comes when it always did. */
static void syn_that_races_is_repeated_early(void)
{
	script_fresh((struct script_open){ 0 });
	want(conn_connect(S.c, S.now) == 0);
	conn_race(S.c);
	settle();
	expect_syn();
	S.slack_us = 1;
	at(SYN_AGAIN_US / 1000 - 1);
	expect_none();
	at(SYN_AGAIN_US / 1000);
	expect_syn();
	at(SYN_SILENT_US / 1000 - 1);
	want(!conn_silent(S.c));
	at(SYN_SILENT_US / 1000);
	want(conn_silent(S.c));
	expect_none();
	for (u64 ms = 1000, step = 2000, n = 1; n <= SYN_RETRIES; n++, step *= 2) {
		at(ms - 1);
		expect_none();
		at(ms);
		expect_syn();
		ms += step;
	}
	at(127000);
	want(S.c->state == CONN_CLOSED && S.c->err == ETIMEDOUT);
	script_end();
}

static struct wire_hdr synack(void)
{
	return (struct wire_hdr){ .flags = WF_SYN | WF_ACK, .dst_id = S.c->id, .ack = 1,
				  .wnd = 65536, .ts = 1, .credit = 4 << 20, .has_open = true,
				  .open = { 1472, S.peer_id, 77 },
				  .len = WIRE_HDR + WIRE_OPEN_LEN };
}

static void begin(void)
{
	script_fresh((struct script_open){ 0 });
	S.rtt_us = 10000;
	want(conn_connect(S.c, S.now) == 0);
	settle();
	expect_syn();
}

static void third_packet_is_repeated(void)
{
	begin();
	at(10);
	struct wire_hdr h = synack();

	script_input(&h, NULL, 0);
	expect_ack(0);
	want(S.c->state == CONN_ESTABLISHED && S.c->unconfirmed);
	want(conn_ready(S.c) & READY_OUT);
	/* nobody answers: the listener may have nothing, so say it again */
	S.slack_us = 30 * USEC_PER_SEC;
	at(10000);
	expect_ack(0);
	want(S.last->h.has_open && S.last->h.open.cookie_time == 77);
	want(S.last->at <= S.base + 2500 * USEC_PER_MSEC);
	skip_all();
	inject(.ack = 0);
	want(!S.c->unconfirmed);
	want(app_write(10) == 10);
	expect_data(0, 10);
	want(!S.last->h.has_open);
	script_end();
}

static void open_rides_on_data(void)
{
	begin();
	at(10);
	struct wire_hdr h = synack();

	want(app_write(100) == -EAGAIN);	/* not before it is open */
	script_input(&h, NULL, 0);
	skip_all();
	want(app_write(100) == 100);
	expect_data(0, 100);
	want(S.last->h.has_open);
	script_end();
}

static void refused(void)
{
	begin();
	at(10);
	struct wire_hdr h = { .flags = WF_RST | WF_ACK, .dst_id = S.c->id, .ack = 1,
			      .len = WIRE_HDR };

	script_input(&h, NULL, 0);
	want(S.c->state == CONN_CLOSED && S.c->err == ECONNREFUSED);
	want(conn_ready(S.c) & READY_ERR);
	want(app_write(1) == -ECONNREFUSED && app_write(1) == -EPIPE);
	want(app_read(1) == 0);
	script_end();
}

static void nonsense_does_not_open(void)
{
	begin();
	at(10);
	for (unsigned i = 0; i < 6; i++) {
		struct wire_hdr h = synack();

		h.flags = i == 0 ? WF_SYN : i == 1 ? WF_ACK : i == 2 ? WF_FIN | WF_ACK :
			  WF_SYN | WF_ACK;
		if (i == 3)
			h.ack = 5;
		if (i == 4)
			h.open.src_id = 0;
		if (i == 5)
			h.has_open = false;
		script_input(&h, NULL, 0);
		want(S.c->state == CONN_SYN_SENT);
	}
	skip_all();
	script_end();
}

/* ---- the listener's ----------------------------------------------------------- */

static const struct listener_key key = { .key = "sixteen bytes !!" };
static const struct flow_addr flow = { .local = { 1 }, .peer = { 2 }, .lport = 80,
				       .pport = 9 };

struct opening {
	u8 syn[WIRE_HDR_MAX], answer[WIRE_HDR_MAX], third[WIRE_HDR_MAX];
	unsigned syn_len, answer_len, third_len;
	struct wire_hdr h;		/* of the answer, then of the third packet */
};

static unsigned seal(u8 *out, const struct wire_hdr *h, u64 seed)
{
	unsigned n = wire_encode(out, h, WIRE_HDR_MAX);

	wire_sum(out, n, NULL, 0, seed);
	return n;
}

/* A client's opening at `now`, up to its third packet. */
static void open_up(struct opening *o, usec_t now)
{
	struct wire_hdr syn = { .flags = WF_SYN, .ts = 5, .has_open = true,
				.open = { 1472, 0xabc, 0 } };

	o->syn_len = seal(o->syn, &syn, wire_seed(0xabc, 0));
	want(wire_decode(&syn, o->syn, o->syn_len));
	o->answer_len = open_syn_reply(&key, &flow, &syn, o->syn_len, 9000, 65535, o->answer,
				       now);
	want(o->answer_len && o->answer_len <= o->syn_len);
	want(wire_sum_ok(o->answer, o->answer_len, wire_seed(0xabc, 0)));
	want(wire_decode(&o->h, o->answer, o->answer_len));
	want(o->h.flags == (WF_SYN | WF_ACK) && o->h.dst_id == 0xabc && o->h.ack == 1);

	struct wire_hdr third = { .flags = WF_ACK, .dst_id = o->h.open.src_id, .seq = 1,
				  .ack = 1, .has_open = true,
				  .open = { 1472, 0xabc, o->h.open.cookie_time } };

	o->third_len = seal(o->third, &third, wire_seed(0xabc, third.dst_id));
	want(wire_decode(&o->h, o->third, o->third_len));
}

static bool ok(const struct opening *o, const struct wire_hdr *h, usec_t now)
{
	return open_cookie_ok(&key, &flow, h, o->third, o->third_len, now);
}

static void cookie_is_good_for_its_life(void)
{
	usec_t t = 50 * USEC_PER_SEC;
	struct opening o;

	open_up(&o, t);
	want(ok(&o, &o.h, t));
	want(ok(&o, &o.h, t + COOKIE_LIFE_S * USEC_PER_SEC));
	want(!ok(&o, &o.h, t + COOKIE_LIFE_S * USEC_PER_SEC + 1));
	want(!ok(&o, &o.h, t - 1));
}

/* A cookie that was changed, or used from elsewhere, opens nothing. */
static void forged_cookies(void)
{
	usec_t t = 50 * USEC_PER_SEC;
	struct opening o;
	struct wire_hdr h;
	struct listener_key other = key;
	struct flow_addr elsewhere = flow;

	open_up(&o, t);
	h = o.h, h.dst_id ^= 1;
	want(!ok(&o, &h, t));
	h = o.h, h.open.cookie_time++;
	want(!ok(&o, &h, t + 10));
	h = o.h, h.open.src_id ^= 4;
	want(!ok(&o, &h, t));
	h = o.h, h.open.dgram_max++;
	want(!ok(&o, &h, t));
	h = o.h, h.has_open = false;
	want(!ok(&o, &h, t));
	h = o.h, h.flags |= WF_RST;
	want(!ok(&o, &h, t));
	other.key[3] ^= 1;
	want(!open_cookie_ok(&other, &flow, &o.h, o.third, o.third_len, t));
	elsewhere.peer[15] = 1;
	want(!open_cookie_ok(&key, &elsewhere, &o.h, o.third, o.third_len, t));
	elsewhere = flow, elsewhere.pport++;
	want(!open_cookie_ok(&key, &elsewhere, &o.h, o.third, o.third_len, t));
	o.third[40] ^= 1;			/* the checksum covers it all */
	want(!ok(&o, &o.h, t));
}

static void bad_syns_are_not_answered(void)
{
	u8 reply[WIRE_HDR_MAX];
	struct wire_hdr good = { .flags = WF_SYN, .has_open = true,
				 .open = { 1472, 0xabc, 0 } }, h;
	size_t len = WIRE_HDR + WIRE_OPEN_LEN;

	want(open_syn_reply(&key, &flow, &good, len, 9000, 1, reply, 9));
	want(!open_syn_reply(&key, &flow, &good, len - 4, 9000, 1, reply, 9));
	h = good, h.flags |= WF_ACK;
	want(!open_syn_reply(&key, &flow, &h, len, 9000, 1, reply, 9));
	h = good, h.open.src_id = 0;
	want(!open_syn_reply(&key, &flow, &h, len, 9000, 1, reply, 9));
	h = good, h.open.dgram_max = WIRE_DGRAM_MIN - 1;
	want(!open_syn_reply(&key, &flow, &h, len, 9000, 1, reply, 9));
	h = good, h.has_open = false;
	want(!open_syn_reply(&key, &flow, &h, len, 9000, 1, reply, 9));
}

/* ---- resets without a connection -------------------------------------------------- */

static void resets_never_echo(void)
{
	u8 reply[WIRE_HDR_MAX];
	struct wire_hdr h = { .flags = WF_RST, .dst_id = 5, .len = WIRE_HDR }, r;
	unsigned n;

	want(!open_reset_reply(&h, WIRE_HDR, reply, 1));
	h.flags = WF_ACK;
	n = open_reset_reply(&h, WIRE_HDR + 10, reply, 1);
	want(n && n <= WIRE_HDR + 10 && wire_decode(&r, reply, n));
	want(r.flags & WF_RST && r.dst_id == 0 && r.seq == 5);
	want(wire_sum_ok(reply, n, wire_seed(5, 0)));
}

static void seeds_of_every_kind(void)
{
	campaign_test("refused", 1, 40);
	campaign_test("clean", 1, 40);
}

/* Half of the packets of every opening are lost. */
static bool lose_openings(struct scenario *s, unsigned variant, const struct report *last)
{
	(void)last;
	s->lossy = true;
	for (unsigned k = 0; k < 2; k++)
		s->link[k].loss_ppm = 400000;
	for (unsigned i = 0; i < s->conns; i++)
		for (unsigned k = 0; k < 2; k++)
			s->plan[i][k].tx_total = min(s->plan[i][k].tx_total, (u64)200);
	for (unsigned i = 0; i < s->conns; i++)
		for (unsigned k = 0; k < 2; k++) {
			s->plan[i][k].turn = 0;
			s->plan[i][k].rx_expect = s->plan[i][!k].tx_total;
		}
	return variant == 0;
}

static void openings_with_loss(void)
{
	struct campaign c = { .kind = "loss", .from = 1000, .to = 1150,
			      .prepare = lose_openings };
	struct report sum;

	want(campaign_run(&c, &sum) == 0);
	want(sum.completed > sum.conns * 3 / 2);
}

static const struct test tests[] = {
	{ "syn_is_repeated_and_given_up", syn_is_repeated_and_given_up },
	{ "syn_that_races_is_repeated_early", syn_that_races_is_repeated_early },
	{ "third_packet_is_repeated", third_packet_is_repeated },
	{ "open_rides_on_data", open_rides_on_data },
	{ "refused", refused },
	{ "nonsense_does_not_open", nonsense_does_not_open },
	{ "cookie_is_good_for_its_life", cookie_is_good_for_its_life },
	{ "forged_cookies", forged_cookies },
	{ "bad_syns_are_not_answered", bad_syns_are_not_answered },
	{ "resets_never_echo", resets_never_echo },
	{ "seeds_of_every_kind", seeds_of_every_kind },
	{ "openings_with_loss", openings_with_loss },
};

int main(int argc, char **argv)
{
	return tests_run(tests, ARRAY_SIZE(tests), argc, argv);
}
