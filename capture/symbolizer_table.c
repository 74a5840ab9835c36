/* SPDX-License-Identifier: MIT
 *
 * The functions of a module's symbol tables, sorted: .symtab, or .dynsym and what
 * .gnu_debugdata adds to it, whichever libdwfl finds.
 */
#include <stdlib.h>

#include "symbolizer_private.h"

/* What one asks about sections, which symbols of one module ask over and over. */
struct section {
	Elf *elf;
	GElf_Word index;
	bool is_code;
	uint64_t end; /* dwfl's address */
};

static void look_at_section(struct section *section, Elf *elf, GElf_Word index, Dwarf_Addr bias)
{
	GElf_Shdr header;

	if (section->elf == elf && section->index == index)
		return;
	*section = (struct section){ .elf = elf, .index = index };
	if (elf == NULL || gelf_getshdr(elf_getscn(elf, index), &header) == NULL)
		return;
	section->is_code = (header.sh_flags & SHF_EXECINSTR) != 0;
	section->end = header.sh_addr + header.sh_size + bias;
}

/* What is exported, has a size and few underscores is what programmers call it. */
static uint32_t rank_of(const GElf_Sym *symbol, const char *name)
{
	const unsigned binding = GELF_ST_BIND(symbol->st_info);
	const size_t underscores = strspn(name, "_");
	uint32_t rank = binding == STB_GLOBAL ? 2 : binding == STB_WEAK ? 1 : 0;

	rank = rank << 4 | (underscores < 15 ? 15 - (uint32_t)underscores : 0);
	return rank | (symbol->st_size != 0 ? 1u << 8 : 0);
}

static bool is_function(const GElf_Sym *symbol)
{
	const unsigned type = GELF_ST_TYPE(symbol->st_info);

	return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

static int compare_symbols(const void *left, const void *right)
{
	const struct mr_symbol *const a = left;
	const struct mr_symbol *const b = right;

	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return -strcmp(a->name, b->name);
}

/* Where sizes are missing a symbol goes up to the next one, but not out of its section. */
static void sort_symbols(struct mr_symbol_table *table)
{
	uint64_t next = UINT64_MAX;
	uint64_t reach = 0;

	if (table->count > 0)
		qsort(table->symbols, table->count, sizeof(*table->symbols), compare_symbols);
	for (size_t i = table->count; i-- > 0;) {
		struct mr_symbol *const symbol = &table->symbols[i];
		const bool is_sized = (symbol->rank & 1u << 8) != 0;

		if (i + 1 < table->count && table->symbols[i + 1].begin != symbol->begin)
			next = table->symbols[i + 1].begin;
		if (!is_sized && symbol->end > next)
			symbol->end = next;
	}
	for (size_t i = 0; i < table->count; i++) {
		reach = table->symbols[i].end > reach ? table->symbols[i].end : reach;
		table->symbols[i].reach = reach;
	}
}

static void load(struct mr_symbol_table *table, Dwfl_Module *module)
{
	const int count = dwfl_module_getsymtab(module);
	struct section section = { 0 };

	table->is_loaded = true;
	for (int i = 1; i < count; i++) {
		GElf_Sym symbol;
		GElf_Addr address;
		GElf_Word index;
		Elf *elf;
		Dwarf_Addr bias;

		const char *const name =
			dwfl_module_getsym_info(module, i, &symbol, &address, &index, &elf, &bias);
		if (name == NULL || name[0] == '\0' || index == SHN_UNDEF || !is_function(&symbol))
			continue;
		look_at_section(&section, elf, index, bias);
		if (!section.is_code)
			continue;
		const uint64_t end = symbol.st_size != 0 ? address + symbol.st_size : section.end;
		if (end <= address)
			continue;
		if (mr_grow(&table->symbols, &table->capacity, table->count + 1, sizeof(*table->symbols)) < 0)
			break;
		table->symbols[table->count++] = (struct mr_symbol){
			.begin = address, .end = end, .name = name, .rank = rank_of(&symbol, name)
		};
	}
	sort_symbols(table);
}

const char *mr_symbol_table_find(struct mr_symbol_table *table, Dwfl_Module *module, uint64_t address)
{
	if (!table->is_loaded)
		load(table, module);

	/* Behind the last one that begins at or before the address. */
	size_t first = 0;
	size_t last = table->count;
	while (first < last) {
		const size_t middle = first + (last - first) / 2;

		if (table->symbols[middle].begin <= address)
			first = middle + 1;
		else
			last = middle;
	}
	while (first-- > 0 && table->symbols[first].reach > address)
		if (table->symbols[first].end > address)
			return table->symbols[first].name;
	return NULL;
}

void mr_symbol_table_release(struct mr_symbol_table *table)
{
	mr_free(table->symbols);
	*table = (struct mr_symbol_table){ 0 };
}
