/*
 * log.c - lines of events. A program may close what it likes and the driver has
 * a descriptor table of its own, so a file is opened for each line. Standard
 * error is descriptor 2, or the driver's copy of it: only a copy shares the
 * offset at which the program writes.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "rt/log.h"
#include "rt/rt.h"
#include "rt/sys.h"

enum { LINE_MAX_BYTES = 512 };		/* below PIPE_BUF: whole also in a pipe */

int rt_log_level;
static char log_path[PATH_MAX];		/* "": standard error */
static int driver_fd = -1;		/* then, in the driver's table */
static TLS_IE bool in_driver;

static const char *const levels[] = { "off", "error", "warn", "info", "debug" };

bool rt_log_init(const char *setting)
{
	const char *colon = strchrnul(setting, ':');
	size_t len = (size_t)(colon - setting);

	if (*colon && (!colon[1] || strlen(colon + 1) >= sizeof(log_path)))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strlen(levels[i]) != len || memcmp(levels[i], setting, len) != 0)
			continue;
		rt_log_level = (int)i;
		if (*colon)
			strcpy(log_path, colon + 1);
		return true;
	}
	return false;
}

int rt_log_fd(void)
{
	driver_fd = -1;
	if (rt_log_level && !*log_path)
		driver_fd = sys_fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	return driver_fd;
}

int rt_log_copy(void)
{
	return in_driver ? driver_fd : rt_log_level && !*log_path ? STDERR_FILENO : -1;
}

void rt_log_driver(void)
{
	in_driver = true;
}

static void put_line(const char *line, size_t len)
{
	int fd;

	if (!*log_path) {
		sys_write(in_driver ? driver_fd : STDERR_FILENO, line, len);
		return;
	}
	fd = (int)sys_call6(SYS_openat, AT_FDCWD, (long)log_path,
			    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
			    0600, 0, 0);
	if (fd < 0)
		return;
	sys_write(fd, line, len);
	sys_close(fd);
}

/* The date of a day since 1970, by the Gregorian calendar. Not gmtime_r(): it
 * takes a lock, which a fork may leave locked. */
static int put_date(char *out, size_t len, u64 days)
{
	u64 z = days + 719468, era = z / 146097, doe = z % 146097;	/* from March of 0 */
	u64 yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	u64 doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	u64 month = mp < 10 ? mp + 3 : mp - 9;

	return snprintf(out, len, "%04u-%02u-%02u",
			(unsigned)(yoe + era * 400 + (month <= 2)), (unsigned)month,
			(unsigned)(doy - (153 * mp + 2) / 5 + 1));
}

void rt_log_write(enum log_level level, const char *event, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	struct timespec ts;
	unsigned s;
	size_t n;
	va_list ap;

	clock_gettime(CLOCK_REALTIME, &ts);
	n = (size_t)put_date(line, sizeof(line), (u64)ts.tv_sec / 86400);
	s = (unsigned)(ts.tv_sec % 86400);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "T%02u:%02u:%02u.%06ldZ %d %s %s ",
			      s / 3600, s / 60 % 60, s % 60, ts.tv_nsec / 1000, (int)getpid(),
			      levels[level], event);
	va_start(ap, fmt);
	n += (size_t)vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	n = min(n, sizeof(line) - 2);
	line[n++] = '\n';
	put_line(line, n);
}

/* ---- sockets ------------------------------------------------------------------ */

static const char *state_name(unsigned state)
{
	static const char *const names[] = {
		[0] = "NEW", [CONN_ESTABLISHED] = "ESTAB", [CONN_SYN_SENT] = "SYN-SENT",
		[CONN_SYN_RECV_unused] = "SYN-RECV", [CONN_FIN_WAIT1] = "FIN-WAIT-1",
		[CONN_FIN_WAIT2] = "FIN-WAIT-2", [CONN_TIME_WAIT] = "TIME-WAIT",
		[CONN_CLOSED] = "CLOSED", [CONN_CLOSE_WAIT] = "CLOSE-WAIT",
		[CONN_LAST_ACK] = "LAST-ACK", [CONN_LISTEN] = "LISTEN",
		[CONN_CLOSING] = "CLOSING",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

static const char *address(char *out, size_t len, const union sock_addr *a)
{
	char ip[INET6_ADDRSTRLEN] = "*";

	if (a->sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a->in6.sin6_addr, ip, sizeof(ip));
		snprintf(out, len, "[%s]:%u", ip, ntohs(a->in6.sin6_port));
	} else {
		if (a->sa.sa_family == AF_INET)
			inet_ntop(AF_INET, &a->in.sin_addr, ip, sizeof(ip));
		snprintf(out, len, "%s:%u", ip, ntohs(a->in.sin_port));
	}
	return out;
}

void rt_log_sock_slow(struct sock *sk)
{
	const struct conn *c = &sk->conn;
	char local[64], peer[64];
	unsigned state = atomic_load(&sk->kind) == SK_LISTENER ? CONN_LISTEN : c->state;
	unsigned was = sk->logged_state;

	if (state == was || (state == CONN_CLOSED && !was))
		return;
	sk->logged_state = (u8)state;
	rt_log_write(RUDP_LOG_INFO, state == CONN_LISTEN ? "listen" : "conn",
		     "id=%016llx local=%s peer=%s state=%s was=%s err=%d sent=%llu acked=%llu "
		     "received=%llu retrans=%llu rtt_us=%u", (unsigned long long)c->id,
		     address(local, sizeof(local), &sk->local),
		     address(peer, sizeof(peer), &sk->peer), state_name(state), state_name(was),
		     c->err, (unsigned long long)c->bytes_sent,
		     (unsigned long long)c->bytes_acked, (unsigned long long)c->bytes_received,
		     (unsigned long long)c->retrans_total, c->rtt.srtt_us);
}
