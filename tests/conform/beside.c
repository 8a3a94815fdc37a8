/* beside.c - UDP first, then TCP on the same number, as name servers have it:
 * each gets what is for it. Listeners are the kernel's here, which run.sh asks
 * them not to be. */
#include "conform.h"

static int beside(int udp, int reuse, int reuseport, union addr *a, socklen_t *len)
{
	int t = -1;

	setsockopt(udp, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
	setsockopt(udp, SOL_SOCKET, SO_REUSEPORT, &reuseport, sizeof(reuseport));
	*len = loopback(a);
	bind(udp, &a->sa, *len);
	getsockname(udp, &a->sa, len);
	t = fresh();
	setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
	setsockopt(t, SOL_SOCKET, SO_REUSEPORT, &reuseport, sizeof(reuseport));
	if (!bind(t, &a->sa, *len))
		return t;
	close(t);
	return -1;
}

static void beside_udp(int reuse, int reuseport, bool connects)
{
	int udp = -1, t = -1, from = socket(family, SOCK_DGRAM, 0), c;
	socklen_t len;
	union addr a;
	char got = 0;

	for (int i = 0; i < 5 && t < 0; i++) {	/* TCP may have the number */
		close(udp);
		udp = socket(family, SOCK_DGRAM, 0);
		t = beside(udp, reuse, reuseport, &a, &len);
	}
	printf("beside UDP (%d %d): %d\n", reuse, reuseport, t >= 0);
	say("listen", listen(t, 4));
	sendto(from, "u", 1, 0, &a.sa, len);
	show_await("UDP", udp, POLLIN);
	say("it is there", recv(udp, &got, 1, MSG_DONTWAIT));
	if (connects) {
		c = fresh();
		say("connect", connect(c, &a.sa, len));
		close(t >= 0 ? accept(t, NULL, NULL) : -1);
		close(c);
	}
	close(from);
	close(udp);
	close(t);
}

int main(int argc, char **argv)
{
	if (!unsetenv("RUDP_LISTEN") && !getenv("BESIDE")) {
		setenv("BESIDE", "again", 1);
		execv("/proc/self/exe", argv);
	}
	start(argc, argv);
	beside_udp(0, 0, true);
	beside_udp(1, 0, false);
	beside_udp(0, 1, false);
	return 0;
}
