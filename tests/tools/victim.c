/* SPDX-License-Identifier: MIT */
/*
 * tests/tools/victim.c - a program that loses pages, and says which.
 *
 * victim WHAT [N]: the lines on standard output are what mmun trace must
 * have seen: operation, start, end.
 */
#include <spawn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/ring.h"

#define PAGE 4096ul

extern char **environ;

static void say(const char *op, const void *p, unsigned long size)
{
	unsigned long start = (unsigned long)p;

	printf("%s 0x%lx 0x%lx\n", op, start, start + size);
}

static char *map(unsigned long size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(9);
	return p;
}

static void lose(unsigned long n)
{
	while (n--) {
		char *p = map(PAGE);

		munmap(p, PAGE);
	}
}

static void remaps(void)
{
	char *p = map(4 * PAGE), *q = map(4 * PAGE);

	mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	say("mremap", p, 4 * PAGE);
	say("mremap", q, 4 * PAGE);
	mremap(q, 4 * PAGE, PAGE, 0);
	say("mremap", q + PAGE, 3 * PAGE);
}

static void shared(void)
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE - 1, IPC_CREAT | 0600);
	char *p = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	if (p == (void *)-1)
		return;
	shmdt(p);
	say("shmdt", p, 3 * PAGE);
}

static void heap(void)
{
	char *p = sbrk(4 * PAGE);

	brk(p + PAGE + 1);
	/* What remains ends with the page that the new break is in. */
	p = (char *)(((unsigned long)p + 2 * PAGE) & -PAGE);
	say("brk", p,
	    (unsigned long)(((unsigned long)sbrk(0) + PAGE - 1) & -PAGE) -
		    (unsigned long)p + 2 * PAGE);
}

static void ranges(void)
{
	char *p = map(64 * PAGE);

	munmap(p, 100);
	say("munmap", p, PAGE);
	madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED);
	say("madvise", p + PAGE, 2 * PAGE);
	mprotect(p + 4 * PAGE, PAGE + 1, PROT_READ);
	say("mprotect", p + 4 * PAGE, 2 * PAGE);
	mmap(p + 8 * PAGE, PAGE - 1, PROT_READ,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	say("mmap", p + 8 * PAGE, PAGE);
	remaps();
	shared();
	p = malloc(2 << 20);
	say("munmap", p - 16, (2ul << 20) + PAGE);
	free(p);
}

static void forks(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (!pid) {
			lose(10);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

/* Operations that the kernel refuses, in ways that only it can know. */
static void fails(void)
{
	char *p = map(2 * PAGE), *argv[] = {"nothing", NULL};

	munmap(p, 2 * PAGE);
	madvise(p, 2 * PAGE, MADV_DONTNEED);
	execv("/no/such/program", argv);
	execv("/proc/self/exe", argv);
}

static void vforks(void)
{
	char *p = map(PAGE);
	pid_t pid = vfork();

	if (!pid) {
		munmap(p, PAGE);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	say("munmap", p, PAGE);
}

static void spawn(char *self)
{
	char *argv[] = {self, "lose", "10", NULL};
	pid_t pid;

	if (posix_spawn(&pid, self, NULL, NULL, argv, environ))
		exit(9);
	waitpid(pid, NULL, 0);
}

/* Children that lose pages without end, each killed in the middle. */
static void kills(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (!pid)
			for (;;)
				lose(1000);
		usleep(500 + i * 37 % 1000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	lose(10);
}

static void *lose_some(void *arg)
{
	lose((unsigned long)arg);
	return NULL;
}

static void threads(unsigned long n)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, lose_some, (void *)n);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

static void interrupted(int sig)
{
	(void)sig;
	lose(1);
}

/* A handler that loses pages, while pages are lost. */
static void handler(unsigned long n)
{
	signal(SIGALRM, interrupted);
	ualarm(200, 200);
	lose(n);
	ualarm(0, 0);
}

static void daemonize(void)
{
	if (fork())
		_exit(0);
	usleep(300000);
	lose(10);
	_exit(0);
}

static void scribble(void *p, unsigned long size, unsigned int *seed)
{
	for (unsigned long i = 0; i + 4 <= size; i += 4)
		*(int *)((char *)p + i) = rand_r(seed) % 3 ? rand_r(seed) : 1;
}

/* Records that look as if they were to be read, with anything in them. */
static void forge(struct ring *r, unsigned int *seed)
{
	scribble(r->paths, sizeof(r->paths), seed);
	scribble(r->slots, r->nr_slots * sizeof(r->slots[0]), seed);
	for (unsigned int i = 0; i < r->nr_slots; i++) {
		r->slots[i].kind = rand_r(seed) % 7;
		r->slots[i].space = rand_r(seed) % 9;
		r->slots[i].module.path %= rand_r(seed) % 2 ? 9
							    : 2 * RING_PATHS;
		r->slots[i].turn = 1;
	}
	r->head = r->nr_slots;
}

/* Harm the ring that our tracer reads: records, or all of it. */
static void vandal(unsigned long n)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned int seed = (unsigned int)n;
	unsigned long start, end;
	char line[4096];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, RING_MEMFD " (deleted)") ||
		    sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		if (n % 2)
			forge((struct ring *)start, &seed);
		else
			scribble((void *)start, end - start, &seed);
		lose(1000);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "lose";
	unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;

	if (!strcmp(what, "ranges"))
		ranges();
	else if (!strcmp(what, "heap"))
		heap();
	else if (!strcmp(what, "lose"))
		lose(n);
	else if (!strcmp(what, "closefrom"))
		closefrom(0), lose(n);
	else if (!strcmp(what, "forks"))
		forks(n);
	else if (!strcmp(what, "vfork"))
		vforks();
	else if (!strcmp(what, "spawn"))
		spawn(argv[0]);
	else if (!strcmp(what, "kills"))
		kills(n);
	else if (!strcmp(what, "threads"))
		threads(n);
	else if (!strcmp(what, "handler"))
		handler(n);
	else if (!strcmp(what, "fails"))
		fails();
	else if (!strcmp(what, "vandal"))
		vandal(n);
	else if (!strcmp(what, "daemon"))
		daemonize();
	else
		return 9;
	return 0;
}
