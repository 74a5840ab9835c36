/* SPDX-License-Identifier: MIT
 *
 * smaps is lines: one that begins with "begin-end perms ..." starts a mapping, and
 * "Key:  value kB" lines follow.  It is read in pieces, and what a mapping is shows
 * in its first line, so nothing is kept but sums.
 */
#include "heap_account.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "heap_events.h"
#include "proc_memory.h"

#define LOOK_SHARE 333u /* a look that took T is followed by none for T * LOOK_SHARE */
#define LOOK_SHARE_YOUNG 16u
#define LOOK_REST_MIN_NS UINT64_C(10000000)

/* ---- What a mapping is ------------------------------------------------------------ */

static bool begins_with(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

static bool holds_stack(const struct mr_heap_account_parser *parser)
{
	const struct mr_heap_account_known *const known = parser->known;
	size_t first = 0;
	size_t last = known->stack_count;

	while (first < last) {
		const size_t middle = first + (last - first) / 2;

		if (known->stack_addresses[middle] < parser->begin)
			first = middle + 1;
		else
			last = middle;
	}
	return first < known->stack_count && known->stack_addresses[first] < parser->end;
}

static bool holds_block(const struct mr_heap_account_parser *parser)
{
	const struct mr_heap_account_known *const known = parser->known;

	return known->holds_block != NULL && known->holds_block(known->context, parser->begin, parser->end);
}

/* Files of the recorder's: channels, and its library. */
static bool is_recorder_file(const struct mr_heap_account_parser *parser, const char *path)
{
	const char *const folder = parser->known->channel_folder;
	const size_t len = folder != NULL ? strlen(folder) : 0;
	const char *const slash = strrchr(path, '/');

	if (len > 0 && strncmp(path, folder, len) == 0 && (folder[len - 1] == '/' || path[len] == '/'))
		return true;
	return slash != NULL && strcmp(slash, "/" MR_HEAP_RECORDER_LIBRARY) == 0;
}

static bool is_shared_memory(const char *path)
{
	return begins_with(path, "/dev/shm/") || begins_with(path, "/memfd:") || begins_with(path, "/SYSV") ||
	       begins_with(path, "/dev/zero") || begins_with(path, "[anon_shmem:");
}

static uint64_t *share_of_file(struct mr_heap_account_parser *parser, const char *permissions,
                               const char *path)
{
	if (is_recorder_file(parser, path))
		return &parser->account.recorder;
	if (permissions[3] == 's' && is_shared_memory(path))
		return &parser->account.shared;
	if (permissions[1] == 'w')
		parser->file_end = parser->end;
	return &parser->account.files;
}

/* Blocks decide before stacks do: a mapping that holds both was two, which the kernel joined, and the
 * stack's is as a rule the smaller part. */
static uint64_t *share_of(struct mr_heap_account_parser *parser, const char *permissions, const char *name)
{
	struct mr_heap_account *const account = &parser->account;
	const uint64_t file_end = parser->file_end;

	parser->file_end = 0;
	if (name[0] == '/')
		return share_of_file(parser, permissions, name);
	if (begins_with(name, "[stack"))
		return &account->stacks;
	if (begins_with(name, "[v")) /* vdso, vvar, vsyscall: code that the kernel lends */
		return &account->files;
	if (permissions[3] == 's')
		return &account->shared;
	if (strcmp(name, "[heap]") == 0 || holds_block(parser)) {
		parser->is_heap = true;
		return &account->heap;
	}
	if (holds_stack(parser))
		return &account->stacks;
	/* The rest of a module's data, which is zero in the file. */
	return file_end != 0 && file_end == parser->begin ? &account->files : &account->anonymous;
}

/* ---- Lines ------------------------------------------------------------------------- */

static bool get_hex(const char **at, uint64_t *value)
{
	char *end;

	if (**at == ' ' || **at == '-' || **at == '+')
		return false;
	errno = 0;
	*value = strtoull(*at, &end, 16);
	if (end == *at || errno != 0)
		return false;
	*at = end;
	return true;
}

/* "begin-end perms offset device inode   name". False: the line is no such. */
static bool begin_mapping(struct mr_heap_account_parser *parser)
{
	const char *at = parser->line;
	uint64_t begin, end;

	if (!get_hex(&at, &begin) || *at++ != '-' || !get_hex(&at, &end) || *at++ != ' ' || strlen(at) < 4)
		return false;
	const char *const permissions = at;
	const char *name = at + 4;
	for (int field = 0; field < 3; field++) {
		name += strspn(name, " ");
		name += strcspn(name, " ");
	}
	name += strspn(name, " ");
	parser->begin = begin;
	parser->end = end;
	parser->is_heap = false;
	parser->share = share_of(parser, permissions, name);
	if (parser->is_heap && end > begin)
		parser->account.heap_mapped += end - begin;
	return true;
}

/* The number of "Key:   123 kB" in bytes, when the line is of that KEY. */
static bool get_size(const char *line, const char *key, uint64_t *size_bytes)
{
	const size_t len = strlen(key);
	const char *at = line + len;

	if (strncmp(line, key, len) != 0)
		return false;
	at += strspn(at, " \t");
	if (!mr_proc_get_decimal(&at, at + strlen(at), size_bytes) || *size_bytes > UINT64_MAX / 1024)
		return false;
	*size_bytes *= 1024;
	return true;
}

static void take_line(struct mr_heap_account_parser *parser)
{
	uint64_t size_bytes;

	parser->line[parser->line_len] = '\0';
	if (parser->share != NULL && get_size(parser->line, "Rss:", &size_bytes)) {
		*parser->share += size_bytes;
		parser->account.rss += size_bytes;
	} else if (parser->share != NULL && get_size(parser->line, "Swap:", &size_bytes)) {
		parser->account.swap += size_bytes;
	} else if (parser->line[0] < 'A' || parser->line[0] > 'Z') {
		(void)begin_mapping(parser);
	}
	parser->line_len = 0;
}

void mr_heap_account_begin(struct mr_heap_account_parser *parser, const struct mr_heap_account_known *known)
{
	*parser = (struct mr_heap_account_parser){ .known = known };
}

void mr_heap_account_feed(struct mr_heap_account_parser *parser, const char *text, size_t len)
{
	while (len > 0) {
		const char *const newline = memchr(text, '\n', len);
		const size_t part = newline != NULL ? (size_t)(newline - text) : len;
		const size_t room = sizeof(parser->line) - 1 - parser->line_len;
		const size_t taken = part < room ? part : room; /* the end of a long path is of no account */

		memcpy(parser->line + parser->line_len, text, taken);
		parser->line_len += taken;
		if (newline == NULL)
			return;
		take_line(parser);
		text += part + 1;
		len -= part + 1;
	}
}

void mr_heap_account_end(struct mr_heap_account_parser *parser, struct mr_heap_account *account)
{
	struct mr_heap_account *const found = &parser->account;

	if (parser->line_len > 0)
		take_line(parser);
	/* Its private memory is anonymous.  It has no name, as giving it one is a system call that sandboxes
	 * may punish; so what it says it has is taken from what nobody else has. */
	const uint64_t bytes = parser->known->recorder_bytes;
	const uint64_t moved = bytes < found->anonymous ? bytes : found->anonymous;
	found->anonymous -= moved;
	found->recorder += moved;
	found->time_ns = account->time_ns;
	found->live = account->live;
	*account = *found;
}

/* ---- Reading ----------------------------------------------------------------------- */

int mr_heap_account_read(uint32_t pid, const struct mr_heap_account_known *known,
                         struct mr_heap_account *account, struct mr_error *err)
{
	struct mr_heap_account_parser parser;
	char text[16384];
	int64_t got;

	const int fd = mr_proc_open(pid, "smaps");
	MR_FAIL_IF(fd < 0, err, MR_ERR_READ, "cannot read the mappings of process %u: %s", pid,
	           strerror(errno));
	mr_heap_account_begin(&parser, known);
	while ((got = mr_proc_read(fd, text, sizeof(text))) > 0)
		mr_heap_account_feed(&parser, text, (size_t)got);
	const int reason = errno;
	close(fd);
	MR_FAIL_IF(got < 0, err, MR_ERR_READ, "cannot read the mappings of process %u: %s", pid,
	           strerror(reason));
	MR_FAIL_IF(parser.share == NULL, err, MR_ERR_READ, "process %u has no memory any more", pid);
	mr_heap_account_end(&parser, account);
	return 0;
}

void mr_heap_account_looked(struct mr_heap_account_pace *pace, uint64_t begin_ns, uint64_t end_ns)
{
	const uint64_t took = end_ns > begin_ns ? end_ns - begin_ns : 0;
	uint64_t rest = took * LOOK_SHARE;
	uint64_t most = took * LOOK_SHARE_YOUNG;

	if (pace->first_ns == 0)
		pace->first_ns = begin_ns;
	if (end_ns > pace->first_ns && end_ns - pace->first_ns > most)
		most = end_ns - pace->first_ns;
	rest = rest < most ? rest : most;
	pace->due_ns = end_ns + (rest > LOOK_REST_MIN_NS ? rest : LOOK_REST_MIN_NS);
}

/* ---- Rows ---------------------------------------------------------------------------- */

#define ROWS_PER_BLOCK 1024u

static int write_rows(struct mr_log_writer *log, uint32_t stream, const struct mr_heap_account *rows,
                      uint32_t count, struct mr_error *err)
{
	static const struct {
		uint8_t id;
		uint8_t member; /* offset in a row, which has nothing but 64-bit numbers */
	} columns[] = {
#define COLUMN(id, name) { MR_ACCOUNT_##id, offsetof(struct mr_heap_account, name) }
		COLUMN(TIME, time_ns),
		COLUMN(RSS, rss),
		COLUMN(HEAP, heap),
		COLUMN(LIVE, live),
		COLUMN(FILES, files),
		COLUMN(STACKS, stacks),
		COLUMN(RECORDER, recorder),
		COLUMN(SHARED, shared),
		COLUMN(ANONYMOUS, anonymous),
		COLUMN(SWAP, swap),
		COLUMN(HEAP_MAPPED, heap_mapped),
#undef COLUMN
	};
	const struct mr_log_span span = { rows[0].time_ns, rows[count - 1].time_ns, 0, 0 };
	uint64_t values[ROWS_PER_BLOCK];
	struct mr_block_writer block;

	mr_log_writer_begin(log, stream, MR_KIND_ACCOUNT, count, &block);
	for (size_t i = 0; i < MR_ARRAY_LEN(columns); i++) {
		for (uint32_t row = 0; row < count; row++)
			memcpy(&values[row], (const char *)&rows[row] + columns[i].member,
			       sizeof(values[row]));
		mr_block_column(&block, columns[i].id, values);
	}
	return mr_log_writer_end(log, &block, &span, err);
}

int mr_heap_account_write(struct mr_log_writer *log, uint32_t stream, const struct mr_heap_account *rows,
                          size_t count, struct mr_error *err)
{
	for (size_t at = 0; at < count; at += ROWS_PER_BLOCK) {
		const size_t left = count - at;

		MR_TRY(write_rows(log, stream, rows + at,
		                  left < ROWS_PER_BLOCK ? (uint32_t)left : ROWS_PER_BLOCK, err));
	}
	return 0;
}
