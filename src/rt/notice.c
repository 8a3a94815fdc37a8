/* notice.c - the caretaker's sleep while the driver lives: see standin.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include "rt/standin.h"
#include "rt/sys.h"

#define LOOK_US		(100 * USEC_PER_MSEC)
#define PATIENCE_MAX_US	(3 * USEC_PER_SEC)

static int look_epfd = -1, stat_fd = -1;
static u64 fired[NOTICE_EVENTS];	/* ports that are not watched at the moment */
static int nfired;

static void control(int op, int fd, u32 events, u64 data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	sys_call6(SYS_epoll_ctl, look_epfd, op, fd, (long)&ev, 0, 0);
}

static u32 events_of(enum care_what what)
{
	return what == CARE_PORT ? EPOLLIN | EPOLLONESHOT : EPOLLET;
}

static u64 data_of(u32 index, u32 gen, enum care_what what)
{
	return (u64)gen << 32 | (u32)what << 28 | index;
}

void notice_add(int fd, u32 index, u32 gen, enum care_what what)
{
	if (what != CARE_PLAIN)
		control(EPOLL_CTL_ADD, fd, events_of(what), data_of(index, gen, what));
}

void notice_again(int fd, u32 index, u32 gen, enum care_what what)
{
	if (what != CARE_PLAIN)
		control(EPOLL_CTL_MOD, fd, events_of(what), data_of(index, gen, what));
}

void notice_del(int fd)
{
	control(EPOLL_CTL_DEL, fd, 0, 0);
}

void notice_bell(bool always)
{
	control(EPOLL_CTL_MOD, drv.wake_fd, EPOLLIN | EPOLLET | (always ? 0 : EPOLLONESHOT),
		NOTICE_BELL);
}

bool notice_init(pid_t pid, pid_t tid)
{
	char path[64];

	look_epfd = (int)sys_call6(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0, 0, 0, 0);
	if (look_epfd < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	stat_fd = (int)sys_call6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	control(EPOLL_CTL_ADD, CARE_CHANNEL, EPOLLIN, NOTICE_CHANNEL);
	if (stat_fd >= 0)
		control(EPOLL_CTL_ADD, drv.wake_fd, EPOLLIN | EPOLLET | EPOLLONESHOT, NOTICE_BELL);
	return true;
}

void notice_close(void)
{
	sys_close(look_epfd);
	if (stat_fd >= 0)
		sys_close(stat_fd);
	look_epfd = stat_fd = -1;
}

/* Behind the name, which may have any letters in it. */
bool notice_stopped(void)
{
	char buf[256];
	ssize_t n = sys_call6(SYS_pread64, stat_fd, (long)buf, sizeof(buf) - 1, 0, 0, 0);
	const char *p;

	if (n <= 0)
		return false;
	buf[n] = 0;
	p = strrchr(buf, ')');
	return p && p[1] == ' ' && (p[2] == 'T' || p[2] == 't');
}

/* epoll_wait() with the time that ppoll() can tell. */
int notice_wait(struct epoll_event *ev, usec_t until)
{
	struct pollfd p = { .fd = look_epfd, .events = POLLIN };
	usec_t now = until == USEC_NEVER ? 0 : rt_now(), left = until > now ? until - now : 0;
	struct timespec ts = { (time_t)(left / USEC_PER_SEC), (long)(left % USEC_PER_SEC * 1000) };
	int n;

	if (sys_call6(SYS_ppoll, (long)&p, 1, until == USEC_NEVER ? 0 : (long)&ts, 0, 0, 0) <= 0)
		return 0;
	n = (int)sys_call6(SYS_epoll_pwait, look_epfd, (long)ev, NOTICE_EVENTS, 0, 0, 0);
	return n < 0 ? 0 : n;
}

/* When the driver is to wake by itself. */
static usec_t next_due(void)
{
	u64 due = atomic_load(&drv.shm->next_wake);

	if (due && due != USEC_NEVER)
		return due;
	due = USEC_NEVER;
	for (u32 i = 1; i < care_kept_end(); i++) {
		const struct sock *sk = rt_sock(i);

		if (sk && care_is_driven(sk))
			due = min(due, atomic_load(&sk->timer_at));
	}
	return due;
}

static void arm(void)
{
	for (int i = 0; i < nfired; i++) {
		u32 index = notice_index(fired[i]), gen = notice_gen(fired[i]);
		int fd = care_kept(index, gen, CARE_PORT);

		if (fd >= 0)
			notice_again(fd, index, gen, CARE_PORT);
	}
	nfired = 0;
	notice_bell(false);
}

enum seen { SEEN_END, SEEN_NOTHING, SEEN_WORK };

static enum seen look_until(usec_t until)
{
	struct epoll_event ev[NOTICE_EVENTS];
	enum seen seen = SEEN_NOTHING;

	while (seen == SEEN_NOTHING) {
		int n = notice_wait(ev, until);

		if (!n && rt_now() >= until)
			break;
		for (int i = 0; i < n; i++) {
			u64 data = ev[i].data.u64;

			if (data == NOTICE_CHANNEL) {
				if (!care_hear())
					return SEEN_END;
				continue;
			}
			if (data != NOTICE_BELL && notice_what(data) == CARE_PORT)
				fired[nfired++] = data;
			seen = SEEN_WORK;
		}
	}
	return seen;
}

/* Without /proc there is no telling a stop from a long wait for a processor. */
bool notice_stop(void)
{
	usec_t patience = LOOK_US;

	while (stat_fd < 0)
		if (!care_hear_until(USEC_NEVER))
			return false;
	for (;;) {
		u32 beat = atomic_load(&drv.shm->beat);
		usec_t now = rt_now(), due = next_due();
		enum seen seen;

		arm();
		seen = look_until(due == USEC_NEVER ? due : max(due, now) + patience);
		if (seen == SEEN_END ||
		    (seen == SEEN_WORK && !care_hear_until(rt_now() + LOOK_US)))
			return false;
		if (atomic_load(&drv.shm->beat) != beat) {
			patience = LOOK_US;
			continue;
		}
		if (notice_stopped())
			return true;
		patience = min(patience * 2, PATIENCE_MAX_US);
	}
}
