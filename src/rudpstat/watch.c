/*
 * watch.c - the live view: graphs of each domain's memory and throughput, then
 * a table of sockets or of processes that the user sorts. Shared memory is
 * read once an interval; between the looks nothing is held.
 */
#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "rudpstat/out.h"
#include "rudpstat/rates.h"
#include "rudpstat/watch.h"

enum { COL_STATE, COL_LOCAL, COL_PEER, COL_PROC, COL_RECVQ, COL_SENDQ, COL_RMEM, COL_WMEM,
       COL_RTT, COL_RETRANS, COL_RX, COL_TX, COLS_N };
enum { PAIR_GOOD = 1, PAIR_WARN, PAIR_BAD, GRAPH_MIN = 10 };

static const struct {
	const char *title;
	int width;		/* negative: to the left */
} columns[COLS_N] = {
	{ "State", -10 }, { "Local", -22 }, { "Peer", -22 }, { "Process", -18 },
	{ "Recv-Q", 9 }, { "Send-Q", 9 }, { "Rmem", 9 }, { "Wmem", 9 }, { "RTT ms", 9 },
	{ "Retrans", 8 }, { "Receives", 10 }, { "Sends", 10 },
};

struct view {
	const char *domain;
	const struct filter *filter;
	double interval;
	int sort;
	bool reverse, paused, processes, help, utf8, hidden[COLS_N];
	int top;		/* first row that is shown */
	struct stat_domain *s;
	size_t n;
	struct rates rates;
	char failed[DOMAIN_NAME_MAX + 64];
};

struct row {
	const struct stat_conn *c;
	double tx, rx;
};

/* ---- graphs --------------------------------------------------------------------- */

/* One line of blocks: the newest at the right. */
static void draw_graph(const struct view *v, const double *data, unsigned n, double most, int width)
{
	static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char ascii[] = " .:-=+*%#";

	for (int i = 0; i < width; i++) {
		long at = (long)n - width + i;
		double level = at < 0 || most <= 0 ? 0 : data[at] / most * 8;
		int b = clamp((int)(level + 0.5), level > 0 ? 1 : 0, 8);

		if (v->utf8)
			addstr(blocks[b]);
		else
			addch((chtype)ascii[b]);
	}
}

static double highest(const double *data, unsigned n)
{
	double most = 0;

	for (unsigned i = 0; i < n; i++)
		most = max(most, data[i]);
	return most;
}

static int level_attr(const struct stat_domain *s)
{
	if (s->allocated > s->limits.mem[1])
		return COLOR_PAIR(PAIR_BAD);
	return COLOR_PAIR(s->under_pressure || s->allocated > s->limits.mem[0] ?
			  PAIR_WARN : PAIR_GOOD);
}

static void draw_bar(const struct stat_domain *s, int width)
{
	double high = (double)max(s->limits.mem[2], (u64)1);

	addch('[');
	attron(level_attr(s));
	for (int i = 0; i < width; i++) {
		bool mark = i == (int)((double)s->limits.mem[0] * width / high) ||
			    i == (int)((double)s->limits.mem[1] * width / high);

		if ((double)i * high < (double)s->allocated * width)
			addch('#');
		else
			addch(mark ? '|' : '-');
	}
	attroff(level_attr(s));
	addch(']');
}

/* Three lines a domain. */
static int draw_domain(const struct view *v, const struct stat_domain *s, int y)
{
	const struct history *h = rates_domain(&v->rates, s->name);
	int width = max(COLS - 32, (int)GRAPH_MIN);
	char used[32], high[32], rate[32];

	move(y, 0);
	attron(A_BOLD);
	printw("%-14.14s", s->name);
	attroff(A_BOLD);
	draw_bar(s, max(COLS - 74, (int)GRAPH_MIN));
	printw(" %s of %s%s  %zu processes, %llu sockets, %llu orphans",
	       human_pages(s->allocated, used), human_pages(s->limits.mem[2], high),
	       s->under_pressure ? " PRESSURE" : "", s->nprocs, (unsigned long long)s->inuse,
	       (unsigned long long)s->orphan);
	if (!h || y + 2 >= LINES)
		return y + 1;
	mvprintw(y + 1, 0, "  memory     %-16.16s ", used);
	draw_graph(v, h->pages, h->n, highest(h->pages, h->n), width);
	mvprintw(y + 2, 0, "  throughput %-16.16s ", human_rate(h->bytes[h->n - 1] * 8, rate));
	draw_graph(v, h->bytes, h->n, highest(h->bytes, h->n), width);
	return y + 3;
}

/* ---- tables ----------------------------------------------------------------------- */

static const struct view *sorting;	/* qsort has no argument of ours */

static int compare_numbers(double a, double b)
{
	return (a < b) - (a > b);	/* the most first */
}

static int compare_rows(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;
	const struct stat_conn *x = a->c, *y = b->c;
	int ret = 0;

	switch (sorting->sort) {
	case COL_STATE: ret = strcmp(x->state, y->state); break;
	case COL_LOCAL: ret = strverscmp(x->local, y->local); break;
	case COL_PEER: ret = strverscmp(x->peer, y->peer); break;
	case COL_PROC: ret = strcmp(x->comm, y->comm); break;
	case COL_RECVQ: ret = compare_numbers((double)x->recv_q, (double)y->recv_q); break;
	case COL_SENDQ: ret = compare_numbers((double)x->send_q, (double)y->send_q); break;
	case COL_RMEM: ret = compare_numbers((double)x->skmem.rmem_alloc,
					     (double)y->skmem.rmem_alloc); break;
	case COL_WMEM: ret = compare_numbers((double)x->skmem.wmem_queued,
					     (double)y->skmem.wmem_queued); break;
	case COL_RTT: ret = compare_numbers(x->conn.rtt.srtt_us, y->conn.rtt.srtt_us); break;
	case COL_RETRANS: ret = compare_numbers((double)x->conn.retrans_total,
						(double)y->conn.retrans_total); break;
	case COL_RX: ret = compare_numbers(a->rx, b->rx); break;
	case COL_TX: ret = compare_numbers(a->tx, b->tx); break;
	}
	if (!ret)
		ret = x->id < y->id ? -1 : x->id > y->id;
	return sorting->reverse ? -ret : ret;
}

/* Which columns there is room for; that by which is sorted is one of them. */
static void choose_columns(struct view *v)
{
	static const u8 leave[] = { COL_RTT, COL_RETRANS, COL_WMEM, COL_RMEM, COL_SENDQ, COL_RECVQ,
				    COL_PROC, COL_PEER, COL_STATE, COL_RX, COL_TX };
	int width = 0;

	for (int i = 0; i < COLS_N; i++) {
		v->hidden[i] = false;
		width += abs(columns[i].width) + 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(leave) && width > COLS; i++) {
		if (leave[i] == v->sort)
			continue;
		v->hidden[leave[i]] = true;
		width -= abs(columns[leave[i]].width) + 1;
	}
}

/* The next of a line, which is cut off at the edge of the screen. */
static void cell(const struct view *v, int column, const char *text)
{
	int width = columns[column].width, left = COLS - getcurx(stdscr), y = getcury(stdscr);
	char buf[64];

	if (v->hidden[column] || left <= 0)
		return;
	snprintf(buf, sizeof(buf), "%*.*s ", width, abs(width), text);
	addnstr(buf, left);
	if (abs(width) + 1 >= left)	/* not on into the next line */
		move(y, COLS - 1);
}

static void number(const struct view *v, int column, double n)
{
	static const char unit[] = " KMGTP";
	char buf[32];
	unsigned u = 0;

	while (n >= 10000 && u + 2 < sizeof(unit)) {
		n /= 1024;
		u++;
	}
	snprintf(buf, sizeof(buf), u ? "%.0f%c" : "%.0f", n, unit[u]);
	cell(v, column, buf);
}

static void draw_sock(const struct view *v, const struct row *r, int y)
{
	const struct stat_conn *c = r->c;
	char proc[48], rtt[32], rate[32];

	snprintf(proc, sizeof(proc), "%s/%d", c->orphan ? "orphan" : c->comm, c->pid);
	snprintf(rtt, sizeof(rtt), "%.3f", c->conn.rtt.srtt_us / 1e3);
	move(y, 0);
	cell(v, COL_STATE, c->state);
	cell(v, COL_LOCAL, c->local);
	cell(v, COL_PEER, c->peer);
	cell(v, COL_PROC, proc);
	number(v, COL_RECVQ, (double)c->recv_q);
	number(v, COL_SENDQ, (double)c->send_q);
	number(v, COL_RMEM, (double)c->skmem.rmem_alloc);
	number(v, COL_WMEM, (double)c->skmem.wmem_queued);
	cell(v, COL_RTT, c->listener ? "" : rtt);
	number(v, COL_RETRANS, (double)c->conn.retrans_total);
	cell(v, COL_RX, human_rate(r->rx * 8, rate));
	cell(v, COL_TX, human_rate(r->tx * 8, rate));
}

static struct row *collect(const struct view *v, size_t *n)
{
	size_t all = 0, at = 0;
	struct row *rows;

	for (size_t i = 0; i < v->n; i++)
		all += v->s[i].nconns;
	rows = calloc(all + 1, sizeof(*rows));
	for (size_t i = 0; rows && i < v->n; i++)
		for (size_t j = 0; j < v->s[i].nconns; j++) {
			const struct stat_conn *c = &v->s[i].conns[j];
			const struct rate *r = rates_of(&v->rates, c);

			rows[at++] = (struct row){ c, r ? r->tx : 0, r ? r->rx : 0 };
		}
	*n = at;
	sorting = v;
	if (at)
		qsort(rows, at, sizeof(*rows), compare_rows);
	return rows;
}

static void draw_socks(struct view *v, int y)
{
	size_t n;
	struct row *rows = collect(v, &n);

	choose_columns(v);
	v->top = clamp(v->top, 0, max((int)n - (LINES - y - 2), 0));
	move(y, 0);
	for (int i = 0; i < COLS_N; i++) {
		attron(i == v->sort ? A_REVERSE : A_BOLD);
		cell(v, i, columns[i].title);
		attrset(A_NORMAL);
	}
	for (int i = v->top; rows && i < (int)n && y + 1 < LINES - 1; i++)
		draw_sock(v, &rows[i], ++y);
	free(rows);
}

static void draw_procs(struct view *v, int y)
{
	char charged[32];
	int skip = v->top, shown = 0;

	attron(A_BOLD);
	mvprintw(y, 0, "%-16s %10s %-18s %10s %10s", "Domain", "PID", "Command", "Sockets",
		 "Charged");
	attroff(A_BOLD);
	for (size_t i = 0; i < v->n; i++)
		for (size_t j = 0; j < v->s[i].nprocs && y + 1 < LINES - 1; j++) {
			const struct stat_proc *p = &v->s[i].procs[j];

			if (shown++ < skip)
				continue;
			mvprintw(++y, 0, "%-16.16s %10d %-18s %10llu %10s", v->s[i].name, p->pid,
				 p->comm, (unsigned long long)p->sockets,
				 human_pages(p->charged, charged));
		}
}

/* ---- the screen ------------------------------------------------------------------- */

static void draw_help(int y)
{
	static const char *const lines[] = {
		"q        end",
		"s <- ->  sort by the next column, by the one before",
		"r        reverse the order",
		"p        processes instead of sockets, and back",
		"space    stand still, go on",
		"+ -      longer, shorter interval",
		"up down  scroll; also PgUp, PgDn, Home",
		"^L       draw all anew",
		"h        this text, and back",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		mvaddstr(y + (int)i, 2, lines[i]);
}

static void draw(struct view *v)
{
	int y = 0;

	erase();
	for (size_t i = 0; i < v->n && y < LINES / 2; i++)
		y = draw_domain(v, &v->s[i], y);
	if (!v->n)
		mvaddstr(y++, 0, v->failed[0] ? v->failed : "no domains");
	y++;
	if (v->help)
		draw_help(y);
	else if (v->processes)
		draw_procs(v, y);
	else
		draw_socks(v, y);
	attron(A_REVERSE);
	mvprintw(LINES - 1, 0, " q quit  s sort  r reverse  p processes  space pause  +- %.1f s  "
		 "h help %s", v->interval, v->paused ? "[paused]" : "");
	attroff(A_REVERSE);
	refresh();
}

static void look(struct view *v)
{
	struct stat_domain *s;
	char failed[DOMAIN_NAME_MAX];
	size_t n;
	int err = snapshot_all(&s, &n, v->domain, failed);

	v->failed[0] = '\0';
	if (err < 0)
		snprintf(v->failed, sizeof(v->failed), "domain %s: %s", failed, strerror(-err));
	rates_update(&v->rates, s, n);
	for (size_t i = 0; i < n; i++)
		filter_apply(v->filter, &s[i]);
	snapshot_free_all(v->s, v->n);
	v->s = s;
	v->n = n;
}

static bool handle_key(struct view *v, int key)
{
	switch (key) {
	case 'q': case 'Q': return false;
	case 's': case '>': case KEY_RIGHT: v->sort = (v->sort + 1) % COLS_N; break;
	case '<': case KEY_LEFT: v->sort = (v->sort + COLS_N - 1) % COLS_N; break;
	case 'r': v->reverse = !v->reverse; break;
	case 'p': case '\t': v->processes = !v->processes; v->top = 0; break;
	case 'h': case '?': v->help = !v->help; break;
	case ' ': v->paused = !v->paused; break;
	case '+': v->interval = min(v->interval * 2, 3600.); break;
	case '-': v->interval = max(v->interval / 2, 0.1); break;
	case KEY_DOWN: case 'j': v->top++; break;
	case KEY_UP: case 'k': v->top = max(v->top - 1, 0); break;
	case KEY_NPAGE: v->top += LINES / 2; break;
	case KEY_PPAGE: v->top = max(v->top - LINES / 2, 0); break;
	case KEY_HOME: v->top = 0; break;
	case '\f': clearok(curscr, TRUE); break;
	}
	return true;
}

static int open_screen(struct view *v)
{
	setlocale(LC_CTYPE, "");
	v->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	if (!watch_can_draw(getenv("TERM")) || !newterm(NULL, stdout, stdin))
		return -ENOTTY;
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	if (has_colors() && !(getenv("NO_COLOR") && *getenv("NO_COLOR"))) {
		start_color();
		use_default_colors();
		init_pair(PAIR_GOOD, COLOR_GREEN, -1);
		init_pair(PAIR_WARN, COLOR_YELLOW, -1);
		init_pair(PAIR_BAD, COLOR_RED, -1);
	}
	return 0;
}

static bool due(const struct view *v)
{
	struct timespec ts;
	usec_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
	return !v->paused && (!v->n || now >= v->s[0].taken + (usec_t)(v->interval * 1e6));
}

int watch(const char *domain, const struct filter *f, double interval)
{
	struct view v = { .domain = domain, .filter = f, .interval = interval, .sort = COL_TX };
	int key = ERR, ret;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fputs("rudpstat: --watch needs a terminal\n", stderr);
		return -ENOTTY;
	}
	ret = rates_init(&v.rates);
	if (!ret)
		ret = open_screen(&v);
	if (!ret) {
		do {
			if (due(&v))
				look(&v);
			draw(&v);
			timeout((int)(v.interval * 1000));
			key = getch();
		} while (handle_key(&v, key));
		endwin();
	}
	snapshot_free_all(v.s, v.n);
	rates_fini(&v.rates);
	return ret;
}
