/* check_rudpstat.c - what rudpstat prints for people, and which sockets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "rudpstat_domain.h"

START_TEST(summary_tells_memory_and_processes)
{
	char row[64];

	ck_assert_int_eq(run_here(""), 0);
	has(" of 2000 (7.8 MiB)");
	has("low 1000 (3.9 MiB)  pressure 1500 (5.9 MiB)  high 2000 (7.8 MiB)");
	has("pressure no");
	has("alloc 3");
	snprintf(row, sizeof(row), "%10d  check_rudpstat", getpid());
	has(row);
}
END_TEST

/* A domain that nobody uses is a name; the only one that is asked for is told. */
START_TEST(unused_domains_are_named)
{
	char other[DOMAIN_NAME_MAX + 8], args[256], want[80];
	struct domain *d;

	snprintf(other, sizeof(other), "%s.idle", name);
	ck_assert_int_eq(domain_attach(&d, other, NULL, false), 0);
	/* of all that this machine has, what is said of these two */
	snprintf(args, sizeof(args), "2>/dev/null | grep -e '^domain %s' -e '^not in use:' "
		 "-e ' %s'", name, other);
	ck_assert_int_eq(run(args), 0);
	snprintf(want, sizeof(want), "domain %s,", name);
	has(want);
	has("not in use:");
	has(other);
	snprintf(want, sizeof(want), "domain %s,", other);
	has_not(want);
	snprintf(args, sizeof(args), "-d %s", other);
	ck_assert_int_eq(run(args), 0);
	has(want);
	has("memory 0 pages");
	domain_detach(d);
	snprintf(want, sizeof(want), "/rudp.%u.%s", (unsigned)getuid(), other);
	shm_unlink(want);
}
END_TEST

START_TEST(sockets_read_like_ss)
{
	ck_assert_int_eq(run_here("-atmi"), 0);
	has("LISTEN     3        128               127.0.0.1:7001");
	has("ESTAB      500      700               127.0.0.1:7001         127.0.0.1:40001");
	has("FIN-WAIT-1");
	has("orphan");
	has("skmem:(r512,rb131072,t0,tb16384,f2816,w768,o0,bl0,d0)");
	has("rtt:12.345/");
	has("cwnd:17 ssthresh:9 ca_state:Recovery");
	has("notsent:500");
}
END_TEST

START_TEST(states_are_those_of_ss)
{
	ck_assert_int_eq(run_here("-t"), 0);
	has("ESTAB");
	has_not("LISTEN");
	ck_assert_int_eq(run_here("-l"), 0);
	has("LISTEN");
	has_not("ESTAB");
	ck_assert_int_eq(run_here("-a"), 0);
	has("LISTEN");
	has("ESTAB");
}
END_TEST

START_TEST(filters_choose_sockets)
{
	static const struct {
		const char *words;
		bool listener, estab, fin;
	} cases[] = {
		{ "state established", false, true, false },
		{ "state listening", true, false, false },
		{ "state listening state established", true, true, false },
		{ "exclude established", true, false, true },
		{ "-t sport :7001", false, true, false },
		{ "-a sport = 7001", true, true, false },
		{ "'( dport = 40001 )' or", false, false, false },	/* refused */
		{ "dport 40001", false, true, false },
		{ "-a port 80", false, false, true },
		{ "src 127.0.0.1:7001", false, true, false },
		{ "-a src 127.0.0.0/8", true, true, true },
		{ "-a src 128.0.0.0/1", false, false, false },
		{ "-a dst :http", false, false, true },
		{ "-a src ::1", false, false, false },
		{ "-a comm check_rudpstat", true, true, true },
		{ "-a comm nobody", false, false, false },
		{ "id 0123456789abcdef", false, true, false },
		{ "-a pid 1", false, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int ret = run_here(cases[i].words);

		if (strstr(cases[i].words, " or")) {
			ck_assert_int_eq(ret, 2);
			continue;
		}
		ck_assert_msg(!ret, "%s: %s", cases[i].words, output);
		ck_assert_msg(!strstr(output, "LISTEN") == !cases[i].listener &&
			      !strstr(output, "ESTAB") == !cases[i].estab &&
			      !strstr(output, "FIN-WAIT") == !cases[i].fin,
			      "%s:\n%s", cases[i].words, output);
	}
}
END_TEST

START_TEST(filters_refuse_nonsense)
{
	static const char *const bad[] = {
		"state", "state here", "sport 0", "sport 70000", "sport nosuchservice", "pid -1",
		"src 300.1.1.1", "src 1.2.3.4/33", "src [::1", "colour red", "id 0", "=",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(run_here(bad[i]) == 2, "%s", bad[i]);
}
END_TEST

START_TEST(counters_hide_zeros)
{
	ck_assert_int_eq(run_here("-sH"), 0);
	has("TCPRcvQDrop");
	has("segments dropped for want of room");
	has_not("TCPOFODrop");
	ck_assert_int_eq(run_here("-szH"), 0);
	has("TCPOFODrop");
}
END_TEST

START_TEST(counters_since_the_last_call)
{
	ck_assert_int_eq(run_here("-sn"), 0);
	has("TCPRcvQDrop                               7            7");
	ck_assert_int_eq(run_here("-s"), 0);	/* -n: that was no call */
	has("TCPRcvQDrop                               7            7");
	domain_count(dom, CNT_TCPRcvQDrop, 3);
	ck_assert_int_eq(run_here("-s"), 0);
	has("TCPRcvQDrop                              10            3");
	ck_assert_int_eq(run_here("-s"), 0);
	has("TCPRcvQDrop                              10            0");
	setenv("RUDPSTAT_HISTORY", "/nowhere/at/all", 1);
	ck_assert_int_eq(run_here("-s"), 0);
	has("TCPRcvQDrop                              10           10");
	setenv("RUDPSTAT_HISTORY", history, 1);
}
END_TEST

START_TEST(colours_on_a_terminal_alone)
{
	ck_assert_int_eq(run_here(""), 0);
	has_not("\033");
	ck_assert_int_eq(run_here("--color=always"), 0);
	has("\033[1m");
	ck_assert_int_eq(run_here("-j --color=always"), 0);
	has_not("\033");
	ck_assert_int_eq(run_here("--color=red"), 2);
}
END_TEST

START_TEST(pressure_is_told)
{
	json_t *j, *o;

	domain_enter_pressure(dom);
	j = run_json();
	o = json_object_get(json_array_get(json_object_get(j, "domains"), 0), "memory");
	ck_assert(json_is_true(json_object_get(o, "under_pressure")));
	json_decref(j);
	run_here("");
	has("pressure YES, for 0.");
	has(", entered 1 times");
	domain_leave_pressure(dom);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, summary_tells_memory_and_processes);
	tcase_add_test(tc, unused_domains_are_named);
	tcase_add_test(tc, sockets_read_like_ss);
	tcase_add_test(tc, states_are_those_of_ss);
	tcase_add_test(tc, filters_choose_sockets);
	tcase_add_test(tc, filters_refuse_nonsense);
	tcase_add_test(tc, counters_hide_zeros);
	tcase_add_test(tc, counters_since_the_last_call);
	tcase_add_test(tc, colours_on_a_terminal_alone);
	tcase_add_test(tc, pressure_is_told);
}

int main(void)
{
	return run_tests("rudpstat", add);
}
