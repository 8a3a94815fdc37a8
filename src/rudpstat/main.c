/*
 * main.c - rudpstat's options, and what it does when it may change something.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rudpstat/set.h"
#include "rudpstat/snapshot.h"

enum { SETS_MAX = 16 };

enum long_only { OPT_SET = 256, OPT_REAP };

static const char usage_text[] =
"usage: rudpstat [-jsHtmihV] [--domain NAME] [--set KEY=VALUE]... [--reap]\n"
"Shows the memory domains of librudp and the sockets in them.\n"
"\n"
"  (nothing)          a summary of each domain\n"
"  -t, --sockets      sockets, one a line\n"
"  -m, --memory       with their memory: skmem:(r,rb,t,tb,f,w,o,bl,d)\n"
"  -i, --info         with the state of the transport\n"
"  -s, --counters     counters that are not zero\n"
"  -j, --json         everything, as JSON\n"
"  -d, --domain NAME  this domain only\n"
"  -H, --no-header    no headings\n"
"      --set KEY=VAL  change a limit of domain NAME: mem=\"LOW PRESSURE HIGH\", rmem= or\n"
"                     wmem=\"MIN DEFAULT MAX\", rmem_max=, wmem_max=,\n"
"                     max_orphans=, notsent_lowat=, reserve=\n"
"      --reap         give back what dead processes held\n"
"  -h, --help         this text\n"
"  -V, --version      the version\n";

static const struct option options[] = {
	{ "sockets", no_argument, NULL, 't' },
	{ "memory", no_argument, NULL, 'm' },
	{ "info", no_argument, NULL, 'i' },
	{ "counters", no_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "domain", required_argument, NULL, 'd' },
	{ "no-header", no_argument, NULL, 'H' },
	{ "set", required_argument, NULL, OPT_SET },
	{ "reap", no_argument, NULL, OPT_REAP },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

struct args {
	const char *domain;
	unsigned show;
	const char *sets[SETS_MAX];
	unsigned nsets;
	bool reap;
};

static void usage(void)
{
	fputs(usage_text, stderr);
	exit(EXIT_USAGE);
}

static void parse_args(struct args *a, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "tmisjd:HhV", options, NULL)) != -1) {
		switch (c) {
		case 't': a->show |= SHOW_SOCKETS; break;
		case 'm': a->show |= SHOW_MEMORY; break;
		case 'i': a->show |= SHOW_INFO; break;
		case 's': a->show |= SHOW_COUNTERS; break;
		case 'j': a->show |= SHOW_JSON; break;
		case 'H': a->show |= SHOW_NO_HEADER; break;
		case 'd': a->domain = optarg; break;
		case OPT_REAP: a->reap = true; break;
		case OPT_SET:
			if (a->nsets == SETS_MAX)
				usage();
			a->sets[a->nsets++] = optarg;
			break;
		case 'h': fputs(usage_text, stdout); exit(0);
		case 'V': puts("rudpstat (librudp) " RUDP_VERSION); exit(0);
		default: usage();
		}
	}
	if (optind != argc || (a->nsets && !a->domain))
		usage();
}

/* Changes one domain. It must be there already: attaching would make it. */
static int change(const char *name, const struct args *a)
{
	struct domain *d;
	int ret = domain_open(&d, name);

	if (!ret) {
		domain_detach(d);
		ret = domain_attach(&d, name, NULL, false);
	}
	if (ret < 0) {
		fprintf(stderr, "rudpstat: domain %s: %s\n", name, strerror(-ret));
		return EXIT_FAIL;
	}
	ret = set_limits(d, a->sets, a->nsets);
	if (!ret && a->reap) {
		long pages = domain_reap(d);

		if (!(a->show & SHOW_JSON))
			printf("domain %s: %ld pages given back\n", name, pages);
	}
	domain_detach(d);
	return ret;
}

static int show(char **names, size_t n, const struct args *a)
{
	struct stat_domain *s = calloc(n + 1, sizeof(*s));
	size_t taken = 0;
	int ret = 0, err;

	if (!s)
		return EXIT_FAIL;
	for (size_t i = 0; i < n; i++) {
		err = snapshot_take(&s[taken], names[i]);
		if (!err) {
			taken++;
		} else if (a->domain || err != -ENOENT) {
			fprintf(stderr, "rudpstat: domain %s: %s\n", names[i], strerror(-err));
			ret = EXIT_FAIL;
		}
	}
	if (a->show & SHOW_JSON) {
		if (json_print(s, taken) < 0)
			ret = EXIT_FAIL;
	} else {
		for (size_t i = 0; i < taken; i++) {
			if (i)
				putchar('\n');
			if (taken > 1 && a->show && !(a->show & SHOW_NO_HEADER))
				printf("# domain %s\n", s[i].name);
			text_print(&s[i], a->show);
		}
		if (!n && !(a->show & SHOW_NO_HEADER))
			puts("no domains");
	}
	for (size_t i = 0; i < taken; i++)
		snapshot_free(&s[i]);
	free(s);
	return ret;
}

int main(int argc, char **argv)
{
	struct args a = { .domain = NULL };
	char **names, *one[1];
	size_t n;
	int ret = 0;

	parse_args(&a, argc, argv);
	if (a.domain) {
		one[0] = (char *)(uintptr_t)a.domain;
		names = one;
		n = 1;
	} else if (domain_names(&names, &n) < 0) {
		perror("rudpstat: /dev/shm");
		return EXIT_FAIL;
	}

	if (a.nsets || a.reap)
		for (size_t i = 0; i < n && !ret; i++)
			ret = change(names[i], &a);
	if (!ret && (!(a.nsets || a.reap) || a.show & ~(unsigned)SHOW_NO_HEADER))
		ret = show(names, n, &a);

	if (names != one)
		names_free(names, n);
	if (fflush(stdout) == EOF || ferror(stdout))
		return EXIT_FAIL;
	return ret;
}
