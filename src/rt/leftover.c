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

static void round_of(u64 id)
{
	struct hello h = { .again = HELLO_ROUND };
	int fd = join_call(id);
	char c;

	if (fd < 0)
		return;		/* nobody followed: nothing is left */
	if (sys_send(fd, &h, sizeof(h), MSG_NOSIGNAL) == sizeof(h))
		sys_recv(fd, &c, 1, 0);
	sys_close(fd);
}

void leftover_wait(void)
{
	mirror_driver_round(USEC_NEVER);	/* of a listener that was closed just now? */
	for (u32 i = 0; i < DOMAIN_ARENAS; i++) {
		const struct domain_arena *row = &drv.dom->arenas[i];
		u64 hello = atomic_load(&row->hello);

		if (domain_row_state(row) == ROW_LIVE && hello && i != arena_row(drv.ar) &&
		    domain_row_deserted(row))
			round_of(hello);
	}
}
