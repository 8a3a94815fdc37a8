/*
 * driver_shm.h - slot 0 of an arena: what the driver shares with the processes
 * of its family, and with rudpstat.
 */
#ifndef RUDP_RT_DRIVER_SHM_H
#define RUDP_RT_DRIVER_SHM_H

#include "mem/arena.h"
#include "rt/sock.h"

enum { DRIVER_RXBUFS = 64 };

struct driver_shm {
	struct slot_head head;
	_Atomic u32 attn_head;		/* socks that want the driver, index + 1 */
	_Atomic u32 sleeping;		/* number of its sleep; 0: awake, or woken */
	_Atomic u64 next_wake;		/* when it wakes by itself */
	_Atomic u32 died;		/* times that a lock's holder was dead */
	_Atomic u32 forked;		/* the family has had children */
	_Atomic u32 few_files;		/* its table has hardly any number left */
	_Atomic u32 beat;		/* rounds of the driver's loop: it lives, and runs */
	u64 nonce;			/* what a process says that joins */
	pthread_mutex_t pool_lock;	/* robust */
	pthread_mutex_t starting;	/* robust; one of the family starts a driver */
	pthread_mutex_t driving;	/* robust; the driver holds it all its life */
	struct rxbuf rx[DRIVER_RXBUFS];
	_Atomic u64 kill;		/* rudpstat: reset this one: index | gen << 32 */
	u32 bell_len;			/* rings when anybody connects: the driver's */
	char bell[28];			/* abstract address, constant */
};
static_assert(sizeof(struct driver_shm) <= SOCK_SLOT, "the driver's share fits a slot");

#endif
