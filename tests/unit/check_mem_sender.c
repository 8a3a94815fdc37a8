/*
 * A sender's loop (R3.3, R3.4) over the ledger alone, in the kernel's bytes: a
 * segment costs 896 and its payload. Reproduces where Linux's senders stop, and
 * shows where ours do (D8.4).
 */
#include "mem_test.h"

enum { D = 896, MSS = 1388, GOAL = 31924 };

static struct mem_limits lim;
static struct world w;
static struct mem_acct a;
static s64 seg_len;		/* of the unsent segment; -1: there is none */
static s64 goal;

static void setup(void)
{
	lim = test_limits(100, 150, 200);
	w = world_new(&lim, 64);
	mem_acct_init(&a, w.ar, OWNER_SOCK0, 1);
	seg_len = -1;
	goal = GOAL;
}

static void teardown(void)
{
	world_free(&w);
}

static bool new_segment(void)
{
	if (a.wmem_queued >= a.sndbuf)
		return false;
	if (!a.wmem_queued)
		mem_force(&a, D);
	else if (!mem_schedule(&a, D, MEM_SND))
		return false;
	mem_charge(&a, D, MEM_SND);
	seg_len = 0;
	return true;
}

/* R3.4: what of `copy` may be stored now. */
static s64 payload(s64 copy)
{
	if (!mem_schedule(&a, copy, MEM_SND)) {
		s64 left = lim.wmem[0] - a.wmem_queued;

		if (left > 0)
			mem_force(&a, min(left, copy));
	}
	return min(copy, a.forward_alloc);
}

/* One call: the bytes taken, 0: EAGAIN. */
static s64 send_bytes(s64 len)
{
	s64 taken = 0;

	while (taken < len) {
		s64 copy;

		if ((seg_len < 0 || seg_len >= goal) && !new_segment())
			break;
		copy = payload(min(len - taken, goal - seg_len));
		if (!copy)
			break;
		mem_charge(&a, copy, MEM_SND);
		seg_len += copy;
		taken += copy;
	}
	if (!seg_len) {
		mem_uncharge(&a, D, MEM_SND);
		seg_len = -1;
	}
	return taken;
}

static void all_acked(void)
{
	mem_uncharge(&a, a.wmem_queued, MEM_SND);
	seg_len = -1;
}

static s64 until_eagain(s64 len)
{
	s64 sum = send_bytes(len), n;

	all_acked();
	while ((n = send_bytes(len)) > 0)
		sum += n;
	return sum;
}

/* Many of them, one after the other, each until it is refused; twice. What the
 * domain holds then. */
static s64 crowd(int n)
{
	struct mem_acct *all = calloc((size_t)n, sizeof(*all));

	for (int i = 0; i < n; i++)
		mem_acct_init(&all[i], w.ar, OWNER_SOCK0 + 100 + (u32)i, 1);
	for (int turn = 0; turn < 2; turn++)
		for (int i = 0; i < n; i++) {
			a = all[i];
			seg_len = a.wmem_queued % (goal + D) ? goal : -1;
			while (send_bytes(100000) > 0)
				;
			all[i] = a;
		}
	free(all);
	return domain_allocated(w.d);
}

enum { CROWD = 400 };

static s64 bound_of_linux(void)		/* R2.12 */
{
	return 200 + CROWD * mem_pages(GOAL + D + SOCK_MIN_SNDBUF);
}

static s64 bound_of_ours(void)		/* D8.4; three pages a sock, one run */
{
	return 200 + (CROWD + 1) * 3 + RUN_PAGES_MAX;
}

START_TEST(t75_linux_rules_break_our_bound)
{
	arena_kernel_rules(w.ar, true);
	ck_assert_int_gt(crowd(CROWD), bound_of_ours());
	ck_assert_int_le(domain_allocated(w.d), bound_of_linux());
}
END_TEST

START_TEST(t75_and_ours_do_not)
{
	goal = MSS;		/* D8.4.1 */
	ck_assert_int_le(crowd(CROWD), bound_of_ours());
	ck_assert_int_gt(domain_allocated(w.d), 200);
}
END_TEST

static const s64 writes[] = { 1, 100, 1400, 4000 };

START_TEST(t33_unlocked_above_high)
{
	static const s64 taken[] = { 3201, 3300, 33324, 35924 };

	arena_kernel_rules(w.ar, true);
	set_total(&w, 100000);
	ck_assert_int_eq(until_eagain(writes[_i]), taken[_i]);
	ck_assert_uint_eq(a.sndbuf, 4608);
}
END_TEST

START_TEST(t33_locked_above_high)
{
	static const s64 taken[] = { 3201, 3300, 4600, 6400 };

	arena_kernel_rules(w.ar, true);
	set_total(&w, 100000);
	a.sndbuf = 400000;
	a.lock_bits = SNDBUF_LOCK;
	ck_assert_int_eq(until_eagain(writes[_i]), taken[_i]);
}
END_TEST

/* D8.4: one MSS a segment while it is tight, and step 8 has a ceiling. */
START_TEST(t33_with_d8_4)
{
	static const s64 totals[] = { 201, 250, 100000 };

	atomic_store(&w.d->sockets_allocated, 10);
	goal = MSS;
	for (size_t t = 0; t < ARRAY_SIZE(totals); t++) {
		for (s64 len = 1; len < 70000; len += 1 + len / 7) {
			a.sndbuf = 16384;
			set_total(&w, totals[t]);
			domain_enter_pressure(w.d);
			until_eagain(len);
			ck_assert_int_le(a.wmem_queued, 4608 + D + MSS);
			ck_assert_int_le(domain_allocated(w.d),
					 max(totals[t], (s64)200 + 10 * 3) + 2);
			set_total(&w, 100000);
			all_acked();
		}
	}
}
END_TEST

/* T16: a locked sender stops one request above its minimum, or at its share. */
START_TEST(t16_where_the_minimum_ends)
{
	static const u32 least[] = { 4096, 32768, 65536 };
	static const s64 stop[] = { 24576, 36864, 69632 };

	lim = test_limits(1, 2, 600);
	lim.wmem[0] = least[_i];
	lim.wmem[1] = max(lim.wmem[1], least[_i]);
	ck_assert_int_eq(domain_set_limits(w.d, &lim), 0);
	arena_kernel_rules(w.ar, true);
	a.lock_bits = SNDBUF_LOCK;
	a.sndbuf = 1 << 20;
	set_total(&w, 3);
	domain_enter_pressure(w.d);
	atomic_store(&w.d->sockets_allocated, 86);	/* 600 / 86: six pages */
	while (send_bytes(1000) > 0)
		;
	ck_assert_int_eq(a.wmem_queued, stop[_i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sender");
	TCase *t = tcase_create("sender");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, t33_unlocked_above_high, 0, 4);
	tcase_add_loop_test(t, t33_locked_above_high, 0, 4);
	tcase_add_test(t, t33_with_d8_4);
	tcase_add_loop_test(t, t16_where_the_minimum_ends, 0, 3);
	tcase_add_test(t, t75_linux_rules_break_our_bound);
	tcase_add_test(t, t75_and_ours_do_not);
	suite_add_tcase(s, t);
	return run_suite(s);
}
