/*
 * deaths.c - two families whose members may be killed at any moment; deaths.py
 * does that.
 *
 *	deaths serve PORT WORKERS	a process that listens, and workers that share
 *				the listener; each echoes many connections, and
 *				forks for every fourth; dead workers are replaced
 *	deaths call PORT CALLERS FILE	callers, forked from one that has a
 *				connection itself; each makes connections, says
 *				something, and compares what comes back
 *
 * All end when standard input does. FILE holds struct report. A caller that
 * waits too long, or hears what it did not say, reports it and ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "helpers.h"

enum { CONNS = 16, MOST = 30000, PATIENCE_S = 25, OLD_MS = 500 };

struct report {			/* little-endian words; deaths.py reads them */
	_Atomic uint32_t exchanged, connected, refused, ended, lost, hung, corrupt;
};

static struct report *report;
static char buf[65536];

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void name(const char *comm)
{
	prctl(PR_SET_NAME, comm);
	srand((unsigned)(getpid() ^ now_ms()));
}

/* ---- the server -------------------------------------------------------------- */

/* False: the end of it. */
static bool echo(int fd)
{
	ssize_t n = read(fd, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		ssize_t w = write(fd, buf + at, (size_t)(n - at));

		if (w <= 0)
			return false;
		at += w;
	}
	return n > 0;
}

static void greet(int fd)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%8d", (int)getpid());
	if (write(fd, pid, 8) != 8)
		close(fd);
}

/* One connection, blocking; the listener and the others are closed. */
static void serve_one(const struct pollfd *p, int n, int fd)
{
	name("d-kid");
	for (int i = 1; i < n; i++)
		close(p[i].fd);
	greet(fd);
	while (echo(fd))
		;
	_exit(0);
}

static int take(struct pollfd *p, int n)
{
	int fd = accept(p[1].fd, NULL, NULL);

	if (fd < 0)
		return n;
	fcntl(fd, F_SETFL, 0);
	if (n == CONNS || rand() % 4 == 0) {
		if (fork() == 0)
			serve_one(p, n, fd);
		close(fd);
		return n;
	}
	greet(fd);
	p[n] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return n + 1;
}

static void work(int listener)
{
	struct pollfd p[CONNS] = { { .fd = 0, .events = POLLIN },
				   { .fd = listener, .events = POLLIN } };
	int n = 2;

	name("d-work");
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		if (poll(p, (nfds_t)n, -1) < 0)
			continue;
		if (p[0].revents)
			_exit(0);
		for (int i = n - 1; i > 1; i--)
			if (p[i].revents && !echo(p[i].fd)) {
				close(p[i].fd);
				p[i] = p[--n];
			}
		if (p[1].revents)
			n = take(p, n);
	}
}

static void nothing(int sig)
{
	(void)sig;
}

static int serve(const char *port, int workers)
{
	struct sockaddr_in sa = address(port);
	struct pollfd p = { .fd = 0, .events = POLLIN };
	int one = 1, alive = 0, lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	name("d-serve");
	setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) || listen(lfd, 128))
		die("listen");
	puts("listening");
	fflush(stdout);
	signal(SIGCHLD, nothing);
	do {
		for (; alive < workers; alive++)
			if (fork() == 0)
				work(lfd);
		poll(&p, 1, 100);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			alive--;
	} while (!p.revents);
	return 0;
}

/* ---- callers ------------------------------------------------------------------- */

static const char *doing;

static void too_long(int sig)
{
	(void)sig;
	report->hung++;
	dprintf(2, "%d hangs in %s\n", (int)getpid(), doing);
	if (getenv("DEATHS_WAIT"))
		pause();
	_exit(3);
}

static bool all(int fd, char *at, size_t len, bool out)
{
	doing = out ? "write" : "read";
	while (len) {
		ssize_t n = out ? write(fd, at, len) : read(fd, at, len);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool exchange(int fd)
{
	static char said[MOST];
	size_t len = 1 + (size_t)rand() % (rand() % 4 ? 500 : MOST);

	for (size_t i = 0; i < len; i++)
		said[i] = (char)rand();
	alarm(PATIENCE_S);
	if (!all(fd, said, len, true) || !all(fd, buf, len, false))
		return false;
	if (memcmp(said, buf, len)) {
		report->corrupt++;
		dprintf(2, "%d heard what it did not say\n", (int)getpid());
		_exit(3);
	}
	report->exchanged++;
	return true;
}

static bool lives(const char *pid)
{
	char path[32], stat[64] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", atoi(pid));
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, stat, sizeof(stat) - 1) < 0)
		return false;
	close(fd);
	return !strstr(stat, ") Z");
}

static void converse(int fd)
{
	char pid[9] = "";
	long began = now_ms();

	report->connected++;
	alarm(PATIENCE_S);
	if (!all(fd, pid, 8, false))
		goto ended;
	for (int n = rand() % 400; n; n--)
		if (!exchange(fd))
			goto ended;
	return;
ended:
	report->ended++;
	if (now_ms() - began > OLD_MS && *pid && lives(pid))
		report->lost++;
}

static int connected(const struct sockaddr_in *sa)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	alarm(PATIENCE_S);
	doing = "connect";
	if (fd >= 0 && !connect(fd, (const struct sockaddr *)sa, sizeof(*sa)))
		return fd;
	report->refused++;
	close(fd);
	return -1;
}

static bool over(int ms)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

static void caller(const struct sockaddr_in *sa)
{
	name("d-call");
	while (!over(0)) {
		int fd = connected(sa);

		if (fd < 0) {
			over(20);
			continue;
		}
		converse(fd);
		close(fd);
	}
	_exit(0);
}

static int call(const char *port, int callers, const char *file)
{
	struct sockaddr_in sa = address(port);
	char greeting[8];
	int alive = 0, fd = open(file, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, sizeof(*report)))
		die(file);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	signal(SIGALRM, too_long);
	signal(SIGPIPE, SIG_IGN);
	name("d-caller");
	fd = connected(&sa);
	if (fd >= 0 && !all(fd, greeting, sizeof(greeting), false)) {
		close(fd);
		fd = -1;
	}
	do {
		for (; alive < callers; alive++)
			if (fork() == 0)
				caller(&sa);
		if (fd >= 0 && !exchange(fd)) {
			close(fd);
			fd = -1;
		}
		alarm(0);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			alive--;
	} while (!over(50));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], atoi(argv[3]));
	if (argc == 5 && !strcmp(argv[1], "call"))
		return call(argv[2], atoi(argv[3]), argv[4]);
	fprintf(stderr, "usage: deaths serve PORT WORKERS | call PORT CALLERS FILE\n");
	return 2;
}
