/*
 * caretaker.c - the caretaker: a process of its own that holds copies of what
 * a driver needs, waits for the driver's end, and then is the driver.
 *
 * It begins at caretaker_entry(), the entry point of the library when the
 * dynamic loader runs it as a program. As the driver it has a caretaker of its
 * own, as long as there are processes of the family; when these are gone, and
 * all connections have ended, it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "mem/arena_layout.h"
#include "rt/care.h"
#include "rt/log.h"
#include "rt/pump.h"
#include "rt/standin.h"
#include "rt/sys.h"

#if defined(__x86_64__) || defined(__i386__)
#define ENTRY __attribute__((force_align_arg_pointer))
#else
#define ENTRY
#endif

struct kept {
	u32 gen[CARE_KINDS];	/* gen + 1; 0: none */
	int fd[CARE_KINDS];
	bool known;		/* the driver had adopted it ... */
	u32 known_gen;		/* ... as this one */
	bool lost;
	bool again;		/* somebody was inside: it is still to be looked after */
};

enum { ENDING_NS = 100 * 1000000 };

static struct kept *kept;	/* by sock index */
static u32 nkept;
static ev_io alive;
static bool look_again;

static _Noreturn void quit(void)
{
	for (;;)
		sys_call6(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

/* ---- while the driver lives ------------------------------------------------------------ */

unsigned care_take_fds(struct msghdr *m, int *fds, unsigned most)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(m);
	unsigned n;

	if (!cm || cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (unsigned)((cm->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(cm), min(n, most) * sizeof(int));
	return min(n, most);
}

static struct kept *keep_at(u32 index)
{
	u32 want = max(index + 1, nkept * 2);
	struct kept *k;

	if (index < nkept)
		return &kept[index];
	k = index < ARENA_SLOTS ? realloc(kept, want * sizeof(*k)) : NULL;
	if (!k)
		return NULL;
	memset(k + nkept, 0, (want - nkept) * sizeof(*k));
	kept = k;
	nkept = want;
	return &k[index];
}

static void forget(struct kept *k, unsigned what)
{
	if (k->gen[what]) {
		notice_del(k->fd[what]);
		sys_close(k->fd[what]);
	}
	k->gen[what] = 0;
}

static void run_records(const struct care_rec *rec, size_t n, const int *fds, unsigned nfds)
{
	for (size_t i = 0; i < n; i++) {
		int fd = !rec[i].forget && nfds ? nfds--, *fds++ : -1;
		struct kept *k = rec[i].what < CARE_KINDS ? keep_at(rec[i].index) : NULL;

		if (k)
			forget(k, rec[i].what);
		if (k && fd >= 0) {
			k->gen[rec[i].what] = rec[i].gen + 1;
			k->fd[rec[i].what] = fd;
			notice_add(fd, rec[i].index, rec[i].gen, rec[i].what);
		} else if (fd >= 0) {
			sys_close(fd);
		}
	}
}

bool care_hear(void)
{
	struct care_rec rec[CARE_BATCH];
	int fds[CARE_BATCH];
	struct care_msg cm;
	ssize_t n;

	care_msg_init(&cm, rec, sizeof(rec), NULL, 0);
	cm.m.msg_control = cm.ctl;
	cm.m.msg_controllen = sizeof(cm.ctl);
	n = sys_recvmsg(CARE_CHANNEL, &cm.m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n == -EINTR || n == -EAGAIN)
		return true;
	if (n <= 0)
		return false;
	run_records(rec, (size_t)n / sizeof(rec[0]), fds, care_take_fds(&cm.m, fds, CARE_BATCH));
	return true;
}

bool care_hear_until(usec_t until)
{
	struct pollfd p = { .fd = CARE_CHANNEL, .events = POLLIN };

	for (;;) {
		usec_t now = until == USEC_NEVER ? 0 : rt_now(), left = until - now;
		struct timespec ts = { (time_t)(left / USEC_PER_SEC),
				       (long)(left % USEC_PER_SEC * 1000) };

		if (now >= until)
			return true;
		sys_call6(SYS_ppoll, (long)&p, 1, until == USEC_NEVER ? 0 : (long)&ts, 0, 0, 0);
		if (p.revents && !care_hear())
			return false;
	}
}

/* ---- when it is gone ---------------------------------------------------------------------- */

u32 care_kept_end(void)
{
	return nkept;
}

int care_kept(u32 index, u32 gen, enum care_what what)
{
	const struct kept *k = index < nkept ? &kept[index] : NULL;

	return k && k->gen[what] == gen + 1 ? k->fd[what] : -1;
}

static int kept_fd(const struct sock *sk, enum care_what what)
{
	return care_kept(sk->index, atomic_load(&sk->gen), what);
}

/* Whose end died with the driver, before it was passed, is reset: the app end
 * shows HUP. One that waits to be accepted never had an end. */
static bool is_lost(const struct sock *sk)
{
	return sk->owner_fd < 0 && sk->tomb_fd < 0 && !sk->closing &&
	       !(sk->listener && !sk->accepted && !sk->m.paired);
}

/* The fields that are the driver's alone: the numbers of our own table, and
 * that no table of ours has it yet. */
static void take_over(struct sock *sk)
{
	struct kept *k = sk->known ? keep_at(sk->index) : NULL;

	if (!k)
		return;		/* its pair waits for whoever drives */
	k->known = true;
	k->known_gen = atomic_load(&sk->gen);
	sk->owner_fd = kept_fd(sk, CARE_OWNER);
	sk->tomb_fd = kept_fd(sk, CARE_TOMB);
	sk->plain_fd = kept_fd(sk, CARE_PLAIN);
	sk->port.drv_fd = sk->port_index == sk->index ? kept_fd(sk, CARE_PORT) : -1;
	k->lost = is_lost(sk);
	sk->known = sk->touched = sk->tx_blocked = false;
	atomic_fetch_and(&sk->rwait, WAIT_FUTEX);	/* who received itself is dead */
	atomic_fetch_and(&sk->wwait, WAIT_FUTEX);
	atomic_store(&sk->timer_at, USEC_NEVER);
}

static void enter(struct sock *sk)
{
	bool peer_known = sk->peer_known;

	sk->peer_known = false;
	life_adopt(sk);
	both_enter(sk);
	if (peer_known) {
		idmap_put(drv.by_peer, sk->conn.peer_id, sk->index);
		sk->peer_known = true;
	}
	if (sk->owner_fd >= 0)
		mirror_watch(sk, sk->owner_fd);
	if (sk->tomb_fd >= 0)
		mirror_watch(sk, sk->tomb_fd);
}

static bool was_lost(const struct sock *sk)
{
	return kept[sk->index].lost || rt_sock(sk->port_index)->port.drv_fd < 0;
}

/* Our end is gone. If the program was alone, so is its own: then it has been
 * closed, and what was sent is still to arrive. Its other threads may end a
 * moment later than the one that drove. */
static bool was_closed(const struct sock *sk)
{
	struct pollfd p = { .fd = drv.alive_fd };
	struct timespec limit = { .tv_nsec = 0 };
	static bool waited;

	if (atomic_load(&sk->kind) != SK_CONN || atomic_load(&sk->shared) ||
	    (sk->listener && !sk->accepted) || rt_sock(sk->port_index)->port.drv_fd < 0)
		return false;
	if (!waited && !atomic_load(&drv.shm->forked))
		limit.tv_nsec = ENDING_NS;
	waited = true;
	sys_call6(SYS_ppoll, (long)&p, 1, (long)&limit, 0, 0, 0);
	return p.revents & POLLHUP;
}

static void end_lost(struct sock *sk)
{
	atomic_store(&sk->stale, 1);
	sk->closing = true;
	if (atomic_load(&sk->kind) == SK_LISTENER)
		listen_close(sk);
	else if (was_closed(sk))
		conn_close(&sk->conn, drv.now);
	else
		conn_abort(&sk->conn, ECONNRESET, drv.now);
}

static void look_after(struct sock *sk)
{
	struct kept *k = &kept[sk->index];

	if (k->known_gen != atomic_load(&sk->gen))
		return;
	if (!sock_note_trylock(sk, k->known_gen, PEND_SETTLE | PEND_TX | PEND_REFILL)) {
		k->again = look_again = true;
		return;
	}
	if (was_lost(sk))
		end_lost(sk);
	life_arm(sk);
	sock_unlock(sk, -1);
}

static bool was_known(const struct sock *sk)
{
	return sk->index < nkept && kept[sk->index].known;
}

bool care_is_driven(const struct sock *sk)
{
	u32 kind = atomic_load(&sk->kind);

	return kind == SK_CONN || kind == SK_LISTENER || kind == SK_RELAY ||
	       kind == SK_TRYING || kind == SK_PLAIN;
}

/* The pages that the dead driver was receiving into, unless somebody still
 * has to run what is in one. */
static void pool_afresh(void)
{
	pool_lock();
	for (unsigned i = 0; i < DRIVER_RXBUFS; i++) {
		if (!atomic_load(&drv.shm->rx[i].parked))
			atomic_store(&drv.shm->rx[i].busy, 0);	/* put aside for itself */
		if (atomic_load(&drv.shm->rx[i].busy))
			goto out;
	}
	for (unsigned i = 0; i < DRIVER_RXBUFS; i++)
		drv.shm->rx[i].unit = MEM_NONE;
	mem_acct_purge(arena_pool(drv.ar));
out:
	pthread_mutex_unlock(&drv.shm->pool_lock);
}

void care_adopt(void)
{
	u32 end = arena_slots_max(drv.ar);

	arena_sync(drv.ar);
	atomic_store(&drv.shm->sleeping, 0);
	drv.now = rt_now();
	pool_afresh();
	for (u32 i = 1; i < end; i++)
		if (care_is_driven(rt_sock(i)))
			take_over(rt_sock(i));
		else if (rt_sock(i) && given_here(rt_sock(i)))
			given_follow(rt_sock(i), kept_fd(rt_sock(i), CARE_PORT));
	for (u32 i = 1; i < end; i++)
		if (care_is_driven(rt_sock(i)) && was_known(rt_sock(i)))
			enter(rt_sock(i));
	for (u32 i = 1; i < end; i++)
		if (care_is_driven(rt_sock(i)) && was_known(rt_sock(i)))
			look_after(rt_sock(i));
	for (u32 i = 0; i < nkept; i++)
		for (unsigned k = 0; k < CARE_KINDS; k++)
			if (kept[i].gen[k] &&
			    ((!care_is_driven(rt_sock(i)) && !given_here(rt_sock(i))) ||
			     kept[i].gen[k] != atomic_load(&rt_sock(i)->gen) + 1))
				forget(&kept[i], k);
	rt_log(RUDP_LOG_INFO, "adopted", "sockets=%u", drv.nknown);
}

void care_again(void)
{
	if (!look_again)
		return;
	look_again = false;
	for (u32 i = 0; i < nkept; i++) {
		if (!kept[i].again)
			continue;
		kept[i].again = false;
		look_after(rt_sock(i));
	}
}

static void on_alive(struct ev_loop *loop, ev_io *w, int revents)
{
	char c;

	(void)revents;
	if (sys_read(w->fd, &c, 1) != 0)
		return;
	ev_io_stop(loop, w);
	drv.alone = true;
}

void care_met(void)
{
	drv.alone = false;
	if (drv.caretaker)
		ev_io_start(drv.loop, &alive);
}

static void drive(void)
{
	notice_close();
	sys_close(CARE_CHANNEL);
	drv.pid = getpid();
	drv.caretaker = true;
	if (pump_create() < 0 || driver_loop() < 0)
		quit();
	pump_no_more();
	drv.unclaimed = !driven_claim();	/* somebody may be looking */
	drv.ticks = 1;
	driver_publish();
	ev_io_init(&alive, on_alive, drv.alive_fd, EV_READ);
	ev_io_start(drv.loop, &alive);
	care_adopt();
	driver_busy();
	ev_run(drv.loop, 0);
	quit();
}

/* ---- the beginning --------------------------------------------------------------------------- */

static bool be_introduced(void)
{
	struct care_init in;
	struct care_msg cm;
	int fds[CARE_FDS];

	care_msg_init(&cm, &in, sizeof(in), NULL, 0);
	cm.m.msg_control = cm.ctl;
	cm.m.msg_controllen = sizeof(cm.ctl);
	if (sys_recvmsg(CARE_CHANNEL, &cm.m, MSG_CMSG_CLOEXEC) != sizeof(in) ||
	    care_take_fds(&cm.m, fds, CARE_FDS) != CARE_FDS)
		return false;
	if (domain_attach_fd(&drv.dom, fds[CARE_DOMAIN]) ||
	    arena_attach_fds(&drv.ar, drv.dom, in.row, fds[CARE_CTL], fds[CARE_BUF],
			     fds[CARE_HOLD]))
		return false;
	drv.shm = arena_slot(drv.ar, 0);
	drv.wake_fd = drv.wake_app = fds[CARE_WAKE];
	drv.alive_fd = fds[CARE_ALIVE];
	drv.hello_fd = fds[CARE_HELLO];
	drv.given_epfd = fds[CARE_GIVEN];
	drv.nonce = in.nonce;
	rt_set_hello(in.hello_id);
	drv.pid = in.pid;
	care_prepare();
	care_paths(in.loader, in.library);
	return notice_init(in.pid, in.tid);
}

/* All are blocked. What the program's terminal or group was sent before we had
 * left it was not for us. */
static void drop_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_IGN);
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig != SIGPIPE)
			signal(sig, SIG_DFL);
	sigemptyset(&none);
	sys_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, _NSIG / 8, 0, 0);
}

/* What the program allows itself is none of ours. */
static void lift_files(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}

ENTRY _Noreturn void caretaker_entry(void);
ENTRY _Noreturn void caretaker_entry(void)
{
	int fd;

	rt_bypass = 1;
	drop_signals();
	lift_files();
	prctl(PR_SET_NAME, "rudp-caretaker");
	driver_close_range(CARE_CHANNEL + 1, ~0u);
	do
		fd = (int)sys_call6(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDWR | O_CLOEXEC,
				    0, 0, 0);
	while (fd >= 0 && fd < CARE_CHANNEL);
	if (fd >= 0)
		sys_close(fd);
	rt_init_env();
	libev_open();
	if (!be_introduced() || chdir("/") < 0)
		quit();
	sys_send(CARE_CHANNEL, "", 1, MSG_NOSIGNAL);	/* nobody there: what is passed was sent */
	while (notice_stop() && stand_in())
		;
	drive();
	quit();
}
