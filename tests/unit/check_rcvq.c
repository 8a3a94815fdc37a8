/*
 * check_rcvq.c - what is stored, dropped, merged and read. Names carry the
 * number of the test statement of the memory model.
 */
#include "core_rcv.h"

enum { MSS = 1424, DGRAM = MSS + WIRE_HDR, WIDE = 1 << 22 };

static struct bench b;

static void setup(void)
{
	struct mem_limits l = bench_limits();

	bench_open(&b, &l, DGRAM);
	offer(&b, WIDE);
}

static void teardown(void)
{
	bench_close(&b);
}

START_TEST(in_order_is_read_as_written)
{
	u64 seq = 1;

	for (int i = 0; i < 50; i++, seq += MSS)
		feed(&b, seq, MSS);
	ck_assert_uint_eq(b.c.rcv_nxt, seq);
	ck_assert_uint_eq(conn_unread(&b.c), 50 * MSS);
	/* Gathered: hardly more memory than bytes. */
	ck_assert_int_lt(b.c.mem.rmem_alloc, 50 * MSS + 12 * 512);
	ck_assert_int_eq(drink(&b, 10), 10);
	ck_assert_int_eq(drink(&b, 100000), 50 * MSS - 10);
	ck_assert_int_eq(drink(&b, 1), -EAGAIN);
	ck_assert_int_eq(b.c.mem.rmem_alloc, 0);
}
END_TEST

START_TEST(t60_reading_frees_whole_segments)
{
	s64 held;

	feed(&b, 1, 1000);
	held = b.c.mem.rmem_alloc;
	ck_assert_int_eq(held, 5 * UNIT_BYTES);
	ck_assert_int_eq(drink(&b, 999), 999);
	ck_assert_int_eq(b.c.mem.rmem_alloc, held);
	ck_assert_int_eq(drink(&b, 1), 1);
	ck_assert_int_eq(b.c.mem.rmem_alloc, 0);
}
END_TEST

START_TEST(peek_and_trunc)
{
	u8 buf[100];

	feed(&b, 1, 60);
	feed(&b, 61, 60);
	ck_assert_int_eq(conn_recv(&b.c, buf, 100, MSG_PEEK, b.now), 100);
	ck_assert_uint_eq(buf[99], pattern(100));
	ck_assert_int_eq(conn_peek(&b.c, buf, 100, 30), 90);
	ck_assert_int_eq(conn_peek(&b.c, buf, 1, 120), -EAGAIN);
	b.c.opts.peek_off = 60;
	ck_assert_int_eq(conn_recv(&b.c, NULL, 50, MSG_TRUNC, b.now), 50);
	ck_assert_int_eq(b.c.opts.peek_off, 10);
	ck_assert_int_eq(conn_recv(&b.c, buf, 0, 0, b.now), 0);
	ck_assert_int_eq(drink(&b, 100), 70);
}
END_TEST

START_TEST(pages_are_taken_over)
{
	struct mem_acct *pool = arena_pool(b.ar);
	u32 unit = mem_alloc(pool, 2 * PAGE_UNITS, MEM_RCV, true);
	u8 *page = mem_addr(pool, unit);
	struct rx_pkt p = {
		.h = { .flags = WF_ACK, .dst_id = b.c.id, .seq = 1, .ack = 1, .len = WIRE_HDR },
		.payload = page + WIRE_HDR, .len = 7000, .page = unit / PAGE_UNITS, .npages = 2,
	};

	ck_assert_uint_eq(unit % PAGE_UNITS, 0);
	for (u32 i = 0; i < p.len; i++)
		page[WIRE_HDR + i] = pattern(1 + i);
	conn_input(&b.c, &p, b.now);
	ck_assert(p.taken);
	ck_assert_int_eq(b.c.mem.rmem_alloc, 2 * PAGE_BYTES + UNIT_BYTES);
	ck_assert_int_eq(pool->rmem_alloc, 0);
	conn_check(&b.c);
	feed(&b, 7001, 500);		/* gathers behind it */
	ck_assert_int_eq(drink(&b, 8000), 7500);
}
END_TEST

START_TEST(thin_pages_are_copied)
{
	struct mem_acct *pool = arena_pool(b.ar);
	u32 unit = mem_alloc(pool, 2 * PAGE_UNITS, MEM_RCV, true);
	struct rx_pkt p = {
		.h = { .flags = WF_ACK, .dst_id = b.c.id, .seq = 1, .ack = 1, .len = WIRE_HDR },
		.payload = mem_addr(pool, unit), .len = 6000, .page = unit / PAGE_UNITS, .npages = 2,
	};

	conn_input(&b.c, &p, b.now);
	ck_assert(!p.taken);
	ck_assert_uint_eq(conn_unread(&b.c), 6000);
	mem_free(pool, unit, 2 * PAGE_UNITS, MEM_RCV);
}
END_TEST

START_TEST(out_of_order_is_put_in_order)
{
	static const int order[] = { 3, 1, 7, 5, 6, 2, 4, 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		feed(&b, 1 + 1000 * order[i], 1000);
	ck_assert_uint_eq(b.c.rcv_nxt, 8001);
	ck_assert(list_empty(&b.c.ofoq));
	ck_assert_uint_eq(counter(&b, CNT_TCPOFOQueue), 7);
	ck_assert_int_eq(drink(&b, 8001), 8000);
}
END_TEST

START_TEST(t51_own_limit)
{
	u64 seq = 1;
	s64 before = 0;

	lock_rcvbuf(&b, 40000);
	while (b.c.rcv_nxt == seq) {
		before = b.c.mem.rmem_alloc;
		feed(&b, seq, 1448);
		seq += 1448;
	}
	ck_assert_int_gt(before, 40000);		/* passed by one segment */
	ck_assert_int_le(before, 40000 + 1448 + 2 * UNIT_BYTES);
	ck_assert_uint_eq(counter(&b, CNT_TCPRcvQDrop), 1);
	ck_assert_uint_eq(counter(&b, CNT_PruneCalled), 1);
	ck_assert_uint_eq(counter(&b, CNT_RcvPruned), 1);
	ck_assert(b.c.nomem && b.c.ack_now);
	ck_assert_uint_eq(b.c.drops, 1);
}
END_TEST

START_TEST(t52_isolated_ascending)
{
	lock_rcvbuf(&b, 40000);
	for (int i = 0; i < 150; i++)
		feed(&b, 1001 + 1000 * i, 64);
	/* t = 512 here: 40000 / 512 + 1 */
	ck_assert_int_eq(b.c.mem.rmem_alloc, 79 * 512);
	ck_assert_uint_eq(counter(&b, CNT_TCPOFODrop), 150 - 79);
	ck_assert_uint_eq(counter(&b, CNT_OfoPruned), 0);
}
END_TEST

/* What is told to be here is here: blocks within the ofo queue. */
static void sacks_are_held(void)
{
	struct wire_hdr h = { 0 };
	unsigned n = rcv_sack_fill(&b.c, &h, 16);

	ck_assert_uint_gt(n, 0);
	while (n--) {
		ck_assert_uint_ge(h.sack[n].start, seg_of(b.c.ofoq.next)->seq);
		ck_assert_uint_le(h.sack[n].end, seg_end(seg_of(b.c.ofoq.prev)));
		ck_assert_uint_eq(h.sack[n].end - h.sack[n].start, 64);
	}
}

START_TEST(t53_isolated_descending)
{
	u64 seq = 1000001;

	lock_rcvbuf(&b, 40000);
	for (int i = 0; i < 79; i++)
		feed(&b, seq -= 1000, 64);
	ck_assert_int_eq(b.c.mem.rmem_alloc, 79 * 512);
	feed(&b, seq -= 1000, 64);
	ck_assert_int_eq(b.c.mem.rmem_alloc, (79 - 10 + 1) * 512);
	ck_assert_uint_eq(counter(&b, CNT_OfoPruned), 1);
	ck_assert_uint_eq(counter(&b, CNT_TCPOFODrop), 0);
	sacks_are_held();
}
END_TEST

START_TEST(t54_in_order_evicts_out_of_order)
{
	lock_rcvbuf(&b, 40000);
	for (int i = 0; i < 79; i++)
		feed(&b, 100001 + 1000 * i, 64);
	for (int i = 0; i < 40; i++)
		feed(&b, 1 + 64 * i, 64);
	ck_assert_uint_eq(b.c.rcv_nxt, 1 + 40 * 64);
	ck_assert_uint_eq(counter(&b, CNT_OfoPruned), 1);
	/* from the top, an eighth of the buffer: ten of 512 bytes */
	ck_assert_uint_eq(seg_of(b.c.ofoq.prev)->seq, 100001 + 1000 * (79 - 10 - 1));
	ck_assert_uint_eq(seg_of(b.c.ofoq.next)->seq, 100001);
	sacks_are_held();
	ck_assert_int_eq(drink(&b, 10000), 40 * 64);
}
END_TEST

START_TEST(t55_contiguous_is_collapsed)
{
	lock_rcvbuf(&b, 40000);
	for (int i = 249; i >= 0; i--)		/* downwards: nothing coalesces */
		feed(&b, 1001 + 64 * i, 64);
	ck_assert_uint_eq(counter(&b, CNT_TCPOFODrop), 0);
	ck_assert_uint_eq(counter(&b, CNT_OfoPruned), 0);
	ck_assert_uint_gt(counter(&b, CNT_TCPRcvCollapsed), 0);
	ck_assert_int_le(b.c.mem.rmem_alloc, 40000);
	lock_rcvbuf(&b, 30000);		/* once more, for those that came since */
	ck_assert(rcv_prune(&b.c, 1));
	ck_assert_int_lt(b.c.mem.rmem_alloc, 250 * 64 * 5 / 4);
	ck_assert_uint_eq(counter(&b, CNT_OfoPruned), 0);
	feed(&b, 1, 1000);
	ck_assert_int_eq(drink(&b, 20000), 1000 + 250 * 64);
}
END_TEST

START_TEST(t56_comfortable_buffer_is_raised)
{
	for (int i = 0; i < 400; i++)
		feed(&b, 1001 + 1000 * i, 64);
	ck_assert_uint_eq(counter(&b, CNT_TCPOFODrop), 0);
	ck_assert_uint_eq(counter(&b, CNT_OfoPruned), 0);
	ck_assert_int_eq(b.c.mem.rmem_alloc, 400 * 512);
	ck_assert_uint_ge(b.c.mem.rcvbuf, 399 * 512);
}
END_TEST

/* The same at low, and under pressure: what does not fit is dropped. */
START_TEST(t56_else_it_stays)
{
	struct mem_limits l = bench_limits();

	ck_assert_int_eq(b.c.mem.rcvbuf, 131072);
	for (int i = 0; i < 256; i++)
		feed(&b, 1001 + 1000 * i, 64);
	ck_assert_int_eq(b.c.mem.rmem_alloc, 131072);
	b.c.mem.rcvbuf = 131072;		/* DRS had its share */
	feed(&b, 1001 + 1000 * 256, 64);	/* one more passes it */
	b.c.mem.rcvbuf = 131072;
	if (_i) {
		domain_enter_pressure(b.d);
	} else {
		l.mem[0] = (u64)domain_allocated(b.d);
		ck_assert_int_eq(domain_set_limits(b.d, &l), 0);
	}
	for (int i = 257; i < 400; i++)
		feed(&b, 1001 + 1000 * i, 64);
	ck_assert_uint_eq(b.c.mem.rcvbuf, 131072);
	ck_assert_uint_eq(counter(&b, CNT_TCPOFODrop), 400 - 257);
	ck_assert_int_eq(b.c.mem.rmem_alloc, 257 * 512);
	domain_leave_pressure(b.d);
}
END_TEST

/* Above high: nobody is granted a page. */
static void fill_domain(struct mem_acct *hog)
{
	mem_acct_init(hog, b.ar, OWNER_SOCK0 + 1, 1);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_ne(mem_alloc(hog, RUN_UNITS_MAX, MEM_RCV, true), MEM_NONE);
}

START_TEST(t57_one_segment_however_full)
{
	struct mem_limits l = bench_limits();
	struct mem_acct hog;
	u64 seq = 1;

	l.mem[0] = 8, l.mem[1] = 10, l.mem[2] = 12;
	ck_assert_int_eq(domain_set_limits(b.d, &l), 0);
	fill_domain(&hog);
	b.c.opts.rcvlowat = 1 << 20;
	for (; !b.c.drops; seq += MSS)
		feed(&b, seq, MSS);
	seq -= MSS;
	ck_assert(b.c.nomem && b.c.ack_now);
	ck_assert_uint_eq(counter(&b, CNT_TCPRcvQDrop), 1);
	ck_assert(conn_ready(&b.c) & READY_IN);		/* below SO_RCVLOWAT */
	ck_assert_int_eq(drink(&b, 1 << 20), seq - 1);
	feed(&b, seq, MSS);
	ck_assert_int_eq(drink(&b, 1 << 20), MSS);
	mem_acct_purge(&hog);
}
END_TEST

START_TEST(nomem_is_told_to_be_over)
{
	struct mem_limits l = bench_limits();
	struct mem_acct hog;
	u32 edge;

	l.mem[0] = 8, l.mem[1] = 10, l.mem[2] = 12;
	ck_assert_int_eq(domain_set_limits(b.d, &l), 0);
	fill_domain(&hog);
	for (u64 seq = 1; !b.c.drops; seq += MSS)
		feed(&b, seq, MSS);
	edge = rcv_edge(&b.c);
	send_ack(&b);
	ck_assert_uint_eq(rcv_edge(&b.c), edge);	/* no promise is taken back */
	ck_assert_uint_eq(counter(&b, CNT_MemNomemAck), 1);
	ck_assert_uint_ge(b.c.timer[T_NOMEM], b.now + 2000);
	ck_assert_uint_le(b.c.timer[T_NOMEM], b.now + 202000);
	flow_nomem_check(&b.c, b.now);
	ck_assert(b.c.nomem && !b.c.ack_now);
	mem_acct_purge(&hog);
	flow_nomem_check(&b.c, b.now);
	ck_assert(!b.c.nomem && b.c.ack_now);
	ck_assert_uint_eq(b.c.timer[T_NOMEM], USEC_NEVER);
}
END_TEST

/* Relief is for what was refused, not for the small segments before it: else it
 * is sent again, and refused again, without an end. */
START_TEST(nomem_lasts_while_its_segment_does_not_fit)
{
	struct mem_limits l = bench_limits();
	struct mem_acct hog;
	u64 seq = 1;
	s64 held;

	for (; seq < 8000; seq += 400)
		feed(&b, seq, 400);
	held = b.c.mem.rmem_alloc;
	l.mem[0] = 8, l.mem[1] = 10, l.mem[2] = 12;
	ck_assert_int_eq(domain_set_limits(b.d, &l), 0);
	fill_domain(&hog);
	while (b.c.mem.forward_alloc >= 5 * UNIT_BYTES) {
		feed(&b, seq, 400);
		seq += 400;
	}
	b.c.mem.rcvbuf = 1 << 20;
	ck_assert_uint_le(b.c.rcv_mss, 536);
	b.c.rcv_mss = 88;
	feed(&b, seq, MSS);
	ck_assert(b.c.nomem && b.c.mem.rmem_alloc >= held);
	flow_nomem_check(&b.c, b.now);		/* a unit or two there may be */
	ck_assert(b.c.nomem);
	mem_acct_purge(&hog);
	flow_nomem_check(&b.c, b.now);
	ck_assert(!b.c.nomem);
	drink(&b, 1 << 20);
}
END_TEST

START_TEST(t98_beyond_the_window)
{
	offer(&b, 5000);
	feed(&b, 5001, 100);			/* at the edge */
	ck_assert_uint_eq(counter(&b, CNT_BeyondWindow), 1);
	ck_assert(b.c.ack_now);
	feed(&b, 1, 1000);
	feed(&b, 4500, 1000);			/* ends beyond, queue not empty */
	ck_assert_uint_eq(counter(&b, CNT_BeyondWindow), 2);
	ck_assert_int_eq(drink(&b, 1000), 1000);
	b.c.rcv_wup = 1001, b.c.rcv_wnd = 4000;
	feed(&b, 4500, 1000);			/* the same, queue empty */
	ck_assert_uint_eq(counter(&b, CNT_BeyondWindow), 2);
	ck_assert(!list_empty(&b.c.ofoq));
	feed(&b, 1001, 3499);
	ck_assert_uint_eq(b.c.rcv_nxt, 5500);
	feed_flags(&b, 5500, 0, WF_FIN);	/* one past the edge */
	ck_assert(b.c.fin_rcvd);
	ck_assert_int_eq(b.c.state, CONN_CLOSE_WAIT);
}
END_TEST

START_TEST(zero_window_takes_no_data)
{
	offer(&b, 0);
	feed(&b, 1, 1);
	ck_assert_uint_eq(counter(&b, CNT_TCPZeroWindowDrop), 1);
	ck_assert(b.c.ack_now);
	feed_flags(&b, 1, 0, WF_FIN);
	ck_assert(b.c.fin_rcvd);
}
END_TEST

START_TEST(t100_high_drops_ofo_from_the_top)
{
	struct mem_limits l = bench_limits();
	struct mem_acct hog;

	for (int i = 0; i < 40; i++)
		feed(&b, 10001 + 1000 * i, 64);
	l.mem[0] = 8, l.mem[1] = 10, l.mem[2] = 12;
	ck_assert_int_eq(domain_set_limits(b.d, &l), 0);
	fill_domain(&hog);
	ck_assert(mem_under_pressure(&b.c.mem) || mem_above_high(&b.c.mem));
	feed(&b, 100001, 4 * MSS);		/* above all of them: drops none */
	ck_assert_uint_eq(counter(&b, CNT_OfoPruned), 0);
	ck_assert_uint_eq(counter(&b, CNT_TCPOFODrop), 1);
	feed(&b, 1, 4 * MSS);
	ck_assert_uint_eq(b.c.rcv_nxt, 1 + 4 * MSS);
	ck_assert_uint_ge(counter(&b, CNT_OfoPruned), 1);
	mem_acct_purge(&hog);
}
END_TEST

START_TEST(t101_overlaps_are_stored_once)
{
	feed(&b, 1001, 1000);
	feed(&b, 1001, 1000);			/* the same again */
	ck_assert_uint_eq(counter(&b, CNT_TCPOFOMerge), 1);
	ck_assert_uint_eq(b.c.dsack.start, 1001);
	ck_assert_uint_eq(b.c.dsack.end, 2001);
	send_ack(&b);
	feed(&b, 1501, 1000);			/* its second half is new */
	ck_assert_uint_eq(b.c.dsack.start, 1501);
	ck_assert_uint_eq(b.c.dsack.end, 2001);
	send_ack(&b);
	feed(&b, 501, 3000);			/* covers all */
	ck_assert_uint_eq(b.c.dsack.start, 1001);
	ck_assert_uint_eq(b.c.dsack.end, 2501);
	ck_assert_int_eq(b.c.mem.rmem_alloc, seg_truesize(seg_of(b.c.ofoq.next)));
	feed(&b, 1, 1000);			/* overlaps from below */
	ck_assert_uint_eq(b.c.rcv_nxt, 3501);
	ck_assert_int_eq(drink(&b, 4000), 3500);
	send_ack(&b);
	feed(&b, 3001, 500);			/* long read */
	ck_assert_uint_eq(b.c.dsack.start, 3001);
	ck_assert(b.c.ack_now);
}
END_TEST

START_TEST(t105_lowered_buffer_loses_nothing)
{
	u64 edge;

	for (int i = 0; i < 30; i++)
		feed(&b, 1 + MSS * i, MSS);
	send_ack(&b);
	edge = rcv_edge(&b.c);
	conn_set_rcvbuf(&b.c, 10000);
	ck_assert_uint_eq(b.c.mem.rcvbuf, 20000);
	ck_assert_uint_eq(conn_unread(&b.c), 30 * MSS);
	send_ack(&b);
	ck_assert_uint_ge(rcv_edge(&b.c), edge);
	feed(&b, 1 + 30 * MSS, MSS);
	ck_assert_uint_eq(counter(&b, CNT_PruneCalled), 1);
	ck_assert_int_eq(drink(&b, 100000), 30 * MSS);
}
END_TEST

/* What keeps the window shut may be the buffer's size. */
START_TEST(t105_raised_buffer_reopens_the_window)
{
	u64 seq = 1;

	lock_rcvbuf(&b, 40000);
	for (; b.c.mem.rmem_alloc <= 40000; seq += MSS)
		feed(&b, seq, MSS);
	offer(&b, 0);
	ck_assert_uint_eq(send_ack(&b), 0);
	conn_set_rcvbuf(&b.c, 100000);
	ck_assert_uint_gt(send_ack(&b), 40000);
	ck_assert_int_eq(drink(&b, 1 << 20), seq - 1);
}
END_TEST

START_TEST(fin_waits_for_the_hole)
{
	feed_flags(&b, 1001, 500, WF_FIN);
	ck_assert(!b.c.fin_rcvd);
	feed(&b, 1401, 200);			/* beyond the end: contradicts */
	ck_assert_uint_eq(seg_end(seg_of(b.c.ofoq.prev)), 1501);
	feed(&b, 1, 1000);
	ck_assert(b.c.fin_rcvd);
	ck_assert_uint_eq(b.c.rcv_nxt, 1502);
	ck_assert_int_eq(drink(&b, 4000), 1500);
	ck_assert_int_eq(drink(&b, 1), 0);
	ck_assert_uint_eq(conn_ready(&b.c) & (READY_IN | READY_RDHUP), READY_IN | READY_RDHUP);
}
END_TEST

static u64 rnd_state = 1;

static u32 rnd(u32 n)
{
	rnd_state = rnd_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (rnd_state >> 33) % n;
}

/* Random pieces, read at random, in a domain that is full now and then: the
 * bytes are right, and what was in order is never lost (T59). */
START_TEST(random_pieces)
{
	struct mem_limits tight = bench_limits(), wide = bench_limits();
	u64 promised = 1;

	rnd_state = _i + 1;
	tight.mem[0] = 8, tight.mem[1] = 12, tight.mem[2] = 16;
	for (int i = 0; i < 1500; i++) {
		u64 base = b.c.rcv_nxt > 3000 ? b.c.rcv_nxt - 3000 : 1;
		u64 seq = rnd(3) ? b.c.rcv_nxt : base + rnd(60000);

		b.now += rnd(300);
		if (!rnd(500))
			domain_set_limits(b.d, rnd(2) ? &tight : &wide);
		offer(&b, WIDE);
		feed(&b, seq, 1 + rnd(rnd(4) ? 1500 : 9000));
		ck_assert_uint_ge(b.c.rcv_nxt, promised);
		promised = b.c.rcv_nxt;
		if (!rnd(4))
			drink(&b, 1 + rnd(rnd(4) ? 3000 : 100000));
		if (!rnd(8))
			send_ack(&b);
		flow_nomem_check(&b.c, b.now);
	}
	ck_assert(mem_acct_check(&b.c.mem));
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, in_order_is_read_as_written);
	tcase_add_test(t, t60_reading_frees_whole_segments);
	tcase_add_test(t, peek_and_trunc);
	tcase_add_test(t, pages_are_taken_over);
	tcase_add_test(t, thin_pages_are_copied);
	tcase_add_test(t, out_of_order_is_put_in_order);
	tcase_add_test(t, t51_own_limit);
	tcase_add_test(t, t52_isolated_ascending);
	tcase_add_test(t, t53_isolated_descending);
	tcase_add_test(t, t54_in_order_evicts_out_of_order);
	tcase_add_test(t, t55_contiguous_is_collapsed);
	tcase_add_test(t, t56_comfortable_buffer_is_raised);
	tcase_add_loop_test(t, t56_else_it_stays, 0, 2);
	tcase_add_test(t, t57_one_segment_however_full);
	tcase_add_test(t, nomem_is_told_to_be_over);
	tcase_add_test(t, nomem_lasts_while_its_segment_does_not_fit);
	tcase_add_test(t, t98_beyond_the_window);
	tcase_add_test(t, zero_window_takes_no_data);
	tcase_add_test(t, t100_high_drops_ofo_from_the_top);
	tcase_add_test(t, t101_overlaps_are_stored_once);
	tcase_add_test(t, t105_lowered_buffer_loses_nothing);
	tcase_add_test(t, t105_raised_buffer_reopens_the_window);
	tcase_add_test(t, fin_waits_for_the_hole);
	tcase_add_loop_test(t, random_pieces, 0, 10);
}

int main(void)
{
	return run_case("rcvq", add_tests);
}
