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
#include "rt/log.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

static _Atomic u32 exit_asked;		/* 1: asked, 2: done */
static bool leaving;			/* for good: it is no exec */

/* What this process held of the arena without a sock goes back. */
static void leave(void)
{
	pool_lock();
	for (unsigned i = 0; i < DRIVER_RXBUFS; i++) {
		struct rxbuf *rb = &drv.shm->rx[i];

		if (atomic_load(&rb->busy) || !rb->unit)
			continue;
		mem_free(arena_pool(drv.ar), rb->unit, RUN_UNITS_MAX, MEM_RCV);
		rb->unit = MEM_NONE;
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
	/* Nobody's threads are here but this one. */
	atomic_store(&drv.shm->sleeping, 0);
}

/* Children of the program may want a driver later. */
static bool needed(void)
{
	return drv.nknown || atomic_load(&drv.shm->forked);
}

/* All is passed on. Whoever is killed inside a sock's lock leaves a connection
 * that has to be aborted, so nothing is touched any more: until the end, or,
 * where the program may go on (an exec that fails, a handler that jumps out of
 * abort), for as long as an end would have taken. */
static void stand_still(void)
{
	const struct timespec patience = { 0, 50 * 1000000 };

	do
		sys_futex_wait(&exit_asked, 2, leaving ? NULL : &patience);
	while (leaving);
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
	pid_t pid;

	if (atomic_load(&exit_asked) != 1)
		return;
	mirror_hello();		/* what was listening or connecting last */
	if (needed())
		passed = care_all();
	if (needed() && !passed && drv.nknown && leaving) {
		pid = fork();
		if (pid == 0) {
			atomic_store(&exit_asked, 0);
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
		stand_still();
	while (drv.handed_over)
		sys_call6(SYS_ppoll, 0, 0, 0, 0, 0, 0);
}

/* The caretaker's end: the last connection is gone. */
void exit_if_idle(void)
{
	if (!drv.caretaker || !drv.alone || drv.nknown)
		return;
	rt_log(RUDP_LOG_INFO, "caretaker-end", "sockets=%u", drv.nknown);
	leave();
	sys_call6(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

/* The event thread is asked once; others who end meanwhile wait as well. It
 * drives on: an exec may fail. */
void rt_leave(bool exits)
{
	u32 none = 0;
	bool first;

	if (!rt_running() || rt_bypass || drv.pid != getpid())
		return;		/* a forked child's parent drives */
	first = atomic_compare_exchange_strong(&exit_asked, &none, 1);
	if (first)
		leaving = exits;
	driver_wake();
	while (atomic_load(&exit_asked) == 1)
		sys_futex_wait(&exit_asked, 1, NULL);
	if (first && !exits)
		atomic_store(&exit_asked, 0);
}
