/* conform.c - see conform.h */
#include "conform.h"

enum { CALM = 10 };
enum { WAIT_MS = 10000, FULL_MS = 500, LIMIT_S = 240 };

int family;

void start(int argc, char **argv)
{
	family = argc > 1 && argv[1][0] == '6' ? AF_INET6 : AF_INET;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	alarm(LIMIT_S);
}

const char *ename(int err)
{
	const char *n = strerrorname_np(err);

	return n ? n : "E?";
}

long say(const char *what, long ret)
{
	if (ret < 0)
		printf("%s: %s\n", what, ename(errno));
	else
		printf("%s: %ld\n", what, ret);
	return ret;
}

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	printf("%s: %s (%s)\n", what, "failed", ename(errno));
	exit(1);
}

socklen_t loopback(union addr *a)
{
	memset(a, 0, sizeof(*a));
	a->sa.sa_family = (sa_family_t)family;
	if (family == AF_INET6) {
		a->in6.sin6_addr = in6addr_loopback;
		return sizeof(a->in6);
	}
	a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(a->in);
}

int fresh(void)
{
	int fd = socket(family, SOCK_STREAM, 0);

	need(fd >= 0, "socket");
	return fd;
}

int listener(int backlog, union addr *a, socklen_t *len)
{
	int fd = fresh();

	*len = loopback(a);
	need(bind(fd, &a->sa, *len) == 0, "bind");
	need(listen(fd, backlog) == 0, "listen");
	need(getsockname(fd, &a->sa, len) == 0, "getsockname");
	return fd;
}

void pair(int *client, int *server)
{
	union addr a;
	socklen_t len;
	int l = listener(8, &a, &len);

	*client = fresh();
	need(connect(*client, &a.sa, len) == 0, "connect");
	*server = accept(l, NULL, NULL);
	need(*server >= 0, "accept");
	close(l);
}

/* The port was somebody's a moment ago: nobody gets it so soon. */
void port_nobody_has(union addr *a, socklen_t *len)
{
	int fd = fresh();

	*len = loopback(a);
	need(bind(fd, &a->sa, *len) == 0, "bind");
	need(getsockname(fd, &a->sa, len) == 0, "getsockname");
	close(fd);
}

const char *bits(int revents)
{
	static const struct { int bit; const char *name; } names[] = {
		{ POLLIN, "IN" }, { POLLPRI, "PRI" }, { POLLOUT, "OUT" },
		{ POLLRDHUP, "RDHUP" }, { POLLHUP, "HUP" }, { POLLERR, "ERR" },
		{ POLLNVAL, "NVAL" },
	};
	static char text[64];

	text[0] = '\0';
	for (size_t i = 0; i < NELEM(names); i++)
		if (revents & names[i].bit) {
			if (text[0])
				strcat(text, " ");
			strcat(text, names[i].name);
		}
	return text[0] ? text : "-";
}

int look(int fd)
{
	struct pollfd p = { fd, POLLIN | POLLPRI | POLLOUT | POLLRDHUP, 0 };

	poll(&p, 1, 0);
	return p.revents;
}

int await(int fd, int want)
{
	struct timespec t0, t;
	int got = 0;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	do {
		struct pollfd p = { fd, (short)(want & ~got), 0 };

		if (want & ~got & ~(POLLHUP | POLLERR))
			poll(&p, 1, 100);
		else	/* these come unasked; alone they end a wait, too */
			poll(&(struct pollfd){ fd, 0, 0 }, 1, 100);
		got = look(fd);
		clock_gettime(CLOCK_MONOTONIC, &t);
	} while ((got & want) != want && (t.tv_sec - t0.tv_sec) * 1000 < WAIT_MS);
	if ((got & want) != want)
		printf("never came: %s\n", bits(want & ~got));
	return got;
}

void show_poll(const char *what, int fd)
{
	printf("%s: %s\n", what, bits(look(fd)));
}

void show_await(const char *what, int fd, int want)
{
	printf("%s: %s\n", what, bits(await(fd, want)));
}

/* S in the third field of its line; more than once, since it may wait for a lock. In
 * between no call of the library's: ThreadSanitizer does not see the locks inside. */
void until_asleep(pid_t tid, const _Atomic bool *done)
{
	const struct timespec between = { 0, 1000000 };
	char path[64], text[256];
	int calm = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	while (calm < CALM && !(done && *done)) {
		FILE *f = fopen(path, "r");
		const char *p = NULL;

		if (!f)
			return;		/* it has ended */
		if (fgets(text, sizeof(text), f))
			p = strrchr(text, ')');
		fclose(f);
		calm = p && p[2] == 'S' ? calm + 1 : 0;
		nanosleep(&between, NULL);
	}
}

void nonblocking(int fd, bool on)
{
	int fl = fcntl(fd, F_GETFL);

	need(fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK) == 0, "F_SETFL");
}

/* Until the peer's buffer is full, too: nothing more is taken for a while. */
void fill(int fd)
{
	static char buf[65536];
	struct pollfd p = { fd, POLLOUT, 0 };

	nonblocking(fd, true);
	do {
		while (write(fd, buf, sizeof(buf)) > 0)
			;
	} while (poll(&p, 1, FULL_MS) > 0);
	while (write(fd, buf, 1) > 0)
		;
}

size_t drain(int fd, size_t want)
{
	static char buf[65536];
	size_t done = 0;

	while (done < want) {
		ssize_t n = read(fd, buf, want - done < sizeof(buf) ? want - done : sizeof(buf));

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

void linger0(int fd)
{
	struct linger l = { 1, 0 };

	need(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0, "SO_LINGER");
}

void read_all(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(fd, p, len);

		need(n > 0, "read_all");
		p += n;
		len -= (size_t)n;
	}
}

void write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		need(n > 0, "write_all");
		p += n;
		len -= (size_t)n;
	}
}
