/* Threads: one arena from several of them, pressure from two sides. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "mem_test.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct mem_limits lim;
static struct domain *d;
static struct arena *ar;
static pthread_barrier_t barrier;

static void *play(void *arg)
{
	u32 self = (u32)(uintptr_t)arg, runs[16] = { 0 };
	u64 rng = 1 + self;
	struct mem_acct a;

	mem_acct_init(&a, ar, OWNER_SOCK0 + 100 + self, 1);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < ROUNDS; i++) {
		unsigned k, n;

		rng = rng * 6364136223846793005ull + 1442695040888963407ull;
		k = (unsigned)(rng >> 33) % 16;
		n = 1 + k * k;
		if (runs[k]) {
			ck_assert_uint_eq(*(u32 *)mem_addr(&a, runs[k]), self);
			mem_free(&a, runs[k], n, MEM_SND);
			runs[k] = 0;
			continue;
		}
		runs[k] = mem_alloc(&a, n, MEM_SND, i % 7 == 0);
		if (runs[k])
			*(u32 *)mem_addr(&a, runs[k]) = self;
		if (i % 1000 == 0)
			arena_tick(ar, (usec_t)i * 1000);
	}
	ck_assert(mem_acct_check(&a));
	for (unsigned k = 0; k < 16; k++)
		if (runs[k])
			mem_free(&a, runs[k], 1 + k * k, MEM_SND);
	mem_acct_fini(&a);
	return NULL;
}

static void *slots(void *arg)
{
	u32 index[64], gen;

	(void)arg;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < ROUNDS / 64; i++) {
		for (int k = 0; k < 64; k++) {
			struct slot_head *s = arena_slot_get(ar, &index[k], &gen);

			ck_assert_ptr_eq(s, arena_slot(ar, index[k]));
			ck_assert_uint_eq(atomic_load(&s->gen), gen);
			pthread_mutex_lock(&s->lock);
			pthread_mutex_unlock(&s->lock);
		}
		for (int k = 0; k < 64; k++)
			arena_slot_put(ar, index[k]);
	}
	return NULL;
}

static void run_threads(void)
{
	pthread_t t[THREADS + 2];

	pthread_barrier_init(&barrier, NULL, THREADS + 2);
	for (uintptr_t i = 0; i < THREADS + 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, i < THREADS ? play : slots,
						(void *)i), 0);
	for (int i = 0; i < THREADS + 2; i++)
		pthread_join(t[i], NULL);
	arena_flush(ar);
	ck_assert_uint_eq(ar->used, 0);
	ck_assert_int_eq(domain_allocated(d), 0);
	ck_assert_uint_eq(counted(d, CNT_MemAudit), 0);
}

START_TEST(threads_share_a_private_arena)
{
	lim = test_limits(1000, 1500, 2000);
	lim.reserve = _i;
	d = domain_private(&lim);
	ck_assert_int_eq(arena_create_private(&ar, d, 4000, 256, 128), 0);
	run_threads();
	arena_destroy_private(ar);
	domain_detach(d);
}
END_TEST

START_TEST(threads_share_a_real_arena)
{
	char name[40], path[100];

	lim = test_limits(20000, 30000, 40000);
	lim.reserve = 0;
	snprintf(name, sizeof(name), "check-threads-%d", (int)getpid());
	ck_assert_int_eq(domain_attach(&d, name, &lim, true), 0);
	ck_assert_int_eq(arena_create(&ar, d), 0);
	run_threads();
	arena_detach(ar);
	domain_detach(d);
	snprintf(path, sizeof(path), "/rudp.%u.%s", (unsigned)geteuid(), name);
	shm_unlink(path);
}
END_TEST

/* ---- T14 ------------------------------------------------------------------------- */

enum { EPISODES = 100000 };

static _Atomic u64 ticking = 1000;

static usec_t ticking_clock(void)
{
	return atomic_fetch_add(&ticking, 1000);
}

static void *enter_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < EPISODES; i++) {
		pthread_barrier_wait(&barrier);
		domain_enter_pressure(d);
		pthread_barrier_wait(&barrier);
		domain_leave_pressure(d);
	}
	return NULL;
}

static void *enter_and_leave(void *arg)
{
	(void)arg;
	for (int i = 0; i < EPISODES; i++) {
		domain_enter_pressure(d);
		domain_leave_pressure(d);
	}
	return NULL;
}

/* One count an episode, whoever enters; the time is counted once, too. */
START_TEST(t14_two_enter_at_once)
{
	pthread_t t[2];

	lim = test_limits(100, 150, 200);
	d = domain_private(&lim);
	mem_set_clock(ticking_clock);
	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, enter_often, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(counted(d, CNT_TCPMemoryPressures), EPISODES);
	/* every reading of the clock is a millisecond later than the one before */
	ck_assert_uint_ge(counted(d, CNT_TCPMemoryPressuresChrono), EPISODES);
	ck_assert_uint_le(counted(d, CNT_TCPMemoryPressuresChrono),
			  atomic_load(&ticking) / 1000);
	domain_detach(d);
	mem_set_clock(NULL);
}
END_TEST

START_TEST(t14_entering_races_leaving)
{
	pthread_t t[2];

	lim = test_limits(100, 150, 200);
	d = domain_private(&lim);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, enter_and_leave, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	ck_assert(!domain_under_pressure(d));
	ck_assert_uint_le(counted(d, CNT_TCPMemoryPressures), 2 * EPISODES);
	ck_assert_uint_eq(counted(d, CNT_TCPMemoryPressures), atomic_load(&d->flush));
	domain_detach(d);
}
END_TEST

/* An audit beside somebody who charges and is refused: nothing is wrong at any
 * moment, so nothing may be "mended". */
static void *refused(void *arg)
{
	unsigned granted = 0;
	struct mem_acct a;

	mem_acct_init(&a, ar, OWNER_SOCK0 + 100, 1);
	for (int i = 0; i < 20 * ROUNDS; i++)
		granted += mem_alloc(&a, 16, MEM_RCV, false) != MEM_NONE;
	ck_assert_uint_eq(granted, 0);
	mem_acct_fini(&a);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

START_TEST(t93_audit_beside_work)
{
	atomic_bool done = false;
	pthread_t t;
	int hold;

	lim = test_limits(1, 1, 1);
	lim.reserve = 1;
	d = domain_private(&lim);
	for (int i = 0; i < DOMAIN_ARENAS / 2; i++)	/* rows to be looked at around it */
		ck_assert_int_eq(domain_row_claim(d, 0, &hold), i);
	ck_assert_int_eq(arena_create_private(&ar, d, 64, 4, 1024), 0);
	atomic_fetch_add(&d->memory_allocated, 1000);
	atomic_fetch_add(&arena_local(ar)->row->charged, 1000);
	ck_assert_int_eq(pthread_create(&t, NULL, refused, &done), 0);
	while (!atomic_load(&done))
		domain_audit(d);
	pthread_join(t, NULL);
	ck_assert_int_eq(domain_allocated(d), 1000);
	ck_assert_uint_eq(counted(d, CNT_MemAudit), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("threads");
	TCase *t = tcase_create("threads");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, threads_share_a_private_arena, 0, 2);
	tcase_add_test(t, threads_share_a_real_arena);
	tcase_add_test(t, t14_two_enter_at_once);
	tcase_add_test(t, t14_entering_races_leaving);
	tcase_add_test(t, t93_audit_beside_work);
	suite_add_tcase(s, t);
	return run_suite(s);
}
