/*
 * bench_mem.c - what the ledger costs: nanoseconds for one allocation and its
 * release, on a private and on a real arena. Prints one line for each case,
 * the best of several repetitions.
 *
 *   bench_mem [repetitions]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "mem/arena.h"
#include "mem/domain.h"

enum { OPS = 20000, QUEUE = 64 };

static int reps = 20;

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

struct bench {
	struct mem_acct acct;
	struct arena *ar;
	unsigned n;		/* units */
	u32 ring[QUEUE];
};

/* One and the same run, hot. */
static void pair(struct bench *b)
{
	for (int i = 0; i < OPS; i++) {
		u32 unit = mem_alloc(&b->acct, b->n, MEM_SND, false);

		mem_free(&b->acct, unit, b->n, MEM_SND);
	}
}

/* As a queue: the oldest goes when a new one comes. */
static void fifo(struct bench *b)
{
	for (int i = 0; i < OPS; i++) {
		u32 *slot = &b->ring[i % QUEUE];

		if (*slot)
			mem_free(&b->acct, *slot, b->n, MEM_SND);
		*slot = mem_alloc(&b->acct, b->n, MEM_SND, false);
	}
	for (int i = 0; i < QUEUE; i++) {
		if (b->ring[i])
			mem_free(&b->acct, b->ring[i], b->n, MEM_SND);
		b->ring[i] = 0;
	}
}

/* Single units out of pages that are there already. */
static void owned(struct bench *b)
{
	u32 keep = mem_alloc(&b->acct, 1, MEM_SND, false);

	for (int i = 0; i < OPS; i++) {
		u32 unit = mem_alloc(&b->acct, 1, MEM_SND, false);

		mem_free(&b->acct, unit, 1, MEM_SND);
	}
	mem_free(&b->acct, keep, 1, MEM_SND);
}

/* A received buffer: pool, handed over, freed. */
static void adopt(struct bench *b)
{
	struct mem_acct *pool = arena_pool(b->ar);

	for (int i = 0; i < OPS; i++) {
		u32 unit = mem_alloc(pool, 256, MEM_RCV, false);

		mem_adopt(&b->acct, pool, unit / PAGE_UNITS, 16, false);
		mem_free(&b->acct, unit, 256, MEM_RCV);
	}
}

static void run(const char *what, struct arena *ar, unsigned n, void (*f)(struct bench *))
{
	struct bench b = { .ar = ar, .n = n };
	double best = 1e18;

	mem_acct_init(&b.acct, ar, OWNER_SOCK0, 1);
	for (int i = 0; i < reps; i++) {
		double t = now_ns();

		f(&b);
		best = min(best, (now_ns() - t) / OPS);
	}
	mem_acct_fini(&b.acct);
	printf("%-46s %7.1f ns\n", what, best);
}

static void all(struct arena *ar)
{
	run("1 unit, page owned", ar, 1, owned);
	run("1 unit, page taken and given", ar, 1, pair);
	run("6 units in a queue of 64", ar, 6, fifo);
	run("16 pages, taken and given", ar, 256, pair);
	run("16 pages in a queue of 64", ar, 256, fifo);
	run("16 pages: pool, adopted, given", ar, 256, adopt);
}

int main(int argc, char **argv)
{
	struct mem_limits l;
	char name[32], path[64];
	struct domain *d;
	struct arena *ar;

	if (argc > 1)
		reps = atoi(argv[1]);
	mem_limits_default(&l, 4u << 20, (u64)16 << 30);
	d = domain_private(&l);
	if (!d || arena_create_private(&ar, d, 32768, 16, 1024))
		return 1;
	puts("private arena, comfortable:");
	all(ar);
	arena_destroy_private(ar);
	domain_detach(d);

	snprintf(name, sizeof(name), "bench-%d", (int)getpid());
	snprintf(path, sizeof(path), "/rudp.%u.%s", (unsigned)geteuid(), name);
	if (domain_attach(&d, name, &l, true) || arena_create(&ar, d))
		return 1;
	shm_unlink(path);
	puts("real arena, comfortable:");
	all(ar);
	puts("real arena, above low:");
	l.mem[0] = 1;
	domain_set_limits(d, &l);
	all(ar);
	puts("real arena, above pressure (the ladder is asked, one run is kept):");
	l.mem[1] = 1;
	domain_set_limits(d, &l);
	all(ar);
	return 0;
}
