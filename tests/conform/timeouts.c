/* timeouts.c - SO_RCVTIMEO, SO_SNDTIMEO, signals, cancellation. */
#include "conform.h"
#include <setjmp.h>

static volatile sig_atomic_t alarms;
static sigjmp_buf out;

static void on_usr1(int sig)
{
	(void)sig;
	alarms++;
}

static void jump(int sig)
{
	(void)sig;
	siglongjmp(out, 1);
}

static void handler(void (*fn)(int), int flags)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };

	sigaction(SIGUSR1, &sa, NULL);
}

static double since(const struct timespec *t0)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)(t.tv_sec - t0->tv_sec) + (double)(t.tv_nsec - t0->tv_nsec) / 1e9;
}

static void timed(const char *what, int fd, bool sending)
{
	struct timespec t0;
	char x = 0;
	ssize_t n;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	n = sending ? write(fd, &x, 1) : read(fd, &x, 1);
	say(what, n);
	printf("  took about 0.3 s: %d\n", since(&t0) > 0.25 && since(&t0) < 2.0);
}

static void timeouts(void)
{
	struct timeval tv = { 0, 300000 }, off = { 0, 0 };
	union addr a;
	socklen_t len;
	int c, s, l;

	pair(&c, &s);
	setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	timed("read", c, false);
	setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &off, sizeof(off));
	fill(c);
	nonblocking(c, false);
	setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	timed("write", c, true);
	close(c);
	close(s);
	l = listener(1, &a, &len);
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	say("accept", accept(l, NULL, NULL));
	close(l);
}

/* Interrupts the main thread until it is told to stop. */
static pthread_t victim;
static _Atomic bool stop;

static void *pester(void *arg)
{
	struct timespec t = { 0, 50000000 };

	for (int i = 0; i < *(int *)arg && !stop; i++) {
		nanosleep(&t, NULL);
		if (!stop)
			pthread_kill(victim, SIGUSR1);
	}
	return NULL;
}

static void interrupted(int flags, const char *what)
{
	ssize_t n;
	pthread_t t;
	int c, s, l, times = 1000;
	union addr a;
	socklen_t len;
	char x;

	handler(on_usr1, flags);
	pair(&c, &s);
	stop = false;
	pthread_create(&t, NULL, pester, &times);
	if (!flags) {
		printf("%s\n", what);
		say("read", read(c, &x, 1));
		say("recv, waitall", recv(c, &x, 1, MSG_WAITALL));
		fill(c);
		nonblocking(c, false);
		do		/* what the peer still takes */
			n = write(c, &x, 1);
		while (n > 0);
		say("write", n);
		l = listener(1, &a, &len);
		say("accept", accept(l, NULL, NULL));
		close(l);
	}
	stop = true;
	pthread_join(t, NULL);
	close(c);
	close(s);
}

static void *reply_later(void *arg)
{
	struct timespec t = { 0, 10000000 };

	while (!alarms)
		nanosleep(&t, NULL);
	write_all(*(int *)arg, "x", 1);
	return NULL;
}

static void restarted(void)
{
	struct timeval tv = { 5, 0 };
	pthread_t t, w;
	int c, s, times = 1000;
	char x;

	handler(on_usr1, SA_RESTART);
	for (int timed_too = 0; timed_too < 2; timed_too++) {
		pair(&c, &s);
		if (timed_too)
			setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		alarms = 0;
		stop = false;
		pthread_create(&t, NULL, pester, &times);
		if (!timed_too)
			pthread_create(&w, NULL, reply_later, &s);
		say(timed_too ? "restart, with a timeout: read" : "restart: read",
		    read(c, &x, 1));
		stop = true;
		pthread_join(t, NULL);
		if (!timed_too)
			pthread_join(w, NULL);
		printf("  interrupted: %d\n", alarms > 0);
		close(c);
		close(s);
	}
}

static void *read_later(void *arg)
{
	static char sink[65536];
	struct timespec t = { 0, 300000000 };

	nanosleep(&t, NULL);
	while (read(*(int *)arg, sink, sizeof(sink)) > 0)
		;
	return NULL;
}

/* A signal whose handler wants restarts comes to a send that nothing fits into:
 * with a time limit it ends, without one it goes on. */
static void t31_restarted_send(bool limit)
{
	struct timeval tv = { 5, 0 };
	pthread_t t, r;
	int c, s, times = limit ? 1000 : 3;
	ssize_t n;
	char x = 'x';

	handler(on_usr1, SA_RESTART);
	pair(&c, &s);
	fill(c);
	nonblocking(c, false);
	if (limit)
		setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	else
		pthread_create(&r, NULL, read_later, &s);
	alarms = 0;
	stop = false;
	pthread_create(&t, NULL, pester, &times);
	do		/* what the peer still takes */
		n = write(c, &x, 1);
	while (limit ? n > 0 : !alarms);
	say(limit ? "restart, with a time limit: write" : "restart: write", n);
	stop = true;
	pthread_join(t, NULL);
	printf("  interrupted: %d\n", alarms > 0);
	close(c);
	if (!limit)
		pthread_join(r, NULL);
	close(s);
}

/* A send that has taken something says how much. */
static void t31_count(int flags)
{
	static char all[16 << 20];
	int c, s, times = 1000;
	pthread_t t;
	ssize_t n;

	handler(on_usr1, flags);
	pair(&c, &s);
	stop = false;
	pthread_create(&t, NULL, pester, &times);
	n = write(c, all, sizeof(all));
	printf("interrupted in the middle: some %d\n", n > 0 && (size_t)n < sizeof(all));
	stop = true;
	pthread_join(t, NULL);
	close(c);
	close(s);
}

/* Out of a read, and everything still works. */
static void jumped(void)
{
	pthread_t t;
	int c, s, times = 1;
	char x;

	handler(jump, 0);
	pair(&c, &s);
	stop = false;
	if (sigsetjmp(out, 1) == 0) {
		pthread_create(&t, NULL, pester, &times);
		read(c, &x, 1);
		printf("not reached\n");
	}
	pthread_join(t, NULL);
	write_all(s, "x", 1);
	say("after siglongjmp: read", read(c, &x, 1));
	say("close", close(c));
	show_await("peer sees it", s, POLLRDHUP);
	close(s);
}

static void *read_for_ever(void *arg)
{
	char x;

	read(*(int *)arg, &x, 1);
	return NULL;
}

static void cancelled(void)
{
	struct timespec ms100 = { 0, 100000000 };
	pthread_t t;
	void *ret;
	int c, s;

	pair(&c, &s);
	pthread_create(&t, NULL, read_for_ever, &c);
	nanosleep(&ms100, NULL);
	pthread_cancel(t);
	pthread_join(t, &ret);
	printf("cancelled: %d\n", ret == PTHREAD_CANCELED);
	write_all(s, "x", 1);
	say("read", recv(c, &ret, 1, 0));
	say("close", close(c));
	show_await("peer sees it", s, POLLRDHUP);
	close(s);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	victim = pthread_self();
	timeouts();
	interrupted(0, "without restart");
	restarted();
	t31_restarted_send(true);
	t31_restarted_send(false);
	t31_count(0);
	t31_count(SA_RESTART);
	jumped();
	cancelled();
	return 0;
}
