/*
 * vfork.c - a child of vfork() can start nothing, and may be about to execute a
 * program with a socket that no driver knows, which nobody could find there. So
 * its parent has a driver by then.
 *
 * The call returns twice to its caller, whose frame nothing of ours may stand
 * on: what is to be done is done first, then the real one is jumped to.
 */
#include "preload/wrap.h"

void *vfork_prepare(void);

#if defined(__x86_64__)
__asm__(".text\n"
	".globl vfork\n"
	".type vfork, @function\n"
	"vfork:\n"
	".cfi_startproc\n"
	"	endbr64\n"
	"	subq $8, %rsp\n"
	".cfi_adjust_cfa_offset 8\n"
	"	call vfork_prepare\n"
	"	addq $8, %rsp\n"
	".cfi_adjust_cfa_offset -8\n"
	"	jmp *%rax\n"
	".cfi_endproc\n"
	".size vfork, . - vfork\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl vfork\n"
	".type vfork, %function\n"
	"vfork:\n"
	".cfi_startproc\n"
	"	hint #34\n"		/* bti c */
	"	stp x29, x30, [sp, #-16]!\n"
	".cfi_adjust_cfa_offset 16\n"
	"	bl vfork_prepare\n"
	"	ldp x29, x30, [sp], #16\n"
	".cfi_adjust_cfa_offset -16\n"
	"	mov x16, x0\n"
	"	br x16\n"
	".cfi_endproc\n"
	".size vfork, . - vfork\n");
#endif

/* Bound is what somebody may want to listen on. */
static bool has_bound(void)
{
	for (int fd = fd_next(0); fd >= 0; fd = fd_next(fd + 1)) {
		FD_USE(u);

		if (fd_get(fd, &u) && sock_bound(&u.ref))
			return true;
	}
	return false;
}

__attribute__((used, visibility("hidden"))) void *vfork_prepare(void)
{
	int err = errno;

	if (fd_active() && !rt_bypass && !rt_running() && !proc_is_vfork_child() && has_bound())
		rt_start();
	errno = err;
	return (void *)LIBC(vfork);
}
