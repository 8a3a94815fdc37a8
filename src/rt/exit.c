/*
 * exit.c - the program ends, its connections do not. What is unsent,
 * unacknowledged or unfinished goes on being driven by a caretaker (care.h),
 * which is given what it has not yet. The program's own descriptors close with
 * it, so the caretaker sees the mirrors hang up as the driver would have.
 *
 * Where no program can be started (no loader in reach, no shared memory), the
 * event thread forks at exit, and its child, which has its descriptors and none
 * of the program's, goes on with the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "rt/files.h"
#include "rt/log.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

static _Atomic u32 exit_asked;		/* 3: about to be, 1: asked, 2: done */
static enum leave leaving;

/* What this process held of the arena without a sock goes back. */
static void leave(void)
{
	pool_lock();
	for (unsigned i = 0; i < DRIVER_RXBUFS; i++) {
		struct rxbuf *rb = &drv.shm->rx[i];

		if (!atomic_load(&rb->busy))
			rx_give_back(rb);
	}
	pthread_mutex_unlock(&drv.shm->pool_lock);
	atomic_store(&drv.dom->arenas[arena_row(drv.ar)].timewait, 0);
	arena_flush(drv.ar);
}

static void become_caretaker(void)
{
	drv.caretaker = true;
	drv.alone = true;
	ev_loop_fork(drv.loop);
	pump_forked();
	setsid();
	if (chdir("/") < 0)
		errno = 0;
	prctl(PR_SET_NAME, "rudp-caretaker");
	driver_publish();
	drv.unclaimed = true;		/* it is the parent's until that is dead */
	/* Nobody's threads are here but this one. */
	atomic_store(&drv.shm->sleeping, 0);
}

/* Children of the program may want a driver later. */
static bool needed(void)
{
	return drv.nknown || drv.ngiven || atomic_load(&drv.shm->forked);
}

/* All is passed on. Whoever is killed inside a sock's lock leaves a connection
 * that has to be aborted, and what is met from now on the caretaker would know
 * nothing of. So nothing is touched any more: until the end, until an exec has
 * failed, or, when a handler may jump out of abort, for as long as that would
 * have taken. Before we are up, the next one may have asked: `how` is of who was
 * answered. */
static void stand_still(enum leave how)
{
	const struct timespec patience = { 0, 50 * 1000000 };

	do
		sys_futex_wait(&exit_asked, 2, how == LEAVE_ABORT ? &patience : NULL);
	while (how == LEAVE_EXIT || (how == LEAVE_EXEC && atomic_load(&exit_asked) == 2));
}

/* Who was answered goes on. A later question is left as it is. */
static void go_on(void)
{
	u32 answered = 2;

	if (atomic_compare_exchange_strong(&exit_asked, &answered, 0))
		sys_futex_wake(&exit_asked, INT32_MAX);
}

static void answer(void)
{
	atomic_store(&exit_asked, 2);
	sys_futex_wake(&exit_asked, INT32_MAX);
}

/* In the event thread. Returns in the caretaker, or when the program may go on. */
void exit_if_asked(void)
{
	bool passed = false;
	enum leave how;
	pid_t pid;

	if (atomic_load(&exit_asked) != 1)
		return;
	how = leaving;
	mirror_hello();		/* what was listening or connecting last */
	if (needed())
		passed = care_all();
	if (passed)
		rt_log(RUDP_LOG_INFO, "handed-over", "sockets=%u why=%s", drv.nknown,
		       how == LEAVE_EXIT ? "exit" :
		       how == LEAVE_EXEC ? "exec" : "abort");
	if (needed() && !passed && drv.nknown && how == LEAVE_EXIT) {
		pid = fork();
		if (pid == 0) {
			atomic_store(&exit_asked, 0);
			files_child();
			become_caretaker();
			rt_log(RUDP_LOG_INFO, "caretaker", "sockets=%u", drv.nknown);
			return;
		}
		/* The loop's descriptors are the child's now: touch nothing. */
		drv.handed_over = pid > 0;
	}
	if (!needed())
		leave();
	answer();
	if (passed)
		stand_still(how);
	if (how != LEAVE_EXIT)
		go_on();
	while (drv.handed_over)
		sys_call6(SYS_ppoll, 0, 0, 0, 0, 0, 0);
}

static bool drives_any(void)
{
	for (u32 i = 1; i < arena_slots_max(drv.ar); i++) {
		const struct sock *sk = rt_sock(i);

		if (sk && atomic_load(&sk->kind) != SK_FREE && sk->known)
			return true;
	}
	return false;
}

/* The caretaker's end: the last connection is gone. The slots are the truth,
 * and looked at once a tick. */
void exit_if_idle(void)
{
	static u32 looked;

	if (!drv.caretaker || !drv.alone || (drv.nknown && looked == drv.ticks))
		return;
	looked = drv.ticks;
	driver_busy();
	given_look();
	if (drv.ngiven || drives_any())
		return;
	rt_log(RUDP_LOG_INFO, "caretaker-end", "sockets=%u", drv.nknown);
	leave();
	sys_call6(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

static bool drives_here(void)
{
	return rt_running() && !rt_bypass && drv.pid == getpid();
}

/* The event thread is asked once; others who end meanwhile wait as well. */
void rt_leave(enum leave how)
{
	u32 none = 0;

	rt_at = rt_home;	/* it may be a handler's call, out of another's */
	if (!drives_here())
		return;		/* a forked child's parent drives */
	if (atomic_compare_exchange_strong(&exit_asked, &none, 3)) {
		leaving = how;
		atomic_store(&exit_asked, 1);
	}
	driver_wake();
	while (atomic_load(&exit_asked) & 1)
		sys_futex_wait(&exit_asked, 1, NULL);
}

void rt_stay(void)
{
	rt_at = rt_home;
	if (!drives_here() || leaving != LEAVE_EXEC)
		return;
	go_on();
}
