/*
 * care.c - the driver's side of its standing caretaker: started when a sock
 * has lived from one tick to the next, given copies of descriptors in batches
 * at ticks, told at once when one is closed (a copy would keep a port bound,
 * or an error from being shown).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "rt/care.h"
#include "rt/files.h"
#include "rt/loader.h"
#include "rt/log.h"
#include "rt/pump.h"
#include "rt/sys.h"

enum { ENV_MAX = 48, LINGER_MS = 2000 };

#define RETRY_US	(100 * USEC_PER_MSEC)	/* doubled each time that it fails ... */
#define RETRY_MAX_US	(30 * USEC_PER_SEC)
#define STABLE_US	(5 * USEC_PER_SEC)	/* ... before it has lived so long */

struct young { u32 index, gen; };
struct passed { u32 gen[CARE_KINDS]; };		/* gen + 1; 0: not passed */

static struct {
	int chan, pidfd;
	bool ready;			/* it has said that it is there */
	ev_io said;
	usec_t began, retry_at, retry_us;
	struct passed *passed;		/* by sock index */
	u32 npassed;
	struct young *young;		/* may have something to pass */
	unsigned nyoung, cap;
	unsigned ripe;			/* the first ones: since the tick before */
	struct care_rec forget[CARE_BATCH];	/* not told yet */
	unsigned nforget;
	char loader[CARE_PATH], library[CARE_PATH];
	char *env[ENV_MAX + 1];
} care = { .chan = -1, .retry_us = RETRY_US };

/* ---- where we are ------------------------------------------------------------------ */

static void keep_environment(void)
{
	static const char *const ours[] = { "RUDP_", "LD_LIBRARY_PATH=", "ASAN_", "TSAN_", "UBSAN_" };
	unsigned n = 0;

	for (char **e = environ; e && *e && n < ENV_MAX; e++)
		for (unsigned i = 0; i < ARRAY_SIZE(ours); i++)
			if (!strncmp(*e, ours[i], strlen(ours[i])))
				care.env[n++] = strdup(*e);
}

void care_paths(const char *loader, const char *library)
{
	char real[PATH_MAX];

	if (strlen(loader) < CARE_PATH)
		strcpy(care.loader, loader);
	if (library[0] != '/' && realpath(library, real))
		library = real;
	if (library[0] == '/' && strlen(library) < CARE_PATH)
		strcpy(care.library, library);
}

void care_prepare(void)
{
	const char *loader = loader_path();
	Dl_info library;

	if (care.library[0])
		return;
	keep_environment();
	if (loader && dladdr((void *)care_prepare, &library))
		care_paths(loader, library.dli_fname);
}

void care_driver_init(void)
{
	care.chan = -1;
	care.retry_at = 0;
	care.retry_us = RETRY_US;
	care.passed = NULL;
	care.young = NULL;
	care.npassed = care.nyoung = care.cap = care.ripe = care.nforget = 0;
}

/* ---- starting it --------------------------------------------------------------------- */

struct launch {
	char *argv[3];
	int chan, log;
	pid_t pid;
	int pidfd;
};

static _Alignas(16) char stacks[2][16384];

/* In our memory, with a table of its own: nothing but system calls. */
static int child(void *arg)
{
	struct launch *l = arg;
	int log = l->log == CARE_CHANNEL ?
		  sys_fcntl(l->log, F_DUPFD_CLOEXEC, CARE_CHANNEL + 1) : l->log;

	sys_call6(SYS_setsid, 0, 0, 0, 0, 0, 0);
	if (l->chan == CARE_CHANNEL)
		sys_fcntl(l->chan, F_SETFD, 0);
	else
		sys_call6(SYS_dup3, l->chan, CARE_CHANNEL, 0, 0, 0, 0);
	if (log == STDERR_FILENO)
		sys_fcntl(log, F_SETFD, 0);
	else if (log >= 0)
		sys_call6(SYS_dup3, log, STDERR_FILENO, 0, 0, 0, 0);
	sys_call6(SYS_execve, (long)care.loader, (long)l->argv, (long)care.env, 0, 0, 0);
	sys_call6(SYS_exit, 127, 0, 0, 0, 0, 0);
	return 0;
}

/* A program that is executed has SIGCHLD for its exit signal, whatever it was
 * cloned with: wait() would tell of a child of ours. One of nobody's it is when
 * this process, which executes nothing, is between. */
static int between(void *arg)
{
	struct launch *l = arg;

	l->pid = clone(child, stacks[1] + sizeof(stacks[1]),
		       CLONE_VM | CLONE_VFORK | CLONE_PIDFD, l, &l->pidfd);
	sys_call6(SYS_exit, 0, 0, 0, 0, 0, 0);
	return 0;
}

static bool launch(struct launch *l)
{
	pid_t pid = clone(between, stacks[0] + sizeof(stacks[0]),
			  CLONE_VM | CLONE_VFORK | CLONE_FILES, l);

	if (pid < 0)
		return false;
	sys_call6(SYS_wait4, pid, 0, (long)(u32)__WALL, 0, 0, 0);
	return l->pid > 0;
}

static bool launch_lifted(struct launch *l)
{
	bool lifted = files_lift_for_more(), begun = launch(l);

	if (lifted)
		files_drop();
	return begun;
}

void care_msg_init(struct care_msg *cm, void *data, size_t len, const int *fds, unsigned n)
{
	cm->iov = (struct iovec){ data, len };
	cm->m = (struct msghdr){ .msg_iov = &cm->iov, .msg_iovlen = 1 };
	if (!n)
		return;
	cm->m.msg_control = cm->ctl;
	cm->m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	CMSG_FIRSTHDR(&cm->m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&cm->m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&cm->m)->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&cm->m)), fds, n * sizeof(int));
}

static bool introduce(void)
{
	struct care_init in = { .row = arena_row(drv.ar), .nonce = drv.nonce,
				.hello_id = drv.hello_id, .pid = getpid(),
				.tid = (s32)sys_call6(SYS_gettid, 0, 0, 0, 0, 0, 0) };
	int fds[CARE_FDS] = { [CARE_DOMAIN] = domain_fd(drv.dom), [CARE_WAKE] = drv.wake_fd,
			      [CARE_HOLD] = arena_hold_fd(drv.ar), [CARE_ALIVE] = drv.alive_fd,
			      [CARE_HELLO] = drv.hello_fd,
			      [CARE_GIVEN] = drv.given_epfd };
	struct care_msg cm;

	arena_fds(drv.ar, &fds[CARE_CTL], &fds[CARE_BUF]);
	memcpy(in.loader, care.loader, CARE_PATH);
	memcpy(in.library, care.library, CARE_PATH);
	care_msg_init(&cm, &in, sizeof(in), fds, CARE_FDS);
	return sys_sendmsg(care.chan, &cm.m, MSG_NOSIGNAL) == sizeof(in);
}

static void failed(void)
{
	usec_t now = rt_now();

	care.retry_us = now - care.began > STABLE_US ? RETRY_US :
			min(care.retry_us * 2, RETRY_MAX_US);
	care.retry_at = now + care.retry_us;
}

static void bury(void)
{
	ev_io_stop(drv.loop, &care.said);
	sys_call6(SYS_pidfd_send_signal, care.pidfd, SIGKILL, 0, 0, 0, 0);
	sys_close(care.pidfd);
	sys_close(care.chan);
	care.chan = -1;
	memset(care.passed, 0, care.npassed * sizeof(*care.passed));
	care.nforget = 0;
	failed();
}

static void note_young(const struct sock *sk)
{
	if (care.nyoung == care.cap) {
		unsigned cap = max(care.cap * 2, 64u);
		struct young *y = realloc(care.young, cap * sizeof(*y));

		if (!y)
			return;
		care.young = y;
		care.cap = cap;
	}
	care.young[care.nyoung++] = (struct young){ sk->index, atomic_load(&sk->gen) };
}

static void know_all(void)
{
	care.nyoung = 0;
	for (u32 i = 1; i < arena_slots_max(drv.ar); i++) {
		const struct sock *sk = rt_sock(i);

		if (sk && (sk->known || given_here(sk)))
			note_young(sk);
	}
	care.ripe = care.nyoung;
}

static void on_said(struct ev_loop *loop, ev_io *w, int revents);

static bool start(void)
{
	char name[] = "rudp-caretaker";
	struct launch l = { .argv = { name, care.library, NULL }, .log = rt_log_copy(),
			    .pid = -1 };
	int sv[2], ret;
	bool begun;

	if (rt_now() < care.retry_at || !care.library[0] || domain_fd(drv.dom) < 0)
		return false;
	FILES_MAKE(ret, sys_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv));
	if (ret < 0)
		return false;
	care.began = rt_now();
	l.chan = sv[1];
	begun = launch_lifted(&l);
	sys_close(sv[1]);
	care.chan = sv[0];
	care.pidfd = l.pidfd;
	care.ready = false;
	if (!begun) {
		sys_close(sv[0]);
		care.chan = -1;
		failed();
		return false;
	}
	if (!introduce()) {
		bury();
		return false;
	}
	ev_io_init(&care.said, on_said, care.chan, EV_READ);
	ev_io_start(drv.loop, &care.said);
	rt_log(RUDP_LOG_INFO, "caretaker-start", "caretaker=%d", l.pid);
	know_all();
	return true;
}

/* ---- what it is passed --------------------------------------------------------------------- */

static struct passed *entry(u32 index)
{
	u32 want = max(index + 1, care.npassed * 2);
	struct passed *p;

	if (index < care.npassed)
		return &care.passed[index];
	p = realloc(care.passed, want * sizeof(*p));
	if (!p)
		return NULL;
	memset(p + care.npassed, 0, (want - care.npassed) * sizeof(*p));
	care.passed = p;
	care.npassed = want;
	return &p[index];
}

/* Without a standing one what is there is found when it is started (know_all). */
void care_new(const struct sock *sk)
{
	if (rt_env()->caretaker || care.chan >= 0)
		note_young(sk);
}

struct batch {
	struct care_rec rec[CARE_BATCH];
	int fds[CARE_BATCH];
	unsigned n;
};

/* False: the channel is full for now. */
static bool flush(struct batch *b)
{
	struct care_msg cm;
	ssize_t ret;

	if (!b->n)
		return true;
	care_msg_init(&cm, b->rec, b->n * sizeof(b->rec[0]), b->fds, b->n);
	ret = sys_sendmsg(care.chan, &cm.m, MSG_NOSIGNAL | MSG_DONTWAIT);
	for (unsigned i = 0; ret < 0 && i < b->n; i++)
		entry(b->rec[i].index)->gen[b->rec[i].what] = 0;
	b->n = 0;
	return ret >= 0;
}

static bool add(struct batch *b, const struct sock *sk)
{
	int fds[CARE_KINDS] = {
		[CARE_OWNER] = sk->owner_fd, [CARE_TOMB] = sk->tomb_fd,
		[CARE_PLAIN] = sk->plain_fd,
		[CARE_PORT] = sk->port_index == sk->index ? sk->port.drv_fd : -1,
	};
	u32 gen = atomic_load(&sk->gen);
	struct passed *p = entry(sk->index);

	if (b->n + CARE_KINDS > CARE_BATCH && !flush(b))
		return false;
	for (unsigned k = 0; p && k < CARE_KINDS; k++) {
		if (fds[k] < 0 || p->gen[k] == gen + 1)
			continue;
		p->gen[k] = gen + 1;
		b->fds[b->n] = fds[k];
		b->rec[b->n++] = (struct care_rec){ sk->index, gen, (u16)k, 0 };
	}
	return true;
}

/* Passes the ripe ones. What the channel does not take waits for the next
 * tick. */
static bool pass(void)
{
	struct batch b = { .n = 0 };
	unsigned i, sent = 0;

	care_told();
	if (care.chan < 0)
		return false;
	for (i = 0; i < care.ripe; i++) {
		const struct sock *sk = rt_sock(care.young[i].index);

		if (!sk || atomic_load(&sk->gen) != care.young[i].gen ||
		    atomic_load(&sk->kind) == SK_FREE)
			continue;
		if (!add(&b, sk))
			break;
		if (!b.n)
			sent = i;
	}
	if (i == care.ripe && flush(&b))
		sent = i;
	memmove(care.young, care.young + sent, (care.nyoung - sent) * sizeof(*care.young));
	care.nyoung -= sent;
	care.ripe -= sent;
	return !care.ripe;
}

/* It came to a port of ours while we were stopped, for nobody who is there. */
static void run_said(const struct care_said *said, const u8 *pkt, u32 len)
{
	struct sock *sk = said->index < drv.ntables && drv.ports[said->index] ?
			  rt_sock(said->index) : NULL;

	if (!sk || atomic_load(&sk->gen) != said->gen)
		return;
	pump_lock();
	rx_batch_begin(rt_now());
	rx_one_by_one(sk, pkt, len, len, &said->meta);
	rx_batch_end();
	pump_unlock();
}

static bool lives(void)
{
	static u8 pkt[RUN_PAGES_MAX * PAGE_BYTES];
	struct care_said said;
	struct iovec iov[2] = { { &said, sizeof(said) }, { pkt, sizeof(pkt) } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (care.chan < 0)
		return false;
	while ((n = sys_recvmsg(care.chan, &m, MSG_DONTWAIT)) > 0) {
		care.ready = true;
		if (n > (ssize_t)sizeof(said))
			run_said(&said, pkt, (u32)((size_t)n - sizeof(said)));
	}
	if (n != -EAGAIN)
		bury();
	return care.chan >= 0;
}

static void on_said(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	lives();
}

void care_forget(const struct sock *sk, enum care_what what)
{
	if (care.chan < 0 || sk->index >= care.npassed || !care.passed[sk->index].gen[what])
		return;
	care.passed[sk->index].gen[what] = 0;
	if (care.nforget == CARE_BATCH)
		care_told();
	care.forget[care.nforget++] = (struct care_rec){ sk->index, atomic_load(&sk->gen),
							 (u16)what, 1 };
}

void care_told(void)
{
	size_t len = care.nforget * sizeof(care.forget[0]);

	if (!care.nforget)
		return;
	care.nforget = 0;
	/* It is stopped, or worse: what it holds must not outlive what it is of. */
	if (sys_send(care.chan, care.forget, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		bury();
}

void care_tick(void)
{
	if (!rt_env()->caretaker || drv.alone)
		return;
	if (lives() || (care.ripe && start()))
		pass();
	care.ripe = care.nyoung;
}

/* What was started may still fail to load: a library that is not readable any
 * more, a limit of memory. */
bool care_all(void)
{
	usec_t until = rt_now() + LINGER_MS * 1000;

	if (!lives() && !start())
		return false;
	for (;;) {
		struct pollfd p = { .fd = care.chan, .events = POLLIN };
		struct timespec ts = { .tv_nsec = 10000000 };
		bool passed;

		care.ripe = care.nyoung;
		passed = pass();
		if (!lives())
			return false;
		if (passed && care.ready)
			return true;
		if (rt_now() > until) {
			bury();
			return false;
		}
		if (!passed)
			p.events |= POLLOUT;
		sys_call6(SYS_ppoll, (long)&p, 1, (long)&ts, 0, 0, 0);
	}
}
