/* host_int.h - between host.c and host_rx.c. */
#ifndef RUDP_TESTS_SIM_HOST_INT_H
#define RUDP_TESTS_SIM_HOST_INT_H

#include "host.h"

struct packet {			/* on the wire, or in the receive queue */
	struct event arrival;
	struct host *to;
	struct packet *next;
	u16 sport, dport;
	size_t len;
	u8 data[];
};

struct endpoint *host_new(struct host *h, u64 id, u16 lport, u16 pport);
struct endpoint *host_find(struct host *h, u64 id);
void host_deliver(struct host *h, const u8 *pkt, size_t len, u16 sport, u16 dport,
		  usec_t at, u32 flip);
/* Leaves a TIME_WAIT entry if one is due. */
void host_remember(struct endpoint *ep);
void host_rx_run(struct event *e, usec_t now);

#endif
