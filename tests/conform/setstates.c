/* setstates.c - epoll sets and a socket in every state: added in each way, modified,
 * removed and added again; in two sets, in a set in a set, under two numbers; and
 * what poll() and select() say of it, with every bit asked for alone. */
#include <sys/select.h>
#include "stages.h"

enum { ALL = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI };

static const struct way { const char *name; unsigned events; } ways[] = {
	{ "level", ALL }, { "edge", ALL | EPOLLET }, { "one shot", ALL | EPOLLONESHOT },
	{ "exclusive", EPOLLIN | EPOLLOUT | EPOLLEXCLUSIVE },
	{ "one shot edge", ALL | EPOLLONESHOT | EPOLLET }, { "nothing", 0 },
	{ "exclusive edge", EPOLLIN | EPOLLET | EPOLLEXCLUSIVE },
};

static int ctl(int ep, int op, int fd, unsigned events)
{
	struct epoll_event ev = { .events = events, .data.u64 = events ^ 0x123456789abcdef };

	return epoll_ctl(ep, op, fd, &ev);
}

static void told(int ep)
{
	struct epoll_event ev[4] = { { 0 } };
	int n = epoll_wait(ep, ev, NELEM(ev), 0);

	printf(" [%d", n);
	for (int i = 0; i < n; i++)
		printf(": %s", bits((int)ev[i].events));
	printf("]");
}

static void answer(int ret)
{
	if (ret < 0)
		printf(" %s", ename(errno));
}

static void one_set(int fd, const struct way *w)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	printf("  %s:", w->name);
	answer(ctl(ep, EPOLL_CTL_ADD, fd, w->events));
	told(ep);
	told(ep);
	printf(" add");
	answer(ctl(ep, EPOLL_CTL_ADD, fd, w->events));
	told(ep);
	printf(" mod");
	answer(ctl(ep, EPOLL_CTL_MOD, fd, w->events & ~(unsigned)EPOLLEXCLUSIVE));
	told(ep);
	told(ep);
	printf(" del");
	answer(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	told(ep);
	printf(" again");
	answer(ctl(ep, EPOLL_CTL_ADD, fd, w->events));
	told(ep);
	told(ep);
	printf("\n");
	close(ep);
}

/* What one of them is told takes nothing from the other. */
static void two_sets(int fd)
{
	int a = epoll_create1(0), b = epoll_create1(0), outer = epoll_create1(0), d;

	ctl(outer, EPOLL_CTL_ADD, a, EPOLLIN | EPOLLET);
	ctl(a, EPOLL_CTL_ADD, fd, ALL | EPOLLET);
	ctl(b, EPOLL_CTL_ADD, fd, ALL);
	printf("  two sets:");
	told(outer);
	told(b);
	told(a);
	told(a);
	told(b);
	told(outer);
	d = dup(fd);
	printf(" a duplicate:");
	ctl(a, EPOLL_CTL_ADD, d, EPOLLIN | EPOLLOUT | EPOLLET);
	told(a);
	told(outer);
	ctl(b, EPOLL_CTL_DEL, fd, 0);
	ctl(b, EPOLL_CTL_ADD, d, EPOLLIN | EPOLLOUT);
	told(b);
	close(d);
	printf(" closed:");
	told(b);
	epoll_ctl(a, EPOLL_CTL_DEL, fd, NULL);
	told(a);
	printf("\n");
	close(a);
	close(b);
	close(outer);
}

static void by_poll(int fd)
{
	static const short asked[] = { 0, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM,
				       POLLRDBAND, POLLWRNORM, POLLHUP, POLLERR, POLLNVAL,
				       POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM };
	struct timeval now = { 0, 0 };
	fd_set s[3];

	printf("  poll:");
	for (size_t i = 0; i < NELEM(asked); i++) {
		struct pollfd p = { fd, asked[i], 0 };
		int n = poll(&p, 1, 0);

		printf(" %d/%x", n, (unsigned)p.revents);
	}
	printf("; select:");
	for (int k = 0; k < 8; k++) {
		for (int w = 0; w < 3; w++) {
			FD_ZERO(&s[w]);
			FD_SET(fd, &s[w]);
		}
		printf(" %d", select(fd + 1, k & 1 ? &s[0] : NULL, k & 2 ? &s[1] : NULL,
				     k & 4 ? &s[2] : NULL, &now));
		for (int w = 0; w < 3; w++)
			if (k >> w & 1 && FD_ISSET(fd, &s[w]))
				putchar("rwx"[w]);
	}
	printf("\n");
}

/* Told once, and gone from the set when it is closed. */
static void closed(const struct stage_kind *kind, unsigned how)
{
	int ep = epoll_create1(0), want;
	struct epoll_event ev = { 0 };
	struct stage st;

	stage_begin(&st, kind->make);
	ctl(ep, EPOLL_CTL_ADD, st.fd, ALL | how);
	want = look(st.fd);
	printf(" %x:", how);
	if (want && !epoll_wait(ep, &ev, 1, 10000))
		printf(" never");
	printf(" %s;", bits((int)ev.events));
	stage_end(&st);
	told(ep);
	close(ep);
}

int main(int argc, char **argv)
{
	struct stage st;

	start(argc, argv);
	for (size_t i = 0; i < nstages; i++) {
		printf("%s\n", stages[i].name);
		stage_begin(&st, stages[i].make);
		by_poll(st.fd);
		for (size_t w = 0; w < NELEM(ways); w++)
			one_set(st.fd, &ways[w]);
		two_sets(st.fd);
		by_poll(st.fd);
		stage_end(&st);
		printf("  and closed:");
		closed(&stages[i], 0);
		closed(&stages[i], EPOLLET);
		closed(&stages[i], EPOLLONESHOT);
		printf("\n");
	}
	return 0;
}
