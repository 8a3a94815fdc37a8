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
#include "core/conn.h"
#include "mem/domain.h"
#include "rt/match.h"
#include "rudpstat/rudp-run.h"

static const char usage_text[] =
"usage: rudp-run [options] [--] program [arguments]\n"
"       rudp-run [options] --check [program]\n"
"Runs a program with its stream sockets carried by librudp.\n"
"\n"
"  -d, --domain NAME      accounting group (RUDP_DOMAIN)\n"
"  -m, --mem L P H        low, pressure, high of the domain (RUDP_MEM)\n"
"  -w, --wmem MIN DEF MAX send buffers (RUDP_WMEM)\n"
"  -r, --rmem MIN DEF MAX receive buffers (RUDP_RMEM)\n"
"  -c, --cc NAME          congestion control (RUDP_CONGESTION)\n"
"      --match RULES      what is carried, by address and port (RUDP_MATCH)\n"
"      --listen both|rudp whether listeners serve TCP, too (RUDP_LISTEN)\n"
"      --fallback tcp|off where nobody speaks rudp (RUDP_FALLBACK)\n"
"      --check            run nothing: would it work here, for this program?\n"
"  -l, --library FILE     librudp.so to use instead of the installed one\n"
"  -h, --help             this text\n"
"  -V, --version          the version\n";

enum long_only { OPT_CHECK = 256, OPT_CHECK_SELF, OPT_MATCH, OPT_FALLBACK,
		 OPT_LISTEN };

static const struct option options[] = {
	{ "domain", required_argument, NULL, 'd' },
	{ "mem", required_argument, NULL, 'm' },
	{ "wmem", required_argument, NULL, 'w' },
	{ "rmem", required_argument, NULL, 'r' },
	{ "cc", required_argument, NULL, 'c' },
	{ "match", required_argument, NULL, OPT_MATCH },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "fallback", required_argument, NULL, OPT_FALLBACK },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "library", required_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	/* not for users: what --check runs under the library */
	{ .name = "check-self", .has_arg = no_argument, .val = OPT_CHECK_SELF },
	{ NULL, 0, NULL, 0 }
};

struct args {
	char *mem, *wmem, *rmem, *match;
	const char *domain, *cc, *lib, *fallback, *listen;
	bool check;
};

static _Noreturn void usage(void)
{
	fputs("Try 'rudp-run --help'.\n", stderr);
	exit(EXIT_USAGE);
}

static void bad_value(const char *var, const char *value, const char *accepted)
{
	fprintf(stderr, "rudp-run: %s=\"%s\": %s\n", var, value, accepted);
	exit(EXIT_CONFIG);
}

static void check_limits(const char *mem, const char *wmem, const char *rmem)
{
	struct mem_limits l;
	u64 total, pages = mem_available_pages(&total);
	const char *wrong;

	mem_limits_default(&l, pages, total);
	wrong = mem && !mem_parse_mem(mem, l.mem) ? "mem" :
		wmem && !mem_parse_bytes3(wmem, l.wmem) ? "wmem" :
		rmem && !mem_parse_bytes3(rmem, l.rmem) ? "rmem" : mem_limits_check(&l);
	if (wrong) {
		const char *value = *wrong == 'm' ? mem : *wrong == 'w' ? wmem : rmem;

		fprintf(stderr, "rudp-run: --%s \"%s\": accepted are %s\n", wrong,
			value ? value : "", mem_limits_accepted(wrong));
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

/* Three numbers: one word that holds them all, or three words. */
static char *three(int argc, char **argv)
{
	char *all;

	if (optarg[strcspn(optarg, " \t,")] || argc - optind < 2)
		return optarg;
	if (asprintf(&all, "%s %s %s", optarg, argv[optind], argv[optind + 1]) < 0)
		exit(EXIT_NOEXEC);
	optind += 2;
	return all;
}

/* Given more than once, the rules follow each other. */
static char *more_rules(char *before)
{
	char *all = optarg;

	if (before && asprintf(&all, "%s %s", before, optarg) < 0)
		exit(EXIT_NOEXEC);
	return all;
}

static void parse_args(struct args *a, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "+d:m:w:r:c:l:hV", options, NULL)) != -1) {
		switch (c) {
		case 'd': a->domain = optarg; break;
		case 'm': a->mem = three(argc, argv); break;
		case 'w': a->wmem = three(argc, argv); break;
		case 'r': a->rmem = three(argc, argv); break;
		case 'c': a->cc = optarg; break;
		case 'l': a->lib = optarg; break;
		case OPT_MATCH: a->match = more_rules(a->match); break;
		case OPT_LISTEN: a->listen = optarg; break;
		case OPT_FALLBACK: a->fallback = optarg; break;
		case OPT_CHECK: a->check = true; break;
		case OPT_CHECK_SELF: exit(check_self());
		case 'h': fputs(usage_text, stdout); exit(0);
		case 'V': puts("rudp-run (librudp) " RUDP_VERSION); exit(0);
		default: usage();
		}
	}
	if (optind == argc && !a->check) {
		fputs("rudp-run: which program is to be run?\n", stderr);
		usage();
	}
}

static void check_rules(const struct args *a)
{
	struct match m;

	if (a->match && !match_parse(&m, a->match))
		bad_value("RUDP_MATCH", a->match, MATCH_ACCEPTED);
	if (a->listen && strcmp(a->listen, "both") && strcmp(a->listen, "rudp"))
		bad_value("RUDP_LISTEN", a->listen, "accepted are both and rudp");
	if (a->fallback && strcmp(a->fallback, "tcp") && strcmp(a->fallback, "off"))
		bad_value("RUDP_FALLBACK", a->fallback, "accepted are tcp and off");
}

/* Each value is right before any is set. */
static void set_environment(const struct args *a)
{
	check_rules(a);
	check_limits(a->mem, a->wmem, a->rmem);
	if (a->domain)
		check_domain(a->domain);
	if (a->cc && cc_find(a->cc) < 0)
		bad_value("RUDP_CONGESTION", a->cc, "accepted are cubic, reno and bbr");
	if (a->domain)
		setenv("RUDP_DOMAIN", a->domain, 1);
	if (a->mem)
		setenv("RUDP_MEM", a->mem, 1);
	if (a->wmem)
		setenv("RUDP_WMEM", a->wmem, 1);
	if (a->rmem)
		setenv("RUDP_RMEM", a->rmem, 1);
	if (a->cc)
		setenv("RUDP_CONGESTION", a->cc, 1);
	if (a->match)
		setenv("RUDP_MATCH", a->match, 1);
	if (a->listen)
		setenv("RUDP_LISTEN", a->listen, 1);
	if (a->fallback)
		setenv("RUDP_FALLBACK", a->fallback, 1);
}

int main(int argc, char **argv)
{
	struct args a = { .check = false };
	char path[PATH_MAX];
	const char *lib;

	parse_args(&a, argc, argv);
	set_environment(&a);
	lib = a.lib ? a.lib : find_library(path);
	if (a.check)
		return check_machine(lib, argv[optind]);
	preload(lib);
	execvp(argv[optind], argv + optind);
	fprintf(stderr, "rudp-run: %s: %s\n", argv[optind], strerror(errno));
	return errno == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC;
}
