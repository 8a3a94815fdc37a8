/*
 * host.h - one machine of the simulator: connections in an arena, found by
 * their ids; a listener that stores nothing; the TIME_WAIT entries; and what
 * the runtime does around the core, in its simplest form: settle a connection
 * after every call, run its timer, tell whoever watches it about readiness.
 *
 * All checks that hold for any connection at any moment are made here.
 */
#ifndef RUDP_TESTS_SIM_HOST_H
#define RUDP_TESTS_SIM_HOST_H

#include "core/conn.h"
#include "core/open.h"
#include "mem/arena.h"
#include "mem/domain.h"
#include "clock.h"
#include "link.h"
#include "rng.h"

enum {
	HOST_SLOT_CONN = 64,	/* behind the slot's lock */
	HOST_SLOT = HOST_SLOT_CONN + (sizeof(struct conn) + 63) / 64 * 64,
	HOST_HASH = 1024,
	HOST_TW_MAX = 4096,
	HOST_FORGOTTEN_MAX = 512,
	LISTEN_PORT = 80,
};

struct host;

/* A connection, from connect or accept until it is finished. */
struct endpoint {
	struct host *host;
	struct conn *c;
	u32 slot, gen;
	u16 lport, pport;
	struct event timer, retry;	/* retry: the network refused a batch */
	unsigned ready;			/* READY_* as last shown */
	u32 rx_edge;
	void *app;			/* NULL: nobody holds it any more */
	bool touched;			/* got packets in this receive batch */
	u64 id;				/* as the table knows it */
	struct endpoint *next_by_id, *next, **pprev;
	u64 batches_now;		/* settled without time passing */
	usec_t last_settle;
};

struct host_config {
	u16 dgram_max;
	unsigned max_batch;		/* bytes of a train */
	u32 coalesce_us;		/* packets are taken in batches this far apart */
	u32 tx_refuse_ppm;		/* trains that the network refuses at first */
	bool pool;			/* big datagrams arrive in pages of the pool */
	bool listening;
	u8 cc_id;
	u32 rcv_credit;			/* told to peers; 0: no limit */
};

struct host {
	const char *name;
	struct host_config cfg;
	struct clock *clock;
	struct arena *arena;
	struct host *peer;
	struct link *out;
	struct rng rng;
	struct listener_key key;
	struct endpoint *by_id[HOST_HASH];
	struct endpoint *all;
	unsigned live;
	struct tw tw[HOST_TW_MAX];
	unsigned ntw;
	u64 forgotten[HOST_FORGOTTEN_MAX];	/* their listener died with them */
	unsigned nforgotten;
	struct event rx_event;
	struct packet *rx_head, **rx_tail;
	struct tx_batch batch;
	usec_t last_tick;
	u64 step;			/* counts checks; some are made now and then */
	u64 packets, refused, accepted, adopted;
	u64 peak_in_flight;

	/* The world's: a new connection was accepted; an endpoint's readiness
	 * rose (READY_* bits that are new, or news); it is about to be freed. */
	void (*on_accept)(struct host *h, struct endpoint *ep);
	void (*on_ready)(struct endpoint *ep, unsigned edges);
	void (*on_gone)(struct endpoint *ep);
	/* The window that the connection from this port will begin with. */
	u32 (*listen_window)(struct host *h, u16 sport);
};

void host_init(struct host *h, const char *name, const struct host_config *cfg,
	       struct clock *clock, struct arena *ar, struct link *out, u64 seed);
void host_fini(struct host *h);

/* Frees packets that are still on their way. */
void host_drain(struct clock *k);
/* A fresh connection to the peer's listener; the caller sets options and calls
 * conn_connect, then host_settle. NULL: no slot. */
struct endpoint *host_open(struct host *h, u16 lport, u16 pport);
/* After every call on ep->c. It may be gone afterwards if nobody holds it. */
void host_settle(struct endpoint *ep);
/* The program's descriptor is gone (conn_close was called). */
void host_release(struct endpoint *ep);
/* As after kill -9: nothing is sent, the connection is simply not there. */
void host_forget(struct endpoint *ep);
/* Sends a packet of the host's own making (forgeries of the tests). */
void host_transmit(struct host *h, const u8 *pkt, size_t len, u16 sport, u16 dport);

/* The verdict: prints why, and the process ends by abort(). */
_Noreturn void sim_fail(const char *fmt, ...) RUDP_PRINTF(1, 2);
/* One line with the virtual time, if tracing is on. */
void sim_trace(const struct host *h, const char *fmt, ...) RUDP_PRINTF(2, 3);
extern bool sim_tracing;

#endif
