/* evhooks.c - a program that uses libev as well: what it hooks into the library
 * is called in its own threads. One that does not finds nothing of it: libevent's
 * functions have the same names as some of libev's. */
#include <dlfcn.h>
#include "conform.h"

enum { PAIRS = 60 };

static pthread_t mine;
static _Atomic int calls, strange;

static void *counting(void *ptr, long size)
{
	calls++;
	strange += !pthread_equal(pthread_self(), mine);
	if (size)
		return realloc(ptr, (size_t)size);
	free(ptr);
	return NULL;
}

/* Each has a stream for stdio, at numbers that grow. */
static void use_sockets(void)
{
	for (int i = 0; i < PAIRS; i++) {
		int c, s;
		char line[16];
		FILE *f;

		pair(&c, &s);
		f = fdopen(c, "r+");
		write_all(s, "line\n", 5);
		if (!f || !fgets(line, sizeof(line), f) || strcmp(line, "line\n"))
			puts("not what was sent");
	}
}

int main(int argc, char **argv)
{
	void (*set)(void *(*cb)(void *, long));
	void *(*loop_new)(unsigned);
	void (*loop_destroy)(void *);
	int c, s;

	start(argc, argv);
	mine = pthread_self();
	pair(&c, &s);
	printf("somebody's event_add(): %s\n", dlsym(RTLD_DEFAULT, "event_add") ? "yes" : "no");
	dlopen("libev.so.4", RTLD_NOW | RTLD_GLOBAL);
	*(void **)&set = dlsym(RTLD_DEFAULT, "ev_set_allocator");
	*(void **)&loop_new = dlsym(RTLD_DEFAULT, "ev_loop_new");
	*(void **)&loop_destroy = dlsym(RTLD_DEFAULT, "ev_loop_destroy");
	if (!set || !loop_new || !loop_destroy) {
		puts("no libev here");
		return 0;
	}
	set(counting);
	use_sockets();
	loop_destroy(loop_new(0));
	printf("called: %s\n", calls ? "yes" : "no");
	printf("in threads that are not the program's: %d\n", strange);
	return 0;
}
