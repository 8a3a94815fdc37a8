/*
 * link.c - the network's dice. Each question about a packet has a draw of its
 * own (enum draw), so that turning one effect on leaves the others alone.
 */
#include <stdlib.h>
#include <string.h>
#include "link.h"
#include "rng.h"

enum draw {
	DRAW_LOSS = 1, DRAW_BURST, DRAW_JITTER, DRAW_REORDER, DRAW_DUP, DRAW_DUP_LAG,
	DRAW_CORRUPT, DRAW_FLIP, DRAW_CORRUPT2, DRAW_FLIP2,
};

#define PPM 1000000

static u64 draw(const struct link *l, enum draw what)
{
	return rng_hash(l->p.seed, l->n, (u64)what << 8 | l->dir);
}

static bool happens(const struct link *l, enum draw what, u32 ppm)
{
	return ppm && draw(l, what) % PPM < ppm;
}

void link_init(struct link *l, const struct link_params *p, unsigned dir)
{
	*l = (struct link){ .p = *p, .dir = dir };
}

static bool lost(struct link *l, usec_t now)
{
	if (l->in_burst)
		l->in_burst = draw(l, DRAW_BURST) % max(l->p.burst_len, 1u) != 0;
	else
		l->in_burst = happens(l, DRAW_BURST, l->p.burst_ppm);
	if (now >= l->p.down_from && now < l->p.down_until)
		return true;
	return l->in_burst || happens(l, DRAW_LOSS, l->p.loss_ppm);
}

/* Through the queue onto the wire. False: the queue is full. */
static bool transmit(struct link *l, size_t len, usec_t now, usec_t *left)
{
	*left = now;
	if (!l->p.rate)
		return true;
	usec_t start = max(now, l->busy_until);
	u64 waiting = (start - now) * l->p.rate / USEC_PER_SEC;

	if (l->p.queue_bytes && waiting && waiting + len > l->p.queue_bytes)
		return false;
	l->busy_until = start + len * USEC_PER_SEC / l->p.rate;
	*left = l->busy_until;
	return true;
}

static usec_t arrival(struct link *l, usec_t left)
{
	usec_t at = left + l->p.delay_us;

	if (l->p.jitter_us)
		at += draw(l, DRAW_JITTER) % (l->p.jitter_us + 1);
	if (happens(l, DRAW_REORDER, l->p.reorder_ppm)) {
		l->reordered++;
		return at + l->p.reorder_us;
	}
	l->last_at = max(at, l->last_at);
	return l->last_at;
}

static u32 corruption(struct link *l, enum draw whether, enum draw where)
{
	if (!happens(l, whether, l->p.corrupt_ppm))
		return 0;
	l->corrupted++;
	return (u32)draw(l, where) | 1;
}

void link_send(struct link *l, size_t len, usec_t now, struct link_fate *f)
{
	usec_t left;

	*f = (struct link_fate){ 0 };
	l->n++;
	if (lost(l, now)) {
		l->lost++;
		return;
	}
	if (!transmit(l, len, now, &left)) {
		l->overflowed++;
		return;
	}
	f->copies = 1;
	f->at[0] = arrival(l, left);
	f->flip[0] = corruption(l, DRAW_CORRUPT, DRAW_FLIP);
	if (happens(l, DRAW_DUP, l->p.dup_ppm)) {
		l->duplicated++;
		f->copies = 2;
		f->at[1] = f->at[0] + draw(l, DRAW_DUP_LAG) % (l->p.delay_us + 1000);
		f->flip[1] = corruption(l, DRAW_CORRUPT2, DRAW_FLIP2);
	}
}

void link_corrupt(u8 *pkt, size_t len, u32 flip)
{
	unsigned bits = 1 + (flip >> 8) % 4;

	for (unsigned i = 0; len && i < bits; i++) {
		u64 bit = rng_hash(flip, i, 0) % (len * 8);

		pkt[bit / 8] ^= (u8)(1 << (bit % 8));
	}
}

/* ---- the text form ------------------------------------------------------- */

/* A number with a unit out of `units`, scaled. */
struct unit {
	const char *name;
	double factor;
};

static const struct unit shares[] = { { "%", 1e4 }, { "ppm", 1 }, { "", 1e6 }, { 0 } };
static const struct unit times[] = { { "us", 1 }, { "ms", 1e3 }, { "s", 1e6 }, { 0 } };
static const struct unit rates[] = {
	{ "kbit", 125 }, { "mbit", 125e3 }, { "gbit", 125e6 }, { "", 1 }, { 0 } };
static const struct unit sizes[] = { { "", 1 }, { "k", 1024 }, { "m", 1048576 }, { 0 } };

static bool number(const char *s, const char *end, const struct unit *u, double *out)
{
	char *stop;
	double v = strtod(s, &stop);

	if (stop == s || v < 0)
		return false;
	for (; u->name; u++)
		if (strlen(u->name) == (size_t)(end - stop) &&
		    !memcmp(stop, u->name, (size_t)(end - stop))) {
			*out = v * u->factor;
			return true;
		}
	return false;
}

static bool number_u32(const char *s, const char *end, const struct unit *u, u32 *out)
{
	double v;

	if (!number(s, end, u, &v) || v > UINT32_MAX)
		return false;
	*out = (u32)v;
	return true;
}

static bool burst(struct link_params *p, const char *s, const char *end)
{
	const char *slash = memchr(s, '/', (size_t)(end - s));

	return slash && number_u32(s, slash, shares, &p->burst_ppm) &&
	       number_u32(slash + 1, end, sizes, &p->burst_len) && p->burst_len;
}

static bool setting(struct link_params *p, const char *key, size_t klen, const char *s,
		    const char *end)
{
	const struct {
		const char *key;
		const struct unit *units;
		u32 *value;
	} known[] = {
		{ "loss", shares, &p->loss_ppm }, { "reorder", shares, &p->reorder_ppm },
		{ "reorder_by", times, &p->reorder_us }, { "dup", shares, &p->dup_ppm },
		{ "corrupt", shares, &p->corrupt_ppm }, { "delay", times, &p->delay_us },
		{ "jitter", times, &p->jitter_us }, { "queue", sizes, &p->queue_bytes },
	};
	double v;

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (strlen(known[i].key) == klen && !memcmp(known[i].key, key, klen))
			return number_u32(s, end, known[i].units, known[i].value);
	if (klen == 5 && !memcmp(key, "burst", 5))
		return burst(p, s, end);
	if (klen == 4 && !memcmp(key, "rate", 4) && number(s, end, rates, &v)) {
		p->rate = (u64)v;
		return true;
	}
	if (klen == 4 && !memcmp(key, "seed", 4) && number(s, end, sizes, &v)) {
		p->seed = (u64)v;
		return true;
	}
	return false;
}

bool link_parse(struct link_params *p, const char *spec)
{
	while (*spec) {
		size_t len = strcspn(spec, ",");
		const char *eq = memchr(spec, '=', len);

		if (!eq || !setting(p, spec, (size_t)(eq - spec), eq + 1, spec + len))
			return false;
		spec += len + (spec[len] == ',');
	}
	return true;
}
