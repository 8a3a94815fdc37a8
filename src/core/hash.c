/*
 * hash.c - hash.h for every machine, and the choice between the two.
 */
#include "core/hash_impl.h"

u64 hash_payload(const struct iovec *iov, int niov)
{
#if HASH_AVX2
	if ((niov > 1 || (niov && iov[0].iov_len > HASH_SHORT)) && __builtin_cpu_supports("avx2"))
		return hash_payload_avx2(iov, niov);
#endif
	return hash_pieces(iov, niov);
}
