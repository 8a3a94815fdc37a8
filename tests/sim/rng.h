/*
 * rng.h - seeded draws for tests: a hash of numbers, so that a draw can be
 * made out of order, and a stream of draws on top of it.
 */
#ifndef RUDP_TESTS_SIM_RNG_H
#define RUDP_TESTS_SIM_RNG_H

#include "base.h"

/* The finaliser of splitmix64: every bit of x matters to every bit out. */
static inline u64 rng_mix(u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static inline u64 rng_hash(u64 a, u64 b, u64 c)
{
	return rng_mix(rng_mix(rng_mix(a) ^ b) ^ c);
}

struct rng {
	u64 seed, n;
};

static inline u64 rng_next(struct rng *r)
{
	return rng_hash(r->seed, r->n++, 0);
}

/* 0 <= draw < n */
static inline u64 rng_below(struct rng *r, u64 n)
{
	return n ? rng_next(r) % n : 0;
}

/* lo <= draw <= hi */
static inline u64 rng_range(struct rng *r, u64 lo, u64 hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

static inline bool rng_chance(struct rng *r, u32 percent)
{
	return rng_below(r, 100) < percent;
}

/* Between lo and hi, each order of magnitude as likely as the next. */
static inline u64 rng_scale(struct rng *r, u64 lo, u64 hi)
{
	unsigned steps = 0;

	for (u64 v = lo ? lo : 1; v < hi; v *= 2)
		steps++;
	u64 top = (lo ? lo : 1) << rng_below(r, steps + 1);

	return rng_range(r, lo, min(max(top, lo), hi));
}

#endif
