/* SPDX-License-Identifier: MIT */
/*
 * live/flight.c - system calls of other threads that were under way when the
 * sites were patched, as far as /proc tells.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "live/live.h"

#define WAIT_NS 10000000ul
#define RUNNING_SAMPLES 3

/* struct linux_dirent64, which no header of libc shows. */
struct entry64 {
	uint64_t ino;
	int64_t off;
	uint16_t size;
	uint8_t type;
	char name[];
};

/* Field 20 of stat: how many threads. The name in field 2 may hold anything. */
static long count_threads(void)
{
	char buffer[1024];
	const char *p, *end = NULL;
	long n =
		sys_read_file("/proc/thread-self/stat", buffer, sizeof(buffer));
	int field;

	if (n < 0)
		return n;
	for (p = buffer; *p; p++)
		if (*p == ')')
			end = p;
	if (!end)
		return -EINVAL;
	for (field = 2, p = end; *p && field < 20; p++)
		if (*p == ' ')
			field++;
	return parse_dec(&p);
}

bool live_is_threaded(void)
{
	/* A vfork child: its parent waits, but not its parent's threads. */
	if (mmun_live_v.pid && mmun_live_v.pid != sys_getpid())
		return true;
	return count_threads() != 1;
}

enum { TASK_ELSEWHERE, TASK_INSIDE, TASK_RUNNING };

/* What is that thread doing? "running", "-1 ...", or "nr args sp pc". */
static int look_at_task(int dir, const char *name)
{
	char path[64], buffer[256];
	const char *p = buffer, *tail = "/syscall";
	unsigned long i = 0, k;
	long fd, n;

	for (k = 0; name[k] && i < 40; k++)
		path[i++] = name[k];
	for (k = 0; tail[k]; k++)
		path[i++] = tail[k];
	path[i] = 0;
	fd = sys_call4(SYS_openat, dir, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return TASK_ELSEWHERE;
	n = sys_call3(SYS_read, fd, buffer, sizeof(buffer) - 1);
	sys_call1(SYS_close, fd);
	buffer[n > 0 ? n : 0] = 0;
	if (*p == 'r')
		return TASK_RUNNING;
	if (*p < '0' || *p > '9')
		return TASK_ELSEWHERE;
	return live_op(parse_dec(&p)) ? TASK_INSIDE : TASK_ELSEWHERE;
}

/* Count the threads in each state; the caller is not looked at. */
static long look_around(int dir, unsigned int state[3])
{
	char buffer[2048];
	uint32_t self = sys_call0(SYS_gettid);
	long n, at;

	sys_call3(SYS_lseek, dir, 0, 0);
	while ((n = sys_call3(SYS_getdents64, dir, buffer, sizeof(buffer))) > 0)
		for (at = 0; at < n;) {
			const struct entry64 *e = (void *)(buffer + at);
			const char *p = e->name;

			at += e->size;
			if (*p >= '0' && *p <= '9' && parse_dec(&p) != self)
				state[look_at_task(dir, e->name)]++;
		}
	return n;
}

/*
 * Threads inside one of our calls are waited for; those on the processor may
 * be inside as well, and get a few chances to be seen elsewhere.
 */
unsigned long live_wait_in_flight(void)
{
	unsigned long start = sys_now_ns(), now = start;
	int samples = 0, dir;

	dir = sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY);
	while (dir >= 0 && now - start < WAIT_NS) {
		unsigned int state[3] = {0};

		if (look_around(dir, state) < 0)
			break;
		if (!state[TASK_INSIDE] && !state[TASK_RUNNING])
			break;
		if (!state[TASK_INSIDE] && ++samples >= RUNNING_SAMPLES)
			break;
		sys_yield();
		now = sys_now_ns();
	}
	if (dir >= 0)
		sys_call1(SYS_close, dir);
	return sys_now_ns() - start;
}
