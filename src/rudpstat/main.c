/*
 * main.c - rudpstat's options, and what it does when it may change something.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "rudpstat/count.h"
#include "rudpstat/filter.h"
#include "rudpstat/kill.h"
#include "rudpstat/out.h"
#include "rudpstat/set.h"
#include "rudpstat/trace.h"
#include "rudpstat/watch.h"

enum { SETS_MAX = 16, LINE_MAX_COLUMNS = 79 };

enum long_only { OPT_SET = 256, OPT_REAP, OPT_PROMETHEUS, OPT_COLOR, OPT_TRACE };

static const char usage_text[] =
"usage: rudpstat [options] [filter]\n"
"Shows the memory domains of librudp and the sockets in them.\n"
"\n"
"  (nothing)          a summary of each domain\n"
"  -t, --sockets      sockets that are connected, one a line\n"
"  -l, --listening    those that listen\n"
"  -a, --all          both, and those that are not connected\n"
"  -m, --memory       with their memory: skmem:(r,rb,t,tb,f,w,o,bl,d)\n"
"  -i, --info         with the state of the transport\n"
"  -s, --counters     counters: in all, and since the last call\n"
"  -z, --zeros        those that are zero, too\n"
"  -n, --no-update    this call is not the last one to the next\n"
"  -w, --watch [SECS] watch live in the terminal\n"
"  -j, --json         everything, as JSON\n"
"      --prometheus   the view, for the node exporter's textfile collector\n"
"      --trace ID     follow one connection, as qlog\n"
"  -d, --domain NAME  this domain only\n"
"  -H, --no-header    no headings\n"
"      --color WHEN   auto, always or never\n"
"  -K, --kill         reset the sockets that the filter names\n"
"      --set KEY=VAL  change a limit of domain NAME: mem=\"LOW PRESSURE HIGH\", rmem= or\n"
"                     wmem=\"MIN DEFAULT MAX\", rmem_max=, wmem_max=,\n"
"                     max_orphans=, notsent_lowat=, reserve=,\n"
"                     ssthresh_metrics=\n"
"      --reap         give back what dead processes held\n"
"  -h, --help         this text\n"
"  -V, --version      the version\n"
"\n"
"filter: words that all must hold, such as\n"
"  state established dst 10.0.0.0/8 sport :80 port 443 pid 1234 comm nginx\n";

static const struct option options[] = {
	{ "sockets", no_argument, NULL, 't' },
	{ "listening", no_argument, NULL, 'l' },
	{ "all", no_argument, NULL, 'a' },
	{ "memory", no_argument, NULL, 'm' },
	{ "info", no_argument, NULL, 'i' },
	{ "counters", no_argument, NULL, 's' },
	{ "zeros", no_argument, NULL, 'z' },
	{ "no-update", no_argument, NULL, 'n' },
	{ "watch", optional_argument, NULL, 'w' },
	{ "json", no_argument, NULL, 'j' },
	{ "prometheus", no_argument, NULL, OPT_PROMETHEUS },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "domain", required_argument, NULL, 'd' },
	{ "no-header", no_argument, NULL, 'H' },
	{ "color", required_argument, NULL, OPT_COLOR },
	{ "kill", no_argument, NULL, 'K' },
	{ "set", required_argument, NULL, OPT_SET },
	{ "reap", no_argument, NULL, OPT_REAP },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_PROMETHEUS };

struct args {
	const char *domain, *color;
	unsigned show;
	enum format format;
	bool listening, all, no_update, kill, reap, filtered;
	double interval;	/* 0: do not watch */
	u64 trace;		/* 0: none */
	struct filter filter;
	const char *sets[SETS_MAX];
	unsigned nsets;
};

static _Noreturn void RUDP_PRINTF(1, 2) usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("rudpstat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry 'rudpstat --help'.\n", stderr);
	exit(EXIT_USAGE);
}

/* The exit status, once all output has left. */
static int written(int status)
{
	if (fflush(stdout) != EOF && !ferror(stdout))
		return status;
	fprintf(stderr, "rudpstat: the output could not be written: %s\n", strerror(errno));
	return EXIT_FAIL;
}

static bool is_interval(const char *s, double *v)
{
	char *end;

	*v = strtod(s, &end);
	return end != s && !*end && *v >= 0.1 && *v <= 3600;
}

/* The interval may stand behind -w as a word of its own. */
static void parse_watch(struct args *a, char **argv)
{
	a->interval = 1;
	if (optarg) {
		if (!is_interval(optarg, &a->interval))
			usage_error("--watch %s: accepted is a number of seconds from 0.1 to 3600",
				    optarg);
	} else if (argv[optind] && is_interval(argv[optind], &a->interval)) {
		optind++;
	} else if (argv[optind] && strspn(argv[optind], "0123456789.")) {
		usage_error("--watch %s: accepted is a number of seconds from 0.1 to 3600",
			    argv[optind]);
	} else {
		a->interval = 1;
	}
}

static void parse_trace(struct args *a)
{
	char *end;

	a->trace = strtoull(optarg, &end, 16);
	if (end == optarg || *end || !a->trace)
		usage_error("--trace %s: accepted is an id of 16 hexadecimal digits, as rudpstat "
			    "-i shows it", optarg);
}

static void parse_option(struct args *a, int c, char **argv)
{
	switch (c) {
	case 't': a->show |= SHOW_SOCKETS; break;
	case 'l': a->show |= SHOW_SOCKETS; a->listening = true; break;
	case 'a': a->show |= SHOW_SOCKETS; a->all = true; break;
	case 'm': a->show |= SHOW_MEMORY; break;
	case 'i': a->show |= SHOW_INFO; break;
	case 's': a->show |= SHOW_COUNTERS; break;
	case 'z': a->show |= SHOW_ZEROS; break;
	case 'n': a->no_update = true; break;
	case 'w': parse_watch(a, argv); break;
	case 'j': a->format = FORMAT_JSON; break;
	case OPT_PROMETHEUS: a->format = FORMAT_PROMETHEUS; break;
	case 'H': a->show |= SHOW_NO_HEADER; break;
	case 'd': a->domain = optarg; break;
	case OPT_TRACE: parse_trace(a); break;
	case OPT_COLOR: a->color = optarg; break;
	case 'K': a->kill = true; break;
	case OPT_REAP: a->reap = true; break;
	case OPT_SET:
		if (a->nsets == SETS_MAX)
			usage_error("--set %s: at most %d in one call", optarg, SETS_MAX);
		a->sets[a->nsets++] = optarg;
		break;
	case 'h': fputs(usage_text, stdout); exit(written(0));
	case 'V': puts("rudpstat (librudp) " RUDP_VERSION); exit(written(0));
	default:
		fputs("Try 'rudpstat --help'.\n", stderr);
		exit(EXIT_USAGE);
	}
}

/* Which states are meant when the filter's words do not say it: those of
 * ss(8), but JSON has all unless it was asked for some. */
static void default_states(struct args *a)
{
	if (a->filter.states)
		return;
	if (a->listening && !a->all)
		a->filter.states = STATES_LISTEN;
	else if (!a->all && a->show & SHOW_ANY_SOCKETS)
		a->filter.states = STATES_DEFAULT;
}

static void parse_args(struct args *a, int argc, char **argv)
{
	char why[FILTER_WHY];
	int c;

	while ((c = getopt_long(argc, argv, "tlamisznw::jd:HKhV", options, NULL)) != -1)
		parse_option(a, c, argv);
	if (a->nsets && !a->domain)
		usage_error("--set %s: which domain? --domain NAME is needed", a->sets[0]);
	if (filter_parse(&a->filter, argc - optind, argv + optind, why) < 0)
		usage_error("%s", why);
	if (a->interval && a->format != FORMAT_TEXT)
		usage_error("--watch draws in a terminal: it has no --%s", a->format == FORMAT_JSON ?
			    "json" : "prometheus");
	a->filtered = optind < argc;
	if (a->filtered && !(a->show & SHOW_VIEWS) && !a->interval)
		a->show |= SHOW_SOCKETS;
	if (a->kill && !a->filtered)
		usage_error("--kill needs a filter that says which sockets");
	default_states(a);
	if (a->color && strcmp(a->color, "auto") && strcmp(a->color, "always") &&
	    strcmp(a->color, "never"))
		usage_error("--color %s: accepted are auto, always and never", a->color);
}

/* A terminal has colours, unless it or the user says otherwise. */
static void choose_colours(const struct args *a)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
	bool able = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") && !(no && *no);

	if (a->format != FORMAT_TEXT || (a->color && !strcmp(a->color, "never")))
		return;
	if (able || (a->color && !strcmp(a->color, "always")))
		colours_on();
}

/* ---- changing ----------------------------------------------------------------- */

static int no_domain(const char *name, int err)
{
	fprintf(stderr, "rudpstat: domain %s: %s\n", name, err == -ENOENT ?
		"there is none by this name" : err == -EINVAL ?
		"accepted are 1 to 47 letters, digits, '-', '_' and '.'" : err == -EPROTO ?
		"of another version of librudp" : strerror(-err));
	return EXIT_FAIL;
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
	if (ret < 0)
		return no_domain(name, ret);
	ret = set_limits(d, a->sets, a->nsets);
	if (!ret && a->reap) {
		long pages = domain_reap(d);

		if (a->format == FORMAT_TEXT)
			printf("domain %s: %ld pages given back\n", name, pages);
	}
	domain_detach(d);
	return ret;
}

static int change_all(const struct args *a)
{
	char **names;
	size_t n;
	int ret = 0;

	if (a->domain)
		return change(a->domain, a);
	ret = domain_names(&names, &n);
	if (ret < 0) {
		fprintf(stderr, "rudpstat: /dev/shm: %s\n", strerror(-ret));
		return EXIT_FAIL;
	}
	for (size_t i = 0; i < n && !ret; i++)
		ret = change(names[i], a);
	names_free(names, n);
	return ret;
}

/* ---- showing ------------------------------------------------------------------- */

/* A domain stays when its last program has ended. */
static bool in_use(const struct stat_domain *s)
{
	return s->nprocs || s->nconns || s->allocated || s->alloc || s->under_pressure;
}

/* The names alone of those that are not in use. */
static void print_unused(const struct stat_domain *s, size_t n, bool any)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (in_use(&s[i]))
			continue;
		if (!at)
			at = (size_t)printf("%snot in use:", any ? "\n" : "") - any;
		if (at + 1 + strlen(s[i].name) > LINE_MAX_COLUMNS)
			at = (size_t)printf("\n   ") - 1;
		at += (size_t)printf(" %s", s[i].name);
	}
	if (at)
		putchar('\n');
}

/* Among several domains, those where nothing is to be seen are left out. */
static void print_text(const struct stat_domain *s, size_t n, unsigned show)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (n > 1 && (show & SHOW_VIEWS) && !(show & SHOW_COUNTERS) && !s[i].nconns)
			continue;
		if (n > 1 && !(show & SHOW_VIEWS) && !in_use(&s[i]))
			continue;
		if (any)
			putchar('\n');
		any = true;
		if (n > 1 && show & SHOW_VIEWS && !(show & SHOW_NO_HEADER))
			printf("# domain %s\n", s[i].name);
		text_print(&s[i], show);
	}
	if (n > 1 && !(show & (SHOW_VIEWS | SHOW_NO_HEADER)))
		print_unused(s, n, any);
}

static int print(const struct stat_domain *s, size_t n, const struct args *a)
{
	switch (a->format) {
	case FORMAT_JSON: return json_print(s, n, a->show);
	case FORMAT_PROMETHEUS: return prom_print(s, n, a->show);
	case FORMAT_TEXT: print_text(s, n, a->show);
	}
	return 0;
}

static int show(struct args *a)
{
	char failed[DOMAIN_NAME_MAX];
	struct stat_domain *s;
	size_t n;
	int err = snapshot_all(&s, &n, a->domain, failed), ret = 0;

	if (err < 0)
		ret = no_domain(failed, err);
	else if (!n && a->format == FORMAT_TEXT && !(a->show & SHOW_NO_HEADER))
		puts("no domains");
	for (size_t i = 0; i < n; i++)
		filter_apply(&a->filter, &s[i]);
	if (a->kill && kill_sockets(s, n) < 0)
		ret = EXIT_FAIL;
	if (a->show & SHOW_COUNTERS) {
		err = count_since(s, n, !a->no_update);
		if (err < 0)
			fprintf(stderr, "rudpstat: the last call: %s\n", strerror(-err));
		a->show |= SHOW_SINCE;
	}
	if (print(s, n, a) < 0)
		ret = EXIT_FAIL;
	snapshot_free_all(s, n);
	return ret;
}

static int follow(const struct args *a)
{
	int err = trace(a->domain, a->trace);

	if (err < 0)
		fprintf(stderr, "rudpstat: --trace: %s\n",
			err == -ENOENT ? "no such connection" : strerror(-err));
	return err < 0 ? EXIT_FAIL : 0;
}

int main(int argc, char **argv)
{
	struct args a = { .domain = NULL };
	int ret = 0;

	parse_args(&a, argc, argv);
	choose_colours(&a);
	if (a.nsets || a.reap)
		ret = change_all(&a);
	if (!ret && a.trace)
		ret = follow(&a);
	else if (!ret && a.interval)
		ret = watch(a.domain, &a.filter, a.interval) < 0 ? EXIT_FAIL : 0;
	else if (!ret && (!(a.nsets || a.reap) || a.show & ~(unsigned)SHOW_NO_HEADER ||
			  a.format != FORMAT_TEXT))
		ret = show(&a);
	return written(ret);
}
