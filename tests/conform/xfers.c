/* xfers.c - sendfile and splice. */
#include "conform.h"
#include <sys/mman.h>
#include <sys/sendfile.h>

enum { SIZE = 200000 };

static char want[SIZE], got[SIZE];

static int file(void)
{
	int fd = memfd_create("file", 0);

	for (int i = 0; i < SIZE; i++)
		want[i] = (char)(i * 7 >> 2);
	write_all(fd, want, SIZE);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void arrives(int fd, size_t off, size_t len)
{
	read_all(fd, got, len);
	printf("  arrives: %d\n", memcmp(got, want + off, len) == 0);
}

static void sendfiles(void)
{
	int c, s, f = file(), p[2];
	off_t off = 1000;

	pair(&c, &s);
	say("sendfile", sendfile(c, f, NULL, 5000));
	arrives(s, 0, 5000);
	say("position", lseek(f, 0, SEEK_CUR));
	say("sendfile at an offset", sendfile(c, f, &off, 7000));
	printf("  offset %ld position %ld\n", (long)off, (long)lseek(f, 0, SEEK_CUR));
	arrives(s, 1000, 7000);
	say("sendfile of nothing", sendfile(c, f, NULL, 0));
	off = SIZE - 10;
	say("sendfile over the end", sendfile(c, f, &off, 1000));
	arrives(s, SIZE - 10, 10);
	say("sendfile at the end", sendfile(c, f, &off, 1000));
	off = -1;
	say("sendfile before the start", sendfile(c, f, &off, 1));
	say("sendfile from a socket", sendfile(c, s, NULL, 1));
	if (pipe(p) == 0)
		say("sendfile from a pipe", sendfile(c, p[0], NULL, 1));
	say("sendfile from nothing", sendfile(c, 999, NULL, 1));
	off = 0;
	nonblocking(c, true);
	say("sendfile, nonblocking", sendfile(c, f, &off, 50000) == off ? 0 : -1);
	arrives(s, 0, (size_t)off);
	close(c);
	close(s);
	close(f);
}

static void splices(void)
{
	int c, s, p[2];

	pair(&c, &s);
	if (pipe(p))
		return;
	write_all(p[1], "through a pipe", 14);
	say("splice out", splice(p[0], NULL, c, NULL, 100, 0));
	read_all(s, got, 14);
	printf("%.14s\n", got);
	write_all(s, "and back", 8);
	say("splice in", splice(c, NULL, p[1], NULL, 8, 0));
	read_all(p[0], got, 8);
	printf("%.8s\n", got);
	say("plain write goes on", write(c, "x", 1));
	say("plain read goes on", read(s, got, 1));
	shutdown(s, SHUT_WR);
	say("splice at the end", splice(c, NULL, p[1], NULL, 8, 0));
	close(c);
	close(s);
}

/* Its flag is of the pipe; the socket waits, for data or the end of time. */
static void splice_waits(void)
{
	struct timeval limit = { 0, 200000 };
	struct timespec t0, t;
	int c, s, p[2];

	pair(&c, &s);
	if (pipe(p))
		return;
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	clock_gettime(CLOCK_MONOTONIC, &t0);
	say("splice, nothing comes", splice(s, NULL, p[1], NULL, 8, SPLICE_F_NONBLOCK));
	clock_gettime(CLOCK_MONOTONIC, &t);
	printf("at once: %d\n", (t.tv_sec - t0.tv_sec) * 1000000000 + t.tv_nsec - t0.tv_nsec <
	       100000000);
	limit.tv_sec = 10;
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	write_all(c, "data", 4);
	say("splice, data comes", splice(s, NULL, p[1], NULL, 8, SPLICE_F_NONBLOCK));
	nonblocking(s, true);
	say("a socket that does not wait", splice(s, NULL, p[1], NULL, 8, SPLICE_F_NONBLOCK));
	close(c);
	close(s);
	close(p[0]);
	close(p[1]);
}

/* As a proxy does: nonblocking, from socket to pipe to socket, both ways. */
static void proxied(void)
{
	int c, pc, ps, s, p[2];
	size_t done = 0, sent = 0;
	ssize_t n;

	pair(&c, &pc);
	pair(&ps, &s);
	if (pipe2(p, O_NONBLOCK))
		return;
	nonblocking(pc, true);
	nonblocking(ps, true);
	nonblocking(c, true);
	nonblocking(s, true);
	say("splice, nothing there", splice(pc, NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK));
	while (done < SIZE) {
		if (sent < SIZE) {
			n = write(c, want + sent, SIZE - sent);
			sent += n > 0 ? (size_t)n : 0;
		}
		splice(pc, NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		splice(p[0], NULL, ps, NULL, 65536, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		n = read(s, got + done, SIZE - done);
		done += n > 0 ? (size_t)n : 0;
	}
	printf("proxied: %d\n", memcmp(got, want, SIZE) == 0);
	shutdown(c, SHUT_WR);
	await(pc, POLLRDHUP);
	say("splice at the end", splice(pc, NULL, p[1], NULL, 8, SPLICE_F_NONBLOCK));
	say("shutdown", shutdown(ps, SHUT_WR));
	await(s, POLLRDHUP);
	say("read", read(s, got, 1));
	write_all(s, "back", 4);
	await(ps, POLLIN);
	say("splice back", splice(ps, NULL, p[1], NULL, 8, SPLICE_F_NONBLOCK));
	say("into a socket", splice(p[0], NULL, pc, NULL, 8, 0));
	await(c, POLLIN);
	say("read", read(c, got, 8));
	say("splice from a file", splice(file(), NULL, pc, NULL, 8, 0));
	say("splice socket to socket", splice(ps, NULL, pc, NULL, 8, 0));
	say("at an offset", splice(ps, &(off64_t){ 1 }, p[1], NULL, 8, 0));
	linger0(s);
	close(s);
	await(ps, POLLHUP);
	close(p[0]);
	close(p[1]);
	close(c);
	close(pc);
	close(ps);
}

/* All of a file while the reader is slow; and what a full socket takes. */
static void slow_reader(void)
{
	int c, s, f = file();
	off_t off = 0;
	size_t done = 0;
	ssize_t n;
	pid_t pid;

	pair(&c, &s);
	pid = fork();
	if (!pid) {
		usleep(100000);
		_exit(drain(s, SIZE) == SIZE ? 0 : 1);
	}
	while (done < SIZE) {
		n = sendfile(c, f, &off, SIZE - done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	printf("sent %zu, offset %ld\n", done, (long)off);
	waitpid(pid, NULL, 0);
	fill(c);
	off = 0;
	say("full", sendfile(c, f, &off, 100));
	printf("offset %ld\n", (long)off);
	close(c);
	close(s);
	close(f);
}

/* From a socket, into a pipe; and from what is no file. */
static void odd_sources(void)
{
	int c, s, p[2], dir = open("/", O_RDONLY), f = open("/dev/null", O_WRONLY);
	char hello[5];

	pair(&c, &s);
	if (pipe(p))
		exit(1);
	write_all(c, "hello", 5);
	await(s, POLLIN);
	say("a directory", sendfile(c, dir, NULL, 5));
	say("a socket into a file", sendfile(f, s, NULL, 5));
	say("a socket into a pipe", sendfile(p[1], s, NULL, 5));
	read_all(p[0], hello, sizeof(hello));
	printf("%.5s\n", hello);
	shutdown(c, SHUT_WR);
	say("its end", sendfile(p[1], s, NULL, 5));
	close(c);
	close(s);
	close(p[0]);
	close(p[1]);
	close(dir);
	close(f);
}

int main(int argc, char **argv)
{
	start(argc, argv);
	sendfiles();
	splices();
	splice_waits();
	proxied();
	slow_reader();
	odd_sources();
	return 0;
}
