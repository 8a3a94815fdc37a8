/* fdtab.c - the table of descriptors. */
#include <errno.h>
#include <sys/mman.h>
#include "preload/fdtab.h"
#include "preload/libc.h"
#include "rt/sys.h"

#define FD_CLOSING	0x80000000u	/* closed; the placeholder is there */
#define FD_PINS		0x7fffffffu

_Atomic(struct fd_entry *) fd_chunks[FD_CHUNKS];
TLS_IE bool fd_taking;
static _Atomic bool active;
static TLS_IE struct fd_use *uses;	/* this thread's, the innermost first */

bool fd_active(void)
{
	return atomic_load_explicit(&active, memory_order_relaxed);
}

static struct fd_entry *chunk_get(int i)
{
	struct fd_entry *c = atomic_load_explicit(&fd_chunks[i], memory_order_acquire);
	size_t bytes = FD_CHUNK * sizeof(*c);

	if (c)
		return c;
	struct fd_entry *fresh = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh == MAP_FAILED)
		return NULL;
	if (atomic_compare_exchange_strong(&fd_chunks[i], &c, fresh))
		return fresh;
	munmap(fresh, bytes);		/* another thread was faster */
	return c;
}

/* The file that close() had to move out of the way. */
static void close_moved(struct fd_entry *e)
{
	int file = atomic_exchange(&e->file, 0) - 1;
	struct sock_ref ref = { e->closing, atomic_load_explicit(&e->gen, memory_order_relaxed) };

	if (file >= 0)
		sock_close(&ref, file);
}

int fd_set_sock(int fd, const struct sock_ref *r)
{
	struct fd_entry *chunk;

	if ((unsigned)fd >= FD_CHUNKS * FD_CHUNK)
		return -EMFILE;
	chunk = chunk_get(fd >> FD_CHUNK_BITS);
	if (!chunk)
		return -ENOMEM;

	/* What an earlier owner of the number left behind is void: its file is
	 * closed, or the kernel would not have given us the number. */
	struct fd_entry *e = &chunk[fd & (FD_CHUNK - 1)];

	atomic_store_explicit(&e->state, 0, memory_order_relaxed);
	close_moved(e);			/* a dup2() onto the placeholder */
	atomic_store_explicit(&e->gen, r->gen, memory_order_relaxed);
	atomic_store_explicit(&e->sk, r->sk, memory_order_release);
	atomic_store_explicit(&active, true, memory_order_relaxed);
	return 0;
}

void fd_leave_sock(int fd)
{
	struct fd_entry *e = fd_entry(fd);
	struct sock_ref old = { .gen = atomic_load(&e->gen) };

	old.sk = atomic_exchange(&e->sk, NULL);
	if (old.sk)
		sock_undup(&old, NULL);
}

void fd_join_sock(int fd, const struct sock_ref *r)
{
	struct fd_entry *e = fd_entry(fd);
	struct sock_ref fresh = *r;

	sock_dup(&fresh);
	atomic_store(&e->gen, r->gen);
	atomic_store(&e->sk, r->sk);
}

struct fd_left fd_lost(int fd)
{
	struct fd_entry *e = fd_entry(fd);
	struct fd_left left = { .linger = 0 };

	if (!e || !atomic_load(&e->sk))
		return left;
	critical_enter();
	left.ref.gen = atomic_load(&e->gen);
	left.ref.sk = atomic_exchange(&e->sk, NULL);
	if (left.ref.sk)
		sock_undup(&left.ref, &left.linger);
	critical_leave();
	return left;
}

void fd_lost_wait(struct fd_left *left)
{
	if (!left->linger)
		return;
	critical_enter();
	sock_linger(&left->ref, left->linger);
	critical_leave();
}

void fd_forget(int fd)
{
	struct fd_entry *e = fd_entry(fd);

	if (e && atomic_load_explicit(&e->sk, memory_order_relaxed))
		atomic_store_explicit(&e->sk, NULL, memory_order_release);
}

/* Takes a pin back. Whoever takes the last one of a closed number closes the
 * file and the placeholder. Pins below zero (fork in a signal handler) are ignored. */
static void unpin(int fd, struct fd_entry *e)
{
	u32 s = atomic_load_explicit(&e->state, memory_order_relaxed);
	u32 next;

	do {
		if (!(s & FD_PINS))
			return;
		next = s - 1;
		if (next == FD_CLOSING)
			next = 0;
	} while (!atomic_compare_exchange_weak(&e->state, &s, next));
	if (s == (FD_CLOSING | 1)) {
		close_moved(e);
		sys_close(fd);
	}
}

/* Calls that the thread left in a way that jump.c does not see. */
static void forget_left_uses(void)
{
	if (critical.depth || critical.in_handler)
		return;
	uses = NULL;
	rt_at = rt_home;
}

bool fd_pin(int fd, struct fd_entry *e, struct fd_use *u)
{
	if (rt_bypass)
		return false;
	forget_left_uses();
	critical_enter();
	if (atomic_fetch_add(&e->state, 1) & FD_CLOSING)
		goto out_unpin;
	u->ref.sk = atomic_load_explicit(&e->sk, memory_order_acquire);
	u->ref.gen = atomic_load_explicit(&e->gen, memory_order_relaxed);
	if (!u->ref.sk)
		goto out_unpin;
	if (unlikely(sock_stale(&u->ref))) {	/* closed behind our back */
		struct sock *sk = u->ref.sk;

		atomic_compare_exchange_strong(&e->sk, &sk, NULL);
		goto out_unpin;
	}
	u->entry = e;
	u->fd = fd;
	u->outer = uses;
	uses = u;
	u->was = rt_enter(u->ref.sk);
	if (unlikely(!fd_taking && sock_is_plain(&u->ref, fd))) {
		fd_take_plain(u);
		fd_put(u);
		return false;
	}
	return true;
out_unpin:
	unpin(fd, e);
	critical_leave();
	return false;
}

void fd_put(struct fd_use *u)
{
	if (!u->entry)
		return;
	uses = u->outer;
	rt_at = u->was;
	unpin(u->fd, u->entry);
	u->entry = NULL;
	critical_leave();
}

void fd_put_all(void)
{
	while (uses) {
		struct fd_use *u = uses;

		uses = u->outer;
		rt_at = u->was;
		unpin(u->fd, u->entry);
	}
	critical.depth = 0;
}

bool fd_is_closing(int fd)
{
	struct fd_entry *e = fd_entry(fd);

	return e && atomic_load(&e->state) & FD_CLOSING && !rt_bypass;
}

/* Puts the placeholder where the file was. The number the file has now, or
 * -errno: nothing changed. */
static int put_placeholder(int fd)
{
	int file = sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int holder, ret;

	if (file < 0)
		return file;
	holder = (int)sys_call6(SYS_openat, AT_FDCWD, (long)"/", O_PATH | O_CLOEXEC, 0, 0, 0);
	ret = holder < 0 ? holder : (int)sys_call6(SYS_dup3, holder, fd, O_CLOEXEC, 0, 0, 0);
	if (holder >= 0)
		sys_close(holder);
	if (ret >= 0)
		return file;
	sys_close(file);
	return ret;
}

int fd_close(struct fd_use *u)
{
	struct fd_entry *e = u->entry;
	u32 only_mine = FD_CLOSING | 1;
	int file, ret;

	if (atomic_fetch_or(&e->state, FD_CLOSING) & FD_CLOSING)
		return -EBADF;
	/* Before the number is free, or its next owner's entry would be hit. */
	atomic_store_explicit(&e->sk, NULL, memory_order_release);
	uses = u->outer;
	rt_at = u->was;
	u->entry = NULL;
	if (atomic_compare_exchange_strong(&e->state, &only_mine, 0)) {
		ret = sock_close(&u->ref, u->fd);
		critical_leave();
		return ret;
	}

	/* Others are inside a call on it. Without a number to move it to, the
	 * last unpin closes it where it is. */
	file = put_placeholder(u->fd);
	if (file >= 0) {
		e->closing = u->ref.sk;
		atomic_store(&e->file, file + 1);
	}
	unpin(u->fd, e);
	critical_leave();
	return 0;
}

int fd_next(int from)
{
	for (int i = from >> FD_CHUNK_BITS; i < FD_CHUNKS; i++) {
		struct fd_entry *c = atomic_load_explicit(&fd_chunks[i], memory_order_acquire);
		int j = i == from >> FD_CHUNK_BITS ? from & (FD_CHUNK - 1) : 0;

		for (; c && j < FD_CHUNK; j++)
			if (atomic_load_explicit(&c[j].sk, memory_order_relaxed))
				return i * FD_CHUNK + j;
	}
	return -1;
}

/* The other threads of the parent are not here to take their pins back; this
 * one is, when the fork is noticed inside a call (it was a raw clone). */
void fd_after_fork(void)
{
	forget_left_uses();
	for (int i = 0; i < FD_CHUNKS; i++) {
		struct fd_entry *c = fd_chunks[i];

		for (int j = 0; c && j < FD_CHUNK; j++) {
			u32 s = atomic_load(&c[j].state);

			if (s)		/* what is not written stays the parent's */
				atomic_store(&c[j].state, 0);
			if (!(s & FD_CLOSING))
				continue;
			close_moved(&c[j]);
			sys_close(i * FD_CHUNK + j);
		}
	}
	for (struct fd_use *u = uses; u; u = u->outer)
		atomic_fetch_add(&u->entry->state, 1);
}
