/* SPDX-License-Identifier: MIT
 *
 * Classes: named once, with options that may change.  A class lives as long as
 * its capture, and keeps its number and the size that the log's readers assume
 * for instances without a size of their own.
 */
#include "tracker.h"

#define DERIVATION_MAX 64 /* a chain of parents is not followed further */

static uint64_t layout_size(const struct memcapture_layout *layout)
{
	return layout != NULL ? layout->size : 0;
}

static bool layout_is_walked(const struct memcapture_layout *layout)
{
	return layout != NULL && (layout->measure != NULL || !mr_layout_is_flat(layout));
}

bool mr_class_derives(const struct memcapture_class *klass, uint32_t base_id)
{
	const struct memcapture_class *parent = atomic_load_explicit(&klass->parent, memory_order_acquire);

	for (int i = 0; i < DERIVATION_MAX && parent != NULL; i++) {
		if (parent->id == base_id)
			return true;
		parent = atomic_load_explicit(&parent->parent, memory_order_acquire);
	}
	return false;
}

/* Writes the class's row. */
static void define(const struct memcapture_class *klass)
{
	const uint32_t state = atomic_load_explicit(&klass->state, memory_order_relaxed);
	const struct memcapture_class *const parent =
		atomic_load_explicit(&klass->parent, memory_order_acquire);
	const uint64_t flags = ((state & MR_CLASS_STATE_KEEP) != 0 ? MR_CLASS_KEEP : 0u) |
	                       ((state & MR_CLASS_STATE_TRACE) != 0 ? MR_CLASS_TRACE : 0u) |
	                       ((state & MR_CLASS_STATE_DETACHED) != 0 ? MR_CLASS_DETACHED : 0u) |
	                       ((state & MR_CLASS_STATE_WALKED) != 0 ? MR_CLASS_WALKED : 0u);
	struct mr_buffer buffer = { 0 };
	struct mr_block_writer block;

	mr_block_begin(&block, &buffer, MR_KIND_CLASSES, 1);
	mr_block_scalar(&block, MR_CLASSES_ID, klass->id);
	mr_block_scalar(&block, MR_CLASSES_NAME, klass->name_string);
	mr_block_scalar(&block, MR_CLASSES_PARENT, parent != NULL ? parent->id : 0);
	mr_block_scalar(&block, MR_CLASSES_SIZE, klass->size_logged);
	mr_block_scalar(&block, MR_CLASSES_LEVEL, atomic_load_explicit(&klass->level, memory_order_relaxed));
	mr_block_scalar(&block, MR_CLASSES_FLAGS, flags);
	mr_block_end(&block);
	mr_tracker_define(klass->capture, &buffer);
	mr_buffer_release(&buffer);
}

/* Takes over OPTIONS; under class_lock. */
static void configure(struct memcapture_class *klass, const struct memcapture_class_options *options)
{
	struct memcapture_class *const parent = options->parent;
	const unsigned level = options->resolution_level;
	uint32_t state = 0;

	if (options->trace != 0)
		state |= MR_CLASS_STATE_TRACE;
	if (options->keep != 0)
		state |= MR_CLASS_STATE_KEEP;
	if (layout_is_walked(options->layout) || options->describe != NULL)
		state |= MR_CLASS_STATE_WALKED;

	/* A class that were its own ancestor would have no most specialised one: such a parent is ignored. */
	if (parent == NULL ||
	    (parent != klass && parent->capture == klass->capture && !mr_class_derives(parent, klass->id)))
		atomic_store_explicit(&klass->parent, parent, memory_order_release);
	atomic_store_explicit(&klass->layout, options->layout, memory_order_release);
	atomic_store_explicit(&klass->describe, options->describe, memory_order_release);
	atomic_store_explicit(&klass->level, level < MR_TRACKER_LEVEL_MAX ? level : MR_TRACKER_LEVEL_MAX,
	                      memory_order_relaxed);
	atomic_store_explicit(&klass->state, state, memory_order_release);
	define(klass);
}

/* ---- Finding by name: open addressing of class ids, at most half full ---------------- */

static uint64_t hash_name(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 32;
}

/* The place of NAME in the index: its class's id is there, or 0.  There must be an index. */
static uint32_t *index_place(const struct memcapture *capture, const char *name)
{
	size_t at = hash_name(name) & (capture->class_index_capacity - 1);

	while (capture->class_index[at] != 0 &&
	       strcmp(mr_tracker_class(capture, capture->class_index[at])->name, name) != 0)
		at = (at + 1) & (capture->class_index_capacity - 1);
	return &capture->class_index[at];
}

/* The class of that name; under class_lock. */
static struct memcapture_class *find(const struct memcapture *capture, const char *name)
{
	const uint32_t id = capture->class_index_capacity > 0 ? *index_place(capture, name) : 0;

	return id != 0 ? mr_tracker_class(capture, id) : NULL;
}

/* Room for one more class; under class_lock. */
static bool index_make_room(struct memcapture *capture)
{
	const uint32_t count = atomic_load_explicit(&capture->class_count, memory_order_relaxed);
	uint32_t *const before = capture->class_index;

	if (((size_t)count + 1) * 2 <= capture->class_index_capacity)
		return true;
	const size_t capacity = before == NULL ? 16 : capture->class_index_capacity * 2;
	uint32_t *const grown = mr_alloc(capacity * sizeof(*grown));
	if (grown == NULL)
		return false;
	capture->class_index = grown;
	capture->class_index_capacity = capacity;
	for (uint32_t id = 1; id <= count; id++)
		*index_place(capture, mr_tracker_class(capture, id)->name) = id;
	mr_free(before);
	return true;
}

/* ---- Making ------------------------------------------------------------------------- */

/* A new class; under class_lock.  NULL: no memory, or too many. */
static struct memcapture_class *make(struct memcapture *capture, const char *name,
                                     const struct memcapture_class_options *options)
{
	const uint32_t id = atomic_load_explicit(&capture->class_count, memory_order_relaxed) + 1;
	const size_t name_size = strlen(name) + 1;
	struct mr_error err = { 0 };
	struct memcapture_class *klass = NULL;

	if (id > MR_TRACKER_CLASSES_MAX) {
		mr_fail(&err, MR_ERR_LIMIT, "more than %u classes", MR_TRACKER_CLASSES_MAX);
		goto failed;
	}
	klass = index_make_room(capture) ? mr_alloc(sizeof(*klass)) : NULL;
	if (klass != NULL)
		klass->name = mr_alloc(name_size);
	if (klass == NULL || klass->name == NULL) {
		mr_fail(&err, MR_ERR_NOMEM, "out of memory for a class");
		goto failed;
	}
	memcpy(klass->name, name, name_size);
	klass->capture = capture;
	klass->id = id;
	klass->name_string = mr_names_string(capture, name, name_size - 1);
	klass->size_logged = layout_size(options->layout);
	configure(klass, options);
	atomic_store_explicit(&capture->classes[id], klass, memory_order_release);
	atomic_store_explicit(&capture->class_count, id, memory_order_release);
	*index_place(capture, name) = id;
	return klass;

failed:
	mr_free(klass);
	mr_tracker_fail(capture, &err);
	return NULL;
}

static const char *name_of(const struct memcapture_class_options *options)
{
	if (options->name != NULL)
		return options->name;
	return options->layout != NULL && options->layout->name != NULL ? options->layout->name : "?";
}

struct memcapture_class *memcapture_track_class(struct memcapture *capture,
                                                const struct memcapture_class_options *options)
{
	if (capture == NULL || options == NULL || !mr_tracker_alive(capture))
		return NULL;

	const char *const name = name_of(options);
	mr_lock_acquire(&capture->class_lock);
	struct memcapture_class *klass = find(capture, name);
	if (klass != NULL)
		configure(klass, options);
	else
		klass = make(capture, name, options);
	mr_lock_release(&capture->class_lock);
	return klass;
}

struct memcapture_class *mr_class_for_object(struct memcapture *capture,
                                             const struct memcapture_class_options *options)
{
	const char *const name = name_of(options);

	mr_lock_acquire(&capture->class_lock);
	struct memcapture_class *klass = find(capture, name);
	if (klass == NULL)
		klass = make(capture, name, options);
	mr_lock_release(&capture->class_lock);
	return klass;
}

static void detach(struct memcapture_class *klass)
{
	const uint32_t before = atomic_fetch_or(&klass->state, MR_CLASS_STATE_DETACHED);

	if ((before & MR_CLASS_STATE_DETACHED) == 0)
		define(klass);
}

void memcapture_detach_class(struct memcapture_class *klass)
{
	if (klass == NULL || !mr_tracker_alive(klass->capture))
		return;
	mr_lock_acquire(&klass->capture->class_lock);
	detach(klass);
	mr_lock_release(&klass->capture->class_lock);
}

void mr_class_detach_all(struct memcapture *capture)
{
	const uint32_t count = atomic_load_explicit(&capture->class_count, memory_order_relaxed);

	for (uint32_t id = 1; id <= count; id++)
		detach(mr_tracker_class(capture, id));
}

void memcapture_detach_all_classes(struct memcapture *capture)
{
	if (capture == NULL || !mr_tracker_alive(capture))
		return;
	mr_lock_acquire(&capture->class_lock);
	mr_class_detach_all(capture);
	mr_lock_release(&capture->class_lock);
}

void mr_class_define_all(struct memcapture *capture)
{
	const uint32_t count = atomic_load_explicit(&capture->class_count, memory_order_relaxed);

	for (uint32_t id = 1; id <= count; id++)
		define(mr_tracker_class(capture, id));
}

void mr_class_free_all(struct memcapture *capture)
{
	const uint32_t count = atomic_load_explicit(&capture->class_count, memory_order_relaxed);

	for (uint32_t id = 1; id <= count; id++) {
		struct memcapture_class *const klass = mr_tracker_class(capture, id);

		mr_free(klass->name);
		mr_free(klass);
	}
	mr_free(capture->class_index);
}
