/* roam.h - what the files of roam share: the sockets, the dice, what is told. */
#ifndef RUDP_TESTS_ROAM_H
#define RUDP_TESTS_ROAM_H

#include <linux/sockios.h>
#include "conform.h"

enum { SLOTS = 4 };

extern int fds[SLOTS];		/* -1: none */
extern bool deaf[SLOTS];	/* shut for reading: an urgent byte is odd there */
extern bool urgent;		/* this walk has urgent data */
extern int set;			/* an epoll set */
extern uint64_t dice;
extern char next_byte;

/* roam_told.c */
extern FILE *expected;		/* what the first run wrote; NULL: this is the first */
unsigned roll(unsigned n);
#define ONE_OF(a) ((a)[roll(NELEM(a))])
__attribute__((format(printf, 1, 2)))
void tell(const char *fmt, ...);
void tell_states(void);		/* all that is on its way has come when they are as expected */
const char *res(long ret);
int tcp_state(int fd);
int empty_slot(void);
void put(int i, int fd, bool is_deaf);
uint16_t port_of(const union addr *a);
bool local_name(int fd, union addr *a, socklen_t *len);
int peer_of(int i);		/* the slot that it is connected to; -1 */

/* roam_calls.c: one call each, that waits for nothing */
struct roam_call {
	void (*call)(int i);
	unsigned weight;
	bool needs_one;
};
extern const struct roam_call calls[];
extern const size_t ncalls;
void fill_bytes(char *buf, size_t n);
void do_recv(int i);
void do_send(int i);
void do_accept(int i);
void do_connect(int i);

/* roam_waits.c: what waits, or has to be waited for */
void do_block(int i);
void do_full(int i);
void do_hold(int i);
void do_zerocopy(int i);

#endif
