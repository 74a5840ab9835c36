/* SPDX-License-Identifier: MIT
 *
 * Between the parts of the symbolizer: what finds files (symbolizer_files.c), what
 * knows symbol tables (symbolizer_table.c), what knows DWARF (symbolizer_units.c,
 * symbolizer_scopes.c) and what makes frames of both (symbolizer.c).
 *
 * libdwfl finds and opens files.  Its searches by address go through all symbols,
 * or through a unit's whole tree, for each address, and find no unit that lacks
 * .debug_aranges (clang's, Rust's); so what is searched here is sorted once.
 */
#ifndef MR_SYMBOLIZER_PRIVATE_H
#define MR_SYMBOLIZER_PRIVATE_H

#include <elfutils/libdwfl.h>
#include <sys/stat.h>

#include "symbolizer.h"

/* ---- Symbol tables ------------------------------------------------------------- */

struct mr_symbol {
	uint64_t begin; /* dwfl's addresses */
	uint64_t end;
	uint64_t reach; /* the largest END up to this one */
	const char *name;
	uint32_t rank; /* among those at the same address: more is better */
};

struct mr_symbol_table {
	bool is_loaded;
	size_t count;
	size_t capacity;
	struct mr_symbol *symbols; /* by address, then rank */
};

/* The function that ADDRESS (as dwfl has it) lies in, as the linker calls it; NULL: not known.
 * The table is loaded when it is first asked for; without memory for it nothing is known. */
const char *mr_symbol_table_find(struct mr_symbol_table *table, Dwfl_Module *module, uint64_t address);
void mr_symbol_table_release(struct mr_symbol_table *table);

/* ---- DWARF ----------------------------------------------------------------------- */

struct mr_function {
	uint64_t begin; /* DWARF's addresses */
	uint64_t end;
	uint64_t reach;
	Dwarf_Die die;
};

struct mr_scope { /* a namespace, class or function */
	Dwarf_Die die;
	size_t above; /* number of the one that it stands in: index + 1, or 0 */
};

struct mr_scopes {
	bool is_loaded;
	size_t count;
	size_t capacity;
	struct mr_scope *items; /* in the order of the tree */
};

struct mr_unit {
	Dwarf_Die die;   /* has lines and ranges */
	Dwarf_Die split; /* has the functions: the same, or what lies in a .dwo file */
	int depth;       /* of the functions that are known: enum in symbolizer_units.c */
	size_t function_count;
	size_t function_capacity;
	struct mr_function *functions; /* by address */
	struct mr_scopes scopes;
};

struct mr_unit_range {
	uint64_t begin;
	uint64_t end;
	uint64_t reach;
	size_t unit;
};

struct mr_units {
	size_t count;
	size_t capacity;
	struct mr_unit *units;
	size_t range_count;
	size_t range_capacity;
	struct mr_unit_range *ranges; /* by address */
};

/* Finds the units of DWARF and what they cover.  MR_ERR_NOMEM. */
int mr_units_load(struct mr_units *units, Dwarf *dwarf) MR_MUST_CHECK;
void mr_units_release(struct mr_units *units);
/* The unit that ADDRESS lies in, or NULL. */
struct mr_unit *mr_units_find(struct mr_units *units, uint64_t address);
/* The function of UNIT that ADDRESS lies in, then what is inlined there, from the outside in: writes at
 * most MAX and gives how many there are, 0 when none is known. */
size_t mr_unit_scopes(struct mr_unit *unit, uint64_t address, Dwarf_Die *scopes, size_t max);

/* Moves DIE on; false: there is no other.  In a damaged file siblings may lead back. */
bool mr_units_next_sibling(Dwarf_Die *die);
/* Puts the name of FUNCTION of UNIT into NAME with the namespaces, classes and functions that it stands in;
 * false: it stands in none, or is of no language that has them. */
bool mr_unit_full_name(struct mr_unit *unit, Dwarf_Die *function, struct mr_buffer *name);

/* ---- All of it ------------------------------------------------------------------- */

struct mr_symbolizer_file { /* as it was when it was opened */
	const char *path;   /* NULL: there is none */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct mr_symbolizer {
	Dwfl *dwfl;
	Dwfl_Callbacks callbacks;
	char *debug_path;
	Dwfl_Module *module;
	Dwarf_Addr bias;       /* offset + bias is what dwfl has as address */
	Dwarf_Addr dwarf_bias; /* and less this, what DWARF has */
	uint64_t inflated_max; /* bytes of compressed sections that it may have */
	bool is_refused;       /* it has more */
	struct mr_symbolizer_file code_file;
	struct mr_symbolizer_file debug_file; /* where it is another one */
	struct mr_symbol_table table;
	struct mr_units units;
	struct mr_buffer full_name;
	struct mr_buffer function; /* texts of the frame at hand */
	struct mr_buffer file;
};

/* Finds and opens the module; as mr_symbolizer_open(). */
int mr_symbolizer_find(struct mr_symbolizer *symbolizer, const char *path, const char *build_id, int fd,
                       struct mr_error *err) MR_MUST_CHECK;
/* Bytes that compressed sections of ELF have once they are inflated. */
uint64_t mr_symbolizer_inflated(Elf *elf);
/* Notes which files it is that the module was opened from. */
void mr_symbolizer_note_files(struct mr_symbolizer *symbolizer);
/* Folders with debugging information, ':' between them. */
const char *mr_symbolizer_debug_path(void);
/* dwfl's callback: a descriptor of the file with the debugging information, or -1. */
int mr_symbolizer_find_debuginfo(Dwfl_Module *module, void **userdata, const char *module_name,
                                 Dwarf_Addr base, const char *file_name, const char *link, GElf_Word crc,
                                 char **debuginfo_name);
int mr_symbolizer_find_elf(Dwfl_Module *module, void **userdata, const char *module_name, Dwarf_Addr base,
                           char **file_name, Elf **elf);

#endif
