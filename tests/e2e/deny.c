/*
 * deny CALL... -- PROGRAM ARG...: runs it where these system calls are refused
 * (EPERM), as a container's filter does.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base.h"

enum { FILTER_MAX = 64 };

static const struct {
	const char *name;
	u32 nr;
} calls[] = {
	{ "unshare", SYS_unshare }, { "close_range", SYS_close_range },
	{ "memfd_create", SYS_memfd_create }, { "eventfd2", SYS_eventfd2 },
	{ "socketpair", SYS_socketpair }, { "pidfd_open", SYS_pidfd_open },
};

static int number(const char *name, u32 *nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (!strcmp(calls[i].name, name)) {
			*nr = calls[i].nr;
			return 0;
		}
	return -1;
}

int main(int argc, char **argv)
{
	struct sock_filter f[FILTER_MAX] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog prog = { .len = 1, .filter = f };
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") && prog.len + 3 < FILTER_MAX; i++) {
		u32 nr;

		if (number(argv[i], &nr) < 0)
			return fprintf(stderr, "deny: no %s\n", argv[i]), 2;
		f[prog.len++] = (struct sock_filter)
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1);
		f[prog.len++] = (struct sock_filter)
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	}
	f[prog.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (i + 1 >= argc)
		return fputs("usage: deny CALL... -- PROGRAM ARG...\n", stderr), 2;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0) {
		perror("deny");
		return 77;
	}
	execvp(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 126;
}
