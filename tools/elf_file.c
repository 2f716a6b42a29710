/* SPDX-License-Identifier: MIT */
/*
 * tools/elf_file.c - symbols and segments of an ELF file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_file.h"

struct source {
	int fd;
	uint64_t size;
};

/* A copy of [offset, offset + size) of the file, or NULL. */
static void *read_at(const struct source *src, uint64_t offset, uint64_t size)
{
	char *p;
	uint64_t done = 0;

	if (!size || offset > src->size || size > src->size - offset)
		return NULL;
	p = malloc(size + 1); /* a zero ends the last string */
	while (p && done < size) {
		ssize_t n = pread(src->fd, p + done, size - done,
				  (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(p);
			return NULL;
		}
		done += n;
	}
	if (p)
		p[size] = 0;
	return p;
}

static bool is_elf64(const Elf64_Ehdr *h)
{
	return !memcmp(h->e_ident, ELFMAG, SELFMAG) &&
	       h->e_ident[EI_CLASS] == ELFCLASS64 &&
	       h->e_ident[EI_DATA] == ELFDATA2LSB;
}

static void read_phdrs(struct elf_file *elf, const struct source *src,
		       const Elf64_Ehdr *h)
{
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return;
	elf->phdrs = read_at(src, h->e_phoff,
			     (uint64_t)h->e_phnum * sizeof(Elf64_Phdr));
	if (elf->phdrs)
		elf->nr_phdrs = h->e_phnum;
}

static bool is_function(const Elf64_Sym *sym, const char *strings,
			uint64_t strings_size)
{
	unsigned int type = ELF64_ST_TYPE(sym->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && sym->st_size &&
	       sym->st_shndx != SHN_UNDEF && sym->st_name < strings_size &&
	       strings[sym->st_name];
}

static void add_symbols(struct elf_file *elf, const Elf64_Sym *syms, size_t n,
			const char *strings, uint64_t strings_size)
{
	struct elf_symbol *all;

	all = realloc(elf->symbols, (elf->nr_symbols + n) * sizeof(*all));
	if (!all)
		return;
	elf->symbols = all;
	for (size_t i = 0; i < n; i++) {
		if (!is_function(&syms[i], strings, strings_size))
			continue;
		all[elf->nr_symbols++] = (struct elf_symbol){
			.value = syms[i].st_value,
			.size = syms[i].st_size,
			.name = strings + syms[i].st_name,
		};
	}
}

/* @table: 0 for .symtab, 1 for .dynsym. */
static void read_symbols(struct elf_file *elf, const struct source *src,
			 const Elf64_Shdr *shdrs, size_t n, size_t i, int table)
{
	const Elf64_Shdr *s = &shdrs[i], *str;
	Elf64_Sym *syms;

	if (elf->strings[table] || s->sh_link >= n ||
	    s->sh_entsize != sizeof(Elf64_Sym))
		return;
	str = &shdrs[s->sh_link];
	elf->strings[table] = read_at(src, str->sh_offset, str->sh_size);
	if (!elf->strings[table])
		return;
	syms = read_at(src, s->sh_offset, s->sh_size);
	if (syms)
		add_symbols(elf, syms, s->sh_size / sizeof(*syms),
			    elf->strings[table], str->sh_size);
	free(syms);
}

static void read_sections(struct elf_file *elf, const struct source *src,
			  const Elf64_Ehdr *h)
{
	Elf64_Shdr *shdrs;

	if (h->e_shentsize != sizeof(Elf64_Shdr))
		return;
	shdrs = read_at(src, h->e_shoff,
			(uint64_t)h->e_shnum * sizeof(Elf64_Shdr));
	if (!shdrs)
		return;
	for (size_t i = 0; i < h->e_shnum; i++) {
		if (shdrs[i].sh_type == SHT_SYMTAB)
			read_symbols(elf, src, shdrs, h->e_shnum, i, 0);
		else if (shdrs[i].sh_type == SHT_DYNSYM)
			read_symbols(elf, src, shdrs, h->e_shnum, i, 1);
	}
	free(shdrs);
}

static size_t underscores(const char *name)
{
	return strspn(name, "_");
}

/* Of names for the same code the plainest comes first. */
static int by_value(const void *a, const void *b)
{
	const struct elf_symbol *x = a, *y = b;
	size_t ux, uy, nx, ny;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	ux = underscores(x->name);
	uy = underscores(y->name);
	if (ux != uy)
		return ux < uy ? -1 : 1;
	nx = strlen(x->name);
	ny = strlen(y->name);
	return nx != ny ? (nx < ny ? -1 : 1) : strcmp(x->name, y->name);
}

static void sort_symbols(struct elf_file *elf)
{
	uint64_t reach = 0;

	if (!elf->nr_symbols)
		return;
	qsort(elf->symbols, elf->nr_symbols, sizeof(*elf->symbols), by_value);
	for (size_t i = 0; i < elf->nr_symbols; i++) {
		struct elf_symbol *s = &elf->symbols[i];
		uint64_t end = s->value + s->size;

		if (end < s->value)
			end = UINT64_MAX;
		if (end > reach)
			reach = end;
		s->reach = reach;
	}
}

static int read_elf(struct elf_file *elf, const struct source *src)
{
	Elf64_Ehdr *h = read_at(src, 0, sizeof(*h));
	int ret = -ENOEXEC;

	if (h && is_elf64(h)) {
		read_phdrs(elf, src, h);
		read_sections(elf, src, h);
		sort_symbols(elf);
		ret = 0;
	}
	free(h);
	return ret;
}

int elf_open(struct elf_file *elf, const char *path)
{
	struct source src;
	struct stat st;
	int ret = -ENOEXEC;

	memset(elf, 0, sizeof(*elf));
	/* Not a pipe that would block, nor a device that would act. */
	if (stat(path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	src.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (src.fd < 0)
		return -errno;
	src.size = st.st_size;
	ret = read_elf(elf, &src);
	close(src.fd);
	return ret;
}

void elf_close(struct elf_file *elf)
{
	free(elf->phdrs);
	free(elf->symbols);
	free(elf->strings[0]);
	free(elf->strings[1]);
	memset(elf, 0, sizeof(*elf));
}

bool elf_address(const struct elf_file *elf, uint64_t offset, uint64_t *addr)
{
	for (size_t i = 0; i < elf->nr_phdrs; i++) {
		const Elf64_Phdr *p = &elf->phdrs[i];

		if (p->p_type == PT_LOAD && offset >= p->p_offset &&
		    offset - p->p_offset < p->p_filesz) {
			*addr = offset - p->p_offset + p->p_vaddr;
			return true;
		}
	}
	return false;
}

static bool contains(const struct elf_symbol *s, uint64_t addr)
{
	return addr >= s->value && addr - s->value < s->size;
}

const struct elf_symbol *elf_lookup(const struct elf_file *elf, uint64_t addr)
{
	const struct elf_symbol *found = NULL;
	size_t lo = 0, hi = elf->nr_symbols;

	while (lo < hi) { /* the first symbol behind addr */
		size_t mid = lo + (hi - lo) / 2;

		if (elf->symbols[mid].value <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo-- && elf->symbols[lo].reach > addr) {
		const struct elf_symbol *s = &elf->symbols[lo];

		if (found && s->value != found->value)
			break;
		if (contains(s, addr))
			found = s;
	}
	return found;
}
