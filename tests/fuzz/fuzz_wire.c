/*
 * fuzz_wire.c - any bytes as a datagram: the decoder never reads beyond them,
 * and what it accepts is the same after being encoded again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "core/wire.h"
#include "fuzz.h"

static void same(const struct wire_hdr *a, const struct wire_hdr *b)
{
	assert(a->flags == b->flags && a->dst_id == b->dst_id && a->seq == b->seq);
	assert(a->ack == b->ack && a->wnd == b->wnd && a->credit == b->credit);
	assert(a->ts == b->ts && a->ts_ecr == b->ts_ecr);
	assert(a->nsack == b->nsack && a->has_open == b->has_open);
	assert(a->has_dsack == b->has_dsack);
	for (unsigned i = 0; i < a->nsack; i++)
		assert(a->sack[i].start == b->sack[i].start && a->sack[i].end == b->sack[i].end);
	if (a->has_dsack)
		assert(a->dsack.start == b->dsack.start && a->dsack.end == b->dsack.end);
	if (a->has_open)
		assert(a->open.src_id == b->open.src_id &&
		       a->open.dgram_max == b->open.dgram_max &&
		       a->open.cookie_time == b->open.cookie_time);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	u8 *pkt = malloc(len ? len : 1), out[WIRE_HDR_MAX];	/* exact: for ASan */
	struct wire_hdr h, again;
	u64 id;
	u8 flags;

	memcpy(pkt, data, len);
	bool known = wire_peek(pkt, len, &id, &flags);

	if (wire_decode(&h, pkt, len)) {
		assert(known && id == h.dst_id && h.len <= len && h.len >= WIRE_HDR);
		unsigned n = wire_encode(out, &h, sizeof(out));

		wire_sum(out, n, NULL, 0, h.dst_id);
		assert(n <= sizeof(out) && wire_sum_ok(out, n, h.dst_id));
		assert(wire_decode(&again, out, n));
		same(&h, &again);
	}
	wire_sum_ok(pkt, len, 1);
	free(pkt);
	return 0;
}
