/* SPDX-License-Identifier: MIT
 *
 * Which places in the code want names, see heap_image.h: while the program runs
 * those of all call stacks that have come, since nearly all of them will be in the
 * log; at the end those that are.
 */
#include "heap_image.h"

/* Gives *NUMBER of module ID where names are asked for. */
static int number_of_module(struct mr_heap_image *image, uint32_t id, uint32_t *number, struct mr_error *err)
{
	const struct mr_heap_module_known *const module = &image->stacks.modules[id];
	const size_t count = image->module_number_count;

	if (id >= count) {
		MR_FAIL_IF(mr_grow(&image->module_numbers, &image->module_number_capacity, (size_t)id + 1,
		                   sizeof(*image->module_numbers)) < 0,
		           err, MR_ERR_NOMEM, "out of memory for names");
		memset(image->module_numbers + count, 0, (id + 1 - count) * sizeof(*image->module_numbers));
		image->module_number_count = (size_t)id + 1;
	}
	if (image->module_numbers[id] == 0) {
		MR_TRY(mr_heap_symbols_module(image->common->symbols, module->path, module->build_id,
		                              image->pid, number, err));
		image->module_numbers[id] = *number + 1;
	}
	*number = image->module_numbers[id] - 1;
	return 0;
}

void mr_heap_naming_foresee(struct mr_heap_image *image)
{
	const struct mr_heap_stacks *const stacks = &image->stacks;

	for (; image->nodes_foreseen < stacks->node_count; image->nodes_foreseen++) {
		const struct mr_heap_node *const node = &stacks->nodes[image->nodes_foreseen];
		const uint32_t id = node->module;
		uint32_t number;

		if (!node->return_address || id >= stacks->module_count || !stacks->modules[id].path)
			continue;
		if (number_of_module(image, id, &number, NULL) < 0 ||
		    mr_heap_symbols_foresee(image->common->symbols, number,
		                            node->return_address - 1 - stacks->modules[id].base, NULL) < 0)
			return; /* it is asked for at the end */
	}
}

int mr_heap_naming_want(struct mr_heap_image *image, struct mr_error *err)
{
	struct mr_heap_symbols *const symbols = image->common->symbols;
	const struct mr_heap_stacks *const stacks = &image->stacks;
	struct mr_heap_string_id *const string_id = mr_alloc(sizeof(*string_id));

	MR_FAIL_IF(!string_id, err, MR_ERR_NOMEM, "out of memory for names");
	string_id->next = *image->common->string_ids;
	string_id->id = image->string_next;
	*image->common->string_ids = string_id;
	MR_TRY(mr_heap_symbols_stream(symbols, image->stream, &string_id->id, err));
	for (size_t i = 0; i < stacks->code_numbers.count; i++) {
		const struct mr_heap_pair *const place =
			&stacks->codes.items[stacks->code_numbers.pairs[i] - 1];
		const uint32_t id = place->first == MR_HEAP_NAMED ? 0 : (uint32_t)place->first;
		uint32_t number;

		if (!id)
			continue;
		MR_TRY(number_of_module(image, id, &number, err));
		MR_TRY(mr_heap_symbols_place(symbols, i + 1, number,
		                             place->second - 1 - stacks->modules[id].base, err));
	}
	return 0;
}
