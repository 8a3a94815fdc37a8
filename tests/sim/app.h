/*
 * app.h - a program at one end of a connection, and the oracle. It writes a
 * seeded pattern and checks that what it reads is its peer's, byte for byte.
 * It is edge-triggered: after EAGAIN it does nothing until it was shown
 * readiness, so that a lost wake-up is a hang that the scenario notices.
 */
#ifndef RUDP_TESTS_SIM_APP_H
#define RUDP_TESTS_SIM_APP_H

#include "host.h"

enum app_end {
	END_SHUTDOWN,		/* FIN when written; close after the peer's FIN */
	END_CLOSE,		/* close when all is written and all was read */
	END_WAIT,		/* nothing of its own: close after the peer's FIN */
	END_EARLY,		/* close when written, whatever comes */
	END_ABORT,		/* conn_abort at `end_at` written or read */
	END_LINGER0,		/* close with SO_LINGER 0 there */
	END_VANISH,		/* killed there, unseen */
	END_HASTY,		/* closed before the connection is open */
};

struct app_plan {
	u64 tx_total;		/* bytes to write */
	u64 rx_expect;		/* END_CLOSE: bytes to read before closing */
	u32 write_chunk, read_chunk;
	u32 write_pause_us;	/* between writes; 0: as fast as it goes */
	u32 read_pause_us;	/* between reads */
	u64 stall_at;		/* reads nothing for stall_us from here on */
	u32 stall_us;
	u32 turn;		/* request and response of so many bytes: writes
				 * wait until the peer's last turn was read */
	bool turn_second;	/* the peer begins */
	enum app_end end;
	u64 end_at;
	bool nodelay, cork, more, ask_fionread, quickack, keepalive_off;
	bool peeks;		/* looks before it reads, now and then */
	bool fidgets;		/* changes options in mid-stream */
	u32 sndbuf, rcvbuf, rcvlowat, notsent_lowat;
	usec_t start_us;
};

struct app {
	struct endpoint *ep;	/* NULL: not yet, or closed */
	struct app *peer;
	unsigned index;		/* of the connection in the scenario */
	struct clock *clock;
	struct app_plan plan;
	u64 seed;		/* of the bytes it writes */
	struct event wake;
	struct rng rng;
	bool can_read, can_write, shut, eof, done, connected;
	bool read_edge;		/* shown since FIONREAD was asked */
	u64 told;		/* bytes that FIONREAD told and that are not read yet */
	int err;		/* the first that a call returned */
	u64 tx, rx;
	usec_t read_at, write_at;	/* not before */
	usec_t started, finished, first_byte, last_byte;
	u64 eagain_tx, eagain_rx, reads;
	bool stalled;
	void (*open)(struct app *a);	/* the client's connect, at start_us */
};

void app_init(struct app *a, unsigned index, struct clock *clock, const struct app_plan *p,
	      u64 seed, struct app *peer);
/* Gives it a connection whose options are still to be set. */
void app_attach(struct app *a, struct endpoint *ep);
void app_ready(struct app *a, unsigned edges);

#endif
