/* fdlimits.c - no more descriptors; high ones; a program that closes all. */
#include "conform.h"
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>

static void set_limit(rlim_t n)
{
	struct rlimit rl;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = n;
	say("setrlimit", setrlimit(RLIMIT_NOFILE, &rl));
}

/* As a daemon does at its start. */
static void close_all(void)
{
	int c, s;
	char x;

	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	pair(&c, &s);
	for (int fd = 3; fd < 1024; fd++)
		if (fd != c && fd != s)
			close(fd);
	say("write", write(c, "x", 1));
	say("read", read(s, &x, 1));
	printf("lowest numbers: %d\n", c < 10 && s < 10);
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	say("closed", write(c, "x", 1));
	pair(&c, &s);
	say("again: write", write(c, "x", 1));
	say("read", read(s, &x, 1));
	close(c);
	close(s);
}

static void at_the_limit(void)
{
	int held[64], n = 0, l, c, s, fd;
	union addr a;
	socklen_t len;
	char x;

	l = listener(8, &a, &len);
	c = fresh();
	connect(c, &a.sa, len);
	await(l, POLLIN);
	set_limit(40);
	while (n < 64 && (fd = open("/dev/null", O_RDONLY)) >= 0)
		held[n++] = fd;
	say("open", -1);
	printf("all numbers can be had: %d\n", held[n - 1] == 39);
	say("socket", socket(family, SOCK_STREAM, 0));
	say("accept", accept(l, NULL, NULL));
	say("dup", dup(c));
	say("F_DUPFD", fcntl(c, F_DUPFD, 0));
	say("dup2 beyond", dup2(c, 40));
	say("F_DUPFD beyond", fcntl(c, F_DUPFD, 40));
	show_await("nothing is lost", l, POLLIN);
	close(held[--n]);
	s = accept(l, NULL, NULL);
	printf("accept with one free: %d\n", s == 39);
	say("write", write(c, "x", 1));
	say("read", read(s, &x, 1));
	close(s);
	fd = socket(family, SOCK_STREAM, 0);
	printf("socket with one free: %d\n", fd == 39);
	say("connect", connect(fd, &a.sa, len));
	close(fd);
	while (n)
		close(held[--n]);
	set_limit(1024);
	close(c);
	close(l);
}

static void high_numbers(void)
{
	struct rlimit rl;
	struct timeval now = { 5, 0 };
	unsigned long set[4096 / 64] = { 0 };
	fd_set *r = (fd_set *)(void *)set;
	int c, s, hi;
	char x;

	getrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_max < 4096) {
		printf("no high numbers here\n");
		return;
	}
	set_limit(4096);
	pair(&c, &s);
	hi = dup2(s, 3000);
	close(s);
	write_all(c, "x", 1);
	set[hi / 64] |= 1UL << hi % 64;
	say("select above 1024", select(hi + 1, r, NULL, NULL, &now));
	printf("set: %d\n", (set[hi / 64] >> hi % 64 & 1) != 0);
	say("read", read(hi, &x, 1));
	show_poll("poll", hi);
	close(hi);
	show_await("closed", c, POLLRDHUP);
	close(c);
}

/* One byte through each pair of them. */
static int carry(const int *fds, int n)
{
	int ok = 0;
	char x;

	for (int i = 0; i + 1 < n; i += 2)
		ok += write(fds[i], "x", 1) == 1 && read(fds[i + 1], &x, 1) == 1 &&
		      write(fds[i + 1], "y", 1) == 1 && read(fds[i], &x, 1) == 1 && x == 'y';
	return ok;
}

/* Each number can be that of a connection's end. */
static void all_connected(rlim_t most)
{
	int fds[512], n = 0, l, fd;
	struct rlimit rl;
	union addr a;
	socklen_t len;
	char x;

	set_limit(most);
	l = listener(8, &a, &len);
	for (;;) {
		fd = socket(family, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, &a.sa, len))
			break;
		fds[n++] = fd;
		fd = accept(l, NULL, NULL);
		if (fd < 0)
			break;
		fds[n++] = fd;
	}
	say("the last", fd);
	printf("ends: %d\n", n);
	printf("carry: %d\n", carry(fds, n));
	getrlimit(RLIMIT_NOFILE, &rl);
	printf("the limit is what it was: %d\n", rl.rlim_cur == most);
	if (fork() == 0) {
		getrlimit(RLIMIT_NOFILE, &rl);
		printf("a child's, too: %d\n", rl.rlim_cur == most);
		printf("it has all: %d\n", write(fds[0], "z", 1) == 1);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	say("from the child", read(fds[1], &x, 1));
	set_limit(20);
	printf("with less than there are: %d\n", carry(fds, n));
	set_limit(1024);
	while (n)
		close(fds[--n]);
	close(l);
}

enum { OPENERS = 8, OPENED = 40 };

static void *opener(void *arg)
{
	long right = 0;
	int fds[2];

	(void)arg;
	for (int i = 0; i < OPENED; i++) {
		pair(&fds[0], &fds[1]);
		right += carry(fds, 2);
		close(fds[0]);
		close(fds[1]);
	}
	return (void *)right;
}

/* Numbers are wanted in all of them at once. */
static void in_threads(void)
{
	pthread_t t[OPENERS];
	long right = 0;
	void *r;

	set_limit(48);
	for (int i = 0; i < OPENERS; i++)
		pthread_create(&t[i], NULL, opener, NULL);
	for (int i = 0; i < OPENERS; i++) {
		pthread_join(t[i], &r);
		right += (long)r;
	}
	printf("in threads: %ld\n", right);
	set_limit(1024);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	close_all();
	at_the_limit();
	in_threads();
	all_connected(64);
	all_connected(300);
	high_numbers();
	return 0;
}
