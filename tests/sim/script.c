/* script.c - the scripted peer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "campaign.h"
#include "script.h"

struct script S;

void script_unwanted(const char *what, const char *file, int line)
{
	sim_fail("%s:%d: at %.3f ms: %s", file, line, (double)(S.now - S.base) / 1000, what);
}

u64 count_of(enum counter which)
{
	return S.domain->counters[which];
}

/* ---- what leaves ------------------------------------------------------------- */

static void describe(char *out, size_t size, const struct captured *p)
{
	snprintf(out, size, "%s%s%s%s%s%s %lld+%u ack %lld wnd %u sack %u at %.3f ms",
		 p->h.flags & WF_SYN ? "S" : "", p->h.flags & WF_FIN ? "F" : "",
		 p->h.flags & WF_RST ? "R" : "", p->h.flags & WF_PSH ? "P" : "",
		 p->h.flags & WF_ACK ? "." : "", p->h.flags & WF_REPLY ? "?" : "",
		 (long long)p->h.seq - 1, p->len, (long long)p->h.ack - 1, p->h.wnd, p->h.nsack,
		 ((double)p->at - (double)S.base) / 1000);
}

static u8 pattern(u64 off)
{
	return (u8)(off * 7 + (off >> 8));
}

static void capture_one(const u8 *pkt, size_t len)
{
	struct captured *p = &S.out[S.nout];
	u64 seed = S.c->state == CONN_SYN_SENT ? wire_seed(S.c->id, 0) :
		   wire_seed(S.c->id, S.peer_id);

	if (S.nout == SCRIPT_PKTS || S.nsent == SCRIPT_PKTS)
		sim_fail("more than %d packets", SCRIPT_PKTS);
	if (!wire_decode(&p->h, pkt, len) || !wire_sum_ok(pkt, len, seed))
		sim_fail("a packet that its peer could not read");
	p->at = S.now;
	p->len = (u32)(len - p->h.len);
	for (u32 i = 0; i < p->len; i++)
		if (pkt[p->h.len + i] != pattern(p->h.seq - 1 + i))
			sim_fail("byte %llu is wrong", (unsigned long long)p->h.seq - 1 + i);
	S.nout++;
	S.sent[S.nsent].at = S.now;
	S.sent[S.nsent++].ts = p->h.ts;
	if (sim_tracing) {
		char text[160];

		describe(text, sizeof(text), p);
		printf("> %s\n", text);
	}
}

static void capture(const struct tx_batch *b)
{
	static u8 train[TX_BATCH_PKTS * 1024 + 2 * WIRE_DGRAM_MAX];
	size_t len = 0;

	for (int i = 0; i < b->niov; i++) {
		memcpy(train + len, b->iov[i].iov_base, b->iov[i].iov_len);
		len += b->iov[i].iov_len;
	}
	for (size_t pos = 0; pos < len; pos += b->gso_size)
		capture_one(train + pos, min(len - pos, (size_t)b->gso_size));
}

void settle(void)
{
	static struct tx_batch b;

	while (conn_output(S.c, &b, WIRE_DGRAM_MAX, S.now) > 0) {
		capture(&b);
		conn_sent(S.c, &b, S.now);
	}
	conn_check(S.c);
	want(mem_acct_check(&S.c->mem));
}

void at_us(u64 us)
{
	usec_t to = S.base + us;

	expect_none();
	for (unsigned n = 0; conn_deadline(S.c) <= to; n++) {
		S.now = max(S.now, conn_deadline(S.c));
		conn_timeout(S.c, S.now);
		settle();
		want(n < 10000);
	}
	want(to >= S.now);
	S.now = to;
}

void at(u64 ms)
{
	at_us(ms * 1000);
}

/* ---- what arrives ------------------------------------------------------------- */

void script_input(const struct wire_hdr *h, const u8 *payload, u32 len)
{
	struct rx_pkt p = { .h = *h, .payload = payload, .len = len };

	if (sim_tracing)
		printf("< %lld+%u ack %lld flags %x at %.3f ms\n", (long long)h->seq - 1, len,
		       (long long)h->ack - 1, h->flags, (double)(S.now - S.base) / 1000);
	conn_input(S.c, &p, S.now);
	conn_check(S.c);
	conn_input_end(S.c, S.now);
	settle();
}

/* The newest stamp that the peer can have seen when it sent this. */
static u32 echo(void)
{
	u32 ts = S.nsent ? S.sent[0].ts : 0;

	for (unsigned i = 0; i < S.nsent && S.sent[i].at + S.rtt_us <= S.now; i++)
		ts = S.sent[i].ts;
	return ts;
}

void script_inject(struct injected in)
{
	static u8 payload[WIRE_DGRAM_MAX];
	u64 seq = in.at_seq ? in.seq : S.peer_seq;
	struct wire_hdr h = {
		.flags = (u8)(in.flags | (in.no_ack ? 0 : WF_ACK)), .dst_id = S.c->id,
		.seq = seq + 1, .ack = in.ack + 1, .ts = (u32)(S.now + 5000),
		.ts_ecr = in.stale_ts ? 0 : echo(), .credit = 4 << 20, .len = WIRE_HDR,
		.wnd = in.wnd_zero ? 0 : in.wnd ? in.wnd : S.peer_wnd,
	};

	for (; h.nsack < 4 && in.sack[h.nsack].end; h.nsack++) {
		h.sack[h.nsack].start = in.sack[h.nsack].start + 1;
		h.sack[h.nsack].end = in.sack[h.nsack].end + 1;
	}
	if (in.dsack.end) {
		h.has_dsack = true;
		h.dsack.start = in.dsack.start + 1;
		h.dsack.end = in.dsack.end + 1;
	}
	for (u32 i = 0; i < in.len; i++)
		payload[i] = pattern(seq + i);
	if (!in.at_seq)
		S.peer_seq += in.len + !!(in.flags & WF_FIN);
	script_input(&h, payload, in.len);
}

/* ---- life ------------------------------------------------------------------------ */

void script_fresh(struct script_open o)
{
	struct mem_limits l = {
		.mem = { 24576, 32768, 49152 }, .wmem = { 4096, 16384, 4 << 20 },
		.rmem = { 4096, 131072, 6 << 20 }, .wmem_max = 4 << 20, .rmem_max = 4 << 20,
		.max_orphans = 8192, .notsent_lowat = UINT32_MAX,
	};
	struct conn_seed seed = { .id = 0x1111, .rng = 7, .dgram_max = 1472 };

	memset(&S, 0, sizeof(S));
	refuse = (struct refuse){ 0 };
	if (o.high) {
		l.mem[0] = o.high / 2;
		l.mem[1] = o.high * 3 / 4;
		l.mem[2] = o.high;
	}
	S.base = S.now = 100 * USEC_PER_SEC;
	S.slack_us = 1000;
	S.peer_id = 0x2222;
	S.peer_wnd = o.wnd ? o.wnd : 1 << 20;
	S.domain = domain_private(&l);
	want(S.domain && !arena_create_private(&S.arena, S.domain, 8192, 8, HOST_SLOT));
	u8 *slot = arena_slot_get(S.arena, &S.slot, &S.gen);

	want(slot);
	S.c = (struct conn *)(void *)(slot + HOST_SLOT_CONN);
	mem_acct_init(&S.c->mem, S.arena, OWNER_SOCK0 + S.slot, S.gen);
	seed.cc_id = o.reno ? (u8)cc_find("reno") : 0;
	conn_init(S.c, &seed, S.now);
	S.c->rcv_credit = 4 << 20;
	S.c->opts.nodelay = o.nodelay;
	S.c->opts.keepalive = o.keepalive;
	S.c->opts.maxseg = o.mss;
	if (o.sndbuf)
		conn_set_sndbuf(S.c, o.sndbuf, S.now);
	if (o.rcvbuf)
		conn_set_rcvbuf(S.c, o.rcvbuf);
}

static void open_actively(void)
{
	struct wire_hdr h = { .flags = WF_SYN | WF_ACK, .dst_id = S.c->id, .ack = 1,
			      .wnd = S.peer_wnd, .ts = 1, .credit = 4 << 20, .has_open = true,
			      .open = { 1472, S.peer_id, 77 }, .len = WIRE_HDR + WIRE_OPEN_LEN };

	S.now -= S.rtt_us;
	want(conn_connect(S.c, S.now) == 0);
	settle();
	expect_syn();
	h.ts_ecr = S.last->h.ts;
	S.now += S.rtt_us;
	script_input(&h, NULL, 0);
	want(S.c->state == CONN_ESTABLISHED);
	expect_ack(0);
	want(S.last->h.has_open);
	inject(.ack = 0);	/* the listener's end confirms */
}

static void open_passively(void)
{
	struct wire_hdr h = { .flags = WF_ACK, .dst_id = S.c->id, .seq = 1, .ack = 1,
			      .wnd = S.peer_wnd, .ts = 1, .credit = 4 << 20, .has_open = true,
			      .open = { 1472, S.peer_id, 77 }, .len = WIRE_HDR + WIRE_OPEN_LEN };

	open_passive(S.c, &h, S.now);
	script_input(&h, NULL, 0);
	expect_ack(0);
}

void script_establish(struct script_open o)
{
	script_fresh(o);
	S.rtt_us = o.rtt_ms * 1000ULL;
	if (o.passive)
		open_passively();
	else
		open_actively();
	skip_all();
}

void script_end(void)
{
	conn_purge(S.c);
	want(!S.c->mem.wmem_queued && !S.c->mem.rmem_alloc);
	mem_acct_fini(&S.c->mem);
	arena_slot_put(S.arena, S.slot);
	for (unsigned i = 1; i <= 50; i++)
		arena_tick(S.arena, S.now + i * TICK_US);
	want(S.domain->memory_allocated == 0 && S.domain->sockets_allocated == 0);
	arena_destroy_private(S.arena);
	domain_detach(S.domain);
}

/* ---- the program ------------------------------------------------------------------- */

static ssize_t write_some(u32 len, bool more)
{
	static u8 data[1 << 20];

	want(len <= sizeof(data));
	for (u32 i = 0; i < len; i++)
		data[i] = pattern(S.written + i);
	ssize_t n = conn_send(S.c, data, len, more, S.now);

	if (n > 0)
		S.written += (u64)n;
	settle();
	return n;
}

ssize_t app_write(u32 len)
{
	return write_some(len, false);
}

ssize_t app_write_more(u32 len)
{
	return write_some(len, true);
}

ssize_t app_read(u32 len)
{
	static u8 data[1 << 20];

	want(len <= sizeof(data));
	u64 off = S.c->copied_seq - 1;
	ssize_t n = conn_recv(S.c, data, len, 0, S.now);

	for (ssize_t i = 0; i < n; i++)
		want(data[i] == pattern(off + (u64)i));
	settle();
	return n;
}

/* ---- expectations ---------------------------------------------------------------------- */

static struct captured *next_packet(const char *wanted)
{
	char text[160] = "nothing";

	if (S.next < S.nout) {
		S.last = &S.out[S.next++];
		if (S.last->at + S.slack_us >= S.now)
			return S.last;
		describe(text, sizeof(text), S.last);
	}
	sim_fail("at %.3f ms: %s left, not %s", (double)(S.now - S.base) / 1000, text, wanted);
}

static void must(bool ok, const char *fmt, u64 off, u32 len)
{
	char text[160], wanted[80];

	if (ok)
		return;
	describe(text, sizeof(text), S.last);
	snprintf(wanted, sizeof(wanted), "%s %llu+%u", fmt, (unsigned long long)off, len);
	sim_fail("at %.3f ms: %s left, not %s", (double)(S.now - S.base) / 1000, text, wanted);
}

void expect_data(u64 off, u32 len)
{
	struct captured *p = next_packet("data");

	must(p->h.seq == off + 1 && p->len == len && !(p->h.flags & (WF_SYN | WF_FIN | WF_RST)),
	     "data", off, len);
}

void expect_train(u64 off, u32 len)
{
	for (u64 end = off + len; off < end; off += S.c->mss)
		expect_data(off, (u32)min(end - off, (u64)S.c->mss));
}

void expect_ack(u64 off)
{
	struct captured *p = next_packet("an ACK");

	must(p->h.ack == off + 1 && !p->len && p->h.flags & WF_ACK &&
	     !(p->h.flags & (WF_SYN | WF_FIN | WF_RST)), "ACK of", off, 0);
}

void expect_fin(u64 off, u32 len)
{
	struct captured *p = next_packet("a FIN");

	must(p->h.seq == off + 1 && p->len == len && p->h.flags & WF_FIN, "FIN", off, len);
}

void expect_rst(void)
{
	must(next_packet("RST")->h.flags & WF_RST, "RST", 0, 0);
}

void expect_syn(void)
{
	struct captured *p = next_packet("SYN");

	must(p->h.flags == WF_SYN && p->h.has_open && !p->h.dst_id, "SYN", 0, 0);
}

void expect_none(void)
{
	char text[160];

	if (S.next == S.nout)
		return;
	describe(text, sizeof(text), &S.out[S.next]);
	sim_fail("at %.3f ms: %s left, which was not expected",
		 (double)(S.now - S.base) / 1000, text);
}

void skip_all(void)
{
	S.next = S.nout;
}
