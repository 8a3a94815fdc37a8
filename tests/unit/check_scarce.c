/*
 * check_scarce.c - both ends of connections in a domain that has nothing left,
 * or takes back what it had: what is repaired, what needs no page, what is
 * left when all is over.
 */
#include "core_pair.h"

enum { CONNS = 1000 };

static struct pair p;

static void setup(void)
{
	struct mem_limits l = bench_limits();

	pair_init(&p, &l);
}

static void teardown(void)
{
	pair_fini(&p);
}

/* The nth datagram of the stream is lost. */
static unsigned data_seen, data_lost;

static bool lose_one(const struct wire_hdr *h, bool from_a)
{
	(void)h;
	return from_a && data_seen++ == data_lost;
}

/* R4.15: the receiver takes back what it had SACKed. */
START_TEST(t58_what_was_sacked_and_dropped_is_sent_again)
{
	u64 sacked;

	pair_connect(&p);
	pair_run(&p, 100000);
	pair_write(&p, &p.a, 1000);
	pair_run(&p, 100000);
	ck_assert_int_eq(pair_read(&p, &p.b, 1000), 1000);
	p.drop = lose_one;
	data_seen = 0, data_lost = 0;
	pair_write(&p, &p.a, 5 * 1424);
	for (int i = 0; i < 5; i++)
		pair_send_one(&p, &p.a);
	p.drop = NULL;
	while (pair_send_one(&p, &p.b))
		;
	sacked = p.a.sacked_out;
	ck_assert_uint_ge(sacked, 3);
	ck_assert(rcv_drop_ofo(&p.b, p.b.rcv_nxt));
	ck_assert(list_empty(&p.b.ofoq));
	pair_run(&p, 10 * USEC_PER_SEC);
	ck_assert_int_eq(pair_read(&p, &p.b, 100000), 5 * 1424);
	ck_assert_uint_eq(atomic_load(&p.d->counters[CNT_TCPSACKReneging]), 1);
	ck_assert_uint_eq(p.a.packets_out, 0);
	ck_assert_uint_eq(p.b.bytes_received, 1000 + 5 * 1424);
}
END_TEST

START_TEST(t82_time_wait_costs_nothing)
{
	s64 socks = atomic_load(&p.d->sockets_allocated);

	for (int i = 0; i < 200; i++) {
		pair_connect(&p);
		pair_write(&p, &p.a, 3000);
		pair_settle(&p);
		ck_assert_int_eq(pair_read(&p, &p.b, 5000), 3000);
		conn_close(&p.a, p.now);
		pair_settle(&p);
		conn_close(&p.b, p.now);
		pair_settle(&p);
		ck_assert_int_eq(p.a.state, CONN_TIME_WAIT);
		ck_assert_int_eq(p.b.state, CONN_CLOSED);
		ck_assert_int_eq(p.a.mem.pages, 0);
		ck_assert_int_eq(domain_allocated(p.d), 0);
		ck_assert(!p.a.orphan_counted);

		conn_purge(&p.a);		/* an entry of a table is left of it */
		mem_acct_fini(&p.a.mem);
		mem_acct_fini(&p.b.mem);
		p.b_open = false;
		p.now += USEC_PER_SEC;
		pair_conn(&p, &p.a, OWNER_SOCK0, 0xa11ce + i);
	}
	ck_assert_int_eq(atomic_load(&p.d->sockets_allocated), socks);
}
END_TEST

/* ---- 1000 connections and no page ------------------------------------------------- */

static struct conn many[CONNS];
static struct domain *d;
static struct arena *ar;
static usec_t now = USEC_PER_SEC;

static struct wire_hdr from_peer(const struct conn *c, u8 flags)
{
	return (struct wire_hdr){ .flags = WF_ACK | flags, .dst_id = c->id, .seq = c->rcv_nxt,
				  .ack = c->snd_nxt, .wnd = 65536, .ts = (u32)now,
				  .credit = 1 << 20 };
}

static void give(struct conn *c, struct wire_hdr h)
{
	struct rx_pkt r = { .h = h, .payload = (const u8 *)"" };

	conn_input(c, &r, now);
	conn_input_end(c, now);
}

static unsigned flush(struct conn *c)
{
	static struct tx_batch t;
	unsigned n = 0;

	while (conn_output(c, &t, WIRE_DGRAM_MAX, now) > 0) {
		conn_sent(c, &t, now);
		n++;
	}
	return n;
}

static void open_many(void)
{
	static const u8 bytes[2000];

	for (unsigned i = 0; i < CONNS; i++) {
		struct conn_seed seed = { .id = 1000 + i, .rng = i + 1, .dgram_max = 1472 };
		struct wire_hdr h = { .flags = WF_ACK, .dst_id = seed.id, .seq = 1, .ack = 1,
				      .wnd = 65536, .credit = 1 << 20, .has_open = true,
				      .open = { 1472, 77 + i, 1000 } };
		struct conn *c = &many[i];

		mem_acct_init(&c->mem, ar, OWNER_SOCK0 + i, 1);
		conn_init(c, &seed, now);
		open_passive(c, &h, now);
		ck_assert_int_eq(conn_send(c, bytes, sizeof(bytes), false, now), sizeof(bytes));
		flush(c);
	}
}

/* Each gets what must be understood without a page: an acknowledgement, a
 * window probe, a FIN or a reset. */
static void control_packets(struct conn *c, unsigned i)
{
	struct wire_hdr probe = from_peer(c, WF_REPLY);
	unsigned answers;

	give(c, from_peer(c, 0));
	ck_assert_uint_eq(c->packets_out, 0);
	ck_assert_int_eq(c->mem.wmem_queued, 0);
	probe.seq = c->rcv_nxt - 1;
	give(c, probe);
	answers = flush(c);
	ck_assert_uint_ge(answers, 1);
	if (i % 2) {
		give(c, from_peer(c, WF_FIN));
		ck_assert_int_eq(c->state, CONN_CLOSE_WAIT);
		ck_assert_uint_ge(flush(c), 1);
	} else {
		give(c, from_peer(c, WF_RST));
		ck_assert_int_eq(c->state, CONN_CLOSED);
	}
}

START_TEST(t94_control_packets_need_no_page)
{
	struct mem_limits l = bench_limits();
	struct mem_acct hoard;
	s64 total;

	d = domain_private(&l);
	ck_assert_int_eq(arena_create_private(&ar, d, 8192, CONNS + 1, 64), 0);
	open_many();
	l.mem[0] = 700, l.mem[1] = 800, l.mem[2] = 900;
	ck_assert_int_eq(domain_set_limits(d, &l), 0);
	mem_acct_init(&hoard, ar, OWNER_SOCK0 + CONNS, 1);
	for (unsigned i = 0; domain_allocated(d) < 2 * 900 + CONNS; i++)
		ck_assert_uint_ne(mem_alloc(&hoard, PAGE_UNITS, MEM_RCV, true), MEM_NONE);
	mem_test_refuse(1);		/* nobody even asks for memory */
	total = domain_allocated(d);
	for (unsigned i = 0; i < CONNS; i++) {
		control_packets(&many[i], i);
		ck_assert_int_le(domain_allocated(d), total);
		total = domain_allocated(d);
		ck_assert_int_gt(total, 2 * 900 - 1);
	}
	ck_assert(!mem_test_refused());
	mem_test_refuse(0);
	for (unsigned i = 0; i < CONNS; i++) {
		conn_purge(&many[i]);
		mem_acct_fini(&many[i].mem);
	}
	mem_acct_purge(&hoard);
	ck_assert_int_eq(domain_allocated(d), 0);
	arena_destroy_private(ar);
	domain_detach(d);
}
END_TEST

static void add(TCase *t)
{
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, t58_what_was_sacked_and_dropped_is_sent_again);
	tcase_add_test(t, t82_time_wait_costs_nothing);
	tcase_add_test(t, t94_control_packets_need_no_page);
}

int main(void)
{
	return run_case("scarce", add);
}
