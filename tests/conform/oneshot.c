/* oneshot.c - a server of its own process takes one connection, answers, and
 * ends at once, its listener open: who asked gets the answer, the end, and no
 * error. Neither process has had a socket before. */
#include "conform.h"

enum { ROUNDS = 5, ANSWER = 100000 };

struct round {
	const char *name;
	size_t len;
	bool close_first, nonblock;
};

static void serve(const struct round *r, int to)
{
	static char answer[ANSWER];
	union addr a;
	socklen_t len;
	char ask;
	int c, s;

	s = listener(5, &a, &len);
	write_all(to, &a, sizeof(a));
	c = accept(s, NULL, NULL);
	read_all(c, &ask, 1);
	write_all(c, answer, r->len);
	if (r->close_first)
		close(c);
	_exit(0);
}

static void ask(const struct round *r, int from, pid_t server)
{
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	socklen_t elen = sizeof(int);
	int err = -1, fd;
	union addr a;
	char x;

	read_all(from, &a, sizeof(a));
	fd = fresh();
	nonblocking(fd, r->nonblock);
	if (connect(fd, &a.sa, len) && errno != EINPROGRESS)
		say("connect", -1);
	await(fd, POLLOUT);
	nonblocking(fd, false);
	write_all(fd, "?", 1);
	waitpid(server, NULL, 0);
	await(fd, POLLRDHUP);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &elen);
	printf("%s: error %d, poll %s\n", r->name, err, bits(look(fd)));
	say("answered", (long)drain(fd, r->len));
	say("then", read(fd, &x, 1));
	err = -1;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &elen);
	printf("still error %d, poll %s\n", err, bits(look(fd)));
	fflush(stdout);
	_exit(0);
}

static void one(const struct round *r)
{
	pid_t client, server;
	int p[2];

	fflush(stdout);
	client = fork();
	if (client) {
		waitpid(client, NULL, 0);
		return;
	}
	if (pipe(p))
		exit(2);
	server = fork();
	if (!server)
		serve(r, p[1]);
	ask(r, p[0], server);
}

int main(int argc, char **argv)
{
	static const struct round rounds[] = {
		{ "closed", 3, true, false },
		{ "not closed", 3, false, false },
		{ "connected without waiting", 3, true, true },
		{ "much", ANSWER, true, false },
	};

	start(argc, argv);
	for (int i = 0; i < ROUNDS; i++)
		for (unsigned k = 0; k < NELEM(rounds); k++)
			one(&rounds[k]);
	return 0;
}
