/*
 * driver.c - the event thread: libev over UDP sockets, mirrors that hang up,
 * timers and the attention list.
 *
 * Before it sleeps it publishes that it does and when it wakes by itself;
 * then it looks at the attention list once more. A thread that puts a sock on
 * the list looks at `sleeping` afterwards. So one of the two sees the other.
 * While anything happens it ticks every 100 ms, so that a thread which arms an
 * ordinary timer need not wake it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "rt/files.h"
#include "rt/log.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

enum { IDLE_TICKS = 10, REST_TICKS = 5, HUP_EVENTS = 64 };

static unsigned idle_ticks;

static void run_attention(void)
{
	u32 head = atomic_exchange(&drv.shm->attn_head, 0);

	while (head) {
		struct sock *sk = rt_sock(head - 1);

		head = atomic_load(&sk->attn_next);
		atomic_store(&sk->attn, 0);
		if (sock_note_trylock(sk, 0, PEND_SETTLE | PEND_REFILL)) {
			if (atomic_load(&sk->kind) == SK_FREE) {
				atomic_store(&sk->pending, 0);
				pthread_mutex_unlock(&sk->lock);
				continue;
			}
			sock_unlock(sk, -1);
		}
	}
}

static void retry_blocked(struct ev_loop *loop, ev_io *w, int revents)
{
	unsigned n = drv.nblocked;
	u32 list[ARRAY_SIZE(drv.blocked)];

	(void)revents;
	ev_io_stop(loop, w);
	memcpy(list, drv.blocked, n * sizeof(list[0]));
	drv.nblocked = 0;
	for (unsigned i = 0; i < n; i++) {
		struct sock *sk = rt_sock(list[i]);

		sk->tx_blocked = false;
		if (sock_note_trylock(sk, 0, PEND_TX))
			sock_unlock(sk, -1);
	}
}

void driver_tx_wait(struct sock *sk)
{
	struct port_watch *pw = drv.ports[sk->port_index];

	for (unsigned i = 0; i < drv.nblocked; i++)
		if (drv.blocked[i] == sk->index)
			return;
	if (drv.nblocked < ARRAY_SIZE(drv.blocked))
		drv.blocked[drv.nblocked++] = sk->index;
	if (pw && !ev_is_active(&pw->wr)) {
		ev_io_init(&pw->wr, retry_blocked, rt_sock(pw->index)->port.drv_fd, EV_WRITE);
		ev_io_start(drv.loop, &pw->wr);
	}
}

static void on_wake(struct ev_loop *loop, ev_io *w, int revents)
{
	u64 n;

	(void)loop, (void)revents;
	sys_read(w->fd, &n, sizeof(n));
	pump_asked_back();
}

/* rudpstat asks for a socket's end. Slots are freed by this thread alone,
 * so the generation is still right when the note is left. */
static void run_kill(void)
{
	u64 request = atomic_exchange(&drv.shm->kill, 0);
	u32 gen = (u32)(request >> 32);
	struct sock *sk = request ? rt_sock((u32)request) : NULL;
	u32 kind = sk ? atomic_load(&sk->kind) : SK_FREE;

	if (!sk || atomic_load(&sk->gen) != gen ||
	    (kind != SK_CONN && kind != SK_RELAY && kind != SK_LISTENER))
		return;
	if (sock_note_trylock(sk, gen, PEND_KILL))
		sock_unlock(sk, -1);
}

static void on_hello(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	run_kill();
	follow_look();
	mirror_hello();
}

/* The app end of a mirror is gone everywhere. A mirror that shows HUP because
 * both directions were shut hangs up twice: the real end has ERR, for the
 * token that was left unread. */
static void on_hups(struct ev_loop *loop, ev_io *w, int revents)
{
	struct epoll_event ev[HUP_EVENTS];
	int n = (int)sys_call6(SYS_epoll_pwait, w->fd, (long)ev, HUP_EVENTS, 0, 0, 0);

	(void)loop, (void)revents;
	for (int i = 0; i < n; i++) {
		struct sock *sk = rt_sock((u32)ev[i].data.u64);
		u32 gen = (u32)(ev[i].data.u64 >> 32);

		if (!sk || !(ev[i].events & (EPOLLHUP | EPOLLERR)))
			continue;
		if (atomic_load(&sk->relay_moving))
			continue;	/* that was the pair before */
		if (sk->m.hup && !sk->m.err && !(ev[i].events & EPOLLERR))
			continue;
		if (atomic_load(&sk->gen) != gen)
			continue;
		atomic_store(&sk->stale, 1);
		if (sock_note_trylock(sk, gen, PEND_HUP))
			sock_unlock(sk, -1);
	}
}

void driver_see_hups(void)
{
	on_hups(drv.loop, &drv.hups, 0);
	run_attention();
}

void driver_few_files(void)
{
	atomic_store(&drv.shm->few_files, 1);
	driver_busy();
}

/* What has to wait for a number is tried again at each tick. */
void driver_starves(void)
{
	drv.starves = true;
	ev_io_stop(drv.loop, &drv.hello);
	driver_few_files();
}

static void feed(void)
{
	driver_busy();
	atomic_store(&drv.shm->few_files, files_are_few());
	if (!drv.starves)
		return;
	drv.starves = false;
	ev_io_start(drv.loop, &drv.hello);
	for (u32 i = 1; i < drv.ntables; i++) {
		struct sock *sk = rt_sock(i);

		if (sk && atomic_load(&sk->kind) == SK_LISTENER && atomic_load(&sk->waiting) &&
		    sock_note_trylock(sk, 0, PEND_REFILL))
			sock_unlock(sk, -1);
	}
}

static void log_pressure(void)
{
	static bool was;
	bool is = domain_under_pressure(drv.dom);

	if (is == was)
		return;
	was = is;
	rt_log(RUDP_LOG_INFO, "pressure", "domain=%s is=%s pages=%lld", rt_env()->domain,
	       is ? "on" : "off", (long long)domain_allocated(drv.dom));
}

static void on_tick(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct mem_limits l;
	u32 tw;

	(void)revents;
	arena_tick(drv.ar, drv.now);
	domain_limits(drv.dom, &l);
	twtab_limit(drv.tw, l.max_orphans);
	tw = twtab_expire(drv.tw, drv.now);
	atomic_store(&drv.dom->arenas[arena_row(drv.ar)].timewait, tw);
	port_tick();
	log_pressure();
	care_tick();
	sweep_tick();
	care_again();
	if (drv.unclaimed && driven_claim())
		drv.unclaimed = false;
	files_spare();
	if (atomic_load(&drv.shm->few_files))
		feed();
	if (++idle_ticks == REST_TICKS)
		udp_rest();
	if (idle_ticks >= IDLE_TICKS && !tw && !arena_wants_tick(drv.ar))
		ev_timer_stop(loop, t);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int revents)
{
	static u32 sleep = 1;		/* odd: never 0 */

	(void)w, (void)revents;
	sleep += 2;
	do {
		u32 asked = pump_tokens_asked();

		atomic_store(&drv.shm->sleeping, 0);
		run_attention();
		pump_tokens_shown(asked);
		atomic_store(&drv.shm->next_wake,
			     ev_is_active(&drv.tick) ? rt_now() + TICK_US : USEC_NEVER);
		atomic_store(&drv.shm->sleeping, sleep);
	} while (atomic_load(&drv.shm->attn_head));
	care_told();
	exit_if_asked();
	exit_if_idle();
	(void)loop;
}

static void on_check(struct ev_loop *loop, ev_check *w, int revents)
{
	(void)w, (void)revents;
	atomic_store(&drv.shm->sleeping, 0);
	atomic_fetch_add_explicit(&drv.shm->beat, 1, memory_order_relaxed);
	drv.now = rt_now();
	pump_run_aside();
	run_attention();
	(void)loop;
}

void driver_busy(void)
{
	idle_ticks = 0;
	if (!ev_is_active(&drv.tick)) {
		drv.tick.repeat = (double)TICK_US / USEC_PER_SEC;
		ev_timer_again(drv.loop, &drv.tick);
	}
}

/* One by one where a filter or the kernel has no close_range(). */
void driver_close_range(unsigned from, unsigned to)
{
	struct rlimit rl;

	if (sys_call6(SYS_close_range, from, to, 0, 0, 0, 0) >= 0 ||
	    getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	for (; from <= to && from < min(rl.rlim_max, (rlim_t)INT32_MAX); from++)
		sys_close((int)from);
}

/* Everything of the program's goes out of this table; ours stay. */
static void keep_only(const int *ours, int n)
{
	int from = 0;

	for (;;) {
		int next = INT32_MAX;

		for (int i = 0; i < n; i++)
			if (ours[i] >= from && ours[i] < next)
				next = ours[i];
		if (next == INT32_MAX)
			break;
		if (next > from)
			driver_close_range((unsigned)from, (unsigned)next - 1);
		from = next + 1;
	}
	driver_close_range((unsigned)from, ~0u);
}

/* Who drives the family, and where it is met. */
void driver_publish(void)
{
	int ctl, buf;

	arena_fds(drv.ar, &ctl, &buf);
	arena_publish(drv.ar, getpid(), (pid_t)sys_call6(SYS_gettid, 0, 0, 0, 0, 0, 0), ctl, buf);
	drv.shm->nonce = drv.nonce;
	atomic_store(&drv.dom->arenas[arena_row(drv.ar)].hello, drv.hello_id);
}

/* Containers refuse unshare(), whatever it is to unshare, and have
 * close_range(), which may close nothing. */
static bool leave_table(void)
{
	return sys_call6(SYS_unshare, 0x400 /* CLONE_FILES */, 0, 0, 0, 0, 0) >= 0 ||
	       sys_call6(SYS_close_range, ~0u, ~0u, CLOSE_RANGE_UNSHARE, 0, 0, 0) >= 0;
}

static int own_table(void)
{
	int ctl, buf, dom = domain_fd(drv.dom);

	if (!leave_table())
		return -EINVAL;
	arena_fds(drv.ar, &ctl, &buf);
	keep_only((int[]){ drv.hello_fd, drv.wake_fd, drv.wait_epfd, drv.kick_fd, drv.alive_fd, ctl,
			   buf, dom, arena_hold_fd(drv.ar), rt_log_fd() }, 10);
	rt_log_driver();
	driver_publish();
	return 0;
}

int driver_loop(void)
{
	struct mem_limits l;

	if (!libev_open())
		return -ENOENT;
	mirror_driver_init();
	plain_driver_init();
	both_driver_init();
	care_driver_init();
	given_driver_init();
	files_driver_init();
	domain_limits(drv.dom, &l);
	drv.hup_epfd = (int)sys_call6(SYS_epoll_create1, O_CLOEXEC, 0, 0, 0, 0, 0);
	if (!drv.caretaker)		/* it has the driver's */
		drv.given_epfd = (int)sys_call6(SYS_epoll_create1, O_CLOEXEC, 0, 0, 0, 0, 0);
	drv.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	drv.by_id = idmap_new();
	drv.by_peer = idmap_new();
	drv.tw = twtab_new(l.max_orphans);
	if (drv.hup_epfd < 0 || drv.given_epfd < 0 || !drv.loop || !drv.by_id ||
	    !drv.by_peer || !drv.tw || pump_driver_init() < 0)
		return -ENOMEM;
	ev_io_init(&drv.hello, on_hello, drv.hello_fd, EV_READ);
	ev_io_start(drv.loop, &drv.hello);
	ev_io_init(&drv.wake, on_wake, drv.wake_fd, EV_READ);
	ev_io_start(drv.loop, &drv.wake);
	ev_io_init(&drv.hups, on_hups, drv.hup_epfd, EV_READ);
	ev_io_start(drv.loop, &drv.hups);
	ev_prepare_init(&drv.prepare, on_prepare);
	ev_prepare_start(drv.loop, &drv.prepare);
	ev_check_init(&drv.check, on_check);
	ev_set_priority(&drv.check, EV_MAXPRI);
	ev_check_start(drv.loop, &drv.check);
	ev_timer_init(&drv.tick, on_tick, 0., (double)TICK_US / USEC_PER_SEC);
	return 0;
}

void *driver_thread(void *arg)
{
	_Atomic u32 *started = arg;

	rt_bypass = 1;
	rt_at = rt_home;
	prctl(PR_SET_NAME, "rudp");
	if (own_table() < 0 || driver_loop() < 0) {
		atomic_store(started, 2);
		sys_futex_wake(started, INT32_MAX);
		return NULL;
	}
	drv.unclaimed = !driven_claim();	/* somebody may be looking */
	drv.now = rt_now();
	drv.ticks = 1;
	if (drv.follows)
		care_adopt();
	driver_busy();
	atomic_store(started, 1);
	sys_futex_wake(started, INT32_MAX);
	ev_run(drv.loop, 0);
	return NULL;
}
