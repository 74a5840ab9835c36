/* SPDX-License-Identifier: MIT
 *
 * See proc_memory.h.  Everything is parsed by hand: scanf and strtoull follow
 * the locale and stdio allocates, and neither belongs inside someone else's
 * program.
 */
#include "proc_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

size_t mr_proc_put_decimal(char *out, uint64_t value)
{
	char digits[20];
	size_t count = 0;

	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	for (size_t i = 0; i < count; i++)
		out[i] = digits[count - 1 - i];
	return count;
}

bool mr_proc_get_decimal(const char **at, const char *end, uint64_t *value)
{
	const char *in = *at;
	uint64_t result = 0;

	if (in == end || *in < '0' || *in > '9')
		return false;
	for (; in != end && *in >= '0' && *in <= '9'; in++)
		if (__builtin_mul_overflow(result, 10u, &result) ||
		    __builtin_add_overflow(result, (uint64_t)(*in - '0'), &result))
			return false;
	*at = in;
	*value = result;
	return true;
}

bool mr_proc_path(uint32_t pid, const char *name, char *out, size_t size)
{
	char number[21];
	const char *const parts[] = { "/proc/", pid ? number : "self", "/", name };
	size_t at = 0;

	number[mr_proc_put_decimal(number, pid)] = '\0';
	for (size_t i = 0; i < MR_ARRAY_LEN(parts); i++) {
		const size_t len = strlen(parts[i]);

		if (at + len >= size)
			return false;
		memcpy(out + at, parts[i], len + 1);
		at += len;
	}
	return true;
}

int mr_proc_open(uint32_t pid, const char *name)
{
	char path[MR_PROC_PATH_MAX];

	if (!mr_proc_path(pid, name, path, sizeof(path))) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, O_RDONLY | O_CLOEXEC);
}

int64_t mr_proc_read(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len < size) {
		const ssize_t got = read(fd, out + len, size - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	return (int64_t)len;
}

int64_t mr_proc_read_file(uint32_t pid, const char *name, char *out, size_t size)
{
	const int fd = mr_proc_open(pid, name);

	if (fd < 0)
		return -1;
	const int64_t got = mr_proc_read(fd, out, size);
	const int saved = errno;

	close(fd);
	errno = saved;
	return got;
}

void mr_proc_memory_clear(struct mr_proc_memory *memory)
{
	memset(memory, 0xff, sizeof(*memory));
}

/* ---- statm and stat: one line of numbers ---------------------------------- */

static void skip_spaces(const char **at, const char *end)
{
	while (*at != end && **at == ' ')
		(*at)++;
}

static uint64_t pages_to_bytes(uint64_t pages)
{
	const uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t bytes;

	return __builtin_mul_overflow(pages, page_size, &bytes) ? MR_PROC_UNKNOWN : bytes;
}

static uint64_t ticks_to_ns(uint64_t ticks)
{
	const uint64_t ns_per_tick = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t ns;

	return __builtin_mul_overflow(ticks, ns_per_tick, &ns) ? MR_PROC_UNKNOWN : ns;
}

int mr_proc_statm_parse(const char *text, size_t len, uint64_t *rss, uint64_t *vsz)
{
	const char *at = text;
	const char *const end = text + len;
	uint64_t mapped;
	uint64_t resident;

	if (!mr_proc_get_decimal(&at, end, &mapped))
		return MR_ERR_FORMAT;
	skip_spaces(&at, end);
	if (!mr_proc_get_decimal(&at, end, &resident))
		return MR_ERR_FORMAT;
	*vsz = pages_to_bytes(mapped);
	*rss = pages_to_bytes(resident);
	return MR_OK;
}

/* Fields of /proc/PID/stat by their number in proc(5); 1 is the pid, 2 the name. */
enum {
	STAT_STATE = 3,
	STAT_PARENT = 4,
	STAT_MINOR_FAULTS = 10,
	STAT_MAJOR_FAULTS = 12,
	STAT_USER = 14,
	STAT_SYSTEM = 15,
	STAT_THREADS = 20,
	STAT_START = 22,
	STAT_VSZ = 23,
	STAT_RSS = 24,
	STAT_CODE = 26,
	STAT_STACK = 28,
	STAT_EXIT = 52,
	STAT_FIELDS = 53,
};

/* Fields 4.. up to STAT_EXIT; some may be negative, none of those that we use. */
static bool parse_stat_numbers(const char *at, const char *end, uint64_t fields[STAT_FIELDS])
{
	for (unsigned field = STAT_PARENT; field <= STAT_EXIT; field++) {
		skip_spaces(&at, end);
		if (at != end && *at == '-')
			at++;
		if (!mr_proc_get_decimal(&at, end, &fields[field]))
			return false;
	}
	return true;
}

int mr_proc_stat_parse(const char *text, size_t len, struct mr_proc_stat *stat)
{
	const char *const end = text + len;
	const char *const comm = memchr(text, '(', len);
	/* The name may itself hold ") ": only its last parenthesis ends it. */
	const char *const comm_end = memrchr(text, ')', len);
	uint64_t fields[STAT_FIELDS];

	if (!comm || !comm_end || comm_end < comm || end - comm_end < 4 || comm_end[1] != ' ')
		return MR_ERR_FORMAT;
	if (!parse_stat_numbers(comm_end + 3, end, fields))
		return MR_ERR_FORMAT;
	size_t comm_len = (size_t)(comm_end - comm - 1);

	if (comm_len >= sizeof(stat->comm))
		comm_len = sizeof(stat->comm) - 1;
	memset(stat->comm, 0, sizeof(stat->comm));
	memcpy(stat->comm, comm + 1, comm_len);
	stat->state = comm_end[2];
	stat->parent_pid = (uint32_t)fields[STAT_PARENT];
	stat->faults_minor = fields[STAT_MINOR_FAULTS];
	stat->faults_major = fields[STAT_MAJOR_FAULTS];
	stat->cpu_user_ns = ticks_to_ns(fields[STAT_USER]);
	stat->cpu_system_ns = ticks_to_ns(fields[STAT_SYSTEM]);
	stat->threads = fields[STAT_THREADS];
	stat->start_ticks = fields[STAT_START];
	stat->vsz = fields[STAT_VSZ];
	stat->rss = pages_to_bytes(fields[STAT_RSS]);
	stat->image_code = fields[STAT_CODE];
	stat->image_stack = fields[STAT_STACK];
	stat->exit_status = fields[STAT_EXIT];
	return MR_OK;
}

int mr_proc_stat_read(uint32_t pid, struct mr_proc_stat *stat)
{
	char text[1024];
	const int64_t len = mr_proc_read_file(pid, "stat", text, sizeof(text));

	if (len <= 0)
		return MR_ERR_READ;
	return mr_proc_stat_parse(text, (size_t)len, stat);
}

/* ---- status and smaps_rollup: lines of "Key:   123 kB" --------------------- */

/* A key and the number that its lines add to. */
struct keyed_sum {
	const char *key; /* with its colon */
	uint64_t *sum;
};

static void add_line(const char *line, const char *end, const struct keyed_sum *sums, size_t sum_count)
{
	for (size_t i = 0; i < sum_count; i++) {
		const size_t key_len = strlen(sums[i].key);
		uint64_t kilobytes;

		if ((size_t)(end - line) <= key_len || memcmp(line, sums[i].key, key_len) != 0)
			continue;
		const char *at = line + key_len;

		while (at != end && (*at == ' ' || *at == '\t'))
			at++;
		if (!mr_proc_get_decimal(&at, end, &kilobytes) || kilobytes > UINT64_MAX / 4096)
			return;
		if (*sums[i].sum == MR_PROC_UNKNOWN)
			*sums[i].sum = 0;
		*sums[i].sum += kilobytes * 1024;
		return;
	}
}

/* Line by line through a small buffer: the list of groups in `status` can be
 * longer than anything that fits a stack.  A line that does not fit is none of ours. */
static int read_sums(uint32_t pid, const char *name, const struct keyed_sum *sums, size_t sum_count)
{
	char text[1024];
	size_t held = 0;
	bool skipping = false;
	int status = MR_OK;
	const int fd = mr_proc_open(pid, name);

	if (fd < 0)
		return MR_ERR_READ;
	for (;;) {
		const ssize_t got = read(fd, text + held, sizeof(text) - held);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			status = MR_ERR_READ; /* a process that has ended gives ESRCH here */
		if (got <= 0)
			break;
		held += (size_t)got;
		char *line = text;
		char *newline;

		while ((newline = memchr(line, '\n', held - (size_t)(line - text))) != NULL) {
			if (!skipping)
				add_line(line, newline, sums, sum_count);
			skipping = false;
			line = newline + 1;
		}
		held -= (size_t)(line - text);
		memmove(text, line, held);
		if (held == sizeof(text)) {
			skipping = true;
			held = 0;
		}
	}
	close(fd);
	return status;
}

static int read_statm(uint32_t pid, struct mr_proc_memory *memory)
{
	char text[128];
	const int64_t len = mr_proc_read_file(pid, "statm", text, sizeof(text));

	memory->rss = MR_PROC_UNKNOWN;
	memory->vsz = MR_PROC_UNKNOWN;
	if (len <= 0)
		return MR_ERR_READ;
	return mr_proc_statm_parse(text, (size_t)len, &memory->rss, &memory->vsz);
}

static int read_status(uint32_t pid, struct mr_proc_memory *memory)
{
	const struct keyed_sum sums[] = {
		{ "VmData:", &memory->data },
		{ "VmStk:", &memory->stack },
		{ "VmExe:", &memory->code },
		{ "VmLib:", &memory->code },
	};

	memory->data = MR_PROC_UNKNOWN;
	memory->stack = MR_PROC_UNKNOWN;
	memory->code = MR_PROC_UNKNOWN;
	MR_TRY(read_sums(pid, "status", sums, MR_ARRAY_LEN(sums)));
	return memory->data == MR_PROC_UNKNOWN ? MR_ERR_FORMAT : MR_OK;
}

static int read_rollup(uint32_t pid, struct mr_proc_memory *memory)
{
	const struct keyed_sum sums[] = {
		{ "Pss:", &memory->pss },
		{ "Private_Clean:", &memory->uss },
		{ "Private_Dirty:", &memory->uss },
		{ "Swap:", &memory->swap },
	};

	memory->pss = MR_PROC_UNKNOWN;
	memory->uss = MR_PROC_UNKNOWN;
	memory->swap = MR_PROC_UNKNOWN;
	MR_TRY(read_sums(pid, "smaps_rollup", sums, MR_ARRAY_LEN(sums)));
	return memory->pss == MR_PROC_UNKNOWN ? MR_ERR_FORMAT : MR_OK;
}

int mr_proc_memory_read(uint32_t pid, unsigned what, struct mr_proc_memory *memory)
{
	int status = MR_OK;

	if (what & MR_PROC_STATM)
		status = read_statm(pid, memory);
	if (what & MR_PROC_STATUS) {
		const int result = read_status(pid, memory);

		status = status ? status : result;
	}
	if (what & MR_PROC_ROLLUP) {
		const int result = read_rollup(pid, memory);

		status = status ? status : result;
	}
	return status;
}

/* ---- Limits --------------------------------------------------------------- */

unsigned mr_proc_seccomp_filters(void)
{
	static const char key[] = "\nSeccomp_filters:\t";
	char text[4096];
	const int64_t len = mr_proc_read_file(0, "status", text, sizeof(text) - 1);
	uint64_t count = 0;

	if (len <= 0)
		return 0;
	text[len] = '\0';
	const char *at = strstr(text, key);

	if (at == NULL)
		return 0;
	at += sizeof(key) - 1;
	return mr_proc_get_decimal(&at, text + len, &count) && count < INT_MAX ? (unsigned)count : 0;
}
