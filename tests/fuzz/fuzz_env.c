/*
 * fuzz_env.c - any text as a limit in the environment: parsed or refused, the
 * output untouched when refused.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "mem/domain.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const u64 before_mem[3] = { 11, 22, 33 };
	const u32 before_bytes[3] = { 11, 22, 33 };
	u64 mem[3];
	u32 bytes[3];
	char *text = malloc(len + 1);

	memcpy(text, data, len);
	text[len] = 0;
	memcpy(mem, before_mem, sizeof(mem));
	memcpy(bytes, before_bytes, sizeof(bytes));
	if (!mem_parse_mem(text, mem))
		assert(!memcmp(mem, before_mem, sizeof(mem)));
	if (!mem_parse_bytes3(text, bytes))
		assert(!memcmp(bytes, before_bytes, sizeof(bytes)));

	struct mem_limits l = { .mem = { mem[0], mem[1], mem[2] },
				.wmem = { bytes[0], bytes[1], bytes[2] },
				.rmem = { bytes[0], bytes[1], bytes[2] } };
	mem_limits_check(&l);
	free(text);
	return 0;
}
