/*
 * handed.c - sockets that other processes, other threads or libc's own
 * functions get while they are in use.
 */
#include "conform.h"
#include <sys/syscall.h>

static void ended(const char *what, pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	printf("%s: child %s %d\n", what, WIFEXITED(status) ? "exits" : "is killed",
	       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static void *read_four(void *arg)
{
	char buf[8] = "";
	long n = recv(*(int *)arg, buf, 4, MSG_WAITALL);

	printf("  the reader has %ld \"%s\"\n", n, buf);
	return NULL;
}

/* A thread waits in a call while the other makes a stream of the socket. */
static void stream_under_a_reader(void)
{
	int c, s;
	pthread_t t;
	FILE *f;

	puts("a stream under a reader");
	pair(&c, &s);
	pthread_create(&t, NULL, read_four, &s);
	write_all(c, "ab", 2);
	poll(NULL, 0, 50);
	f = fdopen(dup(s), "w");
	fputs("hello", f);
	say("flush", fflush(f));
	read_all(c, (char[5]){ 0 }, 5);
	write_all(c, "cd", 2);
	pthread_join(t, NULL);
	fclose(f);
	close(c);
	close(s);
}

static void end_of_a_stream(void)
{
	struct timeval tv = { 0, 20000 };
	char buf[8];
	FILE *f;
	int c, s;

	puts("the end of a stream");
	pair(&c, &s);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	f = fdopen(s, "r+");
	fputs("last words", f);
	fflush(f);
	say("read, nothing there", read(s, buf, 1));
	say("shutdown", shutdown(s, SHUT_WR));
	printf("arrived %zu\n", drain(c, 100));
	show_await("peer", c, POLLIN | POLLRDHUP);
	write_all(c, "reply", 5);
	close(c);
	printf("reply %zu\n", drain(s, 100));
	fclose(f);
}

/* As inetd does it: 0, 1 and 2 are free before. */
static void standard_input(bool ended_before)
{
	int c, s;
	pid_t pid;
	char buf[8] = "";

	printf("standard input%s\n", ended_before ? ", after the end" : "");
	pair(&c, &s);
	write_all(c, "data\n", 5);
	if (ended_before) {
		shutdown(c, SHUT_WR);
		await(s, POLLRDHUP);
	}
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(0);
		close(1);
		if (dup2(s, 0) || dup2(s, 1) != 1)
			_exit(1);
		close(s);
		execl("/bin/sh", "sh", "-c", "read line; echo $line", (char *)NULL);
		_exit(2);
	}
	close(s);
	read_all(c, buf, 5);
	printf("answer %s", buf);
	show_await("the end", c, POLLIN | POLLRDHUP | (ended_before ? POLLHUP : 0));
	ended("sh", pid);
	close(c);
}

/* Bound before a fork, used after it by the child alone. */
static void bound_by_the_parent(void)
{
	union addr a;
	socklen_t len = loopback(&a);
	int l = fresh(), c, go[2];
	pid_t pid;

	puts("bound by the parent");
	say("bind", bind(l, &a.sa, len));
	getsockname(l, &a.sa, &len);
	if (pipe(go))
		exit(1);
	pid = fork();
	if (!pid) {
		char b;

		close(go[1]);
		if (read(go[0], &b, 1) < 0 || listen(l, 4))
			_exit(1);
		c = fresh();
		if (connect(c, &a.sa, len))
			_exit(2);
		_exit(accept(l, NULL, NULL) < 0 ? 3 : 0);
	}
	say("close", close(l));
	close(fresh());		/* which might get what is free now */
	close(go[1]);
	ended("child", pid);
	close(go[0]);
}

/* A fork that libc does not know of; what it closes first is a socket. */
static void raw_clone(void)
{
	int c, s;
	pid_t pid;

	puts("a raw clone");
	pair(&c, &s);
	fflush(stdout);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		char buf[4] = "";

		close(c);
		if (read(s, buf, 2) != 2 || write(s, "yes", 3) != 3)
			_exit(1);
		close(s);
		poll(NULL, 0, 500);	/* our copy must be gone by now */
		_exit(0);
	}
	close(s);
	write_all(c, "go", 2);
	printf("answer %zu\n", drain(c, 100));
	close(c);
	ended("child", pid);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	stream_under_a_reader();
	end_of_a_stream();
	standard_input(false);
	standard_input(true);
	bound_by_the_parent();
	raw_clone();
	return 0;
}
