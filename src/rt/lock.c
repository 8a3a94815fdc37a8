/*
 * lock.c - entering and leaving a sock.
 *
 * Leaving is where everything comes together: what was noted while the lock
 * was held is run, what may be sent is sent, the mirror is brought up to date
 * as far as this thread can, the driver is asked for the rest. The order
 * "unlock, then look at the notes again" with noters that "note, then try the
 * lock" makes sure that one of the two runs every note.
 */
#include <errno.h>
#include "core/trace.h"
#include "rt/log.h"
#include "rt/plain.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"

#define SOON_US	(4 * USEC_PER_MSEC)

/* The last holder died inside: the queues may be broken. This one connection
 * is aborted, nothing else (its pages are found by the page table). */
static void holder_died(struct sock *sk)
{
	struct conn *c = &sk->conn;

	pthread_mutex_consistent(&sk->lock);
	atomic_store(&sk->relay_moving, false);
	atomic_fetch_add(&drv.shm->died, 1);
	rt_log(RUDP_LOG_WARN, "holder-died", "id=%016llx", (unsigned long long)sk->conn.id);
	if (atomic_load(&sk->kind) == SK_FREE)
		return;
	list_init(&c->sndq);
	list_init(&c->tsorted);
	list_init(&c->rcvq);
	list_init(&c->ofoq);
	c->send_head = &c->sndq;
	c->packets_out = c->sacked_out = c->lost_out = c->retrans_out = 0;
	mem_acct_purge(&c->mem);
	if (c->state != CONN_CLOSED && c->state != CONN_LISTEN)
		conn_abort(c, ECONNRESET, rt_now());
}

bool sock_trylock(struct sock *sk, u32 gen)
{
	int ret = pthread_mutex_trylock(&sk->lock);

	if (ret == EOWNERDEAD) {
		holder_died(sk);
		ret = 0;
	}
	if (ret)
		return false;
	if ((gen && atomic_load(&sk->gen) != gen) || !arena_sync(drv.ar)) {
		pthread_mutex_unlock(&sk->lock);
		return false;
	}
	return true;
}

int sock_lock(struct sock_ref *r)
{
	struct sock *sk = r->sk;

	pump_note_thread();
	if (pthread_mutex_lock(&sk->lock) == EOWNERDEAD)
		holder_died(sk);
	if (atomic_load(&sk->gen) != r->gen) {
		pthread_mutex_unlock(&sk->lock);
		return -EBADF;
	}
	/* Others of the family may have put its data where we map nothing yet. */
	if (!arena_sync(drv.ar)) {
		pthread_mutex_unlock(&sk->lock);
		return -ENOMEM;
	}
	return 0;
}

/* Tried, not waited for: rx_lock may be held, and socks come before it. Then the
 * lock is free; else a thread that receives has it, and lets go without us. */
bool sock_lock_unaccepted(struct sock *sk)
{
	while (!sock_trylock(sk, 0)) {
		if (!arena_sync(drv.ar))
			return false;
		sys_call6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	}
	return true;
}

void sock_note(struct sock *sk, u32 what)
{
	atomic_fetch_or(&sk->pending, what);
}

/* For the driver: lock it, or leave the note with whoever holds it. True: the
 * lock is ours and the note is left for sock_unlock() to run. */
bool sock_note_trylock(struct sock *sk, u32 gen, u32 what)
{
	sock_note(sk, what);
	return sock_trylock(sk, gen);
}

static bool noted(const struct sock *sk)
{
	return atomic_load(&sk->backlog) || atomic_load(&sk->pending);
}

void sock_run_backlog(struct sock *sk, usec_t now)
{
	struct rxbuf *rb, *in_order = NULL;

	if (!atomic_load(&sk->backlog))
		return;
	rb = atomic_exchange(&sk->backlog, NULL);
	while (rb) {
		struct rxbuf *next = atomic_load(&rb->next);

		atomic_store(&rb->next, in_order);
		in_order = rb;
		rb = next;
	}
	while (in_order) {
		rb = in_order;
		in_order = atomic_load(&rb->next);
		rx_run(sk, rb, now);
		rx_release(rb);
	}
	atomic_store(&sk->backlog_len, 0);
	conn_input_end(&sk->conn, now);
}

enum { WAKE_READER = 1, WAKE_WRITER = 2, WAKE_DRIVER = 4, WAKE_PUMP = 8 };

/* Only the driver can hand out connections. */
static unsigned refill(struct sock *sk)
{
	if (atomic_load(&sk->kind) != SK_LISTENER)
		return 0;
	if (rt_bypass)
		listen_refill(sk);
	else if (driver_attention(sk))
		return WAKE_DRIVER;
	return 0;
}

/* What was noted for the holder of the lock; whom to wake. */
static unsigned run_notes(struct sock *sk, usec_t now)
{
	u32 pending = atomic_exchange(&sk->pending, 0);
	unsigned wake = 0;

	sock_run_backlog(sk, now);
	if (pending & PEND_INPUT_END)
		conn_input_end(&sk->conn, now);
	if (pending & PEND_ICMP)
		conn_icmp(&sk->conn, (int)sk->icmp_err, now);
	if (pending & PEND_TIMER)
		conn_timeout(&sk->conn, now);
	if (unlikely(pending & PEND_TRACE))
		follow_begin(sk, now);
	if (pending & PEND_KILL) {
		rt_log(RUDP_LOG_WARN, "kill", "id=%016llx", (unsigned long long)sk->conn.id);
		conn_abort(&sk->conn, ECONNABORTED, now);
		pending |= PEND_REFILL;		/* a listener's end */
	}
	if (pending & PEND_HUP)
		sk->hung_up = true;
	if (unlikely(drv.stands_in) && sk->hung_up)
		standin_hup(sk, now);
	if (sk->hung_up && rt_bypass)
		life_hup(sk);
	else if (sk->hung_up && driver_attention(sk))
		wake = WAKE_DRIVER;	/* only it can end a sock */
	if (unlikely(atomic_load(&sk->way) == WAY_ASKED) && rt_bypass)
		neighbour_settle(sk);
	return wake | (pending & PEND_REFILL ? refill(sk) : 0);
}

/* True: the driver must look at this sock's timer sooner than it plans to. */
static bool publish_deadline(struct sock *sk)
{
	u64 deadline = conn_deadline(&sk->conn);

	atomic_store(&sk->deadline, deadline);
	return deadline < atomic_load(&sk->timer_at);
}

static unsigned sleepers(const struct sock *sk)
{
	unsigned ready = conn_ready(&sk->conn), wake = 0;

	if (unlikely(sk->peek_seen) && sk->conn.rcv_nxt <= sk->peek_seen && !sk->conn.rcv_shut)
		ready &= ~(unsigned)READY_IN;
	if (atomic_load(&sk->kind) == SK_RELAY)	/* the kernel's from now on */
		ready = READY_IN | READY_OUT;
	if (atomic_load(&sk->rwait) && ready & (READY_IN | READY_ERR | READY_HUP))
		wake |= WAKE_READER;
	if (atomic_load(&sk->wwait) && ready & (READY_OUT | READY_ERR | READY_HUP) &&
	    !(atomic_load(&sk->stale) && linger_unfinished(sk)))
		wake |= WAKE_WRITER;
	return wake;
}

bool sock_want_reader(const struct sock *sk)
{
	return sleepers(sk) & WAKE_READER;
}

/* Takes the sleepers' notes down; how they are to be woken. A thread that runs
 * packets in its own wait looks again anyway. */
static unsigned take_down(struct sock *sk, _Atomic u32 *waits, unsigned wake, unsigned which)
{
	/* Who is of the family by a descriptor has nothing to kick with. */
	u32 keep = rt_bypass || drv.kick_app >= 0 ? 0 : WAIT_PUMP;
	u32 who = atomic_fetch_and(waits, keep);

	if (who & keep) {
		driver_attention(sk);
		wake |= WAKE_DRIVER;
	} else if (who & WAIT_PUMP && !pump_is_me()) {
		wake |= WAKE_PUMP;
	}
	return who & WAIT_FUTEX ? wake : wake & ~which;
}

/* A connect() that does not wait: the peer must not be seen to accept before we
 * show that we are connected, which only the driver can. */
static bool show_first(const struct sock *sk)
{
	return unlikely(sk->conn.unconfirmed) && sk->m.plugged &&
	       conn_ready(&sk->conn) & READY_OUT;
}

static u32 ready_now(const struct sock *sk)
{
	u32 errq = atomic_load_explicit(&sk->zc_waiting, memory_order_relaxed) ? SOCK_READY_ERRQ : 0;

	return conn_ready(&sk->conn) | mirror_shown(sk) | errq;
}

/* What is not due at once has time until the driver's next tick: a new
 * connection's first timer would wake it for each. */
static bool driver_oversleeps(const struct sock *sk, usec_t now)
{
	usec_t deadline = atomic_load(&sk->deadline), next = atomic_load(&drv.shm->next_wake);

	return atomic_load(&drv.shm->sleeping) && deadline < next &&
	       (next == USEC_NEVER || deadline < now + SOON_US);
}

/* Sends, shows, arms. What must be done after the unlock is returned. */
static unsigned settle(struct sock *sk, int fd, usec_t now)
{
	unsigned wake;
	bool plain = plain_settle(sk, now), shows = rt_bypass || drv.stands_in, ask = false;
	u32 kind = atomic_load(&sk->kind);

	if (kind == SK_CONN && shows && show_first(sk))
		mirror_sync(sk);
	if (kind == SK_RELAY || (kind == SK_CONN && (shows || !show_first(sk))))
		udp_flush(sk, now);
	wake = sleepers(sk);
	/* before HUP is shown: ready.h; what rises, since poll() must not fall behind
	 * the mirror and take back what it said of it */
	atomic_store(&sk->ready, ready_now(sk));
	if (rt_bypass)
		life_meet_peer(sk);
	if (shows)
		mirror_sync(sk);
	if (!rt_bypass)
		ask = mirror_sync_app(sk, fd);
	if (unlikely(drv.stands_in) && !sk->peer_known && sk->conn.peer_id)
		driver_attention(sk);		/* its table */
	ask |= plain;
	atomic_store(&sk->ready, ready_now(sk));
	if (publish_deadline(sk)) {
		if (rt_bypass) {
			life_arm(sk);
		} else {
			driver_attention(sk);
			if (driver_oversleeps(sk, now))
				wake |= WAKE_DRIVER;
		}
	}
	if (ask) {
		pump_tokens_due();
		driver_attention(sk);
		if (atomic_load(&drv.shm->sleeping))
			wake |= WAKE_DRIVER;
	}
	if (wake & WAKE_READER)
		wake = take_down(sk, &sk->rwait, wake, WAKE_READER);
	if (wake & WAKE_WRITER)
		wake = take_down(sk, &sk->wwait, wake, WAKE_WRITER);
	return wake;
}

/* Wakes after the unlock, so that the woken do not run into the lock. False:
 * nobody slept after all, and the mirror must show what they would have seen.
 *
 * A sleeper says so and reads the word under the lock. Whoever takes the note
 * down, under the lock too, wakes all: those who had read the word before find
 * it changed, those who come later have seen what there is. So the note is
 * never taken down here, after the unlock, where it may be a newer one. */
static bool wake_up(struct sock *sk, unsigned wake)
{
	bool found = true;

	if (wake & WAKE_DRIVER && likely(!drv.stands_in))
		driver_rouse();
	if (wake & WAKE_READER) {
		atomic_fetch_add(&sk->rseq, 1);
		found = sys_futex_wake(&sk->rseq, INT32_MAX) > 0;
	}
	if (wake & WAKE_WRITER) {
		atomic_fetch_add(&sk->wseq, 1);
		sys_futex_wake(&sk->wseq, INT32_MAX);
	}
	if (wake & WAKE_PUMP)
		pump_kick();
	return found;
}

void sock_unlock(struct sock *sk, int fd)
{
	usec_t now = rt_now();

	for (;;) {
		u32 gen = atomic_load(&sk->gen);
		unsigned wake = 0;

		if (noted(sk))
			wake = run_notes(sk, now);
		if (atomic_load(&sk->kind) != SK_FRESH)
			wake |= settle(sk, fd, now);
		trace_changes(&sk->conn, now);
		rt_log_sock(sk);
		if (rt_bypass && life_maybe_free(sk)) {
			wake_up(sk, wake);	/* who waits for its end */
			return;
		}
		pthread_mutex_unlock(&sk->lock);
		if (wake_up(sk, wake) && !noted(sk))
			return;
		if (!sock_trylock(sk, gen))
			return;
		now = rt_now();
	}
}
