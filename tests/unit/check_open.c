/*
 * check_open.c - opening without memory at the listener, resets that answer
 * strangers, and TIME_WAIT.
 */
#include "core_pair.h"

static struct pair p;
static unsigned to_drop;

static void setup(void)
{
	struct mem_limits l = bench_limits();

	pair_init(&p, &l);
	memset(&p.key, 0x5a, sizeof(p.key));
	p.fa.lport = 80;
	p.fa.pport = 40000;
}

static void teardown(void)
{
	pair_fini(&p);
}

START_TEST(three_packets)
{
	pair_connect(&p);
	ck_assert(!p.a.unconfirmed);
	ck_assert_uint_eq(p.a.peer_id, p.b.id);
	ck_assert_uint_eq(p.b.peer_id, p.a.id);
	ck_assert_uint_eq(p.a.mss, 1472 - WIRE_HDR);
	pair_write(&p, &p.a, 5000);
	pair_write(&p, &p.b, 300);
	pair_run(&p, 100000);
	ck_assert_int_eq(pair_read(&p, &p.b, 10000), 5000);
	ck_assert_int_eq(pair_read(&p, &p.a, 10000), 300);
}
END_TEST

START_TEST(the_promised_window_is_the_one_begun_with)
{
	p.drop = NULL;
	pair_connect(&p);
	ck_assert_uint_eq(open_first_window(131072, 0, 1472), 65536 / 1424 * 1424);
	ck_assert_uint_eq(p.b.rcv_wup + p.b.rcv_wnd, 1 + 65536 / 1424 * 1424);
	ck_assert_uint_eq(open_first_window(4608, 0, 1472), 1424);
	ck_assert_uint_eq(open_first_window(131072, 5000, 1472), 3 * 1424);
}
END_TEST

START_TEST(a_reply_is_no_longer_than_the_question)
{
	struct wire_hdr syn = { .flags = WF_SYN, .has_open = true, .open = { 1472, 7, 0 } };
	u8 pkt[WIRE_HDR_MAX], reply[WIRE_HDR_MAX];
	unsigned n = wire_encode(pkt, &syn, WIRE_HDR_MAX);

	syn.len = n;
	ck_assert_uint_eq(open_syn_reply(&p.key, &p.fa, &syn, n, 1472, 65160, reply, p.now), n);
	ck_assert_uint_eq(open_syn_reply(&p.key, &p.fa, &syn, n - 4, 1472, 65160, reply, p.now),
			  0);
	syn.open.src_id = 0;
	ck_assert_uint_eq(open_syn_reply(&p.key, &p.fa, &syn, n, 1472, 65160, reply, p.now), 0);
	syn.open.src_id = 7;
	syn.open.dgram_max = 100;
	ck_assert_uint_eq(open_syn_reply(&p.key, &p.fa, &syn, n, 1472, 65160, reply, p.now), 0);
	syn.open.dgram_max = 1472;
	syn.flags = WF_SYN | WF_ACK;
	ck_assert_uint_eq(open_syn_reply(&p.key, &p.fa, &syn, n, 1472, 65160, reply, p.now), 0);
}
END_TEST

/* The third packet, as c would send it. */
static size_t third_packet(u8 *pkt, struct wire_hdr *h)
{
	struct wire_hdr syn = { .flags = WF_SYN, .has_open = true, .open = { 1472, 7, 0 } }, r;
	u8 reply[WIRE_HDR_MAX];
	unsigned n;

	n = open_syn_reply(&p.key, &p.fa, &syn, WIRE_HDR + WIRE_OPEN_LEN, 1472, 65160, reply,
			   p.now);
	ck_assert(wire_decode(&r, reply, n) && wire_sum_ok(reply, n, wire_seed(7, 0)));
	ck_assert_uint_eq(r.ack, 1);
	*h = (struct wire_hdr){
		.flags = WF_ACK, .dst_id = r.open.src_id, .seq = 1, .ack = 1, .has_open = true,
		.open = { 1472, 7, r.open.cookie_time },
	};
	n = wire_encode(pkt, h, WIRE_HDR_MAX);
	wire_sum(pkt, n, NULL, 0, wire_seed(7, h->dst_id));
	ck_assert(wire_decode(h, pkt, n));
	return n;
}

START_TEST(cookies)
{
	u8 pkt[WIRE_HDR_MAX];
	struct wire_hdr h, bad;
	struct listener_key other = { { 1 } };
	struct flow_addr elsewhere = p.fa;
	size_t n = third_packet(pkt, &h);

	ck_assert(open_cookie_ok(&p.key, &p.fa, &h, pkt, n, p.now));
	ck_assert(open_cookie_ok(&p.key, &p.fa, &h, pkt, n,
				 p.now + COOKIE_LIFE_S * USEC_PER_SEC));
	ck_assert(!open_cookie_ok(&p.key, &p.fa, &h, pkt, n,
				  p.now + COOKIE_LIFE_S * USEC_PER_SEC + 1));
	ck_assert(!open_cookie_ok(&p.key, &p.fa, &h, pkt, n, p.now - 1));
	ck_assert(!open_cookie_ok(&other, &p.fa, &h, pkt, n, p.now));
	elsewhere.pport++;
	ck_assert(!open_cookie_ok(&p.key, &elsewhere, &h, pkt, n, p.now));
	bad = h;
	bad.open.dgram_max++;
	ck_assert(!open_cookie_ok(&p.key, &p.fa, &bad, pkt, n, p.now));
	bad = h;
	bad.open.src_id++;
	ck_assert(!open_cookie_ok(&p.key, &p.fa, &bad, pkt, n, p.now));
	bad = h;
	bad.flags = WF_RST | WF_ACK;
	ck_assert(!open_cookie_ok(&p.key, &p.fa, &bad, pkt, n, p.now));
	pkt[40] ^= 1;				/* the checksum counts */
	ck_assert(!open_cookie_ok(&p.key, &p.fa, &h, pkt, n, p.now));
}
END_TEST

/* A listener that has the port now knows nothing of who opened with the last. */
START_TEST(a_stale_cookie_is_reset)
{
	u8 pkt[WIRE_HDR_MAX], reply[WIRE_HDR_MAX];
	struct wire_hdr h, r;
	size_t n = third_packet(pkt, &h);
	unsigned len = open_stale_reply(&h, pkt, n, reply, p.now);

	ck_assert_uint_gt(len, 0);
	ck_assert_uint_le(len, n);
	ck_assert(wire_decode(&r, reply, len));
	ck_assert(wire_sum_ok(reply, len, wire_seed(7, 0)));
	ck_assert(r.flags & WF_RST);
	ck_assert_uint_eq(r.dst_id, 7);
	ck_assert_uint_eq(r.seq, h.ack);
	pkt[40] ^= 1;				/* damaged: it may be of a good one */
	ck_assert_uint_eq(open_stale_reply(&h, pkt, n, reply, p.now), 0);
}
END_TEST

static bool drop_first(const struct wire_hdr *h, bool from_a)
{
	(void)h;
	if (!from_a || !to_drop)
		return false;
	to_drop--;
	return true;
}

START_TEST(a_lost_syn_is_repeated)
{
	to_drop = 1;
	p.drop = drop_first;
	ck_assert_int_eq(conn_connect(&p.a, p.now), 0);
	pair_run(&p, RTO_INIT_US - 1);
	ck_assert_int_eq(p.a.state, CONN_SYN_SENT);
	pair_run(&p, 2);
	ck_assert_int_eq(p.a.state, CONN_ESTABLISHED);
}
END_TEST

/* Which of two SYNs was answered is not known: no sample (RFC 6298 3). */
START_TEST(a_lost_syn_that_races_is_repeated_early)
{
	to_drop = 1;
	p.drop = drop_first;
	ck_assert_int_eq(conn_connect(&p.a, p.now), 0);
	conn_race(&p.a);
	pair_run(&p, SYN_AGAIN_US - 1);
	ck_assert_int_eq(p.a.state, CONN_SYN_SENT);
	pair_run(&p, 2);
	ck_assert_int_eq(p.a.state, CONN_ESTABLISHED);
	ck_assert_uint_eq(p.a.rtt.srtt_us, 0);
	ck_assert(!conn_silent(&p.a));
}
END_TEST

static bool drop_third(const struct wire_hdr *h, bool from_a)
{
	if (!from_a || (h->flags & WF_SYN) || !to_drop)
		return false;
	to_drop--;
	return true;
}

START_TEST(a_lost_third_packet_is_repeated)
{
	to_drop = 1;
	p.drop = drop_third;
	ck_assert_int_eq(conn_connect(&p.a, p.now), 0);
	pair_settle(&p);
	ck_assert_int_eq(p.a.state, CONN_ESTABLISHED);
	ck_assert(p.a.unconfirmed && !p.b_open);
	pair_run(&p, 2 * RTO_INIT_US);
	ck_assert(p.b_open && !p.a.unconfirmed);
}
END_TEST

START_TEST(the_third_packet_may_carry_data)
{
	to_drop = 2;
	p.drop = drop_third;
	ck_assert_int_eq(conn_connect(&p.a, p.now), 0);
	pair_settle(&p);
	pair_write(&p, &p.a, 3000);
	pair_run(&p, 5 * USEC_PER_SEC);
	ck_assert(p.b_open && !p.a.unconfirmed);
	ck_assert_int_eq(pair_read(&p, &p.b, 10000), 3000);
}
END_TEST

START_TEST(nobody_answers)
{
	to_drop = UINT32_MAX;
	p.drop = drop_first;
	ck_assert_int_eq(conn_connect(&p.a, p.now), 0);
	ck_assert_int_eq(conn_connect(&p.a, p.now), -EALREADY);
	pair_run(&p, 126 * USEC_PER_SEC);
	ck_assert_int_eq(p.a.state, CONN_SYN_SENT);
	pair_run(&p, 2 * USEC_PER_SEC);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_int_eq(conn_recv(&p.a, NULL, 1, 0, p.now), -ETIMEDOUT);
	ck_assert_int_eq(conn_recv(&p.a, NULL, 1, 0, p.now), 0);
}
END_TEST

START_TEST(a_forged_cookie_is_reset)
{
	ck_assert_int_eq(conn_connect(&p.a, p.now), 0);
	to_drop = 1;
	p.drop = drop_third;
	pair_settle(&p);
	p.fa.pport++;			/* as if the key had changed */
	pair_run(&p, 3 * USEC_PER_SEC);
	ck_assert(!p.b_open);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_int_eq(p.a.err, ECONNRESET);
}
END_TEST

START_TEST(who_forgot_us_resets_us)
{
	pair_connect(&p);
	conn_done(&p.b, 0, p.now);	/* without a word */
	pair_write(&p, &p.a, 100);
	pair_settle(&p);
	ck_assert_uint_eq(p.refused, 1);
	ck_assert_int_eq(p.a.state, CONN_CLOSED);
	ck_assert_int_eq(conn_ready(&p.a) & READY_ERR, READY_ERR);
	ck_assert_int_eq(pair_read(&p, &p.a, 1), -ECONNRESET);
}
END_TEST

START_TEST(a_reset_for_somebody_else_is_not_ours)
{
	struct wire_hdr h = { .flags = WF_ACK, .dst_id = 99, .seq = 5, .ack = 5, .len = WIRE_HDR };
	u8 reply[WIRE_HDR_MAX];
	unsigned n;

	pair_connect(&p);
	n = open_reset_reply(&h, WIRE_HDR, reply, p.now);
	ck_assert_uint_eq(n, WIRE_HDR);
	ck_assert(wire_decode(&h, reply, n));
	ck_assert(!open_reset_ok(&p.a, &h, reply, n));
	ck_assert_uint_eq(open_reset_reply(&h, n, reply, p.now), 0);	/* never to a reset */
}
END_TEST

START_TEST(time_wait_answers_a_repeated_fin)
{
	struct wire_hdr h = { 0 }, r;
	u8 reply[WIRE_HDR_MAX];
	bool restart;
	struct tw t;
	unsigned n;

	pair_connect(&p);
	conn_close(&p.a, p.now);
	pair_settle(&p);
	conn_close(&p.b, p.now);
	pair_settle(&p);
	ck_assert_int_eq(p.a.state, CONN_TIME_WAIT);
	ck_assert_int_eq(p.b.state, CONN_CLOSED);
	tw_from_conn(&t, &p.a, p.now);
	ck_assert_uint_ge(t.until, p.now + USEC_PER_SEC);

	h.len = WIRE_HDR;
	h.flags = WF_ACK | WF_FIN;
	h.seq = t.rcv_nxt - 1;
	n = tw_reply(&t, &h, WIRE_HDR, reply, &restart, p.now);
	ck_assert(restart && n == WIRE_HDR && wire_decode(&r, reply, n));
	ck_assert_uint_eq(r.ack, t.rcv_nxt);
	ck_assert(wire_sum_ok(reply, n, wire_seed(t.id, t.peer_id)));
	h.flags = WF_ACK;
	h.seq = t.rcv_nxt;
	ck_assert_uint_eq(tw_reply(&t, &h, WIRE_HDR, reply, &restart, p.now), 0);
	ck_assert(!restart);
	n = tw_reply(&t, &h, WIRE_HDR + 10, reply, &restart, p.now);
	ck_assert(n && wire_decode(&r, reply, n) && (r.flags & WF_RST));
	h.flags = WF_RST;
	ck_assert_uint_eq(tw_reply(&t, &h, WIRE_HDR, reply, &restart, p.now), 0);
}
END_TEST

START_TEST(a_listener_remembers_as_long_as_the_cookie_lives)
{
	struct tw t;

	pair_connect(&p);
	tw_from_conn(&t, &p.b, p.now);
	ck_assert_uint_eq(t.until, p.b.cookie_time + COOKIE_LIFE_S * USEC_PER_SEC);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, three_packets);
	tcase_add_test(t, the_promised_window_is_the_one_begun_with);
	tcase_add_test(t, a_reply_is_no_longer_than_the_question);
	tcase_add_test(t, cookies);
	tcase_add_test(t, a_stale_cookie_is_reset);
	tcase_add_test(t, a_lost_syn_is_repeated);
	tcase_add_test(t, a_lost_syn_that_races_is_repeated_early);
	tcase_add_test(t, a_lost_third_packet_is_repeated);
	tcase_add_test(t, the_third_packet_may_carry_data);
	tcase_add_test(t, nobody_answers);
	tcase_add_test(t, a_forged_cookie_is_reset);
	tcase_add_test(t, who_forgot_us_resets_us);
	tcase_add_test(t, a_reset_for_somebody_else_is_not_ours);
	tcase_add_test(t, time_wait_answers_a_repeated_fin);
	tcase_add_test(t, a_listener_remembers_as_long_as_the_cookie_lives);
}

int main(void)
{
	return run_case("open", add_tests);
}
