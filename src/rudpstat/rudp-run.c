/*
 * rudp-run - runs a program over librudp: sets RUDP_* and LD_PRELOAD, execs.
 *
 * Values are checked here by the library's own rules, so that a mistake is
 * reported before anything runs, with the status the library would use.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mem/domain.h"

enum { EXIT_USAGE = 2, EXIT_CONFIG = 78, EXIT_NOEXEC = 126, EXIT_NOTFOUND = 127 };

static const char usage_text[] =
"usage: rudp-run [options] [--] program [arguments]\n"
"Runs a program with its stream sockets carried by librudp.\n"
"\n"
"  -d, --domain NAME      accounting group (RUDP_DOMAIN)\n"
"  -m, --mem \"L P H\"      low, pressure, high of the domain (RUDP_MEM)\n"
"  -w, --wmem \"MIN D MAX\" send buffers (RUDP_WMEM)\n"
"  -r, --rmem \"MIN D MAX\" receive buffers (RUDP_RMEM)\n"
"  -l, --library FILE     librudp.so to use instead of the installed one\n"
"  -h, --help             this text\n"
"  -V, --version          the version\n";

static const struct option options[] = {
	{ "domain", required_argument, NULL, 'd' },
	{ "mem", required_argument, NULL, 'm' },
	{ "wmem", required_argument, NULL, 'w' },
	{ "rmem", required_argument, NULL, 'r' },
	{ "library", required_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

static void bad_value(const char *var, const char *value, const char *accepted)
{
	fprintf(stderr, "rudp-run: %s=\"%s\": %s\n", var, value, accepted);
	exit(EXIT_CONFIG);
}

static void check_limits(const char *mem, const char *wmem, const char *rmem)
{
	struct mem_limits l;
	u64 total, pages = mem_available_pages(&total);
	static const char three[] = "accepted are \"min default max\", ascending, in bytes, "
				    "each with K, M or G if wanted";
	const char *wrong;

	mem_limits_default(&l, pages, total);
	if (mem && !mem_parse_mem(mem, l.mem))
		bad_value("RUDP_MEM", mem,
			  "accepted are \"low pressure high\", ascending, in pages of 4096 "
			  "bytes, or in bytes with K, M or G");
	if (wmem && !mem_parse_bytes3(wmem, l.wmem))
		bad_value("RUDP_WMEM", wmem,
			  three);
	if (rmem && !mem_parse_bytes3(rmem, l.rmem))
		bad_value("RUDP_RMEM", rmem,
			  three);
	wrong = mem_limits_check(&l);
	if (wrong) {
		fprintf(stderr, "rudp-run: %s\n", wrong);
		exit(EXIT_CONFIG);
	}
}

static void check_domain(const char *name)
{
	static const char ok[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	if (!*name || strlen(name) > 47 || strspn(name, ok) != strlen(name))
		bad_value("RUDP_DOMAIN", name,
			  "accepted are 1 to 47 letters, digits, '-', '_' and '.'");
}

/* The library beside this program, wherever the tree was moved; in a build
 * tree, the one just built; else where it was configured to be. */
static const char *find_library(char path[static PATH_MAX])
{
	static const char *const beside[] = {
		"/../../preload/.libs/librudp.so", "/../lib/librudp.so",
	};
	char dir[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

	if (n > 0) {
		dir[n] = '\0';
		slash = strrchr(dir, '/');
		if (slash)
			*slash = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
			char try[PATH_MAX + 64];

			snprintf(try, sizeof(try), "%s%s", dir, beside[i]);
			if (realpath(try, path) && access(path, R_OK) == 0)
				return path;
		}
	}
	return RUDP_LIBDIR "/librudp.so";
}

static void preload(const char *lib)
{
	const char *old = getenv("LD_PRELOAD");
	char *both;

	if (access(lib, R_OK) < 0) {
		fprintf(stderr, "rudp-run: %s: %s\n", lib, strerror(errno));
		exit(EXIT_NOEXEC);
	}
	if (!old || !*old) {
		setenv("LD_PRELOAD", lib, 1);
		return;
	}
	if (asprintf(&both, "%s:%s", lib, old) < 0) {
		perror("rudp-run");
		exit(EXIT_NOEXEC);
	}
	setenv("LD_PRELOAD", both, 1);
	free(both);
}

int main(int argc, char **argv)
{
	const char *mem = NULL, *wmem = NULL, *rmem = NULL, *domain = NULL, *lib = NULL;
	char path[PATH_MAX];
	int c;

	while ((c = getopt_long(argc, argv, "+d:m:w:r:l:hV", options, NULL)) != -1) {
		switch (c) {
		case 'd': domain = optarg; break;
		case 'm': mem = optarg; break;
		case 'w': wmem = optarg; break;
		case 'r': rmem = optarg; break;
		case 'l': lib = optarg; break;
		case 'h': fputs(usage_text, stdout); return 0;
		case 'V': puts("rudp-run (librudp) " RUDP_VERSION); return 0;
		default: fputs(usage_text, stderr); return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}

	check_limits(mem, wmem, rmem);
	if (domain) {
		check_domain(domain);
		setenv("RUDP_DOMAIN", domain, 1);
	}
	if (mem)
		setenv("RUDP_MEM", mem, 1);
	if (wmem)
		setenv("RUDP_WMEM", wmem, 1);
	if (rmem)
		setenv("RUDP_RMEM", rmem, 1);
	preload(lib ? lib : find_library(path));

	execvp(argv[optind], argv + optind);
	fprintf(stderr, "rudp-run: %s: %s\n", argv[optind], strerror(errno));
	return errno == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC;
}
