/* SPDX-License-Identifier: MIT
 *
 * The store's tables: chunks whose entries never move, the map from addresses to
 * rows, the classes, and the chain of an object's states.  No Python code runs in
 * any of this, so a table that was found stays as it is until the caller's next
 * call.  See tracked_store.h.
 */
#include "tracked_store.h"

#define CHUNK_ENTRIES (1u << MR_STORE_CHUNK_SHIFT)
#define MAP_MIN 64u

/* ---- Chunks --------------------------------------------------------------------- */

static void chunks_init(struct mr_chunks *chunks, size_t entry_bytes)
{
	*chunks = (struct mr_chunks){ .entry_bytes = entry_bytes };
}

static void chunks_release(struct mr_chunks *chunks)
{
	for (uint32_t i = 0; i << MR_STORE_CHUNK_SHIFT < chunks->count; i++)
		mr_free(chunks->chunks[i]);
	mr_free(chunks->chunks);
	chunks_init(chunks, chunks->entry_bytes);
}

/* Room for one more entry, without counting it.  -1 with a Python error. */
static int chunks_make_room(struct mr_chunks *chunks)
{
	const uint32_t count = chunks->count == 0 ? 1 : chunks->count;
	const uint32_t chunk = count >> MR_STORE_CHUNK_SHIFT;

	if (MR_LIKELY(chunks->count != 0 && (count & (CHUNK_ENTRIES - 1)) != 0))
		return 0;
	if (chunk >= UINT32_MAX >> MR_STORE_CHUNK_SHIFT) {
		PyErr_SetString(PyExc_OverflowError, "the tracker has no more numbers for what it keeps");
		return -1;
	}

	size_t capacity = chunks->chunk_capacity;
	if (mr_grow(&chunks->chunks, &capacity, chunk + 1, sizeof(*chunks->chunks)) < 0) {
		PyErr_NoMemory();
		return -1;
	}
	chunks->chunk_capacity = (uint32_t)capacity;
	chunks->chunks[chunk] = mr_alloc(CHUNK_ENTRIES * chunks->entry_bytes);
	if (chunks->chunks[chunk] == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	return 0;
}

uint32_t mr_chunks_add(struct mr_chunks *chunks)
{
	if (chunks_make_room(chunks) < 0)
		return 0;
	if (chunks->count == 0)
		chunks->count = 1;
	const uint32_t index = chunks->count++;
	memset(mr_chunks_at(chunks, index), 0, chunks->entry_bytes);
	return index;
}

void mr_chunks_cut(struct mr_chunks *chunks, uint32_t count)
{
	if (count >= chunks->count)
		return;
	const uint32_t used = (chunks->count + CHUNK_ENTRIES - 1) >> MR_STORE_CHUNK_SHIFT;
	const uint32_t kept = (count + CHUNK_ENTRIES - 1) >> MR_STORE_CHUNK_SHIFT;

	for (uint32_t i = kept; i < used; i++)
		mr_free(chunks->chunks[i]);
	chunks->count = count;
}

static uint64_t chunks_memory(const struct mr_chunks *chunks)
{
	return chunks->count * chunks->entry_bytes + chunks->chunk_capacity * sizeof(*chunks->chunks);
}

/* ---- Lifetime -------------------------------------------------------------------- */

struct mr_store *mr_store_new(PyObject *module, uint64_t zero_ns)
{
	struct mr_store *const store = mr_alloc(sizeof(*store));

	if (store == NULL) {
		PyErr_NoMemory();
		return NULL;
	}
	store->references = 1;
	store->module = module;
	store->zero_ns = zero_ns;
	chunks_init(&store->rows, sizeof(struct mr_tracked_row));
	chunks_init(&store->states, sizeof(struct mr_tracked_state));
	chunks_init(&store->trees, sizeof(struct mr_tracked_tree));
	chunks_init(&store->nodes, sizeof(struct mr_tracked_node));
	chunks_init(&store->classes, sizeof(struct mr_tracked_class));
	chunks_init(&store->codes, sizeof(struct mr_tracked_code));
	chunks_init(&store->stacks, sizeof(struct mr_tracked_stack));
	chunks_init(&store->snapshots, sizeof(struct mr_tracked_snapshot));
	chunks_init(&store->texts, sizeof(struct mr_text));
	return store;
}

void mr_store_hold(struct mr_store *store)
{
	store->references++;
}

void mr_store_release(struct mr_store *store)
{
	if (store == NULL || --store->references > 0)
		return;
	/* A weak reference that goes away runs nothing; one that somebody else holds stays. */
	for (uint32_t row = 1; row < store->rows.count; row++) {
		PyObject *const ref = mr_store_row(store, row)->ref;

		if (ref != NULL) {
			mr_ref_detach(ref);
			Py_DECREF(ref);
		}
	}
	for (uint32_t i = 1; i < store->classes.count; i++)
		mr_free(mr_store_class(store, i)->rows);
	mr_store_trace_free(store);
	mr_store_texts_free(store);
	mr_free(store->stack_index);
	mr_free(store->map);
	mr_free(store->map_tags);
	chunks_release(&store->rows);
	chunks_release(&store->states);
	chunks_release(&store->trees);
	chunks_release(&store->nodes);
	chunks_release(&store->classes);
	chunks_release(&store->codes);
	chunks_release(&store->stacks);
	chunks_release(&store->snapshots);
	chunks_release(&store->texts);
	mr_free(store);
}

uint64_t mr_store_memory(const struct mr_store *store)
{
	uint64_t bytes = sizeof(*store) + chunks_memory(&store->rows) + chunks_memory(&store->states) +
	                 chunks_memory(&store->trees) + chunks_memory(&store->nodes) +
	                 chunks_memory(&store->classes) + chunks_memory(&store->codes) +
	                 chunks_memory(&store->stacks) + chunks_memory(&store->snapshots) +
	                 chunks_memory(&store->texts) + mr_store_texts_memory(store) +
	                 store->alive * mr_ref_bytes();

	if (store->stack_mask != 0)
		bytes += (store->stack_mask + 1) * sizeof(*store->stack_index);
	if (store->map_mask != 0)
		bytes += (store->map_mask + 1) * (sizeof(*store->map) + sizeof(*store->map_tags));
	for (uint32_t i = 1; i < store->classes.count; i++)
		bytes += mr_store_class(store, i)->row_capacity * sizeof(uint32_t);
	return bytes;
}

uint64_t mr_store_now(const struct mr_store *store)
{
	return mr_clock_monotonic_ns() - store->zero_ns;
}

/* The time of a birth or a death: later than every other. */
static uint64_t event_time(struct mr_store *store)
{
	const uint64_t now_ns = mr_store_now(store);

	store->last_ns = now_ns > store->last_ns ? now_ns : store->last_ns + 1;
	return store->last_ns;
}

/* ---- Classes, codes, stacks --------------------------------------------------------- */

uint32_t mr_store_add_class(struct mr_store *store, PyObject *name)
{
	const uint32_t text = mr_store_add_string(store, name);

	if (text == 0)
		return 0;
	struct mr_text *const entry = mr_chunks_at(&store->texts, text);
	if (entry->class_index == 0) {
		const uint32_t index = mr_chunks_add(&store->classes);

		if (index == 0)
			return 0;
		mr_store_class(store, index)->name = text;
		entry->class_index = index;
	}
	return entry->class_index;
}

uint32_t mr_store_add_code(struct mr_store *store, uint32_t file, uint32_t function, uint32_t line)
{
	const uint32_t id = mr_chunks_add(&store->codes);

	if (id != 0)
		*mr_store_code(store, id) =
			(struct mr_tracked_code){ .file = file, .function = function, .line = line };
	return id;
}

static uint32_t *stack_at(const struct mr_store *store, uint32_t *index, uint64_t mask, uint32_t parent,
                          uint32_t code)
{
	const uint64_t hash = ((uint64_t)parent << 32 | code) * UINT64_C(0x9e3779b97f4a7c15);

	for (uint64_t at = (hash >> 32) & mask;; at = (at + 1) & mask) {
		if (index[at] == 0)
			return &index[at];
		const struct mr_tracked_stack *const stack = mr_store_stack(store, index[at]);
		if (stack->parent == parent && stack->code == code)
			return &index[at];
	}
}

uint32_t mr_store_add_stack(struct mr_store *store, uint32_t parent, uint32_t code)
{
	if (store->stack_mask == 0 || store->stacks.count * UINT64_C(2) > store->stack_mask) {
		const uint64_t size = store->stack_mask == 0 ? MAP_MIN : (store->stack_mask + 1) * 2;
		uint32_t *const index = mr_alloc(size * sizeof(*index));

		if (index == NULL) {
			PyErr_NoMemory();
			return 0;
		}
		for (uint32_t id = 1; id < store->stacks.count; id++) {
			const struct mr_tracked_stack *const stack = mr_store_stack(store, id);

			*stack_at(store, index, size - 1, stack->parent, stack->code) = id;
		}
		mr_free(store->stack_index);
		store->stack_index = index;
		store->stack_mask = size - 1;
	}

	uint32_t *const at = stack_at(store, store->stack_index, store->stack_mask, parent, code);
	if (*at == 0) {
		*at = mr_chunks_add(&store->stacks);
		if (*at != 0)
			*mr_store_stack(store, *at) =
				(struct mr_tracked_stack){ .parent = parent, .code = code };
	}
	return *at;
}

int mr_store_index(struct mr_store *store)
{
	for (; store->row_indexed + 1 < store->rows.count; store->row_indexed++) {
		const uint32_t row = store->row_indexed + 1;
		struct mr_tracked_class *const cls =
			mr_store_class(store, mr_store_row(store, row)->class_index);

		if (mr_grow(&cls->rows, &cls->row_capacity, (size_t)cls->row_count + 1, sizeof(*cls->rows)) <
		    0) {
			PyErr_NoMemory();
			return -1;
		}
		cls->rows[cls->row_count++] = row;
	}
	return 0;
}

/* ---- The map from addresses to rows --------------------------------------------------- */

struct place {
	uint64_t at;
	uint8_t tag;
};

static inline struct place place_of(uint64_t address, uint64_t mask)
{
	/* Objects are aligned to 16 bytes; the product's upper half depends on every bit. */
	const uint64_t hash = (address >> 4) * UINT64_C(0x9e3779b97f4a7c15);

	return (struct place){ .at = (hash >> 32) & mask, .tag = (uint8_t)(hash >> 24) | 1 };
}

/* Where ADDRESS is, or the free entry where it belongs. */
static inline uint64_t map_at(const struct mr_store *store, const uint8_t *tags, const uint32_t *map,
                              uint64_t mask, uint64_t address)
{
	struct place place = place_of(address, mask);

	for (;; place.at = (place.at + 1) & mask) {
		const uint8_t tag = tags[place.at];

		if (tag == 0 || (tag == place.tag && mr_store_row(store, map[place.at])->address == address))
			return place.at;
	}
}

/* Room for one more address, at most three quarters full.  -1 with a Python error. */
static int map_make_room(struct mr_store *store)
{
	const uint64_t before = store->map_mask == 0 ? 0 : store->map_mask + 1;

	if (MR_LIKELY(store->map_used + 1 <= before / 4 * 3))
		return 0;

	const uint64_t size = before == 0 ? MAP_MIN : before * 2;
	uint8_t *const tags = mr_alloc(size);
	uint32_t *const map = mr_alloc(size * sizeof(*map));
	if (tags == NULL || map == NULL) {
		mr_free(tags);
		mr_free(map);
		PyErr_NoMemory();
		return -1;
	}
	/* By row, which lie one after the other; a later one takes the place of an earlier one. */
	for (uint32_t id = 1; id < store->rows.count; id++) {
		const uint64_t address = mr_store_row(store, id)->address;
		const uint64_t at = map_at(store, tags, map, size - 1, address);

		tags[at] = place_of(address, size - 1).tag;
		map[at] = id;
	}
	mr_free(store->map_tags);
	mr_free(store->map);
	store->map_tags = tags;
	store->map = map;
	store->map_mask = size - 1;
	return 0;
}

uint32_t mr_store_find(const struct mr_store *store, uint64_t address)
{
	if (store->map_mask == 0)
		return 0;
	const uint64_t at = map_at(store, store->map_tags, store->map, store->map_mask, address);
	return store->map_tags[at] == 0 ? 0 : store->map[at];
}

/* ---- Rows -------------------------------------------------------------------------- */

uint32_t mr_store_add_row(struct mr_store *store, PyObject *ref, uint64_t address, uint32_t class_index)
{
	if (map_make_room(store) < 0)
		return 0;
	const uint32_t id = mr_chunks_add(&store->rows);
	if (id == 0)
		return 0;

	struct mr_tracked_row *const row = mr_store_row(store, id);
	struct mr_tracked_class *const cls = mr_store_class(store, class_index);
	row->ref = ref;
	row->address = address;
	row->birth_ns = event_time(store);
	row->class_index = class_index;
	cls->alive++;
	cls->born++;
	store->alive++;
	store->revision++;

	const uint64_t at = map_at(store, store->map_tags, store->map, store->map_mask, address);
	if (store->map_tags[at] == 0) {
		store->map_tags[at] = place_of(address, store->map_mask).tag;
		store->map_used++;
	}
	store->map[at] = id;
	return id;
}

PyObject *mr_store_end_row(struct mr_store *store, uint32_t id)
{
	struct mr_tracked_row *const row = mr_store_row(store, id);
	PyObject *const ref = row->ref;

	/* An object that dies before the snapshot that is being taken comes to it is not in it:
	 * it shall not seem to have outlived the moment of the snapshot. */
	row->death_ns = event_time(store);
	if (id >= store->sizing_row && id < store->sizing_end)
		row->death_ns = store->sizing_ns;
	row->ref = NULL;
	mr_store_class(store, row->class_index)->alive--;
	store->alive--;
	store->revision++;
	return ref;
}

/* ---- States -------------------------------------------------------------------------- */

const struct mr_tracked_state *mr_store_state_at(const struct mr_store *store, uint32_t row_id,
                                                 uint32_t snapshot)
{
	const struct mr_tracked_row *const row = mr_store_row(store, row_id);

	if (row->death_ns != 0 && row->death_ns <= mr_store_snapshot(store, snapshot)->time_ns)
		return NULL;
	for (uint32_t id = row->state; id != 0;) {
		const struct mr_tracked_state *const state = mr_store_state(store, id);

		if (state->snapshot <= snapshot)
			return state;
		id = state->previous;
	}
	return NULL;
}

int mr_store_inherit_snapshots(struct mr_store *store, const struct mr_store *before)
{
	for (uint32_t i = 1; i < before->snapshots.count; i++) {
		const struct mr_tracked_snapshot *const old = mr_store_snapshot(before, i);
		const struct mr_text *const text = mr_store_text(before, old->description);
		const uint32_t description = mr_store_add_text(store, text->bytes, text->len);
		const uint32_t id = description == 0 ? 0 : mr_chunks_add(&store->snapshots);

		if (id == 0)
			return -1;
		struct mr_tracked_snapshot *const snapshot = mr_store_snapshot(store, id);
		*snapshot = *old;
		snapshot->description = description;
		snapshot->state_first = snapshot->state_end = 1;
	}
	return 0;
}
