/* SPDX-License-Identifier: MIT
 *
 * Where a log's bytes come from.  Files are read by offset, not mapped: a log
 * may be cut while it is read, and a mapping would end this program then.
 */
#include "log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void mr_notes_release(struct mr_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		mr_free(notes->items[i]);
	mr_free(notes->items);
	*notes = (struct mr_notes){ 0 };
}

int mr_notes_add(struct mr_notes *notes, struct mr_error *err, const char *format, ...)
{
	struct mr_buffer text = { 0 };
	char sentence[MR_ERROR_MESSAGE_MAX];
	va_list arguments;

	if (notes->count >= MR_NOTES_MAX) {
		notes->left_out++;
		return 0;
	}

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	mr_buffer_append(&text, sentence, strlen(sentence) + 1);

	if (text.failed ||
	    mr_grow(&notes->items, &notes->capacity, notes->count + 1, sizeof(*notes->items)) < 0) {
		mr_buffer_release(&text);
		return mr_fail(err, MR_ERR_NOMEM, "out of memory for what is wrong with a log");
	}
	notes->items[notes->count++] = (char *)text.data;
	return 0;
}

static int copy_path(struct mr_source *source, const char *path, struct mr_error *err)
{
	const size_t size = strlen(path) + 1;

	source->path = mr_alloc(size);
	MR_FAIL_IF(source->path == NULL, err, MR_ERR_NOMEM, "%s: out of memory", path);
	memcpy(source->path, path, size);
	return 0;
}

/* A file that nobody else can see and that goes away by itself. */
static int temporary_file(void)
{
	const char *const named = getenv("TMPDIR");
	const char *const directory = named != NULL && named[0] != '\0' ? named : "/tmp";
	const int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;

	/* A filesystem without O_TMPFILE. */
	struct mr_buffer name = { 0 };
	int made = -1;
	mr_buffer_printf(&name, "%s/memstats.XXXXXX", directory);
	mr_buffer_put_u8(&name, 0);
	if (!name.failed)
		made = mkostemp((char *)name.data, O_CLOEXEC);
	if (made >= 0)
		unlink((const char *)name.data);
	mr_buffer_release(&name);
	return made;
}

/* Copies what FD yields to its end into a temporary file that takes FD's place. */
static int spool(struct mr_source *source, int fd, struct mr_error *err)
{
	static const size_t chunk_len = 256 << 10;
	uint8_t *const chunk = mr_realloc(NULL, chunk_len);
	const int spooled = temporary_file();
	int code = 0;

	if (chunk == NULL)
		code = mr_fail(err, MR_ERR_NOMEM, "%s: out of memory", source->path);
	else if (spooled < 0)
		code = mr_fail(err, MR_ERR_READ, "%s: cannot make a temporary file for it: %s", source->path,
		               strerror(errno));
	while (code == 0) {
		const ssize_t got = read(fd, chunk, chunk_len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			code = mr_fail(err, MR_ERR_READ, "%s: cannot be read: %s", source->path,
			               strerror(errno));
		if (got <= 0)
			break;
		if (mr_write_full(spooled, chunk, (size_t)got, "a temporary file", err) < 0) {
			code = MR_ERR_READ;
			if (err != NULL)
				err->code = code;
		}
		source->size_bytes += (uint64_t)got;
	}
	mr_free(chunk);
	if (code < 0 && spooled >= 0)
		close(spooled);
	if (code == 0)
		source->fd = spooled;
	return code;
}

int mr_source_open(struct mr_source *source, const char *path, struct mr_error *err)
{
	const bool standard_input = strcmp(path, "-") == 0;
	struct stat status;
	int fd = -1;

	*source = (struct mr_source){ .fd = -1 };
	int code = copy_path(source, standard_input ? "standard input" : path, err);
	if (code < 0)
		return code;

	/* Opening a fifo waits for its writer, as cat does. */
	fd = standard_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &status) < 0) {
		code = mr_fail(err, MR_ERR_READ, "%s: cannot be read: %s", source->path, strerror(errno));
	} else if (S_ISDIR(status.st_mode)) {
		code = mr_fail(err, MR_ERR_READ, "%s: is a directory, not a log", source->path);
	} else if (S_ISREG(status.st_mode) && (!standard_input || lseek(fd, 0, SEEK_CUR) == 0)) {
		source->fd = fd;
		source->size_bytes = (uint64_t)status.st_size;
		return 0;
	} else if (!standard_input && !S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode) &&
	           !S_ISSOCK(status.st_mode)) {
		code = mr_fail(err, MR_ERR_READ, "%s: is a device, not a log", source->path);
	} else {
		code = spool(source, fd, err);
		/* Standard input can be read once: its copy takes its place, for who opens it again. */
		if (code == 0 && standard_input && lseek(source->fd, 0, SEEK_SET) == 0)
			(void)dup2(source->fd, STDIN_FILENO);
	}

	if (fd >= 0)
		close(fd);
	if (code < 0)
		mr_source_release(source);
	return code;
}

int mr_source_open_memory(struct mr_source *source, const void *data, size_t size_bytes, const char *name,
                          struct mr_error *err)
{
	*source = (struct mr_source){ .fd = -1, .memory = data, .size_bytes = size_bytes };
	return copy_path(source, name, err);
}

void mr_source_become(struct mr_source *source, struct mr_buffer *log)
{
	if (source->fd >= 0)
		close(source->fd);
	mr_free(source->owned);
	source->fd = -1;
	source->owned = log->data;
	source->memory = log->data;
	source->size_bytes = log->len;
	*log = (struct mr_buffer){ 0 };
}

void mr_source_release(struct mr_source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	mr_free(source->path);
	mr_free(source->owned);
	*source = (struct mr_source){ .fd = -1 };
}

int64_t mr_source_read(const struct mr_source *source, void *data, size_t len, uint64_t offset,
                       struct mr_error *err)
{
	const uint64_t left = offset < source->size_bytes ? source->size_bytes - offset : 0;
	const size_t wanted = left < len ? (size_t)left : len;

	if (source->memory == NULL)
		return mr_pread_full(source->fd, data, wanted, offset, source->path, err);
	if (wanted != 0)
		memcpy(data, source->memory + offset, wanted);
	return (int64_t)wanted;
}
