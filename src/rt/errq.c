/* errq.c - see errq.h. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <linux/errqueue.h>
#include "rt/errq.h"
#include "rt/rt.h"
#include "rt/sockopt.h"
#include "rt/sys.h"
#include "rt/watch.h"

static _Atomic bool used, allowed;
static u32 forks;		/* that led to this process */

bool errq_used(void)
{
	return atomic_load_explicit(&used, memory_order_relaxed);
}

bool sock_errq(const struct sock_ref *r)
{
	return atomic_load(&r->sk->zc_waiting) && !sock_stale(r);
}

/* ---- the companion ----------------------------------------------------------------- */

static long set_ctl(const struct local *l, int op, int fd)
{
	struct epoll_event ev = { .events = l->err_events, .data.u64 = l->err_data };

	return sys_call6(SYS_epoll_ctl, l->err_epfd, op, fd, (long)&ev, 0, 0);
}

/* What a forked process shares with its parent is the parent's to take out. */
static void hide(struct local *l)
{
	if (l->err_shown && l->err_forks == forks)
		set_ctl(l, EPOLL_CTL_DEL, atomic_load(&l->err_fd) - 1);
	l->err_shown = false;
}

static void drop(struct local *l)
{
	int fd = atomic_exchange(&l->err_fd, 0) - 1;

	if (fd >= 0)
		rt_fd_forget(fd);
}

static bool have_companion(struct local *l)
{
	int p[2];

	if (l->err_forks != forks)
		drop(l);
	if (atomic_load(&l->err_fd))
		return true;
	if (sys_call6(SYS_pipe2, (long)p, O_CLOEXEC, 0, 0, 0, 0) < 0)
		return false;
	sys_close(p[0]);
	l->err_forks = forks;
	atomic_store(&l->err_fd, rt_fd_high(p[1]) + 1);
	return true;
}

/* Under its lock. armed: epoll_ctl() was called; a registration for one event
 * that was not may have had it. */
static void show(struct sock *sk, bool armed)
{
	struct local *l = local_get(sk->index);
	struct watch_place at;
	int fd;

	if (!l)
		return;
	if (!atomic_load(&sk->zc_waiting) || !watch_where(sk, &at)) {
		hide(l);
		return;
	}
	if (at.events & EPOLLONESHOT && !armed)
		return;
	if (l->err_shown && l->err_epfd != at.epfd)
		hide(l);
	if (!have_companion(l))
		return;
	fd = atomic_load(&l->err_fd) - 1;
	l->err_epfd = at.epfd;
	l->err_events = at.events & (EPOLLET | EPOLLONESHOT);
	l->err_data = at.data;
	l->err_shown = true;
	atomic_store(&used, true);
	if (set_ctl(l, EPOLL_CTL_ADD, fd) == -EEXIST)
		set_ctl(l, EPOLL_CTL_MOD, fd);	/* an edge more */
}

void errq_watched(struct sock_ref *r, int fd)
{
	if (likely(!atomic_load(&r->sk->zc_waiting)) || sock_lock(r))
		return;
	show(r->sk, true);
	sock_unlock(r->sk, fd);
}

void errq_closed(struct local *l)
{
	if (!atomic_load(&l->err_fd))
		return;
	hide(l);
	drop(l);
}

void errq_moved(struct local *l, int from, int to)
{
	s32 was = from + 1;

	if (!atomic_compare_exchange_strong(&l->err_fd, &was, to + 1) || !l->err_shown)
		return;
	set_ctl(l, EPOLL_CTL_DEL, from);
	set_ctl(l, EPOLL_CTL_ADD, to);
}

/* ---- who sleeps in poll() ----------------------------------------------------------- */

enum { SLEEPERS_MAX = 64 };

/* A thread keeps its place to its end, also where a handler jumps out of its wait or
 * it is cancelled there: then it is woken in vain, and finds nothing. */
static struct sleeper {
	_Atomic int fd;		/* an eventfd; number + 1; 0: nobody's */
	_Atomic bool sleeps;
} sleepers[SLEEPERS_MAX];
static pthread_mutex_t sleepers_lock = PTHREAD_MUTEX_INITIALIZER;	/* a leaf */
static pthread_once_t sleepers_once = PTHREAD_ONCE_INIT;
static pthread_key_t sleeper_key;
static TLS_IE struct sleeper *mine;
static TLS_IE u32 mine_forks;

static void leave_place(void *place)
{
	struct sleeper *w = place;

	critical_enter();
	pthread_mutex_lock(&sleepers_lock);
	if (mine_forks == forks && w->fd) {
		rt_fd_forget(w->fd - 1);
		w->fd = 0;
	}
	pthread_mutex_unlock(&sleepers_lock);
	mine = NULL;
	critical_leave();
}

static void make_key(void)
{
	pthread_key_create(&sleeper_key, leave_place);
}

static struct sleeper *take_place(void)
{
	struct sleeper *w = sleepers;
	int fd;

	pthread_mutex_lock(&sleepers_lock);
	while (w < sleepers + SLEEPERS_MAX && w->fd)
		w++;
	fd = w < sleepers + SLEEPERS_MAX ? sys_eventfd(0, O_CLOEXEC | O_NONBLOCK) : -1;
	if (fd >= 0)
		w->fd = rt_fd_high(fd) + 1;
	pthread_mutex_unlock(&sleepers_lock);
	return fd >= 0 ? w : NULL;
}

int errq_wait_begin(void)
{
	if (likely(!atomic_load(&used) && !atomic_load(&allowed)))
		return -1;
	critical_enter();
	pthread_once(&sleepers_once, make_key);
	if (!mine || mine_forks != forks) {
		mine = take_place();
		mine_forks = forks;
		pthread_setspecific(sleeper_key, mine);
	}
	if (mine)
		atomic_store(&mine->sleeps, true);
	critical_leave();
	return mine ? mine->fd - 1 : -1;
}

void errq_wait_again(void)
{
	u64 count;

	sys_read(mine->fd - 1, &count, sizeof(count));
}

void errq_wait_end(void)
{
	atomic_store(&mine->sleeps, false);
	errq_wait_again();
}

static void wake_sleepers(void)
{
	u64 one = 1;

	pthread_mutex_lock(&sleepers_lock);
	for (struct sleeper *w = sleepers; w < sleepers + SLEEPERS_MAX; w++)
		if (w->fd && atomic_load(&w->sleeps))
			sys_write(w->fd - 1, &one, sizeof(one));
	pthread_mutex_unlock(&sleepers_lock);
}

void errq_sleepers_moved(int from, int to)
{
	pthread_mutex_lock(&sleepers_lock);
	for (struct sleeper *w = sleepers; w < sleepers + SLEEPERS_MAX; w++)
		if (w->fd == from + 1)
			w->fd = to + 1;
	pthread_mutex_unlock(&sleepers_lock);
}

void errq_allowed(void)
{
	atomic_store(&allowed, true);
}

/* Its parent's are not its own. */
void errq_forked(void)
{
	forks++;
	pthread_mutex_init(&sleepers_lock, NULL);
	for (struct sleeper *w = sleepers; w < sleepers + SLEEPERS_MAX; w++) {
		if (w->fd)
			rt_fd_forget(w->fd - 1);
		w->fd = 0;
	}
}

int errq_merge(struct epoll_event *ev, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++) {
		int j = 0;

		while (j < n && (j == i || ev[j].data.u64 != ev[i].data.u64))
			j++;
		if (ev[i].events == EPOLLERR && j < n) {
			ev[j].events |= EPOLLERR;	/* one before i has been kept where it was */
			continue;
		}
		ev[kept++] = ev[i];
	}
	return kept;
}

/* ---- the queue ------------------------------------------------------------------------ */

void errq_sent(struct sock *sk)
{
	if (!opt_flag(sk, FLAG_ZEROCOPY))
		return;
	sk->zc_next++;
	atomic_fetch_add(&sk->zc_waiting, 1);
	atomic_store(&used, true);
	show(sk, false);
	wake_sleepers();
}

/* Whoever offends is nobody: the address is left empty. */
struct report {
	struct sock_extended_err ee;
	struct sockaddr_in6 offender;
};

static void put_report(struct msghdr *msg, const struct sock *sk, u32 first, u32 last)
{
	bool v6 = sk->family == AF_INET6;
	struct report rep = { .ee = {
		.ee_origin = SO_EE_ORIGIN_ZEROCOPY, .ee_code = SO_EE_CODE_ZEROCOPY_COPIED,
		.ee_info = first, .ee_data = last,
	} };
	size_t len = sizeof(rep.ee) + (v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));

	recv_ctl_add(msg, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &rep, len);
}

ssize_t sock_recv_errq(struct sock_ref *r, int fd, struct msghdr *msg)
{
	struct sock *sk = r->sk;
	int ret = sock_lock(r);
	u32 n, next;

	if (ret < 0)
		return ret;
	n = atomic_exchange(&sk->zc_waiting, 0);
	next = sk->zc_next;
	if (n)
		show(sk, false);
	sock_unlock(sk, fd);
	if (!n)
		return -EAGAIN;
	msg->msg_namelen = 0;
	msg->msg_flags = MSG_ERRQUEUE;
	put_report(msg, sk, next - n, next - 1);
	return 0;
}
