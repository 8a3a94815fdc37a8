/* files.c - see files.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>
#include "rt/files.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

enum {
	MORE = 64,		/* a table with fewer free numbers is looked at */
	FEW = 32,		/* kept for what is on its way, of a table ... */
	FEW_OF = 16,		/* ... but no more than this part of it */
};

/* A handler that comes between files_hold() and the exec finds it taken. */
static pthread_mutex_t lock = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static struct rlimit was;		/* before the limit was lifted last */
static _Atomic rlim_t lifted;		/* to this; nobody else would choose it */
static int top;				/* the event thread's: highest that was made */
static int spare[2];			/* its, too; -1: used */
static _Atomic int lowest = INT_MAX;	/* of ours, in the program's table */

/* ---- the limit ------------------------------------------------------------------- */

static int limit(const struct rlimit *set, struct rlimit *get)
{
	return (int)sys_call6(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)set, (long)get, 0, 0);
}

u32 files_soft(void)
{
	struct rlimit rl;

	if (limit(NULL, &rl) < 0)
		return 1024;
	if (unlikely(rl.rlim_cur == lifted)) {	/* by somebody, for this moment */
		if (pthread_mutex_lock(&lock)) {
			rl = was;		/* by this very thread */
		} else {
			limit(NULL, &rl);
			pthread_mutex_unlock(&lock);
		}
	}
	return (u32)min(rl.rlim_cur, (rlim_t)INT_MAX);
}

bool files_lift(void)
{
	struct rlimit rl, now;

	if (pthread_mutex_lock(&lock))
		return false;
	if (!limit(NULL, &now) && now.rlim_max > now.rlim_cur + 1) {
		rl = (struct rlimit){ now.rlim_max - 1, now.rlim_max };
		was = now;
		lifted = rl.rlim_cur;
		if (!limit(&rl, NULL))
			return true;
	}
	pthread_mutex_unlock(&lock);
	return false;
}

void files_drop(void)
{
	struct rlimit now;

	if (!limit(&was, &now) && now.rlim_cur != lifted)
		limit(&now, NULL);		/* somebody has set it meanwhile */
	pthread_mutex_unlock(&lock);
}

void files_hold(void)
{
	pthread_mutex_lock(&lock);
}

void files_let_go(void)
{
	pthread_mutex_unlock(&lock);
}

void files_mend(void)
{
	struct rlimit now;

	if (lifted && !limit(NULL, &now) && now.rlim_cur == lifted)
		limit(&was, NULL);
}

void files_child(void)
{
	lock = (pthread_mutex_t)PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
	files_mend();
}

/* ---- the event thread's table ------------------------------------------------------- */

void files_made(int fd)
{
	if (rt_bypass && fd > top)
		top = fd;
}

/* The lowest free one is what is given: above the highest that ever was, all are
 * free, but for a few that were there before. */
static bool near(u64 end)
{
	return (u64)top + MORE >= end;
}

bool files_lift_for_more(void)
{
	return near(files_soft()) && files_lift();
}

/* Low numbers: they are of use when the limit has been set below what there is. */
void files_spare(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(spare); i++)
		if (spare[i] < 0)
			spare[i] = sys_fcntl(drv.wake_fd, F_DUPFD_CLOEXEC, 0);
}

bool files_use_spare(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(spare); i++) {
		if (spare[i] < 0)
			continue;
		sys_close(spare[i]);
		spare[i] = -1;
		return true;
	}
	return false;
}

void files_driver_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(spare); i++)
		spare[i] = -1;
	files_spare();
}

bool files_are_few(void)
{
	int fds[FEW], want, n = 0;
	struct rlimit rl;
	bool more;

	if (limit(NULL, &rl) || !near(rl.rlim_max))
		return false;
	want = (int)min((rlim_t)FEW, rl.rlim_max / FEW_OF);
	more = files_lift();
	while (n < want && (fds[n] = sys_fcntl(drv.wake_fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	if (more)
		files_drop();
	for (int i = 0; i < n; i++)
		sys_close(fds[i]);
	return n < want;
}

/* ---- the program's table --------------------------------------------------------------- */

void files_ours(int fd)
{
	int seen = atomic_load(&lowest);

	while (fd < seen && !atomic_compare_exchange_weak(&lowest, &seen, fd))
		;
}

/* The kernel knows no number beyond the limit, even where there is one. */
int files_replace(int fd, int ours)
{
	int ret = (int)sys_call6(SYS_dup3, fd, ours, O_CLOEXEC, 0, 0, 0);

	if (ret == -EBADF && files_lift()) {
		ret = (int)sys_call6(SYS_dup3, fd, ours, O_CLOEXEC, 0, 0, 0);
		files_drop();
	}
	return ret;
}

/* Its lock is held, and rx_lock: nobody is in a call on the number. */
static bool move_away(struct sock *sk, struct local *l, int fd, int soft)
{
	int far = -EMFILE;

	if (files_lift()) {
		far = sys_fcntl(fd, F_DUPFD_CLOEXEC, soft);
		files_drop();
	}
	if (far >= 0) {
		rt_fd_protect(far);
		atomic_store(&l->udp_fd, far + 1);
		rt_fd_forget(fd);
		return true;
	}
	if (atomic_load(&sk->kind) != SK_CONN || sk->conn.state == CONN_SYN_SENT ||
	    sk->conn.state == CONN_CLOSED)
		return false;	/* nobody else has it for sure */
	atomic_store(&l->udp_fd, 0);
	rt_fd_forget(fd);
	return true;
}

static bool leave(u32 index, struct local *l, int soft)
{
	int fd = atomic_load(&l->udp_fd) - 1;
	struct sock *sk = fd >= 0 && fd < soft ? rt_sock(index) : NULL;
	bool gone = false;

	if (!sk || !sock_trylock(sk, 0))
		return false;
	pump_lock();
	if (atomic_load(&l->udp_fd) == fd + 1)
		gone = move_away(sk, l, fd, soft);
	pump_unlock();
	sock_unlock(sk, -1);
	return gone;
}

bool files_give_way(void)
{
	int soft = (int)files_soft();
	bool any = false;

	if (atomic_exchange(&lowest, INT_MAX) >= soft)
		return false;
	for (u32 i = 0; i < LOCAL_CHUNKS; i++) {
		struct local *l = atomic_load(&drv.locals[i]);

		for (u32 j = 0; l && j < LOCAL_CHUNK; j++)
			any |= leave(i * LOCAL_CHUNK + j, &l[j], soft);
	}
	return any;
}

void files_look(int fd)
{
	if (unlikely(fd > atomic_load_explicit(&lowest, memory_order_relaxed)))
		files_give_way();
}
