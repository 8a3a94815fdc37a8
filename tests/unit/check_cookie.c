/*
 * check_cookie.c - SipHash-2-4 against the vectors of its authors: key 00..0f,
 * message 00, 01, .. of each length.
 */
#include <check.h>
#include "core/open.h"

START_TEST(reference_vectors)
{
	static const u64 want[] = {
		0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
		0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
		0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462,
		0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
		0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
		0xa129ca6149be45e5,
	};
	u8 key[16], msg[64];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = i;
	for (unsigned i = 0; i < sizeof(msg); i++)
		msg[i] = i;
	for (unsigned n = 0; n < ARRAY_SIZE(want); n++)
		ck_assert_uint_eq(siphash24(key, msg, n), want[n]);
	ck_assert_uint_eq(siphash24(key, msg, 63), 0x958a324ceb064572);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cookie");
	TCase *t = tcase_create("cookie");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, reference_vectors);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
