/* SPDX-License-Identifier: MIT */
/*
 * Four ways to write a munmap without libc. Loaded by later.c.
 */
long later_short(void *p, unsigned long size);
long later_long(void *p, unsigned long size);
long later_register(void *p, unsigned long size);
long later_far(void *p, unsigned long size);

/* mov $11,%eax; syscall */
long later_short(void *p, unsigned long size)
{
	long r;

	__asm__ volatile("mov $11, %%eax\n\tsyscall"
			 : "=a"(r)
			 : "D"(p), "S"(size)
			 : "rcx", "r11", "memory");
	return r;
}

/* mov $11,%rax, which has seven bytes */
long later_long(void *p, unsigned long size)
{
	long r;

	__asm__ volatile(".byte 0x48, 0xc7, 0xc0, 11, 0, 0, 0\n\tsyscall"
			 : "=a"(r)
			 : "D"(p), "S"(size)
			 : "rcx", "r11", "memory");
	return r;
}

/* The number comes through a register; the padding behind ret is used. */
__attribute__((naked, aligned(32))) long later_register(void *p,
							unsigned long size)
{
	__asm__("mov $11, %edx\n\t"
		"mov %edx, %eax\n\t"
		"syscall\n\t"
		"ret\n\t"
		".byte 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0\n\t");
}

/* Five bytes of another instruction between the number and the call. */
__attribute__((naked)) long later_far(void *p, unsigned long size)
{
	__asm__("mov $11, %eax\n\t"
		"mov $0, %edx\n\t"
		"syscall\n\t"
		"ret");
}
