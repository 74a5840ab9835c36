/* SPDX-License-Identifier: MIT
 *
 * What logs hold, as columns in memory: one struct mr_run a recorded process,
 * put together from all streams (a tracker's, a sampler's) of that process.
 * The tables are made from it.  mr_model_open() reads definitions and summaries;
 * everything larger is loaded on demand, so that a query touches only the frames
 * that it needs.  Nothing here prints, sorts for show, or knows what a table is.
 *
 * All of it is borrowed from the model and lives until mr_model_close(); loading
 * more may move columns that are being loaded, never ones that were loaded
 * before.  A model belongs to one thread at a time.
 *
 * Ids in a log count per stream; here everything is an index within the run
 * (classes, stacks, paths, codes, modules: 0 is "none") or the model (strings),
 * so that streams, segments and files can be mixed.  Times are nanoseconds since
 * the run's start, the earliest zero of its streams.
 */
#ifndef MR_MODEL_H
#define MR_MODEL_H

#include "base.h"
#include "log_format.h"
#include "log_reader.h" /* enum mr_segment_end */

#define MR_NONE UINT64_MAX       /* an optional number that is not there: "unknown", "not yet" */
#define MR_INDEX_NONE UINT32_MAX /* no such run or snapshot */

/* What to load.  Definitions and summaries are there from the start. */
enum mr_load {
	MR_LOAD_OBJECTS = 1, /* births, deaths, changes */
	MR_LOAD_SIZES = 2,   /* the size columns and labels of objects; implies OBJECTS */
	MR_LOAD_SAMPLES = 4, /* samples and marks, of the heap too */
	MR_LOAD_ALL = 7,
};

/* ---- Definitions --------------------------------------------------------- */

struct mr_class {
	uint32_t name;       /* string */
	uint32_t parent;     /* class, 0: none; following parents always ends */
	uint32_t level;      /* resolution level */
	uint32_t flags;      /* enum mr_class_flag */
	uint32_t stream;     /* index in the run's streams */
	uint64_t size_bytes; /* of an instance of which nothing else is known */
};

struct mr_module {
	uint32_t path;     /* string */
	uint32_t build_id; /* string, "" when unknown */
	uint64_t base;
};

struct mr_code {
	uint32_t module;   /* 0: unknown */
	uint32_t function; /* strings, as known at capture; 0: not known */
	uint32_t file;
	uint32_t source; /* string: the text of its line or lines, where another tool kept it */
	uint32_t line;
	uint64_t offset;       /* in the module's own addresses */
	uint64_t id;           /* as its stream has it */
	uint32_t symbol_first; /* its rows in `symbols`, innermost first */
	uint32_t symbol_count;
};

struct mr_symbol {
	uint32_t function; /* strings */
	uint32_t file;
	uint32_t line;
};

struct mr_stack {
	uint32_t parent; /* the caller's stack, 0: outermost; following parents always ends */
	uint32_t code;
};

struct mr_path {
	uint32_t parent; /* 0: a direct referent */
	uint32_t name;   /* string */
	uint32_t level;  /* 1: a direct referent */
};

struct mr_thread {
	uint64_t tid;
	uint32_t name; /* string */
};

/* ---- Summaries ----------------------------------------------------------- */

struct mr_snapshot {
	uint64_t number; /* as users name it, 1..; rising, gaps where one was lost */
	uint64_t time_ns;
	uint64_t duration_ns;
	uint32_t description;    /* string */
	uint32_t stream;         /* index in the run's streams */
	uint64_t flags;          /* enum mr_snapshot_flag */
	uint64_t count;          /* objects alive */
	uint64_t size_bytes;     /* of all of them */
	uint64_t overhead_bytes; /* held by the tracker itself */
	uint64_t rss_bytes;      /* this and the following: MR_NONE when unknown */
	uint64_t vsz_bytes;
	uint64_t pss_bytes;
	uint64_t uss_bytes;
	uint64_t swap_bytes;
	uint64_t data_bytes;
	uint64_t stack_bytes;
	uint64_t code_bytes;
	uint64_t total_bytes;     /* of all objects that the program's runtime knows */
	uint64_t shared_bytes;    /* shared segment */
	uint64_t faults_major;    /* since the process's start */
	size_t class_total_first; /* its rows in `class_totals` */
	size_t class_total_count;
	size_t referent_total_first; /* its rows in `referent_totals` */
	size_t referent_total_count;
	size_t holder_first; /* its rows in `holders` */
	size_t holder_count;
};

struct mr_class_total {
	uint32_t snapshot; /* index in `snapshots` */
	uint32_t class_index;
	uint64_t count;
	uint64_t size_bytes;
	uint64_t flat_bytes;
	uint64_t min_bytes; /* of a census this and the next are 0: not known */
	uint64_t max_bytes;
	/* Of a census, of the objects that are not told one by one: */
	uint64_t gone; /* since its snapshot before this one */
	uint64_t gone_bytes;
	uint64_t made; /* likewise */
	uint64_t made_bytes;
	uint64_t stayed; /* made after the baseline, and there already at the snapshot before */
	uint64_t stayed_bytes;
};

/* A way in which persistent objects of a class were held.  Ordered by snapshot, class, size (largest
 * first), then path. */
struct mr_holder_way {
	uint32_t snapshot; /* index in `snapshots` */
	uint32_t class_index;
	uint32_t root;    /* enum mr_holder_root, or a number that a newer writer has */
	uint32_t path;    /* strings */
	uint32_t example; /* the path of `object` */
	uint64_t object;  /* one of them, as the log has it; MR_NONE: not known */
	uint64_t length;  /* references from the root to the object */
	uint64_t count;
	uint64_t size_bytes;
};

/* Objects and what they refer to.  Ordered by time. */
struct mr_graph {
	uint32_t kind;     /* enum mr_graph_kind, or a number that a newer writer has */
	uint32_t title;    /* string */
	uint32_t snapshot; /* index in `snapshots`, MR_INDEX_NONE: of none */
	uint32_t stream;   /* index in the run's streams */
	uint64_t time_ns;
	uint64_t object_count; /* this and the next two: of the whole graph, what is not told included */
	uint64_t size_bytes;
	uint64_t reference_count;
	uint32_t node_first; /* its rows in `graph_nodes`, by id */
	uint32_t node_count;
	uint32_t edge_first; /* its rows in `graph_edges`, by where they begin and end */
	uint32_t edge_count;
};

struct mr_graph_node {
	uint32_t graph; /* index in `graphs` */
	uint32_t id;    /* 1.., as the log has it; unique in the graph */
	uint32_t type;  /* strings */
	uint32_t label;
	uint64_t size_bytes;
	uint64_t count; /* objects that it stands for */
	uint64_t flags; /* enum mr_graph_node_flag */
};

struct mr_graph_edge {
	uint32_t graph;
	uint32_t from; /* indexes in `graph_nodes`, of that graph */
	uint32_t to;
	uint32_t label; /* string */
	uint64_t count; /* references that it stands for */
};

/* Ordered by snapshot, class, and then depth first, each parent before its children. */
struct mr_referent_total {
	uint32_t snapshot;
	uint32_t class_index;
	uint32_t path;
	uint64_t count;
	uint64_t size_bytes;
	uint64_t flat_bytes;
};

struct mr_process { /* at the start, and again after each exec */
	uint64_t time_ns;
	uint32_t name; /* strings */
	uint32_t command;
	uint32_t executable;
	uint64_t parent_pid;
	uint64_t parent_start_ticks;
};

struct mr_setting {
	uint32_t key; /* strings */
	uint32_t value;
};

struct mr_counter {
	uint32_t key; /* string */
	uint64_t value;
};

struct mr_mark {
	uint64_t time_ns;
	uint32_t text;   /* string */
	uint32_t thread; /* index in `threads`, 0: unknown */
};

struct mr_samples { /* columns, ordered by time; absent values are MR_NONE */
	size_t count;
	uint64_t *time_ns;
	uint64_t *rss_bytes;
	uint64_t *vsz_bytes;
	uint64_t *pss_bytes;
	uint64_t *uss_bytes;
	uint64_t *swap_bytes;
	uint64_t *faults_minor; /* this and the following: totals since the process's start */
	uint64_t *faults_major;
	uint64_t *cpu_user_ns;
	uint64_t *cpu_system_ns;
	uint64_t *threads;
	size_t capacity; /* while loading */
};

/* ---- Objects ------------------------------------------------------------- */

/* Columns, one row an object, in the log's order: of births, nearly, within a stream. */
struct mr_objects {
	size_t count;
	uint64_t *id; /* as the log has it: unique within a stream */
	uint64_t *birth_ns;
	uint64_t *death_ns; /* MR_NONE: alive to the end */
	uint64_t *address;
	uint32_t *class_index; /* the last one */
	uint32_t *stack;       /* 0: none */
	uint32_t *name;        /* string, 0: the class's */
	uint8_t *death_reason; /* enum mr_death_reason */
	uint8_t *level;        /* the resolution level now in force, at most 255 */
	uint64_t *birth_bytes; /* alone, when it was announced; MR_NONE: unknown.  NULL: of no object */
	/* With MR_LOAD_SIZES; NULL before. */
	uint64_t *size_bytes;     /* the last known: at its last snapshot, or when it was freed (keep);
	                       * the class's size when there is no snapshot of it */
	uint64_t *flat_bytes;     /* may be the same column as size_bytes */
	uint64_t *size_max_bytes; /* the largest that is known */
	uint32_t *label;          /* how it showed itself last: for mr_model_label(), as what follows */
	size_t *label_at;
	char *label_text;
};

/* Changes of class or level after birth, by time. */
struct mr_change {
	uint64_t time_ns;
	uint32_t row;         /* in `objects` */
	uint32_t class_index; /* its class from now on, 0: as before */
	uint32_t level;       /* MR_INDEX_NONE: as before */
	uint32_t class_born;  /* the class that the object was born as */
};

/* ---- The heap ------------------------------------------------------------- */

/* An image: what a process runs from its start, or an exec, to the next one. */
struct mr_heap_image {
	uint32_t stream; /* index in the run's streams */
	uint32_t state;  /* the model's own */
	uint64_t begin_ns;
	uint64_t end_ns;
	uint32_t snapshot_first; /* its rows in `heap_snapshots` */
	uint32_t snapshot_count;
};

struct mr_heap_snapshot {
	uint64_t number; /* as users name it, 1.. in the run, over all images */
	uint64_t time_ns;
	uint32_t image;       /* index in the run's heap_images */
	uint32_t reason;      /* enum mr_heap_reason */
	uint32_t description; /* string */
	uint64_t flags;
	uint64_t live_bytes; /* this and the next: then */
	uint64_t live_count;
	uint64_t peak_bytes; /* this and the next two: the image's so far */
	uint64_t peak_count;
	uint64_t peak_ns;
	uint64_t total_bytes; /* this and the following: since the image's start */
	uint64_t count;
	uint64_t frees;
	uint64_t temporary;
	uint64_t grown_bytes;
};

struct mr_heap_samples { /* columns, by time; images one behind the other */
	size_t count;
	size_t capacity; /* while loading */
	uint64_t *time_ns;
	uint64_t *live_bytes;
	uint64_t *live_count;
	uint64_t *live_max_bytes; /* since the sample before */
	uint64_t *total_bytes;
	uint64_t *total_count;
};

struct mr_heap_thread {
	uint32_t thread; /* index in `threads` */
	uint32_t image;
	uint64_t count;
	uint64_t total_bytes;
	uint64_t frees;
	uint64_t temporary;
	uint64_t live_bytes;
	uint64_t live_count;
	uint64_t waits;
	uint64_t wait_ns;
	uint64_t time_first_ns;
	uint64_t time_last_ns;
};

/* What the process holds at a time; see enum mr_col_account. */
struct mr_account {
	uint64_t time_ns;
	uint64_t rss_bytes;
	uint64_t heap_bytes;
	uint64_t live_bytes;
	uint64_t files_bytes;
	uint64_t stacks_bytes;
	uint64_t recorder_bytes;
	uint64_t shared_bytes;
	uint64_t anonymous_bytes;
	uint64_t swap_bytes;
	uint64_t heap_mapped_bytes;
};

/* What a call stack has done up to a snapshot. */
struct mr_heap_site {
	uint32_t stack; /* index in the run's stacks, 0: not known */
	uint64_t live_bytes;
	uint64_t live_count;
	uint64_t peak_bytes; /* at the high-water mark of all */
	uint64_t peak_count;
	uint64_t total_bytes;
	uint64_t count;
	uint64_t temporary;
	uint64_t reallocs;
	uint64_t grown_bytes;
	uint64_t lifetime_ns; /* of those that are gone, together */
};

struct mr_heap_bucket {
	uint32_t stack;  /* 0: all */
	uint32_t run;    /* index in the model's runs */
	uint32_t image;  /* index in the run's heap_images */
	uint8_t measure; /* enum mr_heap_measure */
	uint8_t bucket;
	uint64_t count;
	uint64_t total_bytes;
};

/* ---- Runs ---------------------------------------------------------------- */

struct mr_stream {
	uint32_t source;       /* enum mr_stream_source */
	uint32_t imported;     /* enum mr_imported */
	uint32_t segment;      /* index in the model's segments */
	uint64_t shift_ns;     /* what was added to its times */
	uint32_t creator;      /* string */
	uint32_t object_first; /* its rows in `objects` */
	uint32_t object_count;
	uint64_t time_last_ns; /* the last time that the stream speaks of, in the run's time */
};

struct mr_run {
	uint64_t boot_id[2];
	uint64_t pid;
	uint64_t start_ticks;
	uint64_t start_monotonic_ns; /* clocks at time 0 */
	uint64_t start_realtime_ns;
	uint64_t end_ns;   /* the last time that anything is known of */
	uint32_t parent;   /* index of the run that started it, or MR_INDEX_NONE */
	uint32_t file;     /* index in the model's files: where it is found first */
	uint32_t language; /* enum mr_language, of any of its streams */
	uint32_t imported; /* enum mr_imported, likewise */

	uint64_t exit_time_ns; /* MR_NONE: unknown */
	uint64_t exit_state;   /* enum mr_exit_state, 0: nothing recorded */
	uint64_t exit_value;
	uint64_t end_reason; /* enum mr_end_reason of its main segment; 0: killed, or still running */

	uint32_t stream_count;
	struct mr_stream *streams;

	/* Counts include entry 0, "none", where 0 is none. */
	uint32_t class_count;
	struct mr_class *classes;
	uint32_t module_count;
	struct mr_module *modules;
	uint32_t code_count;
	struct mr_code *codes;
	uint32_t symbol_count;
	struct mr_symbol *symbols;
	uint32_t stack_count;
	struct mr_stack *stacks;
	uint32_t path_count;
	struct mr_path *paths;
	uint32_t thread_count;
	struct mr_thread *threads;

	size_t snapshot_count; /* by time */
	struct mr_snapshot *snapshots;
	size_t class_total_count; /* by snapshot */
	struct mr_class_total *class_totals;
	size_t referent_total_count;
	struct mr_referent_total *referent_totals;
	size_t holder_count;
	struct mr_holder_way *holders;
	uint32_t graph_count;
	struct mr_graph *graphs;
	uint32_t graph_node_count; /* by graph */
	struct mr_graph_node *graph_nodes;
	uint32_t graph_edge_count; /* by graph */
	struct mr_graph_edge *graph_edges;
	size_t process_count; /* by time; the last one is what the process became */
	struct mr_process *processes;
	size_t setting_count;
	struct mr_setting *settings;
	size_t counter_count;
	struct mr_counter *counters;

	uint32_t heap_image_count; /* by time; 0: no heap was recorded */
	struct mr_heap_image *heap_images;
	uint32_t heap_snapshot_count; /* by image, then time */
	struct mr_heap_snapshot *heap_snapshots;
	uint32_t heap_thread_count;
	struct mr_heap_thread *heap_threads;
	uint32_t account_count; /* by time */
	struct mr_account *accounts;

	/* MR_LOAD_SAMPLES */
	struct mr_samples samples;
	struct mr_heap_samples heap_samples;
	size_t mark_count;
	size_t mark_capacity;  /* while loading */
	struct mr_mark *marks; /* by time */

	/* MR_LOAD_OBJECTS */
	struct mr_objects objects;
	size_t change_count;
	struct mr_change *changes;
};

/* ---- Health -------------------------------------------------------------- */

struct mr_segment {
	uint32_t file;    /* index in the model's files */
	uint32_t version; /* major << 16 | minor */
	uint64_t offset;  /* first byte in the file */
	uint64_t size_bytes;
	uint64_t frames;         /* found */
	uint64_t frames_read;    /* so far */
	uint64_t frames_damaged; /* so far; what was in them is lost */
	uint64_t frames_missing; /* gaps in the count of frames: so far */
	uint64_t bytes_lost;     /* that are no part of a readable frame: so far */
	uint64_t blocks_unknown; /* of kinds that a newer writer has */
	uint64_t ids_unknown;    /* ids whose definitions are missing */
	uint64_t rows_dropped;   /* rows that contradict others */
	uint64_t time_last_ns;   /* the last time in it, in its first stream's time */
	uint64_t end_reason;     /* enum mr_end_reason, 0: none */
	enum mr_segment_end end;
};

struct mr_file {
	char *path;
	uint64_t size_bytes;
};

struct mr_model {
	size_t run_count; /* by start */
	struct mr_run *runs;
	size_t segment_count; /* in the order of files and of bytes */
	struct mr_segment *segments;
	size_t file_count;
	struct mr_file *files;
	/* What is wrong with the files, a sentence each: "profile.dat: damaged at byte 8192: ...".
	 * Grows with loading. */
	size_t warning_count;
	char **warnings;
	unsigned loaded;              /* enum mr_load */
	struct mr_model_state *state; /* of model.c and its parts */
};

/* ---- Opening and loading -------------------------------------------------- */

/* Opens logs as one model; "-" is standard input.  A damaged log opens with
 * what is whole in it.  MR_ERR_READ, _FORMAT, _VERSION, _LIMIT, _NOMEM: the
 * message names the file. */
int mr_model_open(const char *const *paths, size_t path_count, struct mr_model **model, struct mr_error *err)
	MR_MUST_CHECK;
/* The same of a log that lies in memory (borrowed until mr_model_close()); NAME stands for its path. */
int mr_model_open_memory(const void *data, size_t size_bytes, const char *name, struct mr_model **model,
                         struct mr_error *err) MR_MUST_CHECK;
void mr_model_close(struct mr_model *model); /* NULL is fine */
/* Writes the bytes that the model was read from to OUT, one log behind the other: a log again. */
int mr_model_copy(const struct mr_model *model, FILE *out, struct mr_error *err) MR_MUST_CHECK;

/* Loads PARTS (enum mr_load) of all runs, if they are not there yet.  After a
 * failure the model can be closed only. */
int mr_model_load(struct mr_model *model, unsigned parts, struct mr_error *err) MR_MUST_CHECK;

/* ---- Looking at it -------------------------------------------------------- */

/* Never NULL: "" for 0, "?" for a string whose definition is lost.  A zero byte inside reads as '?'. */
const char *mr_model_string(const struct mr_model *model, uint32_t string);

/* How the object in ROW showed itself last; "" when that is unknown or sizes are not loaded.  It is
 * there until the model is closed.  Not for two threads at once. */
const char *mr_model_label(const struct mr_model *model, const struct mr_run *run, size_t row);

/* The class's name; "?" for 0. */
const char *mr_run_class_name(const struct mr_model *model, const struct mr_run *run, uint32_t class_index);
/* What the process is called: its last name, or else its executable's, or "?". */
const char *mr_run_name(const struct mr_model *model, const struct mr_run *run);

static inline bool mr_object_is_alive(const struct mr_objects *objects, size_t row, uint64_t time_ns)
{
	return objects->birth_ns[row] <= time_ns && time_ns < objects->death_ns[row];
}

/* Whether SNAPSHOT (an index) is of a census of all objects, not of a tracker. */
static inline bool mr_run_is_census(const struct mr_run *run, uint32_t snapshot)
{
	return run->streams[run->snapshots[snapshot].stream].source == MR_SOURCE_CENSUS;
}

/* Whether it is what later snapshots of a census are compared with. */
static inline bool mr_run_is_baseline(const struct mr_run *run, uint32_t snapshot)
{
	return mr_run_is_census(run, snapshot) &&
	       (run->snapshots[snapshot].flags & MR_SNAPSHOT_BASELINE) != 0;
}

/* Whether the object in ROW is one that a census found. */
static inline bool mr_run_object_is_of_census(const struct mr_run *run, size_t row)
{
	for (uint32_t i = 0; i < run->stream_count; i++) {
		const struct mr_stream *const stream = &run->streams[i];

		if (row >= stream->object_first && row - stream->object_first < stream->object_count)
			return stream->source == MR_SOURCE_CENSUS;
	}
	return false;
}

/* Whether RUN has a census. */
static inline bool mr_run_has_census(const struct mr_run *run)
{
	for (uint32_t i = 0; i < run->stream_count; i++)
		if (run->streams[i].source == MR_SOURCE_CENSUS)
			return true;
	return false;
}

/* The row in `objects` of the object that the stream of SNAPSHOT calls OBJECT; MR_INDEX_NONE: it is not
 * known.  After MR_LOAD_OBJECTS. */
uint32_t mr_model_object_row(const struct mr_model *model, const struct mr_run *run, uint32_t snapshot,
                             uint64_t object);

/* A frame of a trace, as it is shown.  Strings are borrowed, never NULL, "" when unknown. */
struct mr_position {
	const char *function;
	const char *file;
	const char *module;
	const char *source; /* the text of its line or lines, '\n' between them */
	uint32_t line;
	bool inlined; /* into the position that follows */
	uint64_t offset;
};

/* The positions of STACK, innermost first, inlined ones expanded: writes at
 * most MAX and gives how many there are (at most 4 x MR_LOG_STACK_DEPTH_MAX). */
size_t mr_run_trace(const struct mr_model *model, const struct mr_run *run, uint32_t stack,
                    struct mr_position *positions, size_t max);

/* ---- Sites at a heap snapshot ---------------------------------------------- */

/* The sites of a run, a row a stack, by stack.  With SNAPSHOT MR_INDEX_NONE at its end: then LIVE is
 * what the last image leaked, PEAK what the image with the highest peak held then, and the rest is
 * summed over images.  Otherwise at that index of run->heap_snapshots, of its image. */
struct mr_heap_sites {
	size_t count;
	const struct mr_heap_site *sites;
	struct mr_heap_site *own; /* these, where they are not the model's */
};

/* Reads no more of the log than it takes.  Freed with mr_heap_sites_release(). */
int mr_model_heap_sites(struct mr_model *model, size_t run, uint32_t snapshot, struct mr_heap_sites *sites,
                        struct mr_error *err) MR_MUST_CHECK;
void mr_heap_sites_release(struct mr_heap_sites *sites);
/* The histograms of RUN's images, or with MR_INDEX_NONE of all runs in one pass, as the log has them;
 * mr_free() frees *BUCKETS. */
int mr_model_heap_histogram(struct mr_model *model, size_t run, struct mr_heap_bucket **buckets,
                            size_t *count, struct mr_error *err) MR_MUST_CHECK;

/* Columns of single allocations. */
enum mr_allocation_column {
	MR_ALLOCATION_BIRTH = 1,
	MR_ALLOCATION_DEATH = 2,
	MR_ALLOCATION_SIZE = 4,
	MR_ALLOCATION_ADDRESS = 8,
	MR_ALLOCATION_STACK = 16,
	MR_ALLOCATION_THREAD = 32,
};

/* Single allocations of an image, where these were kept, in the order in which they were made. */
struct mr_allocations {
	uint32_t run;
	uint32_t image; /* index in its heap_images */
	size_t count;
	const uint32_t *chosen; /* which these are of all, rising; NULL: all */
	size_t chosen_count;
	/* Columns; NULL where one was not asked for. */
	uint64_t *birth_ns;
	uint64_t *death_ns; /* MR_NONE: not known to be gone */
	uint64_t *size_bytes;
	uint64_t *address;
	uint32_t *stack;  /* index in the run's stacks, 0: not known */
	uint32_t *thread; /* index in the run's threads, 0: not known */
};

struct mr_allocations_choice {
	const uint32_t *ordinals; /* rising, of all of the image, from 0; borrowed */
	size_t count;
};

/* COLUMNS (enum mr_allocation_column) of the allocations of all images of all runs, in that order, in one
 * pass; of those in CHOICE, an entry an image (NULL: of all).  Freed with mr_allocations_free(). */
int mr_model_allocations(struct mr_model *model, unsigned columns, const struct mr_allocations_choice *choice,
                         struct mr_allocations **images, size_t *image_count, struct mr_error *err)
	MR_MUST_CHECK;
void mr_allocations_free(struct mr_allocations *images, size_t image_count); /* NULL is fine */

/* Counts what does not fit in the blocks that these read, in the segments' figures, as opening and loading
 * do for all others.  The whole recording is read once. */
int mr_model_check_heap(struct mr_model *model, struct mr_error *err) MR_MUST_CHECK;

/* ---- Objects over time ---------------------------------------------------- */

/* The objects at one snapshot: rows [row_first, row_end) are those of the
 * snapshot's stream; an object is in it when mr_object_is_alive() at its time.
 * Columns are indexed by row of `objects` and hold nothing for rows outside. */
struct mr_snapshot_view {
	const struct mr_run *run;
	uint32_t snapshot; /* index in run->snapshots */
	uint64_t time_ns;
	size_t row_first;
	size_t row_end;
	const uint64_t *size_bytes;
	const uint64_t *flat_bytes;
	const uint32_t *class_index; /* at that time */
};

/* Gives 0 to go on, 1 to end without error, or an error. */
typedef int mr_snapshot_visit(void *context, const struct mr_snapshot_view *view, struct mr_error *err);

/* Calls VISIT for each snapshot of RUN with an index from FIRST to LAST, in
 * order (of each stream that has objects in its turn), without holding more than
 * one row an object.  Loads MR_LOAD_OBJECTS.  The view is borrowed for the call. */
int mr_model_replay(struct mr_model *model, size_t run, uint32_t first, uint32_t last,
                    mr_snapshot_visit *visit, void *context, struct mr_error *err) MR_MUST_CHECK;

struct mr_state_referent {
	uint32_t path;
	uint64_t count;
	uint64_t size_bytes;
	uint64_t flat_bytes;
};

enum mr_moment { MR_AT_SNAPSHOT, MR_AT_BIRTH, MR_AT_DEATH };

/* An object at a snapshot, when it was announced (where that is known), or when it was freed. */
struct mr_state {
	enum mr_moment moment;
	uint32_t snapshot; /* index in run->snapshots; MR_INDEX_NONE: at no snapshot */
	uint32_t label;    /* string */
	uint32_t form;     /* enum mr_label_form of it */
	uint64_t time_ns;
	uint64_t size_bytes;
	uint64_t flat_bytes;
	size_t referent_count;
	const struct mr_state_referent
		*referents; /* as the log has them: depth first, parents before children */
};

struct mr_states { /* of one object, by time: one state a snapshot that it is in (imported: was sized at) */
	size_t count;
	const struct mr_state *states;
};

/* The states of the objects ROWS (each at most once) of RUN in one pass over the log; *STATES has
 * ROW_COUNT entries.  Freed as one with mr_details_free(). */
int mr_model_details(struct mr_model *model, size_t run, const uint32_t *rows, size_t row_count,
                     struct mr_states **states, struct mr_error *err) MR_MUST_CHECK;
void mr_details_free(struct mr_states *states); /* NULL is fine */

#endif
