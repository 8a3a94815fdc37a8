/* check_rudpstat_change.c - what rudpstat changes, what it refuses, and that
 * nonsense in shared memory costs it nothing. */
#include <sys/wait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "rudpstat_domain.h"

START_TEST(limits_are_set_as_one_or_not_at_all)
{
	struct mem_limits l;

	ck_assert_int_eq(run_here("--set mem='100 200 300' --set max_orphans=5"), 0);
	domain_limits(dom, &l);
	ck_assert_uint_eq(l.mem[2], 300);
	ck_assert_uint_eq(l.max_orphans, 5);

	ck_assert_int_eq(run_here("--set max_orphans=6 --set mem='300 200 100'"), 1);
	ck_assert_int_eq(run_here("--set max_orphans=6 --set mem=many"), 2);
	ck_assert_int_eq(run_here("--set max_orphans=1K"), 2);
	ck_assert_int_eq(run_here("--set notsent_lowat=0"), 1);
	domain_limits(dom, &l);
	ck_assert_uint_eq(l.mem[2], 300);
	ck_assert_uint_eq(l.max_orphans, 5);
}
END_TEST

START_TEST(reaping_returns_what_a_dead_process_held)
{
	s64 before = domain_allocated(dom);
	pid_t child = fork();

	if (!child) {			/* a family of its own, killed with pages charged */
		struct domain *d;
		struct arena *mine;
		struct mem_acct a;

		if (domain_attach(&d, name, NULL, false) || arena_create(&mine, d))
			_exit(1);
		mem_acct_init(&a, mine, OWNER_SOCK0 + 1, 1);
		if (!mem_alloc(&a, 64, MEM_SND, false))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	waitpid(child, NULL, 0);
	ck_assert_int_gt(domain_allocated(dom), before);
	ck_assert_int_eq(run_here("--reap"), 0);
	has("pages given back");
	ck_assert_int_eq(domain_allocated(dom), before);
}
END_TEST

/* ---- refusals and nonsense ------------------------------------------------------------------ */

START_TEST(what_is_not_there)
{
	ck_assert_int_eq(run("--domain no.such.domain"), 1);
	ck_assert_int_eq(run("--domain ../../etc/passwd"), 1);
	ck_assert_int_eq(run("--domain no.such.domain --reap"), 1);
	ck_assert_int_eq(run("--nonsense"), 2);
	ck_assert_int_eq(run("extra"), 2);
	ck_assert_int_eq(run("--kill"), 2);
	ck_assert_int_eq(run_here("--kill id 0123456789abcdef"), 1);	/* nobody drives it */
	ck_assert_int_eq(run("--watch </dev/null"), 1);
	ck_assert_int_eq(run("-h"), 0);
	ck_assert_int_eq(run("-V"), 0);
}
END_TEST

/* Who is wrong, and what would be right. */
START_TEST(errors_name_the_culprit_and_what_is_accepted)
{
	static const struct {
		const char *args, *culprit, *accepted;
		int status;
	} cases[] = {
		{ "--watch=0", "--watch 0:", "from 0.1 to 3600", 2 },
		{ "--watch 0", "--watch 0:", "from 0.1 to 3600", 2 },
		{ "--watch --json", "--watch", "no --json", 2 },
		{ "--trace xyz", "--trace xyz:", "16 hexadecimal digits", 2 },
		{ "--color red", "--color red:", "auto, always and never", 2 },
		{ "state here", "'state here'", "established, syn-sent", 2 },
		{ "dst 1.2.3.4/33", "'dst 1.2.3.4/33'", "ADDRESS[/BITS]", 2 },
		{ "sport", "'sport'", "1 to 65535", 2 },
		{ "colour red", "'colour'", "sport, dport, port, pid", 2 },
		{ "--set max_orphans=many", "--set max_orphans=many:", "accepted are", 2 },
		{ "--set mem=7", "--set mem=7:", "accepted are", 2 },
		{ "--set wmem=7", "--set wmem=7:", "accepted are", 2 },
		{ "--set colour=6", "--set colour=6:", "notsent_lowat", 2 },
		{ "--set mem", "--set mem:", "accepted are", 2 },
		{ "-d a/b", "domain a/b:", "1 to 47 letters", 1 },
		{ "-d nobody.made.this", "domain nobody.made.this:", "none by this name", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ck_assert_msg(run_here(cases[i].args) == cases[i].status, "%s: %s",
			      cases[i].args, output);
		has(cases[i].culprit);
		has(cases[i].accepted);
		ck_assert_msg(strlen(output) < 400, "%s", output);
	}
	ck_assert_int_eq(run("--set max_orphans=6"), 2);
	has("--domain NAME is needed");
}
END_TEST

/* Random bytes, half the rows made to look alive: the tool says something and
 * ends well. Run under sanitizers too. */
START_TEST(garbage_in_the_tables)
{
	u64 rng = 0x9e3779b97f4a7c15ULL + (u64)_i;
	u8 *p = (u8 *)&dom->arenas[1];
	size_t len = sizeof(dom->arenas) - sizeof(dom->arenas[0]);

	for (size_t i = 0; i < len; i++) {
		rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
		p[i] = (u8)rng;
	}
	for (unsigned i = 1; i < DOMAIN_ARENAS; i += 2) {
		dom->arenas[i].state = ROW_LIVE;
		dom->arenas[i].pid = dom->arenas[i].tid = getpid();
		dom->arenas[i].ctl_fd = (s32)(i % 16);
	}
	memset(dom->procs, _i, sizeof(dom->procs));
	for (unsigned i = 0; i < DOMAIN_PROCS; i += 2)
		dom->procs[i].pid = (s32)i;
	ck_assert_int_eq(run_here("-j"), 0);
	ck_assert_int_eq(run_here("-atmis"), 0);
	ck_assert_int_eq(run_here(""), 0);
	memset(p, 0, len);
	memset(dom->procs, 0, sizeof(dom->procs));
}
END_TEST

START_TEST(garbage_in_a_sock)
{
	u64 rng = 88172645463325252ULL + (u64)_i;
	struct sock *sk = arena_slot(ar, 2), saved = *sk;
	u8 *p = (u8 *)sk;

	for (size_t i = offsetof(struct sock, pending); i < sizeof(*sk); i++) {
		rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
		p[i] = (u8)rng;
	}
	ck_assert_int_eq(run_here("-j"), 0);
	ck_assert_int_eq(run_here("-atmi"), 0);
	ck_assert_int_eq(run_here("-atmi --prometheus"), 0);
	*sk = saved;
}
END_TEST

START_TEST(what_cannot_be_written_is_told)
{
	static const char *const views[] = { "", "-a", "-s", "-j", "--prometheus", "-h", "-V" };

	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		char args[64];

		snprintf(args, sizeof(args), "%s 2>&1 >/dev/full #", views[i]);
		ck_assert_msg(run_here(args) == 1, "%s: %s", views[i], output);
		has("could not be written");
	}
}
END_TEST

START_TEST(another_layout_is_refused)
{
	dom->version++;
	ck_assert_int_eq(run_here(""), 1);
	dom->version--;
	ck_assert_int_eq(run_here(""), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, limits_are_set_as_one_or_not_at_all);
	tcase_add_test(tc, reaping_returns_what_a_dead_process_held);
	tcase_add_test(tc, what_is_not_there);
	tcase_add_test(tc, errors_name_the_culprit_and_what_is_accepted);
	tcase_add_loop_test(tc, garbage_in_the_tables, 0, 8);
	tcase_add_loop_test(tc, garbage_in_a_sock, 0, 32);
	tcase_add_test(tc, what_cannot_be_written_is_told);
	tcase_add_test(tc, another_layout_is_refused);
}

int main(void)
{
	return run_tests("rudpstat changes", add);
}
