/*
 * check_wire.c - the packet's layout: what is written is read back, and what
 * is malformed is refused, whatever its lengths say.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "core/wire.h"

static struct wire_hdr full_header(void)
{
	struct wire_hdr h = {
		.flags = WF_ACK | WF_PSH, .nsack = 3, .has_open = true, .has_dsack = true,
		.dst_id = 0x1122334455667788, .seq = 77, .ack = 1000000,
		.wnd = 65536, .ts = 0xfffffff0, .ts_ecr = 17, .credit = 4096,
		.sack = { { 1000010, 1000020 }, { 1000030, 1000031 }, { 2000000, 3000000 } },
		.dsack = { 5, 6 },
		.open = { 1472, 0x99aabbccddeeff00, 123456789 },
	};

	return h;
}

START_TEST(round_trip)
{
	struct wire_hdr h = full_header(), r;
	u8 pkt[WIRE_HDR_MAX + 100] = { 0 };
	unsigned n = wire_encode(pkt, &h, WIRE_HDR_MAX);

	ck_assert_uint_eq(n, WIRE_HDR + 36 + 20 + 4 + 24);
	ck_assert(wire_decode(&r, pkt, n + 100));
	ck_assert_uint_eq(r.len, n);
	ck_assert_uint_eq(r.flags, h.flags);
	ck_assert_uint_eq(r.dst_id, h.dst_id);
	ck_assert_uint_eq(r.seq, h.seq);
	ck_assert_uint_eq(r.ack, h.ack);
	ck_assert_uint_eq(r.wnd, h.wnd);
	ck_assert_uint_eq(r.ts, h.ts);
	ck_assert_uint_eq(r.ts_ecr, h.ts_ecr);
	ck_assert_uint_eq(r.credit, h.credit);
	ck_assert_uint_eq(r.nsack, 3);
	ck_assert_mem_eq(r.sack, h.sack, 3 * sizeof(h.sack[0]));
	ck_assert(r.has_open && r.has_dsack);
	ck_assert_mem_eq(&r.dsack, &h.dsack, sizeof(h.dsack));
	ck_assert_uint_eq(r.open.dgram_max, 1472);
	ck_assert_uint_eq(r.open.src_id, h.open.src_id);
	ck_assert_uint_eq(r.open.cookie_time, h.open.cookie_time);
}
END_TEST

START_TEST(layout_is_the_documented_one)
{
	struct wire_hdr h = { .flags = WF_ACK, .dst_id = 1, .seq = 2, .ack = 3, .wnd = 4,
			      .ts = 5, .ts_ecr = 6, .credit = 7 };
	static const u8 want[WIRE_HDR] = {
		0xb1, 2, 0, 48, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3,
		0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7,
	};
	u8 pkt[WIRE_HDR_MAX];

	ck_assert_uint_eq(wire_encode(pkt, &h, WIRE_HDR_MAX), WIRE_HDR);
	ck_assert_mem_eq(pkt, want, WIRE_HDR);
}
END_TEST

START_TEST(options_are_cut_to_what_fits)
{
	struct wire_hdr h = full_header(), r;
	u8 pkt[WIRE_HDR_MAX];

	/* A data packet: OPEN alone fills its 40 bytes. */
	ck_assert_uint_eq(wire_encode(pkt, &h, WIRE_HDR_DATA_MAX), WIRE_HDR + 36);
	h.has_open = false;		/* D-SACK and two blocks */
	ck_assert_uint_eq(wire_encode(pkt, &h, WIRE_HDR_DATA_MAX), WIRE_HDR + 40);
	ck_assert(wire_decode(&r, pkt, WIRE_HDR + 40));
	ck_assert_uint_eq(r.nsack, 2);
	h.has_dsack = false;
	h.nsack = 4;
	h.sack[3] = (struct sack_block){ 4000000, 4000001 };
	ck_assert_uint_eq(wire_encode(pkt, &h, WIRE_HDR_DATA_MAX), WIRE_HDR + 36);
	h.sack[0].end = h.ack + (1ULL << 32);	/* too far away to be said */
	ck_assert_uint_eq(wire_encode(pkt, &h, WIRE_HDR_DATA_MAX), WIRE_HDR + 28);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	struct wire_hdr h = full_header(), r;
	u8 pkt[WIRE_HDR_MAX];
	unsigned n = wire_encode(pkt, &h, WIRE_HDR_MAX);

	for (unsigned len = 0; len < n; len++) {
		u8 *exact = malloc(len + 1);	/* so that a sanitizer sees overreads */

		memcpy(exact, pkt, len);
		ck_assert(!wire_decode(&r, exact, len));
		ck_assert(!wire_sum_ok(exact, len, 0));
		free(exact);
	}
}
END_TEST

static bool decodes_with(unsigned at, u8 v)
{
	struct wire_hdr h = full_header(), r;
	u8 pkt[WIRE_HDR_MAX];
	unsigned n = wire_encode(pkt, &h, WIRE_HDR_MAX);

	pkt[at] = v;
	return wire_decode(&r, pkt, n);
}

START_TEST(malformed_is_refused)
{
	ck_assert(!decodes_with(0, 0xb2));		/* another version */
	ck_assert(!decodes_with(0, 0x11));
	ck_assert(!decodes_with(3, 44));		/* shorter than a header */
	ck_assert(!decodes_with(3, 133));		/* not a multiple of 4 */
	ck_assert(!decodes_with(3, 136));		/* longer than the packet */
	ck_assert(!decodes_with(2, 1));
	ck_assert(!decodes_with(WIRE_HDR + 1, 0));	/* would never end */
	ck_assert(!decodes_with(WIRE_HDR + 1, 2));
	ck_assert(!decodes_with(WIRE_HDR + 1, 38));
	ck_assert(!decodes_with(WIRE_HDR + 1, 32));	/* OPEN is 36 */
	ck_assert(!decodes_with(WIRE_HDR + 36 + 1, 16));	/* D-SACK is 20 */
	ck_assert(!decodes_with(WIRE_HDR + 36, WIRE_OPT_OPEN));
	ck_assert(!decodes_with(WIRE_HDR + 56 + 1, 24));	/* SACK is 4 + 8n */
	ck_assert(!decodes_with(16, 0x80));		/* offsets never wrap */
	ck_assert(!decodes_with(24, 0x80));
	ck_assert(decodes_with(WIRE_HDR + 36, 99));	/* unknown: skipped */
}
END_TEST

START_TEST(senseless_blocks_are_skipped)
{
	struct wire_hdr h = { .flags = WF_ACK, .nsack = 1, .ack = 10, .sack = { { 20, 30 } } }, r;
	u8 pkt[WIRE_HDR_MAX];
	unsigned n = wire_encode(pkt, &h, WIRE_HDR_MAX);

	pkt[WIRE_HDR + 7] = 20;			/* start == end */
	ck_assert(wire_decode(&r, pkt, n));
	ck_assert_uint_eq(r.nsack, 0);
}
END_TEST

/* Any way to cut the payload gives the same sum, and every bit counts. */
START_TEST(checksum)
{
	struct wire_hdr h = full_header();
	u64 seed = wire_seed(1, 2);
	u8 pkt[3000];
	unsigned n = wire_encode(pkt, &h, WIRE_HDR_MAX);

	for (unsigned i = n; i < sizeof(pkt); i++)
		pkt[i] = i * 31;
	for (unsigned len = n; len < sizeof(pkt); len += 97) {
		unsigned body = len - n, cut = body / 3;
		struct iovec one = { pkt + n, body };
		struct iovec two[2] = { { pkt + n, cut }, { pkt + n + cut, body - cut } };
		u8 sum[4];

		wire_sum(pkt, n, &one, 1, seed);
		ck_assert(wire_sum_ok(pkt, len, seed));
		memcpy(sum, pkt + 4, 4);
		wire_sum(pkt, n, two, body ? 2 : 0, seed);
		ck_assert_mem_eq(sum, pkt + 4, 4);
		ck_assert(!wire_sum_ok(pkt, len, seed + 1));
		pkt[len - 1] ^= 1;
		ck_assert(!wire_sum_ok(pkt, len, seed));
		pkt[len - 1] ^= 1;
		pkt[20] ^= 128;
		ck_assert(!wire_sum_ok(pkt, len, seed));
		pkt[20] ^= 128;
	}
}
END_TEST

START_TEST(seed_knows_no_order)
{
	ck_assert(wire_seed(1, 2) == wire_seed(2, 1));
	ck_assert(wire_seed(1, 2) != wire_seed(1, 3));
	ck_assert(wire_seed(1, 0) != wire_seed(2, 0));
	ck_assert(wire_seed(1, 4) != wire_seed(2, 3));
}
END_TEST

START_TEST(peek)
{
	struct wire_hdr h = full_header();
	u8 pkt[WIRE_HDR_MAX], flags;
	u64 id;

	wire_encode(pkt, &h, WIRE_HDR_MAX);
	ck_assert(wire_peek(pkt, WIRE_HDR, &id, &flags));
	ck_assert_uint_eq(id, h.dst_id);
	ck_assert_uint_eq(flags, h.flags);
	ck_assert(!wire_peek(pkt, WIRE_HDR - 1, &id, &flags));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire");
	TCase *t = tcase_create("wire");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, round_trip);
	tcase_add_test(t, layout_is_the_documented_one);
	tcase_add_test(t, options_are_cut_to_what_fits);
	tcase_add_test(t, every_truncation_is_refused);
	tcase_add_test(t, malformed_is_refused);
	tcase_add_test(t, senseless_blocks_are_skipped);
	tcase_add_test(t, checksum);
	tcase_add_test(t, seed_knows_no_order);
	tcase_add_test(t, peek);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
