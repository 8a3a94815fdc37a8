/*
 * link.h - one direction of a network path: what becomes of a packet.
 *
 * A pure function of time and packets, so that the simulator runs it in
 * virtual time and the relay of the end-to-end tests in real time. What chance
 * decides about packet n of a direction depends on (seed, direction, n) alone:
 * a change of the sender's timing does not change which packets are lost.
 *
 * In this order: outage, loss, queue, rate, delay, jitter, reordering,
 * duplication, corruption.
 */
#ifndef RUDP_TESTS_SIM_LINK_H
#define RUDP_TESTS_SIM_LINK_H

#include "base.h"

struct link_params {
	u64 seed;
	u32 loss_ppm;		/* each packet for itself */
	/* Gilbert: bursts begin with burst_ppm, every packet in one is lost,
	 * and each packet ends the burst with 1/burst_len. */
	u32 burst_ppm, burst_len;
	u32 reorder_ppm;	/* these arrive reorder_us later ... */
	u32 reorder_us;		/* ... and hold up nobody */
	u32 dup_ppm;		/* twice; the copy a little later */
	u32 corrupt_ppm;	/* one to four bits flipped */
	u32 delay_us, jitter_us;	/* jitter keeps the order */
	u64 rate;		/* bytes a second; 0: no limit */
	u32 queue_bytes;	/* in front of the rate; 0: no limit */
	usec_t down_from, down_until;	/* an outage; both 0: none */
};

struct link {
	struct link_params p;
	u64 dir;
	u64 n;			/* packets so far */
	bool in_burst;
	usec_t busy_until;	/* the last byte accepted leaves then */
	usec_t last_at;		/* latest ordinary arrival */
	u64 lost, overflowed, duplicated, corrupted, reordered;
};

struct link_fate {
	unsigned copies;	/* 0: lost; at most 2 */
	usec_t at[2];		/* arrival */
	u32 flip[2];		/* not 0: link_corrupt() has to be applied */
};

void link_init(struct link *l, const struct link_params *p, unsigned dir);
/* The fate of the next packet, `len` bytes, sent at `now`. */
void link_send(struct link *l, size_t len, usec_t now, struct link_fate *f);
/* Flips the bits that `flip` stands for. */
void link_corrupt(u8 *pkt, size_t len, u32 flip);
/* Reads "loss=1%,delay=20ms,rate=100mbit,..." into p. The keys: seed loss
 * burst (begin%/length) reorder reorder_by dup corrupt delay jitter rate queue.
 * False: malformed, p is partly written. */
bool link_parse(struct link_params *p, const char *spec);

#endif
