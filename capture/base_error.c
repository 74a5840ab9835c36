/* SPDX-License-Identifier: MIT
 *
 * Errors as values: a code and a sentence in a struct that the caller owns.
 * No allocation, so that running out of memory can be reported too.
 */
#include "base.h"

#undef mr_fail /* an analyzer sees a macro too */

int mr_fail(struct mr_error *err, int code, const char *format, ...)
{
	if (err != NULL && err->code == MR_OK) {
		va_list arguments;

		err->code = code;
		va_start(arguments, format);
		vsnprintf(err->message, sizeof(err->message), format, arguments);
		va_end(arguments);
	}
	return code;
}

void mr_error_prepend(struct mr_error *err, const char *format, ...)
{
	if (err == NULL || err->code == MR_OK)
		return;

	char sentence[MR_ERROR_MESSAGE_MAX];
	memcpy(sentence, err->message, sizeof(sentence));

	va_list arguments;
	va_start(arguments, format);
	const int context = vsnprintf(err->message, sizeof(err->message), format, arguments);
	va_end(arguments);

	/* A context that fills the message leaves no room for the sentence. */
	if (context < 0 || (size_t)context + 3 > sizeof(err->message))
		return;

	const size_t room = sizeof(err->message) - (size_t)context - 3;
	const size_t len = strnlen(sentence, room);

	memcpy(err->message + context, ": ", 2);
	memcpy(err->message + context + 2, sentence, len);
	err->message[(size_t)context + 2 + len] = '\0';
}

int mr_err_exit_status(int code)
{
	static const int statuses[] = {
		[-MR_OK] = 0,          [-MR_ERR_ARG] = 2,   [-MR_ERR_READ] = 3,  [-MR_ERR_FORMAT] = 3,
		[-MR_ERR_VERSION] = 3, [-MR_ERR_LIMIT] = 3, [-MR_ERR_NOMEM] = 3, [-MR_ERR_WRITE] = 4,
	};

	if (code > 0 || (size_t)-code >= MR_ARRAY_LEN(statuses))
		return 3;
	return statuses[-code];
}
