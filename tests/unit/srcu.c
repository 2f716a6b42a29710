/* SPDX-License-Identifier: MIT */
/*
 * Sleepable RCU by itself: nesting, sleepers, grace period numbers, and what
 * becomes of readers across fork, vfork, raw clone and signals.
 */
#include "core/srcu.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "tests/tap.h"

static struct srcu_struct *srcu_new(void)
{
	struct srcu_struct *s;

	ASSERT_EQ(sys_init(), 0);
	s = sys_alloc((sizeof(*s) + 4095) & ~4095ul);
	ASSERT_TRUE(s);
	ASSERT_EQ(sys_wipe_on_fork(s, (sizeof(*s) + 4095) & ~4095ul), 0);
	return s;
}

static void msleep(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* ---- a reader that stays inside until it is told ---- */

struct sleeper {
	struct srcu_struct *s;
	int in, leave, out;
};

static void *sleeper_run(void *arg)
{
	struct sleeper *r = arg;
	struct srcu_token t = srcu_read_lock(r->s);

	__atomic_store_n(&r->in, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&r->leave, __ATOMIC_SEQ_CST))
		msleep(1);
	__atomic_store_n(&r->out, 1, __ATOMIC_SEQ_CST);
	srcu_read_unlock(r->s, t);
	return NULL;
}

static pthread_t sleeper_start(struct sleeper *r, struct srcu_struct *s)
{
	pthread_t thread;

	r->s = s;
	ASSERT_EQ(pthread_create(&thread, NULL, sleeper_run, r), 0);
	while (!__atomic_load_n(&r->in, __ATOMIC_SEQ_CST))
		msleep(1);
	return thread;
}

static void sleeper_stop(struct sleeper *r, pthread_t thread)
{
	__atomic_store_n(&r->leave, 1, __ATOMIC_SEQ_CST);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
}

/* ---- one thread ---- */

TEST(idle_synchronize_returns)
{
	struct srcu_struct *s = srcu_new();
	int i;

	for (i = 0; i < 1000; i++)
		srcu_synchronize(s);
	EXPECT_EQ(s->completed, 1000);
	EXPECT_EQ(s->started, 1000);
}

TEST(sections_nest)
{
	struct srcu_struct *s = srcu_new();
	unsigned long cookie = srcu_start_poll(s);
	struct srcu_token a = srcu_read_lock(s), b, c;

	b = srcu_read_lock(s);
	EXPECT_FALSE(srcu_poll(s, cookie));
	c = srcu_read_lock(s);
	srcu_read_unlock(s, a);
	EXPECT_FALSE(srcu_poll(s, cookie));
	srcu_read_unlock(s, c);
	EXPECT_FALSE(srcu_poll(s, cookie));
	srcu_read_unlock(s, b);
	EXPECT_TRUE(srcu_poll(s, cookie));
	srcu_synchronize(s);
}

/* A period that had begun before the question does not answer it. */
TEST(cookies)
{
	struct srcu_struct *s = srcu_new();
	struct srcu_token old, young;
	unsigned long first, second;

	old = srcu_read_lock(s);
	first = srcu_start_poll(s);
	EXPECT_FALSE(srcu_poll(s, first)); /* it begins */
	young = srcu_read_lock(s);
	second = srcu_start_poll(s);
	EXPECT_GT(second, first);
	srcu_read_unlock(s, old);
	EXPECT_FALSE(srcu_poll(s, second));
	EXPECT_TRUE(srcu_poll(s, first));
	srcu_read_unlock(s, young);
	EXPECT_TRUE(srcu_poll(s, second));
	EXPECT_TRUE(srcu_poll(s, first));
}

TEST(numbers_may_wrap)
{
	struct srcu_struct *s = srcu_new();
	struct srcu_token t;
	unsigned long cookie;
	int i;

	s->started = s->completed = s->idx = ~0ul - 2;
	for (i = 0; i < SRCU_STRIPES; i++)
		s->stripe[i].lock[0] = s->stripe[i].unlock[0] =
			s->stripe[i].lock[1] = s->stripe[i].unlock[1] = ~0ul;
	for (i = 0; i < 10; i++) {
		t = srcu_read_lock(s);
		cookie = srcu_start_poll(s);
		EXPECT_FALSE(srcu_poll(s, cookie));
		srcu_read_unlock(s, t);
		EXPECT_TRUE(srcu_poll(s, cookie));
	}
}

/* ---- sleepers ---- */

static struct srcu_struct *sync_domain;
static int sync_done;

static void *run_synchronize(void *arg)
{
	struct timespec cpu;

	srcu_synchronize(sync_domain);
	__atomic_store_n(&sync_done, 1, __ATOMIC_SEQ_CST);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	return (void *)(cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000);
}

TEST(synchronize_sleeps_behind_a_sleeper)
{
	struct sleeper r = {0};
	pthread_t reader, waiter;
	void *cpu_ms;

	sync_domain = srcu_new();
	reader = sleeper_start(&r, sync_domain);
	ASSERT_EQ(pthread_create(&waiter, NULL, run_synchronize, NULL), 0);
	msleep(500);
	EXPECT_EQ(__atomic_load_n(&sync_done, __ATOMIC_SEQ_CST), 0);
	sleeper_stop(&r, reader);
	ASSERT_EQ(pthread_join(waiter, &cpu_ms), 0);
	EXPECT_EQ(sync_done, 1);
	EXPECT_LT((long)cpu_ms, 100); /* it did not poll */
}

TEST(wait_gives_up)
{
	struct srcu_struct *s = srcu_new();
	struct sleeper r = {0};
	pthread_t reader = sleeper_start(&r, s);
	unsigned long cookie = srcu_start_poll(s);
	long long t0 = tap_now_ms();

	EXPECT_FALSE(srcu_wait(s, cookie, 50000000));
	EXPECT_GE(tap_now_ms() - t0, 45);
	sleeper_stop(&r, reader);
	EXPECT_TRUE(srcu_wait(s, cookie, 50000000));
}

TEST(a_sleeper_delays_no_other_domain)
{
	struct srcu_struct *a = srcu_new(), *b = srcu_new();
	struct sleeper r = {0};
	pthread_t reader = sleeper_start(&r, a);

	srcu_synchronize(b);
	EXPECT_EQ(r.out, 0);
	sleeper_stop(&r, reader);
}

/* ---- does it wait for everybody? ---- */

static struct {
	struct srcu_struct *s;
	unsigned long *cell; /* 0: gone */
	unsigned long pool[64];
	int over;
	unsigned long bad, reads;
} torture;

static void *torture_reader(void *arg)
{
	while (!__atomic_load_n(&torture.over, __ATOMIC_RELAXED)) {
		struct srcu_token t = srcu_read_lock(torture.s);
		unsigned long *p =
			__atomic_load_n(&torture.cell, __ATOMIC_ACQUIRE);

		if (__atomic_load_n(p, __ATOMIC_RELAXED) != 1)
			__atomic_fetch_add(&torture.bad, 1, __ATOMIC_RELAXED);
		if ((++*(unsigned int *)arg & 63) == 0)
			sched_yield();
		if (__atomic_load_n(p, __ATOMIC_RELAXED) != 1)
			__atomic_fetch_add(&torture.bad, 1, __ATOMIC_RELAXED);
		srcu_read_unlock(torture.s, t);
		__atomic_fetch_add(&torture.reads, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

TEST(nobody_sees_what_is_gone)
{
	long long end = tap_now_ms() + 1000;
	unsigned int n[3] = {0};
	pthread_t reader[3];
	unsigned long i = 0;

	torture.s = srcu_new();
	torture.pool[0] = 1;
	torture.cell = torture.pool;
	for (i = 0; i < 3; i++)
		ASSERT_EQ(pthread_create(&reader[i], NULL, torture_reader,
					 &n[i]),
			  0);
	for (i = 1; tap_now_ms() < end; i++) {
		unsigned long *old = torture.cell, *new = &torture.pool[i % 64];

		__atomic_store_n(new, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&torture.cell, new, __ATOMIC_RELEASE);
		srcu_synchronize(torture.s);
		__atomic_store_n(old, 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&torture.over, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(pthread_join(reader[i], NULL), 0);
	EXPECT_EQ(torture.bad, 0);
	EXPECT_GT(torture.reads, 0);
}

/* ---- fork ---- */

static int child_status(pid_t pid)
{
	int status = -1;

	ASSERT_GT(pid, 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* The child's end of the parent's section counts nothing; no reader is left. */
static void check_child(struct srcu_struct *s, struct srcu_token t)
{
	unsigned long cookie;
	struct srcu_token mine;

	alarm(10);
	srcu_read_unlock(s, t);
	srcu_synchronize(s);
	mine = srcu_read_lock(s);
	cookie = srcu_start_poll(s);
	EXPECT_FALSE(srcu_poll(s, cookie));
	srcu_read_unlock(s, mine);
	EXPECT_TRUE(srcu_poll(s, cookie));
	_exit(0);
}

static void fork_in_section(pid_t (*make)(void))
{
	struct srcu_struct *s = srcu_new();
	struct sleeper r = {0};
	pthread_t reader = sleeper_start(&r, s);
	struct srcu_token t = srcu_read_lock(s);
	unsigned long cookie = srcu_start_poll(s);
	pid_t pid = make();

	if (!pid)
		check_child(s, t);
	EXPECT_EQ(child_status(pid), 0);
	EXPECT_FALSE(srcu_poll(s, cookie));
	srcu_read_unlock(s, t);
	EXPECT_FALSE(srcu_poll(s, cookie));
	sleeper_stop(&r, reader);
	srcu_synchronize(s);
}

TEST(fork_in_a_section)
{
	fork_in_section(fork);
}

static pid_t raw_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/* No atfork handler runs, and libc does not know of it. */
TEST(raw_clone_in_a_section)
{
	fork_in_section(raw_clone);
}

/* A grandchild of a child that never called anything of ours. */
TEST(fork_of_a_child_that_did_nothing)
{
	struct srcu_struct *s = srcu_new();
	struct srcu_token t = srcu_read_lock(s);
	pid_t pid = fork(), grandchild;

	if (!pid) {
		grandchild = fork();
		if (!grandchild)
			check_child(s, t);
		_exit(child_status(grandchild) != 0);
	}
	EXPECT_EQ(child_status(pid), 0);
	srcu_read_unlock(s, t);
	srcu_synchronize(s);
}

/* A section begun before the child has its number must not lose its end. */
TEST(section_of_a_child_before_its_number)
{
	struct srcu_struct *s = srcu_new();
	struct srcu_token t;
	pid_t pid = fork();

	if (!pid) {
		alarm(10);
		t = srcu_read_lock(s);
		sys_init();
		srcu_read_unlock(s, t);
		srcu_synchronize(s);
		_exit(0);
	}
	EXPECT_EQ(child_status(pid), 0);
}

static struct srcu_struct *vfork_domain;
static unsigned long vfork_cookie;
static int vfork_ran, vfork_saw;

/* Shares memory and TLS with its parent, which stands still. */
static __attribute__((noinline)) pid_t vfork_reader(void)
{
	pid_t pid;

	sys_tls_shared(SYS_TLS_VFORK);
	pid = vfork();
	if (!pid) {
		struct srcu_token t = srcu_read_lock(vfork_domain);

		vfork_ran = 1;
		vfork_saw = !srcu_poll(vfork_domain, vfork_cookie);
		srcu_read_unlock(vfork_domain, t);
		_exit(sys_tid() != (uint32_t)getpid());
	}
	return pid;
}

TEST(vfork_child_as_reader)
{
	uint32_t me = sys_tid();

	vfork_domain = srcu_new();
	vfork_cookie = srcu_start_poll(vfork_domain);
	EXPECT_EQ(child_status(vfork_reader()), 0);
	if (!vfork_ran)
		SKIP("vfork() is fork() here");
	EXPECT_EQ(vfork_saw, 1);
	EXPECT_EQ(sys_tid(), me);
	EXPECT_EQ(sys_tid(), gettid());
	EXPECT_TRUE(srcu_poll(vfork_domain, vfork_cookie));
}

static __attribute__((noinline)) pid_t vfork_unannounced(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(sys_tid() == 0);
	return pid;
}

static void *first_use_in_vfork(void *arg)
{
	EXPECT_EQ(child_status(vfork_unannounced()), 0);
	EXPECT_EQ(sys_tid(), gettid());
	return NULL;
}

/* It must not leave its own tid to the thread whose TLS it borrows. */
TEST(vfork_child_is_first_to_ask)
{
	pthread_t thread;

	ASSERT_EQ(sys_init(), 0);
	ASSERT_EQ(pthread_create(&thread, NULL, first_use_in_vfork, NULL), 0);
	ASSERT_EQ(pthread_join(thread, NULL), 0);
}

/* ---- signals ---- */

static struct srcu_struct *signal_domain;
static unsigned long handled;

static void signal_reader(int nr)
{
	struct srcu_token t = srcu_read_lock(signal_domain);
	struct srcu_token u = srcu_read_lock(signal_domain);

	srcu_read_unlock(signal_domain, t);
	srcu_read_unlock(signal_domain, u);
	handled++;
}

/* Handlers that interrupt the updater anywhere, also when it is about to wait.
 */
TEST(handler_interrupts_an_updater)
{
	struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	long long end = tap_now_ms() + 500;

	signal_domain = srcu_new();
	signal(SIGALRM, signal_reader);
	ASSERT_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (tap_now_ms() < end)
		srcu_synchronize(signal_domain);
	ASSERT_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
	EXPECT_GT(handled, 0);
	srcu_synchronize(signal_domain);
}
