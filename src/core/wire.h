/*
 * wire.h - the packet, field by field; nothing else knows its layout.
 * All integers big-endian.
 *
 *   0  u8  0xB0 | version (1)
 *   1  u8  flags
 *   2  u16 header length, options included; a multiple of 4
 *   4  u32 checksum: low half of H + P, where H is XXH3-64 of the header with
 *          this field 0, seeded by wire_seed() of the connection, and P is
 *          XXH3-64 of the payload, seed 0 (P = 0 when there is none)
 *   8  u64 dst_id   the receiver's connection id (0 in a SYN)
 *  16  u64 seq      offset of the first payload byte (SYN has 0, data begins
 *                   at 1, FIN takes one offset after the last byte)
 *  24  u64 ack      next offset expected (valid with ACK)
 *  32  u32 wnd      bytes from ack on that the receiver promises to take
 *  36  u32 ts       sender's clock, microseconds
 *  40  u32 ts_ecr   the peer's ts that this answers
 *  44  u32 credit   bytes (1,024 of overhead a packet included) that this
 *                   connection may have in flight towards the sender's port
 *  48  options: u8 kind, u8 length (both included, a multiple of 4), data
 *        OPEN  (36): u16 dgram_max, u64 src_id, u64 cookie time (us),
 *                    u64 reserved, u64 reserved
 *        SACK  (4+8n): u16 0, then n x (u32 start, u32 end), relative to ack
 *        DSACK (20): u16 0, u64 start, u64 end
 *      Unknown kinds are skipped. A SYN and its answer are the same size.
 *
 * Payload: the rest of the datagram.
 */
#ifndef RUDP_CORE_WIRE_H
#define RUDP_CORE_WIRE_H

#include "base.h"
#include "bounds.h"

enum {
	WIRE_VERSION = 1,
	WIRE_MAGIC = 0xB0,
	WIRE_HDR = 48,
	WIRE_OPT_OPEN = 1, WIRE_OPT_SACK = 2, WIRE_OPT_DSACK = 3,
	WIRE_OPEN_LEN = 36,
	WIRE_DSACK_LEN = 20,
	/* the longest header of a data packet and of a bare acknowledgement */
	WIRE_HDR_DATA_MAX = WIRE_HDR + 40,
	WIRE_HDR_MAX = WIRE_HDR + WIRE_OPEN_LEN + WIRE_DSACK_LEN + 4 + 8 * SACK_BLOCKS_ACK,
};

enum wire_flags {
	WF_SYN = 1, WF_ACK = 2, WF_FIN = 4, WF_RST = 8, WF_PSH = 16,
	WF_NOMEM = 32, WF_URG = 64,
	WF_REPLY = 128,		/* must be answered: keepalive and window probes */
};

struct sack_block {
	u64 start, end;
};

/* A decoded header, host order. */
struct wire_hdr {
	u8 flags;
	u8 nsack;
	bool has_open, has_dsack;
	u16 len;			/* of the header on the wire */
	u64 dst_id, seq, ack;
	u32 wnd, ts, ts_ecr, credit;
	struct sack_block sack[SACK_BLOCKS_ACK];	/* absolute offsets */
	struct sack_block dsack;
	struct {
		u16 dgram_max;		/* largest datagram the sender wants to get */
		u64 src_id;		/* its connection id */
		u64 cookie_time;	/* listener's clock when it made its id */
	} open;
};

/* Seed of the checksum: ids of both ends, order does not matter; a SYN and
 * its answer, and resets without a connection, use the client's id alone
 * (0 for the other). */
u64 wire_seed(u64 id_a, u64 id_b);

/* Writes the header (options as set in h) into out[WIRE_HDR_MAX]; checksum
 * left 0. Returns its length. h->nsack is cut to what fits `max` bytes. */
unsigned wire_encode(u8 *out, const struct wire_hdr *h, unsigned max);
/* Fills in the checksum of a header followed by payload pieces. */
struct iovec;
void wire_sum(u8 *hdr, unsigned hdr_len, const struct iovec *iov, int niov, u64 seed);

/* Reads a datagram's header: every length checked, nothing believed. False:
 * malformed. The checksum is not looked at. */
bool wire_decode(struct wire_hdr *h, const u8 *pkt, size_t len);
bool wire_sum_ok(const u8 *pkt, size_t len, u64 seed);
/* dst_id of a datagram, for demultiplexing before anything else; false: too
 * short or not ours. */
bool wire_peek(const u8 *pkt, size_t len, u64 *dst_id, u8 *flags);

#endif
