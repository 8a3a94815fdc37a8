/* rudpstat_domain.c - see rudpstat_domain.h. */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "rudpstat_domain.h"

char name[48], history[64];
struct domain *dom;
struct arena *ar;

/* ---- running the tool ----------------------------------------------------------- */

char output[OUTPUT_MAX];

int run(const char *args)
{
	char cmd[512];
	const char *top = getenv("top_builddir");
	size_t n;
	FILE *p;
	int status;

	snprintf(cmd, sizeof(cmd), "%s/src/rudpstat/rudpstat %s 2>&1", top ? top : ".", args);
	p = popen(cmd, "r");
	ck_assert_ptr_nonnull(p);
	n = fread(output, 1, sizeof(output) - 1, p);
	output[n] = '\0';
	status = pclose(p);
	ck_assert_msg(WIFEXITED(status), "%s: died: %s", cmd, output);
	return WEXITSTATUS(status);
}

int run_here(const char *args)
{
	char all[256];

	snprintf(all, sizeof(all), "--domain %s %s", name, args);
	return run(all);
}

void has_not(const char *text)
{
	ck_assert_msg(strstr(output, text) == NULL, "\"%s\" in:\n%s", text, output);
}

json_t *run_json(void)
{
	json_error_t err;
	json_t *j;

	ck_assert_int_eq(run_here("-j"), 0);
	j = json_loads(output, 0, &err);
	ck_assert_msg(j != NULL, "%s", err.text);
	return j;
}

void has(const char *text)
{
	ck_assert_msg(strstr(output, text) != NULL, "no \"%s\" in:\n%s", text, output);
}

/* ---- a domain with three socks ------------------------------------------------------ */

static struct sock *new_sock(enum sock_kind kind, u16 lport, u16 pport)
{
	u32 index, gen;
	struct sock *sk = arena_slot_get(ar, &index, &gen);

	ck_assert_ptr_nonnull(sk);
	mem_acct_init(&sk->conn.mem, ar, OWNER_SOCK0 + index, gen);
	sk->kind = kind;
	sk->local.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(lport),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	sk->peer.in = sk->local.in;
	sk->peer.in.sin_port = htons(pport);
	sk->conn.state = CONN_ESTABLISHED;
	return sk;
}

static void fill_socks(void)
{
	struct sock *sk;
	u32 index, gen;

	arena_slot_get(ar, &index, &gen);	/* slot 0 is the driver's */
	ck_assert_uint_eq(index, 0);

	sk = new_sock(SK_LISTENER, 7001, 0);
	sk->waiting = 3;
	sk->backlog_max = 128;

	sk = new_sock(SK_CONN, 7001, 40001);
	sk->conn.id = 0x0123456789abcdefULL;
	sk->conn.copied_seq = 1001;
	sk->conn.rcv_nxt = 1501;
	sk->conn.snd_una = 11;
	sk->conn.snd_nxt = 211;
	sk->conn.write_seq = 711;
	sk->conn.cwnd = 17;
	sk->conn.ssthresh = 9;
	sk->conn.rtt.srtt_us = 12345;
	sk->conn.ca_state = CA_RECOVERY;
	ck_assert_uint_ne(mem_alloc(&sk->conn.mem, 3, MEM_SND, false), MEM_NONE);
	ck_assert_uint_ne(mem_alloc(&sk->conn.mem, 2, MEM_RCV, false), MEM_NONE);

	sk = new_sock(SK_CONN, 40002, 80);
	sk->conn.state = CONN_FIN_WAIT1;
	sk->stale = 1;
}

static void setup(void)
{
	struct mem_limits l;
	int ctl, buf;

	snprintf(name, sizeof(name), "check.stat.%d", getpid());
	snprintf(history, sizeof(history), "/tmp/check.stat.%d.history", getpid());
	setenv("RUDPSTAT_HISTORY", history, 1);
	mem_limits_default(&l, 262144, 1ULL << 30);
	l.mem[0] = 1000;
	l.mem[1] = 1500;
	l.mem[2] = 2000;
	l.reserve = 1;
	ck_assert_int_eq(domain_attach(&dom, name, &l, true), 0);
	ck_assert_int_eq(arena_create(&ar, dom), 0);
	arena_fds(ar, &ctl, &buf);
	arena_publish(ar, getpid(), getpid(), ctl, buf);
	domain_proc_add(dom, arena_row(ar));
	fill_socks();
	domain_count(dom, CNT_TCPRcvQDrop, 7);
}

static void teardown(void)
{
	char path[96];

	arena_detach(ar);
	domain_detach(dom);
	snprintf(path, sizeof(path), "/rudp.%u.%s", (unsigned)getuid(), name);
	shm_unlink(path);
	unlink(history);
}

int run_tests(const char *what, void (*add)(TCase *tc))
{
	Suite *s = suite_create(what);
	TCase *tc = tcase_create("domain");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	add(tc);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
