/* SPDX-License-Identifier: MIT
 *
 * Sorting objects by birth, in place: a radix sort from the highest byte that
 * differs, because births are numbers, there are millions of them, and memory
 * for a copy would count as the tracker's own.
 */
#include "tracker_snapshot.h"

#define INSERTION_MAX 24u

static bool before(const struct mr_order *a, const struct mr_order *b, const struct mr_rows *rows)
{
	if (a->birth != b->birth)
		return a->birth < b->birth;
	return mr_rows_at(rows, a->index)->id < mr_rows_at(rows, b->index)->id;
}

static void insertion_sort(struct mr_order *order, size_t count, const struct mr_rows *rows)
{
	for (size_t i = 1; i < count; i++) {
		const struct mr_order moved = order[i];
		size_t at = i;

		for (; at > 0 && before(&moved, &order[at - 1], rows); at--)
			order[at] = order[at - 1];
		order[at] = moved;
	}
}

/* Sorts by the byte at SHIFT; gives where each value's part ends. */
static void partition(struct mr_order *order, size_t count, unsigned shift, size_t ends[256])
{
	size_t next[256];
	size_t counts[256] = { 0 };
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		counts[order[i].birth >> shift & 0xff]++;
	for (size_t value = 0; value < 256; value++) {
		next[value] = sum;
		sum += counts[value];
		ends[value] = sum;
	}
	for (size_t value = 0; value < 256; value++) {
		while (next[value] < ends[value]) {
			struct mr_order moved = order[next[value]];
			size_t target = moved.birth >> shift & 0xff;

			/* Follows the chain of what each place's owner has to make room for. */
			while (target != value) {
				const struct mr_order displaced = order[next[target]];

				order[next[target]++] = moved;
				moved = displaced;
				target = moved.birth >> shift & 0xff;
			}
			order[next[value]++] = moved;
		}
	}
}

/* At most eight levels deep: one a byte. */
static void radix_sort(struct mr_order *order, size_t count, unsigned shift, const struct mr_rows *rows)
{
	size_t ends[256];
	size_t begin = 0;

	if (count <= INSERTION_MAX) {
		insertion_sort(order, count, rows);
		return;
	}
	partition(order, count, shift, ends);
	for (size_t value = 0; value < 256; value++) {
		const size_t part = ends[value] - begin;

		if (part > 1 && shift > 0)
			radix_sort(order + begin, part, shift - 8, rows);
		begin = ends[value];
	}
}

/* Objects of the same tick, which the radix sort leaves in any order. */
static void order_ties(struct mr_order *order, size_t count, const struct mr_rows *rows)
{
	size_t begin = 0;

	for (size_t i = 1; i <= count; i++) {
		if (i < count && order[i].birth == order[begin].birth)
			continue;
		if (i - begin > 1)
			insertion_sort(order + begin, i - begin, rows);
		begin = i;
	}
}

void mr_snapshot_sort(struct mr_order *order, size_t count, const struct mr_rows *rows)
{
	uint64_t differing = 0;
	unsigned shift = 0;

	for (size_t i = 1; i < count; i++)
		differing |= order[i].birth ^ order[0].birth;
	while (shift < 56 && differing >> (shift + 8) != 0)
		shift += 8;
	radix_sort(order, count, shift, rows);
	order_ties(order, count, rows);
}
