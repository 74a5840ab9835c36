/* SPDX-License-Identifier: MIT
 *
 * Names, places, births and deaths of a store as blocks; see feed_account.h.
 */
#include "feed_account.h"

#define STRING_BLOCK_BYTES (64u << 10) /* of texts, at which a block is ended */

static void no_memory(struct mr_feed_account *account)
{
	mr_fail(&account->sink.failure, MR_ERR_NOMEM, "out of memory for the log");
}

uint64_t mr_feed_zero_realtime_ns(uint64_t zero_ns)
{
	static _Atomic uint32_t serial;
	const uint64_t zero_realtime_ns = mr_clock_realtime_ns() - (mr_clock_monotonic_ns() - zero_ns);

	return zero_realtime_ns / 1000 * 1000 + atomic_fetch_add(&serial, 1) % 1000;
}

struct mr_feed_account *mr_feed_account_new(struct mr_store *store)
{
	struct mr_feed_account *const account = mr_alloc(sizeof(*account));

	if (account == NULL)
		return NULL;
	account->store = store;
	account->text_next = 1;
	account->class_next = 1;
	account->code_next = 1;
	account->stack_next = 1;
	return account;
}

void mr_feed_account_forget_states(struct mr_feed_account *account)
{
	mr_free(account->state_now);
	mr_free(account->state_first);
	mr_free(account->state_after);
	account->state_now = NULL;
	account->state_first = NULL;
	account->state_after = NULL;
}

void mr_feed_account_free(struct mr_feed_account *account)
{
	if (account == NULL)
		return;
	mr_feed_account_forget_states(account);
	mr_feed_paths_release(&account->paths);
	mr_feed_sink_release(&account->sink);
	mr_free(account->strings);
	mr_free(account->classes);
	mr_free(account->labels);
	mr_free(account);
}

void mr_feed_account_move(struct mr_feed_account *account, struct mr_store *store, bool fresh)
{
	const struct mr_store *const before = account->store;

	if (fresh) {
		account->object_base = 0;
		account->class_base = 0;
		account->code_base = 0;
		account->stack_base = 0;
		account->snapshot_base = 0;
		mr_feed_paths_release(&account->paths);
		account->paths.path_last = 0;
	} else {
		account->object_base += mr_chunks_used(&before->rows);
		account->class_base += account->class_next - 1;
		account->code_base += account->code_next - 1;
		account->stack_base += account->stack_next - 1;
		/* Where the other store goes on counting, so does the log. */
		account->snapshot_base +=
			mr_chunks_used(&before->snapshots) - mr_chunks_used(&store->snapshots);
		mr_feed_paths_forget_store(&account->paths);
	}
	mr_feed_account_forget_states(account);
	if (account->class_capacity > 0)
		memset(account->classes, 0, account->class_capacity * sizeof(*account->classes));
	if (account->label_capacity > 0)
		memset(account->labels, 0, account->label_capacity * sizeof(*account->labels));
	account->text_next = 1;
	account->class_next = 1;
	account->code_next = 1;
	account->stack_next = 1;
	account->store = store;
}

/* ---- Strings ----------------------------------------------------------------------------- */

/* Defines the texts [FIRST, END), whose ids in the log are consecutive. */
static void put_strings(struct mr_feed_account *account, uint32_t first, uint32_t end)
{
	uint64_t *const ids = account->columns[0];
	uint64_t *const lengths = account->columns[1];
	struct mr_buffer bytes = { 0 };

	while (first < end) {
		uint32_t rows = 0;

		mr_buffer_clear(&bytes);
		while (first + rows < end && rows < MR_FEED_ROWS && bytes.len < STRING_BLOCK_BYTES) {
			const struct mr_text *const text = mr_store_text(account->store, first + rows);
			const size_t len = mr_feed_text_cut(text->bytes, text->len);

			ids[rows] = account->strings[first + rows];
			lengths[rows++] = len;
			mr_buffer_append(&bytes, text->bytes, len);
		}
		if (bytes.failed) {
			no_memory(account);
			break;
		}
		struct mr_block_writer *const block =
			mr_feed_sink_begin(&account->sink, MR_KIND_STRINGS, rows);
		mr_block_column(block, MR_STRINGS_ID, ids);
		mr_block_column(block, MR_STRINGS_LENGTH, lengths);
		mr_block_bytes(block, MR_STRINGS_BYTES, bytes.data, bytes.len);
		mr_feed_sink_end(&account->sink, NULL);
		first += rows;
	}
	mr_buffer_release(&bytes);
}

static void define_strings(struct mr_feed_account *account)
{
	const uint32_t first = account->text_next;
	const uint32_t end = account->store->texts.count;

	if (first >= end)
		return;
	if (mr_grow(&account->strings, &account->string_capacity, end, sizeof(*account->strings)) < 0) {
		no_memory(account);
		return;
	}
	const uint32_t id = mr_feed_sink_string_ids(&account->sink, end - first);
	account->strings[0] = 0;
	for (uint32_t text = first; text < end; text++)
		account->strings[text] = id + (text - first);
	account->text_next = end;
	put_strings(account, first, end);
}

/* ---- Places in the code, stacks ------------------------------------------------------------- */

static void define_codes(struct mr_feed_account *account)
{
	const uint32_t end = account->store->codes.count;

	while (account->code_next < end) {
		uint32_t rows = 0;

		for (; account->code_next < end && rows < MR_FEED_ROWS; rows++, account->code_next++) {
			const struct mr_tracked_code *const code =
				mr_store_code(account->store, account->code_next);

			account->columns[0][rows] = account->code_base + account->code_next;
			account->columns[1][rows] = mr_feed_account_string(account, code->function);
			account->columns[2][rows] = mr_feed_account_string(account, code->file);
			account->columns[3][rows] = code->line;
		}
		struct mr_block_writer *const block = mr_feed_sink_begin(&account->sink, MR_KIND_CODE, rows);
		mr_block_column(block, MR_CODE_ID, account->columns[0]);
		mr_block_column(block, MR_CODE_FUNCTION, account->columns[1]);
		mr_block_column(block, MR_CODE_FILE, account->columns[2]);
		mr_block_column(block, MR_CODE_LINE, account->columns[3]);
		mr_feed_sink_end(&account->sink, NULL);
	}
}

static void define_stacks(struct mr_feed_account *account)
{
	const uint32_t end = account->store->stacks.count;

	while (account->stack_next < end) {
		uint32_t rows = 0;

		for (; account->stack_next < end && rows < MR_FEED_ROWS; rows++, account->stack_next++) {
			const struct mr_tracked_stack *const stack =
				mr_store_stack(account->store, account->stack_next);

			account->columns[0][rows] = account->stack_base + account->stack_next;
			account->columns[1][rows] =
				stack->parent != 0 ? account->stack_base + stack->parent : 0;
			account->columns[2][rows] = account->code_base + stack->code;
		}
		struct mr_block_writer *const block =
			mr_feed_sink_begin(&account->sink, MR_KIND_STACKS, rows);
		mr_block_column(block, MR_STACKS_ID, account->columns[0]);
		mr_block_column(block, MR_STACKS_PARENT, account->columns[1]);
		mr_block_column(block, MR_STACKS_CODE, account->columns[2]);
		mr_feed_sink_end(&account->sink, NULL);
	}
}

/* ---- Classes ------------------------------------------------------------------------------------ */

static void put_class(struct mr_feed_account *account, uint32_t index)
{
	const struct mr_feed_class *const known = &account->classes[index];
	struct mr_block_writer *const block = mr_feed_sink_begin(&account->sink, MR_KIND_CLASSES, 1);

	mr_block_scalar(block, MR_CLASSES_ID, account->class_base + index);
	mr_block_scalar(block, MR_CLASSES_NAME,
	                mr_feed_account_string(account, mr_store_class(account->store, index)->name));
	mr_block_scalar(block, MR_CLASSES_SIZE, known->size);
	mr_block_scalar(block, MR_CLASSES_LEVEL, known->level);
	mr_block_scalar(block, MR_CLASSES_FLAGS, known->flags);
	mr_feed_sink_end(&account->sink, NULL);
}

static bool grow_classes(struct mr_feed_account *account)
{
	const size_t before = account->class_capacity;

	if (mr_grow(&account->classes, &account->class_capacity, account->store->classes.count,
	            sizeof(*account->classes)) < 0) {
		no_memory(account);
		return false;
	}
	if (account->class_capacity > before)
		memset(&account->classes[before], 0,
		       (account->class_capacity - before) * sizeof(*account->classes));
	return true;
}

static void define_classes(struct mr_feed_account *account)
{
	if (!grow_classes(account))
		return;
	for (; account->class_next < account->store->classes.count; account->class_next++)
		put_class(account, account->class_next);
}

void mr_feed_account_learn(struct mr_feed_account *account, const struct mr_tracked_row *row)
{
	struct mr_feed_class *const known = &account->classes[row->class_index];

	known->size = row->basic_bytes;
	if (!known->chosen) {
		known->level = row->level;
		known->flags = (row->flags & MR_TRACKED_KEEP ? MR_CLASS_KEEP : 0u) |
		               (row->stack != 0 ? MR_CLASS_TRACE : 0u);
	}
	known->flags |= MR_CLASS_WALKED;
	known->learned = true;
	put_class(account, row->class_index);
}

void mr_feed_account_class(struct mr_feed_account *account, uint32_t class_index, uint32_t level,
                           uint32_t flags)
{
	mr_feed_account_definitions(account);
	if (class_index == 0 || class_index >= account->class_next)
		return;

	struct mr_feed_class *const known = &account->classes[class_index];
	known->level = level;
	known->flags = (known->flags & MR_CLASS_WALKED) | flags;
	known->chosen = true;
	put_class(account, class_index);
}

void mr_feed_account_definitions(struct mr_feed_account *account)
{
	const struct mr_store *const store = account->store;

	if (account->text_next < store->texts.count)
		define_strings(account);
	if (account->code_next < store->codes.count)
		define_codes(account);
	if (account->stack_next < store->stacks.count)
		define_stacks(account);
	if (account->class_next < store->classes.count)
		define_classes(account);
}

/* ---- Births and deaths ------------------------------------------------------------------------------ */

static void put_births(struct mr_feed_account *account, uint32_t rows, const struct mr_log_span *span)
{
	struct mr_block_writer *const block = mr_feed_sink_begin(&account->sink, MR_KIND_BIRTHS, rows);

	mr_block_column(block, MR_BIRTHS_OBJECT, account->columns[0]);
	mr_block_column(block, MR_BIRTHS_TIME, account->columns[1]);
	mr_block_column(block, MR_BIRTHS_CLASS, account->columns[2]);
	mr_block_column(block, MR_BIRTHS_STACK, account->columns[3]);
	mr_block_column(block, MR_BIRTHS_ADDRESS, account->columns[4]);
	mr_block_column(block, MR_BIRTHS_LEVEL, account->columns[5]);
	mr_block_column(block, MR_BIRTHS_SIZE, account->columns[6]);
	mr_feed_sink_end(&account->sink, span);
}

static void widen(struct mr_log_span *span, uint64_t time_ns)
{
	if (span->time_last == 0 || time_ns < span->time_first)
		span->time_first = time_ns;
	if (time_ns > span->time_last)
		span->time_last = time_ns;
}

void mr_feed_account_births(struct mr_feed_account *account)
{
	const struct mr_store *const store = account->store;
	const uint32_t end = store->rows.count;

	for (uint32_t id = 1; id < end;) {
		struct mr_log_span span = { 0 };
		uint32_t rows = 0;

		for (; id < end && rows < MR_FEED_ROWS; id++, rows++) {
			const struct mr_tracked_row *const row = mr_store_row(store, id);

			mr_feed_account_meet(account, row);
			account->columns[0][rows] = mr_feed_account_object(account, id);
			account->columns[1][rows] = row->birth_ns;
			account->columns[2][rows] = account->class_base + row->class_index;
			account->columns[3][rows] = row->stack != 0 ? account->stack_base + row->stack : 0;
			account->columns[4][rows] = row->address;
			account->columns[5][rows] = row->level + UINT64_C(1);
			account->columns[6][rows] = row->basic_bytes + UINT64_C(1);
			widen(&span, row->birth_ns);
		}
		put_births(account, rows, &span);
	}
}

static void put_deaths(struct mr_feed_account *account, uint32_t rows, const struct mr_log_span *span)
{
	if (rows == 0)
		return;

	struct mr_block_writer *const block = mr_feed_sink_begin(&account->sink, MR_KIND_DEATHS, rows);
	mr_block_column(block, MR_DEATHS_OBJECT, account->columns[0]);
	mr_block_column(block, MR_DEATHS_TIME, account->columns[1]);
	mr_block_column(block, MR_DEATHS_REASON, account->columns[2]);
	mr_feed_sink_end(&account->sink, span);
}

void mr_feed_account_deaths(struct mr_feed_account *account)
{
	const struct mr_store *const store = account->store;
	struct mr_log_span span = { 0 };
	uint32_t rows = 0;

	for (uint32_t id = 1; id < store->rows.count; id++) {
		const struct mr_tracked_row *const row = mr_store_row(store, id);

		if (row->death_ns == 0)
			continue;
		account->columns[0][rows] = mr_feed_account_object(account, id);
		account->columns[1][rows] = row->death_ns;
		account->columns[2][rows] =
			row->flags & MR_TRACKED_DETACHED ? MR_DEATH_DETACHED : MR_DEATH_FREED;
		widen(&span, row->death_ns);
		if (++rows == MR_FEED_ROWS) {
			put_deaths(account, rows, &span);
			span = (struct mr_log_span){ 0 };
			rows = 0;
		}
	}
	put_deaths(account, rows, &span);
}
