/*
 * fuzz_conn.c - a connection whose peer knows its ids and does anything, while
 * the program calls and time goes on. Every invariant holds after each step,
 * and in the end nothing is charged.
 *
 * The input is a sequence of steps of STEP bytes: what, and six arguments.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz_world.h"
#include "fuzz.h"

enum { STEP = 20, STEPS_MAX = 600 };

/* An offset near one that matters to the connection, or anywhere. */
static u64 offset(const struct conn *c, u8 which, u16 delta)
{
	const u64 near[] = { c->snd_una, c->snd_nxt, c->write_seq, c->rcv_nxt,
			     c->rcv_wup + c->rcv_wnd, c->copied_seq, 1, c->snd_wnd_edge };
	u64 base = near[which % 8];

	return which & 128 ? (u64)delta << (which % 48) : base + delta - (which & 64 ? 32768 : 0);
}

static void packet(struct fuzz_world *w, const u8 *a)
{
	static u8 payload[WIRE_DGRAM_MAX];
	struct conn *c = w->c;
	u32 r[4];

	memcpy(r, a + 1, sizeof(r));
	struct rx_pkt p = { .payload = payload, .len = a[17] & 1 ? r[3] % 60000 : r[3] % 1500 };

	p.h = (struct wire_hdr){
		.flags = a[18] & (a[18] & 192 ? WF_ACK | WF_PSH | WF_NOMEM | WF_REPLY : 255),
		.dst_id = c->id, .len = WIRE_HDR, .credit = r[2],
		.seq = offset(c, a[1], (u16)r[1]), .ack = offset(c, a[2], (u16)(r[1] >> 16)),
		.wnd = r[2] >> (a[3] % 32), .ts = (u32)w->now + (a[3] & 64 ? r[0] : 0),
		.ts_ecr = (u32)w->now + c->ts_offset - (r[0] & 0xffff),
		.nsack = a[17] >> 2 & 3, .has_dsack = a[17] >> 4 & 1, .has_open = !(a[17] >> 5),
		.open = { (u16)r[0], w->peer_id, r[1] },
	};
	for (unsigned i = 0; i < p.h.nsack; i++) {
		p.h.sack[i].start = offset(c, a[4 + i], (u16)r[i]);
		p.h.sack[i].end = p.h.sack[i].start + 1 + (r[i + 1] & 0x3fff);
	}
	p.h.dsack.start = offset(c, a[8], (u16)r[3]);
	p.h.dsack.end = p.h.dsack.start + 1 + (r[2] & 0x3fff);
	conn_input(c, &p, w->now);
	conn_check(c);
	if (a[19] & 1)
		conn_input_end(c, w->now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_world w;

	fuzz_world_open(&w, len ? data[0] : 0);
	for (unsigned n = 0; len >= STEP && n < STEPS_MAX; n++, data += STEP, len -= STEP) {
		if (data[0] < 160)
			packet(&w, data);
		else
			fuzz_world_call(&w, data);
		fuzz_world_settle(&w);
	}
	fuzz_world_close(&w);
	return 0;
}
