/* SPDX-License-Identifier: MIT
 *
 * See heap_stacks.h.
 */
#include "heap_stacks.h"

#define IDS_AHEAD 65536u /* an id may be this far beyond twice the number of those that are defined */
#define MODULES_MAX 65536u
#define SLOTS_FIRST 256u

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
	*stacks = (struct mr_heap_stacks){ 0 };
}

static uint64_t pairs_memory(const struct mr_heap_pairs *pairs)
{
	return pairs->capacity * sizeof(*pairs->items) + pairs->slot_count * sizeof(*pairs->slots);
}

uint64_t mr_heap_stacks_memory(const struct mr_heap_stacks *stacks)
{
	return stacks->node_capacity * sizeof(*stacks->nodes) +
	       stacks->module_capacity * sizeof(*stacks->modules) + pairs_memory(&stacks->codes) +
	       pairs_memory(&stacks->stacks);
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

/* ---- What the log says ---------------------------------------------------------------- */

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
		if (node->log_stack) {
			*row = node->log_stack;
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
		node->log_stack = found;
	}
	*row = found;
	return MR_OK;
}
