/* SPDX-License-Identifier: MIT
 *
 * Function, file, line and inlined frames of an address of a module, by elfutils.
 */
#include "symbolizer.h"

#include <dwarf.h>
#include <stdlib.h>

#include "symbolizer_private.h"

#define INLINED_MAX 64 /* frames of one place */

/* Opens what the module at hand has of code and debugging information. */
static int open_parts(struct mr_symbolizer *opened, const char *path, struct mr_error *err)
{
	void **userdata;
	Elf *const elf = dwfl_module_getelf(opened->module, &opened->bias);

	MR_FAIL_IF(elf == NULL, err, MR_ERR_READ, "%s: is no program or library", path);
	(void)dwfl_module_info(opened->module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = opened;
	opened->is_refused = mr_symbolizer_inflated(elf) > opened->inflated_max;
	Dwarf *const dwarf =
		opened->is_refused ? NULL : dwfl_module_getdwarf(opened->module, &opened->dwarf_bias);
	MR_FAIL_IF(opened->is_refused, err, MR_ERR_LIMIT, "%s: has too much debugging information", path);
	MR_FAIL_IF(dwarf != NULL && mr_units_load(&opened->units, dwarf) < 0, err, MR_ERR_NOMEM,
	           "out of memory for '%s'", path);
	return 0;
}

int mr_symbolizer_open(struct mr_symbolizer **symbolizer, const char *path, const char *build_id, int fd,
                       struct mr_error *err)
{
	return mr_symbolizer_open_within(symbolizer, path, build_id, fd, UINT64_MAX, err);
}

int mr_symbolizer_open_within(struct mr_symbolizer **symbolizer, const char *path, const char *build_id,
                              int fd, uint64_t inflated_max, struct mr_error *err)
{
	struct mr_symbolizer *const opened = mr_alloc(sizeof(*opened));

	MR_FAIL_IF(opened == NULL, err, MR_ERR_NOMEM, "out of memory for '%s'", path);
	opened->callbacks = (Dwfl_Callbacks){
		.find_elf = mr_symbolizer_find_elf,
		.find_debuginfo = mr_symbolizer_find_debuginfo,
		.section_address = dwfl_offline_section_address,
		.debuginfo_path = &opened->debug_path,
	};
	opened->inflated_max = inflated_max;
	opened->debug_path = strdup(mr_symbolizer_debug_path());
	opened->dwfl = opened->debug_path != NULL ? dwfl_begin(&opened->callbacks) : NULL;
	int code = opened->dwfl != NULL ? mr_symbolizer_find(opened, path, build_id, fd, err)
	                                : mr_fail(err, MR_ERR_NOMEM, "out of memory for '%s'", path);
	if (code == 0)
		code = open_parts(opened, path, err);
	if (code < 0) {
		mr_symbolizer_close(opened);
		return code;
	}
	mr_symbolizer_note_files(opened);
	*symbolizer = opened;
	return 0;
}

void mr_symbolizer_close(struct mr_symbolizer *symbolizer)
{
	if (symbolizer == NULL)
		return;
	mr_symbol_table_release(&symbolizer->table);
	mr_units_release(&symbolizer->units);
	if (symbolizer->dwfl != NULL)
		dwfl_end(symbolizer->dwfl);
	free(symbolizer->debug_path);
	mr_buffer_release(&symbolizer->full_name);
	mr_buffer_release(&symbolizer->function);
	mr_buffer_release(&symbolizer->file);
	mr_free(symbolizer);
}

bool mr_symbolizer_has_lines(const struct mr_symbolizer *symbolizer)
{
	return symbolizer->units.range_count > 0;
}

/* ---- Telling a frame -------------------------------------------------------------- */

/* A position in the source while frames are told from the inside out. */
struct position {
	const char *file;      /* NULL: unknown */
	const char *directory; /* what a relative FILE counts from; may be NULL */
	int line;
};

/* Puts FILE into TEXT as it is shown. */
static void show_file(struct mr_buffer *text, const struct position *position)
{
	const char *const home = getenv("HOME");
	const size_t home_len = home != NULL ? strlen(home) : 0;

	mr_buffer_clear(text);
	if (position->file != NULL) {
		const char *file = position->file;

		while (file[0] == '.' && file[1] == '/')
			file += 2;
		if (file[0] != '/' && position->directory != NULL && strcmp(position->directory, ".") != 0)
			mr_buffer_printf(text, "%s/", position->directory);
		mr_buffer_append(text, file, strlen(file));
	}
	mr_buffer_put_u8(text, 0);
	if (!text->failed && home_len > 1 && text->len > home_len &&
	    memcmp(text->data, home, home_len) == 0 && text->data[home_len] == '/') {
		memmove(text->data + 1, text->data + home_len, text->len - home_len);
		text->data[0] = '~';
		text->len -= home_len - 1;
	}
}

/* What is told to whom. */
struct teller {
	mr_symbolizer_visit *visit;
	void *context;
	struct mr_error *err;
};

static int tell(struct mr_symbolizer *symbolizer, const struct teller *teller, uint32_t depth,
                const char *function, const struct position *position)
{
	mr_buffer_clear(&symbolizer->function);
	if (function != NULL)
		mr_demangle(&symbolizer->function, function);
	mr_buffer_put_u8(&symbolizer->function, 0);
	show_file(&symbolizer->file, position);
	MR_TRY(mr_buffer_status(&symbolizer->function, teller->err));
	MR_TRY(mr_buffer_status(&symbolizer->file, teller->err));

	const struct mr_named named = {
		.function = (const char *)symbolizer->function.data,
		.file = (const char *)symbolizer->file.data,
		.line = position->line > 0 ? (uint32_t)position->line : 0,
	};
	return teller->visit(teller->context, depth, &named, teller->err);
}

/* ---- Frames of a place -------------------------------------------------------------- */

/* The linker's name of a function's DIE, which says parameters too, or NULL. */
static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) != NULL ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute) != NULL)
		return dwarf_formstring(&attribute);
	return NULL;
}

/* A function's name.  Where debugging information is sparing only the symbol table has parameters and
 * namespaces; it knows the outermost function, SYMBOL, or NULL. */
static const char *function_name(struct mr_symbolizer *symbolizer, struct mr_unit *unit, Dwarf_Die *die,
                                 const char *symbol)
{
	const char *const linkage = linkage_name(die);
	const bool is_mangled = symbol != NULL && symbol[0] == '_' && (symbol[1] == 'Z' || symbol[1] == 'R');

	if (linkage != NULL)
		return linkage;
	if (is_mangled)
		return symbol;
	if (mr_unit_full_name(unit, die, &symbolizer->full_name))
		return (const char *)symbolizer->full_name.data;
	const char *const name = dwarf_diename(die);
	return name != NULL ? name : symbol;
}

/* Where the inlined function DIE was called. */
static struct position call_position(Dwarf_Die *unit, Dwarf_Die *die, const char *directory)
{
	struct position position = { .directory = directory };
	Dwarf_Attribute attribute;
	Dwarf_Files *files;
	size_t file_count;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &value) == 0 && value <= INT32_MAX)
		position.line = (int)value;
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &value) == 0 &&
	    dwarf_getsrcfiles(unit, &files, &file_count) == 0 && value < file_count)
		position.file = dwarf_filesrc(files, value, NULL, NULL);
	return position;
}

/* Where the code at ADDRESS comes from. */
static struct position line_position(struct mr_unit *unit, uint64_t address, const char *directory)
{
	struct position position = { .directory = directory };
	Dwarf_Line *const line = dwarf_getsrc_die(&unit->die, address);

	if (line != NULL) {
		position.file = dwarf_linesrc(line, NULL, NULL);
		if (dwarf_lineno(line, &position.line) != 0)
			position.line = 0;
	}
	return position;
}

/* Tells the frames at ADDRESS (as DWARF has it) of UNIT; gives their number. */
static int name_in_unit(struct mr_symbolizer *symbolizer, const struct teller *teller, struct mr_unit *unit,
                        uint64_t address, const char *symbol)
{
	Dwarf_Attribute attribute;
	Dwarf_Die scopes[INLINED_MAX];
	const char *const directory = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_comp_dir, &attribute));
	struct position position = line_position(unit, address, directory);
	const size_t count = mr_unit_scopes(unit, address, scopes, INLINED_MAX);
	uint32_t depth = 0;

	for (size_t i = count; i-- > 0;) {
		MR_TRY(tell(symbolizer, teller, depth++,
		            function_name(symbolizer, unit, &scopes[i], i == 0 ? symbol : NULL), &position));
		if (i > 0)
			position = call_position(&unit->split, &scopes[i], directory);
	}
	if (count > 0 || (position.file == NULL && symbol == NULL))
		return (int)count;
	MR_TRY(tell(symbolizer, teller, 0, symbol, &position));
	return 1;
}

int mr_symbolizer_name(struct mr_symbolizer *symbolizer, uint64_t offset, mr_symbolizer_visit *visit,
                       void *context, struct mr_error *err)
{
	const struct teller teller = { visit, context, err };
	const struct position nowhere = { 0 };
	const Dwarf_Addr address = offset + symbolizer->bias;

	struct mr_unit *const unit = mr_units_find(&symbolizer->units, address - symbolizer->dwarf_bias);
	const char *const symbol = mr_symbol_table_find(&symbolizer->table, symbolizer->module, address);
	if (unit != NULL)
		return name_in_unit(symbolizer, &teller, unit, address - symbolizer->dwarf_bias, symbol);
	if (symbol == NULL)
		return 0;
	MR_TRY(tell(symbolizer, &teller, 0, symbol, &nowhere));
	return 1;
}
