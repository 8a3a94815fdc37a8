/* The ladder and the verbs around it, on byte counts (R2.2 to R2.9). */
#include <string.h>
#include "mem_test.h"

static usec_t virtual_now = 1000;

static usec_t virtual_clock(void)
{
	return virtual_now;
}

static struct mem_limits lim;
static struct world w;
static struct mem_acct a;

static void setup(void)
{
	virtual_now = 5000;
	mem_set_clock(virtual_clock);
	lim = test_limits(100, 150, 200);
	w = world_new(&lim, 1024);
	mem_acct_init(&a, w.ar, OWNER_SOCK0 + 1, 1);
}

static void teardown(void)
{
	atomic_store(&arena_local(w.ar)->row->charged, 0);
	world_free(&w);
	mem_set_clock(NULL);
}

static void expect(s64 total, s64 forward)
{
	ck_assert_int_eq(domain_allocated(w.d), total);
	ck_assert_int_eq(a.forward_alloc, forward);
	ck_assert_int_eq((s64)a.pages * 4096,
			 a.forward_alloc + a.wmem_queued + a.rmem_alloc);
}

static void charge(s64 n, enum mem_dir dir)
{
	ck_assert(mem_schedule(&a, n, dir));
	mem_charge(&a, n, dir);
}

START_TEST(t8_forward_alloc)
{
	charge(896, MEM_SND);
	expect(1, 3200);
	charge(1000, MEM_SND);
	expect(1, 2200);
	charge(9000, MEM_SND);
	expect(3, 1392);
	mem_uncharge(&a, 1896, MEM_SND);
	expect(3, 3288);
	charge(2304, MEM_RCV);
	expect(3, 984);
	mem_uncharge(&a, 9000, MEM_SND);
	expect(1, 1792);
	mem_uncharge(&a, 2304, MEM_RCV);
	expect(0, 0);
}
END_TEST

START_TEST(t10_refused_changes_nothing)
{
	a.lock_bits = SNDBUF_LOCK;
	a.sndbuf = 1 << 20;
	charge(5000, MEM_SND);
	charge(700, MEM_RCV);
	set_total(&w, 5000);
	expect(5000, 2 * 4096 - 5700);
	ck_assert(!mem_schedule(&a, 9000, MEM_SND));
	ck_assert(!mem_schedule(&a, 9000, MEM_RCV));
	expect(5000, 2 * 4096 - 5700);
	ck_assert_int_eq(a.wmem_queued, 5000);
	ck_assert_int_eq(a.rmem_alloc, 700);
	ck_assert_uint_eq(counted(w.d, CNT_MemRefused), 1);
	set_total(&w, 2);
}
END_TEST

struct rung {
	const char *name;
	s64 total;
	bool flag;
	enum mem_dir dir;
	s64 queue;
	int socks;
	u32 sndbuf;
	bool locked;
	bool kernel, ours;	/* accepted? */
	s64 total_after;	/* by the kernel's rules */
	bool flag_after;
	u32 sndbuf_after;
};

static const struct rung rungs[] = {
	{ "a", 99, 1, MEM_SND, 9000, 4, 16384, 0, 1, 1, 100, 0, 16384 },
	{ "b", 100, 0, MEM_SND, 9000, 4, 16384, 0, 1, 1, 101, 0, 16384 },
	{ "c", 149, 0, MEM_SND, 9000, 4, 16384, 0, 1, 1, 150, 0, 16384 },
	{ "d", 150, 0, MEM_SND, 9000, 4, 16384, 0, 1, 1, 151, 1, 16384 },
	{ "e", 120, 1, MEM_SND, 9000, 4, 16384, 0, 1, 1, 121, 1, 16384 },
	{ "f", 160, 1, MEM_SND, 9000, 49, 65536, 1, 1, 1, 161, 1, 65536 },
	{ "g", 160, 1, MEM_SND, 9000, 50, 65536, 1, 0, 0, 160, 1, 65536 },
	{ "h", 160, 1, MEM_SND, 4095, 1000, 65536, 1, 1, 1, 161, 1, 65536 },
	{ "i", 160, 1, MEM_SND, 4096, 1000, 65536, 1, 0, 0, 160, 1, 65536 },
	{ "j", 160, 1, MEM_RCV, 4095, 1000, 16384, 0, 1, 1, 161, 1, 16384 },
	{ "k", 160, 1, MEM_RCV, 4096, 1000, 16384, 0, 0, 0, 160, 1, 16384 },
	{ "l", 199, 1, MEM_SND, 0, 1000, 65536, 1, 1, 1, 200, 1, 65536 },
	{ "m", 200, 1, MEM_SND, 0, 1000, 65536, 1, 0, 1, 200, 1, 65536 },
	{ "n", 200, 1, MEM_RCV, 0, 1000, 16384, 0, 0, 1, 200, 1, 16384 },
	{ "o", 200, 1, MEM_SND, 3607, 1000, 16384, 0, 0, 1, 200, 1, 4608 },
	{ "p", 200, 1, MEM_SND, 3608, 1000, 16384, 0, 1, 1, 201, 1, 4608 },
	{ "q", 200, 1, MEM_SND, 60000, 1000, 65536, 0, 1, 1, 201, 1, 30000 },
	{ "r", 200, 1, MEM_SND, 65000, 1000, 65536, 1, 1, 1, 201, 1, 65536 },
	{ "s", 160, 1, MEM_SND, 60000, 50, 65536, 0, 1, 1, 161, 1, 30000 },
};

/* One page for 1000 missing bytes; the page is in forward_alloc already. */
static bool climb(const struct rung *r)
{
	bool ok;

	set_total(&w, r->total);
	set_pressure(&w, r->flag);
	atomic_store(&w.d->sockets_allocated, r->socks);
	a.wmem_queued = r->dir == MEM_SND ? r->queue : 0;
	a.rmem_alloc = r->dir == MEM_RCV ? r->queue : 0;
	a.sndbuf = r->sndbuf;
	a.lock_bits = r->locked ? SNDBUF_LOCK : 0;
	a.forward_alloc = 4096;
	arena_lock(w.ar);
	ok = charge_raise(&a, 1000, 1, r->dir);
	arena_unlock(w.ar);
	return ok;
}

START_TEST(t11_ladder)
{
	const struct rung *r = &rungs[_i];

	arena_kernel_rules(w.ar, true);
	ck_assert_msg(climb(r) == r->kernel, "row %s", r->name);
	ck_assert_msg(domain_allocated(w.d) == r->total_after, "row %s", r->name);
	ck_assert_msg(domain_under_pressure(w.d) == r->flag_after, "row %s", r->name);
	ck_assert_msg(a.sndbuf == r->sndbuf_after, "row %s: %u", r->name, a.sndbuf);
}
END_TEST

START_TEST(t11_ladder_with_d8_5)
{
	const struct rung *r = &rungs[_i];

	ck_assert_msg(climb(r) == r->ours, "row %s", r->name);
	ck_assert_msg(domain_allocated(w.d) == r->total + r->ours, "row %s", r->name);
	ck_assert_msg(a.sndbuf == r->sndbuf_after, "row %s: %u", r->name, a.sndbuf);
	ck_assert_msg(domain_under_pressure(w.d) == r->flag_after, "row %s", r->name);
}
END_TEST

/* Step 8 and the guarantee end at high + G; three pages a sock. */
START_TEST(d8_4_ceiling)
{
	struct rung q = { .flag = 1, .dir = MEM_SND, .queue = 60000, .socks = 10,
			  .sndbuf = 65536 };
	struct rung m = { .flag = 1, .dir = MEM_RCV, .queue = 0, .socks = 10,
			  .sndbuf = 65536 };

	q.total = m.total = 200 + 10 * 3 - 1;
	ck_assert(climb(&q));
	ck_assert(climb(&m));
	q.total = m.total = 200 + 10 * 3;
	ck_assert(!climb(&q));
	ck_assert_int_eq(domain_allocated(w.d), 230);
	ck_assert(!climb(&m));
	arena_kernel_rules(w.ar, true);
	ck_assert(climb(&q));
}
END_TEST

START_TEST(t12_force)
{
	set_total(&w, 1200);
	mem_force(&a, 896);
	ck_assert_int_eq(domain_allocated(w.d), 1201);
	ck_assert(!domain_under_pressure(w.d));
	ck_assert_int_eq(a.forward_alloc, 4096);
	ck_assert_uint_eq(counted(w.d, CNT_MemForced), 896);
	mem_charge(&a, 896, MEM_SND);
	mem_force(&a, 3200);		/* is there already */
	ck_assert_int_eq(domain_allocated(w.d), 1201);
}
END_TEST

START_TEST(t13_hysteresis)
{
	a.lock_bits = SNDBUF_LOCK;
	a.sndbuf = 1 << 20;
	for (s64 page = 1; page <= 151; page++) {
		charge(4096, MEM_SND);
		ck_assert_int_eq(domain_allocated(w.d), page);
		ck_assert_int_eq(domain_under_pressure(w.d), page > 150);
	}
	ck_assert_uint_eq(counted(w.d, CNT_TCPMemoryPressures), 1);
	virtual_now += 1234 * 1000;
	for (s64 page = 150; page >= 99; page--) {
		mem_uncharge(&a, 4096, MEM_SND);
		ck_assert_int_eq(domain_allocated(w.d), page);
		ck_assert_int_eq(domain_under_pressure(w.d), page >= 100);
	}
	ck_assert_uint_eq(counted(w.d, CNT_TCPMemoryPressuresChrono), 1234);

	/* Or by a charge that ends at low. */
	domain_enter_pressure(w.d);
	virtual_now += 10 * 1000;
	charge(4096, MEM_SND);
	ck_assert_int_eq(domain_allocated(w.d), 100);
	ck_assert(!domain_under_pressure(w.d));
	ck_assert_uint_eq(counted(w.d, CNT_TCPMemoryPressures), 2);
	ck_assert_uint_eq(counted(w.d, CNT_TCPMemoryPressuresChrono), 1244);
}
END_TEST

/* A locked sender writes on and on; where does it stop? */
static s64 fill(s64 piece)
{
	while (mem_schedule(&a, piece, MEM_SND))
		mem_charge(&a, piece, MEM_SND);
	return a.wmem_queued;
}

static void limits(u64 low, u64 pressure, u64 high)
{
	lim = test_limits(low, pressure, high);
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
}

START_TEST(t15_fair_share)
{
	static const struct {
		u64 high;
		u32 pages;
	} rows[] = { { 4000, 35 }, { 8000, 71 }, { 448, 3 } };

	a.lock_bits = SNDBUF_LOCK;
	a.sndbuf = 1 << 24;
	limits(1, 2, rows[_i].high);
	atomic_store(&w.d->sockets_allocated, 112);
	set_total(&w, 3);
	domain_enter_pressure(w.d);
	fill(512);
	ck_assert_uint_eq(a.pages, rows[_i].pages);
}
END_TEST

START_TEST(t16_minimum)
{
	static const u32 min[] = { 4096, 32768, 65536 };
	static const s64 stop[] = { 24576, 36864, 69632 };
	s64 one = 2048;	/* any size that fills pages exactly */

	lim = test_limits(1, 2, 600);
	lim.wmem[0] = min[_i];
	lim.wmem[1] = max(lim.wmem[1], min[_i]);
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	a.lock_bits = SNDBUF_LOCK;
	a.sndbuf = 1 << 24;
	atomic_store(&w.d->sockets_allocated, 86);	/* share: 6 pages */
	set_total(&w, 3);
	domain_enter_pressure(w.d);
	fill(one);
	ck_assert_int_eq(a.wmem_queued, _i ? stop[_i] - 4096 : stop[_i]);
}
END_TEST

START_TEST(t39_moderation)
{
	static const struct {
		u32 sndbuf;
		s64 queued;
		bool locked;
		u32 after;
	} rows[] = {
		{ 65536, 60000, 0, 30000 }, { 65536, 9215, 0, 4608 },
		{ 65536, 9218, 0, 4609 }, { 20000, 60000, 0, 20000 },
		{ 65536, 60000, 1, 65536 },
	};

	a.sndbuf = rows[_i].sndbuf;
	a.wmem_queued = rows[_i].queued;
	a.lock_bits = rows[_i].locked ? SNDBUF_LOCK : 0;
	mem_moderate_sndbuf(&a);
	ck_assert_uint_eq(a.sndbuf, rows[_i].after);
	ck_assert_uint_eq(counted(w.d, CNT_MemModerated), a.sndbuf != rows[_i].sndbuf);
}
END_TEST

START_TEST(d8_10_written_limits_are_looked_at)
{
	set_total(&w, 120);
	limits(50, 80, 300);
	ck_assert(domain_under_pressure(w.d));
	limits(130, 200, 300);
	ck_assert(!domain_under_pressure(w.d));
	lim.mem[0] = 400;
	ck_assert_int_lt(domain_set_limits(w.d, &lim), 0);
	domain_limits(w.d, &lim);
	ck_assert_uint_eq(lim.mem[0], 130);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("charge");
	TCase *t = tcase_create("charge");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, t8_forward_alloc);
	tcase_add_test(t, t10_refused_changes_nothing);
	tcase_add_loop_test(t, t11_ladder, 0, ARRAY_SIZE(rungs));
	tcase_add_loop_test(t, t11_ladder_with_d8_5, 0, ARRAY_SIZE(rungs));
	tcase_add_test(t, d8_4_ceiling);
	tcase_add_test(t, t12_force);
	tcase_add_test(t, t13_hysteresis);
	tcase_add_loop_test(t, t15_fair_share, 0, 3);
	tcase_add_loop_test(t, t16_minimum, 0, 3);
	tcase_add_loop_test(t, t39_moderation, 0, 5);
	tcase_add_test(t, d8_10_written_limits_are_looked_at);
	suite_add_tcase(s, t);
	return run_suite(s);
}
