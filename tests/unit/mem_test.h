/*
 * mem_test.h - a domain, an arena and accounts for tests of the ledger.
 */
#ifndef MEM_TEST_H
#define MEM_TEST_H

#include <check.h>
#include <stdlib.h>
#include "mem/arena_layout.h"
#include "mem/charge.h"
#include "mem/domain_local.h"

/* The test statements' limits: R = 1, so every page is exact. */
static inline struct mem_limits test_limits(u64 low, u64 pressure, u64 high)
{
	return (struct mem_limits){
		.mem = { low, pressure, high },
		.wmem = { 4096, 16384, 4194304 },
		.rmem = { 4096, 131072, 6291456 },
		.wmem_max = 4194304, .rmem_max = 4194304,
		.max_orphans = 1024, .notsent_lowat = UINT32_MAX,
		.reserve = 1,
	};
}

struct world {
	struct domain *d;
	struct arena *ar;
};

static inline struct world world_new(const struct mem_limits *l, u32 pages)
{
	struct world w;

	w.d = domain_private(l);
	ck_assert_ptr_nonnull(w.d);
	ck_assert_int_eq(arena_create_private(&w.ar, w.d, pages, 64, 1024), 0);
	return w;
}

static inline void world_free(struct world *w)
{
	arena_destroy_private(w->ar);
	domain_detach(w->d);
}

static inline void set_total(struct world *w, s64 total)
{
	atomic_store(&w->d->memory_allocated, total);
}

static inline void set_pressure(struct world *w, bool on)
{
	if (on)
		domain_enter_pressure(w->d);
	else
		domain_leave_pressure(w->d);
}

static inline u64 counted(const struct domain *d, enum counter c)
{
	return atomic_load(&d->counters[c]);
}

static inline int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
