/*
 * pingpong - a message goes, the same comes back.
 *
 *	pingpong server			prints "port N", serves one client
 *	pingpong client HOST PORT COUNT SIZE
 *					prints "MEDIAN P99" of the round trips, in us
 *	pingpong opener HOST PORT COUNT	opens, exchanges a byte and closes COUNT
 *					connections one after another, against
 *	pingpong closer COUNT		which serves so many; prints connections/s
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE_MAX_BYTES = 65536, WARM_UP = 1000 };

static char buf[SIZE_MAX_BYTES];

static void die(const char *what)
{
	fprintf(stderr, "pingpong: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static void no_delay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		die("TCP_NODELAY");
}

static int listen_any(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    listen(fd, 128) < 0 || getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		die("listen");
	printf("port %u\n", ntohs(sin.sin_port));
	fflush(stdout);
	return fd;
}

static int connect_to(const char *host, const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || inet_pton(AF_INET, host, &sin.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("connect");
	return fd;
}

static void write_all(int fd, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, buf + done, len - done);

		if (n < 0)
			die("write");
		done += n;
	}
}

static void read_all(int fd, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(fd, buf + done, len - done);

		if (n <= 0)
			die("read");
		done += n;
	}
}

static int server(void)
{
	int fd = accept(listen_any(), NULL, NULL);

	if (fd < 0)
		die("accept");
	no_delay(fd);
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0)
			die("read");
		if (n == 0)
			return 0;
		write_all(fd, n);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int client(const char *host, const char *port, int count, size_t size)
{
	double *rtt = calloc(count, sizeof(*rtt));
	int fd = connect_to(host, port);

	if (!rtt || count < 100 || size > sizeof(buf)) {
		fprintf(stderr, "pingpong: COUNT at least 100, SIZE at most %zu\n", sizeof(buf));
		return 2;
	}
	no_delay(fd);
	for (int i = -WARM_UP; i < count; i++) {
		double start = now_us();

		write_all(fd, size);
		read_all(fd, size);
		if (i >= 0)
			rtt[i] = now_us() - start;
	}
	close(fd);
	qsort(rtt, count, sizeof(*rtt), by_value);
	printf("%.2f %.2f\n", rtt[count / 2], rtt[count - count / 100 - 1]);
	free(rtt);
	return 0;
}

/* The closer closes first: TIME_WAIT stays with it, and the opener does not
 * run out of ports. */
static int closer(int count)
{
	int lfd = listen_any();

	for (int i = 0; i < count; i++) {
		int fd = accept(lfd, NULL, NULL);

		if (fd < 0)
			die("accept");
		read_all(fd, 1);
		write_all(fd, 1);
		close(fd);
	}
	return 0;
}

static int opener(const char *host, const char *port, int count)
{
	double start = now_us();

	for (int i = 0; i < count; i++) {
		int fd = connect_to(host, port);

		write_all(fd, 1);
		read_all(fd, 1);
		if (read(fd, buf, 1) != 0)
			die("the end");
		close(fd);
	}
	printf("%.0f\n", count / ((now_us() - start) / 1e6));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "server") == 0)
		return server();
	if (argc == 6 && strcmp(argv[1], "client") == 0)
		return client(argv[2], argv[3], atoi(argv[4]), atoi(argv[5]));
	if (argc == 3 && strcmp(argv[1], "closer") == 0)
		return closer(atoi(argv[2]));
	if (argc == 5 && strcmp(argv[1], "opener") == 0)
		return opener(argv[2], argv[3], atoi(argv[4]));
	fprintf(stderr, "usage: pingpong server | client HOST PORT COUNT SIZE |\n"
		"       closer COUNT | opener HOST PORT COUNT\n");
	return 2;
}
