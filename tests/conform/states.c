/* states.c - every question and every call in every state of a socket. */
#include "stages.h"
#include <linux/sockios.h>

static char buf[256];

static void tcp_state(int fd)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) == 0)
		printf("  tcpi_state: %d\n",	/* its FIN is acknowledged sooner or later */
		       ti.tcpi_state == TCP_FIN_WAIT1 ? TCP_FIN_WAIT2 : ti.tcpi_state);
}

static void name(const char *what, int ret, const union addr *a, const socklen_t *len)
{
	if (ret < 0)
		printf("  %s: %s\n", what, ename(errno));
	else
		printf("  %s: family %d, length %u, port %d\n", what, a->sa.sa_family == family,
		       (unsigned)*len, a->in.sin_port != 0);
}

static void questions(int fd)
{
	union addr a;
	socklen_t len = sizeof(a);
	int v = -1;

	printf("  poll: %s\n", bits(look(fd)));
	name("getsockname", getsockname(fd, &a.sa, &len), &a, &len);
	len = sizeof(a);
	name("getpeername", getpeername(fd, &a.sa, &len), &a, &len);
	tcp_state(fd);
	len = sizeof(v);
	say("  SO_ACCEPTCONN", getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &v, &len) ? -1 : v);
	say("  FIONREAD", ioctl(fd, FIONREAD, &v));
	say("  SIOCOUTQ", ioctl(fd, SIOCOUTQ, &v));
	say("  SIOCATMARK", ioctl(fd, SIOCATMARK, &v));
}

enum act { ERROR, READ, PEEK, WRITE, NONE, ACCEPT, LISTEN, BIND, CONNECT, UNSPEC,
	   SHUT_R, SHUT_W, SHUT_B, ACTS };

static const char *const act_names[ACTS] = {
	"SO_ERROR", "recv", "peek", "send", "send of nothing", "accept", "listen", "bind",
	"connect", "connect AF_UNSPEC", "shutdown RD", "shutdown WR", "shutdown RDWR",
};

static long do_act(enum act act, int fd, const union addr *to, socklen_t tolen)
{
	union addr a;
	socklen_t len = sizeof(int);
	int v = 0, ret;

	switch (act) {
	case ERROR:
		ret = getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &len);
		return ret ? ret : v;
	case READ: return recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	case PEEK: return recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK);
	case WRITE: return send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	case NONE: return send(fd, "x", 0, MSG_DONTWAIT | MSG_NOSIGNAL);
	case ACCEPT:
		ret = accept(fd, NULL, NULL);
		if (ret >= 0)
			close(ret);
		return ret < 0 ? ret : 0;
	case LISTEN: return listen(fd, 3);
	case BIND:
		len = loopback(&a);
		return bind(fd, &a.sa, len);
	case CONNECT: return connect(fd, &to->sa, tolen);
	case UNSPEC:
		memset(&a, 0, sizeof(a));
		a.sa.sa_family = AF_UNSPEC;
		return connect(fd, &a.sa, sizeof(a.in6));
	case SHUT_R: return shutdown(fd, SHUT_RD);
	case SHUT_W: return shutdown(fd, SHUT_WR);
	case SHUT_B: return shutdown(fd, SHUT_RDWR);
	case ACTS: break;
	}
	return -1;
}

/* Three oddities of the kernel's are left out (librudp(7)): shutdown() shows on a
 * socket that it fails on, not all of it on one that is connecting, and ERR stays on
 * one that was disconnected. */
static void show_end(enum act act, int fd, bool connecting)
{
	int err = (int)do_act(ERROR, fd, NULL, 0), got;

	if (act == SHUT_B)
		await(fd, POLLHUP);
	if (act == CONNECT || act == SHUT_W)
		await(fd, 0);
	got = look(fd);
	if ((act == SHUT_R || act == SHUT_B || (act == SHUT_W && connecting)) &&
	    got & POLLHUP && !(got & POLLERR))
		got |= POLLIN | POLLRDHUP;
	if (act == UNSPEC)
		got &= ~POLLERR;
	printf("; SO_ERROR %s; poll %s\n", ename(err), bits(got));
}

int main(int argc, char **argv)
{
	struct stage st;

	start(argc, argv);
	alarm(0);
	for (size_t i = 0; i < nstages; i++) {
		printf("%s\n", stages[i].name);
		stage_begin(&st, stages[i].make);
		questions(st.fd);
		stage_end(&st);
		for (enum act act = 0; act < ACTS; act++) {
			/* bind() after a connection's end: librudp(7) */
			if (act == BIND && stages[i].ended)
				continue;
			printf(" %s:", act_names[act]);
			stage_begin(&st, stages[i].make);
			for (int time = 0; time < 3; time++) {
				long ret = do_act(act, st.fd, &st.a, st.len);

				if (ret < 0)
					printf(" %s", ename(errno));
				else
					printf(" %ld", ret);
				if (!stages[i].stays)
					settle(st.fd);
				if (act == WRITE && st.other < 0 && time == 0)
					await(st.fd, POLLHUP);
			}
			show_end(act, st.fd, stages[i].stays);
			stage_end(&st);
		}
	}
	return 0;
}
