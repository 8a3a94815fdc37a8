/*
 * care.h - what passes between a driver and its standing caretaker: a
 * SOCK_SEQPACKET pair. The first message says whose caretaker it is and brings
 * what every driver of the family needs; each other one is a list of socks
 * whose descriptors come with it, or are to be forgotten. The caretaker says one
 * byte, once, when it has been introduced, and passes packets on that came while
 * the driver was stopped (standin.h). The end of the channel is the end of
 * the driver's event thread, however it came about: exit, exec, a signal.
 *
 * The caretaker is this library run as a program by the dynamic loader: a
 * forked child would keep the program's memory, its mappings and shared
 * segments as they were.
 */
#ifndef RUDP_RT_CARE_H
#define RUDP_RT_CARE_H

#include "rt/rt.h"

enum { CARE_BATCH = 64, CARE_CHANNEL = 3, CARE_PATH = 512 };

enum care_fd { CARE_DOMAIN, CARE_CTL, CARE_BUF, CARE_HOLD, CARE_WAKE, CARE_ALIVE, CARE_HELLO,
	       CARE_GIVEN, CARE_FDS };

struct care_init {
	u32 row;
	s32 pid, tid;		/* of the driver's thread */
	u32 unused;
	u64 nonce, hello_id;
	char loader[CARE_PATH], library[CARE_PATH];
};

struct care_rec {
	u32 index, gen;
	u16 what;		/* enum care_what */
	u16 forget;
};

struct care_said {		/* by the caretaker; the packet is behind it */
	u32 index, gen;		/* of the sock whose port it came to */
	struct rx_meta meta;
};

/* One message with up to CARE_BATCH descriptors. */
struct care_msg {
	struct iovec iov;
	struct msghdr m;
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(CARE_BATCH * sizeof(int))];
};

void care_msg_init(struct care_msg *cm, void *data, size_t len, const int *fds, unsigned n);
/* What came with it; at most `most`. */
unsigned care_take_fds(struct msghdr *m, int *fds, unsigned most);
/* Where the loader and the library lie; what care_prepare() found out. */
void care_paths(const char *loader, const char *library);

#endif
