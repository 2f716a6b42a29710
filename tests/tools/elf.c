/* SPDX-License-Identifier: MIT */
/*
 * tests/tools/elf.c - symbols of ELF files, of broken ones too.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "tests/tap.h"
#include "tools/elf_file.h"

static const char self[] = "/proc/self/exe";

/* A function that .symtab has, for the look-up; not inlined, not removed. */
int elf_test_landmark(int x);

__attribute__((noinline, used)) int elf_test_landmark(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x * 3;
}

extern const char __executable_start[];

static char *read_self(size_t *size)
{
	int fd = open(self, O_RDONLY);
	struct stat st;
	char *p;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(fstat(fd, &st), 0);
	p = malloc(st.st_size);
	ASSERT_EQ(read(fd, p, st.st_size), st.st_size);
	close(fd);
	*size = st.st_size;
	return p;
}

static void write_file(const char *path, const char *p, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, p, size), size);
	close(fd);
}

/* Everything the tool does with a file. */
static void use(const char *path)
{
	struct elf_file elf;
	uint64_t addr;

	if (elf_open(&elf, path))
		return;
	for (uint64_t at = 0; at < 1 << 18; at += 777) {
		if (elf_address(&elf, at, &addr))
			elf_lookup(&elf, addr);
		elf_lookup(&elf, at);
		elf_lookup(&elf, -at);
	}
	elf_close(&elf);
}

TEST(names_a_function_and_its_last_byte)
{
	unsigned long at = (unsigned long)elf_test_landmark -
			   (unsigned long)__executable_start;
	const struct elf_symbol *s;
	struct elf_file elf;

	ASSERT_EQ(elf_open(&elf, self), 0);
	s = elf_lookup(&elf, at);
	ASSERT_NE((long)s, 0);
	EXPECT_EQ(strcmp(s->name, "elf_test_landmark"), 0);
	EXPECT_EQ(s->value, at);
	EXPECT_EQ((long)elf_lookup(&elf, at + s->size - 1), (long)s);
	EXPECT_NE((long)elf_lookup(&elf, at + s->size), (long)s);
	elf_close(&elf);
}

/* glibc has cfree(), free() and __libc_free() at one address. */
TEST(of_several_names_the_plainest)
{
	const struct elf_symbol *s;
	struct elf_file elf;
	bool found = false;

	if (elf_open(&elf, "/lib/x86_64-linux-gnu/libc.so.6"))
		SKIP("no glibc where Debian has it");
	for (size_t i = 0; !found && i < elf.nr_symbols; i++) {
		if (strcmp(elf.symbols[i].name, "free"))
			continue;
		s = elf_lookup(&elf, elf.symbols[i].value);
		EXPECT_STREQ(s->name, "free");
		found = true;
	}
	EXPECT_TRUE(found);
	elf_close(&elf);
}

TEST(an_address_in_no_function_has_no_name)
{
	struct elf_file elf;

	ASSERT_EQ(elf_open(&elf, self), 0);
	EXPECT_EQ((long)elf_lookup(&elf, 0), 0);
	EXPECT_EQ((long)elf_lookup(&elf, ~0ull), 0);
	elf_close(&elf);
}

TEST(what_is_no_elf_file_is_refused)
{
	struct elf_file elf;

	EXPECT_EQ(elf_open(&elf, "/etc/passwd"), -ENOEXEC);
	EXPECT_EQ(elf_open(&elf, "/dev/zero"), -ENOEXEC);
	EXPECT_EQ(elf_open(&elf, "/"), -ENOEXEC);
	EXPECT_EQ(elf_open(&elf, "/no/such/file"), -ENOENT);
	EXPECT_EQ(elf_open(&elf, "[vdso]"), -ENOENT);
}

TEST_TIMEOUT(truncated_files, 60)
{
	char path[] = "/tmp/mmun-elf-XXXXXX";
	size_t size;
	char *p = read_self(&size);

	close(mkstemp(path));
	for (size_t n = 0; n < size; n += n < 4096 ? 64 : 1 + size / 200) {
		write_file(path, p, n);
		use(path);
	}
	unlink(path);
	free(p);
}

/* In the header, in the section headers at the end, or anywhere. */
static size_t somewhere(unsigned int *seed, size_t size)
{
	size_t n = (size_t)rand_r(seed);

	switch (rand_r(seed) % 3) {
	case 0:
		return n % 64;
	case 1:
		return size - 1 - n % 2560;
	default:
		return n % size;
	}
}

/* Headers, section headers and random places overwritten. */
TEST_TIMEOUT(damaged_files, 120)
{
	static const unsigned char bad[] = {0, 1, 0x7f, 0x80, 0xff};
	char path[] = "/tmp/mmun-elf-XXXXXX";
	unsigned int seed = 42;
	size_t size;
	char *p = read_self(&size);
	char *copy = malloc(size);

	close(mkstemp(path));
	for (int round = 0; round < 600; round++) {
		memcpy(copy, p, size);
		for (int i = 0; i < 1 + round % 8; i++) {
			size_t at = somewhere(&seed, size);

			copy[at] = (char)bad[rand_r(&seed) % 5];
		}
		memcpy(copy, p, 6); /* else nothing behind it is read */
		write_file(path, copy, size);
		use(path);
	}
	unlink(path);
	free(copy);
	free(p);
}
