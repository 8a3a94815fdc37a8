/* ioctls.c - ioctl and sockatmark on sockets in several states. */
#include "conform.h"
#include <linux/sockios.h>
#include <net/if.h>
#include <termios.h>

static void ask(const char *what, int fd, unsigned long req)
{
	int v = -7;

	if (say(what, ioctl(fd, req, &v)) == 0)
		printf("  %d\n", v);
}

static void ask_all(const char *what, int fd)
{
	printf("%s\n", what);
	ask("FIONREAD", fd, FIONREAD);
	ask("SIOCOUTQ", fd, SIOCOUTQ);
	ask("SIOCOUTQNSD", fd, SIOCOUTQNSD);
	ask("SIOCATMARK", fd, SIOCATMARK);
}

int main(int argc, char **argv)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	struct winsize ws;
	union addr a;
	socklen_t len;
	char x[8];
	int c, s, l, f, n;

	start(argc, argv);
	f = fresh();
	ask_all("fresh", f);
	l = listener(1, &a, &len);
	ask_all("listener", l);
	pair(&c, &s);
	ask_all("connected", c);
	write_all(c, "abcdef", 6);
	await(s, POLLIN);
	ask_all("data", s);
	do
		ioctl(c, SIOCOUTQ, &n);
	while (n);
	ask_all("acknowledged", c);
	read_all(s, x, 2);
	ask_all("part read", s);
	shutdown(c, SHUT_WR);
	await(s, POLLRDHUP);
	ask_all("peer shut", s);
	read_all(s, x, 4);
	ask_all("all read", s);
	say("sockatmark", sockatmark(s));
	say("isatty", isatty(s) ? 1 : -1);
	say("TIOCGWINSZ", ioctl(s, TIOCGWINSZ, &ws));
	say("nonsense", ioctl(s, 0x12345678, &ws));
	say("SIOCGIFINDEX", ioctl(s, SIOCGIFINDEX, &ifr));
	say("SIOCGIFADDR", ioctl(family == AF_INET ? s : f, SIOCGIFFLAGS, &ifr));
	close(c);
	close(s);
	close(l);
	close(f);
	return 0;
}
