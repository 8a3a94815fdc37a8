/*
 * rudp-run-check.c - looks at what librudp needs of the machine, then makes a
 * connection to itself over the library, in a domain of its own that it
 * removes. Nothing of the user's is changed.
 */
#include <arpa/inet.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/udp.h>
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

enum { RMEM_WANTED = 4 << 20, SHM_WANTED = 1 << 20, FILES_WANTED = 256 };

static unsigned unfit;		/* reasons */

static void RUDP_PRINTF(1, 2) good(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("ok    ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

static void RUDP_PRINTF(1, 2) note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("note  ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

static void RUDP_PRINTF(1, 2) wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("no    ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	unfit++;
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
		note("shared memory is nearly full");
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

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < FILES_WANTED)
		note("only %lu descriptors may be open; each socket takes up to two",
		     (unsigned long)rl.rlim_cur);
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

/* ---- the program ---------------------------------------------------------------- */

static bool find_program(const char *name, char path[static PATH_MAX])
{
	const char *dirs = getenv("PATH"), *end;

	if (strchr(name, '/')) {
		snprintf(path, PATH_MAX, "%s", name);
		return access(path, X_OK) == 0;
	}
	for (dirs = dirs ? dirs : "/bin:/usr/bin"; ; dirs = end + 1) {
		end = strchrnul(dirs, ':');
		snprintf(path, PATH_MAX, "%.*s/%s", (int)(end - dirs), dirs, name);
		if (access(path, X_OK) == 0)
			return true;
		if (!*end)
			return false;
	}
}

/* Is it dynamically linked, for this machine? */
static void check_elf(const char *path)
{
	unsigned char ident[EI_NIDENT];
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	bool interp = false;
	FILE *f = fopen(path, "re");

	if (!f || fread(&eh, sizeof(eh), 1, f) != 1 || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0) {
		note("%s is a script or cannot be read: what runs it counts", path);
	} else {
		memcpy(ident, eh.e_ident, sizeof(ident));
		if ((ident[EI_CLASS] == ELFCLASS64) != (sizeof(void *) == 8)) {
			wrong("%s is for another word size than the library", path);
			interp = true;
		} else if (ident[EI_CLASS] != ELFCLASS64) {
			interp = true;		/* not looked at */
		}
		for (unsigned i = 0; i < eh.e_phnum && !interp; i++) {
			if (fseek(f, (long)(eh.e_phoff + i * eh.e_phentsize), SEEK_SET) < 0 ||
			    fread(&ph, sizeof(ph), 1, f) != 1)
				break;
			interp = ph.p_type == PT_INTERP;
		}
		if (!interp)
			wrong("%s is linked statically: it gets the kernel's TCP", path);
	}
	if (f)
		fclose(f);
}

static void check_program(const char *name)
{
	char path[PATH_MAX];
	unsigned before = unfit;
	struct stat st;

	if (!find_program(name, path)) {
		wrong("%s: not found, or not executable", name);
		return;
	}
	if (stat(path, &st) == 0 && ((st.st_mode & S_ISUID && st.st_uid != geteuid()) ||
				     (st.st_mode & S_ISGID && st.st_gid != getegid())))
		wrong("%s gains privileges: nothing is preloaded", path);
	check_elf(path);
	if (unfit == before)
		good("%s can be preloaded", path);
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

static int run_self(const char *lib, const char *domain)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		fflush(NULL);
		setenv("LD_PRELOAD", lib, 1);
		setenv("RUDP_DOMAIN", domain, 1);
		unsetenv("RUDP_MEM");
		unsetenv("RUDP_WMEM");
		unsetenv("RUDP_RMEM");
		unsetenv("RUDP_MATCH");
		execl("/proc/self/exe", "rudp-run", "--check-self", (char *)NULL);
		_exit(EXIT_NOEXEC);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return EXIT_UNFIT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_UNFIT;
}

static void check_library(const char *lib)
{
	char domain[48], shm[96];

	if (access(lib, R_OK) < 0) {
		wrong("%s: %s", lib, strerror(errno));
		return;
	}
	snprintf(domain, sizeof(domain), "check-%d", (int)getpid());
	fflush(stdout);
	if (run_self(lib, domain) == 0)
		good("%s loads, and carries a connection", lib);
	else
		wrong("%s does not load, or carries nothing", lib);
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
		check_program(program);
	puts("taken over: stream sockets of IPv4 and IPv6 that programs make; "
	     "everything else stays the kernel's");
	return unfit ? EXIT_UNFIT : 0;
}
