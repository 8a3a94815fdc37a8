/*
 * check_govern.c - the governor's public calls, over a domain of this test's.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <rudp/mem.h>

static char name[48];
static struct rudp_domain *d;
static struct rudp_account *a;

static void setup(void)
{
	static const unsigned long long pages[3] = { 100, 150, 200 };

	snprintf(name, sizeof(name), "check.govern.%d", getpid());
	ck_assert_int_eq(rudp_domain_open(&d, name), 0);
	ck_assert_int_eq(rudp_domain_set(d, pages), 0);
	a = rudp_account_new(d);
	ck_assert_ptr_nonnull(a);
}

static void teardown(void)
{
	char path[96];

	rudp_account_free(a);
	rudp_domain_close(d);
	snprintf(path, sizeof(path), "/rudp.%u.%s", (unsigned)getuid(), name);
	shm_unlink(path);
}

START_TEST(buffers_are_charged_and_given_back)
{
	char *b = rudp_buf_get(a, 5000, RUDP_SND);

	ck_assert_ptr_nonnull(b);
	memset(b, 7, 5000);
	ck_assert_uint_eq(rudp_account_used(a, RUDP_SND), 5120);	/* 20 units */
	ck_assert_uint_eq(rudp_account_used(a, RUDP_RCV), 0);
	ck_assert_uint_ge(rudp_domain_allocated(d), 2);
	rudp_buf_put(a, b, 5000, RUDP_SND);
	ck_assert_uint_eq(rudp_account_used(a, RUDP_SND), 0);
	ck_assert_ptr_null(rudp_buf_get(a, 0, RUDP_SND));
	ck_assert_ptr_null(rudp_buf_get(a, RUDP_BUF_MAX + 1, RUDP_SND));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(the_domain_refuses_and_force_does_not)
{
	void *bufs[64], *extra;
	unsigned n = 0, ms;

	rudp_account_set_buf(a, RUDP_RCV, 4 << 20);
	while (n < 64 && (bufs[n] = rudp_buf_get(a, RUDP_BUF_MAX, RUDP_RCV)))
		n++;
	ck_assert_uint_lt(n, 64);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_le(rudp_domain_allocated(d), 200);
	ck_assert(rudp_domain_under_pressure(d));
	extra = rudp_buf_force(a, 100, RUDP_RCV);
	ck_assert_ptr_nonnull(extra);
	ms = rudp_backoff_ms(a);
	ck_assert_uint_ge(ms, 2);
	ck_assert_uint_le(ms, 201);
	rudp_buf_put(a, extra, 100, RUDP_RCV);
	while (n--)
		rudp_buf_put(a, bufs[n], RUDP_BUF_MAX, RUDP_RCV);
	rudp_domain_tick(d);
	ck_assert(!rudp_domain_under_pressure(d));
}
END_TEST

START_TEST(own_limits)
{
	void *b;

	rudp_account_set_buf(a, RUDP_SND, 10000);		/* 20000 */
	ck_assert(rudp_may_send(a) && rudp_writeable(a));
	b = rudp_buf_get(a, 16384, RUDP_SND);
	ck_assert(rudp_may_send(a) && !rudp_writeable(a));	/* less than a third */
	rudp_buf_put(a, b, 16384, RUDP_SND);
	b = rudp_buf_get(a, 20224, RUDP_SND);
	ck_assert(!rudp_may_send(a));
	rudp_buf_put(a, b, 20224, RUDP_SND);
	ck_assert(rudp_writeable(a));
}
END_TEST

START_TEST(wrong_limits_are_refused)
{
	static const unsigned long long wrong[3] = { 300, 200, 100 };

	ck_assert_int_eq(rudp_domain_set(d, wrong), -EINVAL);
}
END_TEST

START_TEST(closing_gives_everything_back)
{
	struct rudp_domain *other;
	struct rudp_account *b;
	unsigned long long before = rudp_domain_allocated(d);

	ck_assert_int_eq(rudp_domain_open(&other, name), 0);
	b = rudp_account_new(other);
	rudp_buf_put(b, rudp_buf_get(b, RUDP_BUF_MAX, RUDP_SND), RUDP_BUF_MAX, RUDP_SND);
	rudp_account_free(b);
	rudp_domain_close(other);
	ck_assert_uint_eq(rudp_domain_allocated(d), before);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("govern");
	TCase *t = tcase_create("govern");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, buffers_are_charged_and_given_back);
	tcase_add_test(t, the_domain_refuses_and_force_does_not);
	tcase_add_test(t, own_limits);
	tcase_add_test(t, wrong_limits_are_refused);
	tcase_add_test(t, closing_gives_everything_back);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
