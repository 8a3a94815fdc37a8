/* files.c - what a socket answers to calls that are meant for files, and to
 * the twins of calls that a fortified program is linked with. */
#include "conform.h"
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/timerfd.h>
#include <sys/xattr.h>
#include <termios.h>

ssize_t __read_chk(int fd, void *buf, size_t len, size_t buflen);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t buflen, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t buflen, int flags,
		       struct sockaddr *from, socklen_t *fromlen);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t len);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask,
		size_t len);
ssize_t __read(int fd, void *buf, size_t len);
ssize_t __write(int fd, const void *buf, size_t len);
ssize_t __send(int fd, const void *buf, size_t len, int flags);
int __close(int fd);
int __connect(int fd, const struct sockaddr *sa, socklen_t len);
int __dup2(int fd, int to);
int __select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *tv);

static char buf[4096];

static void as_file(const char *what, int fd)
{
	struct stat st;
	struct statfs sfs;
	struct statx stx;
	struct termios tio;
	char path[64], link[64] = "";
	int file = memfd_create("file", 0);

	printf("-- %s\n", what);
	say("fstat", fstat(fd, &st));
	printf("a socket %d mode %o size %ld links %ld\n", S_ISSOCK(st.st_mode),
	       st.st_mode & 07777, (long)st.st_size, (long)st.st_nlink);
	say("statx", statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
	say("fstatfs", fstatfs(fd, &sfs));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	printf("link: %d\n", readlink(path, link, sizeof(link) - 1) > 0 &&
	       !strncmp(link, "socket:[", 8));
	say("open by its link", open(path, O_RDWR));
	say("isatty", isatty(fd) ? 1 : -1);
	say("tcgetattr", tcgetattr(fd, &tio));
	say("lseek", lseek(fd, 1, SEEK_SET));
	say("ftruncate", ftruncate(fd, 0));
	say("fsync", fsync(fd));
	say("fdatasync", fdatasync(fd));
	say("flock", flock(fd, LOCK_SH | LOCK_NB));
	say("lockf", lockf(fd, F_TEST, 1));
	errno = posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
	say("posix_fadvise", errno ? -1 : 0);
	errno = posix_fallocate(fd, 0, 1);
	say("posix_fallocate", errno ? -1 : 0);
	say("fchdir", fchdir(fd));
	say("fgetxattr", fgetxattr(fd, "user.none", buf, 10));
	say("F_GETFL", fcntl(fd, F_GETFL));
	say("F_GETFD", fcntl(fd, F_GETFD));
	say("F_GETPIPE_SZ", fcntl(fd, F_GETPIPE_SZ));
	say("F_GETLEASE", fcntl(fd, F_GETLEASE));
	say("O_DIRECT", fcntl(fd, F_SETFL, O_DIRECT));
	say("O_APPEND", fcntl(fd, F_SETFL, O_APPEND));
	printf("flags %#x\n", (unsigned)fcntl(fd, F_GETFL));
	fcntl(fd, F_SETFL, 0);
	say("copy_file_range out", copy_file_range(fd, NULL, file, NULL, 1, 0));
	say("copy_file_range in", copy_file_range(file, NULL, fd, NULL, 1, 0));
	say("getdents", read(fd, NULL, 0));
	say("preadv2 at 0", preadv2(fd, &(struct iovec){ buf, 1 }, 1, 0, 0));
	say("epoll_ctl on it", epoll_ctl(fd, EPOLL_CTL_ADD, 0, &(struct epoll_event){ 0 }));
	close(file);
}

static void twins(void)
{
	struct timespec soon = { 5, 0 };
	struct timeval tv = { 5, 0 };
	union addr a;
	socklen_t len;
	fd_set rd;
	struct pollfd p;
	int l = listener(4, &a, &len), c = fresh(), s, d;

	printf("-- twins\n");
	say("__connect", __connect(c, &a.sa, len));
	s = accept(l, NULL, NULL);
	say("__write", __write(c, "0123456789", 10));
	say("__send", __send(c, "abcdefghij", 10, 0));
	p = (struct pollfd){ s, POLLIN, 0 };
	say("__poll_chk", __poll_chk(&p, 1, 5000, sizeof(p)));
	say("__ppoll_chk", __ppoll_chk(&p, 1, &soon, NULL, sizeof(p)));
	FD_ZERO(&rd);
	FD_SET(s, &rd);
	say("__select", __select(s + 1, &rd, NULL, NULL, &tv));
	say("__read", __read(s, buf, 5));
	say("__read_chk", __read_chk(s, buf, 5, sizeof(buf)));
	say("__recv_chk", __recv_chk(s, buf, 5, sizeof(buf), MSG_WAITALL));
	len = sizeof(a);
	say("__recvfrom_chk", __recvfrom_chk(s, buf, 5, sizeof(buf), MSG_WAITALL, &a.sa, &len));
	printf("%.5s, address of %d\n", buf, (int)len);
	d = dup(l);
	say("__dup2", __dup2(s, d) == d ? 0 : -1);
	say("__close", __close(s));
	say("the other works", __write(d, "x", 1));
	read_all(c, buf, 1);
	say("__close", __close(d));
	show_await("peer", c, POLLRDHUP);
	close(c);
	close(l);
}

/* Sockets beside other things that can be waited for, and with masks. */
static volatile sig_atomic_t came;

static void on_usr1(int sig)
{
	(void)sig;
	came++;
}

static void mixed(void)
{
	struct itimerspec never = { .it_value = { .tv_sec = 1000 } };
	struct timespec soon = { 0, 50000000 };
	struct epoll_event ev = { .events = EPOLLIN };
	sigset_t none, usr1;
	struct pollfd p[4];
	fd_set rd;
	int c, s, e = eventfd(0, 0), t = timerfd_create(CLOCK_MONOTONIC, 0), pp[2];
	int ep = epoll_create1(0);

	printf("-- mixed\n");
	pair(&c, &s);
	if (pipe(pp))
		return;
	timerfd_settime(t, 0, &never, NULL);
	p[0] = (struct pollfd){ e, POLLIN, 0 };
	p[1] = (struct pollfd){ s, POLLIN, 0 };
	p[2] = (struct pollfd){ t, POLLIN, 0 };
	p[3] = (struct pollfd){ pp[0], POLLIN, 0 };
	say("poll, nothing", poll(p, 4, 10));
	eventfd_write(e, 1);
	say("poll, the eventfd", poll(p, 4, 1000));
	write_all(c, "x", 1);
	await(s, POLLIN);
	say("poll, the socket too", poll(p, 4, 1000));
	p[3].fd = 9999;
	say("poll, one that is not open", poll(p, 4, 1000));
	printf("%s\n", bits(p[3].revents));
	p[3].fd = -1;
	say("poll, one left out", poll(p, 4, 1000));
	FD_ZERO(&rd);
	FD_SET(s, &rd);
	FD_SET(e, &rd);
	FD_SET(pp[0], &rd);
	say("select", select(FD_SETSIZE, &rd, NULL, NULL, NULL));
	read_all(s, buf, 1);

	signal(SIGUSR1, on_usr1);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
	kill(getpid(), SIGUSR1);
	say("blocked: ppoll", ppoll(&p[1], 1, &soon, NULL));
	say("unblocked: ppoll", ppoll(&p[1], 1, &soon, &none));
	kill(getpid(), SIGUSR1);
	FD_ZERO(&rd);
	FD_SET(s, &rd);
	say("unblocked: pselect", pselect(s + 1, &rd, NULL, NULL, &soon, &none));
	kill(getpid(), SIGUSR1);
	say("unblocked: epoll_pwait", epoll_pwait(ep, &ev, 1, 50, &none));
	printf("handled %d\n", (int)came);
	kill(getpid(), SIGUSR1);
	write_all(c, "x", 1);
	await(s, POLLIN);
	say("ready and pending: ppoll", ppoll(&p[1], 1, &soon, &none));
	say("ready and pending: epoll_pwait", epoll_pwait(ep, &ev, 1, 50, &none));
	printf("handled %d\n", (int)came);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	close(c);
	close(s);
	close(e);
	close(t);
	close(ep);
	close(pp[0]);
	close(pp[1]);
}

static void resolvers(void)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM }, *ai;
	struct ifconf ic = { .ifc_len = sizeof(buf), .ifc_buf = buf };
	struct ifaddrs *ifa;
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = fresh();

	printf("-- resolvers\n");
	printf("getaddrinfo %d\n", getaddrinfo(family == AF_INET ? "127.0.0.1" : "::1", "80",
					       &hints, &ai));
	freeaddrinfo(ai);
	say("getifaddrs", getifaddrs(&ifa));
	freeifaddrs(ifa);
	say("if_nametoindex", if_nametoindex("lo"));
	say("SIOCGIFCONF", ioctl(fd, SIOCGIFCONF, &ic));
	printf("some %d\n", ic.ifc_len >= (int)sizeof(struct ifreq));
	say("SIOCGIFINDEX", ioctl(fd, SIOCGIFINDEX, &ifr));
	printf("%d\n", ifr.ifr_ifindex);
	say("SIOCGIFFLAGS", ioctl(fd, SIOCGIFFLAGS, &ifr));
	printf("loopback %d\n", (ifr.ifr_flags & IFF_LOOPBACK) != 0);
	say("SIOCGIFMTU", ioctl(fd, SIOCGIFMTU, &ifr));
	say("SIOCGIFHWADDR", ioctl(fd, SIOCGIFHWADDR, &ifr));
	say("SIOCGIFNAME", ioctl(fd, SIOCGIFNAME, &(struct ifreq){ .ifr_ifindex = 1 }));
	say("SIOCGIFADDR", ioctl(fd, SIOCGIFADDR, &ifr));
	say("SIOCGIFNETMASK", ioctl(fd, SIOCGIFNETMASK, &ifr));
	close(fd);
}

int main(int argc, char **argv)
{
	union addr a;
	socklen_t len;
	int c, s, l;

	start(argc, argv);
	c = fresh();
	as_file("fresh", c);
	close(c);
	l = listener(4, &a, &len);
	as_file("listener", l);
	close(l);
	pair(&c, &s);
	as_file("connected", c);
	close(c);
	close(s);
	twins();
	mixed();
	resolvers();
	return 0;
}
