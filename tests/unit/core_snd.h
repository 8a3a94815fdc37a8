/*
 * core_snd.h - a sending connection on a bench: what leaves is caught, what
 * the peer would answer is made by hand, time is a number. Offsets count the
 * stream's bytes from 0; byte n is pattern(n + 1).
 *
 *	at(0);    put(5000);        left(0, 1000); left(1000, 1000); ...
 *	at(100);  answer(.ack = 0, .sack = { 1000, 3000 });
 *	at(125);  left(0, 1000);    left_none();
 */
#ifndef CHECK_CORE_SND_H
#define CHECK_CORE_SND_H

#include "core_rcv.h"

static struct bench B;
static struct tx_batch batch;

static struct caught {
	u64 off;
	u32 len;
	usec_t at;
	struct wire_hdr h;
} caught[4096];
static unsigned ncaught, looked_at, trains;
static usec_t base;		/* at(0) */
static unsigned max_bytes = WIRE_DGRAM_MAX;
static bool network_refuses;	/* batches are built and not sent */

/* Every datagram of the batch: readable, sealed, holding the right bytes. */
static inline void catch_batch(void)
{
	static u8 all[WIRE_DGRAM_MAX + 1];
	unsigned len = 0;

	for (int i = 0; i < batch.niov; i++) {
		memcpy(all + len, batch.iov[i].iov_base, batch.iov[i].iov_len);
		len += batch.iov[i].iov_len;
	}
	ck_assert_uint_eq(len, batch.bytes);
	ck_assert_uint_le(len, max_bytes);
	ck_assert_uint_eq(batch.npkts, DIV_ROUND_UP(len, batch.gso_size));
	for (unsigned at = 0; at < len; at += batch.gso_size) {
		unsigned n = min(batch.gso_size, len - at);
		struct caught *k = &caught[ncaught++];

		ck_assert_uint_lt(ncaught, ARRAY_SIZE(caught));
		ck_assert(wire_decode(&k->h, all + at, n));
		ck_assert(batch.kind == TX_SYN || wire_sum_ok(all + at, n, B.c.sum_seed));
		k->off = k->h.seq - 1;
		k->len = n - k->h.len;
		k->at = B.now;
		for (u32 i = 0; i < k->len; i++)
			if (all[at + k->h.len + i] != pattern(k->h.seq + i))
				ck_abort_msg("byte %llu is wrong", (unsigned long long)k->off + i);
	}
	trains++;
}

static inline void flush_out(void)
{
	while (conn_output(&B.c, &batch, max_bytes, B.now)) {
		conn_check(&B.c);
		if (network_refuses)
			return;
		catch_batch();
		conn_sent(&B.c, &batch, B.now);
		conn_check(&B.c);
	}
}

/* Moves the clock, running timers when they are due. */
static inline void at_us(u64 us)
{
	usec_t to = base + us, due;

	while ((due = conn_deadline(&B.c)) <= to) {
		B.now = max(B.now, due);
		conn_timeout(&B.c, B.now);
		flush_out();
	}
	B.now = to;
}

static inline void at(u64 ms)
{
	at_us(ms * 1000);
}

static inline ssize_t put_more(size_t n, bool more)
{
	u8 *buf = malloc(n + 1);
	u64 from = B.c.write_seq;
	ssize_t took;

	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(from + i);
	took = conn_send(&B.c, buf, n, more, B.now);
	free(buf);
	conn_check(&B.c);
	flush_out();
	return took;
}

static inline ssize_t put(size_t n)
{
	return put_more(n, false);
}

struct answer {
	u64 ack;
	u32 wnd;		/* 0: as wide as it was */
	bool shut, nomem;	/* the window is zero; NOMEM */
	u32 credit;
	u32 ecr;		/* 0: the clock of what was sent last */
	struct sack_block sack, sack2, dsack;
};

static u32 peer_wnd;

static inline void answer_(struct answer a)
{
	struct wire_hdr h = {
		.flags = WF_ACK | (a.nomem ? WF_NOMEM : 0), .dst_id = B.c.id, .seq = B.c.rcv_nxt,
		.ack = a.ack + 1, .ts = (u32)B.now, .ts_ecr = a.ecr,
		.wnd = a.shut ? 0 : a.wnd ? a.wnd : peer_wnd,
		.credit = a.credit ? a.credit : 64 << 20,
	};
	struct rx_pkt p = { .payload = (const u8 *)"" };

	if (a.sack.end)
		h.sack[h.nsack++] = (struct sack_block){ a.sack.start + 1, a.sack.end + 1 };
	if (a.sack2.end)
		h.sack[h.nsack++] = (struct sack_block){ a.sack2.start + 1, a.sack2.end + 1 };
	if (a.dsack.end) {
		h.has_dsack = true;
		h.dsack = (struct sack_block){ a.dsack.start + 1, a.dsack.end + 1 };
	}
	if (!a.ecr)
		h.ts_ecr = snd_ts(&B.c, B.c.xmit_last);
	p.h = h;
	conn_input(&B.c, &p, B.now);
	conn_input_end(&B.c, B.now);
	conn_check(&B.c);
	flush_out();
}
#define answer(...) answer_((struct answer){ __VA_ARGS__ })

/* The next datagram that left is data [off, off + len). */
static inline void left_(u64 off, u32 len, int line)
{
	struct caught *k = &caught[looked_at++];

	if (looked_at > ncaught)
		ck_abort_msg("line %d: nothing left, state %d cwnd %u out %u why %u", line,
			     B.c.ca_state, B.c.cwnd, B.c.packets_out, B.c.why_blocked);
	if (k->off != off || k->len != len)
		ck_abort_msg("line %d: %llu+%u left", line, (unsigned long long)k->off, k->len);
}
#define left(off, len) left_(off, len, __LINE__)

static inline void left_none_(int line)
{
	if (looked_at != ncaught)
		ck_abort_msg("line %d: %llu+%u left", line,
			     (unsigned long long)caught[looked_at].off, caught[looked_at].len);
}
#define left_none() left_none_(__LINE__)

/* Full datagrams and a rest. */
static inline void left_train(u64 off, u32 len, u32 mss)
{
	for (u32 n = 0; n < len; n += mss)
		left(off + n, min(mss, len - n));
}

static inline struct caught *last_left(void)
{
	ck_assert_uint_gt(ncaught, 0);
	return &caught[ncaught - 1];
}

static inline void forget(void)
{
	looked_at = ncaught;
}

/* An accepted connection to a peer that offers `wnd`. */
static inline void snd_open_limits(u32 mss, u32 wnd, const struct mem_limits *l)
{
	bench_open(&B, l, max(mss + WIRE_HDR, (u32)WIRE_DGRAM_MIN));
	ncaught = looked_at = trains = 0;
	network_refuses = false;
	max_bytes = WIRE_DGRAM_MAX;
	base = B.now;
	B.c.mss = mss;
	B.c.opts.keepalive = false;
	conn_opts_changed(&B.c, B.now);
	B.c.max_window = B.c.snd_wnd = peer_wnd = wnd;
	B.c.snd_wnd_edge = 1 + (u64)wnd;
	B.c.credit = 64 << 20;
	B.c.ack_now = B.c.ack_pending = false;
}

static inline void snd_open(u32 mss, u32 wnd)
{
	struct mem_limits l = bench_limits();

	snd_open_limits(mss, wnd, &l);
}

/* A round trip of `ms` is known. */
static inline void know_rtt(u32 ms)
{
	rtt_init(&B.c.rtt);
	rtt_sample(&B.c.rtt, ms * 1000);
	rtt_min_update(&B.c.rtt, ms * 1000, B.now);
}

static inline void snd_close(void)
{
	bench_close(&B);
}

static inline void lock_sndbuf(u32 bytes)
{
	B.c.mem.sndbuf = bytes;
	B.c.mem.lock_bits |= SNDBUF_LOCK;
}

/* Sets the domain's limits; what is charged stays. */
static inline void limits(u64 low, u64 pressure, u64 high)
{
	struct mem_limits l = bench_limits();

	l.mem[0] = low;
	l.mem[1] = pressure;
	l.mem[2] = high;
	ck_assert_int_eq(domain_set_limits(B.d, &l), 0);
}

/* Somebody else holds pages of the domain. */
static struct mem_acct other;

static inline void other_takes(u32 pages)
{
	mem_acct_init(&other, B.ar, OWNER_SOCK0 + 1, 1);
	for (u32 i = 0; i < pages; i++)
		ck_assert_uint_ne(mem_alloc(&other, PAGE_UNITS, MEM_RCV, true), MEM_NONE);
}

static inline void other_gives(void)
{
	mem_acct_purge(&other);
}

#define RUN_SUITE(name, add) int main(void) { return run_case(name, add); }

#endif
