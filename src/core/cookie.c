/*
 * cookie.c - SipHash-2-4 (Aumasson, Bernstein 2012): a short keyed hash that
 * nobody without the key can predict. It makes a listener's connection ids.
 */
#include <string.h>
#include "core/open.h"

struct sip {
	u64 v0, v1, v2, v3;
};

static u64 rotl(u64 x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static u64 load_le(const u8 *p, size_t n)
{
	u64 v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static void sip_rounds(struct sip *s, unsigned n)
{
	while (n--) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 = rotl(s->v2, 32);
	}
}

static void sip_word(struct sip *s, u64 m)
{
	s->v3 ^= m;
	sip_rounds(s, 2);
	s->v0 ^= m;
}

u64 siphash24(const u8 key[16], const void *data, size_t len)
{
	u64 k0 = load_le(key, 8), k1 = load_le(key + 8, 8);
	struct sip s = {		/* "somepseudorandomlygeneratedbytes" */
		k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL,
		k0 ^ 0x6c7967656e657261ULL, k1 ^ 0x7465646279746573ULL,
	};
	const u8 *p = data;
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8)
		sip_word(&s, load_le(p, 8));
	sip_word(&s, load_le(p, left) | (u64)(len & 0xff) << 56);
	s.v2 ^= 0xff;
	sip_rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
