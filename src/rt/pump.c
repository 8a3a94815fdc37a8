/* pump.c - the wait for packets, in the program's thread or in ours. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include "rt/files.h"
#include "rt/pump.h"
#include "rt/sys.h"
#include "rt/watch.h"

enum { PUMP_EVENTS = 64, QUIET_CHECKS = 5, LATE_CHECKS = 2, ASIDES = 128, ASIDE_BYTES = 1536 };

#define CHECK_S		0.002
#define KICK		UINT64_MAX

/* What is short is copied: a burst of openings must not hold a receive buffer
 * each, of which a domain under pressure grants one. */
struct aside {
	struct rxbuf *rb;		/* NULL: it is in pkt */
	u32 port;
	u32 len, step;
	struct rx_meta meta;
	u8 pkt[ASIDE_BYTES];
};

static struct {
	pthread_mutex_t rx_lock;	/* recursive */
	_Atomic u32 *direct;		/* in a page that a fork empties */
	_Atomic u32 seat;
	_Atomic u32 rounds;		/* times that a program's thread received */
	_Atomic u32 threads;		/* of the program, that used socks */
	struct aside aside[ASIDES];
	unsigned naside;		/* rx_lock */
	u32 nports, only;		/* rx_lock; the port, while there is one */
	_Atomic u32 kicked;		/* `kick` has something to read */
	_Atomic u32 due;		/* tokens are, that nobody has waited for */
	_Atomic u32 asked, answered;	/* pump_await_tokens() */
	_Atomic u32 off;		/* the event thread is off duty */
	_Atomic u32 back;		/* and is asked to come back */

	/* the event thread's */
	ev_io ports, none;
	ev_timer check;
	u32 seen, quiet, late;
} pump;

static TLS_IE bool noted, running;

static int epoll_wait_on(int epfd, struct epoll_event *ev, int n, int ms)
{
	return (int)sys_call6(SYS_epoll_pwait, epfd, (long)ev, n, ms, 0, 0);
}

/* ---- the lock -------------------------------------------------------------------- */

static void init_lock(void)
{
	pthread_mutexattr_t ma;

	pthread_mutexattr_init(&ma);
	pthread_mutexattr_settype(&ma, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&pump.rx_lock, &ma);
	pthread_mutexattr_destroy(&ma);
}

void pump_lock(void)
{
	pthread_mutex_lock(&pump.rx_lock);
}

void pump_unlock(void)
{
	pthread_mutex_unlock(&pump.rx_lock);
}

/* ---- set up ------------------------------------------------------------------------ */

static int make_fds(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = KICK };
	int epfd, kick;

	FILES_MAKE(epfd, (int)sys_call6(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0, 0, 0, 0));
	if (epfd < 0)
		return epfd;
	FILES_MAKE(kick, sys_eventfd(0, O_CLOEXEC | O_NONBLOCK));
	if (kick < 0) {
		sys_close(epfd);
		return kick;
	}
	drv.wait_epfd = drv.wait_app = rt_fd_far(epfd);
	drv.kick_fd = drv.kick_app = rt_fd_far(kick);
	return (int)sys_call6(SYS_epoll_ctl, drv.wait_epfd, EPOLL_CTL_ADD, drv.kick_fd,
			      (long)&ev, 0, 0);
}

void pump_destroy(void)
{
	rt_fd_forget(drv.wait_app);
	rt_fd_forget(drv.kick_app);
	drv.wait_app = drv.kick_app = -1;
}

int pump_create(void)
{
	size_t page = 4096;
	void *p;

	if (!pump.direct) {
		p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return -ENOMEM;
		if (madvise(p, page, MADV_WIPEONFORK)) {
			munmap(p, page);
			return -ENOMEM;
		}
		pump.direct = p;
	}
	init_lock();
	pump.naside = 0;
	pump.nports = pump.only = 0;
	atomic_store(&pump.seat, 0);
	atomic_store(&pump.off, 0);
	atomic_store(&pump.back, 0);
	atomic_store(pump.direct, atomic_load(&pump.threads) <= 1 && !rt_many);
	return make_fds();
}

void pump_no_more(void)
{
	if (pump.direct)
		atomic_store(pump.direct, 0);
	watch_flush();
}

void pump_note_thread(void)
{
	if (noted)
		return;
	noted = true;
	if (atomic_fetch_add(&pump.threads, 1))
		pump_no_more();
}

bool pump_is_me(void)
{
	return running;
}

int pump_port_add(int fd, u32 index)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = index };

	pump.nports++;
	pump.only = index;
	sys_call6(SYS_epoll_ctl, drv.wait_epfd, EPOLL_CTL_ADD, fd, (long)&ev, 0, 0);
	return (int)sys_call6(SYS_epoll_ctl, drv.ports_epfd, EPOLL_CTL_ADD, fd, (long)&ev, 0, 0);
}

void pump_port_del(int fd)
{
	pump.nports--;
	pump.only = 0;			/* which is left, is not known */
	sys_call6(SYS_epoll_ctl, drv.wait_epfd, EPOLL_CTL_DEL, fd, 0, 0, 0);
	sys_call6(SYS_epoll_ctl, drv.ports_epfd, EPOLL_CTL_DEL, fd, 0, 0, 0);
}

/* ---- what is the driver's business ---------------------------------------------------- */

void pump_put_aside(struct rxbuf *rb, u32 port, const struct rx_meta *m)
{
	struct aside *a = &pump.aside[pump.naside];

	if (pump.naside == ARRAY_SIZE(pump.aside)) {
		domain_count(drv.dom, CNT_TCPBacklogDrop, 1);
		return;
	}
	if (!pump.naside++)
		driver_wake();
	a->port = port;
	a->meta = *m;
	if (rb->len <= ASIDE_BYTES) {
		a->rb = NULL;
		a->len = rb->len;
		a->step = rb->gso ? rb->gso : rb->len;
		memcpy(a->pkt, arena_unit_addr(drv.ar, rb->unit), rb->len);
	} else {
		a->rb = rb;
		atomic_store(&rb->parked, 0);
		atomic_store(&rb->busy, 1);
	}
}

static void run_aside(struct aside *a)
{
	struct port_watch *pw = a->port < drv.ntables ? drv.ports[a->port] : NULL;

	if (a->rb)
		atomic_store(&a->rb->busy, 0);	/* as if it had just come */
	if (pw && a->rb)
		rx_buffer(pw, rt_sock(a->port), a->rb, &a->meta);
	else if (pw)
		rx_one_by_one(rt_sock(a->port), a->pkt, a->len, a->step, &a->meta);
	if (a->rb && !atomic_load(&a->rb->busy))
		rx_release(a->rb);
}

void pump_run_aside(void)
{
	pump_lock();
	if (pump.naside)
		rx_batch_begin(drv.now);
	for (unsigned i = 0; i < pump.naside; i++)
		run_aside(&pump.aside[i]);
	if (pump.naside)
		rx_batch_end();
	pump.naside = 0;
	pump_unlock();
}

/* ---- receiving --------------------------------------------------------------------------- */

/* The note first, as the kick's is the last: what is left to read is noted. */
static void take_kick(void)
{
	u64 count;

	atomic_store(&pump.kicked, 0);
	sys_read(drv.kick_app, &count, sizeof(count));
}

/* Saves the question which port it is. False: it must be asked. */
static bool run_only_port(bool *all)
{
	u32 index;
	bool only;

	pump_lock();
	index = pump.only;
	only = pump.nports == 1 && index && drv.ports[index] && !atomic_load(&pump.kicked);
	if (only)
		*all = port_receive(drv.ports[index]);
	pump_unlock();
	return only;
}

/* False: there is a port that this process cannot read. */
static bool run_ports(const struct epoll_event *ev, int n)
{
	bool all = true;

	pump_lock();
	for (int i = 0; i < n; i++) {
		u64 index = ev[i].data.u64;

		if (index == KICK)
			take_kick();
		else if (index < drv.ntables && drv.ports[index])
			all &= port_receive(drv.ports[index]);
	}
	pump_unlock();
	return all;
}

bool pump_allowed(void)
{
	return pump.direct && atomic_load_explicit(pump.direct, memory_order_relaxed);
}

bool pump_take(void)
{
	u32 free_seat = 0;

	pump_note_thread();	/* it may have used no sock but by its set */
	return pump_allowed() &&
	       (atomic_compare_exchange_strong(&pump.seat, &free_seat, 1) || free_seat == 1);
}

static int ms_until(usec_t until)
{
	usec_t now = until == USEC_NEVER ? 0 : rt_now();

	if (until == USEC_NEVER)
		return -1;
	return until <= now ? 0 : (int)min((until - now + 999) / 1000, (usec_t)INT32_MAX);
}

/* epoll_wait() is never restarted: where the kernel would have restarted a
 * recv(), or nothing but a stop and a continue happened, we go on. */
static int wait_ports(struct epoll_event *ev, usec_t until)
{
	bool limited = until != USEC_NEVER;
	int n;

	do {
		struct waiting w = wait_begin();

		n = wait_was_interrupted(limited) ? -EINTR :
		    epoll_wait_on(drv.wait_app, ev, PUMP_EVENTS, ms_until(until));
		wait_end(w);
	} while (n == -EINTR && !wait_was_interrupted(limited));
	return n;
}

static void ran_mine(bool all)
{
	running = false;
	atomic_fetch_add(&pump.rounds, 1);
	if (!all)
		pump_no_more();
}

void pump_now(void)
{
	struct epoll_event ev[PUMP_EVENTS];
	bool all = true;
	int n;

	running = true;
	if (!run_only_port(&all)) {
		n = epoll_wait_on(drv.wait_app, ev, PUMP_EVENTS, 0);
		all = n <= 0 || run_ports(ev, n);
	}
	ran_mine(all);
}

void pump_leave(void)
{
	atomic_store(&pump.seat, 0);
}

int pump_wait(usec_t until)
{
	struct epoll_event ev[PUMP_EVENTS];
	int n = wait_ports(ev, until);

	if (n > 0) {
		running = true;
		ran_mine(run_ports(ev, n));
	}
	pump_leave();
	return n > 0 ? 0 : n < 0 ? n : -EAGAIN;
}

void pump_kick(void)
{
	u64 one = 1;

	sys_write(rt_bypass ? drv.kick_fd : drv.kick_app, &one, sizeof(one));
	atomic_store(&pump.kicked, 1);
}

/* ---- tokens that are due -------------------------------------------------------------------- */

void pump_tokens_due(void)
{
	if (pump_allowed())
		atomic_store_explicit(&pump.due, 1, memory_order_relaxed);
}

bool pump_await_tokens(void)
{
	struct timespec limit = { .tv_sec = 1 };
	u32 want, seen;

	if (!pump_allowed() || !atomic_load(&pump.due) || !atomic_exchange(&pump.due, 0))
		return false;
	want = atomic_fetch_add(&pump.asked, 1) + 1;
	driver_wake();
	while ((s32)(want - (seen = atomic_load(&pump.answered))) > 0)
		if (sys_futex_wait(&pump.answered, seen, &limit) == -ETIMEDOUT)
			break;
	return true;
}

u32 pump_tokens_asked(void)
{
	return atomic_load(&pump.asked);
}

void pump_tokens_shown(u32 asked)
{
	if (atomic_load_explicit(&pump.answered, memory_order_relaxed) == asked)
		return;
	atomic_store(&pump.answered, asked);
	sys_futex_wake(&pump.answered, INT32_MAX);
}

/* ---- the event thread's duty ----------------------------------------------------------------- */

static void receive(void)
{
	struct epoll_event ev[PUMP_EVENTS];
	int n = epoll_wait_on(drv.ports_epfd, ev, PUMP_EVENTS, 0);

	driver_busy();
	if (n > 0)
		run_ports(ev, n);
}

static void on_duty(void)
{
	atomic_store(&pump.off, 0);
	ev_timer_stop(drv.loop, &pump.check);
	ev_io_start(drv.loop, &pump.ports);
}

static bool seat_is_taken(void)
{
	return atomic_load(pump.direct) && atomic_load(&pump.seat);
}

/* Either it sees that nobody sits, or who leaves sees that it is off duty. */
static bool may_go_off(void)
{
	if (!seat_is_taken())
		return false;
	atomic_store(&pump.off, 1);
	if (seat_is_taken())
		return true;
	atomic_store(&pump.off, 0);
	return false;
}

void pump_away(void)
{
	if (!pump_allowed() || !atomic_load(&pump.off))
		return;
	atomic_store(&pump.back, 1);
	driver_wake();
}

void pump_asked_back(void)
{
	if (atomic_load_explicit(&pump.back, memory_order_relaxed) &&
	    atomic_exchange(&pump.back, 0) && ev_is_active(&pump.check))
		on_duty();
}

static void on_ports(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)revents;
	if (!may_go_off()) {
		receive();
		return;
	}
	pump.seen = atomic_load(&pump.rounds);
	pump.quiet = pump.late = 0;
	ev_io_stop(loop, w);
	pump.check.repeat = CHECK_S;
	ev_timer_again(loop, &pump.check);
	driver_busy();
}

static bool something_waits(void)
{
	struct epoll_event ev;

	return epoll_wait_on(drv.ports_epfd, &ev, 1, 0) > 0;
}

static void on_check(struct ev_loop *loop, ev_timer *w, int revents)
{
	u32 rounds = atomic_load(&pump.rounds);

	(void)loop, (void)w, (void)revents;
	if (!atomic_load(pump.direct)) {
		on_duty();
	} else if (rounds != pump.seen) {
		pump.seen = rounds;
		pump.quiet = pump.late = 0;
		driver_busy();
	} else if (something_waits() && ++pump.late >= LATE_CHECKS) {
		atomic_store(&pump.seat, 0);	/* its thread is gone, or elsewhere */
		on_duty();
		receive();
	} else if (!pump.late && ++pump.quiet >= QUIET_CHECKS) {
		on_duty();
	}
}

int pump_driver_init(void)
{
	drv.ports_epfd = (int)sys_call6(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0, 0, 0, 0);
	if (drv.ports_epfd < 0)
		return -ENOMEM;
	ev_io_init(&pump.ports, on_ports, drv.ports_epfd, EV_READ);
	ev_timer_init(&pump.check, on_check, CHECK_S, CHECK_S);
	ev_io_start(drv.loop, &pump.ports);
	/* Never ready. With it the loop changes what it waits for; else it would take
	 * the set out and put it in again, where the kernel looks for circles: at all
	 * its members, thousands in a client. */
	ev_io_init(&pump.none, on_ports, drv.ports_epfd, EV_WRITE);
	ev_io_start(drv.loop, &pump.none);
	return 0;
}

void pump_forked(void)
{
	init_lock();
	if (!ev_is_active(&pump.ports))
		on_duty();
}
