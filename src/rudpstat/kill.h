/*
 * kill.h - resets sockets, as ss -K does: the program finds ECONNABORTED, the
 * peer a reset. The socket's driver does it, asked through shared memory, so
 * that a program which hangs is no obstacle.
 */
#ifndef RUDPSTAT_KILL_H
#define RUDPSTAT_KILL_H

#include "rudpstat/snapshot.h"

/* Every connection and listener in the snapshots; what could not be reset is taken out of
 * them, after a line on standard error, and -ESRCH returned. */
int kill_sockets(struct stat_domain *s, size_t n);

#endif
