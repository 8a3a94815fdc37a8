/* The domain object: made once, found by many, trusted by nobody. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "mem_test.h"

static struct mem_limits lim;
static char name[40], path[100];

static void setup(void)
{
	lim = test_limits(1000, 1500, 2048);
	snprintf(name, sizeof(name), "check-domain-%d", (int)getpid());
	snprintf(path, sizeof(path), "/dev/shm/rudp.%u.%s", (unsigned)geteuid(), name);
}

static void teardown(void)
{
	unlink(path);
}

static struct domain *attach(void)
{
	struct domain *d;

	ck_assert_int_eq(domain_attach(&d, name, &lim, false), 0);
	return d;
}

static void children_succeed(int n)
{
	int status;

	while (n--) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
}

/* All begin at once: the read ends when the last writer has closed. */
static void starting_gun(int gun[2])
{
	char c;

	close(gun[1]);
	if (read(gun[0], &c, 1) != 0)
		_exit(100);
}

START_TEST(made_closed_to_others)
{
	struct domain *d;
	struct stat st;
	mode_t old = umask(0);

	d = attach();
	umask(old);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(st.st_size, sizeof(struct domain));
	ck_assert_int_lt(st.st_size, 1 << 20);
	ck_assert_str_eq(d->name, name);
	domain_detach(d);
}
END_TEST

START_TEST(made_with_a_strict_umask)
{
	mode_t old = umask(0777);
	struct domain *d = attach();

	umask(old);
	domain_detach(d);
	domain_detach(attach());
}
END_TEST

START_TEST(creators_race)
{
	enum { N = 8 };
	struct domain *d;
	int gun[2];

	for (int round = 0; round < 10; round++) {
		ck_assert_int_eq(pipe(gun), 0);
		for (int i = 0; i < N; i++) {
			if (fork())
				continue;
			starting_gun(gun);
			if (domain_attach(&d, name, &lim, false))
				_exit(1);
			atomic_fetch_add(&d->memory_allocated, 1);
			_exit(0);
		}
		close(gun[0]);
		close(gun[1]);
		children_succeed(N);
		ck_assert_int_eq(domain_open(&d, name), 0);
		ck_assert_int_ge(domain_allocated(d), 0);
		ck_assert_uint_eq(atomic_load(&d->ready), 1);
		domain_detach(d);
		unlink(path);
	}
}
END_TEST

START_TEST(refuses_what_is_not_ours)
{
	struct domain *d = attach();
	int fd;

	domain_detach(d);
	chmod(path, 0640);
	ck_assert_int_eq(domain_attach(&d, name, &lim, false), -EPERM);
	chmod(path, 0600);
	ck_assert_int_eq(truncate(path, 4), 0);
	ck_assert_int_eq(domain_attach(&d, name, &lim, false), -EPROTO);
	unlink(path);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(domain_attach(&d, name, &lim, false), -ELOOP);
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(domain_attach(&d, name, &lim, false), -EPERM);
	unlink(path);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	ck_assert_int_eq(ftruncate(fd, sizeof(struct domain)), 0);
	ck_assert_int_eq(domain_attach(&d, name, &lim, false), -EPROTO);
	close(fd);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(path, 12345, 12345), 0);
		ck_assert_int_eq(domain_attach(&d, name, &lim, false), -EPERM);
	}
}
END_TEST

/* What an upgrade leaves behind is in nobody's way, unless it is in use. */
START_TEST(another_version_is_replaced_when_unused)
{
	struct domain *d = attach(), *other;
	u32 old = 1;
	int row, hold, fd = open(path, O_RDWR);

	row = domain_row_claim(d, 0, &hold);
	ck_assert_int_ge(row, 0);
	ck_assert_int_eq(pwrite(fd, &old, sizeof(old), offsetof(struct domain, version)), 4);
	ck_assert_int_eq(domain_attach(&other, name, &lim, false), -EPROTO);
	ck_assert_int_eq(domain_open(&other, name), -EPROTO);
	close(hold);
	ck_assert_int_eq(domain_open(&other, name), -EPROTO);
	ck_assert_int_eq(domain_attach(&other, name, &lim, false), 0);
	ck_assert_int_ne(other->version, 1);
	ck_assert_int_eq(domain_row_state(&other->arenas[row]), ROW_FREE);
	domain_detach(other);
	domain_detach(d);
	ck_assert_int_eq(truncate(path, 4096), 0);
	ck_assert_int_eq(domain_attach(&d, name, &lim, false), 0);
	domain_detach(d);
	close(fd);
}
END_TEST

/* Memory is taken for the part of the table that is used. */
START_TEST(table_of_destinations_by_memory)
{
	struct domain *d = attach();
	struct stat st;
	u64 bytes;
	u32 rows = mem_metrics_rows(mem_available_pages(&bytes));

	ck_assert_uint_eq(atomic_load(&d->metrics_rows), rows);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_le(st.st_blocks * 512ll,
			 (long long)(offsetof(struct domain, metrics) +
				     rows * sizeof(struct metrics_row) + PAGE_BYTES));
	domain_detach(d);
}
END_TEST

START_TEST(refuses_odd_names)
{
	char longest[DOMAIN_NAME_MAX + 1];
	struct domain *d;

	memset(longest, 'x', DOMAIN_NAME_MAX);
	longest[DOMAIN_NAME_MAX] = 0;
	ck_assert_int_eq(domain_attach(&d, "", &lim, false), -EINVAL);
	ck_assert_int_eq(domain_attach(&d, "a/b", &lim, false), -EINVAL);
	ck_assert_int_eq(domain_attach(&d, longest, &lim, false), -EINVAL);
	ck_assert_int_eq(domain_open(&d, "no-such-domain-anywhere"), -ENOENT);
}
END_TEST

/* T7: bad limits are refused, the old ones stay in force for everybody. */
START_TEST(t7_limits_are_checked)
{
	struct domain *d = attach(), *other;
	struct mem_limits l = lim, seen;

	l.mem[0] = 5000;
	ck_assert_int_eq(domain_attach(&other, name, &l, true), -EINVAL);
	ck_assert_int_eq(domain_set_limits(d, &l), -EINVAL);
	domain_limits(d, &seen);
	ck_assert_int_eq(memcmp(&seen, &lim, sizeof(lim)), 0);
	l.mem[2] = 9000;
	l.mem[1] = 8000;
	ck_assert_int_eq(domain_attach(&other, name, &l, false), 0);
	domain_limits(other, &seen);
	ck_assert_uint_eq(seen.mem[2], lim.mem[2]);	/* not explicit */
	domain_detach(other);
	ck_assert_int_eq(domain_attach(&other, name, &l, true), 0);
	domain_limits(d, &seen);
	ck_assert_uint_eq(seen.mem[2], 9000);
	domain_detach(other);
	ck_assert(!domain_is_tight(d));
	l.mem[0] = l.mem[1] = l.mem[2] = 48;		/* D8.14: nobody's arena is one */
	ck_assert_int_eq(domain_set_limits(d, &l), 0);
	ck_assert(!domain_is_tight(d));
	l.mem[0] = l.mem[1] = l.mem[2] = 47;
	ck_assert_int_eq(domain_set_limits(d, &l), 0);
	ck_assert(domain_is_tight(d));
	domain_detach(d);
}
END_TEST

/* Never half old and half new, and a writer that died is no obstacle. */
START_TEST(limits_change_as_one)
{
	struct domain *d = attach();
	struct mem_limits l;
	pid_t pid;

	for (int i = 1; i < 400; i++) {
		pid = fork();
		if (!pid)
			for (u64 k = 1;; k++) {
				l = test_limits(k, k * 2, k * 3);
				domain_set_limits(d, &l);
			}
		for (int k = 0; k < 200; k++) {
			domain_limits(d, &l);
			if (l.mem[0] == 1000)
				continue;
			ck_assert_uint_eq(l.mem[1], l.mem[0] * 2);
			ck_assert_uint_eq(l.mem[2], l.mem[0] * 3);
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	ck_assert_int_eq(domain_set_limits(d, &lim), 0);
	domain_limits(d, &l);
	ck_assert_int_eq(memcmp(&l, &lim, sizeof(lim)), 0);
	domain_detach(d);
}
END_TEST

START_TEST(absurd_limits_are_mended)
{
	struct domain *d = attach();
	struct mem_limits l;

	memset(d->limits, 0xff, sizeof(d->limits));
	domain_limits(d, &l);
	ck_assert_ptr_null(mem_limits_check(&l));
	domain_detach(d);
}
END_TEST

/* ---- several processes charge ------------------------------------------------------- */

/* T18: of eight that come at once for the last page, one gets it. */
START_TEST(t18_last_page)
{
	enum { N = 8, ROUNDS = 20 };
	struct domain *d = attach();

	for (int round = 0; round < ROUNDS; round++) {
		int gun[2], got = 0, status;

		ck_assert_int_eq(pipe(gun), 0);
		atomic_store(&d->memory_allocated, 2047);
		for (int i = 0; i < N; i++) {
			struct mem_acct a;
			struct arena *ar;

			if (fork())
				continue;
			if (arena_create(&ar, d))
				_exit(2);
			mem_acct_init(&a, ar, OWNER_SOCK0, 1);
			/* its minimum is had: it lives by its share alone */
			a.rmem_alloc = 4096;
			atomic_store(&d->sockets_allocated, 8);
			starting_gun(gun);
			_exit(mem_alloc(&a, 1, MEM_RCV, false) != MEM_NONE);
		}
		close(gun[0]);
		close(gun[1]);
		for (int i = 0; i < N; i++) {
			ck_assert_int_gt(wait(&status), 0);
			ck_assert(WIFEXITED(status) && WEXITSTATUS(status) < 2);
			got += WEXITSTATUS(status);
		}
		ck_assert_int_eq(got, 1);
		ck_assert_int_eq(domain_allocated(d), 2048);
		domain_reap(d);
	}
	domain_detach(d);
}
END_TEST

/* T17: eight arenas, R = 16: the total is at most 240 pages too high, never
 * too low, and exact one tick after low was crossed. */
static void t17_check(struct domain *d, struct arena **ar, s64 slack)
{
	s64 used = 0, total = atomic_load(&d->memory_allocated);

	for (int i = 0; i < 8; i++)
		used += ar[i]->used;
	ck_assert_int_ge(total, used);
	ck_assert_int_le(total, used + slack);
}

START_TEST(t17_reserve)
{
	enum { SOCKS = 8 };
	struct arena *ar[SOCKS];
	struct mem_acct a[SOCKS];
	u32 runs[SOCKS][64] = { { 0 } };
	struct domain *d;
	u64 rng = 12345;

	lim = test_limits(1024, 1536, 2048);
	lim.reserve = 16;
	d = domain_private(&lim);
	for (int i = 0; i < SOCKS; i++) {
		ck_assert_int_eq(arena_create_private(&ar[i], d, 1024, 1, 256), 0);
		mem_acct_init(&a[i], ar[i], OWNER_SOCK0, 1);
	}
	for (int i = 0; i < 20000; i++) {
		unsigned k, s;

		rng = rng * 6364136223846793005ull + 1442695040888963407ull;
		k = (unsigned)(rng >> 33) % SOCKS;
		s = (unsigned)(rng >> 40) % 8;
		if (runs[k][s])
			mem_free(&a[k], runs[k][s], 16 * (s + 1), MEM_RCV);
		runs[k][s] = runs[k][s] ? 0 : mem_alloc(&a[k], 16 * (s + 1), MEM_RCV, false);
		t17_check(d, ar, 240);
	}
	for (int k = 0; k < SOCKS; k++)
		for (int s = 0; s < 64; s++)
			if (!runs[k][s])
				runs[k][s] = mem_alloc(&a[k], 48, MEM_RCV, false);
	ck_assert_int_gt(domain_allocated(d), 1024);
	for (int k = 0; k < SOCKS; k++)
		arena_tick(ar[k], USEC_PER_SEC);
	t17_check(d, ar, 0);
	for (int k = 0; k < SOCKS; k++) {
		mem_acct_purge(&a[k]);
		mem_acct_fini(&a[k]);
		arena_destroy_private(ar[k]);
	}
	ck_assert_int_eq(domain_allocated(d), 0);
	domain_detach(d);
}
END_TEST

/* T93: absurd counters. */
START_TEST(t93_corrupt_counters)
{
	static const s64 absurd[] = { -1, INT64_MIN, INT64_MAX, 123456789 };
	struct domain *d = attach(), *other;
	struct mem_acct a;
	struct arena *ar;

	ck_assert_int_eq(arena_create(&ar, d), 0);
	mem_acct_init(&a, ar, OWNER_SOCK0, 1);
	mem_alloc(&a, 256, MEM_RCV, false);
	for (size_t i = 0; i < ARRAY_SIZE(absurd); i++) {
		u64 before = counted(d, CNT_MemAudit);

		atomic_store(&d->memory_allocated, absurd[i]);
		atomic_store(&d->sockets_allocated, absurd[i]);
		ck_assert_int_ge(domain_allocated(d), 0);
		ck_assert_int_eq(domain_attach(&other, name, NULL, false), 0);
		ck_assert_int_eq(domain_allocated(d), 16);
		ck_assert_int_eq(atomic_load(&d->sockets_allocated), 1);
		ck_assert_uint_gt(counted(d, CNT_MemAudit), before);
		domain_detach(other);
	}
	/* a row's own: its driver finds it within two ticks */
	atomic_store(&arena_local(ar)->row->charged, -77);
	for (int i = 1; i <= 3; i++)
		arena_tick(ar, (usec_t)i * 10 * USEC_PER_SEC);
	ck_assert_int_eq(domain_allocated(d), 16);
	ck_assert_int_eq(atomic_load(&arena_local(ar)->row->charged), 16);
	atomic_store(&arena_local(ar)->row->credit, INT64_MAX);
	for (int i = 4; i <= 7; i++)
		arena_tick(ar, (usec_t)i * 10 * USEC_PER_SEC);
	ck_assert_int_eq(domain_allocated(d), 16);
	/* the maps, which are caches of the table */
	arena_local(ar)->free_map[0] = ~0ull;
	arena_recount(ar, false);
	ck_assert_int_eq(ar->used, 16);
	ck_assert_uint_eq(arena_local(ar)->free_map[0] & 0x1ffff, 0);
	/* how many slots there are: of those that exist nobody gets two */
	atomic_store(&ar->slot_top, UINT32_MAX);
	arena_recount(ar, false);
	for (u32 i = 0, index, gen; i < 2 * PIECE_SLOTS_MIN; i++) {
		ck_assert_ptr_nonnull(arena_slot_get(ar, &index, &gen));
		ck_assert_uint_eq(index, i);
	}
	atomic_store(&ar->slot_top, UINT32_MAX);
	atomic_store(&ar->slots, UINT32_MAX);
	arena_recount(ar, false);
	ck_assert_uint_eq(arena_slots_max(ar), ar->slots_limit);
	arena_detach(ar);
	domain_detach(d);
}
END_TEST

/* What changes just now is not mended: the next look does. */
START_TEST(t93_audit_waits_for_a_moment)
{
	struct domain *d = attach();
	struct domain_arena *row = &d->arenas[3];

	atomic_fetch_add(&d->memory_allocated, 5);
	atomic_store(&row->seq, 1);
	ck_assert_int_eq(domain_audit(d), 0);
	atomic_store(&row->seq, 2);
	atomic_store(&row->state, ROW_REAPING);
	ck_assert_int_eq(domain_audit(d), 0);
	ck_assert_int_eq(domain_allocated(d), 5);
	atomic_store(&row->state, ROW_FREE);
	atomic_store(&row->charged, 2);
	atomic_store(&row->sockets, 1);
	ck_assert_int_eq(domain_audit(d), 3);
	ck_assert_int_eq(domain_allocated(d), 2);
	ck_assert_int_eq(atomic_load(&d->sockets_allocated), 1);
	ck_assert_uint_eq(counted(d, CNT_MemAudit), 3);
	domain_detach(d);
}
END_TEST

START_TEST(processes_are_listed_while_they_live)
{
	struct domain *d = attach();
	int gun[2], listed = 0;
	char c;
	pid_t pid;

	ck_assert_int_eq(pipe(gun), 0);
	domain_proc_add(d, 3);
	domain_proc_add(d, 4);	/* the same again */
	pid = fork();
	if (!pid) {
		domain_proc_add(d, 3);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	for (int i = 0; i < DOMAIN_PROCS; i++)
		listed += atomic_load(&d->procs[i].pid) != 0;
	ck_assert_int_eq(listed, 2);
	domain_reap(d);
	ck_assert_int_eq(atomic_load(&d->procs[0].pid), getpid());
	ck_assert_uint_eq(atomic_load(&d->procs[0].arena), 4);
	ck_assert_int_eq(atomic_load(&d->procs[1].pid), 0);
	domain_proc_del(d);
	ck_assert_int_eq(atomic_load(&d->procs[0].pid), 0);
	close(gun[1]);
	ck_assert_int_eq(read(gun[0], &c, 1), 0);
	domain_detach(d);
}
END_TEST

/* A full table of arenas is an error, not a crash. */
static void leave_dead(struct domain *d, u32 i, enum row_state state, s64 pages)
{
	atomic_store(&d->arenas[i].pid, 1);	/* lives in every container */
	atomic_store(&d->arenas[i].charged, pages);
	atomic_fetch_add(&d->memory_allocated, pages);
	atomic_store(&d->arenas[i].state, state);
}

/* Locks tell who lives: a domain may be shared by containers. */
START_TEST(process_ids_say_nothing)
{
	struct domain *d = attach();
	int hold, ready[2];
	pid_t pid;
	char c;

	leave_dead(d, 3, ROW_LIVE, 7);
	leave_dead(d, 4, ROW_REAPING, 8);	/* its reaper has died */
	ck_assert_int_eq(domain_reap_rows(d), 15);
	ck_assert_int_eq(domain_allocated(d), 0);
	/* one reaps at a time */
	leave_dead(d, 3, ROW_REAPING, 9);
	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if (domain_lock(d, LOCK_REAPER, false) < 0 ||
		    domain_lock(d, LOCK_LIMITS, false) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	ck_assert_int_eq(domain_reap_rows(d), 0);
	ck_assert_int_lt(domain_lock(d, LOCK_LIMITS, false), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(domain_reap_rows(d), 9);
	ck_assert_int_eq(domain_set_limits(d, &lim), 0);
	/* a process elsewhere is listed as long as its family lives */
	ck_assert_int_eq(domain_hold_row(d, 5, &hold), 0);
	atomic_store(&d->arenas[5].state, ROW_LIVE);
	atomic_store(&d->procs[0].space, 1);
	atomic_store(&d->procs[0].arena, 5);
	atomic_store(&d->procs[0].pid, INT32_MAX);
	domain_reap(d);
	ck_assert_int_eq(atomic_load(&d->procs[0].pid), INT32_MAX);
	close(hold);
	domain_reap(d);
	ck_assert_int_eq(atomic_load(&d->procs[0].pid), 0);
	domain_detach(d);
}
END_TEST

START_TEST(rows_run_out)
{
	struct domain *d = attach();
	struct arena *ar;

	for (int i = 0; i < DOMAIN_ARENAS; i++)
		atomic_store(&d->arenas[i].state, ROW_LIVE);
	ck_assert_int_eq(arena_create(&ar, d), -ENFILE);
	domain_reap(d);		/* nobody holds them */
	ck_assert_int_eq(arena_create(&ar, d), 0);
	arena_detach(ar);
	domain_detach(d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("domain");
	TCase *t = tcase_create("domain");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, made_closed_to_others);
	tcase_add_test(t, made_with_a_strict_umask);
	tcase_add_test(t, creators_race);
	tcase_add_test(t, refuses_what_is_not_ours);
	tcase_add_test(t, another_version_is_replaced_when_unused);
	tcase_add_test(t, table_of_destinations_by_memory);
	tcase_add_test(t, refuses_odd_names);
	tcase_add_test(t, t7_limits_are_checked);
	tcase_add_test(t, limits_change_as_one);
	tcase_add_test(t, absurd_limits_are_mended);
	tcase_add_test(t, t17_reserve);
	tcase_add_test(t, t18_last_page);
	tcase_add_test(t, t93_corrupt_counters);
	tcase_add_test(t, t93_audit_waits_for_a_moment);
	tcase_add_test(t, processes_are_listed_while_they_live);
	tcase_add_test(t, process_ids_say_nothing);
	tcase_add_test(t, rows_run_out);
	suite_add_tcase(s, t);
	return run_suite(s);
}
