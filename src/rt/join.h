/* join.h - what a process says to a family's driver when it connects. */
#ifndef RUDP_RT_JOIN_H
#define RUDP_RT_JOIN_H

#include "base.h"

enum { HELLO_PAIR = 0, HELLO_AGAIN = 1, HELLO_JOIN = 2, HELLO_BOTH = 3,
       HELLO_ROUND = 4,		/* hang up when you have seen all hang-ups */
       HELLO_GIVEN = 5 };	/* given.c: the app end, maybe the UDP socket */

struct hello {			/* what a connecting app end says first */
	u64 nonce;
	u32 index, gen;	/* of the sock; HELLO_JOIN: the cookie, low and high */
	u32 again;		/* one of these */
	u32 unused;
};

enum join_fd { JOIN_DOMAIN, JOIN_CTL, JOIN_BUF, JOIN_HOLD, JOIN_WAKE, JOIN_ALIVE, JOIN_UDP,
	       JOIN_FDS };

struct join_reply {
	u32 row, index, gen;
	u32 nfds;		/* JOIN_UDP may be missing */
	u32 udp_serial;		/* of what is there */
};

struct sock;

struct sock *join_find(u64 cookie);	/* in our arena */
int join_call(u64 hello);		/* a channel to a driver, or -errno */

#endif
