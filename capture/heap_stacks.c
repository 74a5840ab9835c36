/* SPDX-License-Identifier: MIT
 *
 * See heap_stacks.h.
 */
#include "heap_stacks.h"

#include <stdlib.h>

#define IDS_AHEAD 65536u /* an id may be this far beyond twice the number of those that are defined */
#define MODULES_MAX 65536u
#define SLOTS_FIRST 256u
#define WANTED UINT32_MAX /* in the place of a number */

void mr_heap_stacks_release(struct mr_heap_stacks *stacks)
{
	for (size_t i = 0; i < stacks->module_count; i++) {
		mr_free(stacks->modules[i].path);
		mr_free(stacks->modules[i].build_id);
	}
	mr_free(stacks->modules);
	mr_free(stacks->nodes);
	mr_free(stacks->codes.items);
	mr_free(stacks->codes.slots);
	mr_free(stacks->stacks.items);
	mr_free(stacks->stacks.slots);
	mr_free(stacks->code_numbers.of);
	mr_free(stacks->code_numbers.pairs);
	mr_free(stacks->stack_numbers.of);
	mr_free(stacks->stack_numbers.pairs);
	*stacks = (struct mr_heap_stacks){ 0 };
}

static uint64_t pairs_memory(const struct mr_heap_pairs *pairs)
{
	return pairs->capacity * sizeof(*pairs->items) + pairs->slot_count * sizeof(*pairs->slots);
}

static uint64_t numbers_memory(const struct mr_heap_numbers *numbers)
{
	return (numbers->of_capacity + numbers->capacity) * sizeof(uint32_t);
}

uint64_t mr_heap_stacks_memory(const struct mr_heap_stacks *stacks)
{
	return stacks->node_capacity * sizeof(*stacks->nodes) +
	       stacks->module_capacity * sizeof(*stacks->modules) + pairs_memory(&stacks->codes) +
	       pairs_memory(&stacks->stacks) + numbers_memory(&stacks->code_numbers) +
	       numbers_memory(&stacks->stack_numbers);
}

/* ---- Pairs ------------------------------------------------------------------------- */

static size_t pair_slot(const struct mr_heap_pairs *pairs, uint64_t first, uint64_t second)
{
	const uint64_t mixed = (first * UINT64_C(0x9e3779b97f4a7c15) ^ second) * UINT64_C(0xd6e8feb86659fd93);
	size_t at = (size_t)(mixed >> 32) & (pairs->slot_count - 1);

	for (; pairs->slots[at]; at = (at + 1) & (pairs->slot_count - 1)) {
		const struct mr_heap_pair *const pair = &pairs->items[pairs->slots[at] - 1];

		if (pair->first == first && pair->second == second)
			break;
	}
	return at;
}

static int pairs_grow(struct mr_heap_pairs *pairs)
{
	const size_t count = pairs->slot_count ? 2 * pairs->slot_count : SLOTS_FIRST;
	uint32_t *const slots = mr_alloc(count * sizeof(*slots));

	if (!slots)
		return MR_ERR_NOMEM;
	mr_free(pairs->slots);
	pairs->slots = slots;
	pairs->slot_count = count;
	for (size_t i = 0; i < pairs->count; i++)
		slots[pair_slot(pairs, pairs->items[i].first, pairs->items[i].second)] = (uint32_t)i + 1;
	return MR_OK;
}

static int pairs_find(struct mr_heap_pairs *pairs, uint64_t first, uint64_t second, uint32_t *number)
{
	if (pairs->count * 2 >= pairs->slot_count)
		MR_TRY(pairs_grow(pairs));
	const size_t slot = pair_slot(pairs, first, second);

	if (!pairs->slots[slot]) {
		if (pairs->count >= UINT32_MAX - 1)
			return MR_ERR_NOMEM;
		MR_TRY(mr_grow(&pairs->items, &pairs->capacity, pairs->count + 1, sizeof(*pairs->items)));
		pairs->items[pairs->count++] = (struct mr_heap_pair){ first, second };
		pairs->slots[slot] = (uint32_t)pairs->count;
	}
	*number = pairs->slots[slot];
	return MR_OK;
}

/* ---- What the interposer says -------------------------------------------------------- */

struct mr_heap_node *mr_heap_stacks_node(struct mr_heap_stacks *stacks, uint32_t id)
{
	const size_t count = stacks->node_count;

	if (id == 0)
		return NULL;
	if (MR_UNLIKELY(id >= count)) {
		if (id > 2 * stacks->defined + IDS_AHEAD ||
		    mr_grow(&stacks->nodes, &stacks->node_capacity, (size_t)id + 1, sizeof(*stacks->nodes)) <
		            0)
			return NULL;
		memset(stacks->nodes + count, 0, ((size_t)id + 1 - count) * sizeof(*stacks->nodes));
		stacks->node_count = (size_t)id + 1;
	}
	return &stacks->nodes[id];
}

int mr_heap_stacks_define(struct mr_heap_stacks *stacks, const struct mr_heap_stack *record)
{
	struct mr_heap_node *const node = mr_heap_stacks_node(stacks, record->id);

	if (!node || record->return_address == 0 || record->parent == record->id)
		return MR_ERR_FORMAT;
	if (node->return_address) /* said twice */
		return MR_OK;
	node->return_address = record->return_address;
	node->parent = record->parent;
	node->module = record->module;
	stacks->defined++;
	return MR_OK;
}

static char *copy(const char *text, size_t len)
{
	char *const made = mr_alloc(len + 1);

	if (made)
		memcpy(made, text, len);
	return made;
}

static char *hexadecimal(const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *const made = mr_alloc(2 * len + 1);

	for (size_t i = 0; made && i < len; i++) {
		made[2 * i] = digits[bytes[i] >> 4];
		made[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	return made;
}

int mr_heap_stacks_module(struct mr_heap_stacks *stacks, const struct mr_heap_module *record,
                          const char *path, size_t path_len, const uint8_t *build_id, size_t build_id_len)
{
	const size_t count = stacks->module_count;
	const uint32_t id = record->id;

	if (id == 0 || id >= MODULES_MAX)
		return MR_ERR_FORMAT;
	if (id >= count) {
		MR_TRY(mr_grow(&stacks->modules, &stacks->module_capacity, (size_t)id + 1,
		               sizeof(*stacks->modules)));
		memset(stacks->modules + count, 0, (id + 1 - count) * sizeof(*stacks->modules));
		stacks->module_count = (size_t)id + 1;
	}
	struct mr_heap_module_known *const module = &stacks->modules[id];

	if (module->path) /* said twice */
		return MR_OK;
	module->build_id = hexadecimal(build_id, build_id_len);
	if (!module->build_id)
		return MR_ERR_NOMEM;
	module->path = copy(path, path_len);
	if (!module->path) {
		mr_free(module->build_id);
		module->build_id = NULL;
		return MR_ERR_NOMEM;
	}
	module->base = record->base;
	return MR_OK;
}

/* ---- Rows -------------------------------------------------------------------------- */

/* Nodes from ID outward, up to one that has a row; false: one of them is not defined. */
static bool climb(const struct mr_heap_stacks *stacks, uint32_t id, uint32_t *chain, size_t *len,
                  uint32_t *row)
{
	*len = 0;
	*row = 0;
	while (id && *len < MR_HEAP_DEPTH_MAX) {
		const struct mr_heap_node *const node = id < stacks->node_count ? &stacks->nodes[id] : NULL;

		if (!node || !node->return_address)
			return false;
		if (node->row) {
			*row = node->row;
			return true;
		}
		chain[(*len)++] = id;
		id = node->parent;
	}
	return true; /* deeper ones (the parents may go in a circle) are cut */
}

int mr_heap_stacks_row(struct mr_heap_stacks *stacks, uint32_t id, uint32_t *row)
{
	uint32_t chain[MR_HEAP_DEPTH_MAX];
	size_t len;
	uint32_t found;

	*row = 0;
	if (!climb(stacks, id, chain, &len, &found))
		return MR_OK;
	while (len > 0) {
		struct mr_heap_node *const node = &stacks->nodes[chain[--len]];
		const bool has_module =
			node->module < stacks->module_count && stacks->modules[node->module].path;
		uint32_t code;

		MR_TRY(pairs_find(&stacks->codes, has_module ? node->module : 0, node->return_address,
		                  &code));
		MR_TRY(pairs_find(&stacks->stacks, found, code, &found));
		node->row = found;
	}
	*row = found;
	return MR_OK;
}

const char *mr_heap_named_text(enum mr_heap_named name)
{
	return name == MR_HEAP_NAMED_FOLDED ? "(smaller ones)" : "(held nothing then)";
}

int mr_heap_stacks_named_row(struct mr_heap_stacks *stacks, uint32_t caller, enum mr_heap_named name,
                             uint32_t *row)
{
	uint32_t code;

	MR_TRY(pairs_find(&stacks->codes, MR_HEAP_NAMED, name, &code));
	return pairs_find(&stacks->stacks, caller, code, row);
}

/* ---- Numbers in the log -------------------------------------------------------------- */

/* Room for the numbers of PAIRS. */
static int numbers_reserve(struct mr_heap_numbers *numbers, const struct mr_heap_pairs *pairs)
{
	const size_t before = numbers->of_count;

	if (before >= pairs->count)
		return MR_OK;
	MR_TRY(mr_grow(&numbers->of, &numbers->of_capacity, pairs->count, sizeof(*numbers->of)));
	memset(numbers->of + before, 0, (pairs->count - before) * sizeof(*numbers->of));
	numbers->of_count = pairs->count;
	return MR_OK;
}

int mr_heap_stacks_want(struct mr_heap_stacks *stacks, uint32_t row)
{
	MR_TRY(numbers_reserve(&stacks->stack_numbers, &stacks->stacks));
	while (row && stacks->stack_numbers.of[row - 1] == 0) {
		stacks->stack_numbers.of[row - 1] = WANTED;
		row = (uint32_t)stacks->stacks.items[row - 1].first;
	}
	return MR_OK;
}

/* Gives numbers to the rows that are wanted.  A row and all beneath it have numbers that follow each
 * other: SPANS, by row, counts them first, and then says which one the next of its children gets. */
static size_t number_rows(struct mr_heap_stacks *stacks, uint32_t *spans)
{
	const struct mr_heap_pair *const rows = stacks->stacks.items;
	uint32_t *const of = stacks->stack_numbers.of;
	const size_t before = stacks->stack_numbers.count;
	size_t next = before + 1;

	for (size_t i = stacks->stacks.count; i-- > 0;) {
		if (of[i] != WANTED)
			continue;
		const size_t parent = (size_t)rows[i].first;

		spans[i]++;
		if (parent && of[parent - 1] == WANTED)
			spans[parent - 1] += spans[i];
	}
	for (size_t i = 0; i < stacks->stacks.count; i++) {
		if (of[i] != WANTED)
			continue;
		const size_t parent = (size_t)rows[i].first;
		const uint32_t span = spans[i];

		if (parent && of[parent - 1] > before) {
			of[i] = spans[parent - 1];
			spans[parent - 1] += span;
		} else {
			of[i] = (uint32_t)next;
			next += span;
		}
		spans[i] = of[i] + 1;
	}
	return next - 1 - before;
}

static int compare_codes(const void *left, const void *right, void *context)
{
	const struct mr_heap_pair *const codes = context;
	const struct mr_heap_pair *const a = &codes[*(const uint32_t *)left - 1];
	const struct mr_heap_pair *const b = &codes[*(const uint32_t *)right - 1];

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return a->second < b->second ? -1 : a->second > b->second;
}

/* Gives numbers to the codes of rows that have theirs since BEFORE, in the order of their addresses. */
static int number_codes(struct mr_heap_stacks *stacks, size_t before)
{
	struct mr_heap_numbers *const codes = &stacks->code_numbers;
	const size_t first = codes->count;

	MR_TRY(numbers_reserve(codes, &stacks->codes));
	for (size_t i = before; i < stacks->stack_numbers.count; i++) {
		const uint32_t row = stacks->stack_numbers.pairs[i];
		const uint32_t code = (uint32_t)stacks->stacks.items[row - 1].second;

		if (codes->of[code - 1])
			continue;
		MR_TRY(mr_grow(&codes->pairs, &codes->capacity, codes->count + 1, sizeof(*codes->pairs)));
		codes->of[code - 1] = WANTED;
		codes->pairs[codes->count++] = code;
	}
	if (codes->count > first)
		qsort_r(codes->pairs + first, codes->count - first, sizeof(*codes->pairs), compare_codes,
		        stacks->codes.items);
	for (size_t i = first; i < codes->count; i++)
		codes->of[codes->pairs[i] - 1] = (uint32_t)i + 1;
	return MR_OK;
}

int mr_heap_stacks_number(struct mr_heap_stacks *stacks)
{
	struct mr_heap_numbers *const numbers = &stacks->stack_numbers;
	const size_t before = numbers->count;

	if (stacks->stacks.count == 0)
		return MR_OK;
	MR_TRY(numbers_reserve(numbers, &stacks->stacks));
	uint32_t *const spans = mr_alloc(stacks->stacks.count * sizeof(*spans));

	if (!spans)
		return MR_ERR_NOMEM;
	const size_t added = number_rows(stacks, spans);

	mr_free(spans);
	if (added == 0)
		return MR_OK;
	MR_TRY(mr_grow(&numbers->pairs, &numbers->capacity, before + added, sizeof(*numbers->pairs)));
	numbers->count = before + added;
	for (size_t i = 0; i < stacks->stacks.count; i++)
		if (numbers->of[i] > before)
			numbers->pairs[numbers->of[i] - 1] = (uint32_t)i + 1;
	return number_codes(stacks, before);
}
