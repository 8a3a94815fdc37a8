/*
 * start.c - the process's side of the runtime: environment, domain and arena
 * on first use, the event thread when a socket needs it, and the descriptors
 * of ours that must lie in the program's table.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/un.h>
#include <unistd.h>
#include "rt/files.h"
#include "rt/log.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

TLS_IE int rt_bypass;

static struct rt_env env = { .domain = "default" };
static bool env_read;
static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int attached, started;

enum { PROTECTED_FDS = 1 << 20 };
static _Atomic u64 protected_map[PROTECTED_FDS / 64];
static _Atomic unsigned highest;

usec_t rt_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * USEC_PER_SEC + (u64)ts.tv_nsec / 1000 + 1;
}

u64 rt_random(void)
{
	u64 v = 0;

	while (!v)
		if (getrandom(&v, sizeof(v), 0) != sizeof(v))
			v = rt_now() * 0x9e3779b97f4a7c15ULL ^ (u64)(uintptr_t)&v;
	return v;
}

/* ---- environment ---------------------------------------------------------- */

static void bad_env(const char *name, const char *value, const char *accepted)
{
	fprintf(stderr, "librudp: %s=\"%s\": %s\n", name, value, accepted);
	_exit(78);
}

static void bad_limit(const char *limit, const char *value)
{
	char name[16] = "RUDP_", accepted[160];

	for (size_t i = 0; limit[i] && i < 8; i++)
		name[5 + i] = (char)(limit[i] - 'a' + 'A');
	snprintf(accepted, sizeof(accepted), "accepted are %s", mem_limits_accepted(limit));
	bad_env(name, value ? value : "", accepted);
}

static void read_limits(struct rt_env *e)
{
	const char *mem = getenv("RUDP_MEM"), *wmem = getenv("RUDP_WMEM");
	const char *rmem = getenv("RUDP_RMEM"), *wrong;
	u64 total, pages = mem_available_pages(&total);

	mem_limits_default(&e->limits, pages, total);
	wrong = mem && !mem_parse_mem(mem, e->limits.mem) ? "mem" :
		wmem && !mem_parse_bytes3(wmem, e->limits.wmem) ? "wmem" :
		rmem && !mem_parse_bytes3(rmem, e->limits.rmem) ? "rmem" :
		mem_limits_check(&e->limits);
	if (wrong)
		bad_limit(wrong, *wrong == 'm' ? mem : *wrong == 'w' ? wmem : rmem);
	e->has_limits = mem || wmem || rmem;
}

static void read_domain(struct rt_env *e)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	const char *name = getenv("RUDP_DOMAIN");

	if (!name)
		return;
	if (!*name || strlen(name) >= sizeof(e->domain) - 16 || strspn(name, ok) != strlen(name))
		bad_env("RUDP_DOMAIN", name, "accepted are 1 to 47 letters, digits, '-', '_' and '.'");
	strcpy(e->domain, name);
}

void rt_init_env(void)
{
	const char *cc = getenv("RUDP_CONGESTION"), *care = getenv("RUDP_CARETAKER");
	const char *log = getenv("RUDP_LOG"), *match = getenv("RUDP_MATCH");
	const char *fallback = getenv("RUDP_FALLBACK"), *both = getenv("RUDP_LISTEN");
	int id;

	if (env_read)
		return;
	read_domain(&env);
	read_limits(&env);
	if (log && !rt_log_init(log))
		bad_env("RUDP_LOG", log, "accepted are off, error, warn, info and debug, each "
			"with ':' and a file if wanted");
	if (cc) {
		id = cc_find(cc);
		if (id < 0)
			bad_env("RUDP_CONGESTION", cc, "accepted are cubic, reno and bbr");
		env.cc_id = (u8)id;
	}
	if (care && strcmp(care, "on") && strcmp(care, "off"))
		bad_env("RUDP_CARETAKER", care, "accepted are on and off");
	if (both && strcmp(both, "both") && strcmp(both, "rudp"))
		bad_env("RUDP_LISTEN", both, "accepted are both and rudp");
	env.both = !both || !strcmp(both, "both");
	if (match && !match_parse(&env.match, match))
		bad_env("RUDP_MATCH", match, MATCH_ACCEPTED);
	if (fallback && strcmp(fallback, "tcp") && strcmp(fallback, "off"))
		bad_env("RUDP_FALLBACK", fallback, "accepted are tcp and off");
	env.fallback = !fallback || !strcmp(fallback, "tcp");
	env.caretaker = !care || !strcmp(care, "on");
	env_read = true;
}

const struct rt_env *rt_env(void)
{
	rt_init_env();
	return &env;
}

/* ---- descriptors of ours in the program's table ------------------------------ */

bool rt_fd_protected(int fd)
{
	return fd >= 0 && fd < PROTECTED_FDS &&
	       (atomic_load_explicit(&protected_map[fd / 64], memory_order_relaxed) >>
		(fd % 64) & 1);
}

static void protect(int fd, bool on)
{
	u64 bit = 1ULL << (fd % 64);

	if (fd >= PROTECTED_FDS)
		return;
	if (on)
		atomic_fetch_or(&protected_map[fd / 64], bit);
	else
		atomic_fetch_and(&protected_map[fd / 64], ~bit);
}

unsigned rt_fd_highest(void)
{
	return atomic_load(&highest);
}

void rt_fd_protect(int fd)
{
	unsigned seen = atomic_load(&highest);

	while ((unsigned)fd > seen && !atomic_compare_exchange_weak(&highest, &seen, (unsigned)fd))
		;
	protect(fd, true);
	files_ours(fd);
}

static int moved_to(int fd, int high)
{
	if (high >= 0)
		sys_close(fd);
	rt_fd_protect(high < 0 ? fd : high);
	return high < 0 ? fd : high;
}

static int beyond(int fd, u32 soft)
{
	int far = -EMFILE;

	if (files_lift()) {
		far = sys_fcntl(fd, F_DUPFD_CLOEXEC, soft);
		files_drop();
	}
	return far;
}

int rt_fd_far(int fd)
{
	int far = beyond(fd, files_soft());

	return far < 0 ? rt_fd_high(fd) : moved_to(fd, far);
}

/* The top of the range, but below 4,096: a table's size is its highest number,
 * and fork copies it. Where the program uses many itself (the lowest that was
 * free was this one), out of its way. */
int rt_fd_high(int fd)
{
	u32 soft = files_soft();
	int high = (u32)fd < soft / 32 ? -EMFILE : beyond(fd, soft);

	for (u32 from = min(soft, 4096u) / 2; from > 3 && high < 0; from /= 2)
		high = sys_fcntl(fd, F_DUPFD_CLOEXEC, from);
	return moved_to(fd, high);
}

void rt_fd_forget(int fd)
{
	protect(fd, false);
	sys_close(fd);
}

/* What the driver will take along. */
static void move_unlaunched(int fd, int high)
{
	int ctl, buf, hold = arena_hold_fd(drv.ar);

	arena_fds(drv.ar, &ctl, &buf);
	arena_moved_fds(drv.ar, fd == ctl ? high : ctl, fd == buf ? high : buf,
			fd == hold ? high : hold);
	if (fd == domain_fd(drv.dom))
		domain_moved_fd(drv.dom, high);
}

int rt_fd_move(int fd)
{
	int high;

	if (!rt_fd_protected(fd))
		return 0;
	high = sys_fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
	if (high < 0)
		high = sys_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		high = beyond(fd, files_soft());
	if (high < 0)
		return high;
	rt_fd_protect(high);
	family_fd_moved(fd, high);
	if (drv.ar && !rt_running())
		move_unlaunched(fd, high);
	rt_fd_forget(fd);
	return 0;
}

/* ---- first use ------------------------------------------------------------------ */

/* A program may close all that it does not know before it makes a driver
 * necessary, which then takes them along. */
static void out_of_the_way(void)
{
	int ctl, buf, hold = arena_hold_fd(drv.ar), dom = domain_fd(drv.dom);

	arena_fds(drv.ar, &ctl, &buf);
	arena_moved_fds(drv.ar, rt_fd_high(ctl), rt_fd_high(buf), hold < 0 ? -1 : rt_fd_high(hold));
	if (dom >= 0)
		domain_moved_fd(drv.dom, rt_fd_high(dom));
}

/* The driver has them, or nobody needs them any more. */
static void forget_fds(void)
{
	int ctl, buf, hold = arena_hold_fd(drv.ar), dom = domain_fd(drv.dom);

	arena_fds(drv.ar, &ctl, &buf);
	rt_fd_forget(ctl);
	rt_fd_forget(buf);
	if (hold >= 0)
		rt_fd_forget(hold);
	if (dom >= 0)
		rt_fd_forget(dom);
}

static int attach(void)
{
	const struct rt_env *e = rt_env();
	struct driver_shm *shm;
	pthread_mutexattr_t ma;
	u32 index, gen;
	int ret;

	ret = domain_attach(&drv.dom, e->domain, &e->limits, e->has_limits);
	if (ret < 0) {
		fprintf(stderr, "librudp: domain \"%s\": %s: memory is accounted for this "
			"process alone\n", e->domain, ret == -EPROTO ?
			"in use by programs with another version of librudp" : strerror(-ret));
		rt_log(RUDP_LOG_ERROR, "domain-private", "domain=%s errno=%d", e->domain, -ret);
		drv.dom = domain_private(&e->limits);
		if (!drv.dom)
			return -ENOMEM;
	}
	ret = arena_create(&drv.ar, drv.dom);
	if (ret < 0)
		return ret;
	if (domain_is_tight(drv.dom))
		rt_log(RUDP_LOG_WARN, "domain-tight", "domain=%s", e->domain);
	shm = arena_slot_get(drv.ar, &index, &gen);	/* the driver's: never given back */
	if (!shm)
		return -ENFILE;
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&shm->pool_lock, &ma);
	pthread_mutex_init(&shm->starting, &ma);
	pthread_mutex_init(&shm->driving, &ma);
	atomic_store(&shm->next_wake, 0);
	drv.shm = shm;
	out_of_the_way();
	return 0;
}

int rt_attach(void)
{
	int ret = 0;

	if (unlikely(driven_no_more()))
		rt_at = rt_home;
	if (rt_at != rt_home || atomic_load_explicit(&attached, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&start_lock);
	rt_bypass++;
	if (rt_at == rt_home && !atomic_load(&attached)) {
		ret = attach();
		if (!ret)
			atomic_store(&attached, 1);
	}
	rt_bypass--;
	pthread_mutex_unlock(&start_lock);
	return ret;
}

struct sock *rt_sock(u32 index)
{
	return index ? arena_slot(drv.ar, index) : NULL;
}

void rt_set_hello(u64 id)
{
	drv.hello_id = id;
	drv.name_len = (unsigned)snprintf(drv.name + 1, sizeof(drv.name) - 1, "rudp-%016llx",
					  (unsigned long long)id) + 1;
}

/* The listener that app ends connect to, under a name nobody can guess. */
static int open_hello(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, ret;

	FILES_MAKE(fd, sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return fd;
	drv.nonce = rt_random();
	rt_set_hello(rt_random());
	memcpy(sa.sun_path, drv.name, drv.name_len);
	ret = sys_bind(fd, &sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + drv.name_len));
	if (!ret)
		ret = sys_listen(fd, SOMAXCONN_DEFAULT);
	if (ret < 0) {
		sys_close(fd);
		return ret;
	}
	return fd;
}

static int launch(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int ret, wake, alive[2];

	drv.hello_fd = open_hello();
	if (drv.hello_fd < 0)
		return drv.hello_fd;
	drv.shm->bell_len = drv.name_len;
	memcpy(drv.shm->bell, drv.name, sizeof(drv.shm->bell));
	FILES_MAKE(wake, sys_eventfd(0, O_CLOEXEC | O_NONBLOCK));
	if (wake < 0) {
		sys_close(drv.hello_fd);
		return wake;
	}
	/* who reads it may have been told of an end that is none any more */
	FILES_MAKE(ret, (int)sys_call6(SYS_pipe2, (long)alive, O_CLOEXEC | O_NONBLOCK, 0, 0, 0,
				       0));
	if (ret < 0) {
		sys_close(drv.hello_fd);
		sys_close(wake);
		return ret;
	}
	drv.wake_fd = drv.wake_app = rt_fd_far(wake);
	drv.alive_fd = alive[0];
	drv.alive_app = rt_fd_far(alive[1]);
	care_prepare();
	ret = pump_create();
	if (ret < 0)
		goto out_close;
	drv.pid = getpid();
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	atomic_store(&started, 0);
	ret = pthread_create(&thread, &attr, driver_thread, &started);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (ret) {
		ret = -ret;
		pump_destroy();
		goto out_close;
	}
	/* 1: it has its own descriptor table, ours may be cleared; 2: it failed */
	while (!atomic_load(&started))
		sys_futex_wait((_Atomic u32 *)&started, 0, NULL);
	sys_close(drv.hello_fd);
	sys_close(drv.alive_fd);
	if (atomic_load(&started) == 2) {
		rt_log(RUDP_LOG_ERROR, "no-driver", "domain=%s", env.domain);
		atomic_store(&started, 0);
		return -ENOMEM;
	}
	rt_log(RUDP_LOG_INFO, "driver", "version=%s domain=%s program=%s", RUDP_VERSION,
	       env.domain, program_invocation_short_name);
	forget_fds();
	return 0;
out_close:
	sys_close(drv.hello_fd);
	sys_close(drv.alive_fd);
	rt_fd_forget(drv.wake_app);
	rt_fd_forget(drv.alive_app);
	return ret;
}

void rt_joined(void)
{
	atomic_store(&attached, 1);
	atomic_store(&started, 1);
}

/* A program may try what sockets can do before it is given those it works
 * with. Nobody else may be inside a sock that is free: its lock tells. */
static bool unused(void)
{
	u32 end = arena_slots_max(drv.ar);

	for (u32 i = 1; i < end; i++) {
		struct sock *sk = rt_sock(i);

		if (!sk || atomic_load(&sk->kind) != SK_FREE || pthread_mutex_trylock(&sk->lock))
			return false;
		pthread_mutex_unlock(&sk->lock);
	}
	return true;
}

bool rt_abandon(void)
{
	bool go;

	pthread_mutex_lock(&start_lock);
	go = drv.ar && !rt_running() && unused();
	if (go) {
		arena_flush(drv.ar);
		forget_fds();
		arena_moved_fds(drv.ar, -1, -1, -1);
		domain_moved_fd(drv.dom, -1);
		arena_detach(drv.ar);
		domain_detach(drv.dom);
		drv.ar = NULL;
		drv.dom = NULL;
		drv.shm = NULL;
		atomic_store(&attached, 0);
	}
	pthread_mutex_unlock(&start_lock);
	return go;
}

bool rt_leave_home(void)
{
	bool left;

	pthread_mutex_lock(&start_lock);
	left = rt_at->left;		/* another thread was faster */
	if (!left) {
		atomic_store(&started, 0);
		atomic_store(&attached, 0);
		left = family_leave();
	}
	if (!left) {
		atomic_store(&attached, 1);
		atomic_store(&started, 1);
	}
	pthread_mutex_unlock(&start_lock);
	return left;
}

void rt_child(void)
{
	start_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	files_child();
	join_child();
}

bool rt_running(void)
{
	return atomic_load(&started) == 1;
}

/* One that was forked before there was a driver may have one all the same: a
 * relative's, who was faster. */
static int launch_or_join(void)
{
	int ret;

	if (pthread_mutex_lock(&drv.shm->starting) == EOWNERDEAD)
		pthread_mutex_consistent(&drv.shm->starting);
	ret = join_relatives();
	if (!ret) {
		forget_fds();
		arena_moved_fds(drv.ar, -1, -1, -1);
		domain_moved_fd(drv.dom, -1);
		rt_joined();
	} else {
		drv.follows = atomic_load(&drv.dom->arenas[arena_row(drv.ar)].hello) != 0;
		ret = launch();
	}
	pthread_mutex_unlock(&drv.shm->starting);
	return ret;
}

int rt_start(void)
{
	int ret = 0;

	if (rt_at != rt_home || atomic_load_explicit(&started, memory_order_acquire) == 1)
		return 0;
	pthread_mutex_lock(&start_lock);
	rt_bypass++;
	if (rt_at == rt_home && atomic_load(&started) != 1)
		ret = launch_or_join();
	rt_bypass--;
	pthread_mutex_unlock(&start_lock);
	return ret;
}

void driver_wake(void)
{
	u64 one = 1;

	if (drv.wake_app >= 0)
		sys_write(rt_bypass ? drv.wake_fd : drv.wake_app, &one, sizeof(one));
}

/* First the call, then the note: a thread that is killed between the two leaves
 * a driver that is woken twice. A note on a later sleep is not ours to make. */
void driver_rouse(void)
{
	u32 sleep = atomic_load(&drv.shm->sleeping);

	if (!sleep)
		return;
	driver_wake();
	atomic_compare_exchange_strong(&drv.shm->sleeping, &sleep, 0);
}

/* A stack of indices; the driver takes all of it at once. Pushed under the
 * sock's lock, so that a freed slot is never on it. */
bool driver_attention(struct sock *sk)
{
	u32 head;

	if (atomic_exchange(&sk->attn, 1))
		return false;
	head = atomic_load(&drv.shm->attn_head);
	do
		atomic_store(&sk->attn_next, head);
	while (!atomic_compare_exchange_weak(&drv.shm->attn_head, &head, sk->index + 1));
	return !rt_bypass && atomic_load(&drv.shm->sleeping);
}
