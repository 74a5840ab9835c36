/* SPDX-License-Identifier: MIT
 *
 * Places are kept once each, in a hash table by module and offset, with the frames
 * that they were resolved to; texts are kept once each too.  What a stream asked
 * for is a list of code ids with their places, which is turned into rows of its own
 * ids at the end.
 */
#include "heap_symbols.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "heap_texts.h"
#include "proc_memory.h"
#include "symbolizer.h"

#define ROWS_PER_BLOCK 4096u
#define STRINGS_PER_BLOCK (256u << 10) /* bytes */
#define KEPT_OPEN_MAX 64u              /* modules that only their process sees */

struct module {
	char *path;
	char *build_id;
	int fd;            /* -1, or the file that only its process sees under that path */
	bool is_looked_at; /* has been counted */
};

struct place {
	uint64_t offset;
	uint32_t module;
	uint32_t next;        /* in its chain of the table */
	uint32_t frame_first; /* in `frames` */
	uint32_t frame_count;
};

struct frame { /* numbers of texts */
	uint32_t function;
	uint32_t file;
	uint32_t line;
};

struct request { /* what a stream calls a place */
	uint64_t code;
	uint32_t place;
};

struct stream {
	uint32_t number;
	uint64_t *string_id_next;
	size_t request_first; /* its requests go up to those of the next one */
};

struct mr_heap_symbols {
	struct module *modules;
	size_t module_count, module_capacity;
	struct place *places;
	size_t place_count, place_capacity;
	size_t place_looked_up; /* the first ones, that have been */
	struct mr_heap_chains place_chains;
	struct frame *frames;
	size_t frame_count, frame_capacity;
	struct mr_heap_texts texts;
	uint64_t *string_ids; /* by text: its id in the stream that is being written; 0: none yet */
	struct request *requests;
	size_t request_count, request_capacity;
	struct stream *streams;
	size_t stream_count, stream_capacity;
	struct mr_heap_symbols_report report;
	uint32_t kept_open;
	bool has_position; /* the place at hand */
};

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the names of places");
}

static uint64_t hash_place(uint32_t module, uint64_t offset)
{
	return mr_heap_mix(mr_heap_mix(offset) + module);
}

/* ---- What is asked for ---------------------------------------------------------------- */

int mr_heap_symbols_new(struct mr_heap_symbols **symbols, struct mr_error *err)
{
	struct mr_heap_symbols *const made = mr_alloc(sizeof(*made));

	if (made == NULL)
		return no_memory(err);
	*symbols = made;
	return 0;
}

void mr_heap_symbols_free(struct mr_heap_symbols *symbols)
{
	if (symbols == NULL)
		return;
	for (size_t i = 0; i < symbols->module_count; i++) {
		if (symbols->modules[i].fd >= 0)
			close(symbols->modules[i].fd);
		mr_free(symbols->modules[i].path);
	}
	mr_free(symbols->modules);
	mr_free(symbols->places);
	mr_heap_chains_release(&symbols->place_chains);
	mr_free(symbols->frames);
	mr_heap_texts_release(&symbols->texts);
	mr_free(symbols->requests);
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
		(struct stream){ stream, string_id_next, symbols->request_count };
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
	const size_t path_size = strlen(path) + 1;
	const size_t build_id_size = strlen(build_id) + 1;

	/* There are hundreds at most, and neighbours ask for the same ones. */
	for (size_t i = symbols->module_count; i-- > 0;) {
		if (strcmp(symbols->modules[i].build_id, build_id) == 0 &&
		    strcmp(symbols->modules[i].path, path) == 0) {
			*module = (uint32_t)i;
			return 0;
		}
	}
	if (mr_grow(&symbols->modules, &symbols->module_capacity, symbols->module_count + 1,
	            sizeof(*symbols->modules)) < 0)
		return no_memory(err);
	char *const texts = mr_alloc(path_size + build_id_size);
	if (texts == NULL)
		return no_memory(err);
	memcpy(texts, path, path_size);
	memcpy(texts + path_size, build_id, build_id_size);

	struct module *const added = &symbols->modules[symbols->module_count];
	*added = (struct module){ texts, texts + path_size, open_in_process(symbols, path, pid), false };
	symbols->kept_open += added->fd >= 0;
	*module = (uint32_t)symbols->module_count++;
	return 0;
}

static int place_number(struct mr_heap_symbols *symbols, uint32_t module, uint64_t offset, uint32_t *number,
                        struct mr_error *err)
{
	const uint64_t hash = hash_place(module, offset);
	const int grown = mr_heap_chains_grow(&symbols->place_chains, symbols->place_count);

	if (grown < 0)
		return no_memory(err);
	for (size_t i = 0; grown == 1 && i < symbols->place_count; i++)
		mr_heap_chains_put(&symbols->place_chains,
		                   hash_place(symbols->places[i].module, symbols->places[i].offset),
		                   (uint32_t)i, &symbols->places[i].next);
	for (uint32_t i = mr_heap_chains_first(&symbols->place_chains, hash); i != MR_HEAP_CHAIN_END;
	     i = symbols->places[i].next) {
		if (symbols->places[i].offset == offset && symbols->places[i].module == module) {
			*number = i;
			return 0;
		}
	}
	if (mr_grow(&symbols->places, &symbols->place_capacity, symbols->place_count + 1,
	            sizeof(*symbols->places)) < 0)
		return no_memory(err);
	*number = (uint32_t)symbols->place_count++;
	symbols->places[*number] = (struct place){ .offset = offset, .module = module };
	mr_heap_chains_put(&symbols->place_chains, hash, *number, &symbols->places[*number].next);
	return 0;
}

int mr_heap_symbols_place(struct mr_heap_symbols *symbols, uint64_t code, uint32_t module, uint64_t offset,
                          struct mr_error *err)
{
	uint32_t place = 0;

	MR_FAIL_IF(module >= symbols->module_count || symbols->stream_count == 0, err, MR_ERR_ARG,
	           "a place of no module or stream is to be named");
	MR_TRY(place_number(symbols, module, offset, &place, err));
	if (mr_grow(&symbols->requests, &symbols->request_capacity, symbols->request_count + 1,
	            sizeof(*symbols->requests)) < 0)
		return no_memory(err);
	symbols->requests[symbols->request_count++] = (struct request){ code, place };
	return 0;
}

/* ---- Looking up ------------------------------------------------------------------------ */

static int add_frame(void *context, uint32_t depth, const struct mr_named *named, struct mr_error *err)
{
	struct mr_heap_symbols *const symbols = context;
	struct frame frame = { .line = named->line };

	(void)depth;
	if (mr_heap_texts_number(&symbols->texts, named->function, &frame.function) < 0 ||
	    mr_heap_texts_number(&symbols->texts, named->file, &frame.file) < 0 ||
	    mr_grow(&symbols->frames, &symbols->frame_capacity, symbols->frame_count + 1,
	            sizeof(*symbols->frames)) < 0)
		return no_memory(err);
	symbols->frames[symbols->frame_count++] = frame;
	symbols->has_position |= frame.file != 0 && frame.line != 0;
	return 0;
}

/* Looks up COUNT places, which are of one module and in the order of addresses. */
static int look_up_module(struct mr_heap_symbols *symbols, const uint32_t *places, size_t count,
                          struct mr_error *err)
{
	struct module *const module = &symbols->modules[symbols->places[places[0]].module];
	const bool is_new = !module->is_looked_at;
	struct mr_symbolizer *symbolizer = NULL;
	struct mr_error why = { 0 };

	module->is_looked_at = true;
	symbols->report.modules += is_new;
	int code = mr_symbolizer_open(&symbolizer, module->path, module->build_id, module->fd, &why);
	if (code == MR_ERR_READ) {
		symbols->report.modules_missing += is_new;
		return 0;
	}
	if (code < 0)
		return mr_fail(err, code, "%s", why.message);
	symbols->report.modules_lined += is_new && mr_symbolizer_has_lines(symbolizer);
	for (size_t i = 0; i < count && code >= 0; i++) {
		struct place *const place = &symbols->places[places[i]];

		symbols->has_position = false;
		place->frame_first = (uint32_t)symbols->frame_count;
		code = mr_symbolizer_name(symbolizer, place->offset, add_frame, symbols, err);
		place->frame_count = (uint32_t)symbols->frame_count - place->frame_first;
		if (place->frame_count > 0 && symbols->frames[place->frame_first].function != 0)
			symbols->report.places_named++;
		symbols->report.places_positioned += symbols->has_position;
	}
	mr_symbolizer_close(symbolizer);
	return code < 0 ? code : 0;
}

static int compare_places(const void *left, const void *right, void *context)
{
	const struct mr_heap_symbols *const symbols = context;
	const struct place *const a = &symbols->places[*(const uint32_t *)left];
	const struct place *const b = &symbols->places[*(const uint32_t *)right];

	if (a->module != b->module)
		return a->module < b->module ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int look_up(struct mr_heap_symbols *symbols, struct mr_error *err)
{
	const size_t count = symbols->place_count - symbols->place_looked_up;
	int code = 0;

	if (count == 0)
		return 0;
	uint32_t *const order = mr_alloc(count * sizeof(*order));
	if (order == NULL)
		return no_memory(err);
	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)(symbols->place_looked_up + i);
	qsort_r(order, count, sizeof(*order), compare_places, symbols);
	for (size_t i = 0, end; i < count && code == 0; i = end) {
		for (end = i + 1;
		     end < count && symbols->places[order[end]].module == symbols->places[order[i]].module;)
			end++;
		code = look_up_module(symbols, order + i, end - i, err);
	}
	mr_free(order);
	symbols->place_looked_up = symbols->place_count;
	symbols->report.places = symbols->place_count;
	return code;
}

/* ---- Rows ------------------------------------------------------------------------------- */

/* Rows of the stream at hand that are not written yet. */
struct rows {
	uint64_t *columns[MR_SYMBOLS_LINE + 1];
	size_t count;
	uint64_t *string_ids;
	uint64_t *string_lens;
	size_t string_count;
	struct mr_buffer strings;
};

static void rows_release(struct rows *rows)
{
	for (unsigned id = 0; id <= MR_SYMBOLS_LINE; id++)
		mr_free(rows->columns[id]);
	mr_free(rows->string_ids);
	mr_free(rows->string_lens);
	mr_buffer_release(&rows->strings);
}

static int rows_init(struct rows *rows, struct mr_error *err)
{
	bool failed = false;

	for (unsigned id = MR_SYMBOLS_CODE; id <= MR_SYMBOLS_LINE; id++) {
		rows->columns[id] = mr_alloc(ROWS_PER_BLOCK * sizeof(uint64_t));
		failed |= rows->columns[id] == NULL;
	}
	/* Two texts a row. */
	rows->string_ids = mr_alloc(ROWS_PER_BLOCK * 2 * sizeof(uint64_t));
	rows->string_lens = mr_alloc(ROWS_PER_BLOCK * 2 * sizeof(uint64_t));
	if (failed || rows->string_ids == NULL || rows->string_lens == NULL)
		return no_memory(err);
	return 0;
}

static int rows_flush(struct rows *rows, struct mr_log_writer *log, uint32_t stream, struct mr_error *err)
{
	struct mr_block_writer block;

	if (rows->count == 0)
		return 0;
	MR_TRY(mr_buffer_status(&rows->strings, err));
	if (rows->string_count > 0) {
		mr_log_writer_begin(log, stream, MR_KIND_STRINGS, (uint32_t)rows->string_count, &block);
		mr_block_column(&block, MR_STRINGS_ID, rows->string_ids);
		mr_block_column(&block, MR_STRINGS_LENGTH, rows->string_lens);
		mr_block_bytes(&block, MR_STRINGS_BYTES, rows->strings.data, rows->strings.len);
		MR_TRY(mr_log_writer_end(log, &block, NULL, err));
	}
	mr_log_writer_begin(log, stream, MR_KIND_SYMBOLS, (uint32_t)rows->count, &block);
	for (unsigned id = MR_SYMBOLS_CODE; id <= MR_SYMBOLS_LINE; id++)
		mr_block_column(&block, id, rows->columns[id]);
	MR_TRY(mr_log_writer_end(log, &block, NULL, err));
	rows->count = rows->string_count = 0;
	mr_buffer_clear(&rows->strings);
	return 0;
}

/* The id of a text in STREAM. */
static uint64_t string_id(struct mr_heap_symbols *symbols, struct rows *rows, struct stream *stream,
                          uint32_t number)
{
	if (number == 0)
		return 0;
	if (symbols->string_ids[number] == 0) {
		const uint32_t len = symbols->texts.entries[number].len;

		symbols->string_ids[number] = (*stream->string_id_next)++;
		rows->string_ids[rows->string_count] = symbols->string_ids[number];
		rows->string_lens[rows->string_count++] = len;
		mr_buffer_append(&rows->strings, mr_heap_texts_get(&symbols->texts, number), len);
	}
	return symbols->string_ids[number];
}

static int compare_requests(const void *left, const void *right)
{
	const struct request *const a = left;
	const struct request *const b = right;

	return a->code < b->code ? -1 : a->code > b->code;
}

static int write_stream(struct mr_heap_symbols *symbols, struct stream *stream, size_t request_end,
                        struct rows *rows, struct mr_log_writer *log, struct mr_error *err)
{
	struct request *const requests = symbols->requests + stream->request_first;
	const size_t count = request_end - stream->request_first;

	if (symbols->texts.count > 0)
		memset(symbols->string_ids, 0, symbols->texts.count * sizeof(*symbols->string_ids));
	if (count > 0)
		qsort(requests, count, sizeof(*requests), compare_requests);
	for (size_t i = 0; i < count; i++) {
		const struct place *const place = &symbols->places[requests[i].place];

		for (uint32_t depth = 0; depth < place->frame_count; depth++) {
			const struct frame *const frame = &symbols->frames[place->frame_first + depth];
			const size_t row = rows->count++;

			rows->columns[MR_SYMBOLS_CODE][row] = requests[i].code;
			rows->columns[MR_SYMBOLS_DEPTH][row] = depth;
			rows->columns[MR_SYMBOLS_FUNCTION][row] =
				string_id(symbols, rows, stream, frame->function);
			rows->columns[MR_SYMBOLS_FILE][row] = string_id(symbols, rows, stream, frame->file);
			rows->columns[MR_SYMBOLS_LINE][row] = frame->line;
			if (rows->count == ROWS_PER_BLOCK || rows->strings.len >= STRINGS_PER_BLOCK)
				MR_TRY(rows_flush(rows, log, stream->number, err));
		}
	}
	return rows_flush(rows, log, stream->number, err);
}

int mr_heap_symbols_write(struct mr_heap_symbols *symbols, struct mr_log_writer *log,
                          struct mr_heap_symbols_report *report, struct mr_error *err)
{
	struct rows rows = { 0 };

	MR_TRY(look_up(symbols, err));
	symbols->string_ids = mr_alloc((symbols->texts.count + 1) * sizeof(*symbols->string_ids));
	int code = symbols->string_ids != NULL ? rows_init(&rows, err) : no_memory(err);
	for (size_t i = 0; i < symbols->stream_count && code == 0; i++) {
		const size_t request_end = i + 1 < symbols->stream_count
		                                   ? symbols->streams[i + 1].request_first
		                                   : symbols->request_count;

		code = write_stream(symbols, &symbols->streams[i], request_end, &rows, log, err);
	}
	rows_release(&rows);
	mr_free(symbols->string_ids);
	symbols->string_ids = NULL;
	symbols->request_count = symbols->stream_count = 0;
	if (code == 0 && report != NULL)
		*report = symbols->report;
	return code;
}
