/* watching.c - one thread, epoll sets: what is reported when nobody but the
 * waiting thread receives, and who else looks meanwhile. */
#include "conform.h"
#include <sys/epoll.h>
#include <sys/wait.h>

static int set, c, s;

static void begin(const char *what)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP, .data.u64 = 7 };

	printf("%s\n", what);
	pair(&c, &s);
	set = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(set, EPOLL_CTL_ADD, c, &ev);
}

static void end(void)
{
	close(c);
	close(s);
	close(set);
}

static void show_bits(u_int32_t ev)
{
	printf("%s%s%s%s%s\n", ev & EPOLLIN ? " IN" : "", ev & EPOLLOUT ? " OUT" : "",
	       ev & EPOLLRDHUP ? " RDHUP" : "", ev & EPOLLHUP ? " HUP" : "",
	       ev & EPOLLERR ? " ERR" : "");
}

static void see_at(int epfd, const char *when, int ms)
{
	struct epoll_event ev[4];
	int n = epoll_wait(epfd, ev, 4, ms);

	printf("  %s: %d", when, n);
	for (int i = 0; i < n; i++) {
		printf(" [%d]", (int)ev[i].data.u64);
		show_bits(ev[i].events);
	}
	if (n <= 0)
		printf("\n");
}

static void see(const char *when, int ms)
{
	see_at(set, when, ms);
}

static void take(int n)
{
	char buf[64];

	printf("  read %d: %d\n", n, (int)read(c, buf, (size_t)n));
}

static void levels(void)
{
	begin("levels");
	see("nothing", 0);
	write_all(s, "abcdef", 6);
	see("data", 5000);
	see("still", 0);
	take(2);
	see("some is left", 0);
	see("some is left, waiting", 5000);
	take(10);
	see("read", 0);
	see("read, waiting", 20);
	write_all(s, "gh", 2);
	see("again", 5000);
	shutdown(s, SHUT_WR);
	take(10);
	await(c, POLLRDHUP);
	see("end", 5000);
	take(10);
	end();
}

static void changed(void)
{
	struct epoll_event out = { .events = EPOLLOUT, .data.u64 = 8 };
	struct epoll_event both = { .events = EPOLLIN | EPOLLOUT, .data.u64 = 9 };

	begin("changed");
	write_all(s, "abc", 3);
	see("data", 5000);
	epoll_ctl(set, EPOLL_CTL_MOD, c, &out);
	see("room alone", 5000);
	epoll_ctl(set, EPOLL_CTL_MOD, c, &both);
	see("both", 5000);
	epoll_ctl(set, EPOLL_CTL_DEL, c, NULL);
	see("removed", 0);
	epoll_ctl(set, EPOLL_CTL_ADD, c, &both);
	see("added", 5000);
	take(3);
	see("read", 0);
	end();
}

static void poll_both(int ms)
{
	int p[2];
	struct pollfd pf[2] = { { .fd = c, .events = POLLIN } };

	pipe(p);
	pf[1] = (struct pollfd){ .fd = p[0], .events = POLLIN };
	printf("  poll beside a pipe: %d", poll(pf, 2, ms));
	printf("%s\n", pf[0].revents & POLLIN ? " IN" : "");
	close(p[0]);
	close(p[1]);
}

static void others_look(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 5 };
	int second, copy;

	begin("others look");
	write_all(s, "abc", 3);
	see("data", 5000);
	poll_both(5000);
	see("again", 5000);
	second = epoll_create1(0);
	epoll_ctl(second, EPOLL_CTL_ADD, c, &ev);
	see_at(second, "a second set", 5000);
	see("the first", 5000);
	take(3);
	see("read", 0);
	see_at(second, "read", 0);
	write_all(s, "d", 1);
	see("data", 5000);
	copy = dup(set);
	see_at(copy, "a copy of the set", 5000);
	take(1);
	see_at(copy, "read", 0);
	close(copy);
	close(second);
	end();
}

static void nested(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 4 };
	int outer;

	begin("nested");
	write_all(s, "abc", 3);
	see("data", 5000);
	outer = epoll_create1(0);
	epoll_ctl(outer, EPOLL_CTL_ADD, set, &ev);
	see_at(outer, "outer", 5000);
	take(3);
	see_at(outer, "read", 0);
	write_all(s, "d", 1);
	see_at(outer, "data", 5000);
	take(1);
	close(outer);
	end();
}

static void child_looks(void)
{
	begin("a child looks");
	write_all(s, "abc", 3);
	see("data", 5000);
	fflush(stdout);
	if (!fork()) {
		poll_both(5000);
		take(3);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	see("the child has read", 50);
	write_all(s, "d", 1);
	see("data", 5000);
	take(1);
	end();
}

static void *thread_looks(void *arg)
{
	(void)arg;
	see("a thread", 5000);
	take(3);
	see("a thread has read", 0);
	write_all(s, "d", 1);
	see("a thread", 5000);
	return NULL;
}

static void second_thread(void)
{
	pthread_t t;

	begin("a second thread");
	write_all(s, "abc", 3);
	see("data", 5000);
	pthread_create(&t, NULL, thread_looks, NULL);
	pthread_join(t, NULL);
	see("the first", 5000);
	take(1);
	see("read", 0);
	end();
}

/* What poll() has told, a set tells, at once. */
static void told_by_both(void)
{
	enum { ROUNDS = 200 };
	int seen = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP };
		struct pollfd p;

		pair(&c, &s);
		set = epoll_create1(EPOLL_CLOEXEC);
		epoll_ctl(set, EPOLL_CTL_ADD, c, &ev);
		if (i & 1)
			write_all(s, "x", 1);
		if (i & 2)
			await(c, i & 1 ? POLLIN : 0);
		shutdown(s, SHUT_WR);
		p = (struct pollfd){ .fd = c, .events = POLLRDHUP };
		poll(&p, 1, -1);
		ev.events = 0;
		epoll_wait(set, &ev, 1, 0);
		seen += ev.events == (EPOLLIN | EPOLLRDHUP);
		end();
	}
	printf("an end, by poll and by a set: %d of %d\n", seen, ROUNDS);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	levels();
	changed();
	others_look();
	nested();
	child_looks();
	told_by_both();
	second_thread();
	told_by_both();
	return 0;
}
