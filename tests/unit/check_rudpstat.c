/*
 * check_rudpstat.c - the tool against a domain that this program makes: what
 * it prints, as text and as JSON, what it changes, and that nonsense in shared
 * memory costs it nothing.
 */
#include <arpa/inet.h>
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "mem/arena.h"
#include "mem/domain.h"
#include "rt/sock.h"

static char name[48], history[64];
static struct domain *dom;
static struct arena *ar;

/* ---- running the tool ----------------------------------------------------------- */

static char output[1 << 20];

static int run(const char *args)
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

static int run_here(const char *args)
{
	char all[256];

	snprintf(all, sizeof(all), "--domain %s %s", name, args);
	return run(all);
}

static void has_not(const char *text)
{
	ck_assert_msg(strstr(output, text) == NULL, "\"%s\" in:\n%s", text, output);
}

static json_t *run_json(void)
{
	json_error_t err;
	json_t *j;

	ck_assert_int_eq(run_here("-j"), 0);
	j = json_loads(output, 0, &err);
	ck_assert_msg(j != NULL, "%s", err.text);
	return j;
}

static void has(const char *text)
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

/* ---- text --------------------------------------------------------------------------- */

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

/* Prometheus: a name once, its samples together, each a number. */
START_TEST(prometheus_reads_every_view)
{
	static const char *const views[] = { "", "-s", "-am", "-ai", "-asmi" };
	char seen[1 << 16], *line, *save;

	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		char args[64], type[96] = "", *end;

		snprintf(args, sizeof(args), "--prometheus %s", views[i]);
		ck_assert_int_eq(run_here(args), 0);
		strcpy(seen, "\n");
		for (line = strtok_r(output, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			if (!strncmp(line, "# HELP ", 7))
				continue;
			if (sscanf(line, "# TYPE %90s", type) == 1) {
				strcat(type, "\n");
				ck_assert_msg(!strstr(seen, type), "%s twice", type);
				strcat(seen, type);
				type[strlen(type) - 1] = '\0';
				continue;
			}
			ck_assert_msg(!strncmp(line, type, strlen(type)) && line[strlen(type)] == '{',
				      "%s in %s", line, type);
			strtod(strrchr(line, ' ') + 1, &end);
			ck_assert_msg(!*end, "%s", line);
		}
	}
	ck_assert_int_eq(run_here("--prometheus"), 0);
	has("rudp_memory_limit_pages{domain=");
	has("limit=\"high\"} 2000\n");
	ck_assert_int_eq(run_here("--prometheus -s"), 0);
	has("\nrudp_tcp_rcv_q_drop_total{domain=");
}
END_TEST

/* ---- JSON ------------------------------------------------------------------------------ */

static s64 num(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	ck_assert_msg(json_is_integer(v), "no integer %s", key);
	return json_integer_value(v);
}

static void all_integers(const json_t *o, const char *const *keys)
{
	for (; *keys; keys++)
		num(o, *keys);
}

static void check_established(const json_t *c)
{
	const json_t *mem = json_object_get(c, "skmem"), *info = json_object_get(c, "info");

	ck_assert_str_eq(json_string_value(json_object_get(c, "id")), "0123456789abcdef");
	ck_assert_str_eq(json_string_value(json_object_get(c, "local")), "127.0.0.1:7001");
	ck_assert_str_eq(json_string_value(json_object_get(c, "peer")), "127.0.0.1:40001");
	ck_assert_int_eq(num(c, "pid"), getpid());
	ck_assert_int_eq(num(mem, "wmem_queued"), 768);
	ck_assert_int_eq(num(mem, "rmem_alloc"), 512);
	/* R2.1: whole pages */
	ck_assert_int_eq((num(mem, "wmem_queued") + num(mem, "rmem_alloc") +
			  num(mem, "forward_alloc")) % PAGE_BYTES, 0);
	ck_assert_int_eq(num(info, "srtt_us"), 12345);
	ck_assert_int_eq(num(info, "recv_q"), 500);
}

START_TEST(json_has_every_key)
{
	static const char *const memory[] = { "allocated", "low", "pressure", "high",
					      "page_size", NULL };
	static const char *const sockets[] = { "inuse", "orphan", "timewait", "alloc", NULL };
	static const char *const skmem[] = { "rmem_alloc", "rcvbuf", "wmem_alloc", "sndbuf",
		"forward_alloc", "wmem_queued", "optmem", "backlog", "drops", NULL };
	json_t *j = run_json(), *d = json_array_get(json_object_get(j, "domains"), 0), *o, *c;
	size_t i;

	ck_assert(json_is_string(json_object_get(j, "version")));
	ck_assert_uint_eq(json_array_size(json_object_get(j, "domains")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(d, "name")), name);
	ck_assert_int_eq(num(d, "uid"), getuid());
	o = json_object_get(d, "memory");
	all_integers(o, memory);
	ck_assert_int_eq(num(o, "high"), 2000);
	ck_assert_int_eq(num(o, "allocated"), domain_allocated(dom));
	ck_assert(json_is_false(json_object_get(o, "under_pressure")));
	ck_assert(json_is_real(json_object_get(o, "pressure_seconds")));
	o = json_object_get(d, "limits");
	ck_assert_uint_eq(json_array_size(json_object_get(o, "rmem")), 3);
	ck_assert_uint_eq(json_array_size(json_object_get(o, "wmem")), 3);
	num(o, "max_orphans");
	all_integers(json_object_get(d, "sockets"), sockets);
	ck_assert_int_eq(num(json_object_get(d, "sockets"), "alloc"), 3);
	ck_assert_int_eq(num(json_object_get(d, "sockets"), "inuse"), 3);
	o = json_array_get(json_object_get(d, "processes"), 0);
	ck_assert_int_eq(num(o, "pid"), getpid());
	ck_assert_int_eq(num(o, "sockets"), 3);
	ck_assert_int_eq(num(o, "charged"), domain_allocated(dom));
	ck_assert_uint_eq(json_array_size(json_object_get(d, "connections")), 3);
	json_array_foreach(json_object_get(d, "connections"), i, c)
		all_integers(json_object_get(c, "skmem"), skmem);
	check_established(json_array_get(json_object_get(d, "connections"), 1));
	ck_assert_uint_eq(json_object_size(json_object_get(d, "counters")), CNT_COUNT);
	ck_assert_int_eq(num(json_object_get(d, "counters"), "TCPRcvQDrop"), 7);
	json_decref(j);
}
END_TEST

/* As much of JSON Schema as the schema uses. */
static bool is_type(const json_t *v, const char *type)
{
	if (!strcmp(type, "number"))
		return json_is_number(v);
	return (!strcmp(type, "object") && json_is_object(v)) ||
	       (!strcmp(type, "array") && json_is_array(v)) ||
	       (!strcmp(type, "string") && json_is_string(v)) ||
	       (!strcmp(type, "integer") && json_is_integer(v)) ||
	       (!strcmp(type, "boolean") && json_is_boolean(v));
}

static void matches(json_t *schema, json_t *v, const char *where);

static void object_matches(json_t *schema, json_t *v, const char *where)
{
	json_t *props = json_object_get(schema, "properties"), *item;
	json_t *more = json_object_get(schema, "additionalProperties");
	const char *key;
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, item)
		ck_assert_msg(json_object_get(v, json_string_value(item)) != NULL, "%s lacks %s",
			      where, json_string_value(item));
	json_object_foreach(v, key, item) {
		json_t *s = json_object_get(props, key);

		ck_assert_msg(s || more, "%s.%s is not in the schema", where, key);
		matches(s ? s : more, item, key);
	}
}

static void matches(json_t *schema, json_t *v, const char *where)
{
	const json_t *least = json_object_get(schema, "minimum");
	json_t *words = json_object_get(schema, "enum"), *item;
	bool found = !words;
	size_t i;

	ck_assert_msg(is_type(v, json_string_value(json_object_get(schema, "type"))),
		      "%s has another type", where);
	ck_assert_msg(!least || json_number_value(v) >= json_number_value(least), "%s", where);
	json_array_foreach(words, i, item)
		found |= json_equal(item, v);
	ck_assert_msg(found, "%s is none of the words", where);
	if (json_is_object(v))
		object_matches(schema, v, where);
	json_array_foreach(v, i, item)
		matches(json_object_get(schema, "items"), item, where);
}

START_TEST(json_is_as_its_schema_says)
{
	const char *src = getenv("top_srcdir");
	char path[512];
	json_error_t err;
	json_t *schema, *j = run_json();

	snprintf(path, sizeof(path), "%s/src/rudpstat/rudpstat.schema.json", src ? src : ".");
	schema = json_load_file(path, 0, &err);
	ck_assert_msg(schema != NULL, "%s: %s", path, err.text);
	matches(schema, j, "rudpstat");
	json_decref(j);
	ck_assert_int_eq(run_here("-j -s"), 0);
	j = json_loads(output, 0, &err);
	matches(schema, j, "rudpstat");
	ck_assert_ptr_nonnull(json_object_get(json_array_get(json_object_get(j, "domains"), 0),
					      "counters_since"));
	json_decref(j);
	json_decref(schema);
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

/* ---- changing ---------------------------------------------------------------------------- */

START_TEST(limits_are_set_as_one_or_not_at_all)
{
	struct mem_limits l;

	ck_assert_int_eq(run_here("--set mem='100 200 300' --set max_orphans=5"), 0);
	domain_limits(dom, &l);
	ck_assert_uint_eq(l.mem[2], 300);
	ck_assert_uint_eq(l.max_orphans, 5);

	ck_assert_int_eq(run_here("--set max_orphans=6 --set mem='300 200 100'"), 1);
	ck_assert_int_eq(run_here("--set max_orphans=6 --set mem=many"), 2);
	ck_assert_int_eq(run_here("--set colour=6"), 2);
	ck_assert_int_eq(run("--set max_orphans=6"), 2);
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
	ck_assert_int_eq(run("--watch 0"), 2);
	ck_assert_int_eq(run("--watch </dev/null"), 1);
	ck_assert_int_eq(run("-h"), 0);
	ck_assert_int_eq(run("-V"), 0);
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

START_TEST(another_layout_is_refused)
{
	dom->version++;
	ck_assert_int_eq(run_here(""), 1);
	dom->version--;
	ck_assert_int_eq(run_here(""), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rudpstat");
	TCase *tc = tcase_create("domain");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, summary_tells_memory_and_processes);
	tcase_add_test(tc, sockets_read_like_ss);
	tcase_add_test(tc, states_are_those_of_ss);
	tcase_add_test(tc, filters_choose_sockets);
	tcase_add_test(tc, filters_refuse_nonsense);
	tcase_add_test(tc, counters_hide_zeros);
	tcase_add_test(tc, counters_since_the_last_call);
	tcase_add_test(tc, colours_on_a_terminal_alone);
	tcase_add_test(tc, prometheus_reads_every_view);
	tcase_add_test(tc, json_has_every_key);
	tcase_add_test(tc, json_is_as_its_schema_says);
	tcase_add_test(tc, pressure_is_told);
	tcase_add_test(tc, limits_are_set_as_one_or_not_at_all);
	tcase_add_test(tc, reaping_returns_what_a_dead_process_held);
	tcase_add_test(tc, what_is_not_there);
	tcase_add_loop_test(tc, garbage_in_the_tables, 0, 8);
	tcase_add_loop_test(tc, garbage_in_a_sock, 0, 32);
	tcase_add_test(tc, another_layout_is_refused);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
