/*
 * replay.c - runs a fuzzer without libFuzzer: every file of the corpus named
 * on the command line, then -n seeded mutations of these.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../sim/rng.h"
#include "fuzz.h"

enum { INPUT_MAX = 65536, INPUTS_MAX = 1024 };

static struct input {
	uint8_t *data;
	size_t len;
} inputs[INPUTS_MAX];
static unsigned ninputs;

static void read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct input *in = &inputs[ninputs];

	if (!f || ninputs == INPUTS_MAX) {
		perror(path);
		exit(1);
	}
	in->data = malloc(INPUT_MAX);
	in->len = fread(in->data, 1, INPUT_MAX, f);
	fclose(f);
	ninputs++;
	LLVMFuzzerTestOneInput(in->data, in->len);
}

static void read_all(const char *path)
{
	DIR *d = opendir(path);
	char name[4096];

	if (!d) {
		read_file(path);
		return;
	}
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.') {
			snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
			read_file(name);
		}
	closedir(d);
}

/* One input, changed: bytes replaced, cut, lengthened, or mixed with another. */
static void mutate(struct rng *r, uint8_t *out, size_t *len)
{
	const struct input *in = &inputs[rng_below(r, ninputs)];
	const struct input *other = &inputs[rng_below(r, ninputs)];

	*len = min(in->len + rng_below(r, 4) * rng_below(r, 40), (u64)INPUT_MAX);
	for (size_t i = 0; i < *len; i++)
		out[i] = i < in->len ? in->data[i] : (uint8_t)rng_next(r);
	if (rng_chance(r, 30) && other->len && *len)
		for (size_t i = rng_below(r, *len), j = rng_below(r, other->len);
		     i < *len && j < other->len; i++, j++)
			out[i] = other->data[j];
	for (u64 n = rng_scale(r, 1, 32); n-- && *len;)
		out[rng_below(r, *len)] = rng_chance(r, 50) ? (uint8_t)rng_next(r) :
					  (uint8_t)(rng_chance(r, 50) ? 0 : 0xff);
	if (rng_chance(r, 20) && *len)
		*len = rng_below(r, *len);
}

int main(int argc, char **argv)
{
	static uint8_t out[INPUT_MAX];
	struct rng r = { .seed = 1 };
	u64 n = 0;
	size_t len;
	int opt;

	while ((opt = getopt(argc, argv, "n:s:")) != -1)
		if (opt == 'n')
			n = strtoull(optarg, NULL, 10);
		else if (opt == 's')
			r.seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	for (int i = optind; i < argc; i++)
		read_all(argv[i]);
	for (u64 i = 0; i < n && ninputs; i++) {
		mutate(&r, out, &len);
		LLVMFuzzerTestOneInput(out, len);
	}
	printf("%u inputs and %llu mutations of them passed, 0 failed\n", ninputs,
	       (unsigned long long)n);
	return 0;
}
