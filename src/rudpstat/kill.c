/*
 * kill.c - leaves the request in the driver's slot of the arena and rings at
 * its listener. The driver takes the request, then the bell: when the bell is
 * answered by the end of the stream, it is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "mem/arena_layout.h"
#include "rt/driver_shm.h"
#include "rudpstat/kill.h"

enum { BELL_SECONDS = 2 };

static struct driver_shm *map_driver(const struct stat_conn *c)
{
	char path[96], target[64];
	struct stat st;
	void *p = MAP_FAILED;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", c->pid, c->ctl_tid, c->ctl_fd);
	n = readlink(path, target, sizeof(target) - 1);
	target[max(n, (ssize_t)0)] = '\0';
	if (strncmp(target, "/memfd:librudp", strlen("/memfd:librudp")) != 0)
		return NULL;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	/* arenas do not shrink, so what is there now can be touched */
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)(ARENA_SLOTS_OFF + PAGE_BYTES))
		p = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 (off_t)ARENA_SLOTS_OFF);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static int ring(const struct driver_shm *shm)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	u32 len = min(shm->bell_len, (u32)sizeof(shm->bell));
	struct timeval limit = { .tv_sec = BELL_SECONDS };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret = 0;
	char c;

	memcpy(sa.sun_path, shm->bell, len);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (struct sockaddr *)&sa,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0 ||
	    shutdown(fd, SHUT_WR) < 0 || (recv(fd, &c, 1, 0) < 0 && errno != ECONNRESET))
		ret = -errno;
	close(fd);
	return ret;
}

static int kill_one(const struct stat_conn *c)
{
	u64 request = (u64)c->gen << 32 | c->index;
	struct driver_shm *shm;
	int ret;

	if (c->listener || c->st == CONN_CLOSED)
		return -ENOTCONN;
	shm = map_driver(c);
	if (!shm)
		return -ESRCH;
	atomic_store(&shm->kill, request);	/* over what somebody left there */
	ret = ring(shm);
	if (atomic_compare_exchange_strong(&shm->kill, &request, 0) && !ret)
		ret = -EBUSY;
	munmap(shm, PAGE_BYTES);
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
