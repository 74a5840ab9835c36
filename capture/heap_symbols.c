/* SPDX-License-Identifier: MIT
 *
 * What streams ask for is a list of codes with their places, which is written when
 * all of them are known.  The thread that looks up meanwhile shares nothing but the
 * places with the one that everything else is for.
 */
#include "heap_symbols.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memrecord_folder.h"
#include "proc_memory.h"
#include "symbolizer_places.h"

#define KEPT_OPEN_MAX 64u                /* modules that only their process sees */
#define AHEAD_BYTES (UINT64_C(40) << 20) /* of memory for what is looked up ahead; the rest is for the end */
#define AHEAD_LOOK 8                     /* places between two looks at that */

struct stream {
	uint32_t number;
	uint64_t *string_id_next;
	size_t code_first; /* its codes go up to those of the next one */
};

struct mr_heap_symbols {
	struct mr_places *places;
	struct mr_places_code *codes;
	size_t code_count, code_capacity;
	struct stream *streams;
	size_t stream_count, stream_capacity;
	uint32_t kept_open;

	bool foreseen; /* something that the thread was not told of */
	bool ahead;    /* there is a thread */
	bool over;     /* and will be none again */
	pthread_t thread;
	uint64_t ahead_bytes; /* its: what it has taken, and what we had when it last began */
	uint64_t bytes_before;
	unsigned asked;
	bool full;
	atomic_bool stop;
	pthread_mutex_t lock; /* of the next */
	pthread_cond_t more;
	bool more_came;
};

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the names of places");
}

int mr_heap_symbols_new(struct mr_heap_symbols **symbols, struct mr_error *err)
{
	struct mr_heap_symbols *const made = mr_alloc(sizeof(*made));

	if (made == NULL)
		return no_memory(err);
	(void)pthread_mutex_init(&made->lock, NULL);
	(void)pthread_cond_init(&made->more, NULL);
	const int code = mr_places_new(&made->places, err);
	if (code < 0) {
		mr_heap_symbols_free(made);
		return code;
	}
	*symbols = made;
	return 0;
}

/* ---- Meanwhile ------------------------------------------------------------------------ */

/* Bytes of memory that are our own, not mapped files or rings. */
static uint64_t own_bytes(void)
{
	uint64_t rss = 0, shared = 0;
	char text[128];
	const int64_t len = mr_proc_read_file((uint32_t)getpid(), "statm", text, sizeof(text) - 1);

	text[len > 0 ? len : 0] = '\0';
	if (sscanf(text, "%*u %" SCNu64 " %" SCNu64, &rss, &shared) != 2 || rss < shared)
		return 0;
	return (rss - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool is_stopped(struct mr_heap_symbols *symbols)
{
	return atomic_load_explicit(&symbols->stop, memory_order_relaxed);
}

static bool goes_on(void *context)
{
	struct mr_heap_symbols *const symbols = context;

	if (symbols->asked++ % AHEAD_LOOK == 0)
		symbols->full = own_bytes() > symbols->bytes_before + (AHEAD_BYTES - symbols->ahead_bytes);
	return !symbols->full && !is_stopped(symbols);
}

static void *run_ahead(void *argument)
{
	struct mr_heap_symbols *const symbols = argument;
	int code = 0;

	mr_folder_guard_begin(); /* files may be cut while we look at them */
	/* Where memory is short, the end will tell. */
	while (code == 0 && !symbols->full && !is_stopped(symbols)) {
		(void)pthread_mutex_lock(&symbols->lock);
		while (!symbols->more_came && !is_stopped(symbols))
			(void)pthread_cond_wait(&symbols->more, &symbols->lock);
		symbols->more_came = false;
		(void)pthread_mutex_unlock(&symbols->lock);
		symbols->bytes_before = own_bytes();
		code = mr_places_look_ahead(symbols->places, goes_on, symbols, NULL);
		const uint64_t bytes = own_bytes();

		/* What others took meanwhile counts too: then modules are closed sooner than they need be. */
		if (bytes > symbols->bytes_before)
			symbols->ahead_bytes += bytes - symbols->bytes_before;
		symbols->full = symbols->full || symbols->ahead_bytes > AHEAD_BYTES;
	}
	if (symbols->full)
		mr_places_close(symbols->places);
	mr_folder_guard_end();
	return NULL;
}

void mr_heap_symbols_look_ahead(struct mr_heap_symbols *symbols)
{
	if (!symbols->foreseen || symbols->over)
		return;
	symbols->foreseen = false;
	(void)pthread_mutex_lock(&symbols->lock);
	symbols->more_came = true;
	(void)pthread_mutex_unlock(&symbols->lock);
	if (symbols->ahead)
		(void)pthread_cond_signal(&symbols->more);
	else if (pthread_create(&symbols->thread, NULL, run_ahead, symbols) == 0)
		symbols->ahead = true;
	else
		symbols->over = true;
}

/* From here on everything is the caller's alone. */
static void end_ahead(struct mr_heap_symbols *symbols)
{
	symbols->over = true;
	if (!symbols->ahead)
		return;
	(void)pthread_mutex_lock(&symbols->lock);
	atomic_store_explicit(&symbols->stop, true, memory_order_relaxed);
	(void)pthread_mutex_unlock(&symbols->lock);
	(void)pthread_cond_signal(&symbols->more);
	(void)pthread_join(symbols->thread, NULL);
	symbols->ahead = false;
}

void mr_heap_symbols_free(struct mr_heap_symbols *symbols)
{
	if (symbols == NULL)
		return;
	end_ahead(symbols);
	(void)pthread_cond_destroy(&symbols->more);
	(void)pthread_mutex_destroy(&symbols->lock);
	mr_places_free(symbols->places);
	mr_free(symbols->codes);
	mr_free(symbols->streams);
	mr_free(symbols);
}

int mr_heap_symbols_stream(struct mr_heap_symbols *symbols, uint32_t stream, uint64_t *string_id_next,
                           struct mr_error *err)
{
	if (mr_grow(&symbols->streams, &symbols->stream_capacity, symbols->stream_count + 1,
	            sizeof(*symbols->streams)) < 0)
		return no_memory(err);
	symbols->streams[symbols->stream_count++] =
		(struct stream){ stream, string_id_next, symbols->code_count };
	return 0;
}

/* The file that process PID sees under PATH, when it is another one than we see there; or -1. */
static int open_in_process(const struct mr_heap_symbols *symbols, const char *path, uint32_t pid)
{
	struct mr_buffer inside = { 0 };
	char root[MR_PROC_PATH_MAX];
	struct stat seen, meant;
	int fd = -1;

	if (pid == 0 || path[0] != '/' || symbols->kept_open >= KEPT_OPEN_MAX ||
	    !mr_proc_path(pid, "root", root, sizeof(root)))
		return -1;
	mr_buffer_printf(&inside, "%s%s", root, path);
	mr_buffer_put_u8(&inside, 0);
	if (!inside.failed && stat((const char *)inside.data, &meant) == 0 && S_ISREG(meant.st_mode) &&
	    (stat(path, &seen) < 0 || seen.st_dev != meant.st_dev || seen.st_ino != meant.st_ino))
		fd = open((const char *)inside.data, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	mr_buffer_release(&inside);
	return fd;
}

int mr_heap_symbols_module(struct mr_heap_symbols *symbols, const char *path, const char *build_id,
                           uint32_t pid, uint32_t *module, struct mr_error *err)
{
	const size_t count = mr_places_module_count(symbols->places);

	MR_TRY(mr_places_module(symbols->places, path, build_id, module, err));
	const int fd = *module == count ? open_in_process(symbols, path, pid) : -1;
	if (fd >= 0) {
		mr_places_module_file(symbols->places, *module, fd);
		symbols->kept_open++;
	}
	return 0;
}

int mr_heap_symbols_place(struct mr_heap_symbols *symbols, uint64_t code, uint32_t module, uint64_t offset,
                          struct mr_error *err)
{
	uint32_t place = 0;

	MR_FAIL_IF(symbols->stream_count == 0, err, MR_ERR_ARG, "a place of no stream is to be named");
	MR_TRY(mr_places_add(symbols->places, module, offset, &place, err));
	if (mr_grow(&symbols->codes, &symbols->code_capacity, symbols->code_count + 1,
	            sizeof(*symbols->codes)) < 0)
		return no_memory(err);
	symbols->codes[symbols->code_count++] = (struct mr_places_code){ code, place };
	return 0;
}

int mr_heap_symbols_foresee(struct mr_heap_symbols *symbols, uint32_t module, uint64_t offset,
                            struct mr_error *err)
{
	symbols->foreseen = true;
	return mr_places_foresee(symbols->places, module, offset, err);
}

/* ---- Writing -------------------------------------------------------------------------- */

static void report_on(const struct mr_places *places, struct mr_heap_symbols_report *report)
{
	*report = (struct mr_heap_symbols_report){ 0 };
	for (size_t i = 0; i < mr_places_count(places); i++) {
		const enum mr_places_known known = mr_places_known(places, (uint32_t)i);

		report->places += known != MR_PLACES_UNSEEN;
		report->places_named += known >= MR_PLACES_NAMED;
		report->places_positioned += known == MR_PLACES_LINED;
	}
	for (size_t i = 0; i < mr_places_module_count(places); i++) {
		const char *path;
		const char *why;
		const enum mr_places_known known = mr_places_module_known(places, (uint32_t)i, &path, &why);

		report->modules += known != MR_PLACES_UNSEEN;
		report->modules_missing += known == MR_PLACES_MISSING;
		report->modules_lined += known == MR_PLACES_LINED;
	}
}

struct destination {
	struct mr_log_writer *log;
	uint32_t stream;
};

static int put_block(void *context, enum mr_kind kind, const void *block, size_t len, struct mr_error *err)
{
	const struct destination *const to = context;

	(void)kind;
	return mr_log_writer_append(to->log, to->stream, block, len, NULL, err);
}

static int compare_codes(const void *left, const void *right)
{
	const struct mr_places_code *const a = left;
	const struct mr_places_code *const b = right;

	return a->code < b->code ? -1 : a->code > b->code;
}

int mr_heap_symbols_write(struct mr_heap_symbols *symbols, struct mr_log_writer *log,
                          struct mr_heap_symbols_report *report, struct mr_error *err)
{
	end_ahead(symbols);
	MR_TRY(mr_places_look_up(symbols->places, err));
	for (size_t i = 0; i < symbols->stream_count; i++) {
		const struct stream *const stream = &symbols->streams[i];
		const bool is_last = i + 1 == symbols->stream_count;
		const size_t end = is_last ? symbols->code_count : stream[1].code_first;
		struct destination to = { log, stream->number };

		if (end == stream->code_first)
			continue;
		qsort(symbols->codes + stream->code_first, end - stream->code_first, sizeof(*symbols->codes),
		      compare_codes);
		MR_TRY(mr_places_write(symbols->places, symbols->codes + stream->code_first,
		                       end - stream->code_first, stream->string_id_next, put_block, &to,
		                       err));
	}
	symbols->code_count = symbols->stream_count = 0;
	if (report != NULL)
		report_on(symbols->places, report);
	return 0;
}
