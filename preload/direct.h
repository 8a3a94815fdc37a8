/*
 * direct.h - poll() and select() of a thread that receives itself (rt/pump.h):
 * it waits for the ports beside what it was asked for, runs what comes, and
 * what becomes readable is told without a token (rt/watch.h).
 *
 * Few descriptors only: the list is copied for each wait.
 */
#ifndef RUDP_PRELOAD_DIRECT_H
#define RUDP_PRELOAD_DIRECT_H

#include <poll.h>
#include <stdbool.h>
#include <sys/select.h>

/* ppoll(2), timeout NULL: for ever. False: not so; ask the kernel. */
bool direct_poll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		 const sigset_t *mask, int *ret);
/* pselect(2); *left: what is left of the timeout, where it is not NULL. */
bool direct_select(int n, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
		   const sigset_t *mask, struct timespec *left, int *ret);

#endif
