/* fuzz.h - libFuzzer's entry point, also called by replay.c. */
#ifndef RUDP_TESTS_FUZZ_H
#define RUDP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

__attribute__((visibility("default")))
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
