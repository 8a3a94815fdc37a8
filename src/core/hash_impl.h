/*
 * hash_impl.h - the body of hash_payload(), included once for each set of
 * instructions. One piece is hashed in place, several by streaming.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "core/hash.h"

static inline u64 hash_pieces(const struct iovec *iov, int niov)
{
	XXH3_state_t st;

	if (niov == 0)
		return 0;
	if (niov == 1)
		return iov[0].iov_len ? XXH3_64bits(iov[0].iov_base, iov[0].iov_len) : 0;
	XXH3_64bits_reset(&st);
	for (int i = 0; i < niov; i++)
		XXH3_64bits_update(&st, iov[i].iov_base, iov[i].iov_len);
	return XXH3_64bits_digest(&st);
}
