/* SPDX-License-Identifier: MIT
 *
 * What the parts of the model share with each other and with nobody else.
 *
 * Loading goes in two steps.  First the rows of each stream are gathered as the
 * log has them, with the stream's own ids (a definition may lie behind its use,
 * or be lost).  Then the runs are put together: streams of one process are
 * joined, ids become indexes, times count from the run's start.
 */
#ifndef MR_MODEL_PRIVATE_H
#define MR_MODEL_PRIVATE_H

#include "log_reader.h"
#include "model.h"

#define MR_LOAD__SUMMARY 0x100u    /* definitions and summaries: at opening */
#define MR_STRING_LOST 1           /* the string "?" */
#define MR_ID_LOST UINT32_MAX      /* an id that no definition can have */
#define MR_STRINGS_MAX 0x3fffffffu /* so that labels have two bits for what follows */
#define MR_LABEL_WITH_ADDRESS 0x80000000u
#define MR_LABEL_READY 0x40000000u /* it is put together */

/* ---- Ids ------------------------------------------------------------------ */

#define MR_ID_PAGE 16 /* ids that share a page */

/* From ids, any 64-bit numbers but mostly rising ones, to 32-bit values other
 * than 0.  Takes memory for what is in it, whatever the ids are. */
struct mr_id_map {
	uint64_t *keys;    /* page number + 1, open addressing; 0: free */
	uint32_t *slots;   /* index of the page */
	size_t slot_count; /* a power of two */
	uint32_t (*pages)[MR_ID_PAGE];
	uint64_t *page_keys; /* a page each */
	size_t page_count;
	size_t page_capacity;
	uint64_t last_key; /* the page that was looked at last */
	uint32_t last_page;
};

void mr_id_map_release(struct mr_id_map *map);
int mr_id_map_put(struct mr_id_map *map, uint64_t id, uint32_t value, struct mr_error *err) MR_MUST_CHECK;
uint32_t mr_id_map__find(struct mr_id_map *map, uint64_t id);

/* The value of ID, or 0. */
static inline uint32_t mr_id_map_get(struct mr_id_map *map, uint64_t id)
{
	if (MR_LIKELY(id / MR_ID_PAGE + 1 == map->last_key))
		return map->pages[map->last_page][id % MR_ID_PAGE];
	return mr_id_map__find(map, id);
}

/* ---- Lists ---------------------------------------------------------------- */

/* Ends a comparison for sorting where A and B differ: the smaller one comes first. */
#define MR_COMPARE(a, b)                           \
	do {                                       \
		if ((a) != (b))                    \
			return (a) < (b) ? -1 : 1; \
	} while (0)

#define MR_LIST(type)            \
	struct {                 \
		type *items;     \
		size_t count;    \
		size_t capacity; \
	}

/* Room for one more; the caller fills items[count++]. 0 or MR_ERR_NOMEM. */
#define MR_LIST_RESERVE(list, more) \
	mr_grow(&(list)->items, &(list)->capacity, (list)->count + (more), sizeof(*(list)->items))

/* ---- Streams --------------------------------------------------------------- */

enum mr_defined { /* what has ids of its own in a stream */
	          MR_DEFINED_STRING,
	          MR_DEFINED_CLASS,
	          MR_DEFINED_MODULE,
	          MR_DEFINED_CODE,
	          MR_DEFINED_STACK,
	          MR_DEFINED_PATH,
	          MR_DEFINED_THREAD,
	          MR_DEFINED_COUNT
};

struct mr_raw_symbol {
	uint32_t code; /* as in the log, then the run's index */
	uint32_t depth;
	struct mr_symbol symbol;
};

struct mr_raw_death {
	uint64_t object;
	uint64_t time_ns;
	uint8_t reason;
};

struct mr_raw_change {
	uint64_t object;
	struct mr_change change;
};

/* Rows of graphs that name theirs by id; ids that fit no number of 32 bits are MR_ID_LOST. */
struct mr_raw_graph {
	uint32_t id;
	uint32_t snapshot; /* its number */
	struct mr_graph graph;
};

struct mr_raw_node {
	uint32_t graph_id;
	struct mr_graph_node node;
};

struct mr_raw_edge {
	uint32_t graph_id;
	uint32_t from_id;
	uint32_t to_id;
	struct mr_graph_edge edge;
};

struct mr_numbered {
	uint64_t number; /* as the stream has it */
	uint32_t index;  /* in the run's snapshots */
};

/* A row of HEAP_SITES, while it is not known what later ones say. */
struct mr_heap_row {
	uint64_t snapshot;        /* its number in the stream */
	uint64_t stack;           /* as in the log */
	struct mr_heap_site site; /* but for its stack */
};

#define MR_LIVES_ROWS 256

/* When all of some objects, which have rows side by side, are alive. */
struct mr_lives {
	uint64_t birth_last_ns;
	uint64_t death_first_ns;
};

/* One stream of one segment while it is being read. */
struct mr_stream_state {
	uint32_t log;     /* index in the model's files */
	uint32_t segment; /* index in the model's segments */
	uint32_t number;  /* index in the model's streams */
	uint64_t id;
	bool described; /* there was a STREAM block */
	bool repeated;  /* its rows are left out: the very same stream was read before, or it is late */
	bool late;      /* all that defines it is lost, so it is of no run: its rows count as dropped */
	uint64_t boot_id[2];
	uint64_t pid;
	uint64_t start_ticks;
	uint64_t source;
	uint64_t language;
	uint64_t imported;
	uint64_t clock_monotonic_ns;
	uint64_t clock_realtime_ns;
	uint32_t creator; /* string id, then string */
	uint64_t time_last_ns;
	uint64_t string_id_max;

	uint32_t run;   /* index in the model's runs */
	uint32_t index; /* in the run's streams */
	uint64_t shift_ns;
	struct mr_id_map ids[MR_DEFINED_COUNT]; /* to index + 1 in the lists (strings: to the string) */
	uint32_t base[MR_DEFINED_COUNT];        /* index in the run of the list's first item */

	MR_LIST(struct mr_class) classes;
	MR_LIST(struct mr_module) modules;
	MR_LIST(struct mr_code) codes;
	MR_LIST(struct mr_stack) stacks;
	MR_LIST(struct mr_path) paths;
	MR_LIST(struct mr_thread) threads;
	MR_LIST(struct mr_raw_symbol) symbols;

	MR_LIST(struct mr_snapshot) snapshots;
	MR_LIST(struct mr_class_total) class_totals;       /* `snapshot` is the number */
	MR_LIST(struct mr_referent_total) referent_totals; /* likewise */
	MR_LIST(struct mr_holder_way) holders;             /* likewise */
	MR_LIST(struct mr_raw_graph) graphs;
	MR_LIST(struct mr_raw_node) graph_nodes;
	MR_LIST(struct mr_raw_edge) graph_edges;
	MR_LIST(struct mr_process) processes;
	MR_LIST(struct mr_setting) settings;
	MR_LIST(struct mr_counter) counters;
	uint64_t exit_time_ns;
	uint64_t exit_state;
	uint64_t exit_value;

	MR_LIST(struct mr_heap_snapshot) heap_snapshots; /* by number, once the runs are put together */
	MR_LIST(struct mr_heap_thread) heap_threads;     /* `thread` is the id */
	MR_LIST(struct mr_account) accounts;
	struct mr_id_map heap_thread_rows; /* thread id to row + 1 */
	uint32_t heap_image;               /* in the run's heap_images, MR_INDEX_NONE: it is none */
	/* What is asked of its sites: rows of snapshots from FIRST to LAST, by number. */
	bool heap_wanted;
	uint64_t heap_first;
	uint64_t heap_last;
	uint64_t heap_key_seen; /* the last key snapshot that rows were met of */
	MR_LIST(struct mr_heap_row) heap_rows;
	MR_LIST(struct mr_heap_site) heap_end; /* its sites at its end, when the model holds these */

	struct mr_objects objects; /* until they are the run's */
	size_t object_capacity;
	/* Ids of objects count up with their rows, nearly always: the id dense_first + I is that of row I,
	 * below dense_count.  The map has the others. */
	uint64_t dense_first;
	uint32_t dense_count;
	struct mr_id_map object_rows;        /* object id to row + 1, of this stream */
	MR_LIST(struct mr_lives) lives;      /* MR_LIVES_ROWS rows each; when its objects are the run's */
	MR_LIST(struct mr_raw_death) deaths; /* of objects that are not known yet */
	MR_LIST(struct mr_raw_change) changes;
	MR_LIST(struct mr_numbered) numbered; /* its snapshots, by number */
	bool sizes_are_last; /* the size columns hold what its last snapshot says, for objects in it */
};

/* What a file may still ask for; see MR_LOG_OBJECTS_ALLOWANCE. */
struct mr_budget {
	uint64_t objects_left;
	uint64_t rows_left;
	uint64_t snapshots_left;
	uint64_t streams_left;
};

struct mr_model_state {
	size_t log_count;
	struct mr_log *logs;
	struct mr_budget *budgets; /* a log each */
	uint32_t *segment_first;   /* a log each: index of its first segment in the model */
	bool runs_built;           /* streams that are met from now on are of no run */
	MR_LIST(struct mr_stream_state *) streams;
	struct mr_id_map *stream_ids; /* a segment each: stream id to index + 1 in streams */
	size_t *notes_taken;          /* a log each: notes that are warnings already */
	bool built;                   /* the runs are put together */
	bool heap_ends;               /* the streams hold their sites at their ends */
	bool heap_checked;            /* what does not fit in blocks of the heap is counted */
	MR_LIST(char *) warnings;     /* borrowed from the notes */

	char *text; /* strings, each with a zero byte behind it */
	size_t text_len;
	size_t text_capacity;
	MR_LIST(size_t) strings; /* offsets in text */
};

/* ---- Loading --------------------------------------------------------------- */

/* A block that is being read, and where it comes from. */
struct mr_loading {
	struct mr_model *model;
	struct mr_log *log;
	struct mr_budget *budget;
	struct mr_stream_state *stream;
	const struct mr_frame *frame;
};

/* Reads the rows of one block.  MR_ERR_FORMAT: the block is damaged; MR_ERR_LIMIT:
 * the file asks for more than it may. */
typedef int mr_block_reader(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err);

mr_block_reader mr_model__read_strings, mr_model__read_classes, mr_model__read_modules, mr_model__read_code,
	mr_model__read_stacks, mr_model__read_symbols, mr_model__read_paths, mr_model__read_threads,
	mr_model__read_stream, mr_model__read_snapshots, mr_model__read_class_totals,
	mr_model__read_referent_totals, mr_model__read_process, mr_model__read_exit, mr_model__read_settings,
	mr_model__read_counters, mr_model__read_births, mr_model__read_deaths, mr_model__read_changes,
	mr_model__read_samples, mr_model__read_marks, mr_model__read_heap_snapshots,
	mr_model__read_heap_threads, mr_model__read_account, mr_model__read_heap_samples,
	mr_model__read_holders, mr_model__read_graphs, mr_model__read_graph_nodes, mr_model__read_graph_edges;

/* Gathers the lists of the streams (STREAMS, COUNT of them) into RUN and resolves what is in them. */
int mr_model__merge(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                    size_t count, struct mr_error *err) MR_MUST_CHECK;
/* The part of it that joins the totals of snapshots. */
int mr_model__merge_totals(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                           size_t count, struct mr_error *err) MR_MUST_CHECK;
/* The part of it that joins who holds objects, and graphs. */
int mr_model__merge_census(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                           size_t count, struct mr_error *err) MR_MUST_CHECK;
/* How many rows of sites or histograms one pass over LOG may keep. */
uint64_t mr_model__rows_worth(const struct mr_log *log);
/* The part of it that is about the heap. */
int mr_model__merge_heap(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                         size_t count, struct mr_error *err) MR_MUST_CHECK;
/* The snapshot of STREAM with that NUMBER, as index in the run, or MR_INDEX_NONE. */
uint32_t mr_stream_snapshot(const struct mr_stream_state *stream, uint64_t number);

/* The row in its stream of an object, + 1; 0: it is not known. */
static inline uint32_t mr_stream_object(struct mr_stream_state *stream, uint64_t object)
{
	const uint64_t at = object - stream->dense_first;

	return at < stream->dense_count ? (uint32_t)at + 1 : mr_id_map_get(&stream->object_rows, object);
}

/* The row in the run of an object of STREAM, or MR_INDEX_NONE. */
uint32_t mr_stream_row(const struct mr_run *run, struct mr_stream_state *stream, uint64_t object);

/* Counts ROWS against what the file may ask for. */
int mr_model__spend_rows(struct mr_loading *loading, uint32_t rows, struct mr_error *err) MR_MUST_CHECK;

/* Opens the log of SOURCE (taken, also on failure) as a model. */
int mr_model__open_take(struct mr_source *source, struct mr_model **model, struct mr_error *err)
	MR_MUST_CHECK;

/* Puts the runs together after the definitions and summaries are read. */
int mr_model__build_runs(struct mr_model *model, struct mr_error *err) MR_MUST_CHECK;
/* Puts the objects and changes of all streams into their runs. */
int mr_model__finish_objects(struct mr_model *model, struct mr_error *err) MR_MUST_CHECK;
/* Sorts samples and marks that came from several streams. */
int mr_model__finish_samples(struct mr_model *model, struct mr_error *err) MR_MUST_CHECK;
/* Orders COUNT rows of COLUMN_COUNT columns, the first of which are times, by time. */
int mr_model__sort_columns(uint64_t *const *columns, size_t column_count, size_t count, struct mr_error *err)
	MR_MUST_CHECK;
/* Finds room for the labels of OBJECTS. */
int mr_model__make_labels(const struct mr_model *model, struct mr_objects *objects, struct mr_error *err)
	MR_MUST_CHECK;
/* Fills the size columns of all objects. */
int mr_model__load_sizes(struct mr_model *model, struct mr_error *err) MR_MUST_CHECK;

/* An id of the log as a list keeps it until it is resolved. */
static inline uint32_t mr_raw_id(uint64_t id)
{
	return id < MR_ID_LOST ? (uint32_t)id : MR_ID_LOST;
}

/* The run's index (the model's, for strings) that ID of STREAM means; 0 for 0.  One whose
 * definition is lost is counted, and is MR_STRING_LOST for strings, else 0. */
uint32_t mr_model__resolve(struct mr_model *model, struct mr_stream_state *stream, enum mr_defined what,
                           uint64_t id);

/* TIME of STREAM in its run's time. */
static inline uint64_t mr_run_time(const struct mr_stream_state *stream, uint64_t time_ns)
{
	const uint64_t sum = time_ns + stream->shift_ns;

	return sum < time_ns || sum == MR_NONE ? MR_NONE - 1 : sum;
}

/* The size that the object in ROW had when it was announced, or OTHERWISE. */
static inline uint64_t mr_birth_size(const struct mr_objects *objects, size_t row, uint64_t otherwise)
{
	return objects->birth_bytes != NULL && objects->birth_bytes[row] != MR_NONE
	               ? objects->birth_bytes[row]
	               : otherwise;
}

/* Reads the frames of LOG that hold any of KINDS (a mask), for which WANTED says so (NULL: all),
 * and calls BLOCK for each block of those kinds. */
struct mr_frame_walk {
	uint64_t kinds;
	bool (*wanted)(void *context, const struct mr_frame *frame); /* may be NULL */
	int (*block)(void *context, struct mr_loading *loading, const struct mr_block *block,
	             struct mr_error *err);
	void *context;
};
int mr_model__walk(struct mr_model *model, size_t log, const struct mr_frame_walk *walk, struct mr_error *err)
	MR_MUST_CHECK;

/* Brings the model's warnings and figures of health up to date with the logs'. */
int mr_model__take_notes(struct mr_model *model, struct mr_error *err) MR_MUST_CHECK;

/* Releases what a stream holds. */
void mr_stream_state_free(struct mr_stream_state *stream);
void mr_objects_release(struct mr_objects *objects);

#endif
