/* SPDX-License-Identifier: MIT
 *
 * Orders.  Every value becomes an unsigned number that sorts as the value does
 * (texts become their rank), so there are two ways to go on: a radix sort from
 * the last column to the first, which is stable by its nature, or, when only a
 * few rows are wanted, one pass with a heap of the best ones so far.  A column is
 * looked at only for the rows that those before it leave undecided then.
 */
#include "query.h"

#include <stdlib.h>

#define RADIX_BITS 11
#define RADIX_SIZE (1u << RADIX_BITS)
#define RADIX_DIGITS ((64 + RADIX_BITS - 1) / RADIX_BITS)
#define SELECT_SHARE 16 /* the heap serves when at most one row in so many is wanted */

bool mr_type_descends(enum memstats_type type)
{
	switch (type) {
	case MEMSTATS_TEXT:
	case MEMSTATS_TIME:
	case MEMSTATS_ADDRESS:
	case MEMSTATS_ID:
		return false;
	case MEMSTATS_COUNT:
	case MEMSTATS_BYTES:
	case MEMSTATS_DURATION:
	case MEMSTATS_PERCENT:
	case MEMSTATS_COUNT_CHANGE:
	case MEMSTATS_BYTES_CHANGE:
		break;
	}
	return true;
}

/* What one column says of each row: smaller comes first, nulls last. */
struct keys {
	uint64_t *values;
	uint8_t *nulls; /* NULL: none is */
};

struct rows {
	const struct mr_table_type *type;
	const void *state;
	const uint32_t *rows;
	size_t count;
};

/* ---- Ranks of texts ------------------------------------------------------ */

struct text {
	const char *data;
	size_t len;
	uint32_t rank;
};

/* The texts of a column, each place in memory once: columns of names repeat a
 * few texts a million times. */
struct texts {
	struct text *items;
	size_t count;
	size_t capacity;
	uint32_t *slots;   /* 1 + index of an item, by hash of its place; 0 is free */
	size_t slot_count; /* a power of two, at least twice the count */
};

static void texts_release(struct texts *texts)
{
	mr_free(texts->items);
	mr_free(texts->slots);
}

static size_t texts_slot(const struct texts *texts, const char *data, size_t len)
{
	size_t slot = (size_t)((((uint64_t)(uintptr_t)data ^ len) * UINT64_C(0x9e3779b97f4a7c15)) >> 20);

	for (slot &= texts->slot_count - 1; texts->slots[slot] != 0;
	     slot = (slot + 1) & (texts->slot_count - 1)) {
		const struct text *text = &texts->items[texts->slots[slot] - 1];

		if (text->data == data && text->len == len)
			break;
	}
	return slot;
}

static int texts_widen(struct texts *texts)
{
	const size_t slot_count = texts->slot_count == 0 ? 256 : 2 * texts->slot_count;
	uint32_t *slots = mr_alloc(slot_count * sizeof(*slots));

	if (!slots)
		return MR_ERR_NOMEM;
	mr_free(texts->slots);
	texts->slots = slots;
	texts->slot_count = slot_count;
	for (size_t i = 0; i < texts->count; i++)
		slots[texts_slot(texts, texts->items[i].data, texts->items[i].len)] = (uint32_t)(i + 1);
	return 0;
}

static int texts_intern(struct texts *texts, const char *data, size_t len, uint32_t *index)
{
	if (2 * (texts->count + 1) > texts->slot_count)
		MR_TRY(texts_widen(texts));
	const size_t slot = texts_slot(texts, data, len);

	if (texts->slots[slot] == 0) {
		MR_TRY(mr_grow(&texts->items, &texts->capacity, texts->count + 1, sizeof(*texts->items)));
		texts->items[texts->count] = (struct text){ data, len, 0 };
		texts->slots[slot] = (uint32_t)++texts->count;
	}
	*index = texts->slots[slot] - 1;
	return 0;
}

static int text_order(const struct text *a, const struct text *b)
{
	const int order = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);

	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static int compare_items(const void *a, const void *b, void *context)
{
	const struct texts *texts = context;

	return text_order(&texts->items[*(const uint32_t *)a], &texts->items[*(const uint32_t *)b]);
}

/* Equal texts get equal ranks, wherever they lie. */
static int texts_rank(struct texts *texts)
{
	uint32_t *order = mr_alloc((texts->count + 1) * sizeof(*order));
	uint32_t rank = 0;

	if (!order)
		return MR_ERR_NOMEM;
	for (size_t i = 0; i < texts->count; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, texts->count, sizeof(*order), compare_items, texts);
	for (size_t i = 0; i < texts->count; i++) {
		if (i > 0 && text_order(&texts->items[order[i - 1]], &texts->items[order[i]]) != 0)
			rank++;
		texts->items[order[i]].rank = rank;
	}
	mr_free(order);
	return 0;
}

/* ---- Keys ---------------------------------------------------------------- */

static uint64_t real_key(double real)
{
	uint64_t bits = 0;

	real += 0.0; /* -0 is 0 */
	memcpy(&bits, &real, sizeof(bits));
	return bits >> 63 ? ~bits : bits | (UINT64_C(1) << 63);
}

static uint64_t cell_key(enum memstats_type type, const struct mr_cell *cell)
{
	if (type == MEMSTATS_PERCENT)
		return real_key(cell->real);
	if (type == MEMSTATS_COUNT_CHANGE || type == MEMSTATS_BYTES_CHANGE)
		return (uint64_t)cell->change ^ (UINT64_C(1) << 63);
	return cell->number;
}

static int keys_set_null(struct keys *keys, size_t i, size_t count)
{
	if (!keys->nulls)
		keys->nulls = mr_alloc(count);
	if (!keys->nulls)
		return MR_ERR_NOMEM;
	keys->nulls[i] = 1;
	keys->values[i] = 0;
	return 0;
}

static int keys_fill_texts(struct keys *keys, const struct rows *rows, size_t column, struct texts *texts)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct mr_cell cell;
		uint32_t index = 0;

		rows->type->cell(rows->state, rows->rows[i], column, &cell);
		if (cell.is_null) {
			MR_TRY(keys_set_null(keys, i, rows->count));
			continue;
		}
		MR_TRY(texts_intern(texts, cell.text, cell.len, &index));
		keys->values[i] = index;
	}
	MR_TRY(texts_rank(texts));
	for (size_t i = 0; i < rows->count; i++)
		if (!keys->nulls || !keys->nulls[i])
			keys->values[i] = texts->items[keys->values[i]].rank;
	return 0;
}

static int keys_fill_numbers(struct keys *keys, const struct rows *rows, size_t column)
{
	const enum memstats_type type = rows->type->info.columns[column].type;

	for (size_t i = 0; i < rows->count; i++) {
		struct mr_cell cell;

		rows->type->cell(rows->state, rows->rows[i], column, &cell);
		if (cell.is_null)
			MR_TRY(keys_set_null(keys, i, rows->count));
		else
			keys->values[i] = cell_key(type, &cell);
	}
	return 0;
}

static int keys_fill(struct keys *keys, const struct rows *rows, size_t column, bool reversed)
{
	const enum memstats_type type = rows->type->info.columns[column].type;
	struct texts texts = { NULL, 0, 0, NULL, 0 };
	int code = 0;

	keys->values = mr_alloc(rows->count * sizeof(*keys->values));
	if (!keys->values)
		return MR_ERR_NOMEM;
	if (type == MEMSTATS_TEXT)
		code = keys_fill_texts(keys, rows, column, &texts);
	else
		code = keys_fill_numbers(keys, rows, column);
	texts_release(&texts);
	for (size_t i = 0; code == 0 && mr_type_descends(type) != reversed && i < rows->count; i++)
		keys->values[i] = ~keys->values[i];
	for (size_t i = 0; code == 0 && keys->nulls && i < rows->count; i++)
		if (keys->nulls[i])
			keys->values[i] = 0; /* all nulls are equal */
	return code;
}

/* ---- All rows: radix sort ------------------------------------------------ */

/* A pass over one digit.  False when all rows have the same, and nothing moved. */
static bool radix_pass(const struct keys *keys, unsigned shift, const uint32_t *from, uint32_t *to,
                       size_t count)
{
	uint32_t starts[RADIX_SIZE] = { 0 };
	uint32_t start = 0;

	for (size_t i = 0; i < count; i++)
		starts[keys->values[i] >> shift & (RADIX_SIZE - 1)]++;
	if (starts[keys->values[0] >> shift & (RADIX_SIZE - 1)] == count)
		return false;
	for (size_t digit = 0; digit < RADIX_SIZE; digit++) {
		const uint32_t size = starts[digit];

		starts[digit] = start;
		start += size;
	}
	for (size_t i = 0; i < count; i++)
		to[starts[keys->values[from[i]] >> shift & (RADIX_SIZE - 1)]++] = from[i];
	return true;
}

static void move_nulls_last(const struct keys *keys, const uint32_t *from, uint32_t *to, size_t count)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++)
		if (!keys->nulls[from[i]])
			to[at++] = from[i];
	for (size_t i = 0; i < count; i++)
		if (keys->nulls[from[i]])
			to[at++] = from[i];
}

/* Fills *PLACES (of COUNT) with the order; SPARE is as large, and the two may change places. */
static void radix_sort(const struct keys *keys, size_t key_count, bool ties_reversed, uint32_t **places,
                       uint32_t **spare, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(*places)[i] = (uint32_t)(ties_reversed ? count - 1 - i : i);
	for (size_t k = key_count; k-- > 0;) {
		for (unsigned digit = 0; digit <= RADIX_DIGITS; digit++) {
			uint32_t *const from = *places;

			if (digit == RADIX_DIGITS && !keys[k].nulls)
				continue;
			if (digit == RADIX_DIGITS)
				move_nulls_last(&keys[k], from, *spare, count);
			else if (!radix_pass(&keys[k], digit * RADIX_BITS, from, *spare, count))
				continue;
			*places = *spare;
			*spare = from;
		}
	}
}

/* ---- A few rows: a heap of the best -------------------------------------- */

struct chooser {
	const struct keys *keys;
	size_t key_count;
	bool ties_reversed;
};

static bool comes_before(const struct chooser *chooser, uint32_t a, uint32_t b)
{
	for (size_t k = 0; k < chooser->key_count; k++) {
		const struct keys *keys = &chooser->keys[k];

		if (keys->nulls && keys->nulls[a] != keys->nulls[b])
			return keys->nulls[a] < keys->nulls[b];
		if (keys->values[a] != keys->values[b])
			return keys->values[a] < keys->values[b];
	}
	return chooser->ties_reversed ? a > b : a < b;
}

/* The heap's root is the last of those that it holds. */
static void heap_sink(const struct chooser *chooser, uint32_t *heap, size_t count, size_t at)
{
	const uint32_t item = heap[at];

	for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
		if (child + 1 < count && comes_before(chooser, heap[child], heap[child + 1]))
			child++;
		if (!comes_before(chooser, item, heap[child]))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = item;
}

static void heap_select(const struct chooser *chooser, uint32_t *heap, size_t wanted, size_t count)
{
	for (size_t i = 0; i < wanted; i++)
		heap[i] = (uint32_t)i;
	for (size_t i = wanted / 2; i-- > 0;)
		heap_sink(chooser, heap, wanted, i);
	for (size_t i = wanted; i < count; i++) {
		if (!comes_before(chooser, (uint32_t)i, heap[0]))
			continue;
		heap[0] = (uint32_t)i;
		heap_sink(chooser, heap, wanted, 0);
	}
	for (size_t left = wanted; left > 1; left--) {
		const uint32_t last = heap[0];

		heap[0] = heap[left - 1];
		heap_sink(chooser, heap, left - 1, 0);
		heap[left - 1] = last;
	}
}

/* ---- Applying an order --------------------------------------------------- */

static int order_by_keys(const struct mr_order *order, const struct keys *keys, uint32_t *rows, size_t count,
                         size_t wanted)
{
	const bool select = wanted <= count / SELECT_SHARE;
	const struct chooser chooser = { keys, order->count, order->ties_reversed };
	const size_t kept = select ? wanted : count;
	uint32_t *places = mr_alloc((kept + 1) * sizeof(*places));
	uint32_t *spare = mr_alloc((kept + 1) * sizeof(*spare));
	int code = 0;

	if (!places || !spare) {
		code = MR_ERR_NOMEM;
		goto out;
	}
	if (select)
		heap_select(&chooser, places, wanted, count);
	else
		radix_sort(keys, order->count, order->ties_reversed, &places, &spare, count);
	for (size_t i = 0; i < kept; i++)
		spare[i] = rows[places[i]];
	memcpy(rows, spare, kept * sizeof(*rows));
out:
	mr_free(places);
	mr_free(spare);
	return code;
}

/* ---- A few of many rows, by several columns ------------------------------- */

/* Rows that may be among the first ones, column by column: only those that the columns so far hold
 * equal to the last one wanted need a look at the next. */
struct contest {
	uint8_t *sure;  /* by row: it is among them */
	uint32_t *open; /* places of the rows that are not decided, rising */
	uint32_t *rows; /* the same rows */
	size_t open_count;
	size_t wanted; /* of them */
};

static void contest_release(struct contest *contest)
{
	mr_free(contest->sure);
	mr_free(contest->open);
	mr_free(contest->rows);
}

static int contest_init(struct contest *contest, const uint32_t *rows, size_t count, size_t wanted)
{
	*contest = (struct contest){ .open_count = count, .wanted = wanted };
	contest->sure = mr_alloc(count);
	contest->open = mr_alloc(count * sizeof(*contest->open));
	contest->rows = mr_alloc(count * sizeof(*contest->rows));
	if (!contest->sure || !contest->open || !contest->rows)
		return MR_ERR_NOMEM;
	memcpy(contest->rows, rows, count * sizeof(*rows));
	for (size_t i = 0; i < count; i++)
		contest->open[i] = (uint32_t)i;
	return 0;
}

/* Sorts the open rows into sure ones, open ones and others by the keys of one column. */
static int contest_column(struct contest *contest, const struct keys *keys)
{
	const struct chooser chooser = { keys, 1, false };
	uint32_t *heap = mr_alloc(contest->wanted * sizeof(*heap));
	size_t left = 0, sure = 0;

	if (!heap)
		return MR_ERR_NOMEM;
	heap_select(&chooser, heap, contest->wanted, contest->open_count);
	const uint32_t last = heap[contest->wanted - 1];
	const uint64_t value = keys->values[last];
	const uint8_t null = keys->nulls ? keys->nulls[last] : 0;

	for (size_t i = 0; i < contest->open_count; i++) {
		const uint8_t is_null = keys->nulls ? keys->nulls[i] : 0;

		if (is_null == null && keys->values[i] == value) {
			contest->open[left] = contest->open[i];
			contest->rows[left++] = contest->rows[i];
		} else if (is_null < null || (is_null == null && keys->values[i] < value)) {
			contest->sure[contest->open[i]] = 1;
			sure++;
		}
	}
	contest->open_count = left;
	contest->wanted -= sure;
	mr_free(heap);
	return 0;
}

/* Leaves the WANTED rows that come first, as they stand to each other. */
static int narrow(const struct mr_order *order, const struct rows *input, uint32_t *rows, size_t wanted)
{
	struct contest contest;
	int code = contest_init(&contest, rows, input->count, wanted);
	size_t kept = 0;

	for (size_t k = 0; code == 0 && k < order->count && contest.open_count > contest.wanted; k++) {
		const struct rows open = { input->type, input->state, contest.rows, contest.open_count };
		struct keys keys = { NULL, NULL };

		code = keys_fill(&keys, &open, order->columns[k], order->reversed);
		if (code == 0)
			code = contest_column(&contest, &keys);
		mr_free(keys.values);
		mr_free(keys.nulls);
	}
	if (code == 0) {
		const size_t first = order->ties_reversed ? contest.open_count - contest.wanted : 0;

		for (size_t i = 0; i < contest.wanted; i++)
			contest.sure[contest.open[first + i]] = 1;
		for (size_t i = 0; i < input->count; i++)
			if (contest.sure[i])
				rows[kept++] = rows[i];
	}
	contest_release(&contest);
	return code;
}

static int order_all(const struct mr_order *order, const struct rows *input, uint32_t *rows, size_t wanted)
{
	struct keys *keys = mr_alloc(order->count * sizeof(*keys));
	int code = keys ? 0 : MR_ERR_NOMEM;

	for (size_t k = 0; code == 0 && k < order->count; k++)
		code = keys_fill(&keys[k], input, order->columns[k], order->reversed);
	if (code == 0)
		code = order_by_keys(order, keys, rows, input->count, wanted);
	for (size_t k = 0; keys && k < order->count; k++) {
		mr_free(keys[k].values);
		mr_free(keys[k].nulls);
	}
	mr_free(keys);
	return code;
}

int mr_order_apply(const struct mr_order *order, const struct mr_table_type *type, const void *state,
                   uint32_t *rows, size_t count, size_t wanted, struct mr_error *err)
{
	struct rows input = { type, state, rows, count };
	int code = 0;

	if (count < 2 || wanted == 0)
		return 0;
	if (order->count > 1 && wanted <= count / SELECT_SHARE) {
		code = narrow(order, &input, rows, wanted);
		input.count = wanted;
	}
	if (code == 0)
		code = order_all(order, &input, rows, wanted);
	MR_FAIL_IF(code < 0, err, code, "no memory to sort %zu rows", count);
	return 0;
}
