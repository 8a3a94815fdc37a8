/*
 * check_seg.c - segments against a model: a plain copy of the bytes. Whatever
 * is appended, cut and trimmed, the bytes stay right and the account exact.
 */
#include "core_rcv.h"

static struct domain *d;
static struct arena *ar;
static struct mem_acct a;
static u8 bytes[1 << 17];
static u64 rng = 88172645463325252ULL;

static u32 rnd(u32 n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % n;
}

static void setup(void)
{
	struct mem_limits l = bench_limits();

	d = domain_private(&l);
	ck_assert_int_eq(arena_create_private(&ar, d, 4096, 4, 4096), 0);
	mem_acct_init(&a, ar, OWNER_SOCK0, 1);
	for (u32 i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(i);
}

static void teardown(void)
{
	ck_assert_int_eq(a.wmem_queued, 0);
	mem_acct_fini(&a);
	ck_assert_int_eq(domain_allocated(d), 0);
	arena_destroy_private(ar);
	domain_detach(d);
}

/* s holds the stream's bytes from its seq on. */
static void verify(const struct seg *s)
{
	static u8 out[1 << 17];
	u32 frags = 0;

	for (unsigned i = 0; i < s->nfrags; i++)
		frags += s->frag[i].len;
	ck_assert_uint_eq(frags, s->len);
	seg_copy(&a, s, 0, out, s->len);
	ck_assert_int_eq(memcmp(out, bytes + s->seq, s->len), 0);
	if (s->len > 3) {
		u32 off = rnd(s->len - 2), n = 1 + rnd(s->len - off);

		seg_copy(&a, s, off, out, n);
		ck_assert_int_eq(memcmp(out, bytes + s->seq + off, n), 0);
	}
}

static struct seg *filled(u64 seq, u32 len)
{
	struct seg *s = seg_new(&a, seq, MEM_SND, false);

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(seg_append(&a, s, bytes + seq, len, len), len);
	return s;
}

START_TEST(truesize_is_a_unit_and_its_bytes_in_units)
{
	struct seg *s = seg_new(&a, 0, MEM_SND, false);

	ck_assert_uint_eq(seg_truesize(s), 256);
	seg_append(&a, s, bytes, 1, 65536);
	ck_assert_uint_eq(seg_truesize(s), 512);
	seg_append(&a, s, bytes + 1, 255, 65536);	/* fits: costs nothing */
	ck_assert_uint_eq(seg_truesize(s), 512);
	seg_append(&a, s, bytes + 256, 1, 65536);
	ck_assert_uint_eq(seg_truesize(s), 768);
	ck_assert_int_eq(a.wmem_queued, 768);
	verify(s);
	seg_free(&a, s);
}
END_TEST

START_TEST(append_respects_max_len)
{
	struct seg *s = filled(0, 900);

	ck_assert_uint_eq(seg_append(&a, s, bytes + 900, 500, 1000), 100);
	ck_assert_uint_eq(seg_append(&a, s, bytes + 1000, 500, 1000), 0);
	verify(s);
	seg_free(&a, s);
}
END_TEST

START_TEST(a_datagram_of_64k_is_one_run)
{
	struct seg *s = filled(0, 65459);

	ck_assert_uint_eq(s->nfrags, 1);
	seg_free(&a, s);
}
END_TEST

START_TEST(split_gives_the_boundary_unit_to_the_second_half)
{
	struct seg *s = filled(0, 1000), *n = seg_split(&a, s, 700);

	ck_assert_uint_eq(s->frag[0].units, 2);		/* 512 of 700 bytes */
	ck_assert_uint_eq(n->frag[0].units, 2);
	ck_assert_uint_eq(n->seq, 700);
	ck_assert_uint_eq(n->len, 300);
	seg_free(&a, s);
	verify(n);
	seg_free(&a, n);
}
END_TEST

START_TEST(split_inside_one_unit)
{
	struct seg *s = filled(0, 200), *n = seg_split(&a, s, 50);
	struct seg *m = seg_split(&a, n, 50);

	ck_assert_uint_eq(s->frag[0].units + n->frag[0].units, 0);
	verify(s);
	verify(n);
	seg_free(&a, s);
	seg_free(&a, n);
	verify(m);
	seg_free(&a, m);
}
END_TEST

START_TEST(fin_and_push_move_to_the_second_half)
{
	struct seg *s = filled(0, 1000), *n;

	s->flags = SEG_FIN | SEG_PSH | SEG_LOST;
	n = seg_split(&a, s, 400);
	ck_assert_uint_eq(s->flags, SEG_LOST);
	ck_assert_uint_eq(n->flags, SEG_FIN | SEG_PSH | SEG_LOST);
	ck_assert_uint_eq(seg_end(n), 1001);
	seg_free(&a, s);
	seg_free(&a, n);
}
END_TEST

START_TEST(trimming_all_but_fin)
{
	struct seg *s = filled(0, 1000);

	s->flags = SEG_FIN;
	seg_trim_head(&a, s, 1000);
	ck_assert_uint_eq(s->len, 0);
	ck_assert_uint_eq(seg_truesize(s), 256);
	ck_assert_uint_eq(seg_end(s), 1001);
	seg_free(&a, s);
}
END_TEST

/* A chain as the send queue keeps it: grown at the end, cut anywhere, freed
 * and trimmed at the front. */
START_TEST(random_chain)
{
	struct seg *chain[64];
	unsigned n = 0;
	u64 end = 0;

	rng += (u64)_i * 977;
	for (int step = 0; step < 400; step++) {
		unsigned k = n ? rnd(n) : 0;

		switch (rnd(5)) {
		case 0:
			if (n < 60 && end < 60000)
				chain[n++] = seg_new(&a, end, MEM_SND, false);
			break;
		case 1:
			if (n && end < 120000)
				end += seg_append(&a, chain[n - 1], bytes + end, 1 + rnd(5000),
						  65536);
			break;
		case 2:
			if (n && n < 60 && chain[k]->len > 1) {
				struct seg *s = seg_split(&a, chain[k],
							  1 + rnd(chain[k]->len - 1));

				memmove(&chain[k + 2], &chain[k + 1], (n - k - 1) * sizeof(s));
				chain[k + 1] = s;
				n++;
			}
			break;
		case 3:
			if (n && chain[0]->len > 1)
				seg_trim_head(&a, chain[0], 1 + rnd(chain[0]->len - 1));
			break;
		case 4:
			if (n > 1) {
				seg_free(&a, chain[0]);
				memmove(chain, chain + 1, --n * sizeof(chain[0]));
			}
			break;
		}
		for (unsigned i = 0; i < n; i++)
			verify(chain[i]);
		ck_assert(mem_acct_check(&a));
	}
	for (unsigned i = 0; i < n; i++)
		seg_free(&a, chain[i]);
}
END_TEST

START_TEST(trim_tail_frees_what_is_behind)
{
	for (u32 len = 0; len <= 3000; len += 271) {
		struct seg *s = filled(0, 3000);

		seg_trim_tail(&a, s, len);
		verify(s);
		ck_assert_uint_eq(seg_truesize(s), 256 + (len + 255) / 256 * 256);
		seg_free(&a, s);
	}
}
END_TEST

static void add(TCase *t)
{
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, truesize_is_a_unit_and_its_bytes_in_units);
	tcase_add_test(t, append_respects_max_len);
	tcase_add_test(t, a_datagram_of_64k_is_one_run);
	tcase_add_test(t, split_gives_the_boundary_unit_to_the_second_half);
	tcase_add_test(t, split_inside_one_unit);
	tcase_add_test(t, fin_and_push_move_to_the_second_half);
	tcase_add_test(t, trimming_all_but_fin);
	tcase_add_loop_test(t, random_chain, 0, 20);
	tcase_add_test(t, trim_tail_frees_what_is_behind);
}

int main(void)
{
	return run_case("seg", add);
}
