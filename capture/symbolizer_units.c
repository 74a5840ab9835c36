/* SPDX-License-Identifier: MIT
 *
 * Which unit, which function and what that is inlined an address lies in.  A unit's
 * functions are sorted when the unit is first asked for.
 */
#include <dwarf.h>
#include <stdlib.h>

#include "symbolizer_private.h"

/* How deep a unit's tree has been searched for functions. */
enum { DEPTH_NONE, DEPTH_NAMESPACES, DEPTH_ALL, DEPTH_FAILED };

#define NESTED_MAX 200 /* levels of a tree; more is a damaged file */
/* Linkers give what they threw away this address, or the one behind it. */
#define DISCARDED_MAX 1

/* ---- Ranges, sorted ----------------------------------------------------------------- */

/* What units' ranges and functions have in common: they begin with it. */
struct range {
	uint64_t begin;
	uint64_t end;
	uint64_t reach; /* the largest END up to this one */
};

_Static_assert(offsetof(struct mr_function, reach) == offsetof(struct range, reach), "begins with a range");
_Static_assert(offsetof(struct mr_unit_range, reach) == offsetof(struct range, reach), "begins with a range");

static int compare_ranges(const void *left, const void *right)
{
	const struct range *const a = left;
	const struct range *const b = right;

	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	return a->end > b->end ? -1 : a->end < b->end; /* the inner one is found first */
}

static struct range *range_at(void *ranges, size_t size, size_t index)
{
	return (struct range *)(void *)((char *)ranges + index * size);
}

static void sort_ranges(void *ranges, size_t count, size_t size)
{
	uint64_t reach = 0;

	if (count > 0)
		qsort(ranges, count, size, compare_ranges);
	for (size_t i = 0; i < count; i++) {
		struct range *const range = range_at(ranges, size, i);

		reach = range->end > reach ? range->end : reach;
		range->reach = reach;
	}
}

static void *find_range(void *ranges, size_t count, size_t size, uint64_t address)
{
	size_t first = 0;
	size_t last = count;

	while (first < last) {
		const size_t middle = first + (last - first) / 2;

		if (range_at(ranges, size, middle)->begin <= address)
			first = middle + 1;
		else
			last = middle;
	}
	while (first-- > 0 && range_at(ranges, size, first)->reach > address)
		if (range_at(ranges, size, first)->end > address)
			return range_at(ranges, size, first);
	return NULL;
}

/* ---- Units --------------------------------------------------------------------------- */

static int add_unit(struct mr_units *units, Dwarf_Die *die)
{
	Dwarf_Addr base, begin, end;
	ptrdiff_t at = 0;

	if (mr_grow(&units->units, &units->capacity, units->count + 1, sizeof(*units->units)) < 0)
		return MR_ERR_NOMEM;
	units->units[units->count++] = (struct mr_unit){ .die = *die, .split = *die };
	while ((at = dwarf_ranges(die, at, &base, &begin, &end)) > 0) {
		if (begin <= DISCARDED_MAX || end <= begin)
			continue;
		if (mr_grow(&units->ranges, &units->range_capacity, units->range_count + 1,
		            sizeof(*units->ranges)) < 0)
			return MR_ERR_NOMEM;
		units->ranges[units->range_count++] =
			(struct mr_unit_range){ begin, end, 0, units->count - 1 };
	}
	return 0;
}

int mr_units_load(struct mr_units *units, Dwarf *dwarf)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	uint8_t type;

	while (dwarf_get_units(dwarf, unit, &unit, NULL, &type, &die, NULL) == 0)
		if (type == DW_UT_compile || type == DW_UT_skeleton)
			MR_TRY(add_unit(units, &die));
	sort_ranges(units->ranges, units->range_count, sizeof(*units->ranges));
	return 0;
}

void mr_units_release(struct mr_units *units)
{
	for (size_t i = 0; i < units->count; i++) {
		mr_free(units->units[i].functions);
		mr_free(units->units[i].scopes.items);
	}
	mr_free(units->units);
	mr_free(units->ranges);
	*units = (struct mr_units){ 0 };
}

struct mr_unit *mr_units_find(struct mr_units *units, uint64_t address)
{
	const struct mr_unit_range *const range =
		find_range(units->ranges, units->range_count, sizeof(*units->ranges), address);

	return range != NULL ? &units->units[range->unit] : NULL;
}

/* ---- Functions ------------------------------------------------------------------------ */

bool mr_units_next_sibling(Dwarf_Die *die)
{
	Dwarf_Die next;

	if (dwarf_siblingof(die, &next) != 0 || (const char *)next.addr <= (const char *)die->addr)
		return false;
	*die = next;
	return true;
}

static int add_function(struct mr_unit *unit, Dwarf_Die *die)
{
	Dwarf_Addr base, begin, end;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &begin, &end)) > 0) {
		if (begin <= DISCARDED_MAX || end <= begin)
			continue;
		if (mr_grow(&unit->functions, &unit->function_capacity, unit->function_count + 1,
		            sizeof(*unit->functions)) < 0)
			return MR_ERR_NOMEM;
		unit->functions[unit->function_count++] = (struct mr_function){ begin, end, 0, *die };
	}
	return 0;
}

static bool may_hold_functions(int tag, int depth)
{
	if (tag == DW_TAG_namespace || tag == DW_TAG_module)
		return true;
	if (depth != DEPTH_ALL)
		return false;
	return tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static int add_functions(struct mr_unit *unit, Dwarf_Die *parent, int depth, unsigned level)
{
	Dwarf_Die die;

	if (level > NESTED_MAX || dwarf_child(parent, &die) != 0)
		return 0;
	do {
		const int tag = dwarf_tag(&die);

		if (tag == DW_TAG_subprogram)
			MR_TRY(add_function(unit, &die));
		if (may_hold_functions(tag, depth))
			MR_TRY(add_functions(unit, &die, depth, level + 1));
	} while (mr_units_next_sibling(&die));
	return 0;
}

/* As a rule functions stand at the top or in namespaces; all of the tree takes much longer. */
static bool search_deeper(struct mr_unit *unit)
{
	if (unit->depth >= DEPTH_ALL)
		return false;
	if (unit->depth == DEPTH_NONE) {
		Dwarf_Die split;

		if (dwarf_cu_info(unit->die.cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) == 0 &&
		    dwarf_tag(&split) == DW_TAG_compile_unit)
			unit->split = split;
	}
	unit->depth++;
	unit->function_count = 0;
	if (add_functions(unit, &unit->split, unit->depth, 0) < 0) {
		unit->depth = DEPTH_FAILED;
		unit->function_count = 0;
	}
	sort_ranges(unit->functions, unit->function_count, sizeof(*unit->functions));
	return true;
}

/* The child of PARENT that ADDRESS lies in, if that is a block or inlined code. */
static bool enter(Dwarf_Die *parent, uint64_t address, Dwarf_Die *inner)
{
	Dwarf_Die die;

	if (dwarf_child(parent, &die) != 0)
		return false;
	do {
		const int tag = dwarf_tag(&die);

		if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine ||
		     tag == DW_TAG_try_block || tag == DW_TAG_catch_block) &&
		    dwarf_haspc(&die, address) > 0) {
			*inner = die;
			return true;
		}
	} while (mr_units_next_sibling(&die));
	return false;
}

size_t mr_unit_scopes(struct mr_unit *unit, uint64_t address, Dwarf_Die *scopes, size_t max)
{
	const struct mr_function *function = NULL;
	size_t count = 0;

	do {
		function =
			find_range(unit->functions, unit->function_count, sizeof(*unit->functions), address);
	} while (function == NULL && search_deeper(unit));
	if (function == NULL || max == 0)
		return 0;

	Dwarf_Die die = function->die;
	scopes[count++] = die;
	for (unsigned level = 0; level < NESTED_MAX && count < max && enter(&die, address, &die); level++)
		if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
			scopes[count++] = die;
	return count;
}
