/*
 * scenario.c - the kinds of scenarios. Each draws what it leaves open; the
 * last one, `random`, draws everything.
 */
#include <string.h>
#include "scenario.h"

#define MS	1000u
#define MBIT	125000ULL

static void network(struct scenario *s, struct link_params p)
{
	for (unsigned k = 0; k < 2; k++) {
		p.seed = s->seed;
		s->link[k] = p;
	}
}

void scenario_bulk(struct scenario *s, unsigned i, u64 bytes)
{
	s->plan[i][0] = (struct app_plan){
		.tx_total = bytes, .write_chunk = 65536, .read_chunk = 65536 };
	s->plan[i][1] = (struct app_plan){ .write_chunk = 1, .read_chunk = 65536 };
}

/* ---- what programs do ------------------------------------------------------------ */

static void habits(struct app_plan *p, struct rng *r)
{
	p->write_chunk = (u32)rng_scale(r, 1, 200000);
	p->read_chunk = (u32)rng_scale(r, 16, 200000);
	if (p->tx_total / p->write_chunk > 2000)
		p->write_chunk = (u32)(p->tx_total / 2000 + 1);
	p->nodelay = rng_chance(r, 30);
	p->cork = rng_chance(r, 10);
	p->more = rng_chance(r, 10);
	p->quickack = rng_chance(r, 10);
	p->ask_fionread = rng_chance(r, 20);
	p->peeks = rng_chance(r, 20);
	p->fidgets = rng_chance(r, 15);
	if (rng_chance(r, 20))
		p->sndbuf = (u32)rng_scale(r, 1, 300000);
	if (rng_chance(r, 20))
		p->rcvbuf = (u32)rng_scale(r, 1, 300000);
	if (rng_chance(r, 10))
		p->rcvlowat = (u32)rng_scale(r, 1, 20000);
	if (rng_chance(r, 10))
		p->notsent_lowat = (u32)rng_scale(r, 1, 100000);
}

static void idleness(struct app_plan *p, u64 reads, struct rng *r)
{
	if (rng_chance(r, 10))
		p->write_pause_us = (u32)rng_scale(r, 1, 20 * MS);
	if (rng_chance(r, 4)) {		/* so long that keepalive looks */
		p->write_pause_us = (u32)rng_scale(r, 1000 * MS, 20000 * MS);
		p->write_chunk = (u32)max((u64)p->write_chunk, p->tx_total / 20 + 1);
	}
	if (rng_chance(r, 15))
		p->read_pause_us = (u32)rng_scale(r, 10, 20 * MS);
	if (rng_chance(r, 10)) {
		p->stall_at = rng_below(r, reads + 1);
		p->stall_us = (u32)rng_scale(r, MS, 30000 * MS);
	}
	if (p->read_pause_us && reads / p->read_chunk > 2000)
		p->read_chunk = (u32)(reads / 2000 + 1);
}

static void ends(struct scenario *s, struct app_plan *p, struct rng *r)
{
	unsigned dice = (unsigned)rng_below(r, 100);
	u64 all = p[0].tx_total + p[1].tx_total;
	unsigned who = (unsigned)rng_below(r, 2);

	if (dice < 60)
		return;
	p[0].rcvlowat = p[1].rcvlowat = 0;	/* no FIN may come to end the wait */
	if (dice < 80) {		/* one end closes, the other has said all */
		p[who].end = END_CLOSE;
		p[who].rx_expect = p[!who].tx_total;
		p[!who].end = rng_chance(r, 50) ? END_WAIT : END_CLOSE;
		p[!who].rx_expect = p[who].tx_total;
		return;
	}
	if (!s->violent)
		return;
	p[who].end = (enum app_end)rng_range(r, END_EARLY, END_VANISH);
	p[who].end_at = rng_below(r, all + 1);
	if (!who && rng_chance(r, 10))
		p[who].end = END_HASTY;
}

static void take_turns(struct app_plan *p, u64 bytes, struct rng *r)
{
	u32 turn = (u32)rng_scale(r, 1, 20000);
	u64 turns = rng_range(r, 1, min(bytes / turn + 1, (u64)200));

	for (unsigned k = 0; k < 2; k++) {
		p[k].tx_total = turns * turn;
		p[k].turn = turn;
		p[k].turn_second = k;
	}
}

void scenario_plan(struct scenario *s, unsigned i, struct rng *r, u64 bytes)
{
	struct app_plan *p = s->plan[i];
	bool turns = rng_chance(r, 20);

	memset(p, 0, 2 * sizeof(*p));
	if (turns)
		take_turns(p, bytes, r);
	else
		for (unsigned k = 0; k < 2; k++)
			p[k].tx_total = rng_chance(r, 20) ? 0 : rng_scale(r, 1, bytes);
	for (unsigned k = 0; k < 2; k++) {
		habits(&p[k], r);
		p[k].cork &= !turns;
		if (turns)
			p[k].rcvlowat = 0;
	}
	for (unsigned k = 0; k < 2; k++)
		idleness(&p[k], p[!k].tx_total, r);
	ends(s, p, r);
	p[0].start_us = (u32)rng_below(r, 200 * MS);
}

/* ---- kinds -------------------------------------------------------------------------- */

static void plan_all(struct scenario *s, struct rng *r, unsigned conns, u64 bytes)
{
	s->conns = conns;
	for (unsigned i = 0; i < conns; i++)
		scenario_plan(s, i, r, bytes);
}

static void make_clean(struct scenario *s, struct rng *r)
{
	network(s, (struct link_params){ .delay_us = (u32)rng_scale(r, 10, 50 * MS),
					 .rate = rng_scale(r, MBIT, 10000 * MBIT) });
	plan_all(s, r, (unsigned)rng_range(r, 1, 4), 1 << 20);
}

static void make_loss(struct scenario *s, struct rng *r)
{
	network(s, (struct link_params){ .delay_us = (u32)rng_scale(r, 10, 50 * MS),
					 .loss_ppm = (u32)rng_scale(r, 1000, 80000) });
	plan_all(s, r, (unsigned)rng_range(r, 1, 4), 300000);
}

static void make_heavy_loss(struct scenario *s, struct rng *r)
{
	make_loss(s, r);
	s->lossy = true;
	for (unsigned k = 0; k < 2; k++)
		s->link[k].loss_ppm = (u32)rng_range(r, 80000, 300000);
}

static void make_burst(struct scenario *s, struct rng *r)
{
	network(s, (struct link_params){ .delay_us = (u32)rng_scale(r, 10, 50 * MS),
					 .burst_ppm = (u32)rng_scale(r, 500, 10000),
					 .burst_len = (u32)rng_range(r, 2, 12) });
	s->lossy = true;	/* a lone sender meets the same burst again and again */
	plan_all(s, r, (unsigned)rng_range(r, 1, 4), 300000);
}

static void make_reorder(struct scenario *s, struct rng *r)
{
	u32 delay = (u32)rng_scale(r, 100, 50 * MS);

	network(s, (struct link_params){ .delay_us = delay, .jitter_us = delay / 4,
					 .reorder_ppm = (u32)rng_scale(r, 1000, 500000),
					 .reorder_us = (u32)rng_scale(r, 1, delay * 2) });
	plan_all(s, r, (unsigned)rng_range(r, 1, 4), 300000);
}

static void make_duplicate(struct scenario *s, struct rng *r)
{
	make_reorder(s, r);
	for (unsigned k = 0; k < 2; k++)
		s->link[k].dup_ppm = (u32)rng_scale(r, 10000, 700000);
}

static void make_corrupt(struct scenario *s, struct rng *r)
{
	make_loss(s, r);
	for (unsigned k = 0; k < 2; k++) {
		s->link[k].loss_ppm = 0;
		s->link[k].corrupt_ppm = (u32)rng_scale(r, 1000, 80000);
	}
}

static void make_narrow(struct scenario *s, struct rng *r)
{
	u64 rate = rng_scale(r, MBIT / 4, 100 * MBIT);

	network(s, (struct link_params){
		.delay_us = (u32)rng_scale(r, 100, 50 * MS), .rate = rate,
		.queue_bytes = (u32)max(rate / rng_range(r, 10, 100), (u64)20000) });
	plan_all(s, r, (unsigned)rng_range(r, 1, 8), 300000);
}

static void make_slow(struct scenario *s, struct rng *r)
{
	make_clean(s, r);
	for (unsigned i = 0; i < s->conns; i++)
		for (unsigned k = 0; k < 2; k++) {
			struct app_plan *p = &s->plan[i][k];

			p->rcvbuf = (u32)rng_scale(r, 1, 100000);
			p->read_pause_us = (u32)rng_scale(r, 10, 20 * MS);
			p->read_chunk = (u32)max(rng_scale(r, 1, 100000),
						 s->plan[i][!k].tx_total / 1000 + 1);
		}
}

/* An orphan waits for minutes (R6.4), so for an hour only who is still held: one
 * end says nothing of its own end until it has read everything. */
static void stall_for_long(struct app_plan *p, unsigned who, struct rng *r)
{
	p[who].stall_us = (u32)rng_scale(r, 60000 * MS, 4000000 * MS);
	p[!who].stall_us = 0;
	p[who].end = END_WAIT;
	p[!who].end = END_SHUTDOWN;
	p[who].rcvlowat = p[!who].rcvlowat = 0;
}

static void make_stall(struct scenario *s, struct rng *r)
{
	make_loss(s, r);
	for (unsigned i = 0; i < s->conns; i++) {
		for (unsigned k = 0; k < 2; k++) {
			s->plan[i][k].stall_at = 1 + rng_below(r, s->plan[i][!k].tx_total + 1);
			s->plan[i][k].stall_us = (u32)rng_scale(r, MS, 30000 * MS);
		}
		if (rng_chance(r, 40))
			stall_for_long(s->plan[i], (unsigned)rng_below(r, 2), r);
	}
}

/* Long silences between a few words. */
static void make_idle(struct scenario *s, struct rng *r)
{
	make_loss(s, r);
	for (unsigned i = 0; i < s->conns; i++)
		for (unsigned k = 0; k < 2; k++) {
			struct app_plan *p = &s->plan[i][k];

			p->write_chunk = (u32)max((u64)p->write_chunk, p->tx_total / 5 + 1);
			p->write_pause_us = (u32)rng_scale(r, 100 * MS, 300000 * MS);
			/* and every one of them finds room at once */
			p->turn = p->read_pause_us = p->sndbuf = p->notsent_lowat = 0;
			s->plan[i][!k].rcvbuf = 0;
			p->fidgets = false;
		}
}

static void make_small_buffers(struct scenario *s, struct rng *r)
{
	make_loss(s, r);
	for (unsigned i = 0; i < s->conns; i++)
		for (unsigned k = 0; k < 2; k++) {
			s->plan[i][k].sndbuf = (u32)rng_scale(r, 1, 20000);
			s->plan[i][k].rcvbuf = (u32)rng_scale(r, 1, 20000);
		}
}

static void make_violent(struct scenario *s, struct rng *r)
{
	s->violent = true;
	make_loss(s, r);
	plan_all(s, r, (unsigned)rng_range(r, 1, 8), 100000);
	for (unsigned i = 0; i < s->conns; i++) {
		unsigned who = (unsigned)rng_below(r, 2);
		struct app_plan *p = &s->plan[i][who];

		p->end = (enum app_end)rng_range(r, END_EARLY, END_VANISH);
		p->end_at = rng_below(r, p->tx_total + s->plan[i][!who].tx_total + 1);
		if (!who && rng_chance(r, 15))
			p->end = END_HASTY;
	}
}

static void make_refused(struct scenario *s, struct rng *r)
{
	make_loss(s, r);
	s->refused = true;
	s->host[1].listening = false;
}

static void tighten(struct scenario *s, u64 high)
{
	s->tight = true;
	s->limits.mem[0] = max(high / 2, (u64)1);
	s->limits.mem[1] = max(high * 3 / 4, s->limits.mem[0]);
	s->limits.mem[2] = high;
}

static void make_memory(struct scenario *s, struct rng *r)
{
	network(s, (struct link_params){ .delay_us = (u32)rng_scale(r, 10, 20 * MS),
					 .loss_ppm = (u32)rng_below(r, 10000) });
	plan_all(s, r, (unsigned)rng_range(r, 1, 24), 300000);
	tighten(s, rng_scale(r, 16, 1000));
}

static void make_big(struct scenario *s, struct rng *r)
{
	make_loss(s, r);
	for (unsigned k = 0; k < 2; k++)
		s->host[k].dgram_max = (u16)rng_range(r, 8000, WIRE_DGRAM_MAX);
}

static void make_outage(struct scenario *s, struct rng *r)
{
	make_clean(s, r);
	usec_t from = s->start + rng_below(r, 300 * MS);
	usec_t len = rng_scale(r, MS, 6000 * MS);

	for (unsigned k = 0; k < 2; k++) {
		s->link[k].down_from = from;
		s->link[k].down_until = from + len;
	}
}

static void make_many(struct scenario *s, struct rng *r)
{
	make_loss(s, r);
	plan_all(s, r, 200, 20000);
}

static void make_soft_errors(struct scenario *s, struct rng *r)
{
	make_loss(s, r);
	s->icmp_ppm = (u32)rng_scale(r, 100, 100000);
}

static void make_credit(struct scenario *s, struct rng *r)
{
	make_loss(s, r);
	for (unsigned k = 0; k < 2; k++)
		s->host[k].rcv_credit = (u32)rng_scale(r, 4096, 1 << 20);
}

static void make_random(struct scenario *s, struct rng *r);

const struct scenario_kind scenario_kinds[] = {
	{ "random", "everything by chance", make_random },
	{ "clean", "no loss, a rate", make_clean },
	{ "loss", "up to 8% loss", make_loss },
	{ "heavy-loss", "8 to 30% loss", make_heavy_loss },
	{ "burst", "losses in bursts", make_burst },
	{ "reorder", "packets overtake each other", make_reorder },
	{ "duplicate", "packets arrive twice, and in any order", make_duplicate },
	{ "corrupt", "bits flip", make_corrupt },
	{ "narrow", "a bottleneck with a short queue", make_narrow },
	{ "slow", "slow readers with small buffers", make_slow },
	{ "stall", "readers that stop for long", make_stall },
	{ "idle", "a few words, and minutes of silence between them", make_idle },
	{ "small", "smallest buffers on both sides", make_small_buffers },
	{ "violent", "aborts, early closes, processes that vanish", make_violent },
	{ "refused", "nobody listens", make_refused },
	{ "memory", "a domain that is too small", make_memory },
	{ "big", "datagrams of up to 64 KB", make_big },
	{ "outage", "the network is down for a while", make_outage },
	{ "many", "200 connections", make_many },
	{ "soft-errors", "ICMP errors that mean nothing", make_soft_errors },
	{ "credit", "ports with little room", make_credit },
	{ 0 }
};

/* One kind's network and programs, with pieces of other kinds over it. */
static void make_random(struct scenario *s, struct rng *r)
{
	unsigned n = ARRAY_SIZE(scenario_kinds) - 1;
	const struct scenario_kind *k = &scenario_kinds[rng_range(r, 1, n - 1)];

	if (k->make == make_refused || k->make == make_many)
		k = scenario_find("loss");
	k->make(s, r);
	for (unsigned i = 0; i < 2; i++) {
		struct link_params *l = &s->link[i];

		if (rng_chance(r, 30))
			l->reorder_ppm = (u32)rng_scale(r, 100, 300000);
		if (rng_chance(r, 30))
			l->reorder_us = (u32)rng_scale(r, 1, 20 * MS);
		if (rng_chance(r, 20))
			l->dup_ppm = (u32)rng_scale(r, 100, 300000);
		if (rng_chance(r, 20))
			l->corrupt_ppm = (u32)rng_scale(r, 100, 10000);
		if (rng_chance(r, 30))
			l->jitter_us = (u32)rng_scale(r, 1, 10 * MS);
	}
	if (!s->tight && rng_chance(r, 15))
		tighten(s, rng_scale(r, 16, 1000));
}

const struct scenario_kind *scenario_find(const char *name)
{
	const struct scenario_kind *k = scenario_kinds;

	while (k->name && strcmp(k->name, name))
		k++;
	return k->name ? k : NULL;
}

static void machines(struct scenario *s, struct rng *r)
{
	static const u16 dgram[] = { 1200, 1472, 1472, 1472, 8972, 65507 };

	for (unsigned k = 0; k < 2; k++) {
		struct host_config *h = &s->host[k];

		h->dgram_max = dgram[rng_below(r, ARRAY_SIZE(dgram))];
		h->max_batch = rng_chance(r, 70) ? WIRE_DGRAM_MAX :
			       (u32)rng_range(r, 2000, WIRE_DGRAM_MAX);
		if (rng_chance(r, 50))
			h->coalesce_us = (u32)rng_scale(r, 1, 500);
		if (rng_chance(r, 20))
			h->tx_refuse_ppm = (u32)rng_scale(r, 1000, 200000);
		h->pool = rng_chance(r, 70);
		h->listening = k;
		h->cc_id = (u8)rng_below(r, 3);
		h->rcv_credit = 4 << 20;
	}
}

void scenario_make(struct scenario *s, const struct scenario_kind *k, u64 seed)
{
	struct rng r = { .seed = rng_mix(seed) };

	memset(s, 0, sizeof(*s));
	s->name = k->name;
	s->seed = seed;
	s->start = USEC_PER_SEC + rng_below(&r, 1000);
	if (rng_chance(&r, 10))		/* the time stamps are about to wrap */
		s->start = (1ULL << 32) - rng_below(&r, 3 * USEC_PER_SEC);
	s->pages = 32768;
	s->limits = (struct mem_limits){
		.mem = { 24576, 32768, 49152 }, .wmem = { 4096, 16384, 4 << 20 },
		.rmem = { 4096, 131072, 6 << 20 }, .wmem_max = 4 << 20, .rmem_max = 4 << 20,
		.max_orphans = 8192, .notsent_lowat = UINT32_MAX,
	};
	machines(s, &r);
	k->make(s, &r);
	for (unsigned i = 0; i < 2; i++)
		s->host[i].max_batch = max(s->host[i].max_batch,
					   (unsigned)s->host[i].dgram_max);
}
