/*
 * truth.c - looks at a domain from outside, whose processes are at work, and
 * compares what is counted with what is there.
 *
 *	truth sample DOMAIN N MS [FILE]
 *		N samples, one every MS milliseconds. In each of them must hold
 *		  total = sum of the arenas' charges
 *		  an arena's charge = owned pages in its table + pool + credit
 *		  blocks of its memfd, as the kernel counts them <= its charge
 *		  the pages of each sock in the table = those in its account, and
 *		  pages * 4096 = forward_alloc + wmem_queued + rmem_alloc (R2.1)
 *		  total <= high + G + 16 * arenas + a run for each thread (D8.4)
 *		FILE gets a line for each sample: milliseconds, total, owned, pool,
 *		credit, blocks, low, pressure, high, flag, sockets, and the bound
 *	truth gone DOMAIN PID
 *		waits until the domain holds nothing of that dead process and its
 *		total is the sum of the others; prints the milliseconds it took
 *	truth zero DOMAIN [LISTENERS]
 *		waits until no page is owned by a sock and all sockets but the
 *		listeners are gone; without LISTENERS, until the total is 0
 *	truth hoard DOMAIN PAGES
 *		takes so many pages, whatever the limits say, says "hoarding", and
 *		holds them until its input ends
 *	truth reaches DOMAIN PAGES
 *		waits until the total is that or more; prints the milliseconds
 *	truth owned DOMAIN
 *		waits until the pages that socks own do not change any more; prints
 *		how many there are
 *	truth linux DOMAIN
 *		has everybody follow Linux's rules, which know neither D8.4 nor D8.5
 *	truth exceeds DOMAIN N MS
 *		N samples: the bound of D8.4 must be passed, that of R2.12 not
 *
 * But for these and the hoarder nothing here takes a lock. An arena's numbers
 * count if its sequence number was even, and the same before and after; a
 * sock's, if they fit at one of several looks: what is really wrong stays wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "mem/arena_layout.h"
#include "mem/charge.h"
#include "mem/domain_local.h"
#include "rt/sock.h"

enum {
	LOOKS = 20000, WAIT_MS = 20000,
	LOOKS_FAST = 100,
	THREADS = 2,		/* of a process: the program's and the driver's */
};

struct seen {			/* an arena at one moment */
	s64 charged, credit, pool;
	s64 owned;		/* by socks, in the table */
	s64 blocks;		/* of the buffer memfd */
	u32 seq;
};

struct view {			/* our mapping of an arena */
	struct arena *ar;
	u64 state;
	int buf_fd;
	u32 *pages_of;		/* by sock index, of the last look */
	u32 nslots;
};

static struct view views[DOMAIN_ARENAS];
static struct domain *dom;
static unsigned wrong;
static unsigned unsummed;	/* samples without a moment at which nobody charged */

static void complain(const char *what, long a, long b)
{
	if (wrong++ < 20)
		fprintf(stderr, "truth: %s: %ld, %ld\n", what, a, b);
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

static void rest(unsigned ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* ---- arenas ------------------------------------------------------------------- */

static void drop_view(struct view *v)
{
	if (!v->ar)
		return;
	arena_detach(v->ar);
	close(v->buf_fd);
	free(v->pages_of);
	*v = (struct view){ 0 };
}

static int open_buf(const struct domain_arena *row)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", atomic_load(&row->pid),
		 atomic_load(&row->tid), atomic_load(&row->buf_fd));
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The family's arena, mapped. False: there is none, or none any more. */
static bool have_view(u32 i)
{
	const struct domain_arena *row = &dom->arenas[i];
	u64 state = atomic_load(&row->state);
	struct view *v = &views[i];

	if (v->ar && v->state == state && domain_row_state(row) == ROW_LIVE)
		return arena_sync(v->ar);
	drop_view(v);
	if (domain_row_state(row) != ROW_LIVE || arena_attach(&v->ar, dom, i, true))
		return false;
	v->state = state;
	v->buf_fd = open_buf(row);
	if (v->buf_fd >= 0)
		return true;
	arena_detach(v->ar);
	v->ar = NULL;
	return false;
}

static void count_table(struct view *v, struct seen *s)
{
	const struct arena_local *l = arena_local(v->ar);
	u32 pages = min(atomic_load(&v->ar->pages), atomic_load(&l->pages));
	u32 slots = arena_slots_max(v->ar);

	if (slots > v->nslots) {
		v->pages_of = realloc(v->pages_of, slots * sizeof(u32));
		if (!v->pages_of)
			exit(99);
		v->nslots = slots;
	}
	if (v->nslots)
		memset(v->pages_of, 0, v->nslots * sizeof(u32));
	s->owned = s->pool = 0;
	for (u32 i = 1; i < pages; i++) {
		u32 owner = l->table[i].owner;

		s->pool += owner == OWNER_POOL;
		s->owned += owner >= OWNER_SOCK0;
		if (owner >= OWNER_SOCK0 && owner - OWNER_SOCK0 < v->nslots)
			v->pages_of[owner - OWNER_SOCK0]++;
	}
}

static bool look_once(struct view *v, const struct domain_arena *row, struct seen *s)
{
	struct stat st;

	s->seq = atomic_load(&row->seq);
	if (s->seq & 1)
		return false;
	s->charged = atomic_load(&row->charged);
	s->credit = atomic_load(&row->credit);
	if (fstat(v->buf_fd, &st) < 0 || !arena_sync(v->ar))
		return false;
	s->blocks = st.st_blocks / (PAGE_BYTES / 512);
	count_table(v, s);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load(&row->seq) == s->seq;
}

/* One moment of an arena. Whoever is inside its lock may not be run for long.
 * False: it died meanwhile. */
static bool look(u32 i, struct seen *s)
{
	const struct domain_arena *row = &dom->arenas[i];
	struct view *v = &views[i];
	u64 since = now_ms();

	for (unsigned n = 1; now_ms() - since < WAIT_MS; n++) {
		bool seen = look_once(v, row, s);

		if (atomic_load(&row->state) != v->state)
			return false;
		if (seen)
			return true;
		if (n % 16 == 0)
			rest(n > 16 * LOOKS_FAST);
	}
	complain("an arena that is never at rest", i, s->seq);
	return false;
}

/* ---- socks ---------------------------------------------------------------------- */

static bool fits(const struct mem_acct *m, u32 pages)
{
	return m->pages == pages &&
	       (s64)m->pages * PAGE_BYTES == m->forward_alloc + m->wmem_queued + m->rmem_alloc;
}

/* What is read may be torn, since we take no lock: what does not fit is no
 * proof, what goes on not to fit is. */
static bool sock_fits(const struct view *v, u32 index)
{
	const struct sock *sk = arena_slot(v->ar, index);
	struct mem_acct m = sk->conn.mem;

	return !arena_local(v->ar)->slottab[index].acct || fits(&m, v->pages_of[index]);
}

static void tell_socks(const struct view *v, const bool *left, u32 top)
{
	for (u32 k = 1; k < top; k++) {
		const struct sock *sk = arena_slot(v->ar, k);
		struct mem_acct m = sk->conn.mem;

		if (left[k])
			fprintf(stderr, "truth: sock %u: %u pages, forward %ld, wmem %ld, rmem %ld, "
				"in the table %u; state %d\n", k, m.pages, (long)m.forward_alloc,
				(long)m.wmem_queued, (long)m.rmem_alloc, v->pages_of[k],
				(int)sk->conn.state);
	}
}

/* The accounts that are open, with the table as it was looked at. Who does not
 * fit is looked at again with it: until he does, or he was given time enough to
 * be run, or, if he was killed, to be cleared up after. */
static void look_at_socks(u32 i)
{
	struct view *v = &views[i];
	u32 top = v->nslots, nleft = 0;
	bool *left = calloc(top + 1, 1);
	u64 since = now_ms();
	struct seen s;

	if (!left)
		exit(99);
	for (u32 k = 1; k < top; k++)
		nleft += left[k] = !sock_fits(v, k);
	for (unsigned n = 0; nleft && now_ms() - since < WAIT_MS; n++) {
		rest(n > LOOKS_FAST);
		if (!look(i, &s))
			break;
		for (u32 k = 1; k < top; k++)
			if (left[k] && sock_fits(v, k)) {
				left[k] = false;
				nleft--;
			}
	}
	if (nleft && atomic_load(&dom->arenas[i].state) == v->state) {
		complain("socks whose account is not what the table says", nleft, i);
		tell_socks(v, left, top);
	}
	free(left);
}

/* ---- the whole -------------------------------------------------------------------- */

/* The total and the sum of the charges, at a moment when nobody changes any. */
static bool sums(s64 *total, s64 *charged, s64 *socks)
{
	for (int n = 0; n < LOOKS; n++) {
		u64 before = 0, after = 0;
		bool busy = false;

		*charged = 0;
		for (u32 i = 0; i < DOMAIN_ARENAS; i++) {
			const struct domain_arena *row = &dom->arenas[i];

			before += atomic_load(&row->seq);
			busy |= atomic_load(&row->seq) & 1 ||
				domain_row_state(row) == ROW_REAPING;
			*charged += atomic_load(&row->charged);
		}
		*total = atomic_load(&dom->memory_allocated);
		*socks = atomic_load(&dom->sockets_allocated);
		for (u32 i = 0; i < DOMAIN_ARENAS; i++)
			after += atomic_load(&dom->arenas[i].seq);
		if (!busy && before == after)
			return true;
		if (n % 64 == 63)
			sched_yield();
	}
	return false;
}

static u32 families(void)
{
	u32 n = 0;

	for (u32 i = 0; i < DOMAIN_ARENAS; i++)
		n += domain_row_state(&dom->arenas[i]) != ROW_FREE;
	return n;
}

static s64 bound(const struct mem_limits *l, s64 socks, u32 arenas)
{
	s64 mss = 13 * UNIT_BYTES;
	s64 grant = mem_pages(max((s64)l->wmem[0], (s64)SOCK_MIN_SNDBUF) + UNIT_BYTES + mss) +
		    mem_pages(max((s64)l->rmem[0], mss + UNIT_BYTES));

	return (s64)l->mem[2] + socks * grant +
	       (POOL_PAGES_MIN + THREADS * RUN_PAGES_MAX) * (s64)arenas;
}

static void check_arena(u32 i, struct seen *all)
{
	struct seen s;

	if (!have_view(i) || !look(i, &s))
		return;
	if (s.charged != s.owned + s.pool + s.credit)
		complain("charged is not owned + pool + credit", s.charged,
			 s.owned + s.pool + s.credit);
	if (s.blocks > s.charged)
		complain("more blocks than charged pages", s.blocks, s.charged);
	look_at_socks(i);
	all->owned += s.owned;
	all->pool += s.pool;
	all->credit += s.credit;
	all->blocks += s.blocks;
}

static s64 sample(FILE *out, u64 since)
{
	struct seen all = { 0 };
	s64 total, charged, socks, most;
	u32 before = families();	/* one may go, or come, while we add */
	struct mem_limits l;

	domain_limits(dom, &l);
	if (sums(&total, &charged, &socks)) {
		if (total != charged)
			complain("the total is not the sum of the charges", total, charged);
	} else {
		unsummed++;
		total = domain_allocated(dom);
		socks = atomic_load(&dom->sockets_allocated);
	}
	most = bound(&l, socks, max(before, families()));
	if (total > most)
		complain("above the bound", total, most);
	for (u32 i = 0; i < DOMAIN_ARENAS; i++)
		check_arena(i, &all);
	if (out)
		fprintf(out, "%lu %ld %ld %ld %ld %ld %lu %lu %lu %d %ld %ld\n",
			(unsigned long)(now_ms() - since), (long)total, (long)all.owned,
			(long)all.pool, (long)all.credit, (long)all.blocks,
			(unsigned long)l.mem[0], (unsigned long)l.mem[1],
			(unsigned long)l.mem[2], domain_under_pressure(dom), (long)socks,
			(long)most);
	return total;
}

static int sample_many(unsigned n, unsigned ms, const char *path)
{
	FILE *out = path ? fopen(path, "we") : NULL;
	s64 most = 0, high = 0;
	u64 since = now_ms();
	struct mem_limits l;
	unsigned above = 0;

	if (path && !out)
		return 99;
	if (out)
		setvbuf(out, NULL, _IOLBF, 0);
	domain_limits(dom, &l);
	high = (s64)l.mem[2];
	for (unsigned i = 0; i < n; i++) {
		s64 total = sample(out, since);

		above += total > high;
		most = max(most, total);
		rest(ms);
	}
	if (out && fclose(out))
		return 99;
	if (unsummed > n / 2)
		complain("samples without a sum", unsummed, n);
	printf("%u samples, most %ld pages, high %ld, %u above it, %u without a sum, %u wrong\n",
	       n, (long)most, (long)high, above, unsummed, wrong);
	return wrong != 0;
}

static int wait_gone(s32 pid)
{
	u64 since = now_ms();
	s64 total, charged, socks;

	while (now_ms() - since < WAIT_MS) {
		bool there = false;

		for (u32 i = 0; i < DOMAIN_ARENAS; i++)
			there |= domain_row_state(&dom->arenas[i]) != ROW_FREE &&
				 atomic_load(&dom->arenas[i].pid) == pid;
		if (!there && sums(&total, &charged, &socks) && total == charged) {
			printf("%lu\n", (unsigned long)(now_ms() - since));
			return 0;
		}
		rest(5);
	}
	fprintf(stderr, "truth: process %d is still there\n", pid);
	return 1;
}

static s64 owned_now(void)
{
	s64 owned = 0;

	for (u32 i = 0; i < DOMAIN_ARENAS; i++) {
		struct seen s;

		if (have_view(i) && look(i, &s))
			owned += s.owned;
	}
	return owned;
}

static int wait_zero(s64 listeners)
{
	u64 since = now_ms();
	s64 total, charged, socks, owned;

	do {
		owned = owned_now();
		if (sums(&total, &charged, &socks) && total == charged && !owned &&
		    (listeners < 0 ? !total && !socks : socks == listeners)) {
			printf("%ld pages, %ld sockets after %lu ms\n", (long)total, (long)socks,
			       (unsigned long)(now_ms() - since));
			return 0;
		}
		rest(20);
	} while (now_ms() - since < WAIT_MS);
	fprintf(stderr, "truth: total %ld, charged %ld, owned %ld, sockets %ld\n", (long)total,
		(long)charged, (long)owned, (long)socks);
	return 1;
}

static int wait_reaches(s64 pages)
{
	u64 since = now_ms();

	while (domain_allocated(dom) < pages) {
		if (now_ms() - since > WAIT_MS) {
			fprintf(stderr, "truth: %ld pages\n", (long)domain_allocated(dom));
			return 1;
		}
		rest(2);
	}
	printf("%lu\n", (unsigned long)(now_ms() - since));
	return 0;
}

/* ---- for tests of the tests ------------------------------------------------------- */

static int wait_owned(void)
{
	u64 since = now_ms();
	s64 was = -1, owned;
	int same = 0;

	while (same < 10) {
		owned = owned_now();
		same = owned == was ? same + 1 : 0;
		was = owned;
		if (now_ms() - since > WAIT_MS)
			return 1;
		rest(20);
	}
	printf("%ld\n", (long)was);
	return 0;
}

static int linux_rules(const char *name)
{
	struct domain *d;

	if (domain_attach(&d, name, NULL, false))
		return 1;
	atomic_store(&d->linux_rules, 1);
	domain_detach(d);
	return 0;
}

/* R2.12 with segments of 64 KiB, for socks that all send and receive. */
static s64 linux_bound(const struct mem_limits *l, s64 socks, u32 arenas)
{
	s64 seg = RUN_UNITS_MAX * UNIT_BYTES + UNIT_BYTES;

	return (s64)l->mem[2] + socks * (mem_pages(seg + SOCK_MIN_SNDBUF) + mem_pages(seg)) +
	       (POOL_PAGES_MIN + THREADS * RUN_PAGES_MAX) * (s64)arenas;
}

static int exceeds(unsigned n, unsigned ms)
{
	struct mem_limits l;
	unsigned above = 0;
	s64 most = 0;

	domain_limits(dom, &l);
	for (unsigned i = 0; i < n; i++) {
		s64 total = domain_allocated(dom);
		s64 socks = atomic_load(&dom->sockets_allocated);

		above += total > bound(&l, socks, families());
		if (total > linux_bound(&l, socks, families()))
			complain("above Linux's bound", total,
				 linux_bound(&l, socks, families()));
		most = max(most, total);
		rest(ms);
	}
	printf("%u samples, most %ld pages, high %ld, %u above the bound of D8.4\n", n,
	       (long)most, (long)l.mem[2], above);
	return wrong || !above;
}

static int hoard(const char *name, s64 pages)
{
	u32 *held = calloc((size_t)pages, sizeof(*held));
	struct mem_acct a;
	struct arena *ar;
	struct domain *d;
	char c;

	if (!held || domain_attach(&d, name, NULL, false) || arena_create(&ar, d))
		return 1;
	mem_acct_init(&a, ar, OWNER_SOCK0 + ARENA_SLOTS, 1);
	for (s64 i = 0; i < pages; i++)
		held[i] = mem_alloc(&a, PAGE_UNITS, MEM_RCV, true);
	puts("hoarding");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	for (s64 i = 0; i < pages; i++)
		if (held[i])
			mem_free(&a, held[i], PAGE_UNITS, MEM_RCV);
	mem_acct_fini(&a);
	arena_flush(ar);
	arena_detach(ar);
	domain_reap(d);
	domain_detach(d);
	return 0;
}

int main(int argc, char **argv)
{
	int err;

	if (argc < 3) {
		fprintf(stderr, "usage: truth sample|gone|zero|hoard|reaches|owned|linux|"
			"exceeds DOMAIN ...\n");
		return 2;
	}
	err = domain_open(&dom, argv[2]);
	if (err) {
		fprintf(stderr, "truth: domain %s: %s\n", argv[2], strerror(-err));
		return 1;
	}
	if (!strcmp(argv[1], "sample") && argc >= 5)
		return sample_many((unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]), argv[5]);
	if (!strcmp(argv[1], "gone") && argc == 4)
		return wait_gone(atoi(argv[3]));
	if (!strcmp(argv[1], "reaches") && argc == 4)
		return wait_reaches(atoi(argv[3]));
	if (!strcmp(argv[1], "owned"))
		return wait_owned();
	if (!strcmp(argv[1], "linux"))
		return linux_rules(argv[2]);
	if (!strcmp(argv[1], "exceeds") && argc == 5)
		return exceeds((unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
	if (!strcmp(argv[1], "hoard") && argc == 4)
		return hoard(argv[2], atoi(argv[3]));
	if (!strcmp(argv[1], "zero"))
		return wait_zero(argc > 3 ? atoi(argv[3]) : -1);
	return 2;
}
