/*
 * files.h - numbers for descriptors of ours, of which the program has set a limit
 * for its own.
 *
 * RLIMIT_NOFILE is one for the whole process: for the table of the event thread,
 * too, which needs two numbers for each connection, and for the numbers of ours
 * in the program's. Ours lie beyond the soft limit, as far as the hard one
 * allows: for the one call that makes such a number the soft limit is lifted.
 * A child that is made in that moment has the lifted one, until it looks
 * (files_mend); who changes the limit then has changed it.
 *
 * Where the hard limit is the soft one, ours must lie among the program's. When
 * it comes to them, the UDP sockets go (the driver, which has them, too, sends for
 * it then), and when the driver's own table is nearly full, what is new is the
 * kernel's TCP.
 */
#ifndef RUDP_RT_FILES_H
#define RUDP_RT_FILES_H

#include "base.h"

bool files_lift(void);		/* true: until files_drop(), in the same thread */
void files_drop(void);
u32 files_soft(void);		/* the program's limit */
/* A call that makes one number, which `fd` is then; beyond the limit, if need be. */
#define FILES_MAKE(fd, call) do {				\
	(fd) = (call);						\
	if (unlikely((fd) == -EMFILE) && files_lift()) {	\
		(fd) = (call);					\
		files_drop();					\
	}							\
	files_made(fd);						\
} while (0)

/* The event thread's: */
void files_made(int fd);	/* the lowest number that was free (any thread's call) */
bool files_lift_for_more(void);	/* for a message that brings some; as files_lift() */
bool files_are_few(void);	/* hardly any are left, whatever is lifted */
/* Two numbers are kept: for one who connects when there are no others, and for the
 * connection of the kernel's that it gets. */
void files_driver_init(void);
void files_spare(void);		/* keeps them again */
bool files_use_spare(void);	/* true: one is free now */

/* The program's: */
void files_ours(int fd);	/* is one of ours from now on */
int files_replace(int fd, int ours);	/* dup3(), close-on-exec, onto one of them */
void files_look(int fd);	/* the program has been given this number */
bool files_give_way(void);	/* it found none: true: there is one now */
void files_hold(void);		/* nothing is lifted until files_let_go(): exec */
void files_let_go(void);
void files_mend(void);		/* a child's own limit, of fork() and vfork() */
void files_child(void);

#endif
