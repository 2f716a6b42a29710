/* SPDX-License-Identifier: MIT */
/*
 * Program text that appears after arming: a library with a system call of
 * its own is covered when dlopen() returns.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/stat.h>

#include "tests/live/recorder.h"

typedef long (*unmap_fn)(void *, unsigned long);

static unsigned int sites(void)
{
	struct mmun_coverage c = {.size = sizeof(c)};

	ASSERT_EQ(mmun_coverage_read(&c), 0);
	return c.sites;
}

static void *load(void)
{
	void *lib = dlopen(LATER_LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		tap_say("# %s", dlerror());
	ASSERT_NE(lib, NULL);
	return lib;
}

static long call(void *lib, const char *name)
{
	return ((unmap_fn)dlsym(lib, name))(map_pages(1), PAGE);
}

static void check(void *lib, const char *name)
{
	unmap_fn fn = (unmap_fn)dlsym(lib, name);
	static struct recorder r;
	char *p = map_pages(1);

	ASSERT_NE(fn, NULL);
	memset(&r, 0, sizeof(r));
	record(&r, p, PAGE);
	r.probe = p;
	EXPECT_EQ(fn(p, PAGE), 0);
	EXPECT_EQ(r.begins, 1);
	EXPECT_EQ(r.ends, 1);
	EXPECT_EQ(r.byte, 'a');
	EXPECT_FALSE(is_mapped(p));
	mmu_interval_notifier_remove(&r.mni);
}

TEST(library_loaded_before)
{
	void *lib = load();

	ASSERT_EQ(mm_arm(mm_self()), 0);
	check(lib, "later_short");
	check(lib, "later_long");
	check(lib, "later_register");
	check(lib, "later_far");
}

TEST(library_loaded_later)
{
	unsigned int before;
	void *lib;

	ASSERT_EQ(mm_arm(mm_self()), 0);
	before = sites();
	lib = load();
	EXPECT_EQ(sites(), before + 4);
	check(lib, "later_short");
	check(lib, "later_long");
	check(lib, "later_register");
	check(lib, "later_far");
}

TEST(library_loaded_again_and_again)
{
	void *lib;
	int i;

	ASSERT_EQ(mm_arm(mm_self()), 0);
	for (i = 0; i < 200; i++) {
		lib = load();
		check(lib, i & 1 ? "later_short" : "later_long");
		dlclose(lib);
	}
}

TEST(library_loaded_in_a_child)
{
	void *lib;
	pid_t pid;
	int i, status;

	ASSERT_EQ(mm_arm(mm_self()), 0);
	for (i = 0; i < 4; i++) {
		pid = fork();
		if (!pid) {
			ASSERT_EQ(mm_arm(mm_self()), 0);
			check(load(), "later_short");
			_exit(0);
		}
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status, 0);
	}
	lib = load();
	check(lib, "later_long");
}

/*
 * Both have stubs of their own for what each loaded after the fork, at
 * another address: the parent must not write over those of the child.
 */
TEST(library_loaded_in_child_and_parent)
{
	int to_child[2], to_parent[2], status;
	unsigned long taken = 0;
	void *lib;
	pid_t pid;

	ASSERT_EQ(mm_arm(mm_self()), 0);
	ASSERT_EQ(pipe(to_child) | pipe(to_parent), 0);
	pid = fork();
	if (!pid) {
		ASSERT_EQ(mm_arm(mm_self()), 0);
		lib = load();
		check(lib, "later_short");
		taken = (unsigned long)dlsym(lib, "later_short") & -PAGE;
		ASSERT_EQ(write(to_parent[1], &taken, 8), 8);
		ASSERT_EQ(read(to_child[0], &taken, 8), 8);
		check(lib, "later_short");
		if (!fork()) /* not armed: all of its way is in the stub */
			_exit(call(lib, "later_short") ||
			      call(lib, "later_register"));
		ASSERT_EQ(wait(&status) > 0 && !status, 1);
		_exit(0);
	}
	ASSERT_EQ(read(to_parent[0], &taken, 8), 8);
	ASSERT_EQ(mmap((void *)taken, PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		       0),
		  taken);
	lib = load();
	check(lib, "later_long");
	ASSERT_EQ(write(to_child[1], &taken, 8), 8);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	check(lib, "later_short");
}

/* Text that a compiler has yet to write is not brought in by looking. */
TEST(sparse_text_stays_sparse)
{
	const unsigned long size = 64ul << 20;
	struct mmun_coverage c = {.size = sizeof(c)};
	unsigned int before;
	struct stat st;
	int fd = memfd_create("compiled", 0);
	void *p;

	ASSERT_EQ(ftruncate(fd, size), 0);
	ASSERT_EQ(mm_arm(mm_self()), 0);
	ASSERT_EQ(mmun_coverage_read(&c), 0);
	before = c.unscanned;
	p = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	ASSERT_NE(p, MAP_FAILED);
	ASSERT_EQ(fstat(fd, &st), 0);
	EXPECT_EQ(st.st_blocks, 0);
	ASSERT_EQ(mmun_coverage_read(&c), 0);
	EXPECT_EQ(c.unscanned, before + 1);
}

static volatile int loaded;

static void *busy(void *unused)
{
	while (!loaded)
		munmap(map_pages(1), PAGE);
	return NULL;
}

TEST(library_loaded_while_threads_run)
{
	struct mmun_coverage c = {.size = sizeof(c)};
	pthread_t t;
	void *lib;

	ASSERT_EQ(mm_arm(mm_self()), 0);
	ASSERT_EQ(pthread_create(&t, NULL, busy, NULL), 0);
	lib = load();
	check(lib, "later_short");
	check(lib, "later_far");
	loaded = 1;
	pthread_join(t, NULL);
	ASSERT_EQ(mmun_coverage_read(&c), 0);
	EXPECT_EQ(c.method, MMUN_PATCH_SWAP);
}

TEST(coverage_counts)
{
	struct mmun_coverage c = {.size = sizeof(c)};

	EXPECT_EQ(mmun_coverage_read(NULL), -EINVAL);
	c.size = 1;
	EXPECT_EQ(mmun_coverage_read(&c), -EINVAL);
	c.size = sizeof(c);
	EXPECT_EQ(mmun_coverage_read(&c), 0);
	EXPECT_EQ(c.armed, 0);
	ASSERT_EQ(mm_arm(mm_self()), 0);
	EXPECT_EQ(mmun_coverage_read(&c), 0);
	EXPECT_EQ(c.armed, 1);
	EXPECT_EQ(c.error, 0);
	EXPECT_EQ(c.late, 0);
	EXPECT_EQ(c.method, MMUN_PATCH_PROC_MEM);
	EXPECT_GE(c.images, 3);
	EXPECT_GE(c.sites, 20);
	EXPECT_EQ(c.unpatchable, 0);
}

TEST(text_lookup)
{
	struct mmun_text text;
	void *lib = load();
	unsigned long fn = (unsigned long)dlsym(lib, "later_short");

	ASSERT_EQ(mmun_text_lookup(fn, &text), 0);
	EXPECT_LE(text.start, fn);
	EXPECT_GT(text.end, fn);
	EXPECT_STREQ(strrchr(text.path, '/'), strrchr(LATER_LIBRARY, '/'));
	EXPECT_EQ(mmun_text_lookup(1, &text), -ENOENT);
}
