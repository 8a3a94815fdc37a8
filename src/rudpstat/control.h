/*
 * control.h - the control memory of a connection's arena, to write a request
 * there, and the bell that tells its driver to look. The arena's version was
 * checked when the connection was found (socks.c).
 */
#ifndef RUDPSTAT_CONTROL_H
#define RUDPSTAT_CONTROL_H

#include <sys/types.h>
#include "rudpstat/snapshot.h"

/* `len` bytes at `off`, shared, for writing; NULL: not to be had. If fd is not
 * NULL, *fd is the memfd and stays open. */
void *control_map(const struct stat_conn *c, off_t off, size_t len, int *fd);

struct driver_shm;
struct driver_shm *control_driver(const struct stat_conn *c);
void control_leave(struct driver_shm *shm);
/* Returns when the driver has looked at what was left for it, or -errno. */
int control_ring(const struct driver_shm *shm);

#endif
