/* check_urgent.c - the mark: where reading stops, what is passed over. */
#include "core_pair.h"

static struct pair p;
static char buf[100];

static void setup(void)
{
	struct mem_limits l = bench_limits();

	pair_init(&p, &l);
	pair_connect(&p);
}

static void teardown(void)
{
	pair_fini(&p);
}

static void put(const char *text, bool urgent)
{
	size_t n = strlen(text);

	ck_assert_int_eq(conn_send(&p.a, text, n, false, p.now), n);
	if (urgent)
		conn_mark_urgent(&p.a);
	pair_settle(&p);
}

/* Reads up to n bytes: they are these. */
static void get(size_t n, int flags, const char *want)
{
	ssize_t got = conn_recv(&p.b, buf, n, flags, p.now);

	ck_assert_int_eq(got, strlen(want));
	ck_assert_mem_eq(buf, want, got);
	conn_check(&p.b);
}

START_TEST(reading_stops_and_goes_around)
{
	put("ab", false);
	put("c!", true);
	put("de", false);
	ck_assert(conn_ready(&p.b) & READY_PRI);
	ck_assert_uint_eq(conn_unread(&p.b), 3);
	get(100, MSG_PEEK, "abc");
	get(2, 0, "ab");
	ck_assert(!conn_at_mark(&p.b));
	get(100, 0, "c");
	ck_assert(conn_at_mark(&p.b));
	ck_assert(conn_ready(&p.b) & READY_IN);
	get(100, MSG_PEEK, "de");
	ck_assert_int_eq(conn_recv_urgent(&p.b, true), '!');
	ck_assert_int_eq(conn_recv_urgent(&p.b, false), '!');
	ck_assert_int_eq(conn_recv_urgent(&p.b, false), -EINVAL);
	ck_assert(!(conn_ready(&p.b) & READY_PRI));
	ck_assert(conn_at_mark(&p.b));
	get(100, 0, "de");
	ck_assert(!conn_at_mark(&p.b));
	ck_assert_int_eq(p.b.mem.rmem_alloc, 0);
}
END_TEST

START_TEST(alone_it_is_not_readable)
{
	put("!", true);
	ck_assert(conn_ready(&p.b) & READY_PRI);
	ck_assert(!(conn_ready(&p.b) & READY_IN));
	ck_assert_uint_eq(conn_unread(&p.b), 0);
	ck_assert_int_eq(conn_recv(&p.b, buf, 1, MSG_PEEK, p.now), -EAGAIN);
	ck_assert_int_eq(conn_recv_urgent(&p.b, true), '!');
	/* Reading passes it, and nobody gets it any more. */
	ck_assert_int_eq(conn_recv(&p.b, buf, 1, 0, p.now), -EAGAIN);
	ck_assert_int_eq(conn_recv_urgent(&p.b, false), -EINVAL);
	ck_assert_int_eq(p.b.mem.rmem_alloc, 0);
}
END_TEST

START_TEST(in_line)
{
	p.b.opts.oobinline = true;
	put("ab!", true);
	put("cd", false);
	ck_assert_int_eq(conn_recv_urgent(&p.b, false), -EINVAL);
	get(100, 0, "ab");
	ck_assert(conn_at_mark(&p.b));
	ck_assert(conn_ready(&p.b) & READY_PRI);
	get(100, 0, "!cd");
	ck_assert(!(conn_ready(&p.b) & READY_PRI));
}
END_TEST

START_TEST(a_newer_mark)
{
	put("1", true);
	put("2", true);		/* the first was next: it is gone */
	ck_assert_int_eq(conn_recv_urgent(&p.b, false), '2');
	put("a3", true);
	put("b4", true);	/* the third was not: it is data */
	ck_assert_int_eq(conn_recv_urgent(&p.b, false), '4');
	get(100, 0, "a3b");
}
END_TEST

static unsigned lost;

static bool drop_urgent(const struct wire_hdr *h, bool from_a)
{
	return from_a && h->flags & WF_URG && !lost++;
}

START_TEST(it_is_sent_again)
{
	lost = 0;
	p.drop = drop_urgent;
	put("ab!", true);
	put("cd", false);
	ck_assert(!(conn_ready(&p.b) & READY_PRI));
	pair_run(&p, USEC_PER_SEC);
	ck_assert_uint_ge(lost, 2);
	ck_assert_int_eq(conn_recv_urgent(&p.b, false), '!');
	get(100, 0, "ab");
	get(100, 0, "cd");
}
END_TEST

/* Not at a border of datagrams, and cut when it is sent again. */
START_TEST(at_the_end_of_much)
{
	static char big[10000];
	size_t done = 0;
	ssize_t n;

	lost = 0;
	p.drop = drop_urgent;
	ck_assert_int_eq(conn_send(&p.a, big, sizeof(big), false, p.now), sizeof(big));
	conn_mark_urgent(&p.a);
	pair_run(&p, USEC_PER_SEC);
	ck_assert(conn_ready(&p.b) & READY_PRI);
	while ((n = conn_recv(&p.b, buf, sizeof(buf), 0, p.now)) > 0 && !conn_at_mark(&p.b))
		done += (size_t)n;
	ck_assert_uint_eq(done + (size_t)n, sizeof(big) - 1);
}
END_TEST

START_TEST(with_the_end)
{
	put("a!", true);
	conn_shutdown(&p.a, SHUT_WR, p.now);
	pair_settle(&p);
	get(100, 0, "a");
	ck_assert_int_eq(conn_recv_urgent(&p.b, true), '!');
	ck_assert_int_eq(conn_recv(&p.b, buf, 1, 0, p.now), 0);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, reading_stops_and_goes_around);
	tcase_add_test(t, alone_it_is_not_readable);
	tcase_add_test(t, in_line);
	tcase_add_test(t, a_newer_mark);
	tcase_add_test(t, it_is_sent_again);
	tcase_add_test(t, at_the_end_of_much);
	tcase_add_test(t, with_the_end);
}

int main(void)
{
	return run_case("urgent", add_tests);
}
