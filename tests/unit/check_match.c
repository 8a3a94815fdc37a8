/* check_match.c - which connections are carried, by rules (RUDP_MATCH). */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "rt/match.h"
#include "rt/sock.h"

static struct match m;

static bool plain(const char *addr, u16 port)
{
	union sock_addr a = { .sa = { .sa_family = strchr(addr, ':') ? AF_INET6 : AF_INET } };

	if (a.sa.sa_family == AF_INET6) {
		ck_assert_int_eq(inet_pton(AF_INET6, addr, &a.in6.sin6_addr), 1);
		a.in6.sin6_port = htons(port);
	} else {
		ck_assert_int_eq(inet_pton(AF_INET, addr, &a.in.sin_addr), 1);
		a.in.sin_port = htons(port);
	}
	return match_plain(&m, &a.sa);
}

static void rules(const char *s)
{
	ck_assert_msg(match_parse(&m, s), "%s", s);
}

START_TEST(without_rules_all_is_carried)
{
	m = (struct match){ .n = 0 };
	ck_assert(!plain("10.0.0.1", 80));
}
END_TEST

START_TEST(what_is_named_is_carried_alone)
{
	rules("10.0.0.0/8, 192.168.1.1:80-90 [fd00::]/8 :6379");
	ck_assert(!plain("10.255.0.1", 1));
	ck_assert(plain("11.0.0.1", 1));
	ck_assert(plain("192.168.1.1", 79));
	ck_assert(!plain("192.168.1.1", 80));
	ck_assert(!plain("192.168.1.1", 90));
	ck_assert(plain("192.168.1.1", 91));
	ck_assert(plain("192.168.1.2", 80));
	ck_assert(!plain("fd12::1", 5));
	ck_assert(plain("fe80::1", 5));
	ck_assert(!plain("fe80::1", 6379));
	ck_assert(!plain("::ffff:10.1.1.1", 5));
}
END_TEST

START_TEST(all_but_what_is_excepted)
{
	rules("!*:53 !127.0.0.0/8 ![::1]");
	ck_assert(plain("127.1.2.3", 80));
	ck_assert(plain("::1", 80));
	ck_assert(plain("10.0.0.1", 53));
	ck_assert(plain("2001:db8::1", 53));
	ck_assert(!plain("10.0.0.1", 54));
	ck_assert(!plain("::2", 80));
}
END_TEST

START_TEST(the_first_that_holds)
{
	rules("!10.1.0.0/16 10.0.0.0/8");
	ck_assert(plain("10.1.0.1", 1));
	ck_assert(!plain("10.2.0.1", 1));
	rules("10.0.0.0/8 !10.1.0.0/16");
	ck_assert(!plain("10.1.0.1", 1));
	rules("0.0.0.0/0");
	ck_assert(!plain("1.2.3.4", 1));
	ck_assert(plain("2001::", 1));
	rules("1.2.3.0/25");
	ck_assert(!plain("1.2.3.127", 1));
	ck_assert(plain("1.2.3.128", 1));
}
END_TEST

START_TEST(nonsense_is_refused)
{
	static const char *const bad[] = {
		"", " ", ",", "!", "10", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.1:",
		"10.0.0.1:x", "10.0.0.1:1-", "10.0.0.1:2-1", "10.0.0.1:65536", ":", ":-1", "fd00::",
		"[fd00::]/129", "[fd00::", "fd00::]", "[]", "[", "]", "localhost", "*/8", "!!*", "* x",
		"/", "10.0.0.1/8/8", "[10.0.0.1]", "1.2.3.4:80:80", "*:", "*:1,:",
	};
	char many[8192] = "";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!match_parse(&m, bad[i]), "'%s'", bad[i]);
	for (int i = 0; i < MATCH_RULES; i++)
		strcat(many, "*:80 ");
	ck_assert(match_parse(&m, many));
	strcat(many, "*");
	ck_assert(!match_parse(&m, many));
	memset(many, '1', 200);
	ck_assert(!match_parse(&m, many));
}
END_TEST

/* Whatever the text is, it is read or refused. */
START_TEST(any_text)
{
	static const char some[] = "0123456789.:/[]!*-, fxd";
	char text[64];

	srandom(1);
	for (int i = 0; i < 200000; i++) {
		size_t len = (size_t)random() % sizeof(text);

		for (size_t j = 0; j < len; j++)
			text[j] = some[(size_t)random() % (sizeof(some) - 1)];
		text[len < sizeof(text) ? len : sizeof(text) - 1] = '\0';
		if (match_parse(&m, text))
			plain("10.0.0.1", 80);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("match");
	TCase *tc = tcase_create("match");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(tc, without_rules_all_is_carried);
	tcase_add_test(tc, what_is_named_is_carried_alone);
	tcase_add_test(tc, all_but_what_is_excepted);
	tcase_add_test(tc, the_first_that_holds);
	tcase_add_test(tc, nonsense_is_refused);
	tcase_add_test(tc, any_text);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
