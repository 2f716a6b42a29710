/* SPDX-License-Identifier: MIT */
/*
 * tools/elf_file.h - symbols and segments of an ELF file.
 *
 * The file may be anything: every offset and count is checked against the
 * size of the file before it is used.
 */
#ifndef MMUN_TOOLS_ELF_FILE_H
#define MMUN_TOOLS_ELF_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_symbol {
	uint64_t value;
	uint64_t size;
	const char *name;
	uint64_t reach; /* highest end of this symbol and all before it */
};

struct elf_file {
	Elf64_Phdr *phdrs;
	size_t nr_phdrs;
	struct elf_symbol *symbols; /* by value */
	size_t nr_symbols;
	char *strings[2]; /* of .symtab and .dynsym */
};

/* Returns 0 or a negative errno; -ENOEXEC if it is no 64-bit ELF file. */
int elf_open(struct elf_file *elf, const char *path);
void elf_close(struct elf_file *elf);

/* The address that offset @offset of the file is linked to; false if none. */
bool elf_address(const struct elf_file *elf, uint64_t offset, uint64_t *addr);

/* The function that @addr lies in, or NULL. */
const struct elf_symbol *elf_lookup(const struct elf_file *elf, uint64_t addr);

#endif /* MMUN_TOOLS_ELF_FILE_H */
