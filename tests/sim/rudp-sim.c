/*
 * rudp-sim - runs seeded simulations of the transport.
 *
 *   rudp-sim [--scenario NAME|all] [--seed N | --seeds A..B] [-v] [--list]
 *
 * One seed runs in this process (for a debugger; -v traces every packet), a
 * range in a child. Exit status 1: a simulation failed; its seed was printed.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "campaign.h"

static const struct option options[] = {
	{ "scenario", required_argument, NULL, 'S' },
	{ "seed", required_argument, NULL, 's' },
	{ "seeds", required_argument, NULL, 'r' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "list", no_argument, NULL, 'l' },
	{ "refuse", required_argument, NULL, 'R' },
	{ "machine", no_argument, NULL, 'M' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 }
};

static struct refuse wanted;	/* --refuse N[+COUNT], --machine */

static void usage(FILE *to)
{
	fputs("usage: rudp-sim [--scenario NAME|all] [--seed N | --seeds A..B] [-v]\n"
	      "                [--refuse N[+COUNT] [--machine]] [--list]\n", to);
}

static void list(void)
{
	for (const struct scenario_kind *k = scenario_kinds; k->name; k++)
		printf("%-12s %s\n", k->name, k->what);
}

static void counters(const struct report *r)
{
	static const char *const names[] = {
#define COUNTER(name, desc) #name,
#include "stat/counters.def"
#undef COUNTER
	};

	for (unsigned i = 0; i < CNT_COUNT; i++)
		if (r->counters[i])
			printf("  %-28s %llu\n", names[i], (unsigned long long)r->counters[i]);
}

static void one(const char *kind, u64 seed)
{
	static struct scenario s;
	struct report r;

	printf("SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	scenario_make(&s, scenario_find(kind), seed);
	refuse = wanted;
	sim_run(&s, &r);
	printf("%u connections, %llu bytes, %llu packets (%llu lost), %.3f s, %llu allocations,"
	       " peak %llu pages, %llu ended early\n", s.conns, (unsigned long long)r.bytes,
	       (unsigned long long)r.packets, (unsigned long long)r.lost,
	       (double)r.virtual_us / 1e6, (unsigned long long)r.allocs,
	       (unsigned long long)r.peak_pages, (unsigned long long)r.failed_honestly);
	counters(&r);
}

static double real_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static unsigned many(const char *kind, u64 from, u64 to)
{
	struct campaign c = { .kind = kind, .from = from, .to = to };
	struct report sum;
	double begin = real_time();
	unsigned failed = campaign_run(&c, &sum);
	double took = real_time() - begin;

	printf("%-12s %llu seeds, %llu connections, %.1f MB, %llu packets, %llu ended early,"
	       " %.1f s, %u failed\n", kind, (unsigned long long)sum.runs,
	       (unsigned long long)sum.conns, (double)sum.bytes / 1e6,
	       (unsigned long long)sum.packets, (unsigned long long)sum.failed_honestly, took,
	       failed);
	return failed;
}

static unsigned every_kind(u64 from, u64 to)
{
	unsigned failed = 0;

	for (const struct scenario_kind *k = scenario_kinds; k->name; k++)
		failed += many(k->name, from, to);
	printf("%u failed\n", failed);
	return failed;
}

static bool parse_range(const char *s, u64 *from, u64 *to)
{
	char *end;

	*from = strtoull(s, &end, 10);
	if (end == s || strncmp(end, "..", 2))
		return false;
	s = end + 2;
	*to = strtoull(s, &end, 10);
	return end != s && !*end && *from <= *to;
}

int main(int argc, char **argv)
{
	const char *kind = "random";
	u64 from = 1, to = 100;
	bool single = false;
	char *plus;
	int opt;

	while ((opt = getopt_long(argc, argv, "vhl", options, NULL)) != -1) {
		switch (opt) {
		case 'S':
			kind = optarg;
			break;
		case 's':
			from = strtoull(optarg, NULL, 10);
			single = true;
			break;
		case 'r':
			if (!parse_range(optarg, &from, &to)) {
				usage(stderr);
				return 2;
			}
			break;
		case 'R':
			wanted.from = strtoull(optarg, &plus, 10);
			wanted.count = *plus == '+' ? strtoull(plus + 1, NULL, 10) : 1;
			break;
		case 'M':
			wanted.machine = true;
			break;
		case 'v':
			sim_tracing = true;
			break;
		case 'l':
			list();
			return 0;
		default:
			usage(opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	if (!strcmp(kind, "all"))
		return every_kind(from, to) ? 1 : 0;
	if (!scenario_find(kind)) {
		fprintf(stderr, "rudp-sim: no scenario named %s; --list names them\n", kind);
		return 2;
	}
	if (single) {
		one(kind, from);
		return 0;
	}
	return many(kind, from, to) ? 1 : 0;
}
