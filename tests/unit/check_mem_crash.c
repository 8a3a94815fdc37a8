/*
 * Death at any instruction (D8.9). A process takes and gives pages. It is
 * single-stepped, and after each instruction the charge must not be less than
 * what the table says; it is killed at some instructions (others in every run;
 * KILL_POINTS in the environment: how many), and at random moments at full
 * speed, and afterwards everything must be made good.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "mem_test.h"

enum { KILL_POINTS = 4, KILLS_AT_SPEED = 60 };

static struct mem_limits lim;
static struct domain *d;
static struct arena *ar;
static char name[40];

static void forget_name(void)
{
	char path[80];

	snprintf(path, sizeof(path), "/rudp.%u.%s", (unsigned)geteuid(), name);
	shm_unlink(path);
}

/* Ids of processes come again: what one that was killed has left is not ours,
 * nor is what its children still do to it. */
static void setup_domain(void)
{
	lim = test_limits(2000, 3000, 4000);
	lim.reserve = 1 + 15 * (getpid() & 1);
	snprintf(name, sizeof(name), "check-crash-%d", (int)getpid());
	forget_name();
	ck_assert_int_eq(domain_attach(&d, name, &lim, true), 0);
}

static void setup_family(void)
{
	setup_domain();
	ck_assert_int_eq(arena_create(&ar, d), 0);
}

static void teardown(void)
{
	domain_detach(d);
	forget_name();
}

/* One that ends with us, however that is. */
static pid_t child_of_ours(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* What dies: some of everything that moves pages. */
static void work(struct arena *in, bool driver)
{
	struct mem_acct *pool = arena_pool(in);
	struct mem_acct a;
	u32 u1, u2, u3;
	unsigned got;

	mem_acct_init(&a, in, OWNER_SOCK0 + 1000, (u32)getpid());
	u1 = mem_alloc(&a, 20, MEM_SND, false);
	if (u1)
		mem_extend(&a, u1 + 20, 30, MEM_SND);
	if (driver) {
		u2 = mem_alloc(pool, 48, MEM_RCV, true);
		if (mem_adopt(&a, pool, u2 / PAGE_UNITS, 2, false))
			mem_free(pool, u2 + 32, 16, MEM_RCV);
	}
	u3 = mem_alloc_most(&a, 100, &got, MEM_SND);
	if (u3)
		mem_free(&a, u3, got, MEM_SND);
	mem_reserve(&a, 30000);
	mem_reserve(&a, 0);
	mem_acct_purge(&a);
	mem_acct_fini(&a);
	arena_flush(in);
}

static s64 table_used(const struct arena *in)
{
	const struct arena_local *l = arena_local(in);
	s64 used = 0;

	for (u32 i = 1; i < atomic_load(&l->pages); i++)
		used += l->table[i].owner != OWNER_FREE;
	return used;
}

/* The table never says more than the row, nor the rows more than the total. */
static void rows_safe(void)
{
	s64 charged = 0;

	for (int i = 0; i < DOMAIN_ARENAS; i++)
		charged += atomic_load(&d->arenas[i].charged);
	if (charged > atomic_load(&d->memory_allocated))
		ck_abort_msg("rows %ld, total %ld", (long)charged,
			     (long)atomic_load(&d->memory_allocated));
}

static void safe_side(void)
{
	s64 used = table_used(ar), charged = atomic_load(&arena_local(ar)->row->charged);

	if (used > charged)
		ck_abort_msg("table %ld, row %ld", (long)used, (long)charged);
	rows_safe();
}

static void make_good(void)
{
	struct arena_local *l = arena_local(ar);

	arena_lock(ar);		/* recounts, if somebody died inside */
	arena_unlock(ar);
	for (u32 i = 1; i < atomic_load(&l->pages); i++) {
		struct mem_acct dead = { .arena = ar, .owner = l->table[i].owner,
					 .gen = l->table[i].gen };

		if (dead.owner >= OWNER_SOCK0)
			mem_acct_purge(&dead);
	}
	mem_acct_purge(arena_pool(ar));
	arena_flush(ar);
	if (ar->accts_outside) {
		/* a sock's count is its slot's; here there is none */
		arena_lock(ar);
		ar->accts_outside = 0;
		arena_recount_slots(ar);
		arena_unlock(ar);
	}
	domain_audit(d);
	ck_assert_int_eq(ar->used, 0);
	ck_assert_int_eq(atomic_load(&arena_local(ar)->row->charged), 0);
	ck_assert_int_eq(atomic_load(&arena_local(ar)->row->pool), 0);
	ck_assert_int_eq(atomic_load(&d->memory_allocated), 0);
	ck_assert_int_eq(atomic_load(&d->sockets_allocated), 0);
	work(ar, true);	/* and it goes on */
	ck_assert_int_eq(atomic_load(&d->memory_allocated), 0);
}

static void reaped(void)
{
	domain_reap(d);
	ck_assert_int_eq(atomic_load(&d->memory_allocated), 0);
	ck_assert_int_eq(atomic_load(&d->sockets_allocated), 0);
	for (int i = 0; i < DOMAIN_ARENAS; i++)
		ck_assert_int_eq(domain_row_state(&d->arenas[i]), ROW_FREE);
}

/* ---- instruction by instruction -------------------------------------------------- */

static void in_family(void)
{
	raise(SIGSTOP);
	work(ar, true);
}

static void own_family(void)
{
	struct arena *own;

	raise(SIGSTOP);
	if (arena_create(&own, d) == 0)
		work(own, true);
}

/* Runs `victim` for at most `steps` instructions, with a look after each, and
 * kills it. The instructions it did; -1: we may not trace. */
static long run_steps(void (*victim)(void), long steps, void (*look)(void))
{
	pid_t pid = fork();
	int status;
	long done;

	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(77);
		victim();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (!WIFSTOPPED(status))
		return -1;
	for (done = 0; done < steps; done++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL))
			break;
		waitpid(pid, &status, 0);
		if (WIFEXITED(status) || WIFSIGNALED(status))
			return done;
		if (look)
			look();
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return done;
}

#if defined(__SANITIZE_ADDRESS__) || defined(ARENA_LOW_ADDRESSES)
#define SANITIZED 1		/* most steps would be the sanitizer's */
#else
#define SANITIZED 0
#endif

static void at_every_step(void (*victim)(void), void (*look)(void), void (*after)(void))
{
	int points = getenv("KILL_POINTS") ? atoi(getenv("KILL_POINTS")) : KILL_POINTS;
	long all = SANITIZED ? -1 : run_steps(victim, LONG_MAX, look), step;

	if (all < 0)
		return;		/* or no tracing in this sandbox */
	after();
	step = all / max(points, 1) + 1;
	for (long at = 1 + getpid() * 7919L % step; at < all; at += step) {
		run_steps(victim, at, NULL);
		look();
		after();
	}
}

START_TEST(t88_killed_at_any_instruction)
{
	at_every_step(in_family, safe_side, make_good);
}
END_TEST

START_TEST(t89_family_killed_at_any_instruction)
{
	at_every_step(own_family, rows_safe, reaped);
}
END_TEST

/* ---- at full speed ----------------------------------------------------------------- */

static void wait_ns(long ns)
{
	struct timespec ts = { 0, ns };

	nanosleep(&ts, NULL);
}

START_TEST(t88_killed_at_full_speed)
{
	u64 seed = (u64)getpid() * 2654435761u;

	for (int i = 0; i < KILLS_AT_SPEED; i++) {
		pid_t pids[2];

		for (int k = 0; k < 2; k++) {
			pids[k] = child_of_ours();
			if (!pids[k])
				for (;;)
					work(ar, true);
		}
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		wait_ns(200000 + (long)(seed >> 33) % 1500000);
		kill(pids[0], SIGKILL);
		kill(pids[1], SIGKILL);
		waitpid(pids[0], NULL, 0);
		waitpid(pids[1], NULL, 0);
		safe_side();
		make_good();
	}
}
END_TEST

/* ---- while pages go back to the system ------------------------------------------------ */

static bool stop_in_punch;

int madvise(void *at, size_t len, int advice)
{
	if (stop_in_punch && advice == MADV_REMOVE)
		raise(SIGSTOP);
	return (int)syscall(SYS_madvise, at, len, advice);
}

static void wait_for_stop(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
}

static pid_t stopped_while_punching(void)
{
	pid_t pid = child_of_ours();

	if (!pid) {
		stop_in_punch = true;
		for (;;)
			work(ar, false);
	}
	wait_for_stop(pid);
	return pid;
}

static unsigned being_punched(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ARENA_PUNCHES; i++)
		n += atomic_load(&ar->punch[i].n);
	return n;
}

static bool is_punched(u32 page)
{
	for (unsigned i = 0; i < ARENA_PUNCHES; i++)
		if (page - ar->punch[i].page < atomic_load(&ar->punch[i].n))
			return true;
	return false;
}

/* Who is stopped then has no lock that others need, nor pages that they get;
 * a recount leaves him these, his death does not (1), and he goes on (0). */
START_TEST(t90_stopped_while_punching)
{
	struct mem_acct a;
	u32 unit[50];
	pid_t pids[2];

	pids[0] = stopped_while_punching();
	pids[1] = stopped_while_punching();
	ck_assert_uint_gt(being_punched(), 0);
	mem_acct_init(&a, ar, OWNER_SOCK0 + 1000, 1);
	for (int i = 0; i < 50; i++) {
		unit[i] = mem_alloc(&a, 200, MEM_SND, true);
		for (u32 page = unit[i] / PAGE_UNITS, n = 0; n < 13; n++)
			ck_assert(!is_punched(page + n));
		if (i % 20 == 19)
			ck_assert_int_eq(arena_recount(ar, false), 0);
		safe_side();
	}
	for (int i = 0; i < 50; i++)
		mem_free(&a, unit[i], 200, MEM_SND);
	ck_assert(mem_acct_check(&a));
	mem_acct_fini(&a);
	arena_flush(ar);
	ck_assert_uint_gt(being_punched(), 0);
	for (int k = 0; k < 2; k++) {
		if (!_i) {
			kill(pids[k], SIGCONT);
			wait_for_stop(pids[k]);		/* in the next one */
		}
		kill(pids[k], SIGKILL);
		waitpid(pids[k], NULL, 0);
	}
	ck_assert(arena_wants_tick(ar));
	make_good();
	ck_assert_uint_eq(being_punched(), 0);
	ck_assert_uint_eq(ar->resident, 0);
}
END_TEST

START_TEST(t92_reapers_and_starters)
{
	u64 seed = 7 + (u64)getpid();

	for (int i = 0; i < KILLS_AT_SPEED / 3; i++) {
		pid_t victims[3], reapers[2];

		for (int k = 0; k < 3; k++) {
			victims[k] = child_of_ours();
			if (!victims[k]) {
				struct arena *own;

				if (arena_create(&own, d))
					_exit(1);
				for (;;)
					work(own, true);
			}
		}
		for (int k = 0; k < 2; k++) {
			reapers[k] = child_of_ours();
			if (!reapers[k])
				for (;;)
					domain_reap(d);
		}
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		wait_ns(1000000 + (long)(seed >> 33) % 3000000);
		for (int k = 0; k < 3; k++)
			kill(victims[k], SIGKILL);
		for (int k = 0; k < 3; k++)
			waitpid(victims[k], NULL, 0);
		if (i % 2)
			wait_ns(500000);
		for (int k = 0; k < 2; k++) {
			kill(reapers[k], SIGKILL);
			waitpid(reapers[k], NULL, 0);
		}
		reaped();
	}
}
END_TEST

/* A family lives as long as one process of it does, whoever started it. */
START_TEST(family_outlives_its_first_process)
{
	int up[2], down[2];
	pid_t first;
	char c;

	ck_assert_int_eq(pipe(up), 0);
	ck_assert_int_eq(pipe(down), 0);
	first = fork();
	if (!first) {
		struct arena *own;
		struct mem_acct a;

		if (arena_create(&own, d))
			_exit(1);
		mem_acct_init(&a, own, OWNER_SOCK0 + 1000, 3);
		mem_alloc(&a, 256, MEM_RCV, false);
		if (!fork()) {
			close(down[1]);
			if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 0)
				_exit(1);
			_exit(mem_alloc(&a, 256, MEM_RCV, false) == MEM_NONE);
		}
		_exit(0);
	}
	close(up[1]);
	ck_assert_int_eq(read(up[0], &c, 1), 1);
	waitpid(first, NULL, 0);
	domain_reap(d);
	ck_assert_int_ge(domain_allocated(d), 16);
	close(down[1]);
	ck_assert_int_eq(read(up[0], &c, 1), 0);	/* the second has gone */
	/* its mappings go before its descriptors' ends do, or just after */
	for (int i = 0; i < 1000 && domain_allocated(d); i++) {
		domain_reap(d);
		wait_ns(1000000);
	}
	reaped();
	ck_assert_uint_ge(counted(d, CNT_MemReaped), 16);
}
END_TEST

/* Another family, alive until it is killed; `row` is where its arena lies. */
static pid_t living_family(u32 *row)
{
	struct arena *other;
	int up[2];
	pid_t pid;

	ck_assert_int_eq(pipe(up), 0);
	pid = child_of_ours();
	if (!pid) {
		if (arena_create(&other, d))
			_exit(1);
		*row = arena_row(other);
		if (write(up[1], row, sizeof(*row)) != sizeof(*row))
			_exit(1);
		for (;;)
			pause();
	}
	close(up[1]);
	ck_assert_int_eq(read(up[0], row, sizeof(*row)), sizeof(*row));
	close(up[0]);
	return pid;
}

/* Whoever's tick comes first looks for dead families, twice a second. */
START_TEST(t89_ticks_find_the_dead)
{
	usec_t now = 10 * USEC_PER_SEC;
	struct arena *own;
	pid_t pid;
	u32 row;

	ck_assert_int_eq(arena_create(&own, d), 0);
	arena_tick(own, now);			/* looks at everything */
	arena_tick(own, now + 1);		/* and for the dead from now on */
	pid = living_family(&row);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	arena_tick(own, now + 499 * USEC_PER_MSEC);
	ck_assert_int_eq(domain_row_state(&d->arenas[row]), ROW_LIVE);
	arena_tick(own, now + 501 * USEC_PER_MSEC);
	ck_assert_int_eq(domain_row_state(&d->arenas[row]), ROW_FREE);
	arena_detach(own);
}
END_TEST

/* However often it is looked, and though the program has put something else in
 * the place of the descriptor by which we ask. */
START_TEST(t89_the_living_are_not_taken_for_dead)
{
	int pipes[2], kept = dup(domain_fd(d)), other = memfd_create("other", MFD_CLOEXEC);
	pid_t pid;
	u32 row;

	pid = living_family(&row);
	domain_reap(d);
	ck_assert_int_eq(domain_row_state(&d->arenas[row]), ROW_LIVE);
	ck_assert_int_eq(dup2(other, domain_fd(d)), domain_fd(d));
	domain_reap(d);
	ck_assert_int_eq(domain_row_state(&d->arenas[row]), ROW_LIVE);
	close(domain_fd(d));
	domain_reap(d);
	ck_assert_int_eq(domain_row_state(&d->arenas[row]), ROW_LIVE);
	ck_assert_int_eq(pipe(pipes), 0);
	domain_reap(d);
	ck_assert_int_eq(domain_row_state(&d->arenas[row]), ROW_LIVE);
	ck_assert_int_eq(dup2(kept, domain_fd(d)), domain_fd(d));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	domain_reap(d);
	ck_assert_int_eq(domain_row_state(&d->arenas[row]), ROW_FREE);
	reaped();
}
END_TEST

/* D8.10, T89: the hoarder's death ends the pressure it made. */
START_TEST(t89_death_ends_pressure)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct arena *own;
		struct mem_acct a;

		if (arena_create(&own, d))
			_exit(1);
		mem_acct_init(&a, own, OWNER_SOCK0 + 1000, 3);
		a.sndbuf = 1 << 30;
		a.lock_bits = SNDBUF_LOCK;
		for (int i = 0; i < 300; i++)
			mem_alloc(&a, 256, MEM_SND, true);
		mem_alloc(&a, 256, MEM_SND, false);
		raise(SIGKILL);
	}
	waitpid(pid, &status, 0);
	ck_assert_int_gt(domain_allocated(d), 4000);
	ck_assert(domain_under_pressure(d));
	domain_reap(d);
	ck_assert(!domain_under_pressure(d));
	reaped();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("crash");
	TCase *family = tcase_create("family"), *dead = tcase_create("dead");

	tcase_set_timeout(family, 120);
	tcase_add_checked_fixture(family, setup_family, teardown);
	tcase_add_test(family, t88_killed_at_any_instruction);
	tcase_add_test(family, t88_killed_at_full_speed);
	tcase_add_loop_test(family, t90_stopped_while_punching, 0, 2);
	suite_add_tcase(s, family);
	tcase_set_timeout(dead, 120);
	tcase_add_checked_fixture(dead, setup_domain, teardown);
	tcase_add_test(dead, t89_family_killed_at_any_instruction);
	tcase_add_test(dead, t89_ticks_find_the_dead);
	tcase_add_test(dead, t89_the_living_are_not_taken_for_dead);
	tcase_add_test(dead, t92_reapers_and_starters);
	tcase_add_test(dead, family_outlives_its_first_process);
	tcase_add_test(dead, t89_death_ends_pressure);
	suite_add_tcase(s, dead);
	return run_suite(s);
}
