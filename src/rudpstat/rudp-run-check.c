/*
 * rudp-run-check.c - looks at what librudp needs of the machine, then makes a
 * connection to itself over the library, in a domain of its own that it
 * removes. Nothing of the user's is changed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include "mem/domain.h"
#include "rudpstat/rudp-run.h"

enum { RMEM_WANTED = 4 << 20, SHM_WANTED = 1 << 20, FILES_WANTED = 256, SELF_SECONDS = 10 };

unsigned check_unfit;

void check_say(const char *verdict, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("%-5s ", verdict);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

/* ---- the machine --------------------------------------------------------------- */

static void check_shm(void)
{
	char name[64];
	struct statvfs vfs;
	int fd;

	snprintf(name, sizeof(name), "/rudp.%u.check-%d", (unsigned)getuid(), (int)getpid());
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		note("no shared memory (%s): each program would be accounted for alone",
		     strerror(errno));
		return;
	}
	if (fstatvfs(fd, &vfs) == 0 && vfs.f_bavail * vfs.f_bsize < SHM_WANTED)
		note("/dev/shm has %llu KiB left, a domain takes up to %d",
		     (unsigned long long)(vfs.f_bavail * vfs.f_bsize / 1024), SHM_WANTED / 1024);
	else
		good("shared memory for domains");
	close(fd);
	shm_unlink(name);
}

static void check_udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), v = 1400, on = 1;
	struct sockaddr_in sin = { .sin_family = AF_INET };
	FILE *f = fopen("/proc/sys/net/core/rmem_max", "re");
	long most = 0;

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
		wrong("UDP: %s", strerror(errno));
	} else {
		good("UDP");
		if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &v, sizeof(v)) < 0 ||
		    setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0)
			note("the kernel neither splits nor joins datagrams: slower");
	}
	if (f && fscanf(f, "%ld", &most) == 1 && most < RMEM_WANTED)
		note("net.core.rmem_max is %ld: long fast paths want %d", most, RMEM_WANTED);
	if (f)
		fclose(f);
	if (fd >= 0)
		close(fd);
}

static void check_files(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_max < FILES_WANTED)
		note("only %lu descriptors may be open; each socket takes up to two",
		     (unsigned long)rl.rlim_max);
}

static void tell_domain(void)
{
	const char *name = getenv("RUDP_DOMAIN");
	struct mem_limits l;
	struct domain *d;

	name = name ? name : "default";
	if (domain_open(&d, name) < 0) {
		good("domain %s: would be made", name);
		return;
	}
	domain_limits(d, &l);
	good("domain %s: there; low %llu pressure %llu high %llu pages", name,
	     (unsigned long long)l.mem[0], (unsigned long long)l.mem[1],
	     (unsigned long long)l.mem[2]);
	domain_detach(d);
}

/* ---- a connection to itself ------------------------------------------------------- */

/* What the kernel says of it, since the library answers all calls: one of ours
 * is among the sockets of AF_UNIX. */
static bool taken_over(int fd)
{
	FILE *f = fopen("/proc/net/unix", "re");
	unsigned long inode;
	bool found = false;
	char line[256];
	struct stat st;

	if (!f || fstat(fd, &st) < 0)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %*s %*s %*s %*s %*s %lu", &inode) == 1 &&
			inode == st.st_ino;
	fclose(f);
	return found;
}

int check_self(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int lsn = socket(AF_INET, SOCK_STREAM, 0), a = socket(AF_INET, SOCK_STREAM, 0), b;
	char buf[4];

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (lsn < 0 || a < 0 || !taken_over(lsn) || !taken_over(a)) {
		fputs("a stream socket is not taken over\n", stderr);
		return EXIT_UNFIT;
	}
	if (bind(lsn, (struct sockaddr *)&sin, len) < 0 || listen(lsn, 1) < 0 ||
	    getsockname(lsn, (struct sockaddr *)&sin, &len) < 0 ||
	    connect(a, (struct sockaddr *)&sin, len) < 0 || (b = accept(lsn, NULL, NULL)) < 0 ||
	    send(a, "rudp", 4, 0) != 4 || recv(b, buf, 4, MSG_WAITALL) != 4 ||
	    memcmp(buf, "rudp", 4) != 0) {
		perror("a connection to itself");
		return EXIT_UNFIT;
	}
	close(b);	/* first, and at rest: nobody has to see to what remains */
	return recv(a, buf, 1, 0) == 0 && close(a) == 0 ? 0 : EXIT_UNFIT;
}

/* Under the library, with standard error going to `err`. */
static _Noreturn void be_self(const char *lib, const char *domain, int err)
{
	dup2(err, STDERR_FILENO);
	setenv("LD_PRELOAD", lib, 1);
	setenv("RUDP_DOMAIN", domain, 1);
	unsetenv("RUDP_MEM");
	unsetenv("RUDP_WMEM");
	unsetenv("RUDP_RMEM");
	unsetenv("RUDP_MATCH");
	unsetenv("RUDP_LOG");
	alarm(SELF_SECONDS);
	execl("/proc/self/exe", "rudp-run", "--check-self", (char *)NULL);
	perror("/proc/self/exe");
	_exit(EXIT_NOEXEC);
}

/* What it said, of `len` at most. 0: a connection was carried. */
static int run_self(const char *lib, const char *domain, char *said, size_t len)
{
	int p[2] = { -1, -1 }, status = 0;
	pid_t pid = pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0 ? -1 : fork();
	ssize_t n;

	if (pid == 0)
		be_self(lib, domain, p[1]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		snprintf(said, len, "%s", strerror(errno));
		return EXIT_UNFIT;
	}
	n = read(p[0], said, len - 1);
	said[max(n, (ssize_t)0)] = '\0';
	close(p[0]);
	close(p[1]);
	if (WIFSIGNALED(status))
		snprintf(said, len, "%s", WTERMSIG(status) == SIGALRM ?
			 "a connection to itself hangs" : strsignal(WTERMSIG(status)));
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_UNFIT;
}

/* One sentence of it: why the loader did not take the library, or the last
 * line that is not about where memory is accounted for. */
static const char *reason(char *said)
{
	static const char refused[] = "cannot be preloaded (", missing[] = "shared libraries: ";
	char *why = strstr(said, refused), *end, *line, *save;
	char *last = NULL;

	if (why) {
		why += strlen(refused);
		end = strchr(why, ')');
		if (end)
			*end = '\0';
		return why;
	}
	for (line = strtok_r(said, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "librudp:", strlen("librudp:")) != 0 || !last)
			last = line;
	why = last ? strstr(last, missing) : NULL;
	return why ? why + strlen(missing) : last ? last : "nothing said why";
}

static void check_library(const char *lib)
{
	char domain[48], shm[96], said[4096], real[PATH_MAX];
	struct statvfs vfs;

	if (access(lib, R_OK) < 0) {
		wrong("%s: %s", lib, strerror(errno));
		return;
	}
	if (strchr(lib, '/') && realpath(lib, real) && statvfs(real, &vfs) == 0 &&
	    vfs.f_flag & ST_NOEXEC) {
		wrong("%s: its file system is mounted noexec, so nothing can load it", lib);
		return;
	}
	if (access("/proc/self/exe", X_OK) < 0) {
		wrong("/proc is not mounted: neither can this be tried, nor could rudpstat look");
		return;
	}
	snprintf(domain, sizeof(domain), "check-%d", (int)getpid());
	fflush(stdout);
	if (run_self(lib, domain, said, sizeof(said)) == 0)
		good("%s loads, and carries a connection", lib);
	else if (strstr(said, "LD_PRELOAD") || strstr(said, "shared libraries"))
		wrong("%s is not loaded: %s", lib, reason(said));
	else
		wrong("%s carries no connection: %s", lib, reason(said));
	snprintf(shm, sizeof(shm), "/rudp.%u.%s", (unsigned)getuid(), domain);
	shm_unlink(shm);
}

int check_machine(const char *lib, const char *program)
{
	check_shm();
	check_udp();
	check_files();
	check_library(lib);
	tell_domain();
	if (program)
		check_program(lib, program);
	puts("taken over: stream sockets of IPv4 and IPv6 that programs make; "
	     "everything else stays the kernel's");
	return check_unfit ? EXIT_UNFIT : 0;
}
