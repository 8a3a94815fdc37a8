/*
 * kill.c - leaves the request in the driver's slot of the arena and rings at
 * its listener. The driver takes the request, then the bell: when the bell is
 * answered by the end of the stream, it is done.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "rt/driver_shm.h"
#include "rudpstat/control.h"
#include "rudpstat/kill.h"

enum { RINGS_MAX = 100 };

static int kill_one(const struct stat_conn *c)
{
	u64 request = (u64)c->gen << 32 | c->index;
	struct driver_shm *shm;
	unsigned rings = 0;
	int ret;

	if (c->st == CONN_CLOSED)
		return -ENOTCONN;
	shm = control_driver(c);
	if (!shm)
		return -ESRCH;
	atomic_store(&shm->kill, request);	/* over what somebody left there */
	/* A bell that rings while the driver answers others is answered with them,
	 * and the request is taken at the next. */
	do
		ret = control_ring(shm);
	while (!ret && atomic_load(&shm->kill) == request && ++rings < RINGS_MAX);
	if (atomic_compare_exchange_strong(&shm->kill, &request, 0) && !ret)
		ret = -EBUSY;
	control_leave(shm);
	return ret;
}

int kill_sockets(struct stat_domain *s, size_t n)
{
	int ret = 0;

	for (size_t i = 0; i < n; i++) {
		size_t kept = 0;

		for (size_t j = 0; j < s[i].nconns; j++) {
			const struct stat_conn *c = &s[i].conns[j];
			int err = kill_one(c);

			if (!err) {
				s[i].conns[kept++] = *c;
				continue;
			}
			fprintf(stderr, "rudpstat: %s %s: not reset: %s\n", c->local, c->peer,
				strerror(-err));
			ret = -ESRCH;
		}
		s[i].nconns = kept;
	}
	return ret;
}
