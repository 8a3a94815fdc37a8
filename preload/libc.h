/*
 * libc.h - the functions we interpose (calls.def): their prototypes, and the
 * real ones behind them.
 *
 *     return LIBC(recv)(fd, buf, len, flags);
 *
 * A real function is looked up when it is first called, by any thread, also
 * before our constructor ran; where that is not possible yet (the look-up
 * itself allocates, and the allocator reads a file) a bare system call serves.
 */
#ifndef RUDP_PRELOAD_LIBC_H
#define RUDP_PRELOAD_LIBC_H

#include <aio.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "base.h"

#pragma GCC visibility push(default)
#define CALL(ret, name, args) ret name args;
#include "calls.def"
#undef CALL
#pragma GCC visibility pop

enum libc_call {
#define CALL(ret, name, args) LIBC_##name,
#include "calls.def"
#undef CALL
	LIBC_COUNT
};

extern _Atomic(void *) libc_table[LIBC_COUNT];
void *libc_resolve(enum libc_call call);
void libc_resolve_all(void);

/* ThreadSanitizer installs its own handlers, through ours, before it is ready
 * for code that it has instrumented. */
#define BEFORE_TSAN	__attribute__((no_sanitize("thread")))

BEFORE_TSAN
static inline void *libc_function(enum libc_call call)
{
	void *f = atomic_load_explicit(&libc_table[call], memory_order_relaxed);

	return likely(f != NULL) ? f : libc_resolve(call);
}

#define LIBC(name) ((__typeof__(&name))libc_function(LIBC_##name))

/* Another name of a function in the same file. */
#define ALIAS(of) __attribute__((alias(#of)))

#endif
