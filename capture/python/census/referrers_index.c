/* SPDX-License-Identifier: MIT
 *
 * See referrers_index.h.
 */
#include "referrers_index.h"

#define CAPACITY_MIN 64

int mr_index_reserve(struct mr_index *index, size_t count)
{
	size_t capacity = CAPACITY_MIN;

	if (count >= MR_INDEX_NONE)
		return -1;
	while (capacity < count * 2)
		capacity *= 2;
	if (index->places && capacity <= index->mask + 1)
		return 0;

	struct mr_index grown = { .mask = capacity - 1 };

	grown.places = mr_alloc(capacity * sizeof(*grown.places));
	if (!grown.places)
		return -1;
	for (size_t i = 0; index->places && i <= index->mask; i++) {
		if (index->places[i].object)
			(void)mr_index_add(&grown, index->places[i].object, index->places[i].value);
	}
	mr_index_release(index);
	*index = grown;
	return 0;
}

void mr_index_release(struct mr_index *index)
{
	mr_free(index->places);
	*index = (struct mr_index){ 0 };
}
