/*
 * host_rx.c - a datagram's way into a connection: queue, batch, demultiplexing
 * by id, the stateless listener, the remembered dead.
 */
#include <stdlib.h>
#include <string.h>
#include "host_int.h"
#include "refuse.h"

static const u8 address[2][16] = {
	{ [10] = 0xff, 0xff, 10, 0, 0, 1 }, { [10] = 0xff, 0xff, 10, 0, 0, 2 },
};

static struct flow_addr flow_of(const struct host *h, const struct packet *p)
{
	struct flow_addr fa = { .lport = p->dport, .pport = p->sport };

	memcpy(fa.local, address[h->cfg.listening], sizeof(fa.local));
	memcpy(fa.peer, address[!h->cfg.listening], sizeof(fa.peer));
	return fa;
}

static void answer(struct host *h, const struct packet *p, const u8 *reply, unsigned len)
{
	if (!len)
		return;
	if (len > p->len)
		sim_fail("%s: answered %zu bytes with %u", h->name, p->len, len);
	host_transmit(h, reply, len, p->dport, p->sport);
}

/* ---- the wire ---------------------------------------------------------------- */

static void arrive(struct event *e, usec_t now)
{
	struct packet *p = container_of(e, struct packet, arrival);
	struct host *h = p->to;

	p->next = NULL;
	*h->rx_tail = p;
	h->rx_tail = &p->next;
	if (!h->cfg.coalesce_us)
		host_rx_run(&h->rx_event, now);
	else if (!h->rx_event.pos)
		clock_set(h->clock, &h->rx_event, now + h->cfg.coalesce_us);
}

void host_deliver(struct host *h, const u8 *pkt, size_t len, u16 sport, u16 dport,
		  usec_t at, u32 flip)
{
	struct packet *p = malloc(sizeof(*p) + len);

	if (!p)
		abort();
	*p = (struct packet){ .arrival.run = arrive, .to = h, .sport = sport,
			      .dport = dport, .len = len };
	memcpy(p->data, pkt, len);
	if (flip)
		link_corrupt(p->data, len, flip);
	clock_set(h->clock, &p->arrival, at);
}

void host_drain(struct clock *k)
{
	while (k->n) {
		struct event *e = k->heap[1];

		if (e->run != arrive)
			sim_fail("an event is left that is no packet");
		clock_set(k, e, USEC_NEVER);
		free(container_of(e, struct packet, arrival));
	}
}

/* ---- into a connection ---------------------------------------------------------- */

/* Copies a big datagram into pages of the pool, as the driver receives it. */
static u32 into_pool(struct host *h, const struct packet *p, struct rx_pkt *rx)
{
	u32 npages = (u32)DIV_ROUND_UP(p->len, PAGE_BYTES), unit;
	struct mem_acct *pool = arena_pool(h->arena);

	if (!h->cfg.pool || p->len < 2048)
		return MEM_NONE;
	unit = refuse_exempt_alloc(pool, npages * PAGE_UNITS);
	if (unit == MEM_NONE)
		return MEM_NONE;
	u8 *page = mem_addr(pool, unit);

	memcpy(page, p->data, p->len);
	rx->payload = page + rx->h.len;
	rx->page = unit / PAGE_UNITS;
	rx->npages = npages;
	return unit;
}

static void input(struct endpoint *ep, const struct packet *p, const struct wire_hdr *hdr)
{
	struct host *h = ep->host;
	struct rx_pkt rx = { .h = *hdr, .payload = p->data + hdr->len,
			     .len = (u32)(p->len - hdr->len) };
	u32 unit = into_pool(h, p, &rx);

	conn_input(ep->c, &rx, h->clock->now);
	if (rx.taken && unit == MEM_NONE)
		sim_fail("%s: took pages that there are not", h->name);
	if (unit != MEM_NONE && !rx.taken)
		mem_free(arena_pool(h->arena), unit, rx.npages * PAGE_UNITS, MEM_RCV);
	h->adopted += rx.taken;
	conn_check(ep->c);
}

/* ---- no connection of that id ------------------------------------------------------ */

static void syn(struct host *h, const struct packet *p, const struct wire_hdr *hdr)
{
	u8 reply[WIRE_HDR_MAX];
	struct flow_addr fa = flow_of(h, p);
	unsigned n;

	if (!wire_sum_ok(p->data, p->len, wire_seed(hdr->open.src_id, 0)))
		return;
	if (h->cfg.listening && p->dport == LISTEN_PORT)
		n = open_syn_reply(&h->key, &fa, hdr, p->len, h->cfg.dgram_max,
				   h->listen_window(h, p->sport), reply, h->clock->now);
	else
		n = open_reset_reply(hdr, p->len, reply, h->clock->now);
	answer(h, p, reply, n);
}

/* A reset that can name us only by our peer's id. */
static struct endpoint *reset_by_peer_id(struct host *h, const struct packet *p,
					 const struct wire_hdr *hdr)
{
	struct endpoint *ep = h->all;

	while (ep && !(ep->c->peer_id == hdr->seq &&
		       open_reset_ok(ep->c, hdr, p->data, p->len)))
		ep = ep->next;
	return ep;
}

static struct tw *remembered(struct host *h, u64 id)
{
	for (unsigned i = 0; i < h->ntw; i++)
		if (h->tw[i].id == id && h->tw[i].until > h->clock->now)
			return &h->tw[i];
	return NULL;
}

void host_remember(struct endpoint *ep)
{
	struct host *h = ep->host;
	usec_t now = h->clock->now;
	struct tw t;
	unsigned kept = 0;

	if (ep->c->state != CONN_TIME_WAIT && !h->cfg.listening)
		return;
	tw_from_conn(&t, ep->c, now);
	for (unsigned i = 0; i < h->ntw; i++)
		if (h->tw[i].until > now)
			h->tw[kept++] = h->tw[i];
	h->ntw = kept;
	if (t.until > now && h->ntw < HOST_TW_MAX)
		h->tw[h->ntw++] = t;
}

static void late(struct host *h, struct tw *t, const struct packet *p,
		 const struct wire_hdr *hdr)
{
	u8 reply[WIRE_HDR_MAX];
	bool restart = false;

	if (!wire_sum_ok(p->data, p->len, wire_seed(t->id, t->peer_id)))
		return;
	answer(h, p, reply, tw_reply(t, hdr, p->len, reply, &restart, h->clock->now));
	if (restart)
		t->until = max(t->until, h->clock->now + 4 * RTO_MIN_US);
}

static bool forgotten(const struct host *h, u64 id)
{
	for (unsigned i = 0; i < h->nforgotten; i++)
		if (h->forgotten[i] == id)
			return true;
	return false;
}

static struct endpoint *third_packet(struct host *h, const struct packet *p,
				     const struct wire_hdr *hdr)
{
	struct flow_addr fa = flow_of(h, p);
	struct endpoint *ep;

	if (!open_cookie_ok(&h->key, &fa, hdr, p->data, p->len, h->clock->now))
		return NULL;
	ep = host_new(h, hdr->dst_id, p->dport, p->sport);
	if (!ep)
		return NULL;
	h->accepted++;
	h->on_accept(h, ep);
	open_passive(ep->c, hdr, h->clock->now);
	return ep;
}

/* Finds or makes the connection that a packet is for, NULL: it is dealt with. */
static struct endpoint *demux(struct host *h, const struct packet *p, struct wire_hdr *hdr)
{
	struct endpoint *ep;
	struct tw *t;
	u8 reply[WIRE_HDR_MAX];

	if (!wire_decode(hdr, p->data, p->len))
		return NULL;
	if (!hdr->dst_id) {
		if (hdr->flags & WF_RST)
			return reset_by_peer_id(h, p, hdr);
		if (hdr->flags & WF_SYN)
			syn(h, p, hdr);
		return NULL;
	}
	ep = host_find(h, hdr->dst_id);
	if (ep)
		return open_sum_ok(ep->c, hdr, p->data, p->len) ? ep : NULL;
	t = remembered(h, hdr->dst_id);
	if (t) {
		late(h, t, p, hdr);
		return NULL;
	}
	if (hdr->has_open && h->cfg.listening && p->dport == LISTEN_PORT &&
	    !forgotten(h, hdr->dst_id))
		return third_packet(h, p, hdr);
	answer(h, p, reply, open_reset_reply(hdr, p->len, reply, h->clock->now));
	return NULL;
}

/* ---- a batch -------------------------------------------------------------------------- */

void host_rx_run(struct event *e, usec_t now)
{
	struct host *h = container_of(e, struct host, rx_event);
	u64 touched[64];
	unsigned n = 0;

	for (struct packet *p; n < ARRAY_SIZE(touched) && (p = h->rx_head);) {
		struct wire_hdr hdr;
		struct endpoint *ep;

		h->rx_head = p->next;
		if (!h->rx_head)
			h->rx_tail = &h->rx_head;
		ep = demux(h, p, &hdr);
		if (ep) {
			input(ep, p, &hdr);
			if (!ep->touched)
				touched[n++] = ep->id;
			ep->touched = true;
		}
		free(p);
	}
	for (unsigned i = 0; i < n; i++) {
		struct endpoint *ep = host_find(h, touched[i]);

		ep->touched = false;
		conn_input_end(ep->c, now);
		host_settle(ep);
	}
	if (h->rx_head)
		clock_set(h->clock, &h->rx_event, now + 1);
}
