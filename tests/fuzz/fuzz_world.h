/* fuzz_world.h - the connection under attack, and the program that holds it. */
#ifndef RUDP_TESTS_FUZZ_WORLD_H
#define RUDP_TESTS_FUZZ_WORLD_H

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "core/conn.h"
#include "core/open.h"
#include "mem/arena.h"
#include "mem/domain.h"

enum {
	FUZZ_SLOT_FRONT = 64,	/* the slot's lock */
	FUZZ_SLOT = FUZZ_SLOT_FRONT + (sizeof(struct conn) + 63) / 64 * 64,
};

struct fuzz_world {
	struct domain *d;
	struct arena *ar;
	struct conn *c;
	u32 slot, gen;
	usec_t now;
	u64 peer_id;
	unsigned steps;
};

/* Made once: what is charged in it at the end of an input is a leak. */
static inline void fuzz_world_arena(struct fuzz_world *w)
{
	static struct domain *d;
	static struct arena *ar;
	struct mem_limits l = {
		.mem = { 300, 400, 600 }, .wmem = { 4096, 16384, 1 << 20 },
		.rmem = { 4096, 131072, 1 << 20 }, .wmem_max = 1 << 20, .rmem_max = 1 << 20,
		.max_orphans = 100, .notsent_lowat = UINT32_MAX,
	};

	if (!d) {
		d = domain_private(&l);
		assert(!arena_create_private(&ar, d, 1024, 4, FUZZ_SLOT));
	}
	w->d = d;
	w->ar = ar;
}

static inline void fuzz_world_open(struct fuzz_world *w, u8 kind)
{
	struct conn_seed seed = { .id = 0x1111, .rng = kind + 1u, .cc_id = kind % 3,
				  .dgram_max = kind & 8 ? WIRE_DGRAM_MAX : 1472 };
	struct wire_hdr h = {
		.flags = WF_ACK, .dst_id = 0x1111, .seq = 1, .ack = 1, .wnd = 65536,
		.ts = 1, .credit = 1 << 20, .has_open = true, .len = WIRE_HDR + WIRE_OPEN_LEN,
		.open = { seed.dgram_max, 0x2222, 77 },
	};

	*w = (struct fuzz_world){ .now = 10 * USEC_PER_SEC, .peer_id = 0x2222 };
	fuzz_world_arena(w);
	w->c = (void *)((u8 *)arena_slot_get(w->ar, &w->slot, &w->gen) + FUZZ_SLOT_FRONT);
	mem_acct_init(&w->c->mem, w->ar, OWNER_SOCK0 + w->slot, w->gen);
	conn_init(w->c, &seed, w->now);
	w->c->rcv_credit = 1 << 20;
	if (kind & 4)
		conn_connect(w->c, w->now);
	else
		open_passive(w->c, &h, w->now);
}

/* What the program does, or time. */
static inline void fuzz_world_call(struct fuzz_world *w, const u8 *a)
{
	static u8 buf[65536];
	struct conn *c = w->c;
	u32 arg;

	memcpy(&arg, a + 1, sizeof(arg));
	if (c->orphan && (a[0] % 16 < 6 || a[0] % 16 > 9))
		return;			/* nobody is left who could call */
	switch (a[0] % 16) {
	case 0: case 1: case 2:
		conn_send(c, buf, arg % sizeof(buf) + 1, a[5] & 1, w->now);
		break;
	case 3: case 4: case 5:
		conn_recv(c, buf, arg % sizeof(buf) + 1, a[5] & 1 ? MSG_PEEK : 0, w->now);
		break;
	case 6: case 7: case 8:
		w->now += arg % 1000000;
		break;
	case 9:
		w->now += arg % (200 * (u32)USEC_PER_SEC);
		break;
	case 10:
		conn_shutdown(c, a[5] % 3, w->now);
		break;
	case 11:
		c->opts.nodelay = a[5] & 1;
		c->opts.cork = a[5] >> 1 & 1;
		conn_opts_changed(c, w->now);
		break;
	case 12:
		conn_set_rcvbuf(c, arg % 200000);
		break;
	case 13:
		conn_set_sndbuf(c, arg % 200000, w->now);
		break;
	case 14:
		conn_icmp(c, 1 + a[5] % 120, w->now);
		break;
	case 15:
		if (a[5] & 1)
			conn_close(c, w->now);
		else
			conn_set_rcvlowat(c, (s32)(arg % 100000));
		break;
	}
}

static inline void fuzz_world_settle(struct fuzz_world *w)
{
	static struct tx_batch b;
	unsigned n = 0;

	for (unsigned i = 0; i < 200 && conn_deadline(w->c) <= w->now; i++)
		conn_timeout(w->c, w->now);
	while (conn_output(w->c, &b, WIRE_DGRAM_MAX, w->now) > 0) {
		u64 bytes = 0;

		for (int i = 0; i < b.niov; i++)
			bytes += b.iov[i].iov_len;
		assert(bytes == b.bytes && b.npkts == DIV_ROUND_UP(b.bytes, b.gso_size));
		conn_sent(w->c, &b, w->now);
		assert(++n < 5000);
	}
	conn_check(w->c);
	conn_ready(w->c);
	if (++w->steps % 16 == 0)
		assert(mem_acct_check(&w->c->mem));
}

static inline void fuzz_world_close(struct fuzz_world *w)
{
	assert(mem_acct_check(&w->c->mem));
	conn_purge(w->c);
	mem_acct_fini(&w->c->mem);
	arena_slot_put(w->ar, w->slot);
	assert(!arena_recount(w->ar, false) && !w->d->sockets_allocated);
}

#endif
