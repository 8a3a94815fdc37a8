/*
 * script.h - one connection against a scripted peer, in the manner of
 * packetdrill: at virtual times inject packets, call as the program would,
 * and expect packets.
 *
 *	establish(.mss = 1000, .rtt_ms = 100);
 *	at(0);		app_write(5000);
 *			expect_data(0, 1000);
 *	at(100);	inject(.ack = 0, .sack = {{ 1000, 3000 }});
 *	at(125);	expect_data(0, 1000);
 *
 * Offsets count data bytes from 0. Each expectation takes the next packet that
 * left; it must have left at the present moment, give or take `slack_us`. What
 * left and was not expected fails at the next at() that finds it (expect_none
 * says so at once).
 */
#ifndef RUDP_TESTS_SIM_SCRIPT_H
#define RUDP_TESTS_SIM_SCRIPT_H

#include "core/conn.h"
#include "core/open.h"
#include "mem/arena.h"
#include "mem/domain.h"
#include "refuse.h"

enum { SCRIPT_PKTS = 4096 };

struct captured {
	usec_t at;
	struct wire_hdr h;
	u32 len;		/* of the payload */
};

struct script {
	struct conn *c;
	struct domain *domain;
	struct arena *arena;
	u32 slot, gen;
	usec_t base, now;	/* base: the script's 0 */
	usec_t slack_us;	/* 1000 */
	u64 peer_id;
	u64 peer_seq;		/* the peer's next data byte, offset */
	u32 peer_wnd;		/* it offers this, 1 MiB at first */
	usec_t rtt_us;
	u64 written;		/* by the program */
	struct captured out[SCRIPT_PKTS];
	unsigned nout, next;	/* captured, and looked at */
	struct captured *last;	/* the one that the last expectation took */
	struct {		/* every time stamp we sent, for echoes */
		usec_t at;
		u32 ts;
	} sent[SCRIPT_PKTS];
	unsigned nsent;
};

extern struct script S;

struct script_open {
	u32 mss, rtt_ms, sndbuf, rcvbuf;
	bool nodelay, passive, keepalive, reno;
	u32 wnd;
	u64 high;		/* the domain's limit, pages */
};

struct injected {
	u64 ack;		/* offset */
	u64 seq;		/* offset; used if `at_seq` */
	bool at_seq;
	u32 len;		/* payload */
	u32 wnd;
	bool wnd_zero;
	u8 flags;		/* besides ACK */
	bool no_ack;
	bool stale_ts;		/* echoes nothing */
	struct sack_block sack[4];
	struct sack_block dsack;
};

void script_establish(struct script_open o);
#define establish(...) script_establish((struct script_open){ __VA_ARGS__ })
/* Makes the connection but does not connect it. */
void script_fresh(struct script_open o);
void script_end(void);		/* frees all and checks that nothing is charged */

void at(u64 ms);
void at_us(u64 us);
void settle(void);

void script_inject(struct injected in);
#define inject(...) script_inject((struct injected){ __VA_ARGS__ })
void script_input(const struct wire_hdr *h, const u8 *payload, u32 len);

ssize_t app_write(u32 len);	/* what conn_send said */
ssize_t app_write_more(u32 len);
ssize_t app_read(u32 len);

void expect_data(u64 off, u32 len);
void expect_train(u64 off, u32 len);	/* as full datagrams, and a rest */
void expect_ack(u64 off);	/* a packet without payload or SYN, FIN, RST */
void expect_fin(u64 off, u32 len);	/* FIN behind `len` bytes from off on */
void expect_rst(void);
void expect_syn(void);
void expect_none(void);
void skip_all(void);		/* forgets what was captured */

/* Fails the test unless e. */
#define want(e) ((e) ? (void)0 : script_unwanted(#e, __FILE__, __LINE__))
_Noreturn void script_unwanted(const char *what, const char *file, int line);
u64 count_of(enum counter which);

#endif
