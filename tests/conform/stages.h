/* stages.h - a socket in each state that one can be in. */
#ifndef RUDP_TESTS_STAGES_H
#define RUDP_TESTS_STAGES_H

#include "conform.h"

/* A socket in a state, and what has to be closed with it. */
struct stage {
	int fd, other, third;
	union addr a;		/* where somebody listens, or may */
	socklen_t len;
};

typedef void make_fn(struct stage *st);

struct stage_kind {
	const char *name;
	make_fn *make;
	bool ended;		/* it was connected, or tried to be */
	bool stays;		/* in the midst of connecting: nothing to settle() */
};

extern const struct stage_kind stages[];
extern const size_t nstages;

void stage_begin(struct stage *st, make_fn *make);
void stage_end(struct stage *st);
/* What needs a packet of the peer's goes on: how it ends is told, not when. */
void settle(int fd);

#endif
