/* SPDX-License-Identifier: MIT
 *
 * Names of functions of C++ that the linker does not know, and so have no mangled
 * name: what gcc inlines from anonymous namespaces, and lambdas.  Their full names
 * are put together from the namespaces, classes and functions that they stand in; a
 * unit's tree is gone through once, when it is first asked for.
 */
#include <dwarf.h>

#include "symbolizer_private.h"

#define NESTED_MAX 64 /* levels; more is a damaged file */
#define REFERENCES_MAX 8

static bool is_scope(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_class_type || tag == DW_TAG_structure_type ||
	       tag == DW_TAG_union_type || tag == DW_TAG_subprogram;
}

/* Notes the scopes below PARENT, whose own note is number ABOVE (0: none). */
static int note_scopes(struct mr_scopes *scopes, Dwarf_Die *parent, size_t above, unsigned level)
{
	Dwarf_Die die;

	if (level > NESTED_MAX || dwarf_child(parent, &die) != 0)
		return 0;
	do {
		const int tag = dwarf_tag(&die);
		size_t number = above;

		if (is_scope(tag)) {
			if (mr_grow(&scopes->items, &scopes->capacity, scopes->count + 1,
			            sizeof(*scopes->items)) < 0)
				return MR_ERR_NOMEM;
			scopes->items[scopes->count++] = (struct mr_scope){ die, above };
			number = scopes->count;
		}
		if (is_scope(tag) || tag == DW_TAG_lexical_block)
			MR_TRY(note_scopes(scopes, &die, number, level + 1));
	} while (mr_units_next_sibling(&die));
	return 0;
}

/* The number of the note of DIE, or 0.  Notes are in the order of the tree, which is that of addresses. */
static size_t find_scope(const struct mr_scopes *scopes, const Dwarf_Die *die)
{
	size_t first = 0;
	size_t last = scopes->count;

	while (first < last) {
		const size_t middle = first + (last - first) / 2;

		if ((const char *)scopes->items[middle].die.addr < (const char *)die->addr)
			first = middle + 1;
		else
			last = middle;
	}
	return first < scopes->count && scopes->items[first].die.addr == die->addr ? first + 1 : 0;
}

/* Where a function is declared: inlined code refers to the function, a definition to its declaration. */
static Dwarf_Die declaration(Dwarf_Die *function)
{
	Dwarf_Die die = *function;

	for (int i = 0; i < REFERENCES_MAX; i++) {
		Dwarf_Attribute attribute;
		Dwarf_Die next;

		if (dwarf_attr(&die, DW_AT_abstract_origin, &attribute) == NULL &&
		    dwarf_attr(&die, DW_AT_specification, &attribute) == NULL)
			break;
		if (dwarf_formref_die(&attribute, &next) == NULL)
			break;
		die = next;
	}
	return die;
}

static bool is_cpp(struct mr_unit *unit)
{
	switch (dwarf_srclang(&unit->split)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case 0x2b: /* 17 and 20, which came after DWARF 5 */
	case 0x2c:
		return true;
	default:
		return false;
	}
}

/* What a scope adds to the name of INNER, which stands in it. */
static const char *part_of(Dwarf_Die *scope, const char *inner)
{
	const char *const part = dwarf_diename(scope);

	if (part != NULL)
		return part;
	if (dwarf_tag(scope) == DW_TAG_namespace)
		return "(anonymous namespace)";
	return strcmp(inner, "operator()") == 0 ? "{lambda}" : "(unnamed)";
}

bool mr_unit_full_name(struct mr_unit *unit, Dwarf_Die *function, struct mr_buffer *name)
{
	const char *parts[NESTED_MAX];
	size_t count = 0;
	Dwarf_Die die = declaration(function);

	if (die.cu != unit->split.cu || !is_cpp(unit))
		return false;
	if (!unit->scopes.is_loaded) {
		unit->scopes.is_loaded = true;
		if (note_scopes(&unit->scopes, &unit->split, 0, 0) < 0)
			unit->scopes.count = 0;
	}
	for (size_t number = find_scope(&unit->scopes, &die); number != 0 && count < NESTED_MAX;) {
		/* A function that is defined elsewhere stands where it is declared. */
		Dwarf_Die declared = declaration(&unit->scopes.items[number - 1].die);
		const size_t stands = find_scope(&unit->scopes, &declared);

		parts[count] = part_of(&declared, count > 0 ? parts[count - 1] : "");
		count++;
		number = unit->scopes.items[(stands != 0 ? stands : number) - 1].above;
	}
	mr_buffer_clear(name);
	for (size_t i = count; i-- > 0;)
		mr_buffer_printf(name, "%s%s", parts[i], i > 0 ? "::" : "");
	mr_buffer_put_u8(name, 0);
	return count > 1 && !name->failed;
}
