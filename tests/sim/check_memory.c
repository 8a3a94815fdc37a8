/*
 * check_memory.c - many connections in a domain that is too small for them:
 * the bound holds, whoever behaves is served, and the ways out of a shortage
 * (acknowledgements, resets, FINs) need no page.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "campaign.h"
#include "script.h"

/* Fills the domain from outside, with an account of somebody else. */
static struct mem_acct hoard;
static u32 hoarded[20000];
static unsigned nhoarded;

static void fill_domain(s64 pages)
{
	mem_acct_init(&hoard, S.arena, OWNER_SOCK0 + 7, 1);
	for (nhoarded = 0; domain_allocated(S.domain) < pages; nhoarded++)
		hoarded[nhoarded] = refuse_exempt_alloc(&hoard, PAGE_UNITS);
}

static void empty_domain(void)
{
	while (nhoarded)
		mem_free(&hoard, hoarded[--nhoarded], PAGE_UNITS, MEM_RCV);
	mem_acct_fini(&hoard);
}

/* T43: what must leave, leaves, and changes no account. */
static void retransmission_needs_no_page(void)
{
	establish(.mss = 1000, .rtt_ms = 100, .high = 400);
	app_write(6000);
	expect_train(0, 6000);
	fill_domain(800);

	s64 before = S.c->mem.wmem_queued;
	s64 total = domain_allocated(S.domain);

	at(100);
	inject(.ack = 0, .sack = {{ 1000, 4000 }});
	expect_data(0, 1000);
	want(S.c->mem.wmem_queued <= before + 4 * UNIT_BYTES);	/* splits */
	want(domain_allocated(S.domain) <= total + 1);
	S.slack_us = USEC_NEVER / 2;
	at(2000);
	want(count_of(CNT_TCPTimeouts) > 0);
	skip_all();
	inject(.ack = 6000, .len = 0);
	want(S.c->mem.wmem_queued == 0);
	conn_close(S.c, S.now);
	settle();
	expect_fin(6000, 0);
	inject(.ack = 6001, .flags = WF_FIN);
	want(S.c->state == CONN_TIME_WAIT);
	skip_all();
	empty_domain();
	script_end();
}

/* T57: above high a reader that has read everything gets the next segment, one
 * that has not is told about, and so is the sender. */
static void a_reader_makes_progress(void)
{
	establish(.mss = 1000, .rtt_ms = 10, .passive = true, .high = 400);
	fill_domain(900);
	for (unsigned i = 0; i < 20; i++) {
		inject(.len = 1000);
		want(conn_unread(S.c) == 1000 && conn_ready(S.c) & READY_IN);
		want(app_read(5000) == 1000);
		skip_all();
	}
	for (unsigned i = 0; i < 40; i++)
		inject(.len = 1000, .at_seq = true, .seq = 20000 + conn_unread(S.c));
	want(conn_unread(S.c) < 20000);
	want(S.c->nomem && S.c->drops);
	want(S.out[S.nout - 1].h.flags & WF_NOMEM);
	skip_all();
	while (conn_unread(S.c))
		app_read(5000);
	want(!S.c->nomem);			/* T72's half: relief is announced */
	want(!(S.out[S.nout - 1].h.flags & WF_NOMEM));
	skip_all();
	empty_domain();
	script_end();
}

/* D8.7: NOMEM is not loss, and not a reason to give up. */
static void a_sender_waits_for_the_peers_memory(void)
{
	establish(.mss = 1000, .rtt_ms = 10);
	app_write(5000);
	expect_train(0, 5000);
	at(10);
	inject(.ack = 1000, .flags = WF_NOMEM);
	S.slack_us = USEC_NEVER / 2;
	for (unsigned i = 0; i < 40; i++) {
		want(conn_deadline(S.c) != USEC_NEVER && S.c->state == CONN_ESTABLISHED);
		at_us(conn_deadline(S.c) - S.base);
		if (S.next < S.nout)
			inject(.ack = 1000, .flags = WF_NOMEM);
		skip_all();
	}
	want(count_of(CNT_TCPTimeouts) == 0 && S.c->ca_state == CA_OPEN);
	want(S.c->cwnd >= 10);
	inject(.ack = 1000);
	settle();
	want(S.nout > S.next);			/* at once */
	skip_all();
	S.rtt_us = 10000;
	at_us(S.now - S.base + 10000);
	inject(.ack = 5000);
	want(S.c->packets_out == 0);
	script_end();
}

/* T32, T34: the domain refuses: some is taken, then a wait of 2 to 201 ms. */
static void a_refused_writer_comes_back(void)
{
	ssize_t n;
	usec_t t;

	establish(.mss = 1000, .rtt_ms = 10, .high = 400, .sndbuf = 100000);
	fill_domain(900);
	n = app_write(20000);
	want(n > 0 && n <= 20000);
	while ((n = app_write(5000)) > 0)
		;
	want(n == -EAGAIN && (S.c->domwait || S.c->nospace));
	want(!(conn_ready(S.c) & READY_OUT));
	want(S.c->mem.wmem_queued <= 4608 + UNIT_BYTES + 1000 + 4096);
	want(S.c->domwait);
	t = S.now;
	empty_domain();
	skip_all();
	while (!(conn_ready(S.c) & READY_OUT)) {
		inject(.ack = S.c->snd_nxt - 1);
		want(conn_deadline(S.c) != USEC_NEVER);
		at_us(conn_deadline(S.c) - S.base);
		skip_all();
	}
	want(S.now - t <= 202000);
	want(app_write(5000) == 5000);
	skip_all();
	script_end();
}

/* ---- many connections --------------------------------------------------------------- */

/* T74: a third of the readers stall for a minute; the others finish, and long
 * before that. */
static void stalled_readers_harm_nobody(void)
{
	static struct scenario s;
	struct report r;

	for (u64 seed = 1; seed <= 6; seed++) {
		scenario_make(&s, scenario_find("clean"), seed);
		s.conns = 90;
		s.tight = true;
		s.limits.mem[0] = 300;
		s.limits.mem[1] = 400;
		s.limits.mem[2] = 512;
		for (unsigned k = 0; k < 2; k++) {
			s.link[k] = (struct link_params){ .delay_us = 500 };
			s.host[k].dgram_max = 1472;
			s.host[k].cc_id = 0;
		}
		for (unsigned i = 0; i < s.conns; i++) {
			scenario_bulk(&s, i, 100000);
			if (i % 3 == 0) {
				s.plan[i][1].stall_at = 1;
				s.plan[i][1].stall_us = 60 * USEC_PER_SEC;
			} else {
				s.plan[i][0].start_us = 100000;
			}
		}
		refuse = (struct refuse){ 0 };
		sim_run(&s, &r);
		printf("# seed %llu: peak %llu pages of 512, the unstalled ended after %.2f s\n",
		       (unsigned long long)seed, (unsigned long long)r.peak_pages,
		       (double)r.unstalled_us / 1e6);
		want(r.unstalled_us < 30 * USEC_PER_SEC);
		want(r.completed == 2 * s.conns);
	}
}

static bool swinging(struct scenario *s, unsigned variant, const struct report *last)
{
	(void)last;
	s->swing_us = 700 + (u32)(s->seed * 7919 % 100000);
	return !variant;
}

/* T59: limits change all the time, out-of-order data is dropped and said not to
 * be had any more, and every byte that was acknowledged is read: the programs
 * compare. A million packets. */
static void t59_acknowledged_bytes_are_never_lost(void)
{
	struct campaign c = { .kind = "memory", .from = 1, .to = 480, .prepare = swinging };
	struct report sum;
	unsigned failed = campaign_run(&c, &sum);

	printf("# %llu packets, %llu prunes, %llu of them dropped, %llu reneged, %llu ended"
	       " early\n", (unsigned long long)sum.packets,
	       (unsigned long long)sum.counters[CNT_PruneCalled],
	       (unsigned long long)sum.counters[CNT_OfoPruned],
	       (unsigned long long)sum.counters[CNT_TCPSACKReneging],
	       (unsigned long long)sum.failed_honestly);
	want(!failed);
	want(sum.packets >= 1000000);
	want(sum.counters[CNT_OfoPruned] > 0);
}

static void seeds_of_every_kind(void)
{
	campaign_test("memory", 1, 250);
	campaign_test("big", 1, 60);
	campaign_test("many", 1, 6);
}

static const struct test tests[] = {
	{ "retransmission_needs_no_page", retransmission_needs_no_page },
	{ "a_reader_makes_progress", a_reader_makes_progress },
	{ "a_sender_waits_for_the_peers_memory", a_sender_waits_for_the_peers_memory },
	{ "a_refused_writer_comes_back", a_refused_writer_comes_back },
	{ "stalled_readers_harm_nobody", stalled_readers_harm_nobody },
	{ "t59_acknowledged_bytes_are_never_lost", t59_acknowledged_bytes_are_never_lost },
	{ "seeds_of_every_kind", seeds_of_every_kind },
};

int main(int argc, char **argv)
{
	return tests_run(tests, ARRAY_SIZE(tests), argc, argv);
}
