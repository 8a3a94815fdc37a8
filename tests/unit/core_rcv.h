/*
 * core_rcv.h - a receiving connection on a bench: packets are made by hand,
 * time is a number. Byte n of the stream is pattern(n).
 */
#ifndef CHECK_CORE_RCV_H
#define CHECK_CORE_RCV_H

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "core/open.h"
#include "core/rcv.h"
#include "mem/arena.h"
#include "mem/domain.h"

struct bench {
	struct domain *d;
	struct arena *ar;
	struct conn c;
	usec_t now;
};

static inline u8 pattern(u64 offset)
{
	return offset * 0x9e3779b97f4a7c15ULL >> 56;
}

/* Limits of the test statements: R = 1, no shortage. */
static inline struct mem_limits bench_limits(void)
{
	struct mem_limits l = {
		.mem = { 30000, 40000, 50000 },
		.wmem = { 4096, 16384, 4194304 }, .rmem = { 4096, 131072, 6291456 },
		.wmem_max = 4194304, .rmem_max = 4194304, .max_orphans = 1024,
		.notsent_lowat = UINT32_MAX, .reserve = 1,
	};

	return l;
}

/* An accepted connection; payloads are at most dgram_max - WIRE_HDR. */
static inline void bench_open(struct bench *b, const struct mem_limits *l, u16 dgram_max)
{
	struct conn_seed seed = { .id = 0xb0b, .rng = 7, .dgram_max = dgram_max };
	struct wire_hdr h = {
		.flags = WF_ACK, .dst_id = seed.id, .seq = 1, .ack = 1, .wnd = 65536,
		.credit = 1 << 20, .has_open = true, .open = { dgram_max, 0xa11ce, 1000 },
	};

	memset(b, 0, sizeof(*b));
	b->now = USEC_PER_SEC;
	b->d = domain_private(l);
	ck_assert_ptr_nonnull(b->d);
	ck_assert_int_eq(arena_create_private(&b->ar, b->d, 8192, 4, 8192), 0);
	mem_acct_init(&b->c.mem, b->ar, OWNER_SOCK0, 1);
	conn_init(&b->c, &seed, b->now);
	open_passive(&b->c, &h, b->now);
}

static inline void bench_close(struct bench *b)
{
	conn_purge(&b->c);
	ck_assert_int_eq(b->c.mem.rmem_alloc, 0);
	ck_assert_int_eq(b->c.mem.wmem_queued, 0);
	mem_acct_fini(&b->c.mem);
	ck_assert_int_eq(domain_allocated(b->d), 0);	/* T83 */
	arena_destroy_private(b->ar);
	domain_detach(b->d);
}

static inline u64 counter(const struct bench *b, enum counter c)
{
	return atomic_load(&b->d->counters[c]);
}

static inline void feed_flags(struct bench *b, u64 seq, u32 len, u8 flags)
{
	static u8 buf[65536];
	struct rx_pkt p = {
		.h = { .flags = WF_ACK | flags, .dst_id = b->c.id, .seq = seq, .ack = b->c.snd_nxt,
		       .wnd = 65536, .ts = (u32)b->now, .credit = 1 << 20, .len = WIRE_HDR },
		.payload = buf, .len = len,
	};

	for (u32 i = 0; i < len; i++)
		buf[i] = pattern(seq + i);
	conn_input(&b->c, &p, b->now);
	conn_check(&b->c);
}

static inline void feed(struct bench *b, u64 seq, u32 len)
{
	feed_flags(b, seq, len, 0);
}

/* What conn_output would put into an acknowledgement now. */
static inline u32 send_ack(struct bench *b)
{
	u32 wnd = rcv_select_window(&b->c);

	rcv_ack_sent(&b->c, b->now);
	return wnd;
}

/* Reads up to n bytes and checks them. */
static inline ssize_t drink(struct bench *b, size_t n)
{
	u64 from = b->c.copied_seq;
	u8 *buf = malloc(n + 1);
	ssize_t got = conn_recv(&b->c, buf, n, 0, b->now);

	for (ssize_t i = 0; i < got; i++)
		if (buf[i] != pattern(from + i))
			ck_abort_msg("byte %llu is wrong", (unsigned long long)(from + i));
	free(buf);
	conn_check(&b->c);
	return got;
}

/* Offers a window as wide as the test wants. */
static inline void offer(struct bench *b, u32 wnd)
{
	b->c.rcv_wup = b->c.rcv_nxt;
	b->c.rcv_wnd = wnd;
}

static inline void lock_rcvbuf(struct bench *b, u32 bytes)
{
	b->c.mem.rcvbuf = bytes;
	b->c.mem.lock_bits |= RCVBUF_LOCK;
}

static inline int run_case(const char *name, void (*add)(TCase *))
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create(name);
	SRunner *r = srunner_create(s);
	int failed;

	add(t);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

#endif
