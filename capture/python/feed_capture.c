/* SPDX-License-Identifier: MIT
 *
 * An account's capture; see feed_capture.h.
 */
#include "feed_capture.h"

#include <stdlib.h>

#include "feed_account.h"

/* Puts PATTERN, or for the second and later logs of this process PATTERN with a number before its
 * ending ("profile.2.dat"), into PATH. */
static int number_path(char path[PATH_MAX], const char *pattern, unsigned number, struct mr_error *err)
{
	const char *const slash = strrchr(pattern, '/');
	const char *const name = slash != NULL ? slash + 1 : pattern;
	const char *const dot = strrchr(name, '.');
	const char *const ending = dot != NULL && dot != name ? dot : name + strlen(name);
	const int stem = ending - pattern < PATH_MAX ? (int)(ending - pattern) : PATH_MAX;
	const int len = number == 1 ? snprintf(path, PATH_MAX, "%s", pattern)
	                            : snprintf(path, PATH_MAX, "%.*s.%u%s", stem, pattern, number, ending);

	MR_FAIL_IF(len >= PATH_MAX, err, MR_ERR_ARG, "the log's name is too long: '%.100s...'", pattern);
	return 0;
}

int mr_feed_capture_open(struct memcapture **capture, enum mr_stream_source source, uint64_t zero_ns,
                         const char *path, char name[PATH_MAX])
{
	static _Atomic unsigned by_environment;
	const char *const environment = secure_getenv(MR_TRACKER_ENVIRONMENT);
	struct mr_error err = { 0 };

	*capture = NULL;
	name[0] = '\0';
	if (environment != NULL && strcmp(environment, "off") == 0)
		return 0;
	int code = 0;
	if (environment != NULL && environment[0] != '\0')
		code = number_path(name, environment, atomic_fetch_add(&by_environment, 1) + 1, &err);
	else if (path != NULL)
		code = number_path(name, path, 1, &err);
	if (code == 0) {
		const struct mr_tracker_options options = {
			.path = name[0] != '\0' ? name : NULL,
			.creator = MR_FEED_CREATOR,
			.source = source,
			.language = MR_LANGUAGE_PYTHON,
			.zero_monotonic_ns = zero_ns,
			.zero_realtime_ns = mr_feed_zero_realtime_ns(zero_ns),
		};

		code = mr_tracker_open(capture, &options, &err);
	}
	if (strchr(name, '%') != NULL || (*capture != NULL && (*capture)->log == NULL))
		name[0] = '\0';
	if (code == 0)
		return 0;
	/* What the program did not ask for does not stop it.  2: where it makes the tracker. */
	if (path == NULL && code != MR_ERR_NOMEM)
		return PyErr_WarnFormat(PyExc_RuntimeWarning, 2, "there is no log: %s", err.message);
	mr_feed_raise(&err, name[0] != '\0' ? name : NULL);
	return -1;
}

int mr_feed_capture_close(struct memcapture *capture, const struct mr_error *failure, const char *name)
{
	struct memcapture_error error = { 0 };
	struct mr_error err = *failure;

	if (memcapture_close(capture, &error) < 0)
		mr_fail(&err, error.code, "%s", error.message);
	if (err.code == MR_OK)
		return 0;
	mr_feed_raise(&err, name[0] != '\0' ? name : NULL);
	return -1;
}

void mr_feed_capture_mark(struct memcapture *capture, const char *text, size_t len, struct mr_error *failure)
{
	char *const copy = mr_alloc(len + 1);

	if (copy == NULL) {
		mr_fail(failure, MR_ERR_NOMEM, "out of memory for a mark");
		return;
	}
	memcpy(copy, text, len);
	if (memcapture_mark(capture, copy) < 0)
		mr_fail(failure, MR_ERR_NOMEM, "out of memory for a mark");
	mr_free(copy);
}
