/* SPDX-License-Identifier: MIT
 *
 * The small things that every room shares: errors, memory, buffers, numbers as
 * bytes, text made safe, files written whole, and command-line tables.  Nothing
 * here knows what a log is; see log_format.h for that.  Not installed: every
 * name starts with mr_ and stays inside the project's libraries and commands.
 *
 * Unless a function says otherwise it may be called from any thread, on data
 * that no other thread is changing.
 */
#ifndef MR_BASE_H
#define MR_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MR_ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define MR_UNUSED __attribute__((unused))
#define MR_MUST_CHECK __attribute__((warn_unused_result))
#define MR_PRINTF(template_at, first_at) __attribute__((format(printf, template_at, first_at)))
#define MR_LIKELY(x) __builtin_expect(!!(x), 1)
#define MR_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define MR_VERSION_STRING "1.0.0"

/* ---- Errors -------------------------------------------------------------
 *
 * A function that can fail returns 0 or one of these, and leaves its
 * out-parameters as they were.  The public headers show the same values and
 * the same struct under their own names. */

enum mr_err {
	MR_OK = 0,
	MR_ERR_ARG = -1,     /* a value that the caller gave is not allowed */
	MR_ERR_READ = -2,    /* input cannot be opened or read */
	MR_ERR_FORMAT = -3,  /* input is not what it should be */
	MR_ERR_VERSION = -4, /* input is of a version that this program does not know */
	MR_ERR_LIMIT = -5,   /* input asks for more than a limit allows */
	MR_ERR_NOMEM = -6,   /* no memory */
	MR_ERR_WRITE = -7,   /* output cannot be written */
};

#define MR_ERROR_MESSAGE_MAX 1024

/* Owned by the caller, who zeroes it.  The first error wins: a later
 * mr_fail() on the same struct changes nothing. */
struct mr_error {
	int code;
	char message[MR_ERROR_MESSAGE_MAX]; /* a sentence: "cannot open 'x': reason" */
};

/* Records CODE and the sentence in ERR (which may be NULL) and gives CODE. */
int mr_fail(struct mr_error *err, int code, const char *format, ...) MR_PRINTF(3, 4);
#ifdef __clang_analyzer__ /* to know what it gives, which errors are never 0 */
#define mr_fail(err, code, ...) ((void)mr_fail((err), (code), __VA_ARGS__), (code))
#endif
/* Puts "context: " before the sentence that ERR holds. */
void mr_error_prepend(struct mr_error *err, const char *format, ...) MR_PRINTF(2, 3);
/* The commands' exit status for an error code: 2, 3 or 4 (0 for MR_OK). */
int mr_err_exit_status(int code);

#define MR_TRY(call)                       \
	do {                               \
		const int mr_try = (call); \
		if (mr_try < 0)            \
			return mr_try;     \
	} while (0)

#define MR_FAIL_IF(condition, err, code, ...)                       \
	do {                                                        \
		if (MR_UNLIKELY(condition))                         \
			return mr_fail((err), (code), __VA_ARGS__); \
	} while (0)

/* ---- Memory -------------------------------------------------------------
 *
 * Two implementations, chosen when linking: base_memory.c (malloc) for the
 * commands and the reading libraries, memory_mapped.c (mmap of its own) for
 * libmemcapture, whose working memory must not show in the program's heap. */

void *mr_alloc(size_t size_bytes);                 /* zeroed; NULL when there is none */
void *mr_realloc(void *memory, size_t size_bytes); /* grown part is not zeroed */
void mr_free(void *memory);                        /* NULL is fine */

/* BLOCK is to lie in huge pages where the kernel has them: a wish, which it may refuse.  For what the C
 * library gave; not in libmemcapture. */
void mr_memory_wish_huge_pages(void *block, size_t size_bytes);

/* For a command, first thing in main(): what malloc gives from now on lies in huge pages where the
 * kernel has them, and stays with the process until it ends.  It never fails. */
void mr_heap_prepare(void);

/* Grows *ITEMS (of ITEM_SIZE bytes each, *CAPACITY of them) to hold at least
 * WANTED, by doubling.  0, MR_ERR_NOMEM, or MR_ERR_LIMIT on overflow. */
int mr_grow(void *items, size_t *capacity, size_t wanted, size_t item_size) MR_MUST_CHECK;

/* ---- Buffers ------------------------------------------------------------ */

/* Bytes that grow.  A failed append sets `failed` and later appends do
 * nothing, so a sequence of them needs one check at its end. */
struct mr_buffer {
	uint8_t *data;
	size_t len;
	size_t capacity;
	bool failed;
};

void mr_buffer_release(struct mr_buffer *buffer);
void mr_buffer_clear(struct mr_buffer *buffer); /* keeps the memory, forgets `failed` */
/* Room for SIZE more bytes at the end; NULL when there is no memory.  The caller adds to `len`. */
uint8_t *mr_buffer_reserve(struct mr_buffer *buffer, size_t size_bytes);
void mr_buffer_append(struct mr_buffer *buffer, const void *data, size_t size_bytes);
void mr_buffer_put_u8(struct mr_buffer *buffer, uint8_t value);
void mr_buffer_put_u32le(struct mr_buffer *buffer, uint32_t value);
void mr_buffer_put_u64le(struct mr_buffer *buffer, uint64_t value);
void mr_buffer_put_uvarint(struct mr_buffer *buffer, uint64_t value);
void mr_buffer_printf(struct mr_buffer *buffer, const char *format, ...) MR_PRINTF(2, 3);
/* MR_ERR_NOMEM when an append has failed. */
int mr_buffer_status(const struct mr_buffer *buffer, struct mr_error *err) MR_MUST_CHECK;

/* ---- Numbers as bytes ---------------------------------------------------
 *
 * Little-endian fixed widths, and LEB128: seven bits a byte, lowest first, the
 * top bit set on all but the last. */

#define MR_UVARINT_MAX 10 /* bytes that a 64-bit varint can take */

void mr_put_u16le(uint8_t *out, uint16_t value);
void mr_put_u32le(uint8_t *out, uint32_t value);
void mr_put_u64le(uint8_t *out, uint64_t value);
uint16_t mr_get_u16le(const uint8_t *in);
uint32_t mr_get_u32le(const uint8_t *in);
uint64_t mr_get_u64le(const uint8_t *in);
/* Bytes written, 1..MR_UVARINT_MAX. */
size_t mr_put_uvarint(uint8_t *out, uint64_t value);
/* Bytes read, or 0 when [in, end) holds no whole 64-bit varint. */
size_t mr_get_uvarint(const uint8_t *in, const uint8_t *end, uint64_t *value);

static inline uint64_t mr_zigzag(int64_t value)
{
	return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t mr_unzigzag(uint64_t value)
{
	return (int64_t)((value >> 1) ^ (~(value & 1) + 1));
}

/* ---- Text ---------------------------------------------------------------- */

/* Appends TEXT as it may be shown: valid UTF-8 kept, control characters and
 * bytes that are not UTF-8 as \xNN, at most MAX_COLUMNS characters (0: all), of
 * which the last three are "..." when more followed.  Nothing that comes out can steer a terminal. */
void mr_text_show(struct mr_buffer *out, const char *text, size_t len, size_t max_columns);
/* "   344     B", "   1.22 MB": pympler's layout of a size, base 1024. */
void mr_text_bytes(char out[32], uint64_t size_bytes);
/* "344 B", "1.22 MiB": the compact layout of columns and pages. */
void mr_text_bytes_short(char out[32], uint64_t size_bytes);
/* "00:00:01.25": hours, minutes, seconds, as ClassTracker prints a time. */
void mr_text_clock(char out[32], uint64_t time_ns);
/* "12 ns", "1.25 ms", "3.4 s", "2 h 03 min" */
void mr_text_duration(char out[32], uint64_t duration_ns);

/* Whole-string parsers: 0 or MR_ERR_ARG, never a message. */
int mr_parse_u64(const char *text, uint64_t *value) MR_MUST_CHECK;
int mr_parse_double(const char *text, double *value) MR_MUST_CHECK; /* finite only */
/* 1024, 10K, 1MiB, 2.5GB: units of 1024. */
int mr_parse_bytes(const char *text, uint64_t *size_bytes) MR_MUST_CHECK;
/* 2 (seconds), 2.5s, 10ms, 3min, 1h. */
int mr_parse_duration(const char *text, uint64_t *duration_ns) MR_MUST_CHECK;

/* ---- Files --------------------------------------------------------------- */

/* All of LEN bytes or an error; interrupted and short calls are continued. */
int mr_write_full(int fd, const void *data, size_t len, const char *path, struct mr_error *err) MR_MUST_CHECK;
/* Bytes read, less than LEN only at the end of the file; or an error. */
int64_t mr_pread_full(int fd, void *data, size_t len, uint64_t offset, const char *path, struct mr_error *err)
	MR_MUST_CHECK;

/* An output file that appears whole or not at all: written beside its place,
 * then renamed.  "-" is standard output. */
struct mr_output {
	FILE *stream; /* write here; it has no fileno() */
	char *path;
	char *path_partial;          /* NULL where nothing is renamed: standard output, a fifo, /dev/null */
	struct mr_output_sink *sink; /* what the stream writes through */
};

int mr_output_open(struct mr_output *output, const char *path, struct mr_error *err) MR_MUST_CHECK;
/* Flushes, checks and renames; on failure nothing is left behind. */
int mr_output_commit(struct mr_output *output, struct mr_error *err) MR_MUST_CHECK;
/* Closes and removes what was written; safe after a commit. */
void mr_output_discard(struct mr_output *output);

/* ---- Clock --------------------------------------------------------------- */

uint64_t mr_clock_monotonic_ns(void);
uint64_t mr_clock_realtime_ns(void);

/* ---- Command lines -------------------------------------------------------
 *
 * One table a command.  It yields getopt_long's arrays and --help, and the
 * tests hold the man page against it. */

struct mr_option {
	const char *name;     /* long name, without dashes */
	int letter;           /* short name, or 0 */
	const char *argument; /* its name in the help, or NULL when there is none */
	const char *help;
	int id; /* what the handler sees; 1.. */
};

struct mr_command {
	const char *name;                /* "memstats" */
	const char *synopsis;            /* lines after "usage: ", each starting with the name */
	const char *summary;             /* one paragraph */
	const char *epilogue;            /* after the options, or NULL */
	const struct mr_option *options; /* --help and --version are added */
	size_t option_count;
	bool stop_at_operand; /* memrecord: what follows the first operand is not ours */
};

/* Called for each option (ID, VALUE) in order, and for each operand with ID 0.
 * Gives 0 or an error whose message names the option. */
typedef int mr_option_handler(void *context, int id, const char *value, struct mr_error *err);

/* Runs over ARGV.  1 when --help or --version was printed (exit 0 then), 0 when
 * all was handled, or an error.  With `stop_at_operand`, *REST is the index of
 * the first operand, or of the first word after "--"; without, argc. */
int mr_command_parse(const struct mr_command *command, int argc, char **argv, mr_option_handler *handler,
                     void *context, int *rest, struct mr_error *err) MR_MUST_CHECK;

/* Prints "name: message" on stderr in one write, control characters shown. */
void mr_command_complain(const struct mr_command *command, const struct mr_error *err);
void mr_command_warn(const struct mr_command *command, const char *format, ...) MR_PRINTF(2, 3);

#endif
