/*
 * wire.c - the packet's layout: encode, decode, checksum.
 *
 * The checksum hashes header and payload apart, so that the header's hash
 * alone depends on the connection's seed: seeding XXH3 for a long input would
 * derive a new secret for each packet, and streaming over both would copy.
 */
#include <endian.h>
#include <string.h>
#include <sys/uio.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "core/hash.h"
#include "core/wire.h"

#define WIRE_SEQ_MAX	(1ULL << 63)	/* so that sums of offsets never wrap */

static void put16(u8 *p, u16 v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof(v));
}

static void put32(u8 *p, u32 v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(u8 *p, u64 v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

static u16 get16(const u8 *p)
{
	u16 v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static u32 get32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static u64 get64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

u64 wire_seed(u64 id_a, u64 id_b)
{
	u64 a = htole64(id_a), b = htole64(id_b);

	/* Each id is mixed before they are added, so that neither order nor
	 * equal differences make two connections alike. */
	return XXH3_64bits(&a, sizeof(a)) + (id_b ? XXH3_64bits(&b, sizeof(b)) : 0);
}

/* ---- encode ---------------------------------------------------------- */

static u8 *put_open(u8 *p, const struct wire_hdr *h)
{
	memset(p, 0, WIRE_OPEN_LEN);
	p[0] = WIRE_OPT_OPEN;
	p[1] = WIRE_OPEN_LEN;
	put16(p + 2, h->open.dgram_max);
	put64(p + 4, h->open.src_id);
	put64(p + 12, h->open.cookie_time);
	return p + WIRE_OPEN_LEN;
}

static u8 *put_dsack(u8 *p, const struct wire_hdr *h)
{
	p[0] = WIRE_OPT_DSACK;
	p[1] = WIRE_DSACK_LEN;
	put16(p + 2, 0);
	put64(p + 4, h->dsack.start);
	put64(p + 12, h->dsack.end);
	return p + WIRE_DSACK_LEN;
}

/* As many blocks as fit `room`; one that is too far from ack to be said in 32
 * bits is left out. */
static u8 *put_sack(u8 *p, const struct wire_hdr *h, unsigned room)
{
	unsigned most = room < 12 ? 0 : (room - 4) / 8;
	unsigned n = 0;

	for (unsigned i = 0; i < h->nsack && n < most; i++) {
		u64 start = h->sack[i].start - h->ack, end = h->sack[i].end - h->ack;

		if (end > UINT32_MAX || start >= end)
			continue;
		put32(p + 4 + 8 * n, start);
		put32(p + 8 + 8 * n, end);
		n++;
	}
	if (!n)
		return p;
	p[0] = WIRE_OPT_SACK;
	p[1] = 4 + 8 * n;
	put16(p + 2, 0);
	return p + p[1];
}

unsigned wire_encode(u8 *out, const struct wire_hdr *h, unsigned max)
{
	u8 *p = out + WIRE_HDR;
	const u8 *end = out + max;

	assert(max >= WIRE_HDR && max <= WIRE_HDR_MAX);
	if (h->has_open && p + WIRE_OPEN_LEN <= end)
		p = put_open(p, h);
	if (h->has_dsack && p + WIRE_DSACK_LEN <= end)
		p = put_dsack(p, h);
	if (h->nsack)
		p = put_sack(p, h, end - p);

	out[0] = WIRE_MAGIC | WIRE_VERSION;
	out[1] = h->flags;
	put16(out + 2, p - out);
	put32(out + 4, 0);
	put64(out + 8, h->dst_id);
	put64(out + 16, h->seq);
	put64(out + 24, h->ack);
	put32(out + 32, h->wnd);
	put32(out + 36, h->ts);
	put32(out + 40, h->ts_ecr);
	put32(out + 44, h->credit);
	return p - out;
}

/* ---- checksum -------------------------------------------------------- */

static u32 sum_of(const u8 *hdr, unsigned hdr_len, u64 payload_hash, u64 seed)
{
	u8 h[WIRE_HDR_MAX];	/* callers check */

	memcpy(h, hdr, hdr_len);
	memset(h + 4, 0, 4);
	return (u32)(XXH3_64bits_withSeed(h, hdr_len, seed) + payload_hash);
}

void wire_sum(u8 *hdr, unsigned hdr_len, const struct iovec *iov, int niov, u64 seed)
{
	put32(hdr + 4, sum_of(hdr, hdr_len, hash_payload(iov, niov), seed));
}

bool wire_sum_ok(const u8 *pkt, size_t len, u64 seed)
{
	struct iovec iov;
	unsigned hdr_len;

	if (len < WIRE_HDR)
		return false;
	hdr_len = get16(pkt + 2);
	if (hdr_len < WIRE_HDR || hdr_len > len || hdr_len > WIRE_HDR_MAX)
		return false;
	iov.iov_base = (void *)(pkt + hdr_len);
	iov.iov_len = len - hdr_len;
	return get32(pkt + 4) == sum_of(pkt, hdr_len, hash_payload(&iov, 1), seed);
}

/* ---- decode ---------------------------------------------------------- */

bool wire_peek(const u8 *pkt, size_t len, u64 *dst_id, u8 *flags)
{
	if (len < WIRE_HDR || pkt[0] != (WIRE_MAGIC | WIRE_VERSION))
		return false;
	*dst_id = get64(pkt + 8);
	*flags = pkt[1];
	return true;
}

static bool get_open(struct wire_hdr *h, const u8 *p, unsigned len)
{
	if (len != WIRE_OPEN_LEN || h->has_open)
		return false;
	h->has_open = true;
	h->open.dgram_max = get16(p + 2);
	h->open.src_id = get64(p + 4);
	h->open.cookie_time = get64(p + 12);
	return true;
}

static bool get_dsack(struct wire_hdr *h, const u8 *p, unsigned len)
{
	if (len != WIRE_DSACK_LEN || h->has_dsack)
		return false;
	h->dsack.start = get64(p + 4);
	h->dsack.end = get64(p + 12);
	h->has_dsack = h->dsack.start < h->dsack.end && h->dsack.end < WIRE_SEQ_MAX;
	return true;
}

static bool get_sack(struct wire_hdr *h, const u8 *p, unsigned len)
{
	unsigned n = (len - 4) / 8;

	if ((len - 4) % 8 || n > SACK_BLOCKS_ACK || h->nsack)
		return false;
	for (unsigned i = 0; i < n; i++) {
		u32 start = get32(p + 4 + 8 * i), end = get32(p + 8 + 8 * i);

		if (start >= end)
			continue;
		h->sack[h->nsack].start = h->ack + start;
		h->sack[h->nsack++].end = h->ack + end;
	}
	return true;
}

static bool get_options(struct wire_hdr *h, const u8 *p, const u8 *end)
{
	while (p < end) {
		unsigned len;

		if (end - p < 4)
			return false;
		len = p[1];
		if (len < 4 || len % 4 || len > end - p)
			return false;
		if (p[0] == WIRE_OPT_OPEN && !get_open(h, p, len))
			return false;
		if (p[0] == WIRE_OPT_SACK && !get_sack(h, p, len))
			return false;
		if (p[0] == WIRE_OPT_DSACK && !get_dsack(h, p, len))
			return false;
		p += len;
	}
	return true;
}

bool wire_decode(struct wire_hdr *h, const u8 *pkt, size_t len)
{
	if (len < WIRE_HDR || pkt[0] != (WIRE_MAGIC | WIRE_VERSION))
		return false;
	h->flags = pkt[1];
	h->nsack = 0;
	h->has_open = h->has_dsack = false;
	h->len = get16(pkt + 2);
	h->dst_id = get64(pkt + 8);
	h->seq = get64(pkt + 16);
	h->ack = get64(pkt + 24);
	h->wnd = get32(pkt + 32);
	h->ts = get32(pkt + 36);
	h->ts_ecr = get32(pkt + 40);
	h->credit = get32(pkt + 44);
	if (h->len < WIRE_HDR || h->len % 4 || h->len > len || h->len > WIRE_HDR_MAX)
		return false;
	if (h->ack >= WIRE_SEQ_MAX)
		return false;
	/* A reset for an unknown id has that id for a seq. */
	if (h->seq >= WIRE_SEQ_MAX && !((h->flags & WF_RST) && !h->dst_id))
		return false;
	return h->len == WIRE_HDR || get_options(h, pkt + WIRE_HDR, pkt + h->len);
}
