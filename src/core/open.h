/*
 * open.h - opening without memory: the listener's answers are functions of
 * its key, and TIME_WAIT's are of a small entry.
 *
 *   client                            listener
 *   SYN  OPEN{src_id = A, dgram} ---->            (nothing is stored)
 *        <---- SYN|ACK dst = A, OPEN{src_id = B, cookie_time, dgram}
 *              with B = SipHash-2-4(key; addresses, A, dgram, cookie_time)
 *   ACK  dst = B, OPEN{A, cookie_time, dgram} [data] ---->  B recomputed,
 *        cookie_time no older than COOKIE_LIFE_S: the connection is made
 *        <---- ACK: the client stops repeating OPEN
 *
 * B is the connection's id, so that checking the cookie costs the demux
 * nothing. The listener remembers the ids of connections that ended within
 * the cookie's life (struct tw), so that a late duplicate of the third packet
 * cannot bring a connection back to life.
 */
#ifndef RUDP_CORE_OPEN_H
#define RUDP_CORE_OPEN_H

#include "base.h"
#include "core/conn.h"
#include "core/wire.h"

u64 siphash24(const u8 key[16], const void *data, size_t len);

/* Who talks to whom: 16-byte addresses (v4 mapped), ports in host order. */
struct flow_addr {
	u8 local[16], peer[16];
	u16 lport, pport;
	u32 scope;
};

struct listener_key {
	u8 key[16];
};

/* The window a connection begins with (R4.4), which SYN,ACK promises: a sock
 * with this rcvbuf, TCP_WINDOW_CLAMP (0: none), and datagrams of dgram_max. */
u32 open_first_window(u32 rcvbuf, u32 clamp, u16 dgram_max);

/* Answers a SYN; `reply` becomes a complete packet with checksum, no longer
 * than the SYN was. Its length; 0: not to be answered. */
unsigned open_syn_reply(const struct listener_key *k, const struct flow_addr *fa,
			const struct wire_hdr *syn, size_t syn_len, u16 dgram_max,
			u32 wnd, u8 *reply, usec_t now);
/* Is this the third packet of an opening of ours? (checksum included) */
bool open_cookie_ok(const struct listener_key *k, const struct flow_addr *fa,
		    const struct wire_hdr *h, const u8 *pkt, size_t len, usec_t now);
/* Else, if it is whole: whoever sent it has a connection with a listener that is
 * no more, or took too long, and is reset. The reply's length, or 0. */
unsigned open_stale_reply(const struct wire_hdr *h, const u8 *pkt, size_t len, u8 *reply,
			  usec_t now);
/* Makes c (fresh from conn_init, id = h->dst_id) the listener's end of it,
 * ESTABLISHED; then feed the packet to conn_input as any other. */
void open_passive(struct conn *c, const struct wire_hdr *h, usec_t now);
/* A reset for a packet that found no connection; 0: none is due (never to a
 * reset, never longer than what came). To a packet with OPEN it goes to that
 * source id (dst_id = open.src_id, seed of that id alone). To any other, whose
 * sender's id is unknown here, dst_id is 0 and seq holds the id that was not
 * found (seed of that id alone): the sender knows the connection by its
 * peer_id, which nobody off the path can guess. */
unsigned open_reset_reply(const struct wire_hdr *h, size_t len, u8 *reply, usec_t now);

/* conn_input's: the listener's answer reached a connection in SYN_SENT. */
void open_synack(struct conn *c, const struct wire_hdr *h, usec_t now);
/* Is this packet c's by its checksum? Knows what is sealed with c's id alone:
 * SYN,ACK, and a reset that answers OPEN. For any packet with dst_id = c->id. */
bool open_sum_ok(const struct conn *c, const struct wire_hdr *h, const u8 *pkt, size_t len);
/* Is this RST (dst_id 0, seq = our peer's id) meant for c, checksum right? */
bool open_reset_ok(const struct conn *c, const struct wire_hdr *h, const u8 *pkt, size_t len);

/* A connection in TIME_WAIT, or one that ended while its cookie lives. */
struct tw {
	u64 id, peer_id;
	u64 snd_nxt, rcv_nxt;
	u32 ts_recent;
	usec_t until;
};

void tw_from_conn(struct tw *t, const struct conn *c, usec_t now);
/* An answer to a packet of an ended connection: the ACK of a repeated FIN.
 * 0: none. Sets *restart when the wait must begin again (a FIN came). */
unsigned tw_reply(const struct tw *t, const struct wire_hdr *h, size_t len, u8 *reply,
		  bool *restart, usec_t now);
/* How long TIME_WAIT lasts for this connection, from now. */
usec_t tw_period(const struct conn *c);

#endif
