/*
 * udp.c - ports: the kernel's UDP sockets. Sending happens in whichever
 * thread has something to send, a train of datagrams in one call (UDP GSO);
 * receiving in the driver, many buffers in one call, trains of equal
 * datagrams in one buffer (UDP GRO).
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include "rt/files.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
	PORT_BUFFER = 16 << 20,	/* asked of the kernel; it gives what it allows */
	RX_BUF_UNITS = RUN_UNITS_MAX,
	RX_ROUNDS = 4,		/* batches of one port before others get a turn */
	CTL_BYTES = 128,
	DRAIN_ERRORS = 16,
};

static void opt(int fd, int level, int name, int val)
{
	sys_setsockopt(fd, level, name, &val, sizeof(val));
}

int udp_make(struct port *p, int family, bool v6only, bool reuseport)
{
	int fd, got = 0;
	socklen_t len = sizeof(got);

	FILES_MAKE(fd, sys_socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return fd;
	*p = (struct port){ .drv_fd = -1, .open = true, .v4 = family == AF_INET, .refs = 1 };
	if (sys_setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ PORT_BUFFER }, sizeof(int)))
		opt(fd, SOL_SOCKET, SO_RCVBUF, PORT_BUFFER);
	opt(fd, SOL_SOCKET, SO_SNDBUF, PORT_BUFFER);
	opt(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	opt(fd, IPPROTO_UDP, UDP_GRO, 1);
	if (family == AF_INET6) {
		opt(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
		opt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		opt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
		opt(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	}
	if (family == AF_INET || !v6only) {
		opt(fd, IPPROTO_IP, IP_PKTINFO, 1);
		opt(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
		opt(fd, IPPROTO_IP, IP_RECVERR, 1);
	}
	if (reuseport)
		opt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	sys_getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len);
	/* The kernel counts overhead too, and gives freed room back late. */
	p->capacity = (u32)max(got, 65536) / 2;
	return fd;
}

int udp_open(struct port *p, int family, bool v6only, bool reuseport)
{
	int fd = udp_make(p, family, v6only, reuseport);

	return fd < 0 ? fd : rt_fd_high(fd);
}

/* ---- sending ------------------------------------------------------------------ */

struct tx_ctl {
	_Alignas(struct cmsghdr) char buf[CTL_BYTES];
	unsigned len;
};

static void add_ctl(struct tx_ctl *t, int level, int type, const void *data, unsigned len)
{
	struct cmsghdr *cm = (struct cmsghdr *)(void *)(t->buf + t->len);

	cm->cmsg_level = level;
	cm->cmsg_type = type;
	cm->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cm), data, len);
	t->len += CMSG_SPACE(len);
}

/* The answer leaves from the address that was asked. */
static void add_source(struct tx_ctl *t, const union sock_addr *from)
{
	if (from->sa.sa_family == AF_INET) {
		struct in_pktinfo pi = { .ipi_spec_dst = from->in.sin_addr };

		if (pi.ipi_spec_dst.s_addr)
			add_ctl(t, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	} else if (IN6_IS_ADDR_V4MAPPED(&from->in6.sin6_addr)) {
		struct in_pktinfo pi = { 0 };

		memcpy(&pi.ipi_spec_dst, &from->in6.sin6_addr.s6_addr[12], 4);
		add_ctl(t, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	} else if (from->sa.sa_family == AF_INET6) {
		struct in6_pktinfo pi = { .ipi6_addr = from->in6.sin6_addr,
					  .ipi6_ifindex = from->in6.sin6_scope_id };

		if (!IN6_IS_ADDR_UNSPECIFIED(&pi.ipi6_addr))
			add_ctl(t, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	}
}

static socklen_t addr_len(const union sock_addr *a)
{
	return a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

/* The program's number is another descriptor's in the driver. */
static int own_fd(const struct sock *sk)
{
	return rt_bypass ? sk->port.drv_fd : sock_udp_fd(sk);
}

/* The one of the listener will do, from whose port it has split off. */
static int tx_fd(const struct sock *sk, struct sock **owner)
{
	struct sock *lsk = rt_sock(sk->listener ? sk->listener - 1 : 0);
	int fd;

	if (unlikely(drv.stands_in))
		return standin_port(*owner);
	fd = own_fd(*owner);
	if (fd >= 0 || !lsk || lsk == *owner || atomic_load(&lsk->kind) != SK_LISTENER ||
	    !port_is_same(lsk, sk))
		return fd;
	*owner = lsk;
	return own_fd(lsk);
}

static ssize_t send_on(int fd, const struct msghdr *m)
{
	ssize_t n = sys_sendmsg(fd, m, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == -ECONNREFUSED)		/* an earlier packet's; its queue tells whose */
		n = sys_sendmsg(fd, m, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n;
}

/* 0: it left. -EAGAIN: the socket is full. Other errors: it is as good as lost. */
static int send_batch(struct sock *sk, struct sock *owner, int fd, const struct tx_batch *b)
{
	struct tx_ctl ctl = { .len = 0 };
	struct msghdr m = { .msg_iov = (struct iovec *)b->iov, .msg_iovlen = (size_t)b->niov };
	ssize_t n;

	if (b->npkts > 1) {
		u16 gso = (u16)b->gso_size;

		add_ctl(&ctl, IPPROTO_UDP, UDP_SEGMENT, &gso, sizeof(gso));
	}
	if (!owner->port.connected) {
		m.msg_name = &sk->peer;
		m.msg_namelen = addr_len(&sk->peer);
		if (owner->port.wildcard)
			add_source(&ctl, &sk->local);
	}
	if (ctl.len) {
		m.msg_control = ctl.buf;
		m.msg_controllen = ctl.len;
	}
	n = send_on(fd, &m);
	return n < 0 ? (int)n : 0;
}

/* The route carries less than we thought. */
static void path_shrank(struct sock *sk)
{
	u16 d = udp_path_dgram(&sk->peer);

	if (d >= sk->conn.dgram_max)
		d = (u16)max((int)WIRE_DGRAM_MIN, sk->conn.dgram_max - 64);
	conn_set_dgram_max(&sk->conn, d);
}

/* R3.15: how much is still in the kernel's queue? True: go on. */
static bool queue_drained(struct sock *sk, int fd)
{
	int queued = 0;

	if (fd >= 0)
		sys_call6(SYS_ioctl, fd, SIOCOUTQ, (long)&queued, 0, 0, 0);
	return conn_below(&sk->conn, (u64)max(queued, 0));
}

u32 udp_below(struct sock *sk)
{
	struct sock *owner = rt_sock(sk->port_index);

	if (atomic_load(&sk->kind) != SK_CONN)
		return 0;
	queue_drained(sk, tx_fd(sk, &owner));
	return (u32)min(sk->conn.tx_below, (u64)UINT32_MAX);
}

void udp_flush(struct sock *sk, usec_t now)
{
	struct sock *owner = rt_sock(sk->port_index);
	struct tx_batch b;
	int fd, ret;

	if (sk->tx_blocked && !rt_bypass && !drv.stands_in)
		return;		/* the driver tries again, whoever was stopped */
	fd = tx_fd(sk, &owner);
	if (unlikely(drv.stands_in) && fd < 0)
		return;
	sk->tx_blocked = false;
	if (unlikely(!sk->conn.below_told))
		conn_below(&sk->conn, 0);
	for (;;) {
		if (conn_output(&sk->conn, &b, WIRE_DGRAM_MAX, now) <= 0) {
			if (!sk->conn.below_full || !queue_drained(sk, fd))
				break;
			continue;
		}
		if (fd < 0 && rt_bypass) {
			/* its port went with a dead driver, or has still to be adopted */
			conn_sent(&sk->conn, &b, now);
			continue;
		}
		if (fd < 0) {
			sk->tx_blocked = true;	/* no descriptor here: the driver sends */
			break;
		}
		ret = send_batch(sk, owner, fd, &b);
		if (ret == -EAGAIN) {
			domain_count(drv.dom, CNT_SndBufErrors, 1);
			sk->tx_blocked = true;
			if (rt_bypass)
				driver_tx_wait(sk);
			break;
		}
		if ((ret == -EMSGSIZE || ret == -EINVAL) &&
		    sk->conn.dgram_max > WIRE_DGRAM_MIN) {
			path_shrank(sk);
			continue;
		}
		conn_sent(&sk->conn, &b, now);
		if (ret < 0 && b.kind == TX_RST)
			domain_count(drv.dom, CNT_TCPAbortFailed, 1);
		if (ret < 0 && ret != -ENOBUFS && ret != -ENOMEM)
			conn_icmp(&sk->conn, -ret, now);
	}
}

void udp_reply(struct sock *port_sk, const void *pkt, unsigned len,
	       const union sock_addr *to, const union sock_addr *from)
{
	struct iovec iov = { (void *)pkt, len };
	struct tx_ctl ctl = { .len = 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (!port_sk->port.connected) {
		m.msg_name = (void *)to;
		m.msg_namelen = addr_len(to);
		if (port_sk->port.wildcard)
			add_source(&ctl, from);
	}
	if (ctl.len) {
		m.msg_control = ctl.buf;
		m.msg_controllen = ctl.len;
	}
	if (send_on(port_end(port_sk), &m) > 0)
		domain_count(drv.dom, CNT_OutSegs, 1);
}

/* ---- receiving --------------------------------------------------------------------- */

/* Pool's lock held. Buffers after `last`, the last that is used, were filled
 * while others were parked, or when the pool was allowed to be larger. */
static void give_idle_back(const struct rxbuf *last)
{
	struct mem_acct *pool = arena_pool(drv.ar);
	unsigned target = arena_pool_target(drv.ar);

	for (unsigned i = DRIVER_RXBUFS; pool->pages > target && &drv.shm->rx[--i] != last;) {
		struct rxbuf *rb = &drv.shm->rx[i];

		if (!atomic_load(&rb->busy))
			rx_give_back(rb);
	}
}

/* rx_lock: as many buffers as calls have filled lately; each is real memory. */
static unsigned rx_want = RX_FEW_BUFS;

/* Buffers for one call, in pages of the pool. At least one, by force: without
 * it nothing could be acknowledged (D8.8). */
static unsigned fill_buffers(struct rxbuf **out)
{
	struct mem_acct *pool = arena_pool(drv.ar);
	unsigned want = clamp(arena_pool_target(drv.ar) / RUN_PAGES_MAX, 1u, rx_want);
	unsigned n = 0;

	pool_lock();
	for (unsigned i = 0; i < DRIVER_RXBUFS && n < want; i++) {
		struct rxbuf *rb = &drv.shm->rx[i];

		if (atomic_load(&rb->busy))
			continue;
		if (!rb->unit)
			rb->unit = mem_alloc(pool, RX_BUF_UNITS, MEM_RCV, false);
		if (!rb->unit && !n)
			rb->unit = mem_alloc(pool, RX_BUF_UNITS, MEM_RCV, true);
		if (!rb->unit) {
			domain_count(drv.dom, CNT_MemPoolShort, 1);
			break;
		}
		out[n++] = rb;
	}
	if (n == want)
		give_idle_back(out[n - 1]);
	pthread_mutex_unlock(&drv.shm->pool_lock);
	return n;
}

void udp_rest(void)
{
	pump_lock();
	pool_lock();
	rx_want = RX_FEW_BUFS;
	for (unsigned i = RX_FEW_BUFS; i < DRIVER_RXBUFS; i++) {
		struct rxbuf *rb = &drv.shm->rx[i];

		if (!atomic_load(&rb->busy))
			rx_give_back(rb);
	}
	pthread_mutex_unlock(&drv.shm->pool_lock);
	pump_unlock();
}

struct rx_slot {
	struct iovec iov;
	struct rx_meta meta;
	_Alignas(struct cmsghdr) char ctl[CTL_BYTES];
};

static struct rx_slot rx_slots[RX_BATCH_BUFS];
static struct mmsghdr rx_msgs[RX_BATCH_BUFS];

static void prepare_slot(unsigned i, struct rxbuf *rb)
{
	struct rx_slot *s = &rx_slots[i];

	s->iov = (struct iovec){ arena_unit_addr(drv.ar, rb->unit), RUN_PAGES_MAX * PAGE_BYTES };
	rx_msgs[i].msg_hdr = (struct msghdr){
		.msg_name = &s->meta.from, .msg_namelen = sizeof(s->meta.from),
		.msg_iov = &s->iov, .msg_iovlen = 1,
		.msg_control = s->ctl, .msg_controllen = sizeof(s->ctl),
	};
}

/* Addresses come as the socket's family has them; v4-mapped ones stay mapped. */
static void local_address(struct rx_meta *m, const struct cmsghdr *cm, const struct sock *port_sk)
{
	if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo pi;

		memcpy(&pi, CMSG_DATA(cm), sizeof(pi));
		if (port_sk->port.v4) {
			m->to.in.sin_addr = pi.ipi_addr;
		} else {
			memset(&m->to.in6.sin6_addr, 0, 10);
			memset(&m->to.in6.sin6_addr.s6_addr[10], 0xff, 2);
			memcpy(&m->to.in6.sin6_addr.s6_addr[12], &pi.ipi_addr, 4);
		}
	} else if (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo pi;

		memcpy(&pi, CMSG_DATA(cm), sizeof(pi));
		m->to.in6.sin6_addr = pi.ipi6_addr;
		if (IN6_IS_ADDR_LINKLOCAL(&pi.ipi6_addr))
			m->to.in6.sin6_scope_id = pi.ipi6_ifindex;
	}
}

/* What came with a buffer of len bytes. Returns the size of the datagrams that
 * were merged into it, 0: it is one. */
static u16 read_meta(struct port_watch *pw, const struct sock *port_sk, struct msghdr *mh,
		     u32 len, struct rx_meta *m)
{
	u16 gso = 0;
	struct cmsghdr *cm;

	m->from_len = mh->msg_namelen;
	m->to = port_sk->local;
	for (cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level == IPPROTO_UDP && cm->cmsg_type == UDP_GRO) {
			int size;

			memcpy(&size, CMSG_DATA(cm), sizeof(size));
			gso = size > 0 && (u32)size < len ? (u16)size : 0;
		} else if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SO_RXQ_OVFL) {
			u32 ovfl;

			memcpy(&ovfl, CMSG_DATA(cm), sizeof(ovfl));
			if (pw && ovfl != pw->ovfl)
				domain_count(drv.dom, CNT_RcvBufErrors, ovfl - pw->ovfl);
			if (pw)
				pw->ovfl = ovfl;
		} else {
			local_address(m, cm, port_sk);
		}
	}
	return gso;
}

/* ICMP errors, with the head of the packet that met them. */
void port_read_errors(struct sock *port_sk, int fd)
{
	u8 data[256];
	union sock_addr to;
	_Alignas(struct cmsghdr) char ctl[512];

	for (int i = 0; i < 16; i++) {
		struct iovec iov = { data, sizeof(data) };
		struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov,
				    .msg_iovlen = 1, .msg_control = ctl,
				    .msg_controllen = sizeof(ctl) };
		ssize_t n = sys_recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
		struct cmsghdr *cm;

		if (n < 0)
			return;
		for (cm = CMSG_FIRSTHDR(&m); cm; cm = CMSG_NXTHDR(&m, cm)) {
			struct sock_extended_err ee;

			if (!((cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_RECVERR) ||
			      (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_RECVERR)))
				continue;
			memcpy(&ee, CMSG_DATA(cm), sizeof(ee));
			rx_icmp(port_sk, (int)ee.ee_errno, data, (size_t)n, &to);
		}
	}
}

/* False: nothing more there, or what came has ended the port's last sock, and
 * pw with it. */
static bool receive_batch(struct port_watch *pw, struct sock *port_sk, int fd)
{
	u32 index = port_sk->index;
	struct rxbuf *rb[RX_BATCH_BUFS];
	unsigned want = fill_buffers(rb);
	int n;

	if (!want)
		return false;
	for (unsigned i = 0; i < want; i++)
		prepare_slot(i, rb[i]);
	n = sys_recvmmsg(fd, rx_msgs, want, MSG_DONTWAIT);
	if (n < 0) {
		port_read_errors(port_sk, fd);
		return false;
	}
	if ((unsigned)n == rx_want && rx_want < RX_BATCH_BUFS)
		rx_want *= 2;
	rx_batch_begin(rt_now());
	for (int i = 0; i < n && drv.ports[index] == pw; i++) {
		rb[i]->len = rx_msgs[i].msg_len;
		rb[i]->gso = read_meta(pw, port_sk, &rx_msgs[i].msg_hdr, rb[i]->len,
				       &rx_slots[i].meta);
		rx_buffer(pw, port_sk, rb[i], &rx_slots[i].meta);
	}
	rx_batch_end();
	return (unsigned)n == want && drv.ports[index] == pw;
}

bool port_receive(struct port_watch *pw)
{
	struct sock *port_sk = rt_sock(pw->index);
	int fd = rt_bypass ? port_sk->port.drv_fd : sock_udp_fd(port_sk);

	if (fd < 0)
		return false;
	for (int round = 0; round < RX_ROUNDS; round++)
		if (!receive_batch(pw, port_sk, fd))
			break;
	return true;
}

ssize_t port_read(struct port_watch *pw, struct sock *port_sk, int fd, void *buf, size_t size,
		  struct rx_meta *m, u32 *step)
{
	_Alignas(struct cmsghdr) char ctl[CTL_BYTES];
	struct iovec iov = { buf, size };
	struct msghdr mh = { .msg_name = &m->from, .msg_namelen = sizeof(m->from),
			     .msg_iov = &iov, .msg_iovlen = 1,
			     .msg_control = ctl, .msg_controllen = sizeof(ctl) };
	ssize_t n = sys_recvmsg(fd, &mh, MSG_DONTWAIT);
	u16 gso;

	if (n < 0)
		return n;
	gso = read_meta(pw, port_sk, &mh, (u32)n, m);
	*step = gso ? gso : (u32)n;
	return n;
}

/* It may be in the midst of a batch, so that the slots are not ours. */
void port_drain(struct sock *port_sk)
{
	static u8 buf[RUN_PAGES_MAX * PAGE_BYTES];
	struct port_watch *pw = port_sk->index < drv.ntables ? drv.ports[port_sk->index] : NULL;
	struct rx_meta m;
	unsigned errors = 0;
	u32 step;

	if (!pw)
		return;
	pump_lock();
	rx_batch_begin(rt_now());
	while (errors < DRAIN_ERRORS) {
		ssize_t n = port_read(pw, port_sk, port_sk->port.drv_fd, buf, sizeof(buf), &m,
				      &step);

		if (n == -EAGAIN)
			break;
		errors += n < 0;	/* ICMP's, one at a time */
		if (n < 0)
			continue;
		rx_one_by_one(port_sk, buf, (u32)n, step, &m);
	}
	pump_unlock();
}

void port_watch_start(struct sock *sk)
{
	struct port_watch *pw = calloc(1, sizeof(*pw));

	if (!pw)
		return;
	pw->index = sk->index;
	care_new(sk);
	ev_init(&pw->wr, NULL);
	pump_lock();
	drv.ports[sk->index] = pw;
	pump_port_add(sk->port.drv_fd, sk->index);
	pump_unlock();
}

void port_watch_stop(struct sock *sk)
{
	struct port_watch *pw = sk->index < drv.ntables ? drv.ports[sk->index] : NULL;

	if (pw) {
		ev_io_stop(drv.loop, &pw->wr);
		pump_lock();
		pump_port_del(sk->port.drv_fd);
		drv.ports[sk->index] = NULL;
		pump_unlock();
		free(pw);
	}
	care_forget(sk, CARE_PORT);
	if (sk->port.drv_fd >= 0)
		sys_close(sk->port.drv_fd);
	sk->port.drv_fd = -1;
	sk->port.open = false;
}

/* How many connections share a port's receive queue: those that sent in the
 * last tick, so that idle ones cost the others nothing. */
void port_tick(void)
{
	pump_lock();
	drv.ticks++;
	for (u32 i = 0; i < drv.ntables; i++) {
		struct port_watch *pw = drv.ports[i];

		if (!pw)
			continue;
		pw->senders = pw->senders_now;
		pw->senders_now = 0;
	}
	pump_unlock();
}
