/* SPDX-License-Identifier: MIT
 *
 * One image of a process whose heap is recorded: its channel, what is known of its heap,
 * and its stream in the log.  heap_image.c takes events, of which some have to wait in
 * heap_early.c, heap_snapshot.c writes snapshots, heap_holding.c what the process holds,
 * heap_naming.c asks for names, heap_ending.c writes what comes at the end.  Private to
 * memrecord; one thread, the heap's.
 */
#ifndef MR_HEAP_IMAGE_H
#define MR_HEAP_IMAGE_H

#include "heap_account.h"
#include "heap_early.h"
#include "heap_log.h"
#include "heap_maps.h"
#include "heap_profile.h"
#include "heap_stacks.h"
#include "heap_symbols.h"

#define MR_HEAP_SAMPLES_MAX 128 /* that wait; a process that is recorded has room for all of them */
#define MR_HEAP_ACCOUNTS_MAX 32
#define MR_HEAP_EVENT_ROWS 4096
#define MR_HEAP_THREAD_NAME_MAX 64

/* The next free id of a string in a stream whose image is gone: symbols want it until the end. */
struct mr_heap_string_id {
	struct mr_heap_string_id *next;
	uint64_t id;
};

/* What all images of a recording share; borrowed by each. */
struct mr_heap_common {
	struct mr_heap_log *log;
	const struct mr_channel_header *clock; /* what a tick is worth: its zero is a CLOCK_MONOTONIC */
	struct mr_heap_symbols *symbols;       /* NULL: places are not named */
	struct mr_heap_string_id **string_ids; /* where images that are gone leave theirs */
	const char *home;                      /* shown as "~"; NULL: none */
	const char *folder;                    /* of the channels */
	bool events;                           /* every single event goes into the log */
	bool all_sites;                        /* each of very many sites has rows of its own */
};

struct mr_heap_thread_name {
	uint32_t tid;
	uint64_t stack_address;
	bool written; /* as it is, in the log */
	char name[MR_HEAP_THREAD_NAME_MAX];
};

/* Rows that wait to be written, a column each. */
struct mr_heap_sample_rows {
	uint32_t count;
	uint64_t columns[MR_HEAP_SAMPLES_COUNT + 1][MR_HEAP_SAMPLES_MAX];
};
struct mr_heap_event_rows {
	uint32_t count;
	uint64_t columns[MR_HEAP_EVENTS_BACK + 1][MR_HEAP_EVENT_ROWS];
};

/* What the log has of a site; zeroes: nothing. */
struct mr_heap_written {
	struct mr_heap_figures figures;
	uint64_t peak_bytes;
	uint64_t peak_count;
};

struct mr_heap_image {
	const struct mr_heap_common *common;
	struct mr_channel *channel;
	struct mr_heap_drain *drain;
	struct mr_heap_profile profile;
	struct mr_heap_maps maps;
	struct mr_heap_stacks stacks;
	struct mr_heap_early early;
	uint32_t pid;
	uint64_t start_ticks;
	uint64_t over_ns; /* CLOCK_MONOTONIC; when the next image of the process began; 0: this is the last */
	char executable[MR_HEAP_TEXT_MAX + 1]; /* as the log shows it */

	bool begun; /* it has a stream: something has come */
	bool ended;
	bool clock_is_tsc;
	uint32_t stream;
	uint64_t string_next;
	uint64_t zero_ns; /* CLOCK_MONOTONIC */
	uint64_t ticks_last;

	uint32_t *ring_threads; /* by ring: index + 1 in the profile's threads; 0: not known yet */
	size_t ring_thread_capacity;
	struct mr_heap_thread_name *thread_names; /* by the profile's index */
	size_t thread_name_capacity;
	size_t thread_name_count;
	uint32_t site_unknown; /* index + 1 */

	/* Snapshots: see heap_snapshot.c. */
	uint64_t snapshot_count;
	uint32_t *row_sites; /* by row of `stacks`: index + 1 of its first site */
	size_t row_site_capacity;
	size_t row_site_count;
	size_t sites_resolved; /* sites before this one have been looked at */
	bool unknown_written;  /* the log has a row of stack 0 */
	uint32_t idle_row;     /* of `stacks`: of what sites without rows did; 0: the log has no row of it */
	uint64_t sites_folded; /* stacks that are told with others: see heap_fold.c */
	struct mr_heap_written *written; /* by site; none before the first snapshot on the way */
	size_t written_count;
	size_t written_capacity;
	uint64_t interval_due_ns;
	uint64_t peak_written;
	uint64_t snapshot_rows; /* of sites, that snapshots that nobody asked for have taken */
	uint64_t rows_refused;  /* that the last one would have taken for which there was no room */
	bool changed;           /* something has come since the last snapshot */

	uint32_t *module_numbers; /* by module: its number where names are asked for, + 1; 0: none yet */
	size_t module_number_count;
	size_t module_number_capacity;
	size_t nodes_foreseen; /* nodes before this one were foreseen to be named */

	uint64_t ticks_due; /* of the next sample */
	uint64_t sample_due_ns;
	struct mr_heap_sample_rows *samples; /* NULL until there are any */
	struct mr_heap_event_rows *events;
	struct mr_heap_account_pace account_pace;
	uint64_t account_due_ns; /* since the stream's zero */
	struct mr_heap_account accounts[MR_HEAP_ACCOUNTS_MAX];
	size_t account_count;
	uint64_t written_due_ns; /* when samples are to be written, CLOCK_MONOTONIC */
	struct mr_error complaint;
};

/* CHANNEL is taken, also on failure. */
int mr_heap_image_new(struct mr_heap_image **image, const struct mr_heap_common *common,
                      struct mr_channel *channel, uint32_t pid, uint64_t start_ticks, struct mr_error *err)
	MR_MUST_CHECK;
/* NULL is fine. */
void mr_heap_image_free(struct mr_heap_image *image);

/* Takes what there is; with ENDED (no more can come) all of it. Gives the bytes of records. */
uint64_t mr_heap_image_run(struct mr_heap_image *image, bool ended);
/* The program closed its channel. */
bool mr_heap_image_is_closed(const struct mr_heap_image *image);
/* After the last run: writes the END snapshot and all that comes with it.  The channel is let go. */
void mr_heap_image_end(struct mr_heap_image *image);

uint64_t mr_heap_image_memory(const struct mr_heap_image *image); /* bytes */

/* ---- Between the files of an image ------------------------------------------------- */

/* Ticks as ns since the stream's zero. */
uint64_t mr_heap_image_time(const struct mr_heap_image *image, uint64_t ticks);
uint64_t mr_heap_image_now(const struct mr_heap_image *image);
void mr_heap_image_begin(struct mr_heap_image *image); /* makes the stream, once */
void mr_heap_image_write_samples(struct mr_heap_image *image);
void mr_heap_image_write_events(struct mr_heap_image *image);
/* Looks at what the process holds. */
void mr_heap_image_account(struct mr_heap_image *image);
void mr_heap_image_write_accounts(struct mr_heap_image *image);

/* Takes a heap snapshot of how things are at TIME_NS. */
void mr_heap_snapshot_take(struct mr_heap_image *image, enum mr_heap_reason reason, const char *description,
                           uint64_t time_ns);
/* Takes one if it is time for one: a peak that matters has passed, or an interval. */
void mr_heap_snapshot_consider(struct mr_heap_image *image, uint64_t time_ns);
/* Puts SITE (an index of the profile), which has no row or leaves it, with the others of ROW; false: no
 * memory. */
bool mr_heap_snapshot_join(struct mr_heap_image *image, uint32_t site, uint32_t row);
/* At the end: lets very many sites share rows where that loses little. */
void mr_heap_fold(struct mr_heap_image *image);
/* Gives numbers to the stacks that are wanted, and to their places in the code; and writes rows for them. */
void mr_heap_definitions_stacks(struct mr_heap_image *image);
/* Asks for the names of places in the code: of those that are known so far and will probably be in the
 * log, while there is time; and at the end of all that are in it. */
void mr_heap_naming_foresee(struct mr_heap_image *image);
int mr_heap_naming_want(struct mr_heap_image *image, struct mr_error *err) MR_MUST_CHECK;
/* Writes rows for threads that the log does not have as they are. */
void mr_heap_definitions_threads(struct mr_heap_image *image);

#endif
