/*
 * epoll_move.h - keeps a descriptor in its epoll sets while its file changes.
 */
#ifndef RUDP_PRELOAD_EPOLL_MOVE_H
#define RUDP_PRELOAD_EPOLL_MOVE_H

#include <stdatomic.h>
#include <sys/epoll.h>
#include "base.h"

enum { EPOLL_REGS = 8 };	/* sets that one descriptor is in; more are lost */

struct epoll_reg {
	int epfd;
	struct epoll_event ev;
};

struct epoll_regs {
	unsigned n;
	struct epoll_reg reg[EPOLL_REGS];
};

/* A socket of ours was put into a set, ever: else there is nothing to move. */
extern _Atomic bool epoll_move_used;

void epoll_move_begin(struct epoll_regs *r, int fd);	/* before dup3 over fd */
void epoll_move_end(const struct epoll_regs *r, int fd);	/* after it */

#endif
