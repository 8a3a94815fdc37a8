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

/* Questions about interfaces and the like, which any socket of the family is asked. */
static void interfaces(const char *what, int fd)
{
	static const struct { const char *name; unsigned long req; } some[] = {
		{ "SIOCGIFNAME", SIOCGIFNAME }, { "SIOCGIFINDEX", SIOCGIFINDEX },
		{ "SIOCGIFFLAGS", SIOCGIFFLAGS }, { "SIOCGIFADDR", SIOCGIFADDR },
		{ "SIOCGIFDSTADDR", SIOCGIFDSTADDR }, { "SIOCGIFBRDADDR", SIOCGIFBRDADDR },
		{ "SIOCGIFNETMASK", SIOCGIFNETMASK }, { "SIOCGIFMETRIC", SIOCGIFMETRIC },
		{ "SIOCGIFMTU", SIOCGIFMTU }, { "SIOCGIFHWADDR", SIOCGIFHWADDR },
		{ "SIOCGIFTXQLEN", SIOCGIFTXQLEN }, { "SIOCGIFMAP", SIOCGIFMAP },
		{ "SIOCGIFPFLAGS", SIOCGIFPFLAGS }, { "SIOCGIFSLAVE", SIOCGIFSLAVE },
		{ "SIOCGIFMEM", SIOCGIFMEM }, { "SIOCGIFENCAP", SIOCGIFENCAP },
		{ "SIOCGIFCOUNT", SIOCGIFCOUNT }, { "SIOCGMIIPHY", SIOCGMIIPHY },
		{ "SIOCGARP", SIOCGARP }, { "SIOCGRARP", SIOCGRARP }, { "SIOCRTMSG", SIOCRTMSG },
		{ "SIOCGSTAMP", SIOCGSTAMP_OLD }, { "SIOCGSTAMPNS", SIOCGSTAMPNS_OLD },
		{ "SIOCGPGRP", SIOCGPGRP }, { "FIOGETOWN", FIOGETOWN }, { "FIOQSIZE", 0x5460 },
		{ "FIGETBSZ", 2 }, { "TCGETS", TCGETS }, { "SIOCGSKNS", 0x894c },
		{ "SIOCUNIXFILE", 0x89e0 }, { "the protocol's own", SIOCPROTOPRIVATE },
	};
	char room[256] = { 0 };

	printf("interfaces, %s\n", what);
	for (size_t i = 0; i < NELEM(some); i++) {
		struct ifreq ifr = { .ifr_name = "lo" };
		int ret;

		if (some[i].req == SIOCGIFNAME)
			ifr.ifr_ifindex = 1;
		memcpy(room, &ifr, sizeof(ifr));
		ret = ioctl(fd, some[i].req, room);
		printf("  %s: %s\n", some[i].name, ret < 0 ? ename(errno) : "answered");
		if (ret > 2)
			close(ret);
		memcpy(&ifr, room, sizeof(ifr));
		ifr.ifr_name[0] = 'x';
		strcpy(ifr.ifr_name + 1, "none0");
		if (some[i].req >= SIOCGIFNAME && some[i].req <= SIOCGIFTXQLEN &&
		    some[i].req != SIOCGIFNAME)
			printf("    of none: %s\n",
			       ioctl(fd, some[i].req, &ifr) ? ename(errno) : "answered");
	}
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
	interfaces("fresh", f);
	interfaces("listener", l);
	interfaces("connected", c);
	close(c);
	close(s);
	close(l);
	close(f);
	return 0;
}
