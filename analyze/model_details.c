/* SPDX-License-Identifier: MIT
 *
 * All that is known of a few objects: their state at each snapshot, with
 * referents, in one pass over the detail of the log.
 */
#include "model_replay.h"

/* What an object is like at a time. */
struct condition {
	uint64_t size;
	uint64_t flat;
	uint32_t label;
	uint32_t form;
	MR_LIST(struct mr_state_referent) referents;
	size_t pool_first; /* where those stand in the pool, when `pooled` */
	bool pooled;
};

/* One chosen object while its states are gathered. */
struct chosen {
	uint32_t row;
	bool has_final;
	bool told; /* of an imported stream: the snapshot says what its size is */
	struct condition now;
	struct condition final; /* when it was freed: may be told before its last snapshots are */
	size_t state_first;     /* in the end: its states */
};

/* A state, whose referents are named by where they are in the pool. */
struct gathered {
	size_t chosen;
	size_t referent_first;
	struct mr_state state;
};

struct details {
	struct chosen *chosen;
	size_t count;
	struct mr_id_map places; /* row to index in chosen + 1 */
	MR_LIST(struct gathered) states;
	MR_LIST(struct mr_state_referent) pool;
	bool born;
};

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the details of objects");
}

static struct chosen *find(struct details *details, uint32_t row)
{
	const uint32_t place = mr_id_map_get(&details->places, row);

	return place != 0 ? &details->chosen[place - 1] : NULL;
}

static bool is_ours(const struct mr_replay *replay, const struct chosen *chosen)
{
	return chosen->row >= replay->row_first && chosen->row < replay->row_end;
}

static void set(struct condition *condition, uint64_t size, uint64_t flat)
{
	condition->size = size;
	condition->flat = flat;
	condition->referents.count = 0;
	condition->pooled = false;
}

static void reset(const struct mr_replay *replay, struct chosen *chosen)
{
	const uint64_t size = mr_replay_class_size(replay, chosen->row);

	set(&chosen->now, size, size);
}

static void set_births(const struct mr_replay *replay, struct details *details)
{
	if (details->born)
		return;
	details->born = true;
	for (size_t i = 0; i < details->count; i++)
		if (is_ours(replay, &details->chosen[i]))
			reset(replay, &details->chosen[i]);
}

static int begin(struct mr_replay *replay, bool key, struct mr_error *err)
{
	struct details *const details = replay->context;

	(void)err;
	set_births(replay, details);
	for (size_t i = 0; replay->imported && i < details->count; i++)
		details->chosen[i].told = false;
	for (size_t i = 0; key && !replay->imported && i < details->count; i++)
		if (is_ours(replay, &details->chosen[i]) &&
		    mr_object_is_alive(&replay->run->objects, details->chosen[i].row, replay->time_ns))
			reset(replay, &details->chosen[i]);
	return 0;
}

static int set_sizes(struct mr_replay *replay, bool freed, const uint32_t *rows, const uint64_t *values,
                     const uint64_t *flats, size_t count, struct mr_error *err)
{
	struct details *const details = replay->context;

	(void)err;
	set_births(replay, details);
	for (size_t i = 0; i < count; i++) {
		struct chosen *const chosen = find(details, rows[i]);

		if (chosen == NULL)
			continue;
		set(freed ? &chosen->final : &chosen->now, values[i], flats[i]);
		chosen->has_final |= freed;
		chosen->told |= !freed;
	}
	return 0;
}

static int add_referent(struct mr_replay *replay, bool freed, uint32_t row,
                        const struct mr_state_referent *referent, struct mr_error *err)
{
	struct chosen *const chosen = find(replay->context, row);

	if (chosen == NULL)
		return 0;

	struct condition *const condition = freed ? &chosen->final : &chosen->now;
	if (MR_LIST_RESERVE(&condition->referents, 1) < 0)
		return no_memory(err);
	condition->referents.items[condition->referents.count++] = *referent;
	condition->pooled = false;
	return 0;
}

static int set_label(struct mr_replay *replay, bool freed, uint32_t row, uint32_t text, uint64_t form,
                     struct mr_error *err)
{
	struct chosen *const chosen = find(replay->context, row);

	(void)err;
	if (chosen == NULL)
		return 0;

	struct condition *const condition = freed ? &chosen->final : &chosen->now;
	condition->label = text;
	condition->form = form == MR_LABEL_ADDRESS ? MR_LABEL_ADDRESS : MR_LABEL_TEXT;
	return 0;
}

/* Adds a state of CHOSEN, which is in that CONDITION. */
static int add_state(struct details *details, const struct chosen *chosen, struct condition *condition,
                     enum mr_moment moment, uint32_t snapshot, uint64_t time_ns, struct mr_error *err)
{
	const size_t referents = condition->referents.count;

	if (!condition->pooled) {
		if (MR_LIST_RESERVE(&details->pool, referents) < 0)
			return no_memory(err);
		if (referents > 0)
			memcpy(details->pool.items + details->pool.count, condition->referents.items,
			       referents * sizeof(*details->pool.items));
		condition->pool_first = details->pool.count;
		condition->pooled = true;
		details->pool.count += referents;
	}
	if (MR_LIST_RESERVE(&details->states, 1) < 0)
		return no_memory(err);
	details->states.items[details->states.count++] = (struct gathered){
		.chosen = (size_t)(chosen - details->chosen),
		.referent_first = condition->pool_first,
		.state = {
			.moment = moment,
			.snapshot = snapshot,
			.time_ns = time_ns,
			.size_bytes = condition->size,
			.flat_bytes = condition->flat,
			.label = condition->label,
			.form = condition->form,
			.referent_count = referents,
		},
	};
	return 0;
}

static int end(struct mr_replay *replay, struct mr_error *err)
{
	struct details *const details = replay->context;

	for (size_t i = 0; i < details->count; i++) {
		struct chosen *const chosen = &details->chosen[i];

		if (is_ours(replay, chosen) &&
		    (replay->imported
		             ? chosen->told
		             : mr_object_is_alive(&replay->run->objects, chosen->row, replay->time_ns)))
			MR_TRY(add_state(details, chosen, &chosen->now, MR_AT_SNAPSHOT, replay->snapshot,
			                 replay->time_ns, err));
	}
	return 0;
}

/* ---- The result -------------------------------------------------------------------- */

/* Everything in one piece of memory: the list, then states, then referents. */
static int pack(const struct details *details, struct mr_states **packed, struct mr_error *err)
{
	size_t size, states_size, pool_size;

	if (__builtin_mul_overflow(details->count + 1, sizeof(struct mr_states), &size) ||
	    __builtin_mul_overflow(details->states.count, sizeof(struct mr_state), &states_size) ||
	    __builtin_mul_overflow(details->pool.count, sizeof(struct mr_state_referent), &pool_size) ||
	    __builtin_add_overflow(size, states_size, &size) ||
	    __builtin_add_overflow(size, pool_size, &size))
		return no_memory(err);
	struct mr_states *const lists = mr_alloc(size);
	if (lists == NULL)
		return no_memory(err);

	struct mr_state *const states = (struct mr_state *)(void *)(lists + details->count + 1);
	struct mr_state_referent *const pool =
		(struct mr_state_referent *)(void *)(states + details->states.count);
	if (details->pool.count > 0)
		memcpy(pool, details->pool.items, pool_size);
	for (size_t i = 0; i < details->states.count; i++)
		lists[details->states.items[i].chosen].count++;
	for (size_t i = 0, first = 0; i < details->count; i++) {
		details->chosen[i].state_first = first;
		lists[i].states = states + first;
		first += lists[i].count;
	}
	for (size_t i = 0; i < details->states.count; i++) {
		const struct gathered *const from = &details->states.items[i];
		struct mr_state *const state = &states[details->chosen[from->chosen].state_first++];

		*state = from->state;
		state->referents = pool + from->referent_first;
	}
	*packed = lists;
	return 0;
}

void mr_details_free(struct mr_states *states)
{
	mr_free(states);
}

static int choose(struct details *details, const struct mr_run *run, const uint32_t *rows, size_t row_count,
                  struct mr_error *err)
{
	details->chosen = mr_alloc((row_count + 1) * sizeof(*details->chosen));
	if (details->chosen == NULL)
		return no_memory(err);
	for (size_t i = 0; i < row_count; i++) {
		MR_FAIL_IF(rows[i] >= run->objects.count, err, MR_ERR_ARG, "there is no object in row %u",
		           rows[i]);
		details->chosen[i].row = rows[i];
		MR_TRY(mr_id_map_put(&details->places, rows[i], (uint32_t)i + 1, err));
		details->count++;
	}
	return 0;
}

/* What was known when they were announced comes first in time. */
static int add_births(struct details *details, const struct mr_objects *objects, struct mr_error *err)
{
	for (size_t i = 0; objects->birth_bytes != NULL && i < details->count; i++) {
		const uint32_t row = details->chosen[i].row;
		struct condition born = { .size = objects->birth_bytes[row],
			                  .flat = objects->birth_bytes[row] };

		if (born.size != MR_NONE)
			MR_TRY(add_state(details, &details->chosen[i], &born, MR_AT_BIRTH, MR_INDEX_NONE,
			                 objects->birth_ns[row], err));
	}
	return 0;
}

static int gather(struct mr_model *model, size_t run_index, struct details *details, struct mr_error *err)
{
	static const struct mr_replay_hooks hooks = {
		.begin = begin, .sizes = set_sizes, .referent = add_referent, .label = set_label, .end = end
	};
	const struct mr_model_state *const state = model->state;
	struct mr_run *const run = &model->runs[run_index];

	MR_TRY(add_births(details, &run->objects, err));
	for (size_t i = 0; i < state->streams.count; i++) {
		struct mr_stream_state *const stream = state->streams.items[i];
		struct mr_replay replay = {
			.model = model,
			.run = run,
			.stream = stream,
			.hooks = &hooks,
			.context = details,
			.last = stream->numbered.count - 1,
		};

		if (stream->repeated || stream->run != run_index)
			continue;
		replay.row_first = run->streams[stream->index].object_first;
		replay.row_end = replay.row_first + run->streams[stream->index].object_count;
		details->born = false;
		for (size_t j = 0; j < details->count; j++)
			if (is_ours(&replay, &details->chosen[j]))
				mr_replay_want(&replay, run->objects.id[details->chosen[j].row]);
		if (!replay.filtered)
			continue;
		MR_TRY(mr_replay_run(&replay, err));
	}
	/* What was freed comes last in time. */
	for (size_t i = 0; i < details->count; i++) {
		struct chosen *const chosen = &details->chosen[i];

		if (chosen->final.label == 0) {
			chosen->final.label = chosen->now.label;
			chosen->final.form = chosen->now.form;
		}
		if (chosen->has_final)
			MR_TRY(add_state(details, chosen, &chosen->final, MR_AT_DEATH, MR_INDEX_NONE,
			                 run->objects.death_ns[chosen->row], err));
	}
	return 0;
}

int mr_model_details(struct mr_model *model, size_t run_index, const uint32_t *rows, size_t row_count,
                     struct mr_states **states, struct mr_error *err)
{
	struct details details = { 0 };

	MR_FAIL_IF(run_index >= model->run_count, err, MR_ERR_ARG, "there is no run %zu", run_index + 1);
	MR_TRY(mr_model_load(model, MR_LOAD_OBJECTS, err));
	int code = choose(&details, &model->runs[run_index], rows, row_count, err);
	if (code == 0)
		code = gather(model, run_index, &details, err);
	if (code == 0)
		code = mr_model__take_notes(model, err);
	if (code == 0)
		code = pack(&details, states, err);
	for (size_t i = 0; i < details.count; i++) {
		mr_free(details.chosen[i].now.referents.items);
		mr_free(details.chosen[i].final.referents.items);
	}
	mr_free(details.chosen);
	mr_id_map_release(&details.places);
	mr_free(details.states.items);
	mr_free(details.pool.items);
	return code;
}
