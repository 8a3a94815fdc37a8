/* bynumber.c - waiting by syscall(), and in turn with the functions. */
#include "conform.h"
#include <sys/select.h>
#include <sys/syscall.h>

static const struct timespec at_once, long_enough = { 10, 0 };

/* Younger machines have no number for what a newer call can do as well. */
#ifdef SYS_poll
static long by_poll(int fd, bool wait)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return syscall(SYS_poll, &p, 1, wait ? 10000 : 0);
}
#endif

static long by_ppoll(int fd, bool wait)
{
	struct pollfd p = { fd, POLLIN, 0 };
	struct timespec ts = wait ? long_enough : at_once;

	return syscall(SYS_ppoll, &p, 1, &ts, NULL, 0);
}

#ifdef SYS_select
static long by_select(int fd, bool wait)
{
	struct timeval tv = { wait ? 10 : 0, 0 };
	fd_set rd;

	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	return syscall(SYS_select, fd + 1, &rd, NULL, NULL, &tv);
}
#endif

static long by_pselect(int fd, bool wait)
{
	struct timespec ts = wait ? long_enough : at_once;
	fd_set rd;

	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	return syscall(SYS_pselect6, fd + 1, &rd, NULL, NULL, &ts, NULL);
}

static int set_of(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	long ep = syscall(SYS_epoll_create1, EPOLL_CLOEXEC);

	syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev);
	return (int)ep;
}

static int set;

#ifdef SYS_epoll_wait
static long by_epoll_wait(int fd, bool wait)
{
	struct epoll_event ev;

	(void)fd;
	return syscall(SYS_epoll_wait, set, &ev, 1, wait ? 10000 : 0);
}
#endif

static long by_epoll_pwait(int fd, bool wait)
{
	struct epoll_event ev;

	(void)fd;
	return syscall(SYS_epoll_pwait, set, &ev, 1, wait ? 10000 : 0, NULL, 0);
}

static long by_epoll_pwait2(int fd, bool wait)
{
	struct timespec ts = wait ? long_enough : at_once;
	struct epoll_event ev;

	(void)fd;
	return syscall(SYS_epoll_pwait2, set, &ev, 1, &ts, NULL, 0);
}

static long by_functions(int fd, bool wait)
{
	struct epoll_event ev;

	(void)fd;
	return epoll_wait(set, &ev, 1, wait ? 10000 : 0);
}

static const struct {
	const char *name;
	long (*wait)(int fd, bool wait);
} ways[] = {
#ifdef SYS_poll
	{ "poll", by_poll },
#endif
#ifdef SYS_select
	{ "select", by_select },
#endif
#ifdef SYS_epoll_wait
	{ "epoll_wait", by_epoll_wait },
#endif
	{ "ppoll", by_ppoll }, { "pselect6", by_pselect },
	{ "epoll_pwait", by_epoll_pwait }, { "epoll_pwait2", by_epoll_pwait2 },
	{ "the function", by_functions },
};

/* Each way finds what each other has seen, and that it is gone. */
static void in_turn(int c, int s)
{
	char x;

	for (size_t i = 0; i < NELEM(ways); i++)
		for (size_t j = 0; j < NELEM(ways); j++) {
			long before = ways[i].wait(s, false), first, second, third, after;

			write_all(c, "x", 1);
			first = ways[i].wait(s, true);
			second = ways[j].wait(s, false);
			third = ways[i].wait(s, false);
			read_all(s, &x, 1);
			after = ways[j].wait(s, false);
			printf("%s, %s: %ld %ld %ld %ld %ld\n", ways[i].name, ways[j].name,
			       before, first, second, third, after);
		}
}

static void vectors(int c, int s)
{
	char x[4] = "", y[4] = "";
	struct iovec out = { "abcdef", 6 }, in[2] = { { x, 3 }, { y, 3 } };

	say("pwritev2", syscall(SYS_pwritev2, c, &out, 1, -1L, -1L, 0));
	await(s, POLLIN);
	say("preadv2", syscall(SYS_preadv2, s, in, 2, -1L, -1L, 0));
	printf("%s %s\n", x, y);
	say("preadv2, not waiting", syscall(SYS_preadv2, s, in, 2, -1L, -1L, RWF_NOWAIT));
	say("preadv", syscall(SYS_preadv, s, in, 2, 0L, 0L));
	say("pread64", syscall(SYS_pread64, s, x, 1, 0L));
}

int main(int argc, char **argv)
{
	int c, s;

	start(argc, argv);
	pair(&c, &s);
	set = set_of(s);
	in_turn(c, s);
	vectors(c, s);
	close(set);
	close(c);
	close(s);
	return 0;
}
