/*
 * stopped.c - a server that forks a process for each connection is stopped, and
 * its children are not.
 *
 *	stopped on		they go on, in both directions; so does all when the
 *				server goes on
 *	stopped close		one closes: its peer sees that
 *	stopped fin | reset	a peer ends: its server's process sees that
 *	stopped call		who calls meanwhile is connected, and served later
 *	stopped kill		the stopped one is killed, and they go on
 *	stopped often TIMES	stopped and continued while all are busy
 *
 * Prints "ok". What is echoed is compared. Processes of the server wait in
 * read(), in poll() and in epoll_wait(), by turns.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "helpers.h"

enum { CONNS = 6, BIG = 400000, LIMIT_S = 90 };

static struct shared {
	_Atomic int port;
	_Atomic int ended[CONNS + 8];	/* by the server's process: errno + 1 */
	_Atomic int rounds[CONNS];	/* by callers */
	_Atomic int asked, enough;
} *sh;

static pid_t boss, callers[CONNS];

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* ---- the server ----------------------------------------------------------------- */

static void wait_for(int fd, int how)
{
	struct epoll_event ev = { .events = EPOLLIN | (how == 3 ? EPOLLET : 0) };
	struct pollfd p = { fd, POLLIN, 0 };
	static int epfd = -1;

	if (how == 1) {
		poll(&p, 1, -1);
	} else if (how > 1) {
		if (epfd < 0) {
			epfd = epoll_create1(0);
			if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
				die("epoll");
		}
		epoll_wait(epfd, &ev, 1, -1);
	}
}

/* What begins with 'q' ends it. */
static void echo(int fd, int n)
{
	static char buf[65536];
	int how = n % 4;

	if (how == 3)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		ssize_t len = read(fd, buf, sizeof(buf)), done = 0;

		if (len < 0 && errno == EAGAIN) {
			wait_for(fd, how);
			continue;
		}
		if (len <= 0 || *buf == 'q') {
			sh->ended[n] = len < 0 ? errno + 1 : 1;
			break;
		}
		while (done < len) {
			ssize_t w = write(fd, buf + done, (size_t)(len - done));
			struct pollfd p = { fd, POLLOUT, 0 };

			if (w > 0)
				done += w;
			else if (w < 0 && errno == EAGAIN)
				poll(&p, 1, -1);
			else
				_exit(1);
		}
		if (how == 1 || how == 2)
			wait_for(fd, how);
	}
	_exit(0);
}

static void serve(void)
{
	struct sockaddr_in sin = address("0");
	socklen_t len = sizeof(sin);
	int lfd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (lfd < 0 || bind(lfd, (void *)&sin, sizeof(sin)) || listen(lfd, 16) ||
	    getsockname(lfd, (void *)&sin, &len))
		die("listen");
	sh->port = ntohs(sin.sin_port);
	for (int n = 0;; n++) {
		int fd = accept(lfd, NULL, NULL);

		if (fd < 0)
			die("accept");
		if (!fork()) {
			close(lfd);
			echo(fd, n);
		}
		close(fd);
	}
}

/* ---- callers --------------------------------------------------------------------- */

static int call(void)
{
	struct sockaddr_in sin = address("0");
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_port = htons((unsigned short)sh->port);
	if (fd < 0 || connect(fd, (void *)&sin, sizeof(sin)))
		die("connect");
	return fd;
}

static void talk(int fd, size_t len, unsigned *seed)
{
	static char out[BIG], in[BIG];
	size_t sent = 0, got = 0;

	for (size_t i = 0; i < len; i++) {
		*seed = *seed * 1103515245 + 12345;
		out[i] = (char)('A' + (*seed >> 16) % 26);
	}
	while (got < len) {
		struct pollfd p = { fd, (short)(POLLIN | (sent < len ? POLLOUT : 0)), 0 };
		ssize_t n;

		poll(&p, 1, -1);
		if (p.revents & POLLOUT && sent < len) {
			n = send(fd, out + sent, len - sent, MSG_DONTWAIT);
			if (n < 0 && errno != EAGAIN)
				die("send");
			sent += n > 0 ? (size_t)n : 0;
		}
		if (p.revents & ~POLLOUT) {
			n = recv(fd, in + got, len - got, MSG_DONTWAIT);
			if (!n || (n < 0 && errno != EAGAIN))
				die("recv");
			got += n > 0 ? (size_t)n : 0;
		}
	}
	if (memcmp(in, out, len)) {
		fprintf(stderr, "what came back is not what went\n");
		_exit(1);
	}
}

/* As many rounds as are asked for. */
static void caller(int n)
{
	static const size_t lens[] = { 1, BIG, 1000, 70000 };
	unsigned seed = (unsigned)n;
	int fd = call();

	for (;;) {
		while (sh->rounds[n] >= sh->asked && !sh->enough)
			nap();
		if (sh->enough)
			_exit(0);
		talk(fd, lens[(sh->rounds[n] + n) % 4], &seed);
		sh->rounds[n]++;
	}
}

static void rounds(int more)
{
	sh->asked += more;
	for (int i = 0; i < CONNS; i++)
		while (sh->rounds[i] < sh->asked) {
			if (waitpid(callers[i], NULL, WNOHANG))
				die("a caller ended");
			nap();
		}
}

/* ---- stops --------------------------------------------------------------------------- */

/* It gives memory back, under a lock of its family's (librudp(7)). */
static bool gives_back(void)
{
	char path[300], what[16] = "";
	bool gives = false;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)boss);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/syscall", (int)boss, e->d_name);
		f = fopen(path, "r");
		if (f && fgets(what, sizeof(what), f))
			gives |= atoi(what) == SYS_madvise;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return gives;
}

static void stop(void)
{
	int st;

	for (;;) {
		if (kill(boss, SIGSTOP) || waitpid(boss, &st, WUNTRACED) != boss ||
		    !WIFSTOPPED(st))
			die("stop");
		if (!gives_back())
			return;
		kill(boss, SIGCONT);
		nap();
	}
}

static void go_on(void)
{
	if (kill(boss, SIGCONT))
		die("continue");
}

static int watched_by(const char *pid)
{
	char path[300], line[256];
	int most = 0;

	for (int fd = 0; fd < 1024; fd++) {
		int n = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/fdinfo/%d", pid, fd);
		f = fopen(path, "r");
		if (!f)
			continue;
		while (fgets(line, sizeof(line), f))
			n += !strncmp(line, "tfd:", 4);
		fclose(f);
		if (n > most)
			most = n;
	}
	return most;
}

/* The number of the memory that a family shares; 0: none. */
static unsigned long family_of(int pid)
{
	char path[64], line[512];
	unsigned long inode = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "r");
	while (f && !inode && fgets(line, sizeof(line), f))
		if (strstr(line, "/memfd:librudp ("))
			sscanf(line, "%*s %*s %*s %*s %lu", &inode);
	if (f)
		fclose(f);
	return inode;
}

/* The server's: others run beside it, those of the callers and of other programs. */
static bool is_caretaker(const char *pid)
{
	char path[300], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = atoi(pid) ? fopen(path, "r") : NULL;
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		*name = 0;
	fclose(f);
	return !strcmp(name, "rudp-caretaker\n") && family_of(boss) &&
	       family_of(atoi(pid)) == family_of(boss);
}

/* Over librudp: the server's caretaker has copies of the ends of so many
 * connections (and the listener's two, the channel, the bell). */
static void wait_for_copies(int conns)
{
	bool all = !getenv("STOPPED_COPIES");

	while (!all) {
		DIR *d = opendir("/proc");
		struct dirent *e;

		while (d && (e = readdir(d)))
			all |= is_caretaker(e->d_name) && watched_by(e->d_name) >= conns + 4;
		if (d)
			closedir(d);
		nap();
	}
}

static void expect(int n, int what)
{
	while (!sh->ended[n])
		nap();
	if (sh->ended[n] != what) {
		fprintf(stderr, "%d: ended with %d\n", n, sh->ended[n] - 1);
		exit(1);
	}
}

static void start_callers(void)
{
	for (int i = 0; i < CONNS; i++) {
		callers[i] = fork();
		if (!callers[i])
			caller(i);
	}
	rounds(4);
}

static void often(int times)
{
	unsigned seed = 1;

	sh->asked = 1 << 30;
	for (int i = 0; i < times; i++) {
		struct timespec on = { 0, 0 }, off = { 0, 0 };

		seed = seed * 1103515245 + 12345;
		on.tv_nsec = (long)(seed >> 16) % 100 * 1000000;
		seed = seed * 1103515245 + 12345;
		off.tv_nsec = (long)(seed >> 16) % 400 * 1000000;
		nanosleep(&on, NULL);
		stop();
		nanosleep(&off, NULL);
		go_on();
	}
	sh->asked = 0;
	for (int i = 0; i < CONNS; i++)
		if (sh->rounds[i] > sh->asked)
			sh->asked = sh->rounds[i];
	rounds(4);
}

/* One more connection, which has a process of its own: number CONNS of these. */
static void one(const char *what)
{
	struct linger reset = { 1, 0 };
	unsigned seed = 99;
	int fd = -1;
	char c;

	if (strcmp(what, "call")) {
		fd = call();
		talk(fd, 1000, &seed);
	}
	wait_for_copies(CONNS + (fd >= 0));
	stop();
	if (fd < 0) {
		fd = call();
		if (write(fd, "early", 5) != 5)
			die("write");
		rounds(2);
		go_on();
		if (recv(fd, &c, 1, 0) != 1 || c != 'e' || recv(fd, &c, 1, 0) != 1 || c != 'a')
			die("early");
	} else if (!strcmp(what, "close")) {
		if (write(fd, "q", 1) != 1 || recv(fd, &c, 1, 0) != 0)
			die("close");
	} else if (!strcmp(what, "fin")) {
		shutdown(fd, SHUT_WR);
		expect(CONNS, 1);
		if (recv(fd, &c, 1, 0) != 0)
			die("fin");
	} else {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
		expect(CONNS, ECONNRESET + 1);
	}
	rounds(2);
	go_on();
	rounds(4);
}

static void run_case(const char *what, int times)
{
	if (!strcmp(what, "often")) {
		often(times);
		return;
	}
	if (strcmp(what, "on") && strcmp(what, "kill")) {
		one(what);
		return;
	}
	wait_for_copies(CONNS);
	stop();
	rounds(8);
	if (!strcmp(what, "kill")) {
		kill(boss, SIGKILL);
		rounds(8);
		return;
	}
	go_on();
	rounds(4);
	close(call());
	stop();
	rounds(4);
	go_on();
	rounds(4);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	alarm(LIMIT_S);
	setpgid(0, 0);
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		die("mmap");
	boss = fork();
	if (!boss)
		serve();
	while (!sh->port)
		nap();
	start_callers();
	run_case(argv[1], argc > 2 ? atoi(argv[2]) : 0);
	sh->enough = 1;
	kill(boss, SIGKILL);
	for (int i = 0; i < CONNS; i++) {
		int st;

		if (waitpid(callers[i], &st, 0) != callers[i] || st)
			die("a caller failed");
	}
	puts("ok");
	return 0;
}
