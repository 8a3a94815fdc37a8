/*
 * rudp-run-program.c - would the loader preload the library into this program,
 * and would its system calls go through the C library? Nothing of the program
 * is run: the loader alone is asked what it would load.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "rudpstat/rudp-run.h"

enum { SCRIPTS_MAX = 4, NOTE_GO_BUILDID = 4 };

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
			break;
	}
	errno = ENOENT;
	return false;
}

/* ---- what it is linked with ------------------------------------------------------ */

struct elf {
	bool ours, go;			/* of this machine and word size */
	char interp[PATH_MAX];		/* "": none, it is static */
};

static bool is_go(FILE *f, const ElfW(Phdr) *ph)
{
	char note[512];
	ElfW(Nhdr) nh;
	size_t len;

	if (fseek(f, (long)ph->p_offset, SEEK_SET) < 0)
		return false;
	len = fread(note, 1, min((size_t)ph->p_filesz, sizeof(note)), f);
	for (size_t at = 0; at + sizeof(nh) + 4 <= len;
	     at += sizeof(nh) + ((nh.n_namesz + 3) & ~3u) + ((nh.n_descsz + 3) & ~3u)) {
		memcpy(&nh, note + at, sizeof(nh));
		if (nh.n_type == NOTE_GO_BUILDID && nh.n_namesz == 4 &&
		    !memcmp(note + at + sizeof(nh), "Go\0", 4))
			return true;
		if (nh.n_namesz > len || nh.n_descsz > len)
			break;
	}
	return false;
}

static bool read_header(FILE *f, ElfW(Ehdr) *eh)
{
	return f && fread(eh, sizeof(*eh), 1, f) == 1 && !memcmp(eh->e_ident, ELFMAG, SELFMAG);
}

static bool is_ours(const ElfW(Ehdr) *eh)
{
	FILE *f = fopen("/proc/self/exe", "re");
	ElfW(Ehdr) me;
	bool same = !read_header(f, &me) || (me.e_ident[EI_CLASS] == eh->e_ident[EI_CLASS] &&
					     me.e_machine == eh->e_machine);

	if (f)
		fclose(f);
	return same;
}

static void read_elf(FILE *f, const ElfW(Ehdr) *eh, struct elf *e)
{
	ElfW(Phdr) ph;

	*e = (struct elf){ .ours = is_ours(eh) };
	for (unsigned i = 0; e->ours && i < eh->e_phnum; i++) {
		if (fseek(f, (long)(eh->e_phoff + i * eh->e_phentsize), SEEK_SET) < 0 ||
		    fread(&ph, sizeof(ph), 1, f) != 1)
			break;
		if (ph.p_type == PT_NOTE)
			e->go |= is_go(f, &ph);
		if (ph.p_type != PT_INTERP || ph.p_filesz >= sizeof(e->interp) ||
		    fseek(f, (long)ph.p_offset, SEEK_SET) < 0)
			continue;
		if (fread(e->interp, 1, ph.p_filesz, f) != ph.p_filesz)
			e->interp[0] = '\0';
	}
}

/* ---- what the loader says ----------------------------------------------------------- */

static _Noreturn void be_loader(const char *loader, const char *lib, const char *path, int out)
{
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	setenv("LD_PRELOAD", lib, 1);
	execl(loader, loader, "--list", path, (char *)NULL);
	perror(loader);
	_exit(EXIT_NOEXEC);
}

/* One line of it. */
static void judge(const char *path, char *line)
{
	static const char missing[] = "error while loading shared libraries: ";
	char *lacks = strstr(line, " => not found"), *name = line + strspn(line, " \t");
	char *why = strstr(line, missing);

	if (lacks) {
		*lacks = '\0';
		wrong("%s needs %s, which is not found", path, name);
	} else if (why) {
		wrong("%s does not load: %s", path, why + strlen(missing));
	} else if (strstr(line, "cannot be preloaded") || strstr(line, "Error ")) {
		wrong("%s: %s", path, name);
	}
}

static void ask_loader(const char *loader, const char *lib, const char *path)
{
	unsigned before = check_unfit;
	char line[1024];
	int p[2], status = 0;
	pid_t pid;
	FILE *f;

	fflush(stdout);
	if (pipe2(p, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return;
	if (!pid)
		be_loader(loader, lib, path, p[1]);
	close(p[1]);
	f = fdopen(p[0], "r");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		judge(path, line);
	}
	if (f)
		fclose(f);
	if (waitpid(pid, &status, 0) == pid && status && check_unfit == before)
		wrong("%s: its loader %s does not take it", path, loader);
}

static void check_elf(FILE *f, const ElfW(Ehdr) *eh, const char *lib, const char *path)
{
	struct elf e;

	read_elf(f, eh, &e);
	if (!e.ours)
		wrong("%s is for another kind of machine than the library", path);
	else if (e.go)
		wrong("%s is written in Go, which makes its system calls by itself: it gets "
		      "the kernel's TCP", path);
	else if (!e.interp[0])
		wrong("%s is linked statically: it gets the kernel's TCP", path);
	else if (access(e.interp, X_OK) < 0)
		wrong("%s: its loader %s: %s", path, e.interp, strerror(errno));
	else if (access(lib, R_OK) == 0)
		ask_loader(e.interp, lib, path);
}

/* ---- the program --------------------------------------------------------------------- */

static void check_privileges(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	if ((st.st_mode & S_ISUID && st.st_uid != getuid()) ||
	    (st.st_mode & S_ISGID && st.st_gid != getgid()))
		wrong("%s gains privileges when it is executed (set-user-ID or "
		      "set-group-ID): nothing is preloaded", path);
	else if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
		wrong("%s gains capabilities when it is executed: nothing is preloaded", path);
}

/* What a script's first line names; for env(1) the program behind it. */
static bool interpreter(char *line, char name[static PATH_MAX])
{
	char *save, *word = strtok_r(line + 2, " \t\n", &save), *base;

	if (!word)
		return false;
	snprintf(name, PATH_MAX, "%s", word);
	base = strrchr(word, '/');
	while (base && !strcmp(base, "/env") && (word = strtok_r(NULL, " \t\n", &save)))
		if (*word != '-' && !strchr(word, '=')) {
			snprintf(name, PATH_MAX, "%s", word);
			break;
		}
	return true;
}

static void check_file(const char *lib, const char *path, unsigned depth);

static void check_named(const char *lib, const char *name, unsigned depth)
{
	char path[PATH_MAX];
	struct statvfs vfs;

	if (find_program(name, path))
		check_file(lib, path, depth);
	else if (errno == EACCES && statvfs(path, &vfs) == 0 && vfs.f_flag & ST_NOEXEC)
		wrong("%s: its file system is mounted noexec", name);
	else
		wrong("%s: %s", name, strerror(errno));
}

static void check_file(const char *lib, const char *path, unsigned depth)
{
	char line[PATH_MAX + 2] = "", next[PATH_MAX];
	unsigned before = check_unfit;
	struct stat st;
	ElfW(Ehdr) eh;
	FILE *f;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		wrong("%s is a directory", path);
		return;
	}
	check_privileges(path);
	f = fopen(path, "re");
	if (!f) {
		note("%s: %s: not looked at", path, strerror(errno));
	} else if (read_header(f, &eh)) {
		check_elf(f, &eh, lib, path);
	} else {
		rewind(f);
		if (fgets(line, sizeof(line), f) && !strncmp(line, "#!", 2) &&
		    interpreter(line, next) && depth < SCRIPTS_MAX) {
			note("%s is a script, run by %s", path, next);
			check_named(lib, next, depth + 1);
		} else {
			note("%s is no program: a shell would run it", path);
		}
	}
	if (f)
		fclose(f);
	if (f && check_unfit == before && line[0] == '\0')
		good("%s can be preloaded", path);
}

void check_program(const char *lib, const char *name)
{
	check_named(lib, name, 0);
}
