/* sim.c - the world of a scenario: two hosts, two links, the programs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"

enum {
	CLIENT_PORT0 = 10000,
};

#define PATIENCE	(4 * 3600 * USEC_PER_SEC)	/* of virtual time */
#define EVENTS_MAX	40000000

struct world {
	const struct scenario *s;
	struct clock clock;
	struct domain *domain;
	struct arena *arena[2];
	struct link link[2];
	struct host host[2];
	struct app app[SCENARIO_CONNS][2];
	struct report *r;
	u64 peak_bound;			/* pages */
	struct event swing;
};

static struct world *world;	/* for the callbacks: one at a time */

static void on_ready(struct endpoint *ep, unsigned edges)
{
	app_ready(ep->app, edges);
}

static void on_gone(struct endpoint *ep)
{
	(void)ep;
}

static void on_accept(struct host *h, struct endpoint *ep)
{
	unsigned i = ep->pport - CLIENT_PORT0;
	struct app *a = &world->app[i][1];

	(void)h;
	if (i >= world->s->conns)
		sim_fail("accepted a connection from port %u", ep->pport);
	if (a->ep || a->done)
		sim_fail("the connection of port %u was accepted twice", ep->pport);
	app_attach(a, ep);
}

static u32 listen_window(struct host *h, u16 sport)
{
	u32 set = world->s->plan[sport - CLIENT_PORT0][1].rcvbuf;
	u32 rcvbuf = set ? max(2 * min(set, world->s->limits.rmem_max),
			       (u32)SOCK_MIN_RCVBUF) : world->s->limits.rmem[1];

	return open_first_window(rcvbuf, 0, h->cfg.dgram_max);
}

static void open_client(struct app *a)
{
	struct endpoint *ep = host_open(&world->host[0], (u16)(CLIENT_PORT0 + a->index),
					LISTEN_PORT);

	if (!ep)
		sim_fail("no slot for connection %u", a->index);
	app_attach(a, ep);
	if (conn_connect(ep->c, world->clock.now))
		sim_fail("connect failed");
	host_settle(ep);
}

/* rudpstat --set, again and again: between an eighth and all of what was. */
static void swing(struct event *e, usec_t now)
{
	struct world *w = container_of(e, struct world, swing);
	struct mem_limits l = w->s->limits;
	u64 eighths = 1 + rng_hash(w->s->seed, now, 8) % 8;

	for (unsigned i = 0; i < 3; i++)
		l.mem[i] = max(l.mem[i] * eighths / 8, (u64)1);
	if (domain_set_limits(w->domain, &l))
		sim_fail("limits refused");
	clock_set(&w->clock, e, now + w->s->swing_us);
}

static void setup(struct world *w)
{
	const struct scenario *s = w->s;

	clock_init(&w->clock, s->start);
	w->domain = domain_private(&s->limits);
	if (!w->domain)
		sim_fail("no domain");
	for (unsigned i = 0; i < 2; i++) {
		if (arena_create_private(&w->arena[i], w->domain, s->pages, SCENARIO_CONNS + 8,
					 HOST_SLOT))
			sim_fail("no arena");
		link_init(&w->link[i], &s->link[i], i);
		host_init(&w->host[i], i ? "server" : "client", &s->host[i], &w->clock,
			  w->arena[i], &w->link[i], rng_hash(s->seed, i, 99));
		w->host[i].peer = &w->host[!i];
		w->host[i].on_accept = on_accept;
		w->host[i].on_ready = on_ready;
		w->host[i].on_gone = on_gone;
		w->host[i].listen_window = listen_window;
	}
	for (unsigned i = 0; i < s->conns; i++) {
		for (unsigned k = 0; k < 2; k++)
			app_init(&w->app[i][k], i, &w->clock, &s->plan[i][k],
				 rng_hash(s->seed, i, k), &w->app[i][!k]);
		w->app[i][0].open = open_client;
		clock_set(&w->clock, &w->app[i][0].wake, s->start + s->plan[i][0].start_us);
	}
	w->swing.run = swing;
	if (s->swing_us)
		clock_set(&w->clock, &w->swing, s->start + s->swing_us);
}

/* ---- running ------------------------------------------------------------------ */

static void soft_error(struct world *w, u64 event)
{
	struct host *h = &w->host[event & 1];

	if (!w->s->icmp_ppm || !h->all ||
	    rng_hash(w->s->seed, event, 7) % 1000000 >= w->s->icmp_ppm)
		return;
	if (h->all->c->state == CONN_SYN_SENT)
		return;
	conn_icmp(h->all->c, EHOSTUNREACH, w->clock.now);
	host_settle(h->all);
}

static void stuck(struct world *w, const char *why)
{
	for (unsigned k = 0; k < 2; k++)
		for (struct endpoint *ep = w->host[k].all; ep; ep = ep->next) {
			const struct conn *c = ep->c;
			const struct app *a = ep->app;

			fprintf(stderr, "  %s %u-%u state %d una %llu nxt %llu write %llu edge %llu"
				" rcv_nxt %llu copied %llu wnd %u w %lld/%u r %lld/%u cwnd %u out"
				" %u why %u ready %x nospace %d domwait %d nomem %d/%d deadline %lld"
				" app %s tx %llu/%llu rx %llu\n",
				w->host[k].name, ep->lport, ep->pport, c->state,
				(unsigned long long)c->snd_una, (unsigned long long)c->snd_nxt,
				(unsigned long long)c->write_seq,
				(unsigned long long)c->snd_wnd_edge,
				(unsigned long long)c->rcv_nxt,
				(unsigned long long)c->copied_seq, c->rcv_wnd,
				(long long)c->mem.wmem_queued, c->mem.sndbuf,
				(long long)c->mem.rmem_alloc, c->mem.rcvbuf, c->cwnd,
				c->packets_out, c->why_blocked, conn_ready(c), c->nospace,
				c->domwait, c->nomem, c->peer_nomem,
				(long long)(conn_deadline(c) - w->clock.now),
				a ? a->can_write ? "writes" : "waits" : "gone",
				a ? (unsigned long long)a->tx : 0,
				a ? (unsigned long long)a->plan.tx_total : 0,
				a ? (unsigned long long)a->rx : 0);
		}
	sim_fail("%s at %.3f s, %u and %u connections left", why, (double)w->clock.now / 1e6,
		 w->host[0].live, w->host[1].live);
}

static bool all_done(const struct world *w)
{
	if (w->host[0].live || w->host[1].live)
		return false;
	for (unsigned i = 0; i < w->s->conns; i++)
		if (!w->app[i][0].done)
			return false;
	return true;
}

/* D8.4: high, what is guaranteed to each sock, the pools, one run of pages. */
static u64 bound(const struct world *w)
{
	const struct mem_limits *l = &w->s->limits;
	u64 g = 0;

	for (unsigned k = 0; k < 2; k++) {
		u64 mss = w->s->host[k].dgram_max;
		u64 snd = max(l->wmem[0], (u32)SOCK_MIN_SNDBUF) + UNIT_BYTES + mss;
		u64 rcv = max((u64)l->rmem[0], mss + 2 * UNIT_BYTES);

		g += w->host[k].live * (DIV_ROUND_UP(snd, (u64)PAGE_BYTES) +
					DIV_ROUND_UP(rcv, (u64)PAGE_BYTES));
	}
	return l->mem[2] + g + 2 * POOL_PAGES_MIN + RUN_PAGES_MAX;
}

static void check_memory(struct world *w)
{
	u64 pages = (u64)domain_allocated(w->domain);

	if (w->s->tight && pages > w->peak_bound)
		sim_fail("%llu pages are allocated, the bound is %llu",
			 (unsigned long long)pages, (unsigned long long)w->peak_bound);
	w->peak_bound = bound(w);	/* with the socks there were before the event */
	w->r->peak_pages = max(w->r->peak_pages, pages);
}

static void run(struct world *w)
{
	w->peak_bound = bound(w);
	while (!all_done(w)) {
		if (!clock_step(&w->clock))
			stuck(w, "nothing will ever happen");
		check_memory(w);
		soft_error(w, ++w->r->events);
		if (w->clock.now > w->s->start + PATIENCE)
			stuck(w, "still not finished");
		if (w->r->events > EVENTS_MAX)
			stuck(w, "events without end");
	}
}

/* ---- judging -------------------------------------------------------------------- */

static bool honest(const struct world *w, const struct app *a)
{
	const struct scenario *s = w->s;
	const struct app *b = a->peer;

	if (s->refused)
		return a->err == ECONNREFUSED || b->err == ECONNREFUSED;
	if (s->lossy && (a->err || b->err))
		return true;
	if (s->violent)
		return true;
	/* Orphans may be killed for want of memory (R6.3). */
	return s->tight && w->domain->counters[CNT_TCPAbortOnMemory];
}

static void judge(struct world *w, const struct app *a)
{
	const struct app *b = a->peer;
	bool ends_well = a->plan.end <= END_WAIT && b->plan.end <= END_WAIT;

	if (a->tx == a->plan.tx_total && a->rx == b->plan.tx_total && !a->err &&
	    (a->eof || a->plan.end == END_CLOSE)) {
		w->r->completed++;
		return;
	}
	if (honest(w, a) || !ends_well) {
		w->r->failed_honestly++;
		return;
	}
	sim_fail("connection %u, %s: wrote %llu of %llu, read %llu of %llu, %s, error %d (%s)",
		 a->index, a == w->app[a->index] ? "client" : "server",
		 (unsigned long long)a->tx, (unsigned long long)a->plan.tx_total,
		 (unsigned long long)a->rx, (unsigned long long)b->plan.tx_total,
		 a->eof ? "end seen" : "no end", a->err, strerror(a->err));
}

/* Everything is closed: nothing may be charged any more. */
static void check_empty(struct world *w)
{
	for (unsigned k = 0; k < 2; k++) {
		struct arena *ar = w->arena[k];
		struct mem_acct *pool = arena_pool(ar);

		host_fini(&w->host[k]);
		if (pool->rmem_alloc || pool->wmem_queued)
			sim_fail("the pool of the %s holds %lld bytes", w->host[k].name,
				 (long long)pool->rmem_alloc);
		/* unused credit goes back within seconds of ticks */
		for (unsigned i = 1; i <= 50; i++)
			arena_tick(ar, w->clock.now + i * TICK_US);
		if (arena_recount(ar, false))
			sim_fail("a recount corrected the %s's pages", w->host[k].name);
	}
	if (domain_allocated(w->domain) || w->domain->memory_allocated ||
	    w->domain->sockets_allocated)
		sim_fail("all is closed, but %lld pages and %lld socks are allocated",
			 (long long)w->domain->memory_allocated,
			 (long long)w->domain->sockets_allocated);
}

static void collect(struct world *w)
{
	struct report *r = w->r;
	struct app *first = w->app[0];

	r->runs = 1;
	r->conns = w->s->conns;
	for (unsigned i = 0; i < w->s->conns; i++)
		r->bytes += w->app[i][0].rx + w->app[i][1].rx;
	for (unsigned k = 0; k < 2; k++) {
		r->packets += w->host[k].packets;
		r->lost += w->link[k].lost + w->link[k].overflowed;
		r->adopted += w->host[k].adopted;
		r->peak_in_flight = max(r->peak_in_flight, w->host[k].peak_in_flight);
	}
	for (unsigned i = 0; i < CNT_COUNT; i++)
		r->counters[i] = w->domain->counters[i];
	r->allocs = refuse.calls;
	r->refused = refuse.refused;
	r->virtual_us = w->clock.now - w->s->start;
	r->open_us = first[1].started - first[0].started;
	r->transfer_us = first[1].last_byte - first[0].started;
	r->reads = first[1].reads;
	for (unsigned i = 0; i < w->s->conns; i++)
		for (unsigned k = 0; k < 2; k++)
			if (!w->s->plan[i][k].stall_us && !w->s->plan[i][!k].stall_us)
				r->unstalled_us = max(r->unstalled_us, w->app[i][k].finished -
						      w->s->start);
}

void report_add(struct report *sum, const struct report *r)
{
	const u64 *from = (const u64 *)r;
	u64 *to = (u64 *)sum;
	u64 peak_pages = max(sum->peak_pages, r->peak_pages);
	u64 peak_in_flight = max(sum->peak_in_flight, r->peak_in_flight);

	for (unsigned i = 0; i < sizeof(*r) / sizeof(u64); i++)
		to[i] += from[i];
	sum->peak_pages = peak_pages;
	sum->peak_in_flight = peak_in_flight;
}

void sim_run(const struct scenario *s, struct report *r)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	world = w;
	*r = (struct report){ 0 };
	w->s = s;
	w->r = r;
	refuse.calls = refuse.refused = 0;
	setup(w);
	run(w);
	clock_set(&w->clock, &w->swing, USEC_NEVER);
	for (unsigned i = 0; i < s->conns; i++)
		for (unsigned k = 0; k < 2; k++)
			judge(w, &w->app[i][k]);
	collect(w);
	check_empty(w);
	host_drain(&w->clock);
	for (unsigned k = 0; k < 2; k++)
		arena_destroy_private(w->arena[k]);
	domain_detach(w->domain);
	clock_fini(&w->clock);
	free(w);
	world = NULL;
}
