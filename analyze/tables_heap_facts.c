/* SPDX-License-Identifier: MIT
 *
 * What is to be known before the figures of a heap recording are believed.
 */
#include "tables_heap.h"

/* The recorder's counters in words. */
static const struct {
	const char *key;
	const char *words;
	bool is_loss; /* something is missing, or was guessed */
} counters[] = {
#define LOSS(key, words) { key, words, true },
#define EFFORT(key, words) { key, words, false },
	MR_HEAP_LOSS_KEYS(LOSS) MR_HEAP_EFFORT_KEYS(EFFORT)
#undef LOSS
#undef EFFORT
};

const char *mr_heap_counter_words(const char *key)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(counters); i++)
		if (strcmp(counters[i].key, key) == 0)
			return counters[i].words;
	return NULL;
}

size_t mr_heap_facts(const struct mr_model *model, const struct mr_run *run,
                     struct mr_heap_fact facts[MR_HEAP_FACTS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; run->heap_image_count > 0 && i < MR_ARRAY_LEN(counters); i++) {
		uint64_t value = 0;

		if (!counters[i].is_loss || count == MR_HEAP_FACTS_MAX)
			continue;
		/* Each image has counters of its own. */
		for (size_t k = 0; k < run->counter_count; k++)
			if (strcmp(mr_model_string(model, run->counters[k].key), counters[i].key) == 0)
				value = mr_sum(value, run->counters[k].value);
		if (value > 0)
			facts[count++] = (struct mr_heap_fact){ counters[i].words, value };
	}
	return count;
}

void mr_heap_waits(const struct mr_run *run, uint64_t *waits, uint64_t *wait_ns)
{
	*waits = *wait_ns = 0;
	for (uint32_t i = 0; i < run->heap_thread_count; i++) {
		*waits = mr_sum(*waits, run->heap_threads[i].waits);
		*wait_ns = mr_sum(*wait_ns, run->heap_threads[i].wait_ns);
	}
}

/* The first module of RUN that is the same file as the one at INDEX: each image of a process has its own. */
static uint32_t first_same(const struct mr_model *model, const struct mr_run *run, uint32_t index)
{
	const struct mr_module *const module = &run->modules[index];
	const uint32_t most =
		index < 1024 ? index : 1024; /* a process has few; who claims more is not believed */

	for (uint32_t i = 1; i < most; i++)
		if (strcmp(mr_model_string(model, run->modules[i].path),
		           mr_model_string(model, module->path)) == 0 &&
		    strcmp(mr_model_string(model, run->modules[i].build_id),
		           mr_model_string(model, module->build_id)) == 0)
			return i;
	return index;
}

uint32_t mr_heap_nameless_modules(const struct mr_model *model, const struct mr_run *run,
                                  uint32_t *module_count)
{
	enum { USED = 1, NAMED = 2 };
	uint32_t nameless = 0;
	uint8_t *const facts = mr_alloc((size_t)run->module_count + 1);

	*module_count = 0;
	if (facts == NULL)
		return 0;
	for (uint32_t i = 1; i < run->code_count; i++) {
		const struct mr_code *const code = &run->codes[i];

		facts[code->module] |= USED;
		if (code->function != 0 ||
		    (code->symbol_count > 0 && run->symbols[code->symbol_first].function != 0))
			facts[code->module] |= NAMED;
	}
	for (uint32_t i = 1; i < run->module_count; i++)
		facts[first_same(model, run, i)] |= facts[i];
	for (uint32_t i = 1; i < run->module_count; i++) {
		const bool counts = facts[i] != 0 && first_same(model, run, i) == i;

		*module_count += counts;
		nameless += counts && facts[i] == USED;
	}
	mr_free(facts);
	return nameless;
}
