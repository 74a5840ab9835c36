/* SPDX-License-Identifier: MIT
 *
 * What a ClassTracker knows of its objects, in C: one row an object that was ever
 * tracked, alive or dead, and what each snapshot found that was new.  Compact:
 * beside the weak reference (96 bytes) a row, its place in the map and its first
 * state stay under 100 bytes.
 *
 * Rows, states and nodes lie in chunks and never move, because Python code may
 * run in the middle of nearly everything (a repr, a garbage collection) and track
 * or drop objects then.  Ids count from 1; 0 is "none".  An object's number in the
 * log is its row's id.  Times are nanoseconds since the import of the package.
 *
 * A store outlives the tracker that filled it for as long as a view of one of its
 * objects does (detach_all gives the tracker a fresh one).  All of it under the
 * GIL.  Private to the extension _capture.
 */
#ifndef MR_TRACKED_STORE_H
#define MR_TRACKED_STORE_H

#include <Python.h>

#include "base.h"
#include "object_sizer.h"

/* ---- Texts: names, labels, files, functions; each once ----------------------- */

struct mr_text {
	const char *bytes; /* UTF-8 (surrogates as Python's "surrogatepass"), owned by the store */
	uint32_t len;
	uint32_t class_index; /* the class of this name, 0: none */
};

/* ---- Objects ------------------------------------------------------------------ */

enum mr_tracked_flag {
	MR_TRACKED_KEEP = 1,          /* the row holds a reference to the object */
	MR_TRACKED_LABEL_DEFAULT = 2, /* the label is followed by " object at 0x<address>>" */
	MR_TRACKED_DETACHED = 4       /* no longer observed, still alive when last seen */
};

struct mr_tracked_row {
	PyObject *ref;    /* the weak reference, owned; NULL once the object is gone */
	uint64_t address; /* id() */
	uint64_t birth_ns;
	uint64_t death_ns;    /* 0: alive */
	uint32_t basic_bytes; /* basicsize when it was tracked */
	uint32_t class_index; /* in `classes` */
	uint32_t stack;       /* in `stacks`, 0: none */
	uint32_t label;       /* text: how it showed itself at its last snapshot, 0: not yet */
	uint32_t state;       /* its last one, 0: none yet */
	uint8_t level;        /* resolution level */
	uint8_t flags;        /* enum mr_tracked_flag */
	uint16_t reserved;
};

/* What a snapshot found of an object; only where it differs from the state before. */
struct mr_tracked_state {
	uint64_t size_bytes;
	uint32_t flat_bytes; /* UINT32_MAX: as much or more */
	uint32_t previous;   /* the object's state before, 0: none */
	uint32_t snapshot;   /* the first snapshot that found it so, 1.. */
	uint32_t tree;       /* in `trees`, 0: no referents told */
};

struct mr_tracked_tree {
	uint32_t node_first; /* in `nodes` */
	uint32_t node_count;
};

struct mr_tracked_node { /* depth first, each before what is under it */
	uint64_t size_bytes;
	uint64_t flat_bytes;
	uint32_t name;  /* text */
	uint32_t level; /* 1: direct */
};

struct mr_tracked_class { /* a name under which objects are tracked, in order of first use */
	uint32_t name;    /* text */
	uint32_t alive;   /* objects */
	uint32_t born;    /* objects, ever */
	/* Ids in order of birth, owned; behind `born` until mr_store_index(). */
	uint32_t row_count;
	uint32_t *rows;
	size_t row_capacity;
};

/* ---- Stacks: a trie of code positions ----------------------------------------- */

struct mr_tracked_code {
	uint32_t file; /* texts */
	uint32_t function;
	uint32_t line;
};

struct mr_tracked_stack {
	uint32_t parent; /* the caller's, 0: outermost */
	uint32_t code;   /* in `codes` */
};

/* ---- Snapshots ----------------------------------------------------------------- */

struct mr_tracked_snapshot {
	uint64_t time_ns;
	uint64_t duration_ns;
	uint32_t description;   /* text */
	uint32_t periodic;      /* 1: taken by the background thread */
	uint64_t tracked_bytes; /* tracked_total */
	uint64_t total_bytes;   /* asizeof_total, 0: not asked for */
	uint64_t overhead_bytes;
	uint64_t count;     /* objects alive */
	uint64_t rss_bytes; /* this and the following: UINT64_MAX when unknown */
	uint64_t vsz_bytes;
	uint64_t data_bytes;
	uint64_t stack_bytes;
	uint64_t code_bytes;
	uint64_t shared_bytes;
	uint64_t faults_major;
	uint32_t state_first; /* the states that it added: [state_first, state_end) */
	uint32_t state_end;
};

/* ---- The store ------------------------------------------------------------------- */

#define MR_STORE_CHUNK_SHIFT 12 /* entries in a chunk: 4096 */

struct mr_chunks { /* entries of one size that never move; index 0 is not used */
	void **chunks;
	size_t entry_bytes;
	uint32_t count; /* entries, with the unused first one */
	uint32_t chunk_capacity;
};

static inline void *mr_chunks_at(const struct mr_chunks *chunks, uint32_t index)
{
	return (char *)chunks->chunks[index >> MR_STORE_CHUNK_SHIFT] +
	       (index & ((1u << MR_STORE_CHUNK_SHIFT) - 1)) * chunks->entry_bytes;
}

/* How many entries there are, without the first one, which is not there either before one is added. */
static inline uint32_t mr_chunks_used(const struct mr_chunks *chunks)
{
	return chunks->count == 0 ? 0 : chunks->count - 1;
}

struct mr_feed; /* log_feed.h: where the account goes while the program runs */

struct mr_store {
	uint64_t references; /* the tracker and views */
	PyObject *module;    /* _capture, borrowed: the tracker and each view keep it alive by their types */
	uint64_t zero_ns;    /* CLOCK_MONOTONIC at the import of the package: what times count from */

	struct mr_chunks rows;   /* struct mr_tracked_row */
	struct mr_chunks states; /* struct mr_tracked_state */
	struct mr_chunks trees;
	struct mr_chunks nodes;
	struct mr_chunks classes;
	struct mr_chunks codes;
	struct mr_chunks stacks;
	struct mr_chunks snapshots; /* number = id */
	struct mr_chunks texts;     /* struct mr_text */

	/* Row ids by address, with open addressing.  A byte of the hash beside each (0: free) spares
	 * nearly every look at a row that is another's. */
	uint8_t *map_tags;
	uint32_t *map;
	uint64_t map_mask; /* 0: no map yet */
	uint64_t map_used;
	void *text_index;  /* tracked_texts.c */
	void *trace_index; /* python_trace.c */
	uint32_t *stack_index;
	uint64_t stack_mask;
	uint32_t row_indexed; /* up to here rows are in their classes' lists */
	uint64_t alive;       /* objects that are observed now */
	uint64_t revision; /* counts births, deaths and snapshots: what was made of the store before is old */
	uint64_t last_ns;  /* time of the last birth or death: no two are the same */
	struct mr_feed *feed; /* NULL: none */

	/* The snapshot that is being taken: rows [sizing_row, sizing_end) are still to be sized. */
	uint64_t sizing_ns;
	uint32_t sizing_row;
	uint32_t sizing_end; /* 0: none is being taken */
	struct {
		uint32_t state, tree, node; /* the first ones of it */
	} sizing_first;
};

#define MR_STORE_AT(kind, member)                                                                          \
	static inline struct mr_tracked_##kind *mr_store_##kind(const struct mr_store *store, uint32_t id) \
	{                                                                                                  \
		return (struct mr_tracked_##kind *)mr_chunks_at(&store->member, id);                       \
	}
MR_STORE_AT(row, rows)
MR_STORE_AT(state, states)
MR_STORE_AT(tree, trees)
MR_STORE_AT(node, nodes)
MR_STORE_AT(class, classes)
MR_STORE_AT(code, codes)
MR_STORE_AT(stack, stacks)
MR_STORE_AT(snapshot, snapshots)
#undef MR_STORE_AT

static inline const struct mr_text *mr_store_text(const struct mr_store *store, uint32_t id)
{
	return (const struct mr_text *)mr_chunks_at(&store->texts, id);
}

/* All that add give an id, or 0 with a Python error (MemoryError). */

/* A store with one reference, whose times count from ZERO_NS.  NULL with a Python error. */
struct mr_store *mr_store_new(PyObject *module, uint64_t zero_ns);
void mr_store_hold(struct mr_store *store);
void mr_store_release(struct mr_store *store);

uint32_t mr_store_add_text(struct mr_store *store, const char *bytes, size_t len);
uint32_t mr_store_add_string(struct mr_store *store, PyObject *string);
/* A text for a row's label, with one use more; and one use less.  A label without a use is empty. */
uint32_t mr_store_add_label(struct mr_store *store, PyObject *string);
void mr_store_drop_label(struct mr_store *store, uint32_t id);
uint32_t mr_store_add_class(struct mr_store *store, PyObject *name); /* or finds it */
uint32_t mr_store_add_code(struct mr_store *store, uint32_t file, uint32_t function, uint32_t line);
uint32_t mr_store_add_stack(struct mr_store *store, uint32_t parent, uint32_t code); /* or finds it */
/* A row with birth, class and address, alive, in the map and in its class's counts.  REF is taken
 * over, but only when it succeeds. */
uint32_t mr_store_add_row(struct mr_store *store, PyObject *ref, uint64_t address, uint32_t class_index);
/* The row's object has died, or is not observed any more: its reference is given to the caller. */
PyObject *mr_store_end_row(struct mr_store *store, uint32_t id);
/* The row of the object at ADDRESS: the last one that was tracked there, alive or not; 0: none. */
uint32_t mr_store_find(const struct mr_store *store, uint64_t address);
/* Brings the classes' lists of rows up to date.  -1 with a Python error. */
int mr_store_index(struct mr_store *store);
/* Snapshots of BEFORE, as facts without states, so that STORE goes on counting.  -1 with a Python error. */
int mr_store_inherit_snapshots(struct mr_store *store, const struct mr_store *before);
/* An entry, zeroed; 0 with a Python error. */
uint32_t mr_chunks_add(struct mr_chunks *chunks);
/* Drops the entries from COUNT on. */
void mr_chunks_cut(struct mr_chunks *chunks, uint32_t count);
/* Now, in the store's time. */
uint64_t mr_store_now(const struct mr_store *store);
/* What the store holds of memory, its weak references included. */
uint64_t mr_store_memory(const struct mr_store *store);
static inline double mr_store_seconds(uint64_t time_ns)
{
	return (double)time_ns / 1e9;
}

/* The state of ROW at SNAPSHOT; NULL: it has none there. */
const struct mr_tracked_state *mr_store_state_at(const struct mr_store *store, uint32_t row,
                                                 uint32_t snapshot);

/* A text as a str; the text of 0 is "".  A new reference, or NULL with a Python error. */
PyObject *mr_store_text_object(const struct mr_store *store, uint32_t id);
void mr_store_texts_free(struct mr_store *store);
uint64_t mr_store_texts_memory(const struct mr_store *store);

/* ---- tracked_ref.c: the weak references ------------------------------------------------ */

/* A weak reference to OBJECT that will tell the row of its death.  NULL with a Python error:
 * TypeError when OBJECT cannot have one. */
PyObject *mr_ref_new(PyObject *module, PyObject *object);
void mr_ref_attach(PyObject *ref, struct mr_store *store, uint32_t row);
void mr_ref_detach(PyObject *ref); /* its row is gone */
/* The object, a new reference; NULL, without an error: it is gone. */
PyObject *mr_ref_object(PyObject *ref);
/* Whether the object is still there, without holding it. */
bool mr_ref_alive(PyObject *ref);
uint64_t mr_ref_bytes(void); /* that one of them takes */

/* ---- python_trace.c ----------------------------------------------------------------- */

/* The stack of the Python code that is running now, as an id in `stacks`: its innermost
 * frame is the one that called into this extension.  0: no memory; a trace is never
 * worth an error, and no Python error is left set. */
uint32_t mr_store_trace(struct mr_store *store);
void mr_store_trace_free(struct mr_store *store);

#endif
