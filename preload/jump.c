/*
 * jump.c - a handler that came while a call of ours waited may leave by a jump:
 * the call never returns, so its pins are taken back here.
 */
#include "preload/wrap.h"

static void leave(void)
{
	if (!critical.in_handler || rt_bypass)
		return;
	critical.in_handler = 0;
	fd_put_all();
}

void longjmp(struct __jmp_buf_tag env[1], int val)
{
	leave();
	for (;;)
		LIBC(longjmp)(env, val);
}

void _longjmp(struct __jmp_buf_tag env[1], int val)
{
	leave();
	for (;;)
		LIBC(_longjmp)(env, val);
}

void siglongjmp(sigjmp_buf env, int val)
{
	leave();
	for (;;)
		LIBC(siglongjmp)(env, val);
}

void __longjmp_chk(struct __jmp_buf_tag env[1], int val)
{
	leave();
	for (;;)
		LIBC(__longjmp_chk)(env, val);
}
