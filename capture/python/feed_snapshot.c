/* SPDX-License-Identifier: MIT
 *
 * What a snapshot found, as blocks: objects whose size is not what the log says of them
 * already (in a key snapshot: all), their referents and labels, and the sums of classes.
 * All rows of the store are passed in their order, so that the log's numbers rise.
 */
#include "feed_account.h"

#include "log_memory.h"
#include "tracker_snapshot.h"

/* One snapshot while it is told. */
struct telling {
	struct mr_feed_account *account;
	const struct mr_tracked_snapshot *snapshot;
	uint32_t index;  /* in the store */
	uint64_t number; /* in the log */
	uint64_t time_ns;
	uint64_t time_before_ns; /* of the snapshot before; UINT64_MAX: there is none */
	uint64_t time_after_ns;  /* of the one after it; UINT64_MAX: there is none */
	bool key;
	uint64_t count;
	struct mr_class_sum *sums; /* by class */
	struct mr_log_span span;
};

static void no_memory(struct mr_feed_account *account)
{
	mr_fail(&account->sink.failure, MR_ERR_NOMEM, "out of memory for the log");
}

/* ---- Rows of sizes, referents and labels ---------------------------------------------------- */

/* The column that names the snapshot, for ROWS rows of the block under way. */
static const uint64_t *numbers(struct telling *telling, uint32_t rows)
{
	uint64_t *const column = telling->account->columns[MR_FEED_COLUMNS - 1];

	for (uint32_t i = 0; i < rows; i++)
		column[i] = telling->number;
	return column;
}

static void flush_sizes(struct telling *telling)
{
	struct mr_feed_account *const account = telling->account;

	if (account->rows == 0)
		return;

	struct mr_block_writer *const block =
		mr_feed_sink_begin(&account->sink, MR_KIND_SIZES, account->rows);
	mr_block_column(block, MR_SIZES_SNAPSHOT, numbers(telling, account->rows));
	mr_block_column(block, MR_SIZES_OBJECT, account->columns[0]);
	mr_block_column(block, MR_SIZES_SIZE, account->columns[1]);
	mr_block_column(block, MR_SIZES_FLAT, account->columns[2]);
	mr_feed_sink_end(&account->sink, &telling->span);
	account->rows = 0;
}

static void flush_referents(struct telling *telling)
{
	struct mr_feed_account *const account = telling->account;

	flush_sizes(telling);
	if (account->referent_rows == 0)
		return;

	struct mr_block_writer *const block =
		mr_feed_sink_begin(&account->sink, MR_KIND_REFERENTS, account->referent_rows);
	mr_block_column(block, MR_REFERENTS_SNAPSHOT, numbers(telling, account->referent_rows));
	mr_block_column(block, MR_REFERENTS_OBJECT, account->referent_columns[0]);
	mr_block_column(block, MR_REFERENTS_PATH, account->referent_columns[1]);
	for (uint32_t i = 0; i < account->referent_rows; i++)
		account->columns[0][i] = 1;
	mr_block_column(block, MR_REFERENTS_COUNT, account->columns[0]);
	mr_block_column(block, MR_REFERENTS_SIZE, account->referent_columns[2]);
	mr_block_column(block, MR_REFERENTS_FLAT, account->referent_columns[3]);
	mr_feed_sink_end(&account->sink, &telling->span);
	account->referent_rows = 0;
}

static void flush_labels(struct telling *telling)
{
	struct mr_feed_account *const account = telling->account;

	if (account->label_rows == 0)
		return;

	struct mr_block_writer *const block =
		mr_feed_sink_begin(&account->sink, MR_KIND_LABELS, account->label_rows);
	mr_block_column(block, MR_LABELS_SNAPSHOT, numbers(telling, account->label_rows));
	mr_block_column(block, MR_LABELS_OBJECT, account->label_columns[0]);
	mr_block_column(block, MR_LABELS_TEXT, account->label_columns[1]);
	mr_block_column(block, MR_LABELS_FORM, account->label_columns[2]);
	mr_feed_sink_end(&account->sink, &telling->span);
	account->label_rows = 0;
}

static void put_referents(struct telling *telling, uint32_t id, const struct mr_tracked_tree *tree)
{
	struct mr_feed_account *const account = telling->account;

	for (uint32_t i = 0; i < tree->node_count; i++) {
		const struct mr_tracked_node *const node =
			mr_store_node(account->store, tree->node_first + i);
		const uint32_t path = account->paths.nodes[tree->node_first + i].path;

		if (path == 0)
			continue;
		if (account->referent_rows == MR_FEED_ROWS)
			flush_referents(telling);
		const uint32_t at = account->referent_rows++;
		account->referent_columns[0][at] = mr_feed_account_object(account, id);
		account->referent_columns[1][at] = path;
		account->referent_columns[2][at] = node->size_bytes;
		account->referent_columns[3][at] = node->flat_bytes;
	}
}

/* An object's sizes come before its referents, which are in the same batch or a later one. */
static void put_object(struct telling *telling, uint32_t id, uint64_t size, uint64_t flat,
                       const struct mr_tracked_tree *tree)
{
	struct mr_feed_account *const account = telling->account;

	if (account->rows == MR_FEED_ROWS ||
	    (tree != NULL && account->referent_rows + tree->node_count > MR_FEED_ROWS))
		flush_referents(telling);
	const uint32_t at = account->rows++;
	account->columns[0][at] = mr_feed_account_object(account, id);
	account->columns[1][at] = size;
	account->columns[2][at] = flat;
	if (tree != NULL)
		put_referents(telling, id, tree);
}

/* Tells how the object shows itself, when the log does not know it yet. */
static void put_label(struct telling *telling, uint32_t id, const struct mr_tracked_row *row)
{
	struct mr_feed_account *const account = telling->account;
	const uint32_t form = row->flags & MR_TRACKED_LABEL_DEFAULT ? MR_LABEL_ADDRESS : MR_LABEL_TEXT;
	const uint32_t told = row->label << 1 | form;

	if (account->labels_at_end) {
		if (telling->time_after_ns != UINT64_MAX &&
		    (row->death_ns == 0 || row->death_ns > telling->time_after_ns))
			return;
	} else {
		if (account->labels[id] == told)
			return;
		account->labels[id] = told;
	}
	if (account->label_rows == MR_FEED_ROWS)
		flush_labels(telling);
	const uint32_t at = account->label_rows++;
	account->label_columns[0][at] = mr_feed_account_object(account, id);
	account->label_columns[1][at] = mr_feed_account_string(account, row->label);
	account->label_columns[2][at] = form;
}

/* ---- The pass over all rows ------------------------------------------------------------------- */

/* The state of a row at the snapshot that is told; 0: it was not sized yet. */
static uint32_t state_of(const struct telling *telling, uint32_t id, const struct mr_tracked_row *row)
{
	struct mr_feed_account *const account = telling->account;

	if (account->state_now == NULL) {
		uint32_t last = row->state;

		/* The snapshot after this one may be under way. */
		while (last != 0 && mr_store_state(account->store, last)->snapshot > telling->index)
			last = mr_store_state(account->store, last)->previous;
		return last;
	}

	uint32_t now = account->state_now[id];
	for (;;) {
		const uint32_t next = now != 0 ? account->state_after[now] : account->state_first[id];

		if (next == 0 || mr_store_state(account->store, next)->snapshot > telling->index)
			break;
		now = next;
	}
	account->state_now[id] = now;
	return now;
}

static void sum_referents(struct mr_feed_account *account, const struct mr_tracked_tree *tree)
{
	for (uint32_t i = 0; i < tree->node_count; i++) {
		const uint32_t sum = account->paths.nodes[tree->node_first + i].sum;

		if (sum == 0)
			continue;
		const struct mr_tracked_node *const node =
			mr_store_node(account->store, tree->node_first + i);
		struct mr_feed_sum *const total = &account->paths.sums[sum];
		total->count++;
		total->size += node->size_bytes;
		total->flat += node->flat_bytes;
	}
}

static void tell_row(struct telling *telling, uint32_t id, const struct mr_tracked_row *row)
{
	struct mr_feed_account *const account = telling->account;
	const uint32_t now = state_of(telling, id, row);
	const struct mr_tracked_tree *tree = NULL;
	uint64_t size = row->basic_bytes;
	uint64_t flat = row->basic_bytes;
	bool is_new = telling->key || telling->time_before_ns == UINT64_MAX ||
	              row->birth_ns > telling->time_before_ns;

	if (now != 0) {
		const struct mr_tracked_state *const state = mr_store_state(account->store, now);

		size = state->size_bytes;
		flat = state->flat_bytes != UINT32_MAX ? state->flat_bytes : size;
		is_new |= state->snapshot == telling->index;
		if (state->tree != 0)
			tree = mr_store_tree(account->store, state->tree);
	}
	if (tree != NULL && mr_feed_paths_tree(&account->paths, &account->sink, account->store,
	                                       account->strings, tree, row->class_index) < 0) {
		no_memory(account);
		tree = NULL;
	}

	mr_class_sum_add(&telling->sums[row->class_index], size, flat);
	telling->count++;
	if (tree != NULL)
		sum_referents(account, tree);
	if (is_new)
		put_object(telling, id, size, flat, tree);
	if (row->label != 0)
		put_label(telling, id, row);
}

static void tell_rows(struct telling *telling)
{
	const struct mr_store *const store = telling->account->store;

	for (uint32_t id = 1; id < store->rows.count; id++) {
		const struct mr_tracked_row *const row = mr_store_row(store, id);

		if (row->birth_ns <= telling->time_ns &&
		    (row->death_ns == 0 || row->death_ns > telling->time_ns))
			tell_row(telling, id, row);
	}
	flush_referents(telling);
	flush_labels(telling);
}

/* ---- Sums --------------------------------------------------------------------------------------- */

static void put_class_totals(struct telling *telling)
{
	struct mr_feed_account *const account = telling->account;
	uint32_t rows = 0;

	for (uint32_t index = 1; index < account->store->classes.count; index++) {
		const struct mr_class_sum *const sum = &telling->sums[index];

		if (sum->count > 0) {
			account->columns[0][rows] = account->class_base + index;
			account->columns[1][rows] = sum->count;
			account->columns[2][rows] = sum->size;
			account->columns[3][rows] = sum->flat;
			account->columns[4][rows] = sum->min;
			account->columns[5][rows++] = sum->max;
		}
		if (rows == 0 || (rows < MR_FEED_ROWS && index + 1 < account->store->classes.count))
			continue;
		struct mr_block_writer *const block =
			mr_feed_sink_begin(&account->sink, MR_KIND_CLASS_TOTALS, rows);
		mr_block_column(block, MR_CLASS_TOTALS_SNAPSHOT, numbers(telling, rows));
		mr_block_column(block, MR_CLASS_TOTALS_CLASS, account->columns[0]);
		mr_block_column(block, MR_CLASS_TOTALS_COUNT, account->columns[1]);
		mr_block_column(block, MR_CLASS_TOTALS_SIZE, account->columns[2]);
		mr_block_column(block, MR_CLASS_TOTALS_FLAT, account->columns[3]);
		mr_block_column(block, MR_CLASS_TOTALS_MIN, account->columns[4]);
		mr_block_column(block, MR_CLASS_TOTALS_MAX, account->columns[5]);
		mr_feed_sink_end(&account->sink, &telling->span);
		rows = 0;
	}
}

static void put_referent_totals(struct telling *telling)
{
	struct mr_feed_account *const account = telling->account;
	uint32_t rows = 0;

	for (size_t i = 1; i <= account->paths.sum_count; i++) {
		const struct mr_feed_sum *const sum = &account->paths.sums[i];

		if (sum->count > 0) {
			account->columns[0][rows] = account->class_base + sum->class_index;
			account->columns[1][rows] = sum->path;
			account->columns[2][rows] = sum->count;
			account->columns[3][rows] = sum->size;
			account->columns[4][rows++] = sum->flat;
		}
		if (rows == 0 || (rows < MR_FEED_ROWS && i < account->paths.sum_count))
			continue;
		struct mr_block_writer *const block =
			mr_feed_sink_begin(&account->sink, MR_KIND_REFERENT_TOTALS, rows);
		mr_block_column(block, MR_REFERENT_TOTALS_SNAPSHOT, numbers(telling, rows));
		mr_block_column(block, MR_REFERENT_TOTALS_CLASS, account->columns[0]);
		mr_block_column(block, MR_REFERENT_TOTALS_PATH, account->columns[1]);
		mr_block_column(block, MR_REFERENT_TOTALS_COUNT, account->columns[2]);
		mr_block_column(block, MR_REFERENT_TOTALS_SIZE, account->columns[3]);
		mr_block_column(block, MR_REFERENT_TOTALS_FLAT, account->columns[4]);
		mr_feed_sink_end(&account->sink, &telling->span);
		rows = 0;
	}
}

static void put_snapshot(struct telling *telling)
{
	struct mr_feed_account *const account = telling->account;
	const struct mr_tracked_snapshot *const snapshot = telling->snapshot;
	struct mr_block_writer *const block = mr_feed_sink_begin(&account->sink, MR_KIND_SNAPSHOTS, 1);
	struct mr_proc_memory memory;

	mr_proc_memory_clear(&memory);
	memory.rss = snapshot->rss_bytes;
	memory.vsz = snapshot->vsz_bytes;
	memory.data = snapshot->data_bytes;
	memory.stack = snapshot->stack_bytes;
	memory.code = snapshot->code_bytes;
	mr_block_scalar(block, MR_SNAPSHOTS_NUMBER, telling->number);
	mr_block_scalar(block, MR_SNAPSHOTS_TIME, telling->time_ns);
	mr_block_scalar(block, MR_SNAPSHOTS_DURATION, snapshot->duration_ns);
	mr_block_scalar(block, MR_SNAPSHOTS_DESCRIPTION,
	                mr_feed_account_string(account, snapshot->description));
	mr_block_scalar(block, MR_SNAPSHOTS_FLAGS,
	                (telling->key ? MR_SNAPSHOT_KEY : 0u) |
	                        (snapshot->periodic != 0 ? MR_SNAPSHOT_PERIODIC : 0u));
	mr_block_scalar(block, MR_SNAPSHOTS_COUNT, telling->count);
	mr_block_scalar(block, MR_SNAPSHOTS_SIZE, snapshot->tracked_bytes);
	mr_block_scalar(block, MR_SNAPSHOTS_OVERHEAD, snapshot->overhead_bytes);
	mr_log_memory_put(block, &memory);
	mr_block_scalar(block, MR_SNAPSHOTS_TOTAL,
	                snapshot->total_bytes != 0 ? snapshot->total_bytes + 1 : 0);
	mr_block_scalar(block, MR_SNAPSHOTS_SHARED, mr_proc_optional(snapshot->shared_bytes));
	mr_block_scalar(block, MR_SNAPSHOTS_FAULTS, mr_proc_optional(snapshot->faults_major));
	mr_feed_sink_end(&account->sink, &telling->span);
}

/* ---- All of it ------------------------------------------------------------------------------------- */

/* Room for a label of each row. */
static bool grow_labels(struct mr_feed_account *account)
{
	const size_t before = account->label_capacity;

	if (account->labels_at_end || account->store->rows.count <= before)
		return true;
	if (mr_grow(&account->labels, &account->label_capacity, account->store->rows.count,
	            sizeof(*account->labels)) < 0)
		return false;
	memset(&account->labels[before], 0, (account->label_capacity - before) * sizeof(*account->labels));
	return true;
}

static uint64_t time_of(const struct mr_feed_account *account, uint32_t snapshot)
{
	if (snapshot == 0 || snapshot >= account->store->snapshots.count)
		return UINT64_MAX;
	return mr_store_snapshot(account->store, snapshot)->time_ns;
}

void mr_feed_account_snapshot(struct mr_feed_account *account, uint32_t index)
{
	const struct mr_store *const store = account->store;
	const uint64_t number = account->snapshot_base + index;
	const struct mr_tracked_snapshot *const snapshot = mr_store_snapshot(store, index);
	struct telling telling = {
		.account = account,
		.snapshot = snapshot,
		.index = index,
		.number = number,
		.time_ns = snapshot->time_ns,
		.time_before_ns = time_of(account, index - 1),
		.time_after_ns = time_of(account, index + 1),
		.key = number % MR_LOG_KEY_SNAPSHOT_INTERVAL == 1,
		.sums = mr_alloc(store->classes.count * sizeof(*telling.sums)),
		.span = { snapshot->time_ns, snapshot->time_ns, number, number },
	};

	mr_feed_account_definitions(account);
	/* Without a definition of all that is named there is nothing to say it with. */
	if (account->text_next < store->texts.count || account->class_next < store->classes.count ||
	    telling.sums == NULL || !grow_labels(account)) {
		no_memory(account);
		mr_free(telling.sums);
		return;
	}
	for (uint32_t i = 0; i < store->classes.count; i++)
		telling.sums[i].min = UINT64_MAX;
	for (size_t i = 1; i <= account->paths.sum_count; i++) {
		struct mr_feed_sum *const sum = &account->paths.sums[i];

		*sum = (struct mr_feed_sum){ .class_index = sum->class_index, .path = sum->path };
	}
	tell_rows(&telling);
	mr_feed_paths_flush(&account->paths, &account->sink);
	put_class_totals(&telling);
	put_referent_totals(&telling);
	put_snapshot(&telling);
	mr_free(telling.sums);
}

/* The states of each row in the order in which they came. */
static bool order_states(struct mr_feed_account *account)
{
	const struct mr_store *const store = account->store;

	account->state_now = mr_alloc(store->rows.count * sizeof(*account->state_now));
	account->state_first = mr_alloc(store->rows.count * sizeof(*account->state_first));
	account->state_after = mr_alloc((store->states.count + UINT64_C(1)) * sizeof(*account->state_after));
	if (account->state_now == NULL || account->state_first == NULL || account->state_after == NULL)
		return false;
	for (uint32_t id = 1; id < store->rows.count; id++) {
		uint32_t after = 0;

		for (uint32_t state = mr_store_row(store, id)->state; state != 0;
		     state = mr_store_state(store, state)->previous) {
			account->state_after[state] = after;
			after = state;
		}
		account->state_first[id] = after;
	}
	return true;
}

void mr_feed_account_snapshots(struct mr_feed_account *account)
{
	const uint32_t end = account->store->snapshots.count;

	if (end > 2 && !order_states(account)) {
		no_memory(account);
		return;
	}
	for (uint32_t index = 1; index < end; index++)
		mr_feed_account_snapshot(account, index);
	mr_feed_account_forget_states(account);
}
