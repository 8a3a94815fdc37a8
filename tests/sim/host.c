/*
 * host.c - lives of connections on a host, and settling them. Receiving is in
 * host_rx.c.
 */
#include <linux/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "host_int.h"

bool sim_tracing;

void sim_fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("sim: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void sim_trace(const struct host *h, const char *fmt, ...)
{
	va_list ap;

	if (!sim_tracing)
		return;
	printf("%12.6f %-6s ", (double)h->clock->now / 1e6, h->name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void host_init(struct host *h, const char *name, const struct host_config *cfg,
	       struct clock *clock, struct arena *ar, struct link *out, u64 seed)
{
	memset(h, 0, sizeof(*h));
	h->name = name;
	h->cfg = *cfg;
	h->clock = clock;
	h->arena = ar;
	h->out = out;
	h->rng.seed = seed;
	h->rx_tail = &h->rx_head;
	h->rx_event.run = host_rx_run;
	for (unsigned i = 0; i < sizeof(h->key.key); i++)
		h->key.key[i] = (u8)rng_next(&h->rng);
}

void host_fini(struct host *h)
{
	while (h->all)
		host_forget(h->all);
	for (struct packet *p = h->rx_head, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	clock_set(h->clock, &h->rx_event, USEC_NEVER);
}

/* ---- the table of connections -------------------------------------------- */

struct endpoint *host_find(struct host *h, u64 id)
{
	struct endpoint *ep = h->by_id[id % HOST_HASH];

	while (ep && ep->id != id)
		ep = ep->next_by_id;
	return ep;
}

static void timer_run(struct event *e, usec_t now)
{
	struct endpoint *ep = container_of(e, struct endpoint, timer);

	conn_timeout(ep->c, now);
	host_settle(ep);
}

static void retry_run(struct event *e, usec_t now)
{
	(void)now;
	host_settle(container_of(e, struct endpoint, retry));
}

struct endpoint *host_new(struct host *h, u64 id, u16 lport, u16 pport)
{
	struct endpoint *ep = calloc(1, sizeof(*ep));
	struct conn_seed seed = {
		.id = id, .rng = rng_next(&h->rng),
		.dgram_max = h->cfg.dgram_max, .cc_id = h->cfg.cc_id,
	};

	if (!ep)
		abort();
	u8 *slot = arena_slot_get(h->arena, &ep->slot, &ep->gen);

	if (!slot) {
		free(ep);
		return NULL;
	}
	ep->c = (struct conn *)(void *)(slot + HOST_SLOT_CONN);
	mem_acct_init(&ep->c->mem, h->arena, OWNER_SOCK0 + ep->slot, ep->gen);
	conn_init(ep->c, &seed, h->clock->now);
	if (h->cfg.rcv_credit)
		ep->c->rcv_credit = h->cfg.rcv_credit;
	ep->host = h;
	ep->id = id;
	ep->lport = lport;
	ep->pport = pport;
	ep->timer.run = timer_run;
	ep->retry.run = retry_run;
	ep->next_by_id = h->by_id[id % HOST_HASH];
	h->by_id[id % HOST_HASH] = ep;
	ep->next = h->all;
	ep->pprev = &h->all;
	if (h->all)
		h->all->pprev = &ep->next;
	h->all = ep;
	h->live++;
	return ep;
}

struct endpoint *host_open(struct host *h, u16 lport, u16 pport)
{
	return host_new(h, rng_next(&h->rng) | 1, lport, pport);
}

static void take_out(struct endpoint *ep)
{
	struct endpoint **pos = &ep->host->by_id[ep->id % HOST_HASH];

	while (*pos != ep)
		pos = &(*pos)->next_by_id;
	*pos = ep->next_by_id;
	*ep->pprev = ep->next;
	if (ep->next)
		ep->next->pprev = ep->pprev;
}

/* Frees the connection: whatever it held must be uncharged by that. */
static void destroy(struct endpoint *ep)
{
	struct host *h = ep->host;
	struct mem_acct *a = &ep->c->mem;

	if (h->on_gone)
		h->on_gone(ep);
	clock_set(h->clock, &ep->timer, USEC_NEVER);
	clock_set(h->clock, &ep->retry, USEC_NEVER);
	take_out(ep);
	h->live--;
	conn_purge(ep->c);
	if (a->wmem_queued || a->rmem_alloc)
		sim_fail("%s: a purged connection holds w=%lld r=%lld", h->name,
			 (long long)a->wmem_queued, (long long)a->rmem_alloc);
	if (!mem_acct_check(a))
		sim_fail("%s: the account disagrees with the page table", h->name);
	mem_acct_fini(a);
	arena_slot_put(h->arena, ep->slot);
	free(ep);
}

void host_forget(struct endpoint *ep)
{
	struct host *h = ep->host;

	sim_trace(h, "port %u forgotten", ep->lport);
	if (h->nforgotten < HOST_FORGOTTEN_MAX)
		h->forgotten[h->nforgotten++] = ep->id;
	destroy(ep);
}

/* ---- sending -------------------------------------------------------------- */

static void trace_packet(struct host *h, const u8 *pkt, size_t len, const struct link_fate *f,
			 u16 sport, u16 dport)
{
	struct wire_hdr w;
	char sacks[128] = "", *s = sacks;

	if (!wire_decode(&w, pkt, len)) {
		sim_trace(h, "> %u-%u malformed, %zu bytes", sport, dport, len);
		return;
	}
	for (unsigned i = 0; i < w.nsack && i < 4; i++)
		s += sprintf(s, " <%llu-%llu>", (unsigned long long)w.sack[i].start,
			     (unsigned long long)w.sack[i].end);
	sim_trace(h, "> %u-%u %s%s%s%s%s%s%s%s %llu:%llu ack %llu wnd %u ts %u/%u%s%s%s",
		  sport, dport, w.flags & WF_SYN ? "S" : "", w.flags & WF_FIN ? "F" : "",
		  w.flags & WF_RST ? "R" : "", w.flags & WF_PSH ? "P" : "",
		  w.flags & WF_ACK ? "." : "", w.flags & WF_NOMEM ? "M" : "",
		  w.flags & WF_REPLY ? "?" : "", w.has_open ? "O" : "",
		  (unsigned long long)w.seq, (unsigned long long)(w.seq + len - w.len),
		  (unsigned long long)w.ack, w.wnd, w.ts, w.ts_ecr, sacks,
		  w.has_dsack ? " dsack" : "",
		  !f->copies ? " LOST" : f->copies == 2 ? " TWICE" : f->flip[0] ? " BAD" : "");
}

void host_transmit(struct host *h, const u8 *pkt, size_t len, u16 sport, u16 dport)
{
	struct link_fate f;

	link_send(h->out, len, h->clock->now, &f);
	h->packets++;
	if (sim_tracing)
		trace_packet(h, pkt, len, &f, sport, dport);
	for (unsigned i = 0; i < f.copies; i++)
		host_deliver(h->peer, pkt, len, sport, dport, f.at[i], f.flip[i]);
}

/* Cuts a train into its datagrams, as the kernel's GSO does. */
static void send_train(struct endpoint *ep, const struct tx_batch *b)
{
	static u8 train[TX_BATCH_PKTS * 1024 + 2 * WIRE_DGRAM_MAX];
	size_t len = 0;
	unsigned n = 0;

	for (int i = 0; i < b->niov; i++) {
		if (len + b->iov[i].iov_len > sizeof(train))
			sim_fail("a train of more than %zu bytes", sizeof(train));
		memcpy(train + len, b->iov[i].iov_base, b->iov[i].iov_len);
		len += b->iov[i].iov_len;
	}
	if (len != b->bytes || !b->gso_size || !len ||
	    b->niov > (int)ARRAY_SIZE(b->iov) || b->npkts > TX_BATCH_PKTS)
		sim_fail("a train says %u bytes in %u, its pieces have %zu", b->bytes,
			 b->gso_size, len);
	if (b->gso_size > ep->c->dgram_max)
		sim_fail("datagrams of %u, path takes %u", b->gso_size, ep->c->dgram_max);
	for (size_t at = 0; at < len; at += b->gso_size, n++)
		host_transmit(ep->host, train + at, min(len - at, (size_t)b->gso_size),
			      ep->lport, ep->pport);
	if (n != b->npkts)
		sim_fail("a train of %u datagrams says it has %u", n, b->npkts);
}

static void send_all(struct endpoint *ep)
{
	struct host *h = ep->host;
	usec_t now = h->clock->now;

	if (ep->retry.pos)
		return;
	for (unsigned n = 0; conn_output(ep->c, &h->batch, h->cfg.max_batch, now) > 0; n++) {
		if (h->cfg.tx_refuse_ppm && rng_below(&h->rng, 1000000) < h->cfg.tx_refuse_ppm) {
			h->refused++;
			clock_set(h->clock, &ep->retry, now + rng_range(&h->rng, 1, 3000));
			return;
		}
		send_train(ep, &h->batch);
		conn_sent(ep->c, &h->batch, now);
		if (n > 20000)
			sim_fail("%s: port %u sends without end, kind %d", h->name, ep->lport,
				 h->batch.kind);
	}
}

/* ---- settling ---------------------------------------------------------------- */

static void check_all(struct endpoint *ep)
{
	const struct mem_acct *a = &ep->c->mem;

	conn_check(ep->c);
	if ((s64)a->pages * PAGE_BYTES != a->forward_alloc + a->wmem_queued + a->rmem_alloc)
		sim_fail("%s: %u pages, but f=%lld w=%lld r=%lld", ep->host->name, a->pages,
			 (long long)a->forward_alloc, (long long)a->wmem_queued,
			 (long long)a->rmem_alloc);
	if (conn_notsent(ep->c) > conn_outq(ep->c))
		sim_fail("%s: more unsent than unacknowledged", ep->host->name);
	if (ep->host->step++ % 256)
		return;
	if (!mem_acct_check(a))
		sim_fail("%s: the account disagrees with the page table", ep->host->name);
	struct tcp_info info;

	conn_info(ep->c, &info, ep->host->clock->now);
	if (info.tcpi_unacked < info.tcpi_sacked || info.tcpi_notsent_bytes != conn_notsent(ep->c))
		sim_fail("%s: conn_info says nonsense", ep->host->name);
}

static void arm_timer(struct endpoint *ep)
{
	usec_t now = ep->host->clock->now, at = conn_deadline(ep->c);

	clock_set(ep->host->clock, &ep->timer, at);
	if (ep->last_settle != now) {
		ep->last_settle = now;
		ep->batches_now = 0;
	} else if (++ep->batches_now > 100000) {
		sim_fail("%s: port %u: time stands still, deadline %lld us ago",
			 ep->host->name, ep->lport, (long long)(now - at));
	}
}

static void show_ready(struct endpoint *ep)
{
	unsigned ready = conn_ready(ep->c), edges = ready & ~ep->ready;

	if ((ready & READY_IN) && ep->rx_edge != ep->c->rx_edge)
		edges |= READY_IN;
	ep->ready = ready;
	ep->rx_edge = ep->c->rx_edge;
	if (edges && ep->app)
		ep->host->on_ready(ep, edges);
}

static void tick(struct host *h)
{
	usec_t now = h->clock->now;

	if (now < h->last_tick + TICK_US)
		return;
	h->last_tick = now;
	arena_tick(h->arena, now);
}

void host_settle(struct endpoint *ep)
{
	tick(ep->host);
	send_all(ep);
	check_all(ep);
	arm_timer(ep);
	show_ready(ep);
	ep->host->peak_in_flight = max(ep->host->peak_in_flight, (u64)ep->c->packets_out);
	if (ep->app)
		return;
	if (ep->c->state == CONN_TIME_WAIT || conn_finished(ep->c)) {
		host_remember(ep);
		destroy(ep);
	}
}

void host_release(struct endpoint *ep)
{
	ep->app = NULL;
	host_settle(ep);
}
