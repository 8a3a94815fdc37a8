/*
 * fdtab.h - which descriptors of this process are ours: number -> sock.
 *
 * A look-up is a load when the number is not ours. A use pins the entry:
 *
 *     FD_USE(u);
 *
 *     if (!fd_get(fd, &u))
 *             return LIBC(shutdown)(fd, how);
 *     return result(sock_shutdown(&u.ref, fd, how));
 *
 * and the pin goes when u leaves its scope, also when the thread is cancelled
 * or jumps away (jump.c). Between the two, signal handlers are put off
 * (rt/critical.h).
 *
 * While a number is pinned nobody gets it for another file: a close() that
 * meets the pin of another thread moves the file away and leaves a placeholder
 * in its place, on which everything fails with EBADF. The last unpin closes
 * both: as in the kernel, a file lives as long as somebody is in a call on it.
 */
#ifndef RUDP_PRELOAD_FDTAB_H
#define RUDP_PRELOAD_FDTAB_H

#include "rt/critical.h"
#include "rt/sock.h"

enum { FD_CHUNK_BITS = 10, FD_CHUNK = 1 << FD_CHUNK_BITS, FD_CHUNKS = 1024 };

struct fd_entry {
	_Atomic(struct sock *) sk;	/* NULL: not ours */
	_Atomic u32 gen;		/* the sock's, see struct sock_ref */
	_Atomic u32 state;		/* pins, and FD_CLOSING */
	_Atomic int file;		/* closing: where the file is, + 1 */
	struct sock *closing;		/* whose it is */
};

struct fd_use {
	struct sock_ref ref;
	struct fd_entry *entry;		/* NULL: no pin held */
	struct driver *was;	/* the family that the thread stood in */
	struct fd_use *outer;		/* the thread's other pins: a handler's caller */
	int fd;
};

#define FD_USE(u) struct fd_use u __attribute__((cleanup(fd_put))) = { .entry = NULL }

extern _Atomic(struct fd_entry *) fd_chunks[FD_CHUNKS];

bool fd_pin(int fd, struct fd_entry *e, struct fd_use *u);
void fd_put(struct fd_use *u);

static inline struct fd_entry *fd_entry(int fd)
{
	struct fd_entry *chunk;

	if (unlikely((unsigned)fd >= FD_CHUNKS * FD_CHUNK))
		return NULL;
	chunk = atomic_load_explicit(&fd_chunks[fd >> FD_CHUNK_BITS], memory_order_acquire);
	return chunk ? &chunk[fd & (FD_CHUNK - 1)] : NULL;
}

/* Pins fd. False: not ours (or not for this caller, see rt_bypass). */
static inline bool fd_get(int fd, struct fd_use *u)
{
	struct fd_entry *e = fd_entry(fd);

	if (likely(!e || !atomic_load_explicit(&e->sk, memory_order_relaxed)))
		return false;
	return fd_pin(fd, e, u);
}

/* The same, but false for a relay: its bytes are the kernel's business. */
static inline bool fd_get_stream(int fd, struct fd_use *u)
{
	if (likely(!fd_get(fd, u)))
		return false;
	if (likely(atomic_load_explicit(&u->ref.sk->kind, memory_order_relaxed) != SK_RELAY))
		return true;
	fd_put(u);
	return false;
}

/* fd is a descriptor of r's sock from now on. 0 or -ENOMEM, -EMFILE. */
int fd_set_sock(int fd, const struct sock_ref *r);
/* fd, which is pinned, is of no sock any more, then of r's. */
void fd_leave_sock(int fd);
void fd_join_sock(int fd, const struct sock_ref *r);
/* fd is not ours any more; nothing is closed. */
void fd_forget(int fd);
/* The same where libc is about to close it by itself: one descriptor less of its
 * sock in this process. When that is done: the wait that SO_LINGER asks for. */
struct fd_left {
	struct sock_ref ref;
	usec_t linger;		/* 0: none */
};
struct fd_left fd_lost(int fd);
void fd_lost_wait(struct fd_left *left);
/* close() of a descriptor of ours. 0 or -errno. Drops the pin. */
int fd_close(struct fd_use *u);
/* The thread leaves all its calls without returning from them. */
void fd_put_all(void);
/* What u is of has become the kernel's, which takes its numbers (socket.c). */
void fd_take_plain(struct fd_use *u);
extern TLS_IE bool fd_taking;	/* that is being done: pins are just pins */
/* Closed, but another thread is still in a call on it. */
bool fd_is_closing(int fd);
/* The lowest number >= from that is ours; -1: none. */
int fd_next(int from);
/* Any entry at all, ever? */
bool fd_active(void);

/* fork: what the child has to forget. */
void fd_after_fork(void);

#endif
