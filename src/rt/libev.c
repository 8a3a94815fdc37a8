/* libev.c - finds libev's functions. */
#include <dlfcn.h>
#include <stdio.h>
#include "rt/libev.h"

#define TEXT_OF(x) #x
#define SONAME(major) "libev.so." TEXT_OF(major)

struct libev libev;

static bool find(void *handle)
{
	bool all = true;

#define LIBEV_CALL(name)							\
	*(void **)&libev.name = dlsym(handle, "ev_" #name);		\
	all &= libev.name != NULL;
	LIBEV_CALLS(LIBEV_CALL)
#undef LIBEV_CALL
	return all;
}

bool libev_open(void)
{
	static void *handle;

	if (handle)
		return true;
	handle = dlopen(SONAME(EV_VERSION_MAJOR), RTLD_NOW | RTLD_LOCAL);
	if (handle && find(handle))
		return true;
	fprintf(stderr, "librudp: %s\n", dlerror());
	handle = NULL;
	return false;
}
