/*
 * check_oom.c - every scenario again with memory refused: the n-th time it is
 * asked for, a row of times, or now and then; by the domain, whose refusals
 * pass forced charges, or by a machine that has none left. Whatever is
 * refused, every byte arrives once and nothing stays charged.
 */
#include <stdio.h>
#include "campaign.h"

enum { VARIANTS = 10 };

/* Variant 0 counts; the others refuse. */
static bool nth(struct scenario *s, unsigned variant, const struct report *last)
{
	static u64 calls;
	struct rng r = { .seed = rng_hash(s->seed, variant, 5) };

	s->tight = true;		/* orphans may be killed (R6.3) */
	if (variant == 1)
		calls = last->allocs;
	if (variant) {
		refuse.from = 1 + rng_below(&r, calls + 1);
		refuse.count = rng_scale(&r, 1, 50);
		refuse.machine = variant % 2;
	}
	return variant <= VARIANTS;
}

static bool now_and_then(struct scenario *s, unsigned variant, const struct report *last)
{
	struct rng r = { .seed = rng_hash(s->seed, variant, 6) };

	(void)last;
	s->tight = true;
	refuse.seed = s->seed;
	refuse.ppm = (u32)rng_scale(&r, 1000, 400000);
	refuse.machine = variant % 2;
	return variant < 2;
}

static void each_kind(bool (*prepare)(struct scenario *, unsigned, const struct report *),
		      u64 from, u64 to)
{
	unsigned failed = 0;

	for (const struct scenario_kind *k = scenario_kinds; k->name; k++) {
		struct campaign c = { .kind = k->name, .from = from, .to = to,
				      .prepare = prepare };
		struct report sum;

		if (k == scenario_find("many") || k == scenario_find("refused"))
			continue;
		failed += campaign_run(&c, &sum);
		printf("# %-12s %llu runs, %llu allocations, %llu refused\n", k->name,
		       (unsigned long long)sum.runs, (unsigned long long)sum.allocs,
		       (unsigned long long)sum.refused);
	}
	if (failed)
		sim_fail("%u of the seeds failed", failed);
}

static void the_nth_is_refused(void)
{
	each_kind(nth, 1, 5);
}

static void many_are_refused(void)
{
	each_kind(now_and_then, 100, 108);
}

/* Every single allocation of a few short lives, one after the other. */
static bool every(struct scenario *s, unsigned variant, const struct report *last)
{
	static u64 calls;

	s->tight = true;
	for (unsigned i = 0; i < s->conns; i++)
		for (unsigned k = 0; k < 2; k++) {
			s->plan[i][k].tx_total = min(s->plan[i][k].tx_total, (u64)20000);
			s->plan[i][k].turn = 0;
			s->plan[i][k].rx_expect = s->plan[i][!k].tx_total;
		}
	for (unsigned i = 0; i < s->conns; i++)
		for (unsigned k = 0; k < 2; k++)
			s->plan[i][k].rx_expect = s->plan[i][!k].tx_total;
	s->conns = 1;
	if (variant == 1)
		calls = last->allocs;
	refuse.from = variant / 2 + 1;
	refuse.count = variant > 1;
	refuse.machine = variant % 2;
	return variant <= 1 || variant / 2 <= calls;
}

static void each_one_is_refused_once(void)
{
	struct campaign c = { .kind = "loss", .from = 1, .to = 8, .prepare = every };
	struct report sum;
	unsigned failed = campaign_run(&c, &sum);

	printf("# %llu runs, %llu refused\n", (unsigned long long)sum.runs,
	       (unsigned long long)sum.refused);
	if (failed)
		sim_fail("%u of the seeds failed", failed);
}

static const struct test tests[] = {
	{ "each_one_is_refused_once", each_one_is_refused_once },
	{ "the_nth_is_refused", the_nth_is_refused },
	{ "many_are_refused", many_are_refused },
};

int main(int argc, char **argv)
{
	return tests_run(tests, ARRAY_SIZE(tests), argc, argv);
}
