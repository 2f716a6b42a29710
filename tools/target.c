/* SPDX-License-Identifier: MIT */
/*
 * tools/target.c - can this program be traced?
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mmun.h"
#include "target.h"

#define DEFAULT_PATH "/bin:/usr/bin"
#define INTERPRETERS_MAX 4 /* as the kernel has it */
#define HEAD_SIZE 4096

struct head {
	char bytes[HEAD_SIZE + 1];
	size_t size;
};

static int not_found(const char *name)
{
	complain("%s: not found%s", name, strchr(name, '/') ? "" : " in PATH");
	return EXIT_NOT_FOUND;
}

static int cannot_execute(const char *name, const char *why)
{
	complain("cannot execute %s: %s", name, why);
	return EXIT_CANNOT_EXECUTE;
}

/* Is it there, a file, and executable? 0 or an errno. */
static int check_file(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode) || access(path, X_OK))
		return EACCES;
	return 0;
}

static int search(const char *name, char *path)
{
	const char *dir = getenv("PATH");
	int error = ENOENT;

	for (dir = dir ? dir : DEFAULT_PATH; dir; dir += *dir == ':') {
		int len = (int)strcspn(dir, ":"), e;
		int n = snprintf(path, PATH_MAX, "%.*s%s%s", len, dir,
				 len ? "/" : "", name);

		e = n < PATH_MAX ? check_file(path) : ENAMETOOLONG;
		if (!e)
			return 0;
		if (e == EACCES)
			error = e;
		dir += len;
		if (!*dir)
			break;
	}
	return error;
}

static int locate(const char *name, char *path)
{
	if (!*name)
		return ENOENT;
	if (!strchr(name, '/'))
		return search(name, path);
	if (strlen(name) >= PATH_MAX)
		return ENAMETOOLONG;
	strcpy(path, name);
	return check_file(path);
}

static bool read_head(const char *path, struct head *h)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, h->bytes, HEAD_SIZE);
	close(fd);
	h->size = n > 0 ? n : 0;
	h->bytes[h->size] = 0;
	return true;
}

/* exec would set AT_SECURE, and the dynamic linker ignore our library. */
static bool gains_privileges(const char *path)
{
	struct stat st;
	struct statvfs fs;
	char caps[64];

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	if (stat(path, &st) || statvfs(path, &fs) || fs.f_flag & ST_NOSUID)
		return false;
	if (st.st_mode & S_ISUID && st.st_uid != getuid())
		return true;
	if (st.st_mode & S_ISGID && st.st_mode & S_IXGRP &&
	    st.st_gid != getgid())
		return true;
	return getuid() &&
	       getxattr(path, "security.capability", caps, sizeof(caps)) > 0;
}

/* The interpreter's name in the program headers; "" if there is none. */
static void find_interpreter(const char *path, const Elf64_Ehdr *eh, char *buf)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Phdr ph;

	*buf = 0;
	for (int i = 0; fd >= 0 && i < eh->e_phnum; i++) {
		off_t at = (off_t)(eh->e_phoff + i * sizeof(ph));
		ssize_t n;

		if (pread(fd, &ph, sizeof(ph), at) != sizeof(ph))
			break;
		if (ph.p_type != PT_INTERP || ph.p_filesz >= PATH_MAX)
			continue;
		n = pread(fd, buf, ph.p_filesz, (off_t)ph.p_offset);
		buf[n > 0 ? n : 0] = 0;
		break;
	}
	if (fd >= 0)
		close(fd);
}

static int check_elf(const char *name, const char *path, const struct head *h)
{
	char interpreter[PATH_MAX];
	Elf64_Ehdr eh;

	memcpy(&eh, h->bytes, sizeof(eh));
	if (h->size < sizeof(eh) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_machine != EM_X86_64)
		return complain("cannot trace %s: it is not a 64-bit x86 "
				"program; run one that is",
				name);
	find_interpreter(path, &eh, interpreter);
	if (!*interpreter)
		return complain("cannot trace %s: it is statically linked and "
				"cannot be preloaded; link it dynamically",
				name);
	if (strstr(interpreter, "/ld-musl-"))
		return complain("cannot trace %s: it is linked with musl and "
				"the agent with glibc; build mmun with musl",
				name);
	return 0;
}

static int check_image(const char *name, const char *path, int depth);

static int check_script(const char *name, struct head *h, int depth)
{
	char *interpreter = h->bytes + 2;

	interpreter += strspn(interpreter, " \t");
	interpreter[strcspn(interpreter, " \t\n")] = 0;
	if (depth == INTERPRETERS_MAX)
		return cannot_execute(name, "too many interpreters");
	switch (check_file(interpreter)) {
	case 0:
		return check_image(interpreter, interpreter, depth + 1);
	case ENOENT:
	case ENOTDIR:
		complain("%s: its interpreter %s is not found", name,
			 interpreter);
		return EXIT_NOT_FOUND;
	default:
		complain("cannot execute %s: its interpreter %s is not "
			 "executable",
			 name, interpreter);
		return EXIT_CANNOT_EXECUTE;
	}
}

static int check_image(const char *name, const char *path, int depth)
{
	struct head h;

	/* May be executed and not read: the kernel has the last word. */
	if (!read_head(path, &h))
		return 0;
	if (!strncmp(h.bytes, "#!", 2))
		return check_script(name, &h, depth);
	if (h.size < SELFMAG || memcmp(h.bytes, ELFMAG, SELFMAG))
		return cannot_execute(name, "neither a program nor a script "
					    "that starts with #!");
	if (gains_privileges(path))
		return complain("cannot trace %s: it is setuid, setgid or has "
				"capabilities; run it as its owner",
				name);
	return check_elf(name, path, &h);
}

int target_find(const char *name, char *path)
{
	int error = locate(name, path);

	if (error == ENOENT || error == ENOTDIR)
		return not_found(name);
	if (error)
		return cannot_execute(name, strerror(error));
	return check_image(name, path, 0);
}
