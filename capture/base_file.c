/* SPDX-License-Identifier: MIT
 *
 * Files read and written whole: calls that were interrupted or came up short
 * are continued, and an output file appears complete under its name or not at
 * all.  What is not a regular file (a terminal, a pipe, /dev/null) cannot be
 * replaced by a renamed one, so it is written straight.
 *
 * A closed pipe shows as an error here only where the program ignores SIGPIPE;
 * the commands do that first thing in main().
 */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int mr_write_full(int fd, const void *data, size_t len, const char *path, struct mr_error *err)
{
	const uint8_t *bytes = data;

	while (len > 0) {
		const ssize_t written = write(fd, bytes, len);

		if (written < 0 && errno == EINTR)
			continue;
		MR_FAIL_IF(written < 0, err, MR_ERR_WRITE, "cannot write '%s': %s", path, strerror(errno));
		bytes += written;
		len -= (size_t)written;
	}
	return 0;
}

int64_t mr_pread_full(int fd, void *data, size_t len, uint64_t offset, const char *path, struct mr_error *err)
{
	uint8_t *bytes = data;
	size_t done = 0;

	MR_FAIL_IF(len > INT64_MAX || offset > (uint64_t)INT64_MAX - len, err, MR_ERR_LIMIT,
	           "cannot read '%s': offset %llu is beyond what a file can have", path,
	           (unsigned long long)offset);
	while (done < len) {
		const ssize_t got = pread(fd, bytes + done, len - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		MR_FAIL_IF(got < 0, err, MR_ERR_READ, "cannot read '%s' at byte %llu: %s", path,
		           (unsigned long long)(offset + done), strerror(errno));
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (int64_t)done;
}

static char *copy_text(const char *text)
{
	const size_t size = strlen(text) + 1;
	char *copy = mr_alloc(size);

	if (copy)
		memcpy(copy, text, size);
	return copy;
}

static int fail_output(struct mr_error *err, const char *path, int errno_value)
{
	return mr_fail(err, MR_ERR_WRITE, "cannot write '%s': %s", path, strerror(errno_value));
}

/* Where the finished file goes: behind symbolic links, so that a link stays one. */
static char *final_path(const char *path)
{
	char *resolved = realpath(path, NULL);
	char *copy = copy_text(resolved ? resolved : path);

	free(resolved);
	return copy;
}

/* A new file beside PATH.  Not mkstemp(): the file is to have the mode that the
 * umask gives, and the umask cannot be read without setting it. */
static int create_beside(const char *path, char **path_partial, struct mr_error *err)
{
	const size_t size = strlen(path) + 64;
	char *partial = mr_alloc(size);

	MR_FAIL_IF(!partial, err, MR_ERR_NOMEM, "no memory to write '%s'", path);
	for (unsigned attempt = 0; attempt < 1000; attempt++) {
		snprintf(partial, size, "%s.%ld-%u.partial", path, (long)getpid(), attempt);
		const int fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

		if (fd >= 0) {
			*path_partial = partial;
			return fd;
		}
		if (errno != EEXIST)
			break;
	}
	const int errno_open = errno;

	mr_free(partial);
	return fail_output(err, path, errno_open);
}

/* What a stream writes through.  A stream alone remembers that a write failed,
 * not why, and forgets the reason when a later flush has nothing left to do. */
struct mr_output_sink {
	int fd;
	bool fd_owned;
	int errno_first;
};

static ssize_t sink_write(void *cookie, const char *data, size_t len)
{
	struct mr_output_sink *sink = cookie;
	size_t done = 0;

	while (done < len && sink->errno_first == 0) {
		const ssize_t written = write(sink->fd, data + done, len - done);

		if (written >= 0)
			done += (size_t)written;
		else if (errno != EINTR)
			sink->errno_first = errno;
	}
	return done == len ? (ssize_t)len : 0; /* fopencookie(3): 0 is failure */
}

/* Takes FD, but for that of standard output. */
static int open_stream_take(struct mr_output *output, int fd)
{
	const cookie_io_functions_t functions = { .write = sink_write };
	struct mr_output_sink *sink = mr_alloc(sizeof(*sink));

	output->stream = sink ? fopencookie(sink, "w", functions) : NULL;
	if (!output->stream) {
		if (fd != STDOUT_FILENO)
			close(fd);
		mr_free(sink);
		return MR_ERR_NOMEM;
	}
	sink->fd = fd;
	sink->fd_owned = fd != STDOUT_FILENO;
	output->sink = sink;
	return 0;
}

static int open_target(struct mr_output *output, const char *path, struct mr_error *err)
{
	struct stat status;

	if (strcmp(path, "-") == 0) {
		fflush(stdout); /* what was printed before comes before */
		output->path = copy_text("standard output");
		return output->path ? STDOUT_FILENO : mr_fail(err, MR_ERR_NOMEM, "no memory to write '-'");
	}
	const bool exists = stat(path, &status) == 0;

	if (exists && S_ISDIR(status.st_mode))
		return fail_output(err, path, EISDIR);
	output->path = final_path(path);
	MR_FAIL_IF(!output->path, err, MR_ERR_NOMEM, "no memory to write '%s'", path);
	if (!exists || S_ISREG(status.st_mode))
		return create_beside(output->path, &output->path_partial, err);
	const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	return fd >= 0 ? fd : fail_output(err, path, errno);
}

int mr_output_open(struct mr_output *output, const char *path, struct mr_error *err)
{
	int code = 0;

	*output = (struct mr_output){ NULL, NULL, NULL, NULL };
	MR_FAIL_IF(path[0] == '\0', err, MR_ERR_ARG, "the name of an output file must not be empty");
	const int fd = open_target(output, path, err);

	if (fd < 0)
		code = fd;
	else if (open_stream_take(output, fd) < 0)
		code = mr_fail(err, MR_ERR_NOMEM, "no memory to write '%s'", path);
	if (code < 0)
		mr_output_discard(output);
	return code;
}

/* Ends the stream; the errno of the first thing that failed, or 0. */
static int close_stream(struct mr_output *output)
{
	struct mr_output_sink *sink = output->sink;
	int errno_first = 0;

	if (!output->stream)
		return 0;
	const bool failed = ferror(output->stream) != 0;

	if (fclose(output->stream) != 0 || failed)
		errno_first = sink->errno_first != 0 ? sink->errno_first : EIO;
	if (sink->fd_owned && close(sink->fd) != 0 && errno_first == 0)
		errno_first = errno;
	mr_free(sink);
	output->sink = NULL;
	output->stream = NULL;
	return errno_first;
}

int mr_output_commit(struct mr_output *output, struct mr_error *err)
{
	int code = 0;
	int errno_first = close_stream(output);

	if (errno_first == 0 && output->path_partial && rename(output->path_partial, output->path) != 0)
		errno_first = errno;
	if (errno_first != 0) {
		code = fail_output(err, output->path, errno_first);
	} else {
		mr_free(output->path_partial); /* it has its final name; nothing to remove */
		output->path_partial = NULL;
	}
	mr_output_discard(output);
	return code;
}

void mr_output_discard(struct mr_output *output)
{
	(void)close_stream(output);
	if (output->path_partial)
		unlink(output->path_partial);
	mr_free(output->path_partial);
	mr_free(output->path);
	*output = (struct mr_output){ NULL, NULL, NULL, NULL };
}
