/* init.c - before main: the environment is checked, the real functions are
 * found. Costs no thread and no shared memory: those come with the first
 * socket. */
#include "preload/wrap.h"
#include "rt/libev.h"

static __attribute__((constructor)) void init(void)
{
	rt_init_env();
	libev_open();
	libc_resolve_all();
	proc_init();
	signals_init();
	attach_inherited();
}
