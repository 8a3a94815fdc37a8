/*
 * port.c - a listener is gone, its port number is wanted again. TCP with
 * SO_REUSEADDR lets a new listener bind while old connections live. UDP asks
 * SO_REUSEADDR of every socket on the number, so:
 *
 *   - a live listener's UDP socket never has it: a second bind is refused;
 *   - a closed listener's gets it. The newer socket then receives all, which
 *     is right as long as one driver has both: it finds connections by id;
 *   - a caretaker, whose program is gone, gives each connection a socket of
 *     its own, connected, which the kernel prefers for that peer, and the
 *     number is free for whoever starts next.
 */
#include <errno.h>
#include <fcntl.h>
#include "rt/files.h"
#include "rt/plain.h"
#include "rt/rt.h"
#include "rt/sys.h"

enum {
	OWN_FDS = 1024,		/* where the program's own UDP sockets are looked for */
	FIND_TRIES = 16,
};

static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

static void reuse(int fd, int on)
{
	sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

static void share(int fd, int on)
{
	sys_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

void port_release(int udp_fd)
{
	if (udp_fd >= 0)
		reuse(udp_fd, 1);
}

/* Connected to itself, a UDP socket is passed over by every packet, and the
 * kernel answers that the port is unreachable. */
static void deafen(int udp_fd, const union sock_addr *local, socklen_t len)
{
	union sock_addr self = *local;

	if (self.sa.sa_family == AF_INET && self.in.sin_addr.s_addr == INADDR_ANY)
		self.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (self.sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&self.in6.sin6_addr))
		self.in6.sin6_addr = in6addr_loopback;
	sys_connect(udp_fd, &self, len);
}

void port_deafen(const struct sock *sk, int udp_fd)
{
	deafen(udp_fd, &sk->local, sk->addr_len);
}

/*
 * A port that is bound and not listening refuses, in TCP. A UDP socket that
 * nobody reads would swallow what comes instead. Not with privileged ports:
 * they may be bound as root, and opened when the privilege is gone.
 */
void port_reserve(int udp_fd, const union sock_addr *local, socklen_t len)
{
	u16 port = local->sa.sa_family == AF_INET ? local->in.sin_port : local->in6.sin6_port;

	if (ntohs(port) >= IPPORT_RESERVED)	/* nor with none yet */
		deafen(udp_fd, local, len);
}

/* What came between a listener's close and now would be lost with the socket,
 * and who sent it would wait for its first timeout to learn the same. Some of
 * it may be for connections that have moved to sockets of their own. */
void port_empty(struct sock *sk)
{
	if (sk->port.drv_fd < 0)
		return;
	port_deafen(sk, sk->port.drv_fd);
	port_drain(sk);
}

/* To receive, it is replaced by one that never was connected: disconnecting
 * loses the number, or leaves the peer's address behind (IPv6). Other processes
 * that got the old one know by its serial number. */
int port_open(struct sock *sk)
{
	struct local *l = local_get(sk->index);
	int ret, fd, udp_fd = sock_udp_fd(sk);
	union sock_addr self;
	socklen_t len = sizeof(self);
	struct port p;

	if (!l || udp_fd < 0)
		return -ENOBUFS;
	if (sys_call6(SYS_getpeername, udp_fd, (long)&self, (long)&len, 0, 0, 0) < 0)
		return 0;		/* it was not reserved */
	fd = udp_open(&p, sk->family, sk->v6only, false);
	if (fd < 0)
		return fd;
	port_options(sk, fd);
	reuse(udp_fd, 1);
	reuse(fd, 1);
	ret = sys_bind(fd, &sk->local, sk->addr_len);
	reuse(fd, 0);
	if (!ret)
		ret = files_replace(fd, udp_fd);
	if (ret >= 0)
		atomic_store(&l->udp_serial, atomic_fetch_add(&sk->udp_serial, 1) + 1);
	rt_fd_forget(fd);
	return min(ret, 0);
}

/* A number of UDP's that the program itself has, as name servers do. */
static bool has_udp(u16 port)
{
	for (int fd = 0; fd < OWN_FDS; fd++) {
		union sock_addr a = { .sa = { 0 } };
		socklen_t len = sizeof(a);
		int type = 0;

		if (rt_fd_protected(fd) || sys_getsockname(fd, &a, &len) < 0)
			continue;
		if (a.sa.sa_family != AF_INET && a.sa.sa_family != AF_INET6)
			continue;
		len = sizeof(type);
		if ((a.sa.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port) == port &&
		    !sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_DGRAM)
			return true;
	}
	return false;
}

static bool tcp_has_it(const struct sock *sk, const union sock_addr *name)
{
	int fd = sys_socket(sk->family, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return false;
	if (sk->family == AF_INET6)
		sys_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ sk->v6only }, sizeof(int));
	ret = sys_bind(fd, name, sk->addr_len);
	sys_close(fd);
	return ret == -EADDRINUSE;
}

/* A number that the kernel finds is to be free for a listener's other half, too,
 * and for a connect() that goes on over TCP. The last one is kept: then there is
 * none. */
static int bind_any(const struct sock *sk, const union sock_addr *a, int udp_fd)
{
	int ret = sys_bind(udp_fd, a, sk->addr_len);

	for (int i = 0; !ret && (rt_env()->both || rt_env()->fallback) && i < FIND_TRIES; i++) {
		union sock_addr name = { .sa = { 0 } };
		socklen_t len = sizeof(name);

		sys_getsockname(udp_fd, &name, &len);
		if (!name.in.sin_port || !tcp_has_it(sk, &name))
			break;
		sys_connect(udp_fd, &nobody, sizeof(nobody));	/* gives it back */
		ret = sys_bind(udp_fd, a, sk->addr_len);
	}
	return ret;
}

/* Alone at first, whatever it would share the number with. The program's own
 * UDP socket must not: each would get what is for the other. */
int port_bind(const struct sock *sk, const union sock_addr *a)
{
	int udp_fd = sock_udp_fd(sk), ret;
	u16 port = sk->family == AF_INET ? a->in.sin_port : a->in6.sin6_port;

	if (sk->family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr))
		return -EINVAL;
	if (sk->reuseport)
		share(udp_fd, 0);
	ret = port ? sys_bind(udp_fd, a, sk->addr_len) : bind_any(sk, a, udp_fd);
	if (sk->reuseport)
		share(udp_fd, 1);
	if (ret != -EADDRINUSE)
		return ret;
	if (rt_env()->both && has_udp(port)) {
		plain_tell(sk, a, true);
		return SOCK_PLAIN;
	}
	if (sk->reuseport)
		ret = sys_bind(udp_fd, a, sk->addr_len);
	if (ret != -EADDRINUSE || !sk->reuseaddr)
		return ret;
	reuse(udp_fd, 1);
	ret = sys_bind(udp_fd, a, sk->addr_len);
	reuse(udp_fd, 0);
	return ret;
}

static bool is_group(const union sock_addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return IN_MULTICAST(ntohl(a->in.sin_addr.s_addr));
	if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return IN_MULTICAST(ntohl(a->in6.sin6_addr.s6_addr32[3]));
	return IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
}

/* UDP reaches groups, and a broadcast with leave (EACCES); TCP neither. */
int port_connect(const struct sock *sk)
{
	int udp_fd = sock_udp_fd(sk), ret, on = 1, off = 0;

	if (is_group(&sk->peer))
		return -ENETUNREACH;
	ret = sys_connect(udp_fd, &sk->peer, sk->addr_len);
	if (ret == -EACCES) {
		sys_setsockopt(udp_fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
		if (!sys_connect(udp_fd, &sk->peer, sk->addr_len)) {
			sys_connect(udp_fd, &nobody, sizeof(nobody));
			ret = -ENETUNREACH;
		}
		sys_setsockopt(udp_fd, SOL_SOCKET, SO_BROADCAST, &off, sizeof(off));
	}
	return ret == -EAGAIN ? -EADDRNOTAVAIL : ret;
}

static bool split_one(struct sock *sk, struct sock *owner)
{
	struct port p;
	int fd = udp_make(&p, sk->local.sa.sa_family, false, owner->reuseport);

	if (fd < 0)
		return false;
	port_options(sk, fd);
	reuse(fd, 1);
	if (sys_bind(fd, &sk->local, sk->addr_len) < 0 ||
	    sys_connect(fd, &sk->peer, sk->addr_len) < 0) {
		sys_close(fd);
		return false;
	}
	p.connected = true;
	p.drv_fd = fd;
	sk->port = p;
	sk->port_index = sk->index;
	owner->port.refs--;
	port_watch_start(sk);
	return true;
}

/* Which of a group's sockets the kernel gives a packet changes when one joins
 * or leaves. A connected one it prefers. */
void port_of_its_own(struct sock *sk)
{
	struct sock *owner = rt_sock(sk->port_index);

	if (owner != sk && owner->reuseport)
		split_one(sk, owner);
}

void port_split(struct sock *owner)
{
	for (u32 i = 1; i < arena_slots_max(drv.ar) && owner->port.refs > 1; i++) {
		struct sock *sk = rt_sock(i);

		if (sk == owner || sk->port_index != owner->index ||
		    atomic_load(&sk->kind) == SK_FREE || !sk->known || !sock_trylock(sk, 0))
			continue;
		split_one(sk, owner);
		sock_unlock(sk, -1);
	}
}
