/* Real arenas: memfds at a fixed address, growing, shared by a family. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "mem_test.h"

static struct mem_limits lim;
static struct domain *d;
static struct arena *ar;
static char name[40];
static int buf_fd;

static void setup(void)
{
	int ctl;

	lim = test_limits(20000, 30000, 40000);
	lim.reserve = 0;
	snprintf(name, sizeof(name), "check-arena-%d", (int)getpid());
	ck_assert_int_eq(domain_attach(&d, name, &lim, true), 0);
	ck_assert_int_eq(arena_create(&ar, d), 0);
	arena_fds(ar, &ctl, &buf_fd);
}

static void teardown(void)
{
	char path[80];

	snprintf(path, sizeof(path), "/rudp.%u.%s", (unsigned)geteuid(), name);
	arena_detach(ar);
	domain_detach(d);
	shm_unlink(path);
}

static s64 blocks(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(buf_fd, &st), 0);
	return st.st_blocks * 512 / PAGE_BYTES;
}

static s64 charged(void)
{
	return atomic_load(&arena_local(ar)->row->charged);
}

static void child_succeeds(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}

START_TEST(lies_where_the_domain_says)
{
	ck_assert_uint_eq((uintptr_t)ar, ARENA_BASE + (u64)arena_row(ar) * ARENA_STRIDE);
	ck_assert_uint_eq(atomic_load(&d->arenas[arena_row(ar)].base), (uintptr_t)ar);
	ck_assert_ptr_eq(arena_domain(ar), d);
	ck_assert_int_eq(blocks(), 0);
}
END_TEST

START_TEST(grows_in_pieces)
{
	struct mem_acct a;
	u32 runs[1200];

	mem_acct_init(&a, ar, OWNER_SOCK0, 1);
	for (int i = 0; i < 1200; i++) {
		runs[i] = mem_alloc(&a, 256, MEM_RCV, false);
		ck_assert_uint_ne(runs[i], MEM_NONE);
		memset(mem_addr(&a, runs[i]), i, 65536);
	}
	ck_assert_uint_ge(atomic_load(&ar->pages), 1200 * 16);
	ck_assert(mem_acct_check(&a));
	ck_assert_int_eq(blocks(), 1200 * 16);
	for (int i = 0; i < 1200; i++) {
		ck_assert_uint_eq(*(u8 *)mem_addr(&a, runs[i]), (u8)i);
		mem_free(&a, runs[i], 256, MEM_RCV);
	}
	ck_assert_int_le(blocks(), charged());
	arena_flush(ar);
	ck_assert_int_eq(blocks(), 0);
	ck_assert_int_eq(domain_allocated(d), 0);
	mem_acct_fini(&a);
}
END_TEST

/* What the parent put where the child has mapped nothing yet. */
START_TEST(a_child_maps_what_the_parent_grew)
{
	int go[2];
	struct mem_acct *a;
	u32 index, gen;
	pid_t pid;
	char c;

	a = (struct mem_acct *)(void *)((char *)arena_slot_get(ar, &index, &gen) + sizeof(struct slot_head));
	mem_acct_init(a, ar, OWNER_SOCK0 + index, gen);
	ck_assert_int_eq(pipe(go), 0);
	pid = fork();
	if (!pid) {
		struct mem_acct *mine;

		close(go[1]);
		if (read(go[0], &c, 1) != 0)
			_exit(1);
		if (!arena_sync(ar))
			_exit(2);
		mine = (struct mem_acct *)(void *)((char *)arena_slot(ar, index) +
					   sizeof(struct slot_head));
		if (!mem_acct_check(mine) || mine->pages != 8000)
			_exit(3);
		for (u32 page = 1; page <= 8000; page++)
			if (*(u32 *)mem_addr(mine, page * PAGE_UNITS) != page)
				_exit(4);
		if (!arena_slot(ar, 399) || arena_slot(ar, 100000))
			_exit(5);
		_exit(mem_alloc(mine, 256, MEM_RCV, false) == MEM_NONE);
	}
	for (u32 page = 1; page <= 8000; page++) {
		u32 unit = mem_alloc(a, 16, MEM_RCV, false);

		ck_assert_uint_eq(unit, page * PAGE_UNITS);
		*(u32 *)mem_addr(a, unit) = page;
	}
	for (int i = 0; i < 400; i++) {
		u32 other;

		ck_assert_ptr_nonnull(arena_slot_get(ar, &other, &gen));
	}
	close(go[0]);
	close(go[1]);
	child_succeeds(pid);
	ck_assert_uint_eq(a->pages, 8016);
	mem_acct_purge(a);
	ck_assert_uint_eq(ar->used, 0);
}
END_TEST

/* Several processes of a family grow it at once, and use each other's pages. */
START_TEST(a_family_grows_together)
{
	enum { PROCS = 4, RUNS = 250 };
	u32 *found;
	int gun[2];

	ck_assert_int_eq(pipe(gun), 0);
	found = mmap(NULL, PROCS * RUNS * sizeof(u32), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int k = 0; k < PROCS; k++) {
		struct mem_acct a;
		char c;

		if (fork())
			continue;
		close(gun[1]);
		mem_acct_init(&a, ar, OWNER_SOCK0 + 100 + (u32)k, 1);
		if (read(gun[0], &c, 1) != 0)
			_exit(1);
		for (int i = 0; i < RUNS; i++) {
			u32 unit = mem_alloc(&a, 256, MEM_RCV, false);

			if (!unit)
				_exit(2);
			memset(mem_addr(&a, unit), k + 1, 65536);
			found[k * RUNS + i] = unit;
		}
		_exit(!mem_acct_check(&a));
	}
	close(gun[0]);
	close(gun[1]);
	for (int k = 0; k < PROCS; k++) {
		int status;

		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	for (int i = 0; i < PROCS * RUNS; i++) {
		const u8 *p = arena_unit_addr(ar, found[i]);

		ck_assert_uint_eq(p[0], i / RUNS + 1);
		ck_assert_uint_eq(p[65535], i / RUNS + 1);
	}
	ck_assert_uint_eq(ar->used, PROCS * RUNS * 16);
	for (u32 k = 0; k < PROCS; k++) {
		struct mem_acct a = { .arena = ar, .owner = OWNER_SOCK0 + 100 + k, .gen = 1 };

		mem_acct_purge(&a);
	}
	ck_assert_uint_eq(ar->used, 0);
	ck_assert_uint_eq(counted(d, CNT_MemAudit), 0);
}
END_TEST

/* Where there is no shared memory to be had, a family still shares its own. */
START_TEST(private_domain_is_shared_with_children)
{
	struct domain *own = domain_private(&lim);
	struct arena *ar2;
	struct mem_acct a;
	pid_t pid;

	ck_assert_int_eq(arena_create(&ar2, own), 0);
	mem_acct_init(&a, ar2, OWNER_SOCK0, 1);
	pid = fork();
	if (!pid)
		_exit(mem_alloc(&a, 256, MEM_RCV, false) == MEM_NONE);
	child_succeeds(pid);
	ck_assert_int_ge(domain_allocated(own), 16);
	ck_assert_int_eq(domain_reap(own), 0);
	ck_assert_int_ge(domain_allocated(own), 16);
	mem_acct_purge(&a);
	arena_flush(ar2);
	ck_assert_int_eq(domain_allocated(own), 0);
	arena_detach(ar2);
	domain_detach(own);
}
END_TEST

/* Another program image finds the arena through the domain. */
START_TEST(attaches_through_the_domain)
{
	struct mem_acct a;
	u32 unit, row = arena_row(ar);
	int ctl, buf;
	pid_t pid;

	mem_acct_init(&a, ar, OWNER_SOCK0, 1);
	for (int i = 0; i < 100; i++)
		unit = mem_alloc(&a, 256, MEM_RCV, false);
	*(u32 *)mem_addr(&a, unit) = 4711;
	arena_fds(ar, &ctl, &buf);
	arena_publish(ar, getpid(), gettid(), ctl, buf);
	pid = fork();
	if (!pid) {
		struct domain *d2;
		struct arena *ar2;
		struct mem_acct more;

		/* as after exec: nothing of it is mapped */
		arena_detach(ar);
		domain_detach(d);
		if (domain_attach(&d2, name, NULL, false) || arena_attach(&ar2, d2, row, false))
			_exit(1);
		if (ar2 != ar || *(u32 *)arena_unit_addr(ar2, unit) != 4711)
			_exit(2);
		mem_acct_init(&more, ar2, OWNER_SOCK0 + 5, 1);
		if (!mem_alloc(&more, 256, MEM_RCV, false))
			_exit(3);
		mem_acct_purge(&more);
		mem_acct_fini(&more);
		arena_detach(ar2);
		if (arena_attach(&ar2, d2, row, true) ||
		    *(u32 *)arena_unit_addr(ar2, unit) != 4711)
			_exit(4);
		if (arena_attach(&ar2, d2, row + 1, true) != -ESRCH)
			_exit(5);
		_exit(0);
	}
	child_succeeds(pid);
	mem_acct_purge(&a);
}
END_TEST

/* D8.16: owned (and written) <= resident <= charged, at every moment. */
START_TEST(d8_16_blocks_never_exceed_the_charge)
{
	struct mem_acct a;
	u32 runs[64] = { 0 };

	lim = test_limits(200, 300, 600);
	lim.reserve = _i;	/* 0: the formula */
	ck_assert_int_eq(domain_set_limits(d, &lim), 0);
	mem_acct_init(&a, ar, OWNER_SOCK0, 1);
	for (int i = 0; i < 3000; i++) {
		int k = (i * 37 + i / 50) % 64;

		if (runs[k])
			mem_free(&a, runs[k], 16 * (1 + k % 16), MEM_RCV);
		runs[k] = runs[k] ? 0 : mem_alloc(&a, 16 * (1 + k % 16), MEM_RCV, false);
		ck_assert_int_le(blocks(), charged());
		ck_assert_int_ge(blocks(), a.pages);
		if (_i == 1)
			ck_assert_int_eq(charged(), a.pages);
	}
	for (int k = 0; k < 64; k++)
		if (runs[k])
			mem_free(&a, runs[k], 16 * (1 + k % 16), MEM_RCV);
	arena_flush(ar);
	ck_assert_int_eq(blocks(), 0);
	mem_acct_fini(&a);
}
END_TEST

START_TEST(slots_keep_their_lock_and_change_their_generation)
{
	u32 index, gen, index2, gen2;
	struct slot_head *s = arena_slot_get(ar, &index, &gen), *t;

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->index, index);
	ck_assert_uint_eq(atomic_load(&s->gen), gen);
	memset(s + 1, 0xff, SOCK_SLOT - sizeof(*s));
	pthread_mutex_lock(&s->lock);
	arena_slot_put(ar, index);
	ck_assert_uint_ne(atomic_load(&s->gen), gen);
	pthread_mutex_unlock(&s->lock);
	t = arena_slot_get(ar, &index2, &gen2);
	ck_assert_ptr_eq(t, s);
	ck_assert_uint_ne(gen2, gen);
	for (size_t i = sizeof(*s); i < SOCK_SLOT; i++)
		ck_assert_uint_eq(((u8 *)t)[i], 0);
	ck_assert_uint_eq(arena_slots_max(ar), 1);
	ck_assert_ptr_null(arena_slot(ar, 1));
}
END_TEST

/* Sanitizers map terabytes: no limit on address space for them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZER_ADDRESSES = 1 };
#else
enum { SANITIZER_ADDRESSES = 0 };
#endif

/* A program may be short of address space, or of file size. */
START_TEST(little_address_space)
{
	pid_t pid = fork();

	if (!pid) {
		struct rlimit rl = { 64 << 20, 64 << 20 };
		struct mem_acct a;
		int n = 0;

		setrlimit(RLIMIT_AS, &rl);
		mem_acct_init(&a, ar, OWNER_SOCK0, 1);
		while (n < 2000 && mem_alloc(&a, 256, MEM_RCV, false))
			n++;
		_exit(n < 64 || n == 2000 || a.refused || !mem_acct_check(&a));
	}
	child_succeeds(pid);
}
END_TEST

/* A recount counts pages that this process could not map, too. */
START_TEST(recount_of_what_is_not_mapped_here)
{
	struct rlimit rl = { 1 << 20, RLIM_INFINITY }, was;
	s64 used;
	pid_t pid = fork();

	if (!pid) {
		struct mem_acct a;

		mem_acct_init(&a, ar, OWNER_SOCK0, 1);
		for (int i = 0; i < 100; i++)
			if (!mem_alloc(&a, 256, MEM_RCV, false))
				_exit(1);
		mem_free(&a, 1100 * PAGE_UNITS, 160 * PAGE_UNITS, MEM_RCV);
		_exit(atomic_load(&ar->pages) <= PIECE_PAGES_MIN);
	}
	child_succeeds(pid);
	used = ar->used;
	ck_assert_int_eq(used, 1440);
	ck_assert_int_ge(ar->resident, 160);
	ck_assert_uint_eq(atomic_load(&arena_local(ar)->pages), PIECE_PAGES_MIN);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &was), 0);
	rl.rlim_max = was.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &rl), 0);
	arena_recount(ar, false);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &was), 0);
	ck_assert_uint_eq(atomic_load(&arena_local(ar)->pages), PIECE_PAGES_MIN);
	ck_assert_int_eq(ar->used, used);
	ck_assert_int_eq(charged(), used);
	ck_assert_int_eq(ar->resident, 160);	/* punched out by who can */
	ck_assert_uint_eq(counted(d, CNT_MemAudit), 0);
	arena_recount(ar, false);		/* with all of them mapped */
	ck_assert_int_eq(ar->resident, 0);
	ck_assert_int_eq(blocks(), used);
	ck_assert_uint_gt(atomic_load(&arena_local(ar)->pages), PIECE_PAGES_MIN);
	ck_assert_int_eq(ar->used, used);
	ck_assert_uint_eq(counted(d, CNT_MemAudit), 0);
}
END_TEST

START_TEST(small_files_only)
{
	pid_t pid = fork();

	if (!pid) {
		struct rlimit rl = { 1 << 20, RLIM_INFINITY };
		struct arena *ar2;

		setrlimit(RLIMIT_FSIZE, &rl);
		if (arena_create(&ar2, d) != -EFBIG)
			_exit(1);
		rl.rlim_cur = ARENA_SLOTS_OFF + PIECE_SLOTS_MIN * SOCK_SLOT;
		setrlimit(RLIMIT_FSIZE, &rl);
		_exit(arena_create(&ar2, d) != 0 ||
		      !mem_alloc(arena_pool(ar2), 256, MEM_RCV, false));
	}
	child_succeeds(pid);
	/* and the row of the dead is free again */
	domain_reap(d);
	for (int i = 0; i < DOMAIN_ARENAS; i++)
		ck_assert_int_eq(domain_row_state(&d->arenas[i]),
				 i == (int)arena_row(ar) ? ROW_LIVE : ROW_FREE);
}
END_TEST

/* An address that is taken costs a row, not the arena. */
START_TEST(occupied_address)
{
	u64 base = ARENA_BASE + (u64)(arena_row(ar) + 1) * ARENA_STRIDE;
	void *at = mmap((void *)(uintptr_t)(base + ARENA_BUF_OFF), 4096, PROT_READ,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	struct arena *ar2;

	ck_assert_ptr_ne(at, MAP_FAILED);
	ck_assert_int_eq(arena_create(&ar2, d), 0);
	ck_assert_uint_eq(arena_row(ar2), arena_row(ar) + 2);
	arena_detach(ar2);
	munmap(at, 4096);
}
END_TEST

/* D8.3: idle credit goes back after a second, all of it in tight times. */
START_TEST(d8_3_idle_credit_goes_back)
{
	struct mem_acct a;
	u32 unit;

	lim.reserve = 16;
	ck_assert_int_eq(domain_set_limits(d, &lim), 0);
	mem_acct_init(&a, ar, OWNER_SOCK0, 1);
	unit = mem_alloc(&a, 16, MEM_RCV, false);
	ck_assert_int_eq(domain_allocated(d), 16);
	arena_tick(ar, 5 * USEC_PER_SEC);	/* starts the second */
	ck_assert_int_eq(domain_allocated(d), 16);
	arena_tick(ar, 5 * USEC_PER_SEC + 900000);
	ck_assert_int_eq(domain_allocated(d), 16);
	arena_tick(ar, 6 * USEC_PER_SEC);
	ck_assert_int_eq(domain_allocated(d), 1);
	mem_free(&a, unit, 16, MEM_RCV);
	unit = mem_alloc(&a, 16, MEM_RCV, false);
	domain_enter_pressure(d);
	arena_tick(ar, 6 * USEC_PER_SEC + 100000);
	ck_assert_int_eq(domain_allocated(d), 1);
	ck_assert(!domain_under_pressure(d));	/* by level: 1 < low */
	mem_free(&a, unit, 16, MEM_RCV);
	mem_acct_fini(&a);
}
END_TEST

/* Under pressure one run stays, charged: what goes round is not punched out and
 * made anew. The ladder is asked all the same. */
START_TEST(d8_3_a_run_goes_round_under_pressure)
{
	struct mem_acct a;
	u32 unit;

	lim.reserve = 16;
	lim.mem[0] = 1;
	lim.mem[1] = 2;
	lim.mem[2] = 40;
	ck_assert_int_eq(domain_set_limits(d, &lim), 0);
	mem_acct_init(&a, ar, OWNER_SOCK0, 1);
	a.sndbuf = 1 << 20;
	a.lock_bits = SNDBUF_LOCK;
	unit = mem_alloc(&a, 256, MEM_SND, false);
	ck_assert(domain_under_pressure(d));
	for (int i = 0; i < 10; i++) {
		mem_free(&a, unit, 256, MEM_SND);
		ck_assert_int_eq(domain_allocated(d), 16);
		ck_assert_int_eq(blocks(), 16);
		unit = mem_alloc(&a, 256, MEM_SND, false);
		ck_assert_int_eq(domain_allocated(d), 16);
	}
	ck_assert_uint_eq(mem_alloc(&a, 256, MEM_SND, false) != MEM_NONE, 1);
	ck_assert_uint_eq(mem_alloc(&a, 256, MEM_SND, false), MEM_NONE);
	ck_assert_int_eq(domain_allocated(d), 32);
	mem_free(&a, unit, 256, MEM_SND);
	arena_tick(ar, 5 * USEC_PER_SEC);
	ck_assert_int_eq(domain_allocated(d), 16);
	ck_assert_int_eq(blocks(), 16);
	mem_acct_purge(&a);
	mem_acct_fini(&a);
}
END_TEST

/* What a program like a server of small requests, and one that sends a lot, do
 * to the arena: how often its lock is taken, what is charged, what is resident. */
struct price {
	u32 locks;
	s64 charged, credit, total, blocks;
	u64 counted;
};

static struct price price_under(const struct mem_limits *l)
{
	u32 runs[40], unit, before;
	struct price p = { 0 };
	struct mem_acct a;

	ck_assert_int_eq(domain_set_limits(d, l), 0);
	arena_flush(ar);
	before = atomic_load(&arena_local(ar)->row->seq);
	mem_acct_init(&a, ar, OWNER_SOCK0, 1);
	for (int i = 0; i < 2000; i++) {
		unit = mem_alloc(&a, 2, MEM_RCV, false);
		mem_free(&a, unit, 2, MEM_RCV);
		unit = mem_alloc(&a, 1, MEM_SND, true);
		mem_free(&a, unit, 1 + mem_extend(&a, unit + 1, 2, MEM_SND), MEM_SND);
	}
	for (int i = 0; i < 400; i++) {
		if (i >= 40)
			mem_free(&a, runs[i % 40], 256, MEM_SND);
		runs[i % 40] = mem_alloc(&a, 256, MEM_SND, false);
	}
	p.blocks = blocks();
	p.locks = atomic_load(&arena_local(ar)->row->seq) - before;
	p.charged = charged();
	p.credit = ar->credit;
	p.total = domain_allocated(d);
	for (int c = 0; c < CNT_COUNT; c++)
		p.counted += c == CNT_MemForced ? 0 : counted(d, (enum counter)c);
	mem_acct_purge(&a);
	mem_acct_fini(&a);
	return p;
}

/* Governance costs a program that has enough the same as no limits at all. */
START_TEST(price_of_comfort)
{
	struct mem_limits comfort, none;
	struct price a, b;

	mem_limits_default(&comfort, 6141872, 6141872ull * PAGE_BYTES);
	none = comfort;
	none.mem[0] = none.mem[1] = none.mem[2] = 1ull << 28;
	a = price_under(&comfort);
	b = price_under(&none);
	ck_assert_uint_eq(a.locks, b.locks);
	ck_assert_int_eq(a.charged, b.charged);
	ck_assert_int_eq(a.credit, b.credit);
	ck_assert_int_eq(a.total, b.total);
	ck_assert_int_eq(a.blocks, b.blocks);
	ck_assert_uint_eq(a.counted, 0);
	ck_assert_uint_eq(b.counted, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("arena");
	TCase *t = tcase_create("arena");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, lies_where_the_domain_says);
	tcase_add_test(t, grows_in_pieces);
	tcase_add_test(t, a_child_maps_what_the_parent_grew);
	tcase_add_test(t, a_family_grows_together);
	tcase_add_test(t, private_domain_is_shared_with_children);
	tcase_add_test(t, attaches_through_the_domain);
	tcase_add_loop_test(t, d8_16_blocks_never_exceed_the_charge, 0, 3);
	tcase_add_test(t, slots_keep_their_lock_and_change_their_generation);
	if (!SANITIZER_ADDRESSES) {
		tcase_add_test(t, little_address_space);
		tcase_add_test(t, recount_of_what_is_not_mapped_here);
	}
	tcase_add_test(t, small_files_only);
	tcase_add_test(t, occupied_address);
	tcase_add_test(t, d8_3_idle_credit_goes_back);
	tcase_add_test(t, d8_3_a_run_goes_round_under_pressure);
	tcase_add_test(t, price_of_comfort);
	suite_add_tcase(s, t);
	return run_suite(s);
}
