/* roam_told.c - what a walk says, and compares: see roam.c. */
#include <stdarg.h>
#include "roam.h"

enum { LINE = 256, LEFT_MS = 5000, SHOWN = 12 };

FILE *expected;
static char last[SHOWN][LINE];
static unsigned nlines;

static uint64_t roll64(void)
{
	uint64_t z = dice += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

unsigned roll(unsigned n)
{
	return (unsigned)(roll64() % n);
}

static void remember(const char *line)
{
	snprintf(last[nlines++ % SHOWN], LINE, "%s", line);
}

static void differ(const char *want, const char *got)
{
	for (unsigned i = nlines > SHOWN ? nlines - SHOWN : 0; i < nlines; i++)
		printf("  %s\n", last[i % SHOWN]);
	printf("- %s\n+ %s\n", want, got);
	exit(1);
}

static void next_expected(char *line)
{
	line[0] = '\0';
	if (!fgets(line, LINE, expected))
		snprintf(line, LINE, "(the end)");
	line[strcspn(line, "\n")] = '\0';
}

void tell(const char *fmt, ...)
{
	char got[LINE], want[LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(got, sizeof(got), fmt, ap);
	va_end(ap);
	if (!expected) {
		puts(got);
		return;
	}
	next_expected(want);
	if (strcmp(want, got))
		differ(want, got);
	remember(got);
}

const char *res(long ret)
{
	static char text[4][24];
	static unsigned turn;
	char *t = text[turn++ % 4];

	if (ret < 0)
		return ename(errno);
	snprintf(t, sizeof(text[0]), "%ld", ret);
	return t;
}

int tcp_state(int fd)
{
	struct tcp_info ti = { .tcpi_state = 99 };
	socklen_t len = sizeof(ti);

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len);
	switch (ti.tcpi_state) {	/* when the peer acknowledges is its business */
	case TCP_FIN_WAIT1: return TCP_FIN_WAIT2;
	case TCP_LAST_ACK:
	case TCP_CLOSING: return TCP_CLOSE;
	}
	return ti.tcpi_state;
}

static void describe(char *line)
{
	size_t at = (size_t)snprintf(line, LINE, "   ");

	for (int i = 0; i < SLOTS; i++) {
		int n = -1;

		if (fds[i] < 0)
			continue;
		if (ioctl(fds[i], FIONREAD, &n))
			n = -errno;
		at += (size_t)snprintf(line + at, LINE - at, " %c: %s, %d, state %d;", 'A' + i,
				       bits(look(fds[i])), n, tcp_state(fds[i]));
	}
}

static long ms_since(const struct timespec *t0)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (t.tv_sec - t0->tv_sec) * 1000 + (t.tv_nsec - t0->tv_nsec) / 1000000;
}

/* All that is on its way has come when it looks as it should. */
void tell_states(void)
{
	char got[LINE], want[LINE];
	struct timespec t0;

	describe(got);
	if (!expected) {
		puts(got);
		return;
	}
	next_expected(want);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	while (strcmp(want, got) && ms_since(&t0) < LEFT_MS) {
		poll(NULL, 0, 1);
		describe(got);
	}
	if (strcmp(want, got))
		differ(want, got);
	remember(got);
}

/* ---- slots and names --------------------------------------------------------------- */

int empty_slot(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (fds[i] < 0)
			return i;
	return -1;
}

void put(int i, int fd, bool is_deaf)
{
	fds[i] = fd;
	deaf[i] = is_deaf;
}

uint16_t port_of(const union addr *a)
{
	return a->in.sin_port;		/* in6 has it there, too */
}

bool local_name(int fd, union addr *a, socklen_t *len)
{
	*len = sizeof(*a);
	memset(a, 0, sizeof(*a));
	return !getsockname(fd, &a->sa, len);
}

int peer_of(int i)
{
	union addr a, b;
	socklen_t len = sizeof(a), blen;

	memset(&a, 0, sizeof(a));
	if (fds[i] < 0 || getpeername(fds[i], &a.sa, &len))
		return -1;
	for (int j = 0; j < SLOTS; j++)
		if (fds[j] >= 0 && tcp_state(fds[j]) != TCP_LISTEN &&
		    local_name(fds[j], &b, &blen) && port_of(&a) == port_of(&b))
			return j;
	return -1;
}
