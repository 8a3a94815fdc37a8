/* control.c - see control.h. */
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
#include "rudpstat/control.h"

enum { BELL_SECONDS = 2 };

static int open_control(const struct stat_conn *c)
{
	char path[96], target[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", c->pid, c->ctl_tid, c->ctl_fd);
	n = readlink(path, target, sizeof(target) - 1);
	target[max(n, (ssize_t)0)] = '\0';
	if (strncmp(target, "/memfd:librudp", strlen("/memfd:librudp")) != 0)
		return -1;
	return open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
}

void *control_map(const struct stat_conn *c, off_t off, size_t len, int *ret_fd)
{
	int fd = open_control(c);
	void *p = MAP_FAILED;
	struct stat st;

	if (fd < 0)
		return NULL;
	/* arenas do not shrink, so what is there now can be touched */
	if (fstat(fd, &st) == 0 && st.st_size >= off + (off_t)len)
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, off);
	if (ret_fd && p != MAP_FAILED)
		*ret_fd = fd;
	else
		close(fd);
	return p == MAP_FAILED ? NULL : p;
}

struct driver_shm *control_driver(const struct stat_conn *c)
{
	return control_map(c, (off_t)ARENA_SLOTS_OFF, PAGE_BYTES, NULL);
}

void control_leave(struct driver_shm *shm)
{
	munmap(shm, PAGE_BYTES);
}

int control_ring(const struct driver_shm *shm)
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
