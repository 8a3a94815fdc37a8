/* The unit allocator: the identity at every moment, runs, adoption, reserve. */
#include <string.h>
#include "mem_test.h"

enum { ARENA = 4096 };

static struct mem_limits lim;
static struct world w;
static struct mem_acct a;

static void setup(void)
{
	lim = test_limits(1000, 1500, 2000);
	w = world_new(&lim, ARENA);
	mem_acct_init(&a, w.ar, OWNER_SOCK0 + 1, 1);
}

static void teardown(void)
{
	mem_acct_purge(&a);
	mem_acct_fini(&a);
	ck_assert_int_eq(domain_allocated(w.d), 0);
	ck_assert_int_eq(atomic_load(&w.d->sockets_allocated), 0);
	world_free(&w);
}

static void is_sound(const struct mem_acct *acct)
{
	ck_assert(mem_acct_check(acct));
}

static void total_is(s64 pages)
{
	is_sound(&a);
	ck_assert_int_eq(domain_allocated(w.d), pages);
}

START_TEST(a_unit_costs_a_page_the_next_ones_nothing)
{
	u32 first = mem_alloc(&a, 1, MEM_SND, false);

	ck_assert_uint_ge(first, PAGE_UNITS);
	total_is(1);
	ck_assert_int_eq(a.forward_alloc, 15 * 256);
	for (u32 i = 1; i < 16; i++)
		ck_assert_uint_eq(mem_alloc(&a, 1, i & 1 ? MEM_RCV : MEM_SND, false), first + i);
	total_is(1);
	ck_assert_int_eq(a.forward_alloc, 0);
	ck_assert_int_eq(a.rmem_alloc, 2048);
	for (u32 i = 0; i < 16; i++)
		mem_free(&a, first + i, 1, i & 1 ? MEM_RCV : MEM_SND);
	total_is(0);
}
END_TEST

START_TEST(long_runs_are_contiguous_and_freed_in_parts)
{
	u32 run = mem_alloc(&a, 37, MEM_RCV, false);

	ck_assert_uint_eq(run % PAGE_UNITS, 0);
	total_is(3);
	ck_assert_int_eq(a.forward_alloc, 11 * 256);
	memset(mem_addr(&a, run), 0xab, 37 * 256);
	mem_free(&a, run, 5, MEM_RCV);
	total_is(3);
	mem_free(&a, run + 5, 11, MEM_RCV);
	total_is(2);
	mem_free(&a, run + 20, 17, MEM_RCV);
	total_is(1);
	mem_free(&a, run + 16, 4, MEM_RCV);
	total_is(0);
}
END_TEST

START_TEST(extend_takes_the_rest_of_the_page_and_the_next)
{
	u32 run = mem_alloc(&a, 10, MEM_SND, false);

	ck_assert_uint_eq(mem_extend(&a, run + 10, 4, MEM_SND), 4);
	total_is(1);
	ck_assert_uint_eq(mem_extend(&a, run + 14, 20, MEM_SND), 20);
	total_is(3);
	ck_assert_int_eq(a.wmem_queued, 34 * 256);
	/* what is taken by others ends it */
	ck_assert_uint_eq(mem_alloc(&a, 1, MEM_SND, false), run + 34);
	ck_assert_uint_eq(mem_extend(&a, run + 34, 5, MEM_SND), 0);
	mem_free(&a, run, 35, MEM_SND);
	total_is(0);
}
END_TEST

START_TEST(extend_stops_at_a_foreign_page)
{
	struct mem_acct b;
	u32 run = mem_alloc(&a, 16, MEM_SND, false), other;

	mem_acct_init(&b, w.ar, OWNER_SOCK0 + 2, 1);
	other = mem_alloc(&b, 16, MEM_SND, false);
	ck_assert_uint_eq(other, run + 16);
	ck_assert_uint_eq(mem_extend(&a, run + 16, 3, MEM_SND), 0);
	mem_free(&b, other, 16, MEM_SND);
	mem_acct_fini(&b);
	ck_assert_uint_eq(mem_extend(&a, run + 16, 3, MEM_SND), 3);
	mem_free(&a, run, 19, MEM_SND);
}
END_TEST

START_TEST(refused_extension_leaves_no_trace)
{
	u32 run = mem_alloc(&a, 16, MEM_SND, false);

	a.lock_bits = SNDBUF_LOCK;
	a.sndbuf = 1 << 30;
	lim.wmem[0] = 256;
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	atomic_fetch_add(&w.d->memory_allocated, 5000);
	ck_assert_uint_eq(mem_extend(&a, run + 16, 3, MEM_SND), 0);
	ck_assert_uint_eq(a.refused, 1);
	atomic_fetch_sub(&w.d->memory_allocated, 5000);
	total_is(1);
	mem_free(&a, run, 16, MEM_SND);
}
END_TEST

/* R3.4: as far as wmem[0] in the end, then crumbs, then nothing. */
START_TEST(t32_floor_of_a_sender)
{
	unsigned got;
	u32 unit;

	a.lock_bits = SNDBUF_LOCK;
	a.sndbuf = 400000;
	atomic_fetch_add(&w.d->memory_allocated, 50000);
	ck_assert_uint_ne(mem_alloc(&a, 1, MEM_SND, true), MEM_NONE);
	unit = mem_alloc_most(&a, 80, &got, MEM_SND);
	ck_assert_uint_ne(unit, MEM_NONE);
	ck_assert_uint_eq(got, 15);
	ck_assert_int_eq(a.wmem_queued, 4096);
	ck_assert_uint_eq(mem_alloc_most(&a, 80, &got, MEM_SND), MEM_NONE);
	ck_assert_uint_eq(a.refused, 1);
	ck_assert_uint_eq(got, 15);
	is_sound(&a);
	atomic_fetch_sub(&w.d->memory_allocated, 50000);
}
END_TEST

START_TEST(t32_floor_begins_at_nothing)
{
	unsigned got = 0;

	a.lock_bits = SNDBUF_LOCK;
	a.sndbuf = 400000;
	atomic_fetch_add(&w.d->memory_allocated, 50000);
	ck_assert_uint_ne(mem_alloc_most(&a, 200, &got, MEM_SND), MEM_NONE);
	ck_assert_uint_eq(got, 16);
	is_sound(&a);
	atomic_fetch_sub(&w.d->memory_allocated, 50000);
}
END_TEST

START_TEST(adoption_moves_pages_not_the_total)
{
	struct mem_acct *pool = arena_pool(w.ar);
	u32 buf = mem_alloc(pool, 256, MEM_RCV, true);

	total_is(16);
	ck_assert_int_eq(atomic_load(&arena_local(w.ar)->row->pool), 16);
	ck_assert(mem_adopt(&a, pool, buf / PAGE_UNITS, 5, false));
	total_is(16);
	is_sound(pool);
	ck_assert_int_eq(atomic_load(&arena_local(w.ar)->row->pool), 11);
	ck_assert_int_eq(a.rmem_alloc, 5 * 4096);
	mem_free(pool, buf + 5 * 16, 256 - 5 * 16, MEM_RCV);
	is_sound(pool);
	total_is(5);
	mem_free(&a, buf, 5 * 16, MEM_RCV);
	total_is(0);
}
END_TEST

START_TEST(adoption_refused_and_forced)
{
	struct mem_acct *pool = arena_pool(w.ar);
	u32 buf = mem_alloc(pool, 32, MEM_RCV, true);
	u32 own = mem_alloc(&a, 16, MEM_RCV, false);	/* has its minimum */

	atomic_fetch_add(&w.d->memory_allocated, 5000);
	ck_assert(!mem_adopt(&a, pool, buf / PAGE_UNITS, 2, false));
	ck_assert_uint_eq(a.refused, 1);
	is_sound(&a);
	is_sound(pool);
	ck_assert(mem_adopt(&a, pool, buf / PAGE_UNITS, 2, true));
	atomic_fetch_sub(&w.d->memory_allocated, 5000);
	is_sound(pool);
	total_is(3);
	mem_free(&a, buf, 32, MEM_RCV);
	mem_free(&a, own, 16, MEM_RCV);
}
END_TEST

START_TEST(no_address_space_is_not_a_refusal)
{
	u32 runs[ARENA / 16 + 1];
	int n = 0;

	lim = test_limits(10000, 10000, 10000);
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	while ((runs[n] = mem_alloc(&a, 256, MEM_RCV, false)))
		n++;
	ck_assert_uint_eq(a.refused, 0);
	ck_assert_int_eq(n, ARENA / 16);
	ck_assert(domain_under_pressure(w.d));
	total_is(ARENA);
	ck_assert_uint_eq(mem_alloc(&a, 256, MEM_RCV, true), MEM_NONE);
	total_is(ARENA);
	while (n)
		mem_free(&a, runs[--n], 256, MEM_RCV);
	total_is(0);
}
END_TEST

/* Crumbs where there is no long run. */
START_TEST(most_takes_what_there_is)
{
	u32 one[ARENA];
	unsigned got;

	lim = test_limits(10000, 10000, 10000);
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	for (int i = 0; i < ARENA; i++)
		one[i] = mem_alloc(&a, 16, MEM_RCV, false);
	for (int i = 100; i < 103; i++)
		mem_free(&a, one[i], 16, MEM_RCV);
	mem_free(&a, one[200], 16, MEM_RCV);
	ck_assert_uint_eq(mem_alloc_most(&a, 256, &got, MEM_RCV), one[200 - 100]);
	ck_assert_uint_eq(got, 48);
	ck_assert_uint_eq(mem_alloc_most(&a, 256, &got, MEM_RCV), one[200]);
	ck_assert_uint_eq(got, 16);
	total_is(ARENA);
}
END_TEST

/* The longest run there is, not the lowest that is long enough to begin with. */
START_TEST(most_prefers_half_of_it_to_less)
{
	u32 one[ARENA];
	unsigned got;

	lim = test_limits(10000, 10000, 10000);
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	for (int i = 0; i < ARENA; i++)
		one[i] = mem_alloc(&a, 16, MEM_RCV, false);
	for (int i = 0; i < 8; i++) {
		if (i < 4)
			mem_free(&a, one[100 + i], 16, MEM_RCV);
		mem_free(&a, one[200 + i], 16, MEM_RCV);
	}
	ck_assert_uint_eq(mem_alloc_most(&a, 256, &got, MEM_RCV), one[200]);
	ck_assert_uint_eq(got, 128);
	total_is(ARENA - 4);
}
END_TEST

/* Having looked for a long run in vain says nothing of shorter ones. */
START_TEST(short_runs_are_found_after_long_ones_were_not)
{
	u32 one[ARENA];

	lim = test_limits(10000, 10000, 10000);
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	for (int i = 0; i < ARENA; i++)
		one[i] = mem_alloc(&a, 16, MEM_RCV, false);
	for (int i = 100; i < 102; i++)
		mem_free(&a, one[i], 16, MEM_RCV);
	ck_assert_uint_eq(mem_alloc(&a, 48, MEM_RCV, false), MEM_NONE);
	ck_assert_uint_eq(mem_alloc(&a, 32, MEM_RCV, false), one[100]);
	mem_free(&a, one[100], 32, MEM_RCV);
	ck_assert_uint_eq(mem_alloc(&a, 80, MEM_RCV, false), MEM_NONE);
	mem_free(&a, one[102], 16, MEM_RCV);
	mem_free(&a, one[103], 16, MEM_RCV);
	ck_assert_uint_eq(mem_alloc(&a, 64, MEM_RCV, false), one[100]);
	total_is(ARENA);
}
END_TEST

/* D8.16: punched out before it is uncharged, so that nobody charges what is
 * there twice; and not under the lock. */
START_TEST(d8_16_credit_goes_back_without_its_blocks)
{
	s64 total, back;

	lim.reserve = 64;
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	mem_free(&a, mem_alloc(&a, 256, MEM_RCV, false), 256, MEM_RCV);
	ck_assert_int_eq(w.ar->resident, 16);
	total = domain_allocated(w.d);
	arena_lock(w.ar);
	back = w.ar->credit - 5;
	charge_credit_back(w.ar, back);
	ck_assert_int_eq(w.ar->resident, 16);
	ck_assert_int_eq(w.ar->waiting, 11);
	ck_assert_int_eq(domain_allocated(w.d), total - back + 11);
	arena_unlock(w.ar);
	ck_assert_int_eq(w.ar->resident, 5);
	ck_assert_int_eq(w.ar->waiting, 0);
	ck_assert_int_eq(domain_allocated(w.d), total - back);
	arena_flush(w.ar);
	ck_assert_int_eq(w.ar->resident, 0);
}
END_TEST

/* A take that credit pays and that finds no free page with a block leaves more
 * blocks than credit: they go when the lock is left. */
START_TEST(d8_16_credit_spent_on_fresh_pages)
{
	u32 unit[32];

	lim.reserve = 64;
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	for (int i = 0; i < 32; i++)
		unit[i] = mem_alloc(&a, 16, MEM_RCV, false);
	for (int i = 0; i < 32; i += 2)		/* no two of them adjacent */
		mem_free(&a, unit[i], 16, MEM_RCV);
	ck_assert_int_ge(w.ar->resident, 16);
	for (int i = 0; i < 40 && w.ar->credit >= 2; i++) {
		mem_alloc(&a, 32, MEM_RCV, false);
		ck_assert_int_le(w.ar->resident, w.ar->credit);
	}
	ck_assert_int_lt(w.ar->resident, 16);
	lim.reserve = 1;
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	arena_flush(w.ar);
}
END_TEST

START_TEST(t102_reserve)
{
	u32 unit[32];

	lim = test_limits(100, 150, 200);
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	atomic_fetch_add(&w.d->memory_allocated, 140);
	ck_assert_int_lt(mem_reserve(&a, 40961), 0);
	total_is(140);
	ck_assert(!domain_under_pressure(w.d));
	ck_assert_int_eq(a.forward_alloc, 0);
	ck_assert_int_eq(mem_reserve(&a, 40960), 0);
	total_is(150);
	ck_assert_int_eq(a.forward_alloc, 40960);
	/* 31.25 units are 8000 bytes; ours are whole */
	for (int i = 0; i < 32; i++)
		unit[i] = mem_alloc(&a, 1, MEM_SND, false);
	total_is(150);
	ck_assert_int_eq(mem_unused_reserved(&a), 40960 - 8192);
	mem_moderate_sndbuf(&a);
	ck_assert_uint_eq(a.sndbuf, 40960 - 8192);	/* not below what is reserved */
	a.sndbuf = 1 << 20;
	mem_moderate_sndbuf(&a);
	ck_assert_uint_eq(a.sndbuf, 40960 - 8192);
	for (int i = 0; i < 16; i++)
		mem_free(&a, unit[i], 1, MEM_SND);
	total_is(150);
	ck_assert_int_eq(mem_reserve(&a, 0), 0);
	total_is(141);
	for (int i = 16; i < 32; i++)
		mem_free(&a, unit[i], 1, MEM_SND);
	total_is(140);
	atomic_fetch_sub(&w.d->memory_allocated, 140);
}
END_TEST

START_TEST(nth_request_is_refused)
{
	unsigned got;
	u32 u1, u2;

	mem_test_refuse(2);
	u1 = mem_alloc(&a, 1, MEM_SND, false);
	ck_assert_uint_ne(u1, MEM_NONE);
	ck_assert(!mem_test_refused());
	ck_assert_uint_eq(mem_alloc(&a, 1, MEM_SND, true), MEM_NONE);
	ck_assert(mem_test_refused());
	ck_assert_uint_eq(a.refused, 0);
	u2 = mem_alloc_most(&a, 3, &got, MEM_SND);
	ck_assert_uint_eq(got, 3);
	mem_test_refuse(1);
	ck_assert_uint_eq(mem_extend(&a, u2 + 3, 1, MEM_SND), 0);
	mem_test_refuse(0);
	ck_assert_uint_eq(mem_extend(&a, u2 + 3, 1, MEM_SND), 1);
	mem_free(&a, u1, 1, MEM_SND);
	mem_free(&a, u2, 4, MEM_SND);
	total_is(0);
}
END_TEST

/* ---- T9: a million random operations ------------------------------------------- */

enum { ACCTS = 8, HELD = 200 };

struct holding {
	u32 unit;
	unsigned n;
	enum mem_dir dir;
};

struct player {
	struct mem_acct acct;
	struct holding held[HELD];
	int n;
};

static u64 rng = 88172645463325252ull;

static unsigned dice(unsigned n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)(rng % n);
}

static void hold(struct player *p, u32 unit, unsigned n, enum mem_dir dir)
{
	if (unit != MEM_NONE)
		p->held[p->n++] = (struct holding){ unit, n, dir };
}

static void drop(struct player *p, int i, unsigned n)
{
	struct holding *h = &p->held[i];

	mem_free(&p->acct, h->unit, n, h->dir);
	h->unit += n;
	h->n -= n;
	if (!h->n)
		*h = p->held[--p->n];
}

static void play(struct player *p)
{
	enum mem_dir dir = dice(2) ? MEM_SND : MEM_RCV;
	unsigned n = dice(3) ? 1 + dice(16) : 1 + dice(256), got;
	struct mem_acct *pool = arena_pool(w.ar);
	u32 unit;

	switch (p->n == HELD ? 5 : dice(9)) {
	case 0:
	case 1:
		hold(p, mem_alloc(&p->acct, n, dir, !dice(10)), n, dir);
		return;
	case 2:
		unit = mem_alloc_most(&p->acct, n, &got, dir);
		hold(p, unit, got, dir);
		return;
	case 3:
		if (p->n) {
			struct holding *h = &p->held[dice((unsigned)p->n)];

			h->n += mem_extend(&p->acct, h->unit + h->n, n, h->dir);
		}
		return;
	case 4:
		n = 1 + dice(16);
		unit = mem_alloc(pool, n * PAGE_UNITS, MEM_RCV, false);
		if (unit == MEM_NONE)
			return;
		if (mem_adopt(&p->acct, pool, unit / PAGE_UNITS, n, !dice(4)))
			hold(p, unit, n * PAGE_UNITS, MEM_RCV);
		else
			mem_free(pool, unit, n * PAGE_UNITS, MEM_RCV);
		return;
	default:
		if (p->n) {
			int i = (int)dice((unsigned)p->n);

			drop(p, i, dice(2) ? p->held[i].n : 1 + dice(p->held[i].n));
		}
	}
}

static void check_sum(struct player *players)
{
	const struct domain_arena *row = arena_local(w.ar)->row;
	s64 sum = arena_pool(w.ar)->pages;

	for (int i = 0; i < ACCTS; i++)
		sum += players[i].acct.pages;
	ck_assert_int_eq(sum, w.ar->used);
	ck_assert_int_eq(sum + atomic_load(&row->credit), atomic_load(&row->charged));
	ck_assert_int_eq(atomic_load(&row->charged), atomic_load(&w.d->memory_allocated));
	ck_assert_int_ge(atomic_load(&row->credit), 0);
	ck_assert_int_le(w.ar->resident, atomic_load(&row->credit));
}

static void random_operations(u32 reserve, u64 high, int n)
{
	static struct player players[ACCTS];

	lim = test_limits(high / 2, high * 3 / 4, high);
	lim.reserve = reserve;
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	memset(players, 0, sizeof(players));
	for (u32 i = 0; i < ACCTS; i++)
		mem_acct_init(&players[i].acct, w.ar, OWNER_SOCK0 + 10 + i, 7);
	for (int i = 0; i < n; i++) {
		struct player *p = &players[dice(ACCTS)];

		play(p);
		ck_assert_int_eq((s64)p->acct.pages * 4096, p->acct.forward_alloc +
				 p->acct.wmem_queued + p->acct.rmem_alloc);
		if (i % 64 == 0)
			check_sum(players);
		if (i % 1024 == 0)
			is_sound(&p->acct);
	}
	for (u32 i = 0; i < ACCTS; i++) {
		while (players[i].n)
			drop(&players[i], 0, players[i].held[0].n);
		mem_acct_fini(&players[i].acct);
	}
	ck_assert_uint_eq(w.ar->used, 0);
	arena_flush(w.ar);
}

START_TEST(t9_random_operations_exact)
{
	random_operations(1, 3000, 500000);
}
END_TEST

START_TEST(t9_random_operations_with_credit)
{
	random_operations(0, 3000, 300000);
	random_operations(64, 30000, 200000);	/* comfortable: memory runs out first */
}
END_TEST

START_TEST(purge_and_recount_agree)
{
	for (int i = 0; i < 100; i++)
		mem_alloc(&a, 1 + dice(100), MEM_RCV, true);
	ck_assert_int_eq(arena_recount(w.ar, false), 0);
	is_sound(&a);
	/* lost charges and lost pages */
	atomic_fetch_add(&arena_local(w.ar)->row->charged, 7);
	atomic_fetch_add(&w.d->memory_allocated, 7);
	ck_assert_int_eq(arena_recount(w.ar, false), 7);
	ck_assert_uint_eq(counted(w.d, CNT_MemAudit), 7);
	total_is(a.pages);
	mem_acct_purge(&a);
	total_is(0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("acct");
	TCase *t = tcase_create("acct");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_unit_costs_a_page_the_next_ones_nothing);
	tcase_add_test(t, long_runs_are_contiguous_and_freed_in_parts);
	tcase_add_test(t, extend_takes_the_rest_of_the_page_and_the_next);
	tcase_add_test(t, extend_stops_at_a_foreign_page);
	tcase_add_test(t, refused_extension_leaves_no_trace);
	tcase_add_test(t, t32_floor_of_a_sender);
	tcase_add_test(t, t32_floor_begins_at_nothing);
	tcase_add_test(t, adoption_moves_pages_not_the_total);
	tcase_add_test(t, adoption_refused_and_forced);
	tcase_add_test(t, no_address_space_is_not_a_refusal);
	tcase_add_test(t, most_takes_what_there_is);
	tcase_add_test(t, most_prefers_half_of_it_to_less);
	tcase_add_test(t, short_runs_are_found_after_long_ones_were_not);
	tcase_add_test(t, d8_16_credit_goes_back_without_its_blocks);
	tcase_add_test(t, d8_16_credit_spent_on_fresh_pages);
	tcase_add_test(t, t102_reserve);
	tcase_add_test(t, nth_request_is_refused);
	tcase_add_test(t, t9_random_operations_exact);
	tcase_add_test(t, t9_random_operations_with_credit);
	tcase_add_test(t, purge_and_recount_agree);
	suite_add_tcase(s, t);
	return run_suite(s);
}
