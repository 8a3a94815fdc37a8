/*
 * ends.c - a program that writes and ends at once, in every way there is, and
 * one that hears it.
 *
 *	ends hear PORT		says "listening"; for each line on standard input
 *				takes a connection, reads it to its end and says
 *				"BYTES end" or "BYTES reset"
 *	ends say HOW PORT	connects, sends until nothing more is taken, says
 *				how many bytes that were, and ends: return, exit,
 *				_exit, quick_exit, syscall, exec, abort; poor: with
 *				no memory for a program to load a library; or, half
 *				a second later, by TERM, SEGV, KILL
 *	ends fork PORT		as say; a child holds the connection, its parent
 *				ends at once, the child says 1000000 bytes more
 *	ends answer PORT	says "listening", takes a connection, and does as
 *				`ends say KILL`, at once
 *	ends call PORT		a while later: what `ends answer` said
 *	ends wait PORT		as say; fails if wait() tells of a process that it
 *				did not make
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "helpers.h"

static char chunk[65536];

static void hear_one(int fd)
{
	size_t all = 0;
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (chunk[i] != (char)((all + (size_t)i) % 251)) {
				printf("wrong data at %zu\n", all + (size_t)i);
				exit(1);
			}
		all += (size_t)n;
	}
	printf("%zu %s\n", all, n == 0 ? "end" : errno == ECONNRESET ? "reset" : "error");
	fflush(stdout);
	close(fd);
}

static int listener(const char *port)
{
	struct sockaddr_in sa = address(port);
	int one = 1, lfd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) || listen(lfd, 16))
		die("listen");
	puts("listening");
	fflush(stdout);
	return lfd;
}

static int hear(const char *port)
{
	int lfd = listener(port);
	char line[16];

	while (fgets(line, sizeof(line), stdin)) {
		int fd = accept(lfd, NULL, NULL);

		if (fd < 0)
			die("accept");
		hear_one(fd);
	}
	return 0;
}

static size_t said;

static void fill(void)
{
	for (size_t i = 0; i < sizeof(chunk); i++)
		chunk[i] = (char)((said + i) % 251);
}

/* Until it takes no more for a moment. */
static void say_all(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	while (poll(&p, 1, 20) == 1) {
		ssize_t n;

		fill();
		n = send(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			die("send");
		said += n > 0 ? (size_t)n : 0;
	}
}

static void say_more(int fd, size_t more)
{
	for (size_t upto = said + more; said < upto;) {
		ssize_t n;

		fill();
		n = write(fd, chunk, upto - said < sizeof(chunk) ? upto - said : sizeof(chunk));
		if (n <= 0)
			die("write");
		said += (size_t)n;
	}
}

static void report(void)
{
	printf("%zu\n", said);
	fflush(stdout);
}

static void end(const char *how)
{
	int sig = !strcmp(how, "TERM") ? SIGTERM :
		  !strcmp(how, "SEGV") ? SIGSEGV : !strcmp(how, "KILL") ? SIGKILL : 0;

	if (!strcmp(how, "exit"))
		exit(0);
	if (!strcmp(how, "poor"))
		setrlimit(RLIMIT_AS, &(struct rlimit){ 1 << 20, 1 << 20 });
	if (!strcmp(how, "_exit") || !strcmp(how, "poor"))
		_exit(0);
	if (!strcmp(how, "quick_exit"))
		quick_exit(0);
	if (!strcmp(how, "syscall"))
		syscall(SYS_exit_group, 0);
	if (!strcmp(how, "exec"))
		execl("/bin/true", "true", (char *)NULL);
	if (!strcmp(how, "abort"))
		abort();
	if (sig) {
		poll(NULL, 0, 500);
		kill(getpid(), sig);
	}
}

static int say(const char *how, const char *port)
{
	struct sockaddr_in sa = address(port);
	int fd = socket(AF_INET, SOCK_STREAM | (!strcmp(how, "exec") ? SOCK_CLOEXEC : 0), 0);

	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("connect");
	if (!strcmp(how, "fork")) {
		say_more(fd, 100000);
		said += 1000000;
		report();
		said -= 1000000;
		if (fork())
			return 0;
		fclose(stdout);
		poll(NULL, 0, 300);
		say_more(fd, 1000000);
		return 0;
	}
	say_all(fd);
	report();
	end(how);
	return 0;
}

/* The connection is as young as can be when its process is killed. */
static int answer(const char *port)
{
	int lfd = listener(port), fd;

	fd = accept(lfd, NULL, NULL);
	if (fd < 0)
		die("accept");
	say_all(fd);
	report();
	return kill(getpid(), SIGKILL);
}

static int call(const char *port)
{
	struct sockaddr_in sa = address(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	poll(NULL, 0, 600);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("connect");
	poll(NULL, 0, 500);
	hear_one(fd);
	return 0;
}

static volatile sig_atomic_t deaths;

static void on_child(int sig)
{
	(void)sig;
	deaths++;
}

/* A parent that waits for any child meets those that it made, also when the
 * connection has lived for long, and the program is told of no other's end. */
static int wait_for_any(const char *port)
{
	struct sockaddr_in sa = address(port);
	struct sigaction act = { .sa_handler = on_child, .sa_flags = SA_RESTART };
	int fd = socket(AF_INET, SOCK_STREAM, 0), wrong = 0;

	sigaction(SIGCHLD, &act, NULL);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		die("connect");
	poll(NULL, 0, 500);
	wrong += waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD;
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		wrong += wait(NULL) != pid;
	}
	wrong += wait(NULL) != -1 || errno != ECHILD || deaths != 3;
	say_all(fd);
	report();
	return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "hear"))
		return hear(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "fork"))
		return say("fork", argv[2]);
	if (argc == 3 && !strcmp(argv[1], "answer"))
		return answer(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "call"))
		return call(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "wait"))
		return wait_for_any(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "say"))
		return say(argv[2], argv[3]);
	fprintf(stderr, "usage: ends hear PORT | say HOW PORT | fork PORT | wait PORT | "
		"answer PORT | call PORT\n");
	return 2;
}
