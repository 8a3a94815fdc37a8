/* lingering.c - close() with SO_LINGER and a time: when it waits, and for what. */
#include <sys/time.h>
#include "conform.h"

enum { SHORT_MS = 300, LONG_S = 20 };

static long ms_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void set_linger(int fd, int seconds)
{
	struct linger l = { 1, seconds };

	say("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
}

static int by_fclose(int fd)
{
	return fclose(fdopen(fd, "r+"));
}

static int by_freopen(int fd)
{
	FILE *f = freopen("/dev/null", "r", fdopen(fd, "r+"));

	return f ? fclose(f) : -1;
}

static int by_dup2(int fd)
{
	return dup2(STDERR_FILENO, fd) == fd ? close(fd) : -1;
}

static int by_range(int fd)
{
	return close_range((unsigned)fd, (unsigned)fd, 0);
}

/* Did it come back before its time was up, or then? */
static void timed(const char *what, int (*end)(int fd), int fd, int seconds)
{
	long t0 = ms_now(), took;
	int ret = end(fd);

	took = ms_now() - t0;
	printf("%s: %d, %s\n", what, ret,
	       took < seconds * 1000 - 20 ? "early" : "in time");
}

static void *late_reader(void *arg)
{
	int fd = *(int *)arg;

	until_asleep(getpid(), NULL);	/* the main thread, in its close() */
	while (drain(fd, 1 << 20))
		;
	return NULL;
}

static void timed_close(const char *what, int fd, int seconds)
{
	timed(what, close, fd, seconds);
}

/* The peer's window is closed, so that the FIN waits behind data. */
static void full_pair(int *c, int *s, int seconds)
{
	pair(c, s);
	fill(*c);
	set_linger(*c, seconds);
}

static void nothing_to_wait_for(void)
{
	int c, s;

	pair(&c, &s);
	set_linger(c, LONG_S);
	timed_close("nothing sent", c, LONG_S);
	show_await("the peer", s, POLLRDHUP);
	set_linger(s, LONG_S);
	timed_close("the peer", s, LONG_S);
}

static void time_is_up(bool nonblock)
{
	char x;
	int c, s;

	full_pair(&c, &s, 1);
	nonblocking(c, nonblock);
	timed_close(nonblock ? "nobody reads, nonblocking" : "nobody reads", c, 1);
	while (drain(s, 1 << 20))
		;
	say("it has all arrived", read(s, &x, 1));
	close(s);
}

static void reader_comes(bool shut)
{
	pthread_t t;
	int c, s;

	full_pair(&c, &s, LONG_S);
	nonblocking(c, false);
	if (shut)
		say("shutdown", shutdown(c, SHUT_WR));
	pthread_create(&t, NULL, late_reader, &s);
	timed_close(shut ? "shut before" : "a reader comes", c, LONG_S);
	pthread_join(t, NULL);
	close(s);
}

static void other_ways(void)
{
	static const struct {
		const char *name;
		int (*end)(int fd);
	} way[] = {
		{ "fclose", by_fclose }, { "freopen", by_freopen }, { "dup2", by_dup2 },
		{ "close_range", by_range },
	};
	pthread_t t;
	int c, s;

	for (size_t i = 0; i < NELEM(way); i++) {
		full_pair(&c, &s, LONG_S);
		nonblocking(c, false);
		pthread_create(&t, NULL, late_reader, &s);
		timed(way[i].name, way[i].end, c, LONG_S);
		pthread_join(t, NULL);
		close(s);
	}
	full_pair(&c, &s, LONG_S);
	say("dup2 of nothing", dup2(-1, c));
	say("dup3 with a flag that is none", dup3(s, c, 1));
	linger0(c);
	say("dup2", dup2(STDERR_FILENO, c) == c);
	show_await("the peer", s, POLLERR | POLLHUP);
	close(c);
	close(s);
}

static void not_the_last(void)
{
	int c, s, other, go[2];
	char x = 0;
	pid_t pid;

	full_pair(&c, &s, 1);
	other = dup(c);
	timed_close("one of two", c, 1);
	say("pipe", pipe(go));
	pid = fork();
	if (!pid) {
		read_all(go[0], &x, 1);
		timed_close("the child's, the last", other, 1);
		_exit(0);
	}
	timed_close("the parent's", other, 1);
	write_all(go[1], &x, 1);
	waitpid(pid, NULL, 0);
	close(go[0]);
	close(go[1]);
	close(s);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void interrupted(void)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval soon = { .it_value = { .tv_usec = SHORT_MS * 1000 } };
	int c, s;

	full_pair(&c, &s, LONG_S);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	timed_close("interrupted", c, LONG_S);
	close(s);
	alarm(60);
	signal(SIGALRM, SIG_DFL);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	nothing_to_wait_for();
	time_is_up(false);
	time_is_up(true);
	reader_comes(false);
	reader_comes(true);
	other_ways();
	not_the_last();
	interrupted();
	return 0;
}
