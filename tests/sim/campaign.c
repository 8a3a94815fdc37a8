/* campaign.c - children that may die. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "campaign.h"

enum { REAL_SECONDS_MAX = 100 };	/* for one run, sanitizers included */

struct progress {		/* shared with the child */
	u64 seed;
	unsigned variant;
	struct report sum;
};

static void one_seed(const struct campaign *c, u64 seed, struct progress *p)
{
	static struct scenario s;
	struct report r = { 0 };

	p->seed = seed;
	for (p->variant = 0;; p->variant++) {
		scenario_make(&s, scenario_find(c->kind), seed);
		refuse = (struct refuse){ 0 };
		if (c->prepare ? !c->prepare(&s, p->variant, &r) : p->variant)
			return;
		alarm(REAL_SECONDS_MAX);
		sim_run(&s, &r);
		alarm(0);
		report_add(&p->sum, &r);
		if (c->judge)
			c->judge(&s, &r);
	}
}

static void child(const struct campaign *c, u64 from, struct progress *p)
{
	for (u64 seed = from; seed <= c->to; seed++)
		one_seed(c, seed, p);
	fflush(NULL);
	_exit(0);
}

static void blame(const struct campaign *c, const struct progress *p, int status)
{
	const char *how = !WIFSIGNALED(status) ? "" : WTERMSIG(status) == SIGALRM ?
			  " (took too long)" : strsignal(WTERMSIG(status));

	printf("FAILED SEED=%llu %s %s", (unsigned long long)p->seed, c->kind, how);
	if (p->variant)
		printf(" variant %u", p->variant);
	printf("\n  repeat: rudp-sim --scenario %s --seed %llu -v\n", c->kind,
	       (unsigned long long)p->seed);
}

unsigned campaign_run(const struct campaign *c, struct report *sum)
{
	struct progress *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned failed = 0;
	int status;

	if (p == MAP_FAILED || !scenario_find(c->kind))
		abort();
	for (u64 from = c->from; from <= c->to; from = p->seed + 1) {
		fflush(NULL);
		pid_t pid = fork();

		if (!pid)
			child(c, from, p);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			abort();
		if (!status)
			break;
		blame(c, p, status);
		if (++failed == CAMPAIGN_FAILURES_MAX)
			break;
	}
	*sum = p->sum;
	munmap(p, sizeof(*p));
	return failed;
}

void campaign_test(const char *kind, u64 from, u64 to)
{
	struct campaign c = { .kind = kind, .from = from, .to = to };
	struct report sum;
	unsigned failed = campaign_run(&c, &sum);

	printf("# %-11s %llu seeds, %llu connections, %.1f MB, %llu packets, %llu ended early\n",
	       kind, (unsigned long long)sum.runs, (unsigned long long)sum.conns,
	       (double)sum.bytes / 1e6, (unsigned long long)sum.packets,
	       (unsigned long long)sum.failed_honestly);
	if (failed)
		sim_fail("%u of the seeds failed", failed);
}

static bool passes(const struct test *t)
{
	int status;

	fflush(NULL);
	pid_t pid = fork();

	if (!pid) {
		t->run();
		fflush(NULL);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	return !status;
}

int tests_run(const struct test *t, unsigned n, int argc, char **argv)
{
	unsigned failed = 0;

	for (unsigned i = 0; argc > 1 && i < n; i++)
		if (!strcmp(argv[1], t[i].name)) {
			sim_tracing = argc > 2;
			t[i].run();
			printf("ok - %s\n", t[i].name);
			return 0;
		}
	if (argc > 1) {
		fprintf(stderr, "no test named %s\n", argv[1]);
		return 2;
	}
	for (unsigned i = 0; i < n; i++) {
		bool ok = passes(&t[i]);

		printf("%s - %s\n", ok ? "ok" : "not ok", t[i].name);
		failed += !ok;
	}
	printf("%u passed, %u failed\n", n - failed, failed);
	return failed ? 1 : 0;
}
