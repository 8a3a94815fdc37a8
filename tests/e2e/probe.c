/*
 * probe - finds a port, waits for a server.
 *
 *	probe port			prints a port free for TCP and UDP
 *	probe wait HOST PORT [S [PID]]	succeeds as soon as a connection does;
 *					fails after S seconds, or when PID is gone
 *
 * Waiting means trying: there is no event that says "somebody listens now".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT_FIRST = 10000, PORT_LAST = 31999, PORT_TRIES = 1000, TRY_EVERY_MS = 10 };

static bool can_bind(int family, int type, unsigned port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1, fd = socket(family, type, 0);
	bool ok;

	if (fd < 0)
		return errno == EAFNOSUPPORT;	/* no IPv6: nobody has it there */
	if (family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		ok = bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)) == 0;
	} else {
		ok = bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;
	}
	close(fd);
	return ok;
}

static int find_port(void)
{
	for (int i = 0; i < PORT_TRIES; i++) {
		unsigned port;

		if (getrandom(&port, sizeof(port), 0) != sizeof(port))
			return 1;
		port = PORT_FIRST + port % (PORT_LAST - PORT_FIRST + 1);
		if (can_bind(AF_INET, SOCK_STREAM, port) && can_bind(AF_INET, SOCK_DGRAM, port) &&
		    can_bind(AF_INET6, SOCK_STREAM, port) &&
		    can_bind(AF_INET6, SOCK_DGRAM, port)) {
			printf("%u\n", port);
			return 0;
		}
	}
	fprintf(stderr, "probe: no free port\n");
	return 1;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int wait_for(const char *host, const char *port, double limit, pid_t pid)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *ai;
	double end = seconds() + limit;
	int err = 0;

	if (getaddrinfo(host, port, &hints, &ai) != 0) {
		fprintf(stderr, "probe: bad address %s port %s\n", host, port);
		return 2;
	}
	do {
		int fd = socket(ai->ai_family, SOCK_STREAM, 0);

		if (fd < 0) {
			perror("probe: socket");
			return 1;
		}
		if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0) {
			close(fd);
			freeaddrinfo(ai);
			return 0;
		}
		err = errno;
		close(fd);
		if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH) {
			fprintf(stderr, "probe: the server is gone\n");
			return 1;
		}
		poll(NULL, 0, TRY_EVERY_MS);
	} while (seconds() < end);
	fprintf(stderr, "probe: nobody on %s port %s: %s\n", host, port, strerror(err));
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "port") == 0)
		return find_port();
	if (argc >= 4 && argc <= 6 && strcmp(argv[1], "wait") == 0)
		return wait_for(argv[2], argv[3], argc > 4 ? atof(argv[4]) : 10,
				argc > 5 ? atoi(argv[5]) : 0);
	fprintf(stderr, "usage: probe port | probe wait HOST PORT [SECONDS [PID]]\n");
	return 2;
}
