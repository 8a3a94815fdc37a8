/*
 * check_room.c - the receiver's room: what prune does and in which order, what
 * pressure does to the window, what autotuning does regardless.
 */
#include "core_rcv.h"

enum { MSS = 1424, DGRAM = MSS + WIRE_HDR, WIDE = 1 << 22 };

static struct bench b;
static struct mem_acct other;

static void limits(u64 low, u64 pressure, u64 high)
{
	struct mem_limits l = bench_limits();

	l.mem[0] = low;
	l.mem[1] = pressure;
	l.mem[2] = high;
	ck_assert_int_eq(domain_set_limits(b.d, &l), 0);
}

static void setup(void)
{
	struct mem_limits l = bench_limits();

	bench_open(&b, &l, DGRAM);
	offer(&b, WIDE);
	mem_acct_init(&other, b.ar, OWNER_SOCK0 + 1, 1);
}

static void teardown(void)
{
	mem_acct_purge(&other);
	bench_close(&b);
}

static void other_takes(unsigned pages)
{
	while (pages--)
		ck_assert_uint_ne(mem_alloc(&other, PAGE_UNITS, MEM_RCV, true), MEM_NONE);
}

/* Segments that nothing merges with on arrival: each before the one before. */
static void downwards(u64 first, unsigned n, u32 len)
{
	for (unsigned i = n; i-- > 0;)
		feed(&b, first + (u64)i * len, len);
}

static void pruned(u64 called, u64 collapsed, u64 ofo, u64 failed)
{
	ck_assert_uint_eq(counter(&b, CNT_PruneCalled), called);
	ck_assert_uint_eq(counter(&b, CNT_TCPRcvCollapsed) > 0, collapsed);
	ck_assert_uint_eq(counter(&b, CNT_OfoPruned), ofo);
	ck_assert_uint_eq(counter(&b, CNT_RcvPruned), failed);
}

/* ---- prune, R4.12 ---------------------------------------------------------------- */

START_TEST(t99_a_calm_and_unlocked_the_buffer_is_raised)
{
	b.c.mem.rcvbuf = 40000;
	for (int i = 0; b.c.mem.rmem_alloc <= 40000; i++)
		feed(&b, 1001 + 1000 * i, 64);
	b.c.mem.rcvbuf = 40000;			/* DRS had its share */
	feed(&b, 900001, 64);
	pruned(1, 0, 0, 0);
	ck_assert_uint_ge(b.c.mem.rcvbuf, 40000 + 1);
	ck_assert_uint_eq(b.c.drops, 0);
}
END_TEST

START_TEST(t99_b_wasteful_data_is_repacked)
{
	s64 before;

	lock_rcvbuf(&b, 40000);
	downwards(10001, 79, 64);
	before = b.c.mem.rmem_alloc;
	ck_assert_int_gt(before, 40000);
	feed(&b, 900001, 64);
	pruned(1, 1, 0, 0);
	ck_assert_uint_eq(counter(&b, CNT_TCPRcvCollapsed), 79);
	/* 5056 bytes: a page, and 1216 with their descriptor, and the new one */
	ck_assert_int_eq(b.c.mem.rmem_alloc, 4096 + (1 + 5) * UNIT_BYTES + 512);
	ck_assert_uint_eq(b.c.drops, 0);
}
END_TEST

START_TEST(t99_c_isolated_data_is_dropped)
{
	lock_rcvbuf(&b, 40000);
	for (int i = 0; b.c.mem.rmem_alloc <= 40000; i++)
		feed(&b, 100001 + 1000 * i, 64);
	feed(&b, 1, 64);
	pruned(1, 0, 1, 0);
	ck_assert_uint_eq(b.c.rcv_nxt, 65);
}
END_TEST

START_TEST(t99_d_data_in_order_is_kept)
{
	u64 seq = 1;

	lock_rcvbuf(&b, 40000);
	for (; b.c.mem.rmem_alloc <= 40000; seq += MSS)
		feed(&b, seq, MSS);
	feed(&b, seq, MSS);
	ck_assert_uint_eq(b.c.rcv_nxt, seq);
	ck_assert_uint_eq(counter(&b, CNT_PruneCalled), 1);
	ck_assert_uint_eq(counter(&b, CNT_RcvPruned), 1);
	ck_assert_uint_eq(counter(&b, CNT_TCPRcvQDrop), 1);
	ck_assert_int_eq(drink(&b, 1 << 20), seq - 1);
}
END_TEST

/* R4.14: bytes survive, in whatever state the queue's head is. */
START_TEST(collapse_keeps_every_byte)
{
	u64 end;

	for (u32 len = 10; len < 400; len += 13) {
		u64 base = b.c.rcv_nxt, got = 57;

		lock_rcvbuf(&b, 40000);
		end = base + 100 + 200 * len;
		downwards(base + 100, 200, len);
		feed(&b, base, 100);
		if (b.c.rcv_nxt == base + 100)
			ck_abort_msg("hole of %u", len);
		ck_assert_int_eq(drink(&b, 57), 57);
		rcv_prune(&b.c, b.c.rcv_nxt);
		conn_check(&b.c);
		ck_assert(mem_acct_check(&b.c.mem));
		while (got < end - base) {	/* what was dropped comes again */
			if (b.c.rcv_nxt < end)
				feed(&b, b.c.rcv_nxt, min(end - b.c.rcv_nxt, (u64)len));
			got += drink(&b, 1 << 20);
		}
		send_ack(&b);
		offer(&b, WIDE);
	}
}
END_TEST

/* Repacking takes no page more than it gives, so it works above high. */
START_TEST(collapse_needs_nobodys_leave)
{
	s64 total;

	lock_rcvbuf(&b, 40000);
	downwards(10001, 79, 64);
	limits(1, 1, 1);
	domain_enter_pressure(b.d);
	total = domain_allocated(b.d);
	rcv_prune(&b.c, 10001);
	ck_assert_uint_eq(counter(&b, CNT_TCPRcvCollapsed), 79);
	ck_assert_int_lt(domain_allocated(b.d), total);
	ck_assert(mem_acct_check(&b.c.mem));
}
END_TEST

/* R4.14: much isolated data is not looked through to the end each time. */
START_TEST(collapse_gives_up_on_isolated_data)
{
	lock_rcvbuf(&b, 40000);
	for (int i = 0; i < 75; i++)
		feed(&b, 10001 + 1000 * i, 64);
	downwards(200001, 4, 64);			/* behind too many others */
	ck_assert_int_gt(b.c.mem.rmem_alloc, 40000);
	rcv_prune(&b.c, 300001);
	ck_assert_uint_eq(counter(&b, CNT_TCPRcvCollapsed), 0);
}
END_TEST

/* ---- pressure and the window --------------------------------------------------------- */

START_TEST(t71_ssthresh_falls_with_the_next_ack)
{
	b.c.rcv_ssthresh = 75348;
	lock_rcvbuf(&b, 131072);
	b.c.window_clamp = 65536;
	b.c.scaling_ratio = 128;
	offer(&b, 1000);
	domain_enter_pressure(b.d);
	send_ack(&b);				/* more than half is free */
	ck_assert_uint_eq(b.c.rcv_ssthresh, 75348);
	b.c.mem.rmem_alloc += 80000;
	offer(&b, 1000);
	send_ack(&b);
	ck_assert_uint_eq(b.c.rcv_ssthresh, 4 * b.c.advmss);
	b.c.mem.rmem_alloc -= 80000;
	domain_leave_pressure(b.d);
}
END_TEST

START_TEST(t102_what_is_reserved_is_offered_under_pressure)
{
	ck_assert_int_eq(mem_reserve(&b.c.mem, 65536), 0);
	b.c.scaling_ratio = 128;
	b.c.rcv_ssthresh = 75348;
	flow_clamp_ssthresh(&b.c);
	ck_assert_uint_eq(b.c.rcv_ssthresh, 32768);
	b.c.rcv_ssthresh = 3000;
	flow_clamp_ssthresh(&b.c);
	ck_assert_uint_eq(b.c.rcv_ssthresh, 32768);
	ck_assert_int_eq(mem_reserve(&b.c.mem, 0), 0);
}
END_TEST

/* A round trip: so many bytes arrive and are read. */
static void round_trip(u32 bytes)
{
	for (u32 done = 0; done < bytes; done += MSS) {
		feed(&b, b.c.rcv_nxt, MSS);
		drink(&b, MSS);
	}
	b.now += 20000;
	b.c.rcv_rtt_us = 20000 << 3;
	feed(&b, b.c.rcv_nxt, MSS);
	drink(&b, MSS);
	offer(&b, WIDE);
}

START_TEST(t63_the_buffer_grows_under_pressure_and_the_window_does_not)
{
	u32 before = b.c.mem.rcvbuf;
	u64 bytes = 20000;

	domain_enter_pressure(b.d);
	limits(1, 1000, 2000);			/* so that nothing leaves it */
	domain_enter_pressure(b.d);
	b.c.rcv_ssthresh = 4 * b.c.advmss;
	for (int i = 0; i < 12 && b.c.mem.rcvbuf < 6291456; i++, bytes *= 2) {
		other_takes(domain_allocated(b.d) < 2 ? 2 : 0);
		domain_enter_pressure(b.d);
		round_trip(bytes);
		ck_assert_uint_le(b.c.rcv_ssthresh, 4 * b.c.advmss);
	}
	ck_assert_uint_gt(b.c.mem.rcvbuf, before);
	ck_assert_uint_eq(b.c.mem.rcvbuf, 6291456);
}
END_TEST

START_TEST(t64_rcvbuf_is_never_lowered)
{
	u64 x = 99, seq;

	other_takes(4);
	for (int i = 0; i < 20000; i++) {
		u32 before = b.c.mem.rcvbuf;

		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		switch (x >> 60) {
		case 0 ... 5:
			feed(&b, b.c.rcv_nxt, 1 + (x >> 20) % MSS);
			break;
		case 6 ... 9:
			seq = b.c.rcv_nxt + (x >> 16) % 200000;
			feed(&b, seq, 1 + (x >> 40) % MSS);
			break;
		case 10:
			b.now += (x >> 30) % 40000;
			drink(&b, (x >> 20) % 100000);
			break;
		case 11:
			limits(1 + (x >> 20) % 20, 21 + (x >> 30) % 20, 41 + (x >> 40) % 200);
			break;
		case 12:
			limits(30000, 40000, 50000);
			break;
		case 13:
			domain_enter_pressure(b.d);
			break;
		default:
			b.now += 1000;
			b.c.rcv_rtt_us = 5000 << 3;
			send_ack(&b);
			offer(&b, WIDE);
			break;
		}
		ck_assert_uint_ge(b.c.mem.rcvbuf, before);
		ck_assert_uint_le(b.c.mem.rcvbuf, 6291456);
	}
}
END_TEST

/* ---- counters that nothing else looks at ------------------------------------------------ */

START_TEST(t85_coalescing_is_counted_once_a_batch)
{
	for (int i = 0; i < 5; i++)
		feed(&b, 1 + 100 * i, 100);
	ck_assert_uint_eq(counter(&b, CNT_TCPRcvCoalesce), 0);
	conn_input_end(&b.c, b.now);
	ck_assert_uint_eq(counter(&b, CNT_TCPRcvCoalesce), 4);
}
END_TEST

/* ---- the backlog ------------------------------------------------------------------------ */

START_TEST(t68_the_backlogs_bound)
{
	b.c.mem.rcvbuf = 40000;
	b.c.mem.sndbuf = 20000;
	ck_assert(!conn_backlog_full(&b.c, 155536));
	ck_assert(conn_backlog_full(&b.c, 155537));
	feed(&b, 1, 1000);
	ck_assert(!conn_backlog_full(&b.c, 155536 - b.c.mem.rmem_alloc));
	ck_assert(conn_backlog_full(&b.c, 155537 - b.c.mem.rmem_alloc));
	drink(&b, 1000);
}
END_TEST

static void add(TCase *t)
{
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, t99_a_calm_and_unlocked_the_buffer_is_raised);
	tcase_add_test(t, t99_b_wasteful_data_is_repacked);
	tcase_add_test(t, t99_c_isolated_data_is_dropped);
	tcase_add_test(t, t99_d_data_in_order_is_kept);
	tcase_add_test(t, collapse_keeps_every_byte);
	tcase_add_test(t, collapse_needs_nobodys_leave);
	tcase_add_test(t, collapse_gives_up_on_isolated_data);
	tcase_add_test(t, t71_ssthresh_falls_with_the_next_ack);
	tcase_add_test(t, t102_what_is_reserved_is_offered_under_pressure);
	tcase_add_test(t, t63_the_buffer_grows_under_pressure_and_the_window_does_not);
	tcase_add_test(t, t64_rcvbuf_is_never_lowered);
	tcase_add_test(t, t85_coalescing_is_counted_once_a_batch);
	tcase_add_test(t, t68_the_backlogs_bound);
}

int main(void)
{
	return run_case("room", add);
}
