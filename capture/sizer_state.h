/* SPDX-License-Identifier: MIT
 *
 * What the files of the sizer share.  sizer.c is the face; sizer_resolve.c
 * follows the levels whose referents are told apart, sizer_fold.c all that lies
 * below them, sizer_paths.c knows the names.  Both followers read layouts with
 * the helpers at the end, so that they cannot disagree on what a field means.
 */
#ifndef MR_SIZER_STATE_H
#define MR_SIZER_STATE_H

#include "log_format.h"
#include "sizer.h"
#include "visited.h"

/* Structs within structs within structs: no real type comes near it. */
#define MR_SIZER_EMBEDDED_MAX 32
/* No block can be larger; what claims to be is not counted. */
#define MR_SIZER_BLOCK_MAX (UINT64_C(1) << 48)
/* Different names that walks may give below one path; the next ones share a name. */
#define MR_SIZER_NAMES_MAX 1024
#define MR_SIZER_NAME_BYTES_MAX 255
#define MR_SIZER_NAME_OTHERS "..."
#define MR_SIZER_NAME_ELEMENTS "[]"

/* A link of a chained hash table. */
struct mr_path_item {
	struct mr_path_item *next;
	uint64_t hash;
};

struct mr_path_table {
	struct mr_path_item **buckets;
	size_t bucket_count; /* a power of two, or 0 */
	size_t item_count;
};

/* A path that objects were seen to refer along; lives as long as the sizer. */
struct mr_path_node {
	uint32_t id;     /* the log's; 0: the object itself */
	uint32_t level;  /* 0: the object itself */
	uint64_t serial; /* the object whose entry is at INDEX: older ones need no reset */
	uint32_t index;
	uint32_t name_count; /* of different names that walks gave below it */
	struct mr_path_node *parent;
	struct mr_path_node *elements;   /* "[]" below it, or NULL */
	struct mr_path_binding *binding; /* the one used last, or NULL */
	struct mr_path_item item;
	char name[];
};

/* The paths of a layout's fields below NODE: a name is looked up once for all objects. */
struct mr_path_binding {
	const struct memcapture_layout *layout;
	struct mr_path_node *node;
	struct mr_path_item item;
	struct mr_path_node *fields[]; /* NULL until one was seen */
};

/* Memory of one object, counted with it: what its members point to in here adds
 * no bytes (text kept in a buffer of its own, a small array within the struct). */
struct mr_span {
	const char *start;
	uint64_t size_bytes;
};

/* Pending work below the resolution level: things whose referents are still to
 * be followed.  All but OBJECT lie upon an item OWNER, the span of the object
 * whose member led here. */
enum mr_pending_kind {
	MR_PENDING_OWNER, /* COUNT is the span's size */
	MR_PENDING_OBJECT,
	MR_PENDING_INNER, /* an object within its owner */
	MR_PENDING_ARRAY,
	MR_PENDING_POINTERS,
	MR_PENDING_LIST,
};

struct mr_pending {
	const char *pointer; /* object, next element, next slot of pointers, next node */
	const struct memcapture_layout *layout;
	uint64_t count; /* elements left; LIST: offset of the link */
	enum mr_pending_kind kind;
};

struct mr_sizer {
	struct mr_path_source source;
	mr_sizer_is_tracked *is_tracked; /* or NULL */
	void *is_tracked_context;
	struct mr_visited visited;
	int status;       /* the first failure while sizing the current object */
	unsigned level;   /* of the current object */
	uint64_t serial;  /* of the current object, 1.. */
	uint64_t counted; /* things counted so far, to see whether something was */

	/* The current object's referents as they were met.  SIZE is what was
	 * counted at the path itself until sum_up() adds what lies below. */
	struct mr_referent *referents;
	struct mr_path_node **nodes; /* whose entry it is */
	size_t referent_count;
	size_t referent_capacity;
	bool unordered; /* not depth first */
	struct mr_referent *ordered;
	uint32_t *links; /* three for each referent */
	size_t ordered_capacity;

	struct mr_pending *pending;
	size_t pending_count;
	size_t pending_capacity;
	uint64_t folded_bytes;

	struct mr_path_node *root; /* the object itself */
	struct mr_path_table names;
	struct mr_path_table bindings;
	struct mr_path_chunk *chunks; /* what nodes and bindings are cut from */
	size_t paths_bytes;           /* memory of all this */
};

/* One object whose members are being followed; what a walk gets as its visitor. */
struct memcapture_visitor {
	struct mr_sizer *sizer;
	struct mr_span span;       /* memory that was counted with the object */
	struct mr_path_node *node; /* the object's path; NULL below the resolution level */
};

/* ---- sizer_paths.c: NULL is "no memory", and STATUS says so ---------------- */

int mr_sizer_paths_init(struct mr_sizer *sizer) MR_MUST_CHECK;
void mr_sizer_paths_release(struct mr_sizer *sizer);
struct mr_path_binding *mr_sizer_binding(struct mr_sizer *sizer, struct mr_path_node *node,
                                         const struct memcapture_layout *layout);
/* The path of field INDEX of the binding's layout, made when new. */
struct mr_path_node *mr_sizer_field_path(struct mr_sizer *sizer, struct mr_path_binding *binding,
                                         size_t index);
struct mr_path_node *mr_sizer_named_path(struct mr_sizer *sizer, struct mr_path_node *parent,
                                         const char *name);
struct mr_path_node *mr_sizer_elements_path(struct mr_sizer *sizer, struct mr_path_node *parent);
/* The current object's entry for NODE; see mr_sizer_entry(). */
struct mr_referent *mr_sizer_add_entry(struct mr_sizer *sizer, struct mr_path_node *node);

/* ---- sizer_fold.c, sizer_resolve.c ------------------------------------------
 *
 * OBJECT has been counted, and its own memory is SPAN.  Failures show in STATUS. */

/* Counts all that OBJECT leads to and gives the bytes. */
uint64_t mr_sizer_fold(struct mr_sizer *sizer, const struct memcapture_layout *layout, const char *object,
                       struct mr_span span);
/* The same with an entry for each path below NODE, down to the current level. */
void mr_sizer_resolve(struct mr_sizer *sizer, const struct memcapture_layout *layout, const char *object,
                      struct mr_span span, struct mr_path_node *node);

/* What a walk says, to an object below the level and to one above it. */
void mr_sizer_fold_block(struct memcapture_visitor *visitor, const char *block, uint64_t size_bytes);
void mr_sizer_fold_string(struct memcapture_visitor *visitor, const char *text);
void mr_sizer_fold_object(struct memcapture_visitor *visitor, const char *object,
                          const struct memcapture_layout *layout);
void mr_sizer_resolve_block(struct memcapture_visitor *visitor, struct mr_path_node *path, const char *block,
                            uint64_t size_bytes);
void mr_sizer_resolve_string(struct memcapture_visitor *visitor, struct mr_path_node *path, const char *text);
void mr_sizer_resolve_object(struct memcapture_visitor *visitor, struct mr_path_node *path,
                             const char *object, const struct memcapture_layout *layout);

/* ---- Reading layouts and memory ---------------------------------------------- */

/* Nothing to follow, as far as can be said at once; mr_layout_is_flat() looks closer. */
static inline bool mr_layout_is_leaf(const struct memcapture_layout *layout)
{
	return layout->field_count == 0 && !layout->walk;
}

static inline uint64_t mr_layout_measure(const struct memcapture_layout *layout, const void *object)
{
	return layout->measure ? layout->measure(object) : layout->size;
}

/* From one element of an array to the next. */
static inline uint64_t mr_layout_stride(const struct memcapture_layout *layout, const void *element)
{
	return layout->size ? layout->size : mr_layout_measure(layout, element);
}

static inline const char *mr_read_pointer(const char *at)
{
	const char *pointer;

	memcpy(&pointer, at, sizeof(pointer));
	return pointer;
}

/* The elements that a counted field speaks of.  A count of 4 or 8 bytes whose
 * top bit is set is a negative number of a signed member: none. */
static inline uint64_t mr_field_count(const struct memcapture_field *field, const char *object)
{
	const char *at = object + field->count_offset;
	uint8_t count8;
	uint16_t count16;
	int32_t count32;
	int64_t count64;

	switch (field->count_width) {
	case 0:
		return field->count;
	case 1:
		memcpy(&count8, at, sizeof(count8));
		return count8;
	case 2:
		memcpy(&count16, at, sizeof(count16));
		return count16;
	case 4:
		memcpy(&count32, at, sizeof(count32));
		return count32 < 0 ? 0 : (uint64_t)count32;
	case 8:
		memcpy(&count64, at, sizeof(count64));
		return count64 < 0 ? 0 : (uint64_t)count64;
	default:
		return 0;
	}
}

/* COUNT elements of SIZE bytes; 0 when that is more than any block holds. */
static inline uint64_t mr_block_bytes_of(uint64_t count, uint64_t size_bytes)
{
	uint64_t bytes;

	if (__builtin_mul_overflow(count, size_bytes, &bytes) || bytes > MR_SIZER_BLOCK_MAX)
		return 0;
	return bytes;
}

static inline bool mr_span_has(struct mr_span span, const char *pointer)
{
	return (uint64_t)((uintptr_t)pointer - (uintptr_t)span.start) < span.size_bytes;
}

/* The span for OBJECT's own members: OBJECT itself, BYTES large, whose bytes are
 * to be counted, or that of the OWNER that it lies in, and no bytes then. */
static inline struct mr_span mr_span_enter(struct mr_span owner, const char *object, uint64_t *bytes)
{
	if (mr_span_has(owner, object)) {
		*bytes = 0;
		return owner;
	}
	return (struct mr_span){ object, *bytes };
}

/* Whether POINTER is to be counted now; from then on it is counted. */
static inline bool mr_sizer_claim(struct mr_sizer *sizer, const void *pointer)
{
	const int added = mr_visited_add(&sizer->visited, pointer);

	if (MR_UNLIKELY(added < 0)) {
		sizer->status = added;
		return false;
	}
	if (MR_UNLIKELY(sizer->is_tracked != NULL) && added &&
	    sizer->is_tracked(sizer->is_tracked_context, pointer))
		return false;
	sizer->counted += (uint64_t)added;
	return added;
}

/* Whether memory that was already claimed is to be gone through once more: a
 * list's node or an array whose other parts may still be new.  The second time
 * it is not, so that neither shared data nor cycles are followed for ever. */
static inline bool mr_sizer_pass(struct mr_sizer *sizer, const void *pointer)
{
	const int added = mr_visited_add_second(&sizer->visited, pointer);

	if (MR_UNLIKELY(added < 0))
		sizer->status = added;
	return added > 0;
}

/* Whether the elements of an array are to be gone through. */
static inline bool mr_sizer_enter_array(struct mr_sizer *sizer, const struct memcapture_layout *layout,
                                        const char *array, uint64_t count)
{
	if (!layout || count == 0 || mr_block_bytes_of(count, mr_layout_stride(layout, array)) == 0)
		return false;
	return !mr_visited_has(&sizer->visited, array) || mr_sizer_pass(sizer, array);
}

/* The list's next node, or NULL: at its end, and where it has been gone through before. */
static inline const char *mr_sizer_next_node(struct mr_sizer *sizer, const char *node, bool claimed,
                                             uint64_t link_offset)
{
	if (!claimed && !mr_sizer_pass(sizer, node + link_offset))
		return NULL;
	return mr_read_pointer(node + link_offset);
}

/* The current object's entry for NODE, made when it has none; NULL: no memory. Valid until the next call. */
static inline struct mr_referent *mr_sizer_entry(struct mr_sizer *sizer, struct mr_path_node *node)
{
	if (MR_LIKELY(node->serial == sizer->serial))
		return &sizer->referents[node->index];
	return mr_sizer_add_entry(sizer, node);
}

#endif
