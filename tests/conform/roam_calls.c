/* roam_calls.c - the calls of a walk: see roam.c. */
#include <sys/select.h>
#include <sys/stat.h>
#include "roam.h"

enum { REGS = 256 };

static int watched;		/* registrations so far: each has data of its own */
static bool edges[REGS];	/* that of them */

static const char *whose(const union addr *a)
{
	static char text[8];
	union addr mine;
	socklen_t len;

	if (!port_of(a))
		return "0";
	for (int i = 0; i < SLOTS; i++)
		if (fds[i] >= 0 && local_name(fds[i], &mine, &len) && port_of(&mine) == port_of(a)) {
			snprintf(text, sizeof(text), "%c's", 'A' + i);
			return text;
		}
	return "another";
}

static void make(int unused)
{
	int i = empty_slot(), on = 1;

	(void)unused;
	if (i < 0)
		return;
	put(i, socket(family, SOCK_STREAM | SOCK_NONBLOCK | (roll(2) ? SOCK_CLOEXEC : 0), 0), false);
	setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (roll(2))
		setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	tell("%c socket", 'A' + i);
}

static void do_bind(int i)
{
	union addr a, other;
	socklen_t len = loopback(&a), olen;
	int j = (int)roll(SLOTS);
	const char *what = "bind";
	int st = tcp_state(fds[i]);

	if (st == TCP_CLOSE && local_name(fds[i], &other, &olen) && port_of(&other))
		return;			/* a connection has ended */
	switch (roll(5)) {
	case 0:
		if (fds[j] >= 0 && tcp_state(fds[j]) == TCP_LISTEN &&
		    local_name(fds[j], &other, &olen) && port_of(&other)) {
			a.in.sin_port = other.in.sin_port;
			what = "bind to another's";
		}
		break;
	case 1:
		len = (socklen_t)roll(16);
		what = "bind, short";
		break;
	case 2:
		a.sa.sa_family = AF_UNIX;
		what = "bind, strange";
		break;
	}
	tell("%c %s = %s", 'A' + i, what, res(bind(fds[i], &a.sa, len)));
}

static void do_listen(int i)
{
	static const int backlogs[] = { 3, 5, 128, -1 };

	tell("%c listen = %s", 'A' + i, res(listen(fds[i], ONE_OF(backlogs))));
}

static bool listens(int i)
{
	return fds[i] >= 0 && tcp_state(fds[i]) == TCP_LISTEN;
}

void do_connect(int i)
{
	union addr a;
	socklen_t len;
	int j = (int)roll(SLOTS);

	for (int n = 0; n < SLOTS && !listens(j); n++)
		j = (j + 1) % SLOTS;
	if (!roll(8)) {
		len = loopback(&a);
		tell("%c connect, short = %s", 'A' + i, res(connect(fds[i], &a.sa, (socklen_t)roll(16))));
	} else if (!roll(8)) {
		port_nobody_has(&a, &len);
		tell("%c connect to nobody = %s", 'A' + i, res(connect(fds[i], &a.sa, len)));
	} else if (listens(j) && i != j && local_name(fds[j], &a, &len)) {
		tell("%c connect to %c = %s", 'A' + i, 'A' + j, res(connect(fds[i], &a.sa, len)));
	}
}

void do_accept(int i)
{
	union addr a;
	socklen_t len = roll(3) ? sizeof(a) : (socklen_t)roll(30);
	int j = empty_slot();
	long ret;

	if (j < 0)
		return;
	ret = accept4(fds[i], &a.sa, roll(2) ? &len : NULL, SOCK_NONBLOCK);
	tell("%c accept = %s, %u", 'A' + i, res(ret < 0 ? ret : 0), (unsigned)len);
	if (ret >= 0)
		put(j, (int)ret, false);
}

static int send_flags(int i)
{
	static const int some[] = { 0, 0, 0, MSG_DONTWAIT, MSG_EOR, MSG_CONFIRM, MSG_TRUNC, MSG_PEEK };
	int peer_deaf = 0;

	for (int j = 0; j < SLOTS; j++)
		peer_deaf |= deaf[j];
	(void)i;
	return MSG_NOSIGNAL | (urgent && !peer_deaf && !roll(3) ? MSG_OOB : ONE_OF(some));
}

void fill_bytes(char *buf, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		buf[k] = next_byte;
		next_byte = next_byte == 'z' ? 'a' : (char)(next_byte + 1);
	}
}

void do_send(int i)
{
	char buf[64];
	size_t n = roll(40), first = n / 3;
	int flags = send_flags(i);
	struct iovec iov[3] = { { buf, first }, { NULL, 0 }, { buf + first, n - first } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };
	union addr a;
	socklen_t len = loopback(&a);
	char byte = next_byte;
	long ret;

	fill_bytes(buf, n);
	switch (roll(6)) {
	case 0: ret = write(fds[i], buf, n); break;
	case 1: ret = writev(fds[i], iov, 3); break;
	case 2: ret = sendmsg(fds[i], &m, flags); break;
	case 3: ret = sendto(fds[i], buf, n, flags, &a.sa, len); break;
	default: ret = send(fds[i], buf, n, flags); break;
	}
	tell("%c send %zu from %c, flags %#x = %s", 'A' + i, n, byte, (unsigned)flags, res(ret));
}

void do_recv(int i)
{
	static const int some[] = { 0, 0, 0, MSG_PEEK, MSG_PEEK, MSG_TRUNC, MSG_WAITALL,
				    MSG_PEEK | MSG_TRUNC, MSG_ERRQUEUE, MSG_CMSG_CLOEXEC };
	char buf[64] = { 0 };
	size_t n = roll(3) ? roll(24) : sizeof(buf), first = n / 3;
	int flags = urgent && !roll(3) ? MSG_OOB | (roll(2) ? MSG_PEEK : 0) : ONE_OF(some);
	struct iovec iov[2] = { { buf, first }, { buf + first, n - first } };
	union addr a;
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2, .msg_name = &a,
			    .msg_namelen = sizeof(a), .msg_flags = -1 };
	socklen_t len = sizeof(a);
	long ret, shown;

	switch (roll(6)) {
	case 0: ret = read(fds[i], buf, n); flags = -1; break;
	case 1: ret = readv(fds[i], iov, 2); flags = -1; break;
	case 2: ret = recvmsg(fds[i], &m, flags); break;
	case 3: ret = recvfrom(fds[i], buf, n, flags, &a.sa, &len); break;
	default: ret = recv(fds[i], buf, n, flags); break;
	}
	shown = ret < 0 || (flags > 0 && flags & MSG_TRUNC) ? 0 : ret;
	tell("%c recv %zu, flags %#x = %s \"%.*s\", %u %d %#x", 'A' + i, n, (unsigned)flags, res(ret),
	     (int)shown, buf, len, ret < 0 ? 0 : (int)m.msg_namelen,
	     ret < 0 ? 0 : (unsigned)m.msg_flags);
}

static void do_shutdown(int i)
{
	int how = roll(10) ? (int)roll(3) : 3, st = tcp_state(fds[i]);

	if (st == TCP_CLOSE || st == TCP_SYN_SENT)
		return;			/* librudp(7) says what differs */
	if ((how == SHUT_RD && deaf[i]) || (how != SHUT_RD && st == TCP_FIN_WAIT2))
		return;			/* an edge, natively, that tells nothing */
	deaf[i] |= how != SHUT_WR;
	tell("%c shutdown %d = %s", 'A' + i, how, res(shutdown(fds[i], how)));
}

static const struct {
	int level, name, range;
	bool show;		/* its value is the same everywhere */
} options[] = {
	{ SOL_SOCKET, SO_ERROR, 2, true }, { SOL_SOCKET, SO_ERROR, 2, true },
	{ SOL_SOCKET, SO_TYPE, 2, true }, { SOL_SOCKET, SO_ACCEPTCONN, 2, true },
	{ SOL_SOCKET, SO_DOMAIN, 2, true }, { SOL_SOCKET, SO_PROTOCOL, 2, true },
	{ SOL_SOCKET, SO_REUSEADDR, 2, true }, { SOL_SOCKET, SO_KEEPALIVE, 2, true },
	{ SOL_SOCKET, SO_RCVLOWAT, 5, true }, { SOL_SOCKET, SO_SNDLOWAT, 5, true },
	{ SOL_SOCKET, SO_RCVTIMEO, 3, false }, { SOL_SOCKET, SO_BROADCAST, 2, true },
	{ SOL_SOCKET, SO_DONTROUTE, 2, true }, { SOL_SOCKET, SO_PRIORITY, 8, true },
	{ SOL_SOCKET, SO_PEEK_OFF, 4, true }, { SOL_SOCKET, SO_SELECT_ERR_QUEUE, 2, true },
	{ SOL_SOCKET, SO_LINGER, 2, true }, { SOL_SOCKET, 200, 2, true },
	{ IPPROTO_TCP, TCP_SYNCNT, 300, true }, { IPPROTO_TCP, TCP_LINGER2, 100, true },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 9000, true }, { IPPROTO_TCP, TCP_INQ, 3, true },
	{ IPPROTO_TCP, TCP_SAVE_SYN, 3, true }, { IPPROTO_TCP, TCP_NODELAY, 1, true },
	{ IPPROTO_TCP, 300, 2, true },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1, true },
	{ IPPROTO_IP, IP_TOS, 256, true }, { IPPROTO_IP, IP_TTL, 300, true },
	{ IPPROTO_IP, IP_MINTTL, 2, true }, { IPPROTO_IP, IP_RECVERR, 2, true },
	{ IPPROTO_IP, IP_PKTINFO, 2, true }, { IPPROTO_IP, IP_FREEBIND, 2, true },
	{ IPPROTO_IPV6, IPV6_V6ONLY, 2, true }, { IPPROTO_IPV6, IPV6_TCLASS, 300, true },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 300, true }, { IPPROTO_UDP, 1, 2, true }, { 77, 3, 2, true },
};

static socklen_t option_length(void)
{
	static const socklen_t odd[] = { 0, 1, 2, 3, 5, 8, 16, (socklen_t)-1 };

	return roll(4) ? sizeof(int) : ONE_OF(odd);
}

static void do_getsockopt(int i)
{
	unsigned k = roll(NELEM(options));
	int v[16] = { 0 };
	socklen_t asked = option_length(), len = asked;
	int ret = getsockopt(fds[i], options[k].level, options[k].name, v, &len);

	tell("%c getsockopt %d %d, %d = %s, %d: %d", 'A' + i, options[k].level, options[k].name,
	     (int)asked, res(ret), (int)len, options[k].show ? v[0] : 0);
}

static void do_setsockopt(int i)
{
	unsigned k = roll(NELEM(options));
	int v[16] = { (int)roll((unsigned)options[k].range) }, ret;
	socklen_t len = option_length();

	if (options[k].name == TCP_NODELAY && options[k].level == IPPROTO_TCP)
		v[0] = 1;
	if (options[k].name == SO_LINGER && options[k].level == SOL_SOCKET)
		len = 8;		/* on or off, and no time */
	ret = setsockopt(fds[i], options[k].level, options[k].name, v, len);
	tell("%c setsockopt %d %d %d, %d = %s", 'A' + i, options[k].level, options[k].name, v[0],
	     (int)len, res(ret));
}

static void do_names(int i)
{
	union addr a = { .ss.ss_family = 0 };
	socklen_t len = roll(3) ? sizeof(a) : (socklen_t)roll(20), asked = len;
	bool peer = roll(2);
	int ret = peer ? getpeername(fds[i], &a.sa, &len) : getsockname(fds[i], &a.sa, &len);

	if (asked < 4)
		a.in.sin_port = 0;
	tell("%c %s %u = %s, %u, %s", 'A' + i, peer ? "getpeername" : "getsockname",
	     asked, res(ret), ret ? 0 : len, ret ? "" : whose(&a));
}

static void do_close(int i)
{
	tell("%c close = %s", 'A' + i, res(close(fds[i])));
	put(i, -1, false);
}

static void do_dup(int i)
{
	int j = (int)roll(SLOTS), ret;

	if (fds[j] < 0) {
		put(j, dup(fds[i]), deaf[i]);
		tell("%c dup to %c", 'A' + i, 'A' + j);
	} else if (!roll(3)) {
		ret = dup2(fds[i], fds[j]);
		tell("%c dup2 to %c = %s", 'A' + i, 'A' + j, res(ret < 0 ? ret : ret == fds[j]));
		deaf[j] = deaf[i];
	}
}

static void do_fcntl(int i)
{
	struct stat st = { .st_mode = 0 };
	char c;
	int ret = fstat(fds[i], &st);

	switch (roll(8)) {
	case 0: tell("%c F_GETFL = %s", 'A' + i, res(fcntl(fds[i], F_GETFL))); break;
	case 1: tell("%c F_GETFD = %s", 'A' + i, res(fcntl(fds[i], F_GETFD))); break;
	case 2: tell("%c F_SETFL = %s", 'A' + i,
		     res(fcntl(fds[i], F_SETFL, O_NONBLOCK | (roll(2) ? O_APPEND : 0)))); break;
	case 3: tell("%c F_SETLEASE = %s", 'A' + i, res(fcntl(fds[i], F_SETLEASE, F_RDLCK))); break;
	case 4: tell("%c lseek = %s", 'A' + i, res(lseek(fds[i], 0, SEEK_CUR))); break;
	case 5: tell("%c pread = %s", 'A' + i, res(pread(fds[i], &c, 1, 0))); break;
	case 6: tell("%c fsync = %s", 'A' + i, res(fsync(fds[i]))); break;
	case 7: tell("%c fstat = %s, %o", 'A' + i, res(ret), st.st_mode); break;
	}
}

static void do_ioctl(int i)
{
	static const unsigned long asked[] = { FIONREAD, SIOCATMARK, SIOCOUTQNSD, FIONBIO,
					       0x1234, TIOCGWINSZ, FIOCLEX, FIONCLEX };
	unsigned long what = ONE_OF(asked);
	int v = 1;
	long ret;

	if (what == SIOCATMARK && !urgent)
		return;
	if (what == SIOCOUTQNSD && tcp_state(fds[i]) != TCP_ESTABLISHED)
		return;			/* a number that the kernel has left over */
	ret = ioctl(fds[i], what, &v);
	tell("%c ioctl %#lx = %s, %d", 'A' + i, what, res(ret), v);
}

static void do_poll(int i)
{
	struct pollfd p[SLOTS];
	int ret;

	(void)i;
	for (int k = 0; k < SLOTS; k++)
		p[k] = (struct pollfd){ fds[k], (short)(roll(0x400) | (urgent ? POLLPRI : 0)), 0 };
	ret = poll(p, SLOTS, 0);
	tell("poll = %s: %x %x %x %x", res(ret), p[0].revents, p[1].revents, p[2].revents,
	     p[3].revents);
}

static void do_select(int unused)
{
	struct timeval now = { 0, 0 };
	fd_set s[3];
	char text[64] = "";
	int ret;

	(void)unused;
	for (int k = 0; k < 3; k++)
		FD_ZERO(&s[k]);
	for (int k = 0; k < SLOTS; k++)
		for (int w = 0; w < 3 && fds[k] >= 0; w++)
			if (roll(2))
				FD_SET(fds[k], &s[w]);
	ret = select(FD_SETSIZE, &s[0], &s[1], &s[2], &now);
	for (int k = 0; k < SLOTS && ret >= 0; k++)
		for (int w = 0; w < 3 && fds[k] >= 0; w++)
			if (FD_ISSET(fds[k], &s[w]))
				sprintf(text + strlen(text), " %c%c", 'A' + k, "rwx"[w]);
	tell("select = %s:%s", res(ret), text);
}

static void do_epoll_ctl(int i)
{
	static const int ops[] = { EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL, 9 };
	static const unsigned kinds[] = { EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT, EPOLLRDHUP, 0,
					  EPOLLIN | EPOLLONESHOT, EPOLLOUT | EPOLLONESHOT,
					  EPOLLIN | EPOLLET, EPOLLIN | EPOLLOUT | EPOLLET,
					  EPOLLIN | EPOLLRDHUP | EPOLLET };
	int op = ONE_OF(ops);
	struct epoll_event ev = { .events = ONE_OF(kinds), .data.fd = i + SLOTS * ++watched };

	edges[watched % REGS] = ev.events & EPOLLET;
	tell("%c epoll_ctl %d %#x = %s", 'A' + i, op, ev.events,
	     res(epoll_ctl(set, op, fds[i], &ev)));
}

static int by_slot(const void *a, const void *b)
{
	const struct epoll_event *x = a, *y = b;

	return x->data.fd != y->data.fd ? x->data.fd - y->data.fd :
	       (int)x->events - (int)y->events;
}

/* Whether what hangs up twice is an edge twice is the kernel's business. */
static int without_ends(struct epoll_event *ev, int n)
{
	int kept = 0;

	for (int k = 0; k < n; k++)
		if (!(edges[ev[k].data.fd / SLOTS % REGS] && ev[k].events & EPOLLHUP))
			ev[kept++] = ev[k];
	return n < 0 ? n : kept;
}

static void do_epoll_wait(int unused)
{
	struct epoll_event ev[16];
	int n = epoll_wait(set, ev, NELEM(ev), 0);
	char text[128] = "";

	(void)unused;
	n = without_ends(ev, n);
	qsort(ev, n > 0 ? (size_t)n : 0, sizeof(ev[0]), by_slot);
	for (int k = 0; k < n; k++)
		sprintf(text + strlen(text), " %c%d %x", 'A' + ev[k].data.fd % SLOTS,
			ev[k].data.fd / SLOTS, ev[k].events);
	tell("epoll_wait = %s:%s", res(n), text);
}

const struct roam_call calls[] = {
	{ make, 8, false }, { do_bind, 4, true }, { do_listen, 5, true }, { do_connect, 12, true },
	{ do_accept, 12, true }, { do_send, 20, true }, { do_recv, 20, true },
	{ do_shutdown, 4, true }, { do_getsockopt, 10, true }, { do_setsockopt, 8, true },
	{ do_names, 5, true }, { do_close, 4, true }, { do_dup, 2, true }, { do_fcntl, 4, true },
	{ do_ioctl, 4, true }, { do_poll, 4, false }, { do_select, 4, false },
	{ do_epoll_ctl, 8, true }, { do_epoll_wait, 6, false },
	{ do_block, 6, true }, { do_full, 1, true }, { do_hold, 2, true }, { do_zerocopy, 3, true },
};

const size_t ncalls = NELEM(calls);
