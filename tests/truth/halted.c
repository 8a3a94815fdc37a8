/*
 * halted.c - a send that stands still in the middle of its copy, its sock's lock
 * held: a page of its buffer cannot be read until a handler of ours lets it be.
 *
 *	halted giant
 *		One send of 4 MiB, not waiting, into a buffer of 1000000 bytes, that
 *		stands still before each piece until the reader has read some
 *		more. Prints what was taken at once.
 *	halted serve
 *		Prints its port. Echoes; who begins with 'X' gets FLOOD bytes from the
 *		moment that he sends more, and is told at the end how many of his were
 *		right.
 *	halted stop PORT
 *		Connects five times, asks for a flood on the first, forks. The child
 *		sends on the first and is stopped in the middle of it. The others
 *		must go on. Says "stopped", waits for a line, lets the child go on,
 *		which must get and have sent every byte.
 *	halted echo PORT
 *		Connects, and has a hundred messages echoed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	PAGE = 4096, PIECE = 65536, PIECES = 64, FLOOD = 20 << 20, OTHERS = 4,
	PATIENCE_MS = 20, LIMIT_S = 60,
};

static unsigned char *buf;		/* PIECES of PIECE */
static _Atomic uint64_t got;
static uint64_t got_before;
static bool stops;			/* the handler stops the process */

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "halted: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned char pattern(uint64_t at)
{
	return (unsigned char)(at * 0x9e3779b97f4a7c15ULL >> 56);
}

/* --- standing still ---------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* No call here may use the socket: it is in use. */
static void let_be_read(int sig, siginfo_t *si, void *uc)
{
	unsigned char *page = (unsigned char *)si->si_addr - (uintptr_t)si->si_addr % PAGE;
	uint64_t since = now_ms();

	(void)uc;
	if (page < buf || page >= buf + PIECES * PIECE) {
		signal(sig, SIG_DFL);
		return;
	}
	if (stops)
		kill(getpid(), SIGSTOP);
	else
		while (atomic_load(&got) == got_before && now_ms() - since < PATIENCE_MS)
			sched_yield();
	got_before = atomic_load(&got);
	mprotect(page, PAGE, PROT_READ);
}

/* A buffer of which these pieces, from the second on, cannot be read at first. */
static void make_buffer(unsigned halts)
{
	struct sigaction sa = { .sa_sigaction = let_be_read, .sa_flags = SA_SIGINFO };

	buf = mmap(NULL, PIECES * PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	if (buf == MAP_FAILED)
		die("mmap");
	for (uint64_t i = 0; i < PIECES * PIECE; i++)
		buf[i] = pattern(i);
	for (unsigned i = 1; i <= halts; i++)
		if (mprotect(buf + i * PIECE, PAGE, PROT_NONE))
			die("mprotect");
	sigaction(SIGSEGV, &sa, NULL);
}

/* --- sockets --------------------------------------------------------------------- */

static int listen_any(struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*sin = (struct sockaddr_in){ .sin_family = AF_INET };
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)sin, len) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)sin, &len) < 0)
		die("listen");
	return fd;
}

static int connect_to(unsigned port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("connect");
	return fd;
}

static void send_all(int fd, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(fd, (const char *)data + done, len - done, MSG_NOSIGNAL);

		if (n < 0)
			die("send");
		done += (size_t)n;
	}
}

/* --- giant: the backlog is run in between (T45) ------------------------------------ */

static void *count_all(void *arg)
{
	static char in[PIECE];
	ssize_t n;

	while ((n = read(*(int *)arg, in, sizeof(in))) > 0)
		atomic_fetch_add(&got, (uint64_t)n);
	return NULL;
}

static int giant(void)
{
	struct sockaddr_in sin;
	int lfd = listen_any(&sin), fd = connect_to(ntohs(sin.sin_port)), s, size = 500000;
	socklen_t len = sizeof(size);
	pthread_t t;
	ssize_t n;

	s = accept(lfd, NULL, NULL);
	if (s < 0 || pthread_create(&t, NULL, count_all, &s))
		die("accept");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len);
	make_buffer(PIECES - 1);
	n = send(fd, buf, PIECES * PIECE, MSG_DONTWAIT);
	if (n < 0)
		die("send");
	shutdown(fd, SHUT_WR);
	pthread_join(t, NULL);
	printf("taken %zd sndbuf %d arrived %llu\n", n, size, (unsigned long long)got);
	return (uint64_t)n != got;
}

/* --- serve --------------------------------------------------------------------------- */

static void *flood(void *arg)
{
	unsigned char out[8192];
	int fd = *(int *)arg;

	for (uint64_t at = 0; at < FLOOD; at += sizeof(out)) {
		for (unsigned i = 0; i < sizeof(out); i++)
			out[i] = pattern(at + i);
		send_all(fd, out, sizeof(out));
	}
	return NULL;
}

static void count_right(int fd)
{
	unsigned char in[8192];
	uint64_t at = 0;
	pthread_t t;
	ssize_t n;

	while ((n = read(fd, in, sizeof(in))) > 0) {
		if (!at && pthread_create(&t, NULL, flood, &fd))
			die("pthread_create");
		for (ssize_t i = 0; i < n; i++)
			if (in[i] != pattern(at++))
				exit(1);
	}
	pthread_join(t, NULL);
	send_all(fd, &at, sizeof(at));
}

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char in[4096];
	ssize_t n = read(fd, in, 1);

	if (n > 0 && in[0] == 'X') {
		count_right(fd);
	} else {
		for (; n > 0; n = read(fd, in, sizeof(in)))
			send_all(fd, in, (size_t)n);
	}
	close(fd);
	return NULL;
}

static int serve(void)
{
	struct sockaddr_in sin;
	int lfd = listen_any(&sin);

	printf("port %u\n", ntohs(sin.sin_port));
	fflush(stdout);
	for (;;) {
		int fd = accept(lfd, NULL, NULL);
		pthread_t t;

		if (fd < 0 || pthread_create(&t, NULL, serve_one, (void *)(intptr_t)fd))
			die("accept");
		pthread_detach(t);
	}
}

/* --- stop (T90) ----------------------------------------------------------------------- */

static void echo(int fd, int rounds)
{
	char out[3000], in[3000];

	for (int i = 0; i < rounds; i++) {
		memset(out, 'a' + i % 26, sizeof(out));
		send_all(fd, out, sizeof(out));
		for (size_t done = 0; done < sizeof(in);) {
			ssize_t n = read(fd, in + done, sizeof(in) - done);

			if (n <= 0)
				die("reading an echo");
			done += (size_t)n;
		}
		if (memcmp(in, out, sizeof(in)))
			exit(1);
	}
}

static void *take_flood(void *arg)
{
	unsigned char in[8192];
	int fd = *(int *)arg;

	for (uint64_t at = 0; at < FLOOD;) {
		ssize_t n = read(fd, in, FLOOD - at < sizeof(in) ? FLOOD - at : sizeof(in));

		if (n <= 0)
			die("reading the flood");
		for (ssize_t i = 0; i < n; i++)
			if (in[i] != pattern(at++))
				exit(1);
	}
	return NULL;
}

/* The child: stopped in its first send; then both directions at once. */
static _Noreturn void stopped(int fd)
{
	uint64_t count = 0;
	pthread_t t;

	stops = true;
	make_buffer(1);
	send_all(fd, buf, PIECES * PIECE);
	if (pthread_create(&t, NULL, take_flood, &fd))
		die("pthread_create");
	shutdown(fd, SHUT_WR);
	pthread_join(t, NULL);
	if (recv(fd, &count, sizeof(count), MSG_WAITALL) != sizeof(count) ||
	    count != PIECES * PIECE) {
		fprintf(stderr, "halted: %llu arrived\n", (unsigned long long)count);
		_exit(1);
	}
	_exit(0);
}

static int stop(unsigned port)
{
	int fd = connect_to(port), others[OTHERS], status;
	char line[16];
	pid_t child;

	for (int i = 0; i < OTHERS; i++) {
		others[i] = connect_to(port);
		echo(others[i], 1);
	}
	send_all(fd, "X", 1);
	child = fork();
	if (child == 0)
		stopped(fd);
	close(fd);
	if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
		die("the child did not stop");
	for (int i = 0; i < OTHERS; i++)
		echo(others[i], 100);
	puts("stopped");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		die("no line");
	echo(others[0], 100);
	kill(child, SIGCONT);
	if (waitpid(child, &status, 0) != child || status)
		die("the child did not end well");
	puts("all right");
	return 0;
}

int main(int argc, char **argv)
{
	alarm(LIMIT_S);
	if (argc == 2 && !strcmp(argv[1], "giant"))
		return giant();
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 3 && !strcmp(argv[1], "stop"))
		return stop((unsigned)atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "echo")) {
		echo(connect_to((unsigned)atoi(argv[2])), 100);
		return 0;
	}
	fprintf(stderr, "usage: halted giant | serve | stop PORT | echo PORT\n");
	return 2;
}
