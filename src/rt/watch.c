/* watch.c - epoll sets that are served without tokens. */
#include <errno.h>
#include "rt/errq.h"
#include "rt/pump.h"
#include "rt/rt.h"
#include "rt/sys.h"
#include "rt/watch.h"

enum { SETS = 64, NO_NUMBER = -2, LISTED_MAX = 4096 };

struct set {
	int epfd;
	u32 id;			/* no other set has had it, which epfd may */
	bool used;
	bool off;		/* for good: it wants edges, or is in another set */
	bool nested;		/* wait_epfd is in it */
	bool duplicated;	/* it outlives its number */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct set sets[SETS];
static _Atomic unsigned nsets;		/* none behind these was ever used */
static u32 listed[LISTED_MAX];		/* a ring of sock indices */
static u32 head;
static _Atomic u32 nlisted;
static TLS_IE bool polling;		/* this thread is inside poll() or select() */

static u64 mark;			/* the data of wait_epfd in a set */
static _Atomic bool marked;		/* some set has it, or had */

static struct set *set_find(int epfd)
{
	for (unsigned i = 0; i < nsets; i++)
		if (sets[i].used && sets[i].epfd == epfd)
			return &sets[i];
	return NULL;
}

static bool in_set(const struct local *l, const struct set *s)
{
	return l->watched && s && l->watch_set == s->id;
}

static struct set *set_of(const struct local *l)
{
	for (unsigned i = 0; i < nsets; i++)
		if (sets[i].used && in_set(l, &sets[i]))
			return &sets[i];
	return NULL;
}

static void set_begin(struct set *s, int epfd)
{
	static u32 last;

	*s = (struct set){ .epfd = epfd, .id = ++last, .used = true };
}

static struct set *set_get(int epfd)
{
	struct set *s = set_find(epfd);

	for (unsigned i = 0; !s && i < SETS; i++)
		if (!sets[i].used) {
			s = &sets[i];
			set_begin(s, epfd);
			nsets = max(nsets, i + 1);
		}
	return s;
}

void watch_new_set(int epfd)
{
	struct set *s;

	if (epfd < 0)
		return;
	pthread_mutex_lock(&lock);
	s = set_get(epfd);
	if (s)
		set_begin(s, epfd);
	pthread_mutex_unlock(&lock);
}

void watch_forget_sets(unsigned first, unsigned last)
{
	pthread_mutex_lock(&lock);
	for (struct set *s = sets; s < &sets[nsets]; s++) {
		if (!s->used || (unsigned)s->epfd < first || (unsigned)s->epfd > last)
			continue;
		s->used = s->duplicated;
		s->epfd = NO_NUMBER;
	}
	pthread_mutex_unlock(&lock);
}

bool watch_is_set(int fd)
{
	bool is;

	if (!nsets)
		return false;
	pthread_mutex_lock(&lock);
	is = set_find(fd) != NULL;
	pthread_mutex_unlock(&lock);
	return is;
}

bool watch_knows(int epfd)
{
	return (pump_allowed() || atomic_load(&marked)) && watch_is_set(epfd);
}

/* ---- the list ----------------------------------------------------------------------- */

void watch_closed(u32 index)
{
	struct local *l = local_get(index);

	if (!l || !l->watched)
		return;
	pthread_mutex_lock(&lock);
	l->watched = WATCH_NONE;
	pthread_mutex_unlock(&lock);
}

bool watch_any(void)
{
	return atomic_load_explicit(&nlisted, memory_order_relaxed);
}

static u32 list_pop(void)
{
	u32 index = listed[head];

	head = (head + 1) % LISTED_MAX;
	atomic_fetch_sub(&nlisted, 1);
	local_get(index)->listed = false;
	return index;
}

static void list_put(u32 index)
{
	u32 n = atomic_load(&nlisted);

	listed[(head + n) % LISTED_MAX] = index;
	atomic_store(&nlisted, n + 1);
	local_get(index)->listed = true;
}

/* This process alone has it. */
static bool mine(const struct local *l, const struct sock *sk)
{
	return atomic_load(&l->refs) && !atomic_load(&sk->shared);
}

/* It is readable, and no mirror says so. */
static bool belongs(const struct local *l, const struct sock *sk)
{
	u32 ready = atomic_load(&sk->ready);

	return l->watched != WATCH_MANY && atomic_load(&sk->gen) == l->watch_gen && mine(l, sk) &&
	       ready & READY_IN && !(ready & SOCK_READY_SHOWN);
}

static void list_prune(void)
{
	for (u32 left = atomic_load(&nlisted); left; left--) {
		u32 index = list_pop();

		if (belongs(local_get(index), rt_sock(index)))
			list_put(index);
	}
}

static bool list_add(u32 index)
{
	if (atomic_load(&nlisted) == LISTED_MAX)
		list_prune();
	if (atomic_load(&nlisted) == LISTED_MAX)
		return false;
	list_put(index);
	return true;
}

/* Whoever leaves the sock's lock next asks for the token: we, or its holder. */
static void ask_token(u32 index, u32 gen)
{
	struct sock *sk = rt_sock(index);

	if (sk && sock_note_trylock(sk, gen, PEND_SETTLE))
		sock_unlock(sk, -1);
}

void watch_flush(void)
{
	while (watch_any()) {
		u32 index = 0, gen = 0;

		pthread_mutex_lock(&lock);
		if (watch_any()) {
			index = list_pop();
			gen = local_get(index)->watch_gen;
		}
		pthread_mutex_unlock(&lock);
		if (index)
			ask_token(index, gen);
	}
}

bool watch_covers(struct sock *sk)
{
	struct local *l = local_get(sk->index);
	u32 gen = atomic_load(&sk->gen);
	bool covers = false;

	if (!l || !(l->watched || l->listed || polling) || !mine(l, sk) || !pump_allowed())
		return false;
	pthread_mutex_lock(&lock);
	if (l->watch_gen != gen) {
		l->watched = WATCH_NONE;
		l->watch_gen = gen;
	}
	if (l->watched != WATCH_MANY)
		covers = l->listed || (pump_is_me() && (l->watched || polling) &&
				       list_add(sk->index));
	pthread_mutex_unlock(&lock);
	return covers;
}

/* ---- registrations --------------------------------------------------------------------- */

static bool plain(u32 events)
{
	return !(events & (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE));
}

/* Lock held. The sock's registration as it is now; true: it must get a token. */
static bool note(struct local *l, struct set *s, u32 gen, int op, const struct epoll_event *ev)
{
	bool same = l->watch_gen == gen, was_listed = same && l->listed;

	if (!same) {
		l->watched = WATCH_NONE;
		l->watch_gen = gen;
	}
	if (op == EPOLL_CTL_DEL) {	/* it stays listed: it may come back */
		if (l->watched == WATCH_ONE && in_set(l, s))
			l->watched = WATCH_NONE;
		return false;
	}
	if (l->watched == WATCH_ONE && !set_of(l))
		l->watched = WATCH_NONE;	/* that one was closed */
	if (op == EPOLL_CTL_ADD && l->watched)
		l->watched = WATCH_MANY;
	else if (op == EPOLL_CTL_ADD || l->watched == WATCH_ONE)
		l->watched = WATCH_ONE;
	l->watch_set = s->id;
	l->watch_events = ev->events;
	l->watch_data = ev->data.u64;
	if (!plain(ev->events))
		s->off = true;
	return was_listed && (l->watched != WATCH_ONE || s->off);
}

void watch_ctl(const struct sock_ref *r, int epfd, int op, const struct epoll_event *ev)
{
	struct local *l = local_get(r->sk->index);
	struct set *s;
	bool token = false;

	if (!l)
		return;
	pthread_mutex_lock(&lock);
	s = set_get(epfd);
	if (s)
		token = note(l, s, r->gen, op, ev);
	else
		l->watched = WATCH_MANY;	/* too many sets: nothing is listed */
	pthread_mutex_unlock(&lock);
	if (token)
		watch_flush();
}

bool watch_where(const struct sock *sk, struct watch_place *at)
{
	struct local *l = local_get(sk->index);
	struct set *s;

	if (!l || !l->watched)
		return false;
	pthread_mutex_lock(&lock);
	s = l->watch_gen == atomic_load(&sk->gen) ? set_of(l) : NULL;
	if (s)
		*at = (struct watch_place){ s->epfd, l->watch_events, l->watch_data };
	pthread_mutex_unlock(&lock);
	return s;
}

/* ---- waiting ------------------------------------------------------------------------------ */

static u32 events_of(u32 ready, u32 wanted)
{
	u32 ev = 0;

	if (ready & READY_IN)
		ev |= EPOLLIN | EPOLLRDNORM;
	if (ready & READY_RDHUP)
		ev |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (ev & wanted && ready & READY_OUT)
		ev |= EPOLLOUT | EPOLLWRNORM;
	return ev & wanted;
}

/* What a listed sock has for the set. */
static u32 bits_for(const struct set *s, u32 index)
{
	const struct local *l = local_get(index);
	const struct sock *sk = rt_sock(index);

	return in_set(l, s) && belongs(l, sk) ?
	       events_of(atomic_load(&sk->ready), l->watch_events) : 0;
}

/* The kernel has reported what the mirror shows (room to write, urgent data): one
 * event each. Data that two have in common nobody can tell apart. */
static bool merge(struct epoll_event *ev, int kernels, u64 data, u32 bits)
{
	for (int i = 0; i < kernels; i++)
		if (ev[i].data.u64 == data) {
			ev[i].events |= bits;
			return true;
		}
	return false;
}

/* Adds what is listed to the n events that are there: to theirs, then behind
 * them. What is still readable stays listed, and comes after the others. */
static int report(int epfd, struct epoll_event *ev, int n, int max)
{
	int kernels = n;
	const struct set *s;

	pthread_mutex_lock(&lock);
	s = set_find(epfd);
	for (u32 i = 0; kernels == max && i < atomic_load(&nlisted); i++) {
		u32 index = listed[(head + i) % LISTED_MAX];

		merge(ev, kernels, local_get(index)->watch_data, bits_for(s, index));
	}
	for (u32 left = atomic_load(&nlisted); left && n < max; left--) {
		u32 index = list_pop(), bits = bits_for(s, index);
		u64 data = local_get(index)->watch_data;

		if (belongs(local_get(index), rt_sock(index)))
			list_put(index);
		if (bits && !merge(ev, kernels, data, bits))
			ev[n++] = (struct epoll_event){ .events = bits, .data.u64 = data };
	}
	pthread_mutex_unlock(&lock);
	return n;
}

bool watch_reports(int epfd)
{
	bool found = false;
	const struct set *s;

	if (!watch_any())
		return false;
	pthread_mutex_lock(&lock);
	s = set_find(epfd);
	for (u32 i = 0, n = atomic_load(&nlisted); i < n && !found; i++)
		found = bits_for(s, listed[(head + i) % LISTED_MAX]);
	pthread_mutex_unlock(&lock);
	return found;
}

static int take_mark_out(struct epoll_event *ev, int n, bool *seen)
{
	int kept = 0;

	if (!atomic_load(&marked))
		return n;		/* 0 may be the program's own */
	for (int i = 0; i < n; i++) {
		if (ev[i].data.u64 == mark)
			*seen = true;
		else
			ev[kept++] = ev[i];
	}
	return kept;
}

/* Makes wait_epfd part of the set, or no part. False: it can't be. */
static bool nest(int epfd, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct set *s;
	bool ok = false;
	long ret;

	pthread_mutex_lock(&lock);
	if (on && !mark)
		mark = rt_random();
	ev.data.u64 = mark;
	if (on)
		atomic_store(&marked, true);
	s = set_find(epfd);
	if (s && s->nested != on) {
		ret = sys_call6(SYS_epoll_ctl, epfd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
				drv.wait_app, (long)&ev, 0, 0);
		s->nested = on && (!ret || ret == -EEXIST);
		s->off |= on && !s->nested;
	}
	ok = s && s->nested;
	pthread_mutex_unlock(&lock);
	return ok;
}

void watch_nested(int epfd, bool duplicated)
{
	struct set *s;

	pthread_mutex_lock(&lock);
	s = set_find(epfd);
	if (s) {
		s->off = true;
		s->duplicated |= duplicated;
	}
	pthread_mutex_unlock(&lock);
	if (!s)
		return;
	nest(epfd, false);
	watch_flush();
}

static bool direct(int epfd)
{
	struct set *s;
	bool off;

	if (!rt_running() || !pump_take())
		return false;
	pthread_mutex_lock(&lock);
	s = set_find(epfd);
	off = !s || s->off;
	pthread_mutex_unlock(&lock);
	if (!off && nest(epfd, true))
		return true;
	pump_leave();
	return false;
}

static int time_left(int timeout, usec_t end)
{
	usec_t now;

	if (timeout <= 0)
		return timeout;
	now = rt_now();
	return now >= end ? 0 : (int)DIV_ROUND_UP(end - now, USEC_PER_MSEC);
}

/* ---- poll() and select() ---------------------------------------------------------------- */

bool watch_poll_begin(void)
{
	polling = rt_running() && pump_take();
	return polling;
}

void watch_poll_end(void)
{
	polling = false;
	pump_leave();
}

void watch_poll_packets(void)
{
	critical_enter();
	pump_now();
	critical_leave();
}

/* One look: what is listed, what the kernel has, what packets bring. *again:
 * nothing for the program, but time is not up. -1: errno. */
static int look(int epfd, struct epoll_event *ev, int max, int timeout, const sigset_t *mask,
		watch_kernel_wait wait, bool *again)
{
	static _Atomic u32 turn;
	bool packets = false, some = watch_reports(epfd);
	int n = 0;

	/* Neither takes the only place for ever. */
	if (!some || max > 1 || atomic_fetch_xor(&turn, 1))
		n = wait(epfd, ev, some && max > 1 ? max / 2 : max, some ? 0 : timeout, mask);
	if (n < 0)
		return n;
	n = take_mark_out(ev, n, &packets);
	critical_enter();
	if (packets)
		pump_now();
	n = report(epfd, ev, n, max);
	critical_leave();
	*again = packets || some;
	return n ? n : watch_interrupted();
}

int watch_interrupted(void)
{
	if (!critical.handlers)
		return 0;
	errno = EINTR;
	return -1;
}

static int plain_wait(int epfd, struct epoll_event *ev, int max, int timeout,
		      const sigset_t *mask, watch_kernel_wait wait, bool *again)
{
	bool some = !timeout && watch_reports(epfd);
	int n;

	nest(epfd, false);
	watch_flush();
	if (some) {		/* it is on its way, also where there is something else */
		pump_await_tokens();
		timeout = WATCH_TOKEN_MS;
	}
	n = wait(epfd, ev, max, timeout, mask);
	return n > 0 ? take_mark_out(ev, n, again) : n;
}

int watch_wait(int epfd, struct epoll_event *ev, int max, int timeout, const sigset_t *mask,
	       watch_kernel_wait wait)
{
	usec_t end = timeout > 0 ? rt_now() + (usec_t)timeout * USEC_PER_MSEC : 0;
	int left = timeout;
	bool waited = false;

	for (;;) {
		bool again = false;
		int n;

		if (max > 0 && direct(epfd)) {
			n = look(epfd, ev, max, left, mask, wait, &again);
			pump_leave();
		} else {
			n = plain_wait(epfd, ev, max, left, mask, wait, &again);
		}
		if (!n && !left && !waited && pump_await_tokens()) {
			waited = true;
			continue;
		}
		if (n || !again || !left)
			return n;
		left = time_left(timeout, end);
	}
}

/* Calls for each sock that this process has and others had not: they do now. */
static void share_all(void (*newly)(u32 index, u32 gen))
{
	u32 end = drv.ar ? arena_slots_max(drv.ar) : 0;

	for (u32 i = 1; i < end; i++) {
		struct local *l = local_get(i);
		struct sock *sk = rt_sock(i);

		if (!l || !sk || !atomic_load(&l->refs) || atomic_load(&l->shared))
			continue;	/* not written: it stays one page with other children's */
		atomic_store(&l->shared, true);
		if (!atomic_exchange(&sk->shared, 1) && newly)
			newly(i, atomic_load(&sk->gen));
	}
}

void watch_before_fork(void)
{
	share_all(NULL);
	watch_flush();
}

void watch_shared(struct sock *sk)
{
	atomic_store(&sk->shared, 1);
	if (atomic_load(&sk->kind) == SK_CONN)
		ask_token(sk->index, atomic_load(&sk->gen));
}

void watch_forked(void)
{
	pthread_mutex_init(&lock, NULL);
	errq_forked();
	for (unsigned i = 0; i < SETS; i++) {
		sets[i].nested = false;		/* it is, but that is the parent's business */
		sets[i].off = true;
	}
	atomic_store(&nlisted, 0);
	share_all(ask_token);		/* where nobody announced the fork */
}
