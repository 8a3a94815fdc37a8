/*
 * check_bbr.c - BBR over links that lose, and over clean ones: what CUBIC's
 * window cannot use, and what must not be worse.
 */
#include <stdio.h>
#include "campaign.h"
#include "script.h"

enum { CUBIC, RENO, BBR };

struct path {
	u32 mbit, rtt_ms, loss_ppm, queue_ms;
	u64 bytes;
};

/* Megabits a second of one transfer. */
static double goodput(u8 cc, const struct path *p, u64 seed, struct report *r)
{
	static struct scenario s;

	scenario_make(&s, scenario_find("clean"), seed);
	s.conns = 1;
	for (unsigned k = 0; k < 2; k++) {
		u64 rate = (u64)p->mbit * 125000;

		s.link[k] = (struct link_params){
			.seed = seed, .delay_us = p->rtt_ms * 500, .loss_ppm = k ? 0 : p->loss_ppm,
			.rate = rate, .queue_bytes = (u32)(rate * p->queue_ms / 1000),
		};
		s.host[k].dgram_max = 1472;
		s.host[k].cc_id = cc;
		s.host[k].coalesce_us = 0;
		s.host[k].tx_refuse_ppm = 0;
	}
	scenario_bulk(&s, 0, p->bytes);
	refuse = (struct refuse){ 0 };
	sim_run(&s, r);
	return (double)p->bytes * 8 / (double)r->transfer_us;
}

static void print(const char *who, const struct path *p, double mbit, const struct report *r)
{
	printf("# %-5s %4u Mbit/s %3u ms loss %2u.%u%%: %6.1f Mbit/s, %llu lost, %llu again\n",
	       who, p->mbit, p->rtt_ms, p->loss_ppm / 10000, p->loss_ppm / 1000 % 10, mbit,
	       (unsigned long long)r->lost, (unsigned long long)r->counters[CNT_RetransSegs]);
}

static void loss_is_not_the_signal(void)
{
	static const struct path paths[] = {
		{ 100, 20, 10000, 40, 30 << 20 },
		{ 100, 20, 50000, 40, 30 << 20 },
		{ 50, 100, 20000, 200, 30 << 20 },	/* a third of it is the beginning */
	};

	for (unsigned i = 0; i < 3; i++) {
		const struct path *p = &paths[i];
		struct report r;
		double cubic = goodput(CUBIC, p, 1, &r), bbr;

		print("cubic", p, cubic, &r);
		bbr = goodput(BBR, p, 1, &r);
		print("bbr", p, bbr, &r);
		want(bbr > 0.6 * p->mbit && bbr > 5 * cubic);
		want(r.counters[CNT_RetransSegs] < r.lost + r.lost / 10 + 10);
	}
}

static void a_clean_path_is_filled(void)
{
	static const struct path paths[] = {
		{ 10, 40, 0, 100, 6 << 20 },
		{ 100, 20, 0, 40, 60 << 20 },
		{ 1000, 5, 0, 10, 200 << 20 },
	};

	for (unsigned i = 0; i < 3; i++) {
		const struct path *p = &paths[i];
		struct report r;
		double bbr = goodput(BBR, p, 1, &r);

		print("bbr", p, bbr, &r);
		want(bbr > 0.9 * p->mbit);
		want(r.lost < r.packets / 100);
	}
}

static bool both_ends(struct scenario *s, unsigned variant, const struct report *last)
{
	(void)last;
	s->host[0].cc_id = s->host[1].cc_id = BBR;
	return !variant;
}

/* Whatever happens to it: every byte, no stuck connection. */
static void seeds_of_every_kind(void)
{
	static const char *const kinds[] = { "random", "memory", "burst", "outage", "reorder" };
	struct report sum;

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct campaign c = { .kind = kinds[i], .from = 1, .to = i ? 40 : 200,
				      .prepare = both_ends };

		want(!campaign_run(&c, &sum));
	}
}

static const struct test tests[] = {
	{ "loss_is_not_the_signal", loss_is_not_the_signal },
	{ "a_clean_path_is_filled", a_clean_path_is_filled },
	{ "seeds_of_every_kind", seeds_of_every_kind },
};

int main(int argc, char **argv)
{
	return tests_run(tests, ARRAY_SIZE(tests), argc, argv);
}
