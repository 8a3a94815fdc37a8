/*
 * layout.c - a number for how shared memory is laid out: a checksum over the
 * declarations of everything in it (local.mk), and what the build changes.
 */
#include "layout.h"
#include "mem/arena_layout.h"

u32 layout_version(void)
{
	return LAYOUT_SUM ^ ARENA_SLOTS ^ (u32)sizeof(void *) << 24;
}
