/*
 * loader.c - where the loader says that it lies. Functions that it exports are
 * not asked: a sanitizer interposes some.
 */
#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include "rt/loader.h"

const char *loader_path(void)
{
	Dl_info in;

	return dladdr((void *)_r_debug.r_ldbase, &in) ? in.dli_fname : NULL;
}
