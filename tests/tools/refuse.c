/* SPDX-License-Identifier: MIT */
/*
 * tests/tools/refuse.c - run a program where a policy forbids something.
 *
 * refuse text PROG ARGS: program text cannot be changed in any way.
 * refuse uring PROG ARGS: there is no io_uring.
 * refuse mdwe PROG ARGS: memory never becomes writable and executable.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define EQUALS(value, yes, no) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter text[] = {
	LOAD(nr),
	EQUALS(SYS_pwrite64, 4, 0),
	EQUALS(SYS_memfd_create, 3, 0),
	EQUALS(SYS_mprotect, 0, 3),
	LOAD(args[2]),
	EQUALS(PROT_READ | PROT_WRITE | PROT_EXEC, 0, 1),
	REFUSE,
	ALLOW,
};

static struct sock_filter uring[] = {
	LOAD(nr),
	EQUALS(SYS_io_uring_setup, 0, 1),
	REFUSE,
	ALLOW,
};

static int install(struct sock_filter *filter, size_t n)
{
	struct sock_fprog prog = {(unsigned short)n, filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static int refuse(const char *what)
{
	if (!strcmp(what, "text"))
		return install(text, sizeof(text) / sizeof(text[0]));
	if (!strcmp(what, "uring"))
		return install(uring, sizeof(uring) / sizeof(uring[0]));
	if (!strcmp(what, "mdwe"))
		return prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
	errno = EINVAL;
	return -1;
}

int main(int argc, char **argv)
{
	if (argc < 3 || refuse(argv[1])) {
		perror("refuse");
		return 77;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 78;
}
