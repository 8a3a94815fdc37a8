/*
 * hash.h - XXH3-64 of a payload in pieces, seed 0; 0 for nothing at all.
 * Compiled twice: hash_avx2.c for machines that have it, four times as fast as
 * what every x86-64 can do. Both give the same.
 */
#ifndef RUDP_CORE_HASH_H
#define RUDP_CORE_HASH_H

#include <sys/uio.h>
#include "base.h"

/* gcc can be told by pragma; elsewhere the compiler's own choice is good. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HASH_AVX2 1
#else
#define HASH_AVX2 0
#endif

enum { HASH_SHORT = 240 };	/* up to here XXH3 has no use for vectors */

u64 hash_payload(const struct iovec *iov, int niov);
u64 hash_payload_avx2(const struct iovec *iov, int niov);

#endif
