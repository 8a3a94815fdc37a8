/*
 * leftover.c - a number is taken, by one who may have ended a moment ago. The
 * kernel frees TCP's before anybody can know of a death. Ours is also held by the
 * caretaker, who has to wake up first and find that nobody has the listener any
 * more. So whoever finds a number taken asks all whose program is gone: each
 * answers, by hanging up, when it has seen what there is to be seen.
 */
#include "rt/join.h"
#include "rt/rt.h"
#include "rt/sys.h"

enum { ROUNDS = 4 };

/* False: nobody is there. */
static bool round_of(u64 id)
{
	struct hello h = { .again = HELLO_ROUND };
	int fd = join_call(id);
	char c;

	if (fd < 0)
		return false;
	if (sys_send(fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h))
		sys_recv(fd, &c, 1, 0);
	sys_close(fd);
	return true;
}

static bool round_of_all(void)
{
	bool any = false;

	/* Of a listener that was closed just now? A driver of ours that we have not
	 * met is one that a child of ours had. */
	mirror_driver_round(USEC_NEVER);
	for (u32 i = 0; i < DOMAIN_ARENAS; i++) {
		const struct domain_arena *row = &drv.dom->arenas[i];
		u64 hello = atomic_load(&row->hello);

		if (domain_row_state(row) != ROW_LIVE || !hello)
			continue;
		if (i == arena_row(drv.ar) ? !rt_running() : domain_row_deserted(row))
			any |= round_of(hello);
	}
	return any;
}

/* One that was about to begin when its driver was killed hangs up as it goes,
 * maybe before it has let go of the number: asked again, it is not there. */
int leftover_retry(int (*again)(const struct sock *sk, const union sock_addr *a),
		   const struct sock *sk, const union sock_addr *a)
{
	int ret = -EADDRINUSE;
	bool any = true;

	for (int i = 0; i < ROUNDS && any && ret == -EADDRINUSE; i++) {
		any = round_of_all();
		ret = again(sk, a);
	}
	return ret;
}
