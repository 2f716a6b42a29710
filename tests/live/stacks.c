/* SPDX-License-Identifier: MIT */
/*
 * What must not be touched: the red zone, vector registers, flags, a stack
 * that is nearly full, a stack that goes away.
 */
#include <pthread.h>
#include <ucontext.h>

#include "tests/live/recorder.h"

INLINE_CALL(madvise, SYS_madvise)

/* A callback that uses all of the registers it can get hold of. */
static __attribute__((noinline)) void spoil(struct recorder *r)
{
	volatile char deep[16384];
	volatile double x[32];
	int i;

	memset((char *)deep, r->begins, sizeof(deep));
	for (i = 0; i < 32; i++)
		x[i] = deep[i] * 1.5 + i;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n\t"
			 "movdqa %%xmm0, %%xmm7\n\t"
			 "movdqa %%xmm0, %%xmm15\n\t" ::
				 : "xmm0", "xmm7", "xmm15");
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" ::
					 : "xmm0", "xmm1", "xmm2", "xmm3",
					   "xmm4", "xmm5", "xmm6", "xmm7",
					   "xmm8", "xmm9", "xmm10", "xmm11",
					   "xmm12", "xmm13", "xmm14", "xmm15");
	errno = 4711 + (int)x[3];
}

static void watch(struct recorder *r, char *p)
{
	r->hook = spoil;
	record(r, p, PAGE);
}

/* Sixteen words below the stack pointer belong to whoever runs. */
static __attribute__((noinline, naked)) long red_zone_survives(long p)
{
	__asm__("mov $0x1234567, %eax\n\t"
		"mov %rax, -8(%rsp)\n\t"
		"mov %rax, -64(%rsp)\n\t"
		"mov %rax, -128(%rsp)\n\t"
		"mov $4096, %esi\n\t"
		"mov $4, %edx\n\t"
		"mov $28, %eax\n\t"
		"syscall\n\t"
		"mov $0x1234567, %ecx\n\t"
		"sub -8(%rsp), %rcx\n\t"
		"mov $0x1234567, %edx\n\t"
		"sub -64(%rsp), %rdx\n\t"
		"or %rdx, %rcx\n\t"
		"mov $0x1234567, %edx\n\t"
		"sub -128(%rsp), %rdx\n\t"
		"or %rdx, %rcx\n\t"
		"or %rcx, %rax\n\t"
		"ret");
}

TEST(red_zone)
{
	static struct recorder r;
	char *p = map_pages(1);

	EXPECT_EQ(red_zone_survives((long)p), 0);
	watch(&r, p);
	EXPECT_EQ(red_zone_survives((long)p), 0);
	EXPECT_EQ(r.begins, 1);
	mmu_interval_notifier_remove(&r.mni);
	EXPECT_EQ(red_zone_survives((long)p), 0);
	EXPECT_EQ(r.begins, 1);
}

struct vectors {
	char reg[16][32] __attribute__((aligned(32)));
};

#define LOAD(i) "vmovdqa " #i "*32(%[in]), %%ymm" #i "\n\t"
#define STORE(i) "vmovdqa %%ymm" #i ", " #i "*32(%[out])\n\t"
#define ALL(M) \
	M(0)   \
	M(1)   \
	M(2)   \
	M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)

static __attribute__((noinline, target("avx"))) long
vectors_across(char *p, const struct vectors *in, struct vectors *out)
{
	long result;

	__asm__ volatile(
		ALL(LOAD) "mov $28, %%eax\n\tsyscall\n\t" ALL(STORE)
		: "=&a"(result)
		: "D"(p), "S"(PAGE),
		  "d"((long)MADV_DONTNEED), [in] "r"(in), [out] "r"(out)
		: "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3",
		  "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
		  "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return result;
}

TEST(vector_registers)
{
	static struct recorder r;
	struct vectors in, out;
	char *p = map_pages(1);
	unsigned int i;

	if (!__builtin_cpu_supports("avx"))
		SKIP("no AVX here");
	for (i = 0; i < sizeof(in); i++)
		((unsigned char *)&in)[i] = (unsigned char)(i * 37 + 11);
	watch(&r, p);
	for (i = 0; i < 3; i++) {
		memset(&out, 0, sizeof(out));
		EXPECT_EQ(vectors_across(p, &in, &out), 0);
		EXPECT_EQ(memcmp(&in, &out, sizeof(in)), 0);
	}
	EXPECT_EQ(r.begins, 3);
}

/* All six flags that lahf and seto know, both values of each. */
static long flags_across(char *p, unsigned long flags)
{
	unsigned long after;
	long result;

	__asm__ volatile("push %[flags]\n\tpopf\n\t"
			 "mov $28, %%eax\n\tsyscall\n\t"
			 "pushf\n\tpop %[after]"
			 : "=&a"(result), [after] "=&r"(after)
			 : [flags] "r"(flags), "D"(p), "S"(PAGE),
			   "d"((long)MADV_DONTNEED)
			 : "rcx", "r11", "memory", "cc");
	return after & 0x8d5;
}

TEST(flags)
{
	static struct recorder r;
	char *p = map_pages(1);
	int round;

	for (round = 0; round < 3; round++) {
		EXPECT_EQ(flags_across(p, 0x202), 0);
		EXPECT_EQ(flags_across(p, 0x202 | 0x8d5), 0x8d5);
		EXPECT_EQ(flags_across(p, 0x202 | 0x801), 0x801);
		if (round == 0)
			watch(&r, p);
		if (round == 1)
			mmu_interval_notifier_remove(&r.mni);
	}
	EXPECT_EQ(r.begins, 3);
}

TEST(errno_is_kept)
{
	static struct recorder r;
	char *p = map_pages(1);

	watch(&r, p);
	errno = 77;
	EXPECT_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(errno, 77);
}

/* ---- a stack with two kilobytes left above its guard page ---- */

static ucontext_t back, there;
static char *tiny_target;
static long tiny_result;

static void on_tiny_stack(void)
{
	tiny_result =
		inline_madvise((long)tiny_target, PAGE, MADV_DONTNEED, 0, 0, 0);
}

TEST(tiny_stack)
{
	static struct recorder r;
	char *stack = mmap(NULL, 2 * PAGE, MAP_RW, -1, 0);

	ASSERT_EQ(mprotect(stack, PAGE, PROT_NONE), 0);
	tiny_target = map_pages(1);
	watch(&r, tiny_target);
	getcontext(&there);
	there.uc_stack.ss_sp = stack + PAGE;
	there.uc_stack.ss_size = 2048;
	there.uc_link = &back;
	makecontext(&there, on_tiny_stack, 0);
	tiny_result = -1;
	ASSERT_EQ(swapcontext(&back, &there), 0);
	EXPECT_EQ(tiny_result, 0);
	EXPECT_EQ(r.begins, 1);
	EXPECT_EQ(r.ends, 1);
}

/* ---- the stack that is given away is the one we stand on ---- */

/*
 * Switches to the top of the area, gives the whole area back with the call
 * nr(area, size, arg), switches back, and returns what the call returned.
 * Neither uses the stack meanwhile.
 */
static __attribute__((noinline, naked)) long
give_away_own_stack(char *area, unsigned long size, long nr_unused)
{
	__asm__("mov %rsp, %r9\n\t"
		"lea -256(%rdi,%rsi), %rsp\n\t"
		"mov $11, %eax\n\t"
		"syscall\n\t"
		"mov %r9, %rsp\n\t"
		"ret");
}

static __attribute__((noinline, naked)) long empty_own_stack(char *area,
							     unsigned long size)
{
	__asm__("mov %rsp, %r9\n\t"
		"lea -256(%rdi,%rsi), %rsp\n\t"
		"mov $4, %edx\n\t"
		"mov $28, %eax\n\t"
		"syscall\n\t"
		"mov %r9, %rsp\n\t"
		"ret");
}

TEST(own_stack_is_unmapped)
{
	static struct recorder r;
	char *area = map_pages(16), *other;

	record(&r, area, 16 * PAGE);
	r.probe = area;
	EXPECT_EQ(give_away_own_stack(area, 16 * PAGE, 0), 0);
	EXPECT_EQ(r.begins, 1);
	EXPECT_EQ(r.byte, 'a');
	EXPECT_FALSE(is_mapped(area));
	/* The next change of this thread shows that the first one is over. */
	other = map_pages(1);
	munmap(other, PAGE);
	mmu_interval_read_begin(&r.mni);
	EXPECT_EQ(mmu_interval_notifier_remove(&r.mni), 0);
}

TEST(own_stack_is_emptied)
{
	static struct recorder r;
	char *area = map_pages(16);
	int i;

	for (i = 0; i < 300; i++)
		ASSERT_EQ(empty_own_stack(area, 16 * PAGE), 0);
	record(&r, area, 16 * PAGE);
	for (i = 0; i < 300; i++)
		ASSERT_EQ(empty_own_stack(area, 16 * PAGE), 0);
	EXPECT_EQ(r.begins, 300);
	munmap(map_pages(1), PAGE);
	mmu_interval_read_begin(&r.mni);
}

static char *given_away;

static void on_lower_stack(void)
{
	int i;

	for (i = 0; i < 600; i++)
		ASSERT_EQ(empty_own_stack(given_away, 16 * PAGE), 0);
}

/* Seen from below, what was left looks like an outer frame. */
TEST(own_stack_is_emptied_from_a_lower_one)
{
	static struct recorder r;
	char *stack;

	given_away = map_pages(16);
	stack = map_pages(16);
	ASSERT_LT(stack, given_away);
	record(&r, given_away, 16 * PAGE);
	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = 16 * PAGE;
	there.uc_link = &back;
	makecontext(&there, on_lower_stack, 0);
	ASSERT_EQ(swapcontext(&back, &there), 0);
	EXPECT_EQ(r.begins, 600);
	munmap(map_pages(1), PAGE);
	mmu_interval_read_begin(&r.mni);
}
