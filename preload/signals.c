/*
 * signals.c - a program's signal handlers are called through one of ours. It
 * calls them at once, unless the thread is inside the library (rt/critical.h):
 * then it keeps the signal, and has the kernel block all further ones when it
 * returns. At the end of the section the signal is queued to the thread again,
 * with all that the kernel said of it, and the mask restored.
 *
 * Signals that mean a fault of the thread itself are passed on as they are.
 */
#include <string.h>
#include "preload/wrap.h"
#include "rt/critical.h"
#include "rt/sys.h"

struct handler {
	void *fn;
	int flags;
};

/* Two of each: one counts, the other is written. */
static struct handler handlers[_NSIG][2];
static _Atomic u8 counts[_NSIG];
static _Atomic int writing;

static TLS_IE struct {
	siginfo_t info;
	u64 mask;		/* the kernel's first 64 signals, what it was */
} kept;

static const struct handler *handler_of(int sig)
{
	return &handlers[sig][atomic_load(&counts[sig])];
}

BEFORE_TSAN
static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL ||
	       sig == SIGTRAP || sig == SIGSYS || sig == SIGABRT;
}

/* All but faults and the two that libc keeps for itself. */
static u64 blocked_mask(void)
{
	u64 m = ~0ULL;

	for (int sig = 1; sig < 64; sig++)
		if (is_fault(sig) || sig == 32 || sig == 33)
			m &= ~(1ULL << (sig - 1));
	return m;
}

static void keep(const siginfo_t *info, ucontext_t *uc)
{
	u64 all = blocked_mask();

	kept.info = *info;
	memcpy(&kept.mask, &uc->uc_sigmask, sizeof(kept.mask));
	memcpy(&uc->uc_sigmask, &all, sizeof(all));
	critical.deferred = 1;
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	const struct handler *h = handler_of(sig);

	if (critical.depth && !rt_bypass) {
		keep(info, uc);
		return;
	}
	critical.in_handler++;
	if (h->flags & SA_SIGINFO)
		((void (*)(int, siginfo_t *, void *))h->fn)(sig, info, uc);
	else
		((void (*)(int))h->fn)(sig);
	critical.in_handler -= critical.in_handler ? 1 : 0;
	critical.handlers |= h->flags & SA_RESTART ? HANDLER_RESTARTS : HANDLER_INTERRUPTS;
}

static void deliver(void)
{
	siginfo_t info = kept.info;
	u64 mask = kept.mask;

	critical.deferred = 0;
	sys_call6(SYS_rt_tgsigqueueinfo, getpid(), sys_call6(SYS_gettid, 0, 0, 0, 0, 0, 0),
		  info.si_signo, (long)&info, 0, 0);
	sys_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof(mask), 0, 0);
}

void signals_init(void)
{
	critical_deliver = deliver;
}

static bool is_function(const struct sigaction *sa)
{
	return sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN;
}

static int install(int sig, const struct sigaction *act, struct sigaction *old)
{
	u8 next = !atomic_load(&counts[sig]);
	struct handler before = *handler_of(sig);
	struct sigaction ours, was;
	int ret;

	if (act) {
		ours = *act;
		if (is_function(act)) {
			handlers[sig][next] = (struct handler){
				.fn = (void *)act->sa_sigaction, .flags = act->sa_flags,
			};
			ours.sa_sigaction = on_signal;
			ours.sa_flags |= SA_SIGINFO;
		}
	}
	ret = LIBC(sigaction)(sig, act ? &ours : NULL, &was);
	if (ret < 0)
		return ret;
	if (act && is_function(act))
		atomic_store(&counts[sig], next);
	if (was.sa_sigaction == on_signal) {
		was.sa_sigaction = (void (*)(int, siginfo_t *, void *))before.fn;
		if (!(before.flags & SA_SIGINFO))
			was.sa_flags &= ~SA_SIGINFO;
	}
	if (old)
		*old = was;
	return 0;
}

BEFORE_TSAN
int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	u64 all = ~0ULL, mask;
	int ret;

	if (sig < 1 || sig >= _NSIG || is_fault(sig) || rt_bypass || !critical_deliver)
		return LIBC(sigaction)(sig, act, old);
	sys_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&mask, sizeof(mask), 0, 0);
	while (atomic_exchange(&writing, 1))
		;		/* two threads at once: not for long, and not in a handler */
	ret = install(sig, act, old);
	atomic_store(&writing, 0);
	sys_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof(mask), 0, 0);
	return ret;
}

int __sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return sigaction(sig, act, old);
}

static __sighandler_t set_handler(int sig, __sighandler_t fn, int flags)
{
	struct sigaction act = { .sa_handler = fn, .sa_flags = flags }, old;

	sigemptyset(&act.sa_mask);
	if (!(flags & SA_NODEFER))
		sigaddset(&act.sa_mask, sig);
	if (fn == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	return sigaction(sig, &act, &old) < 0 ? SIG_ERR : old.sa_handler;
}

__sighandler_t signal(int sig, __sighandler_t fn)
{
	return set_handler(sig, fn, SA_RESTART);
}

__sighandler_t ssignal(int sig, __sighandler_t fn)
{
	return set_handler(sig, fn, SA_RESTART);
}

__sighandler_t bsd_signal(int sig, __sighandler_t fn)
{
	return set_handler(sig, fn, SA_RESTART);
}

__sighandler_t sysv_signal(int sig, __sighandler_t fn)
{
	return set_handler(sig, fn, (int)SA_RESETHAND | SA_NODEFER);
}

__sighandler_t __sysv_signal(int sig, __sighandler_t fn)
{
	return set_handler(sig, fn, (int)SA_RESETHAND | SA_NODEFER);
}

/* libc would change what the kernel knows and not what we know. */
int siginterrupt(int sig, int interrupt)
{
	struct sigaction act;

	if (sigaction(sig, NULL, &act) < 0)
		return -1;
	if (interrupt)
		act.sa_flags &= ~SA_RESTART;
	else
		act.sa_flags |= SA_RESTART;
	return sigaction(sig, &act, NULL);
}
