/*
 * trace.c - follows one connection: claims a ring of its arena (core/trace.h),
 * rings at the driver, and writes what comes. The lease on the ring is renewed
 * while somebody looks. Until its program answers - it may be stopped, or hang
 * with the sock's lock held - samples of shared memory take the events' place.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "mem/arena_layout.h"
#include "rudpstat/control.h"
#include "rudpstat/qlog.h"
#include "rudpstat/trace.h"

enum { INTERVAL_MS = 20, LOOK_TICKS = 5, RINGS_LEN = ARENA_TRACE_RINGS * ARENA_TRACE_RING };
#define LEASE_US	(2 * USEC_PER_SEC)
#define GRACE_US	USEC_PER_SEC	/* a writer may still be at an old lease's end */

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

struct tracer {
	u64 id;
	const char *domain;
	struct qlog q;
	struct stat_conn c;
	bool seen;		/* it was there */
	bool gone;
	char *rings;		/* of its arena; NULL: none to be had */
	int fd;
	u64 owner;		/* whom we follow, as rings name it */
	struct trace_ring *ring;	/* where; NULL: none was free */
	bool claimed;		/* by us, and not by another reader */
	u64 next;		/* event */
	bool live;		/* events have come */
	usec_t newest;
};

static usec_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * USEC_PER_SEC + (u64)ts.tv_nsec / 1000 + 1;
}

/* ---- the ring -------------------------------------------------------------------- */

static struct trace_ring *ring_at(const struct tracer *t, unsigned i)
{
	return (struct trace_ring *)(void *)(t->rings + i * ARENA_TRACE_RING);
}

/* Somebody else's of the same connection will do. */
static struct trace_ring *claim(struct tracer *t, u64 owner)
{
	usec_t now = now_us();

	t->claimed = false;

	for (unsigned i = 0; i < ARENA_TRACE_RINGS; i++) {
		struct trace_ring *r = ring_at(t, i);

		if (atomic_load(&r->owner) == owner && atomic_load(&r->until) > now)
			return r;
	}
	for (unsigned i = 0; i < ARENA_TRACE_RINGS; i++) {
		struct trace_ring *r = ring_at(t, i);
		u64 old = atomic_load(&r->owner);

		t->claimed = atomic_load(&r->until) + GRACE_US < now &&
			     atomic_compare_exchange_strong(&r->owner, &old, owner);
		if (t->claimed)
			return r;
	}
	return NULL;
}

static void attach(struct tracer *t)
{
	struct driver_shm *shm;

	t->owner = trace_owner(&t->c.conn);
	if (!t->rings)
		t->rings = control_map(&t->c, (off_t)ARENA_TRACE_OFF, RINGS_LEN, &t->fd);
	if (!t->rings)
		return;
	t->ring = claim(t, t->owner);
	if (!t->ring) {
		fputs("rudpstat: --trace: all rings are in use; samples only\n", stderr);
		return;
	}
	t->next = atomic_load(&t->ring->head);
	atomic_store(&t->ring->until, now_us() + LEASE_US);
	shm = control_driver(&t->c);
	if (!shm)
		return;
	/* twice: the first may be answered with others, before it was looked */
	if (control_ring(shm) < 0 || control_ring(shm) < 0)
		fputs("rudpstat: --trace: the program does not answer; samples until it does\n",
		      stderr);
	control_leave(shm);
}

/* A copy of event `n`, if it was not overwritten meanwhile. */
static bool read_event(const struct trace_ring *r, u64 n, struct trace_event *e)
{
	const struct trace_event *at = &r->event[n % TRACE_EVENTS];

	if (atomic_load_explicit(&at->seq, memory_order_acquire) != n + 1)
		return false;
	memcpy(e, at, sizeof(*e));
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&at->seq, memory_order_relaxed) == n + 1;
}

static void drain(struct tracer *t)
{
	u64 head, missed = 0;

	if (t->ring && atomic_load(&t->ring->owner) != t->owner)
		attach(t);	/* who had claimed it has left */
	if (!t->ring)
		return;
	head = atomic_load_explicit(&t->ring->head, memory_order_acquire);
	if (head - t->next > TRACE_EVENTS) {
		missed = head - t->next - TRACE_EVENTS;
		t->next = head - TRACE_EVENTS;
	}
	for (; t->next != head; t->next++) {
		struct trace_event e;

		if (!read_event(t->ring, t->next, &e)) {
			missed++;
			continue;
		}
		if (missed)
			qlog_missed(&t->q, missed);
		missed = 0;
		t->live = true;
		qlog_event(&t->q, &e);
	}
	if (missed)
		qlog_missed(&t->q, missed);
	atomic_store(&t->ring->until, now_us() + LEASE_US);
}

/* Its memory is given back; another reader of it sees that and claims one. */
static void detach(struct tracer *t)
{
	if (t->ring && t->claimed) {
		off_t at = (off_t)ARENA_TRACE_OFF + ((char *)t->ring - t->rings);

		atomic_store(&t->ring->until, 0);
		atomic_store(&t->ring->owner, 0);
		fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  at + TRACE_HEAD_BYTES, ARENA_TRACE_RING - TRACE_HEAD_BYTES);
	}
	if (t->rings) {
		munmap(t->rings, RINGS_LEN);
		close(t->fd);
	}
}

/* ---- looks ------------------------------------------------------------------------- */

/* Is it still there? -errno; 1; 0: no. */
static int look(struct tracer *t)
{
	struct filter f = { .id = t->id };
	char failed[DOMAIN_NAME_MAX];
	struct stat_domain *s;
	int found = 0;
	size_t n;

	snapshot_all(&s, &n, t->domain, failed);
	for (size_t i = 0; i < n && !found; i++) {
		filter_apply(&f, &s[i]);
		if (!s[i].nconns || s[i].conns[0].listener)
			continue;
		t->c = s[i].conns[0];
		t->newest = s[i].taken;
		found = 1;
	}
	snapshot_free_all(s, n);
	if (found && !t->seen)
		qlog_head(&t->q, &t->c, t->newest);
	if (found && !t->live)
		qlog_sample(&t->q, &t->c, t->newest);
	t->seen |= found;
	return ferror(stdout) ? -EIO : found;
}

int trace(const char *domain, u64 id)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct tracer t = { .id = id, .domain = domain, .fd = -1 };
	int ret;

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	ret = look(&t);
	if (ret <= 0)
		return ret ? ret : -ENOENT;
	fflush(stdout);
	attach(&t);
	for (unsigned tick = 1; ret > 0 && !interrupted; tick++) {
		drain(&t);
		fflush(stdout);
		poll(NULL, 0, INTERVAL_MS);
		if (!t.live || tick % LOOK_TICKS == 0)
			ret = look(&t);
	}
	drain(&t);
	detach(&t);
	qlog_tail(&t.q, ret == 0, t.newest);
	return ret < 0 ? ret : 0;
}
