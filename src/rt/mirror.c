/*
 * mirror.c - readiness shown through a socketpair (the table is in HACKING.md).
 *
 *   owner's queue: one sentinel byte, always; a second one is the plug. The app
 *     end's SO_SNDBUF is the minimum, so that two messages fill it.
 *   app's queue: token bytes, at least one while there is something to read.
 *
 * A mirror only ever moves forward through FIN, HUP and ERR.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include "rt/care.h"
#include "rt/files.h"
#include "rt/join.h"
#include "rt/rt.h"
#include "rt/sys.h"
#include "rt/watch.h"

enum { TOKENS_MAX = 64, TOKENS_TRIM = 16 };
enum { STRANGERS_MAX = 64 };	/* of other users, connected, and silent: */
#define STRANGERS_S	1.	/* for so long */

static unsigned strangers;

int mirror_fresh(int type)
{
	int fd = sys_socket(AF_UNIX, SOCK_STREAM | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0);
	int least = 1;

	if (fd >= 0)
		sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	return fd;
}

static int connect_driver(int fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + drv.name_len);
	int ret, fl;

	memcpy(sa.sun_path, drv.name, drv.name_len);
	ret = sys_connect(fd, &sa, len);
	if (ret != -EAGAIN)
		return ret;
	/* The driver's queue is full for a moment: wait for a place. */
	fl = sys_fcntl(fd, F_GETFL, 0);
	sys_fcntl(fd, F_SETFL, fl & ~O_NONBLOCK);
	ret = sys_connect(fd, &sa, len);
	sys_fcntl(fd, F_SETFL, fl);
	return ret;
}

int mirror_pair(struct sock *sk, int fd)
{
	struct hello h = { drv.nonce, sk->index, atomic_load(&sk->gen), 0, 0 };
	struct care_msg cm;
	int ret, udp = sock_udp_fd(sk);

	if (udp < 0)
		return -ENOBUFS;
	ret = connect_driver(fd);
	if (ret < 0)
		return ret;
	care_msg_init(&cm, &h, sizeof(h), &udp, 1);
	sk->m = (struct mirror){ .paired = true, .plugged = true };
	atomic_store(&sk->offered, 1);
	ret = (int)sys_sendmsg(fd, &cm.m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (ret < 0) {
		sk->m = (struct mirror){ .paired = false };
		return ret;
	}
	sys_send(fd, "s", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	sys_send(fd, "p", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return 0;
}

int mirror_send(const struct hello *h, const int *fds, unsigned n)
{
	struct hello said = *h;
	struct care_msg cm;
	int chan = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	if (chan < 0)
		return chan;
	care_msg_init(&cm, &said, sizeof(said), fds, n);
	ret = connect_driver(chan);
	if (!ret)
		ret = (int)sys_sendmsg(chan, &cm.m, MSG_NOSIGNAL | MSG_DONTWAIT);
	sys_close(chan);
	return ret;
}

int mirror_again(struct sock *sk)
{
	struct hello h = { drv.nonce, sk->index, atomic_load(&sk->gen), 1, 0 };
	int made = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), size = RELAY_SNDBUF;
	int ret, fd;

	if (made < 0)
		return made;
	/* 0, 1 and 2 may be free because the program is about to fill them. */
	fd = sys_fcntl(made, F_DUPFD_CLOEXEC, 3);
	sys_close(made);
	if (fd < 0)
		return fd;
	sys_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ret = connect_driver(fd);
	if (!ret)
		ret = (int)sys_send(fd, &h, sizeof(h), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (ret > 0) {
		atomic_store(&sk->cookie, join_cookie(fd));
		return fd;
	}
	sys_close(fd);
	return ret;
}

/* Whose first words make no sense is hung up on, when all other hang-ups have
 * been seen. */
void mirror_driver_round(usec_t until)
{
	struct hello nonsense = { .nonce = ~drv.nonce };
	int fd = rt_running() ? sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
	usec_t now = until == USEC_NEVER ? 0 : rt_now(), left = until > now ? until - now : 1;
	struct timeval tv = { (time_t)(left / USEC_PER_SEC), (suseconds_t)(left % USEC_PER_SEC) };
	char c;

	if (fd < 0)
		return;
	if (until != USEC_NEVER)
		sys_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (!connect_driver(fd) &&
	    sys_send(fd, &nonsense, sizeof(nonsense), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		sys_recv(fd, &c, 1, 0);
	sys_close(fd);
}

void mirror_watch(struct sock *sk, int fd)
{
	struct epoll_event ev = { .events = EPOLLET };

	care_new(sk);
	ev.data.u64 = (u64)atomic_load(&sk->gen) << 32 | sk->index;
	sys_call6(SYS_epoll_ctl, drv.hup_epfd, EPOLL_CTL_ADD, fd, (long)&ev, 0, 0);
}

int mirror_make(struct sock *sk)
{
	int sv[2], least = 1, ret;

	FILES_MAKE(ret, sys_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	if (ret < 0)
		return ret;
	files_made(sv[0]);
	sys_setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	sys_send(sv[1], "s", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	sk->m = (struct mirror){ .paired = true };
	sk->owner_fd = sv[0];
	atomic_store(&sk->cookie, join_cookie(sv[1]));
	mirror_watch(sk, sv[0]);
	return sv[1];
}

/* ---- pairs that connect to the driver ------------------------------------------ */

static bool same_user(int fd)
{
	struct ucred uc;
	socklen_t len = sizeof(uc);

	return !sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) &&
	       (uc.uid == geteuid() || uc.uid == getuid() || uc.uid == 0);
}

/* Takes the owner end and the port over. The sock may be locked by the very
 * thread that connects, so only what is the driver's alone is written. */
static bool adopt(int fd, const struct hello *h, int udp)
{
	struct sock *sk = rt_sock(h->index);
	u32 what = PEND_SETTLE;

	if (h->nonce != drv.nonce || !sk || atomic_load(&sk->gen) != h->gen ||
	    !atomic_load(&sk->offered) || sk->owner_fd >= 0 ||
	    (udp < 0 && atomic_load(&sk->kind) == SK_LISTENER))
		return false;
	if (udp < 0) {		/* we have no number for it: TCP, or an error */
		sk->icmp_err = EMFILE;
		what |= PEND_ICMP;
	}
	given_used(sk);
	sk->owner_fd = fd;
	sk->port.drv_fd = udp;
	life_adopt(sk);
	mirror_watch(sk, fd);
	if (sock_note_trylock(sk, h->gen, what))
		sock_unlock(sk, -1);
	return true;
}

/* The relay's pair, in the place of the one that had shown the end. */
static bool adopt_again(int fd, const struct hello *h)
{
	struct sock *sk = rt_sock(h->index);

	if (h->nonce != drv.nonce || !sk || atomic_load(&sk->gen) != h->gen ||
	    !atomic_load(&sk->relay_moving))
		return false;
	relay_stop(sk);
	care_forget(sk, CARE_OWNER);
	if (sk->owner_fd >= 0)
		sys_close(sk->owner_fd);
	sk->owner_fd = fd;
	mirror_watch(sk, fd);
	atomic_store(&sk->relay_moving, false);
	if (sock_note_trylock(sk, h->gen, PEND_SETTLE))
		sock_unlock(sk, -1);
	return true;
}

/* Has connected and said nothing yet. */
struct pending {
	ev_io io;
	ev_timer limit;
	struct list link;
	bool reading;
};

static struct list pendings = { &pendings, &pendings };
static bool hearing;		/* them */
static bool poor;		/* who speaks has our last numbers */
static int read_hello(int fd);

void mirror_driver_init(void)
{
	list_init(&pendings);
	strangers = 0;
	hearing = false;
}

static void stop_waiting(struct pending *p)
{
	ev_io_stop(drv.loop, &p->io);
	if (ev_is_active(&p->limit))
		strangers--;
	ev_timer_stop(drv.loop, &p->limit);
	list_del(&p->link);
	free(p);
}

static void pending_try(struct pending *p)
{
	if (p->reading)
		return;
	p->reading = true;
	if (read_hello(p->io.fd))
		stop_waiting(p);
	else
		p->reading = false;
}

/* Who spoke before somebody else is heard before him. */
static void pending_all(void)
{
	if (hearing)
		return;
	hearing = true;
	for (struct list *l = pendings.next, *next; l != &pendings; l = next) {
		next = l->next;
		pending_try(container_of(l, struct pending, link));
	}
	hearing = false;
}

/* What came with it and is kept as our own is taken out of `fds`. True: the
 * channel itself is kept, too. */
static bool run_ours(int fd, const struct hello *h, int fds[2])
{
	bool keep = false;

	switch (h->again) {
	case HELLO_PAIR:
		if (poor && fds[0] >= 0)
			sys_close(fds[0]);
		keep = adopt(fd, h, poor ? -1 : fds[0]);
		fds[0] = keep || poor ? -1 : fds[0];
		return keep;
	case HELLO_AGAIN:
		return adopt_again(fd, h);
	case HELLO_BOTH:
		keep = fds[0] >= 0 && both_adopt(h->index, h->gen, fds[0]);
		fds[0] = keep ? -1 : fds[0];
		return false;
	case HELLO_GIVEN:
		keep = fds[0] >= 0 && given_adopt(h, fds[0], fds[1]);
		fds[1] = keep ? -1 : fds[1];
		return false;
	default:
		return false;
	}
}

/* Who only wants to know us need not know our nonce, if it is one of ours. */
static bool run_hello(int fd, const struct hello *h, int fds[2])
{
	bool ours = h->nonce == drv.nonce;

	if (h->again != HELLO_JOIN)
		return ours && run_ours(fd, h, fds);
	if (ours || same_user(fd)) {
		pending_all();		/* it may ask for what was given before */
		join_answer(fd, (u64)h->gen << 32 | h->index, h->nonce);
	}
	return false;
}

/* 0: not there yet. */
static int read_hello(int fd)
{
	struct hello h;
	struct care_msg cm;
	int fds[2] = { -1, -1 };
	ssize_t n;
	bool kept, lifted;

	care_msg_init(&cm, &h, sizeof(h), NULL, 0);
	cm.m.msg_control = cm.ctl;
	cm.m.msg_controllen = CMSG_LEN(sizeof(fds));
	lifted = files_lift_for_more();
	n = sys_recvmsg(fd, &cm.m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (lifted)
		files_drop();
	if (n == -EAGAIN)
		return 0;
	if (n > 0)
		care_take_fds(&cm.m, fds, ARRAY_SIZE(fds));
	files_made(max(fds[0], fds[1]));
	kept = n == sizeof(h) && run_hello(fd, &h, fds);
	if (!kept) {
		if (n == sizeof(h) && h.nonce == ~drv.nonce) /* see mirror_driver_round() */
			pending_all();
		driver_see_hups();
		given_look();
	}
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			sys_close(fds[i]);
	if (!kept)
		sys_close(fd);
	return kept ? 1 : -1;
}

static void on_pending(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)revents;
	pending_try(container_of(w, struct pending, io));
}

static void on_limit(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct pending *p = container_of(t, struct pending, limit);

	(void)loop, (void)revents;
	sys_close(p->io.fd);
	strangers--;			/* the timer has stopped by itself */
	stop_waiting(p);
}

/* A process of the family may have become another user's: what it says shows
 * that it is one of us. Who is not gets neither places nor time. */
static bool wait_for_hello(int fd, bool stranger)
{
	struct pending *p;

	if (stranger && strangers >= STRANGERS_MAX)
		return false;
	p = calloc(1, sizeof(*p));
	if (!p)
		return false;
	ev_io_init(&p->io, on_pending, fd, EV_READ);
	ev_timer_init(&p->limit, on_limit, STRANGERS_S, 0.);
	ev_io_start(drv.loop, &p->io);
	list_add_before(&p->link, &pendings);
	if (stranger) {
		strangers++;
		ev_timer_start(drv.loop, &p->limit);
	}
	return true;
}

void mirror_hello(void)
{
	pending_all();
	for (;;) {
		int fd;

		FILES_MAKE(fd, sys_accept4(drv.hello_fd, NULL, NULL,
					   SOCK_CLOEXEC | SOCK_NONBLOCK));
		poor = fd == -EMFILE && files_use_spare();
		if (poor)
			fd = sys_accept4(drv.hello_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd == -EMFILE || fd == -ENFILE)
			driver_starves();
		if (fd < 0)
			break;
		if (!read_hello(fd) && !wait_for_hello(fd, !same_user(fd)))
			sys_close(fd);
		files_spare();
	}
	poor = false;
	if (files_are_few())
		driver_few_files();
}

/* ---- what any holder may do ------------------------------------------------------- */

void mirror_plug(struct sock *sk, int fd)
{
	if (sys_send(fd, "p", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
		sk->m.plugged = true;
}

/* Once FIN is shown a token stays for ever: it makes the real close visible. */
void mirror_drain(struct sock *sk, int fd, u32 keep)
{
	char buf[TOKENS_MAX * 2];
	ssize_t n;

	if (sk->m.fin || sk->m.hup || sk->m.err || sk->m.pri)
		return;
	if (unlikely(sk->m.hole) && !keep)
		mirror_fill_hole(sk, fd);
	if (sk->m.tokens <= keep)
		return;
	n = sys_recv(fd, buf, min(sk->m.tokens - keep, (u32)sizeof(buf)), MSG_DONTWAIT);
	if (n > 0)
		sk->m.tokens -= (u32)n;
}

u32 mirror_shown(const struct sock *sk)
{
	const struct mirror *m = &sk->m;

	if (m->fin || m->hup || m->err)
		return SOCK_READY_SHOWN | SOCK_READY_END_SHOWN;
	return m->tokens ? SOCK_READY_SHOWN : 0;
}

static bool edge_due(const struct sock *sk)
{
	return atomic_load(&sk->et) && sk->m.edge != sk->conn.rx_edge &&
	       sk->m.tokens < TOKENS_MAX;
}

bool mirror_sync_app(struct sock *sk, int fd)
{
	unsigned ready = conn_ready(&sk->conn);
	struct mirror *m = &sk->m;

	if (sk->closing)
		return true;		/* it may be free to go */
	if (!m->paired || atomic_load(&sk->kind) == SK_LISTENER)
		return false;
	if (atomic_load(&sk->kind) == SK_RELAY)
		return true;
	if (atomic_load(&sk->kind) != SK_CONN)
		return false;
	if (unlikely(m->pri) && fd >= 0 && !(ready & READY_PRI))
		mirror_calm(sk, fd);
	if (m->err)
		return sk->tx_blocked;
	if (fd >= 0) {
		if (!(ready & READY_OUT) && !m->plugged)
			mirror_plug(sk, fd);
		if (!(ready & READY_IN))
			mirror_drain(sk, fd, 0);
		else if (m->tokens > TOKENS_TRIM)
			mirror_drain(sk, fd, 1);
	}
	if (sk->tx_blocked || (m->plugged && ready & READY_OUT))
		return true;
	if (ready & READY_IN && !m->fin && !sock_want_reader(sk) &&
	    (!m->tokens || edge_due(sk)) && !watch_covers(sk))
		return true;
	if (mirror_urgent_due(sk, ready))
		return true;
	return (ready & READY_RDHUP && !m->fin) || (ready & READY_HUP && !m->hup) ||
	       (ready & READY_ERR && !m->hup);
}

/* ---- what only the driver can do, or who stands in for it --------------------------- */

/* EPIPE: the app end is gone already. What is shown to it from now on (an end,
 * with no token unread) would make its hang-up look like our own. */
static void token(struct sock *sk)
{
	int ret = (int)sys_send(mirror_end(sk), "t", 1, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (ret == 1)
		sk->m.tokens++;
	else if (ret == -EPIPE && !sk->m.hup && !atomic_load(&sk->relay_moving))
		sock_note(sk, PEND_HUP);
	sk->m.edge = sk->conn.rx_edge;
}

void mirror_unplug(struct sock *sk)
{
	char c;

	if (sys_recv(mirror_end(sk), &c, 1, MSG_DONTWAIT) == 1)
		sk->m.plugged = false;
}

/* Our end would go with nothing left that tells of the last close. Either that
 * has come already, or too many descriptors are in flight: an end of both
 * directions is shown then, with a token unread, which is an error when closed. */
static void no_tomb(struct sock *sk, int err)
{
	if (err == -EPIPE || err == -ECONNRESET) {
		sock_note(sk, PEND_HUP);
		return;
	}
	if (!sk->m.tokens)
		token(sk);
	if (sk->m.plugged)	/* select() for writing knows no HUP */
		mirror_unplug(sk);
	sk->m.hup = true;
	sys_shutdown(mirror_end(sk), SHUT_RDWR);
}

/* After an error our end must go, with the sentinel unread, for the app end to
 * show ERR. A descriptor left in the app's queue tells of its last close. */
static void fail(struct sock *sk)
{
	int sv[2];
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { .buf = { 0 } };
	struct iovec iov = { (void *)"x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
			    .msg_controllen = sizeof(ctl.buf) };
	int ret;

	if (drv.stands_in) {	/* the driver's own would keep ERR from being shown */
		no_tomb(sk, 0);
		return;
	}
	FILES_MAKE(ret, sys_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	if (ret < 0) {
		no_tomb(sk, 0);
		return;
	}
	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &sv[1], sizeof(int));
	ret = (int)sys_sendmsg(sk->owner_fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	sys_close(sv[1]);
	if (ret != 1) {
		sys_close(sv[0]);
		no_tomb(sk, ret);
		return;
	}
	sk->tomb_fd = sv[0];
	mirror_watch(sk, sv[0]);
	care_forget(sk, CARE_OWNER);
	sys_close(sk->owner_fd);
	sk->owner_fd = -1;
	sk->m.err = true;
}

static bool fails(const struct sock *sk, unsigned ready)
{
	return ready & READY_ERR && ready & READY_HUP && !sk->m.fin && !sk->m.hup;
}

void mirror_sync(struct sock *sk)
{
	unsigned ready = conn_ready(&sk->conn);
	struct mirror *m = &sk->m;
	int end = mirror_end(sk);

	if (sk->closing && !drv.stands_in)
		mirror_drop(sk);
	if (sk->closing)
		return;
	if (atomic_load(&sk->kind) == SK_RELAY && !drv.stands_in)
		relay_sync(sk);
	if (end < 0 || m->err || atomic_load(&sk->kind) != SK_CONN)
		return;
	/* Said before it is so: a thread that reports by itself (watch.h) must not
	 * find both, the event of the mirror and none here. */
	if (ready & (READY_IN | READY_RDHUP | READY_HUP | READY_ERR))
		atomic_fetch_or(&sk->ready, SOCK_READY_SHOWN);
	/* The plug goes with the owner end, so that all is shown at once. */
	if (m->plugged && ready & READY_OUT && !fails(sk, ready))
		mirror_unplug(sk);
	if (ready & READY_IN && !m->fin && !sock_want_reader(sk) &&
	    (!m->tokens || (edge_due(sk) && !(ready & READY_RDHUP))))
		token(sk);	/* FIN is an edge of its own */
	if (mirror_urgent_due(sk, ready))
		mirror_show_urgent(sk);
	if (fails(sk, ready)) {
		fail(sk);	/* once FIN is shown, HUP is all that can follow */
		return;
	}
	if (ready & READY_RDHUP && !m->fin) {
		if (!m->tokens)
			token(sk);
		if (!(ready & READY_HUP))	/* else both at once */
			sys_shutdown(end, SHUT_WR);
		m->fin = true;
	}
	if (ready & READY_HUP && !m->hup) {
		m->hup = true;
		sys_shutdown(end, SHUT_RDWR);
	}
}

void mirror_drop(struct sock *sk)
{
	relay_stop(sk);
	care_forget(sk, CARE_OWNER);
	care_forget(sk, CARE_TOMB);
	if (sk->owner_fd >= 0)
		sys_close(sk->owner_fd);
	if (sk->tomb_fd >= 0)
		sys_close(sk->tomb_fd);
	sk->owner_fd = sk->tomb_fd = -1;
	sk->m.paired = false;
}
