/*
 * plain.h - the kernel's TCP in the place of a sock: where a rule says so
 * (match.h), and where a connect() finds nobody who speaks our protocol
 * (RUDP_FALLBACK). The wrapper puts the kernel's socket under the program's
 * numbers, and from then on they are none of ours.
 *
 * A connect() that was refused, or not answered for 0.4 s, goes on as one
 * of the kernel's TCP, made by the driver: the program still sees a connection
 * that is being made (SK_TRYING if ours has failed, so that nothing is sent any
 * more). What can't be read is the answer of somebody who does not speak our
 * protocol, or forged: TCP begins at once, and ours goes on beside it. When TCP
 * is there the driver passes its descriptor through the mirror (SK_PLAIN), and
 * the next call on the descriptor takes it (fdtab.c). When both have failed, the
 * kernel's error is the program's; so is a refusal by TCP alone, where ours is
 * silent for seven seconds, or what came can't be read and nothing else did
 * within one.
 */
#ifndef RUDP_RT_PLAIN_H
#define RUDP_RT_PLAIN_H

#include "rt/sock.h"

enum plain_try { TRY_NO, TRY_MAY, TRY_RUNS, TRY_FAILED };

/* A kernel's socket like sk, with its options, and bound as it was. */
int plain_socket(struct sock *sk, int flags);
/* For a listener: not blocking, and bound to the very name. */
int plain_listener(const struct sock *sk);
void plain_options(const struct sock *sk, int fd);	/* what a fresh socket does not have */
/* Where the peer's address begins with silence, it is known for a while. */
bool plain_known(const struct sock *sk, const struct sockaddr *sa, usec_t now);

/* Lock held: under this name the kernel's TCP alone will listen, or ours, too: for
 * programs of the domain, on this machine. */
void plain_tell(const struct sock *lsk, const union sock_addr *name, bool plain);

/* Lock held, when it is left: sees to a connect(). True: the driver must look. */
bool plain_settle_slow(struct sock *sk, usec_t now);
static inline bool plain_settle(struct sock *sk, usec_t now)
{
	return unlikely(sk->try_plain) && plain_settle_slow(sk, now);
}
void plain_stop(struct sock *sk);	/* driver */

#endif
