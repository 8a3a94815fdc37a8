/* check_link.c - the simulator's own parts: network, clock, draws. */
#include <stdlib.h>
#include <string.h>
#include "campaign.h"
#include "script.h"

enum { PKTS = 20000 };

static void fate_depends_on_number_alone(void)
{
	struct link_params p = { .seed = 7, .loss_ppm = 100000, .burst_ppm = 5000,
				 .burst_len = 4, .dup_ppm = 50000, .delay_us = 1000 };
	struct link a, b;

	link_init(&a, &p, 0);
	link_init(&b, &p, 0);
	for (unsigned i = 0; i < PKTS; i++) {
		struct link_fate fa, fb;

		link_send(&a, 1000, i * 10, &fa);
		link_send(&b, 40, i * 777, &fb);
		want(fa.copies == fb.copies);
	}
	want(a.lost == b.lost && a.duplicated == b.duplicated);
}

static void rates_are_as_asked(void)
{
	struct link_params p = { .seed = 3, .loss_ppm = 10000, .dup_ppm = 20000,
				 .corrupt_ppm = 30000, .reorder_ppm = 40000 };
	struct link_fate f;
	struct link l;

	link_init(&l, &p, 1);
	for (unsigned i = 0; i < PKTS; i++)
		link_send(&l, 1000, i, &f);
	want(l.lost > 140 && l.lost < 260);
	want(l.duplicated > 310 && l.duplicated < 480);
	want(l.corrupted > 490 && l.corrupted < 710);
	want(l.reordered > 660 && l.reordered < 920);
}

static void bursts_have_their_length(void)
{
	struct link_params p = { .seed = 5, .burst_ppm = 10000, .burst_len = 10 };
	unsigned bursts = 0, lost = 0, in = 0;
	struct link_fate f;
	struct link l;

	link_init(&l, &p, 0);
	for (unsigned i = 0; i < PKTS; i++) {
		link_send(&l, 1000, i, &f);
		bursts += !f.copies && !in;
		lost += !f.copies;
		in = !f.copies;
	}
	want(bursts > 100 && bursts < 260);
	want(lost > bursts * 7 && lost < bursts * 13);
}

static void rate_and_queue(void)
{
	struct link_params p = { .rate = 1000000, .delay_us = 500, .queue_bytes = 5000 };
	struct link_fate f;
	struct link l;
	unsigned taken = 0;

	link_init(&l, &p, 0);
	for (unsigned i = 0; i < 10; i++) {
		link_send(&l, 1000, 1000000, &f);
		if (f.copies)
			want(f.at[0] == 1000000 + ++taken * 1000 + 500);
	}
	want(taken == 5 && l.overflowed == 5);
}

static void outage(void)
{
	struct link_params p = { .down_from = 100, .down_until = 200 };
	struct link_fate f;
	struct link l;

	link_init(&l, &p, 0);
	link_send(&l, 1, 99, &f);
	want(f.copies == 1);
	link_send(&l, 1, 100, &f);
	want(f.copies == 0);
	link_send(&l, 1, 200, &f);
	want(f.copies == 1);
}

static void corruption_changes_something(void)
{
	for (u32 flip = 1; flip < 3000; flip += 2) {
		u8 pkt[100] = { 0 }, zero[100] = { 0 };

		link_corrupt(pkt, sizeof(pkt), flip);
		/* two flips of one bit undo each other: rare, and no harm */
		if (!memcmp(pkt, zero, sizeof(pkt)))
			want((flip >> 8) % 4 != 0);
	}
}

static void specification(void)
{
	struct link_params p = { 0 };

	want(link_parse(&p, "loss=1.5%,burst=0.1%/8,delay=20ms,jitter=500us,rate=10mbit"));
	want(p.loss_ppm == 15000 && p.burst_ppm == 1000 && p.burst_len == 8);
	want(p.delay_us == 20000 && p.jitter_us == 500 && p.rate == 1250000);
	want(link_parse(&p, "queue=64k,seed=9,reorder=0.1,reorder_by=1s,dup=5ppm,corrupt=1%"));
	want(p.queue_bytes == 65536 && p.seed == 9 && p.reorder_ppm == 100000);
	want(p.reorder_us == 1000000 && p.dup_ppm == 5 && p.corrupt_ppm == 10000);
	want(link_parse(&p, ""));
	want(!link_parse(&p, "loss"));
	want(!link_parse(&p, "loss=x"));
	want(!link_parse(&p, "lost=1%"));
	want(!link_parse(&p, "delay=20m"));
	want(!link_parse(&p, "burst=1%"));
}

struct probe {
	struct event e;
	unsigned *order;
	unsigned n, seen;
};

static void probe_run(struct event *e, usec_t now)
{
	struct probe *p = container_of(e, struct probe, e);

	want(now == e->at);
	p->seen = ++*p->order;
}

static void clock_runs_in_order(void)
{
	static struct probe p[500];
	struct rng r = { .seed = 11 };
	struct clock k;
	unsigned order = 0;
	usec_t last = 0;

	clock_init(&k, 5);
	for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = (struct probe){ .e.run = probe_run, .order = &order };
		clock_set(&k, &p[i].e, 10 + rng_below(&r, 100));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(p); i += 3)
		clock_set(&k, &p[i].e, i % 2 ? USEC_NEVER : 10 + rng_below(&r, 200));
	while (clock_step(&k)) {
		want(k.now >= last);
		last = k.now;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(p); i++)
		want(!p[i].seen == (i % 3 == 0 && i % 2));
	clock_fini(&k);
}

static const struct test tests[] = {
	{ "fate_depends_on_number_alone", fate_depends_on_number_alone },
	{ "rates_are_as_asked", rates_are_as_asked },
	{ "bursts_have_their_length", bursts_have_their_length },
	{ "rate_and_queue", rate_and_queue },
	{ "outage", outage },
	{ "corruption_changes_something", corruption_changes_something },
	{ "specification", specification },
	{ "clock_runs_in_order", clock_runs_in_order },
};

int main(int argc, char **argv)
{
	return tests_run(tests, ARRAY_SIZE(tests), argc, argv);
}
