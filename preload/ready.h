/*
 * ready.h - answers to poll() and select() without the kernel, where all that
 * was asked for are socks and something is ready. Where nothing is, or one of
 * the descriptors is somebody else's, or a state is too special, the kernel is
 * asked: the mirror has the whole truth, and only it can wait.
 */
#ifndef RUDP_PRELOAD_READY_H
#define RUDP_PRELOAD_READY_H

#include <poll.h>
#include <sys/select.h>

/* What poll() would return at once: revents are set. 0: ask the kernel, which
 * finds fds as they were. */
int ready_poll(struct pollfd *fds, nfds_t n);
/* What the kernel answered, and ERR where a mirror cannot show it: a reset after
 * the end was shown. */
int ready_amend(struct pollfd *fds, nfds_t n, int ret);
/* What select() would. rd, wr, ex may be NULL. */
int ready_select(int n, fd_set *rd, fd_set *wr, const fd_set *ex);

#endif
