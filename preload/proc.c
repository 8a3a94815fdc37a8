/*
 * proc.c - processes: fork, exec and their kin, exit; and syscall(), by which
 * some programs reach calls that are wrapped here.
 */
#include <pthread.h>
#include <sys/mman.h>
#include "preload/epoll_move.h"
#include "preload/wrap.h"
#include "rt/files.h"
#include "rt/sys.h"
#include "rt/watch.h"

/* ---- which process is this? ------------------------------------------------ */

/* Wiped in a child that has a copy of our memory, so that a raw clone() used
 * as fork is told from vfork, which shares it. */
static struct { _Atomic pid_t pid; } *identity;

static void child_of_fork(void)
{
	if (rt_bypass)		/* a caretaker: the program's numbers are not its own */
		return;
	atomic_store(&identity->pid, getpid());
	rt_child();
	watch_forked();
	fd_after_fork();
}

static void before_fork(void)
{
	if (rt_bypass)
		return;
	watch_before_fork();
	rt_forked();
}

void proc_init(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return;
	madvise(p, page, MADV_WIPEONFORK);
	identity = p;
	atomic_store(&identity->pid, getpid());
	pthread_atfork(before_fork, NULL, child_of_fork);
}

bool proc_is_vfork_child(void)
{
	pid_t pid;

	if (!identity)
		return false;
	pid = atomic_load(&identity->pid);
	if (pid == 0) {
		child_of_fork();
		return false;
	}
	return pid != getpid();
}

/* ---- descriptors that strangers get ------------------------------------------ */

int fd_replace_all(struct fd_use *u, int file, const struct sock_ref *fresh)
{
	int flags = LIBC(fcntl)(u->fd, F_GETFL);
	int was = fresh && fresh->sk ? LIBC(fcntl)(u->fd, F_DUPFD_CLOEXEC, 3) : -1;

	if (flags & O_ASYNC) {
		LIBC(fcntl)(file, F_SETOWN, LIBC(fcntl)(u->fd, F_GETOWN));
		LIBC(fcntl)(file, F_SETSIG, LIBC(fcntl)(u->fd, F_GETSIG));
	}
	LIBC(fcntl)(file, F_SETFL, flags);
	for (int fd = fd_next(0); fd >= 0; fd = fd_next(fd + 1)) {
		FD_USE(other);
		struct epoll_regs regs;

		if (!fd_get(fd, &other) || other.ref.sk != u->ref.sk ||
		    other.ref.gen != u->ref.gen)
			continue;
		flags = LIBC(fcntl)(fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0;
		epoll_move_begin(&regs, fd);
		if (fresh)
			fd_leave_sock(fd);
		if (fresh && fresh->sk && was < 0)
			LIBC(shutdown)(fd, SHUT_RDWR);
		LIBC(dup3)(file, fd, flags);
		if (fresh && fresh->sk)
			fd_join_sock(fd, fresh);
		epoll_move_end(&regs, fd);
	}
	/* Who waits there, for a connection, is woken; not before, since that ends the
	 * sock, and what is left of its numbers would be nobody's. */
	if (was >= 0) {
		LIBC(shutdown)(was, SHUT_RDWR);
		LIBC(close)(was);
	}
	if (fresh && fresh->sk)
		sock_undup(&(struct sock_ref){ fresh->sk, fresh->gen }, NULL);	/* `file` */
	return LIBC(close)(file);
}

int proc_hand_over(int fd)
{
	int ret;
	FD_USE(u);

	if (!fd_get_stream(fd, &u))
		return 0;
	ret = sock_relay(&u.ref, fd);
	return ret > 0 ? fd_replace_all(&u, ret, NULL) : ret;
}

static void give(int fd)
{
	FD_USE(u);

	if (fd_get(fd, &u) && (rt_running() || sock_bound(&u.ref)))
		sock_give(&u.ref, fd);
}

/* What no driver knows yet. A child of vfork() has our table of socks, and one
 * of descriptors that is its own; it can start nothing. */
static void give_fresh(void)
{
	bool vfork = proc_is_vfork_child();

	if (!fd_active() || rt_bypass || (vfork && !rt_running()))
		return;
	for (int fd = fd_next(0); fd >= 0; fd = fd_next(fd + 1))
		if (vfork || !(LIBC(fcntl)(fd, F_GETFD) & FD_CLOEXEC))
			give(fd);
}

/* 0, 1 and 2 are what a new image uses without asking what they are. */
static void before_image(void)
{
	watch_flush();
	for (int fd = 0; fd <= 2; fd++)
		proc_hand_over(fd);
	give_fresh();
}

/* The event thread ends with the image. */
static void before_exec(void)
{
	before_image();
	if (!fd_active() || rt_bypass)
		return;
	if (proc_is_vfork_child()) {
		files_mend();
		return;
	}
	rt_leave(LEAVE_EXEC);
	files_hold();
}

/* It has failed. */
static int after_exec(int ret)
{
	if (fd_active() && !rt_bypass && !proc_is_vfork_child()) {
		files_let_go();
		rt_stay();
	}
	return ret;
}

int daemon(int nochdir, int noclose)
{
	int ret = LIBC(daemon)(nochdir, noclose);

	for (int fd = 0; fd <= 2 && ret == 0 && !noclose; fd++)
		fd_forget(fd);
	return ret;
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	before_exec();
	return after_exec(LIBC(execve)(path, argv, envp));
}

int execv(const char *path, char *const argv[])
{
	before_exec();
	return after_exec(LIBC(execv)(path, argv));
}

int execvp(const char *file, char *const argv[])
{
	before_exec();
	return after_exec(LIBC(execvp)(file, argv));
}

int execvpe(const char *file, char *const argv[], char *const envp[])
{
	before_exec();
	return after_exec(LIBC(execvpe)(file, argv, envp));
}

int fexecve(int fd, char *const argv[], char *const envp[])
{
	before_exec();
	return after_exec(LIBC(fexecve)(fd, argv, envp));
}

int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	before_exec();
	return after_exec(LIBC(execveat)(dirfd, path, argv, envp, flags));
}

/* The arguments of execl and its kin, as a list; the last one is NULL. */
static int count_args(va_list ap)
{
	int n = 1;

	while (va_arg(ap, const char *))
		n++;
	return n;
}

static void collect_args(char **argv, const char *arg, va_list ap)
{
	*argv = (char *)(uintptr_t)arg;
	while (*argv)
		*++argv = va_arg(ap, char *);
}

/* Not malloc: a child of vfork may call these. */
#define ARGV_OF_VA(argv, arg)							\
	va_list ap_;								\
	va_start(ap_, arg);							\
	int n_ = count_args(ap_);						\
	va_end(ap_);								\
	char **argv = __builtin_alloca(((size_t)n_ + 1) * sizeof(char *));	\
	va_start(ap_, arg);							\
	collect_args(argv, arg, ap_)

int execl(const char *path, const char *arg, ...)
{
	ARGV_OF_VA(argv, arg);
	va_end(ap_);
	return execv(path, argv);
}

int execlp(const char *file, const char *arg, ...)
{
	ARGV_OF_VA(argv, arg);
	va_end(ap_);
	return execvp(file, argv);
}

int execle(const char *path, const char *arg, ...)
{
	ARGV_OF_VA(argv, arg);
	char *const *envp = va_arg(ap_, char *const *);

	va_end(ap_);
	return execve(path, argv, envp);
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
		const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	before_image();
	return LIBC(posix_spawn)(pid, path, fa, attr, argv, envp);
}

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *fa,
		 const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	before_image();
	return LIBC(posix_spawnp)(pid, file, fa, attr, argv, envp);
}

/* The child's dup2 is made inside libc; so the promise of one is enough. */
int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *fa, int fd, int to)
{
	if (to >= 0 && to <= 2)
		proc_hand_over(fd);
	give(fd);
	return LIBC(posix_spawn_file_actions_adddup2)(fa, fd, to);
}

int system(const char *cmd)
{
	before_image();
	return LIBC(system)(cmd);
}

FILE *popen(const char *cmd, const char *mode)
{
	before_image();
	return LIBC(popen)(cmd, mode);
}

/* ---- the end --------------------------------------------------------------------- */

void _exit(int status)
{
	if (fd_active() && !rt_bypass && !proc_is_vfork_child())
		rt_leave(LEAVE_EXIT);
	for (;;)
		LIBC(_exit)(status);
}

void _Exit(int) ALIAS(_exit);

/* These two end without destructors. A handler of SIGABRT may jump away. */
void quick_exit(int status)
{
	if (fd_active() && !rt_bypass && !proc_is_vfork_child())
		rt_leave(LEAVE_EXIT);
	LIBC(quick_exit)(status);
	for (;;)
		;
}

void abort(void)
{
	if (fd_active() && !rt_bypass && !proc_is_vfork_child())
		rt_leave(LEAVE_ABORT);
	LIBC(abort)();
	for (;;)
		;
}

static __attribute__((destructor)) void at_exit(void)
{
	if (fd_active() && !proc_is_vfork_child())
		rt_leave(LEAVE_EXIT);
}

/* ---- syscall() -------------------------------------------------------------------- */

#define FD(a)	((int)(a))
#define PTR(a)	((void *)(a))

/* The calls on sockets. False: not one of them. */
static bool socket_call(long nr, const long *a, long *ret)
{
	switch (nr) {
	case SYS_socket: *ret = socket(FD(a[0]), FD(a[1]), FD(a[2])); break;
	case SYS_bind: *ret = bind(FD(a[0]), PTR(a[1]), (socklen_t)a[2]); break;
	case SYS_listen: *ret = listen(FD(a[0]), FD(a[1])); break;
#ifdef SYS_accept
	case SYS_accept: *ret = accept(FD(a[0]), PTR(a[1]), PTR(a[2])); break;
#endif
	case SYS_accept4: *ret = accept4(FD(a[0]), PTR(a[1]), PTR(a[2]), FD(a[3])); break;
	case SYS_connect: *ret = connect(FD(a[0]), PTR(a[1]), (socklen_t)a[2]); break;
	case SYS_getsockname: *ret = getsockname(FD(a[0]), PTR(a[1]), PTR(a[2])); break;
	case SYS_getpeername: *ret = getpeername(FD(a[0]), PTR(a[1]), PTR(a[2])); break;
	case SYS_shutdown: *ret = shutdown(FD(a[0]), FD(a[1])); break;
	case SYS_getsockopt:
		*ret = getsockopt(FD(a[0]), FD(a[1]), FD(a[2]), PTR(a[3]), PTR(a[4]));
		break;
	case SYS_setsockopt:
		*ret = setsockopt(FD(a[0]), FD(a[1]), FD(a[2]), PTR(a[3]), (socklen_t)a[4]);
		break;
	case SYS_sendto:
		*ret = sendto(FD(a[0]), PTR(a[1]), (size_t)a[2], FD(a[3]), PTR(a[4]),
			      (socklen_t)a[5]);
		break;
	case SYS_recvfrom:
		*ret = recvfrom(FD(a[0]), PTR(a[1]), (size_t)a[2], FD(a[3]), PTR(a[4]), PTR(a[5]));
		break;
	case SYS_sendmsg: *ret = sendmsg(FD(a[0]), PTR(a[1]), FD(a[2])); break;
	case SYS_recvmsg: *ret = recvmsg(FD(a[0]), PTR(a[1]), FD(a[2])); break;
	case SYS_sendmmsg:
		*ret = sendmmsg(FD(a[0]), PTR(a[1]), (unsigned)a[2], FD(a[3]));
		break;
	case SYS_recvmmsg:
		*ret = recvmmsg(FD(a[0]), PTR(a[1]), (unsigned)a[2], FD(a[3]), PTR(a[4]));
		break;
	default: return false;
	}
	return true;
}

struct kernel_mask {		/* pselect6(2)'s last argument */
	const sigset_t *set;
	size_t len;
};

/* The calls that wait. Of a mask the kernel looks at as many signals as it has. */
static bool wait_call(long nr, const long *a, long *ret)
{
	const struct kernel_mask *m;

	switch (nr) {
#ifdef SYS_poll
	case SYS_poll: *ret = poll(PTR(a[0]), (nfds_t)a[1], FD(a[2])); break;
	case SYS_select:
		*ret = select(FD(a[0]), PTR(a[1]), PTR(a[2]), PTR(a[3]), PTR(a[4]));
		break;
	case SYS_epoll_wait: *ret = epoll_wait(FD(a[0]), PTR(a[1]), FD(a[2]), FD(a[3])); break;
	case SYS_epoll_create: *ret = epoll_create(FD(a[0])); break;
#endif
	case SYS_ppoll: *ret = ppoll(PTR(a[0]), (nfds_t)a[1], PTR(a[2]), PTR(a[3])); break;
	case SYS_pselect6:
		m = PTR(a[5]);
		*ret = pselect(FD(a[0]), PTR(a[1]), PTR(a[2]), PTR(a[3]), PTR(a[4]),
			       m ? m->set : NULL);
		break;
	case SYS_epoll_pwait:
		*ret = epoll_pwait(FD(a[0]), PTR(a[1]), FD(a[2]), FD(a[3]), PTR(a[4]));
		break;
#ifdef SYS_epoll_pwait2
	case SYS_epoll_pwait2:
		*ret = epoll_pwait2(FD(a[0]), PTR(a[1]), FD(a[2]), PTR(a[3]), PTR(a[4]));
		break;
#endif
	case SYS_epoll_create1: *ret = epoll_create1(FD(a[0])); break;
	default: return false;
	}
	return true;
}

/* The calls on any descriptor. */
static bool fd_call(long nr, const long *a, long *ret)
{
	switch (nr) {
	case SYS_read: *ret = read(FD(a[0]), PTR(a[1]), (size_t)a[2]); break;
	case SYS_write: *ret = write(FD(a[0]), PTR(a[1]), (size_t)a[2]); break;
	case SYS_readv: *ret = readv(FD(a[0]), PTR(a[1]), FD(a[2])); break;
	case SYS_writev: *ret = writev(FD(a[0]), PTR(a[1]), FD(a[2])); break;
	case SYS_preadv2:	/* a[4]: the offset's upper half, where a long is one */
		*ret = preadv64v2(FD(a[0]), PTR(a[1]), FD(a[2]), a[3], FD(a[5]));
		break;
	case SYS_pwritev2:
		*ret = pwritev64v2(FD(a[0]), PTR(a[1]), FD(a[2]), a[3], FD(a[5]));
		break;
	case SYS_close: *ret = close(FD(a[0])); break;
#ifdef SYS_close_range
	case SYS_close_range:
		*ret = close_range((unsigned)a[0], (unsigned)a[1], FD(a[2]));
		break;
#endif
	case SYS_dup: *ret = dup(FD(a[0])); break;
#ifdef SYS_dup2
	case SYS_dup2: *ret = dup2(FD(a[0]), FD(a[1])); break;
#endif
	case SYS_dup3: *ret = dup3(FD(a[0]), FD(a[1]), FD(a[2])); break;
	case SYS_fcntl: *ret = fcntl(FD(a[0]), FD(a[1]), a[2]); break;
	case SYS_ioctl: *ret = ioctl(FD(a[0]), (unsigned long)a[1], a[2]); break;
	case SYS_epoll_ctl: *ret = epoll_ctl(FD(a[0]), FD(a[1]), FD(a[2]), PTR(a[3])); break;
	case SYS_sendfile:
		*ret = sendfile64(FD(a[0]), FD(a[1]), PTR(a[2]), (size_t)a[3]);
		break;
	case SYS_splice:
		*ret = splice(FD(a[0]), PTR(a[1]), FD(a[2]), PTR(a[3]), (size_t)a[4],
			      (unsigned)a[5]);
		break;
	case SYS_execve: *ret = execve(PTR(a[0]), PTR(a[1]), PTR(a[2])); break;
	case SYS_exit_group: _exit(FD(a[0]));
	default: return false;
	}
	return true;
}

long syscall(long nr, ...)
{
	va_list ap;
	long a[6], ret;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!rt_bypass && (socket_call(nr, a, &ret) || fd_call(nr, a, &ret) ||
			   wait_call(nr, a, &ret)))
		return ret;
	return LIBC(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
