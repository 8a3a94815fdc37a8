/*
 * hash_avx2.c - hash.h for machines with AVX2; called after asking for it.
 */
#include "core/hash.h"

#if HASH_AVX2
#pragma GCC target("avx2")
#include "core/hash_impl.h"

u64 hash_payload_avx2(const struct iovec *iov, int niov)
{
	return hash_pieces(iov, niov);
}
#endif
