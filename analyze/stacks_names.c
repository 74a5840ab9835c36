/* SPDX-License-Identifier: MIT
 *
 * Names of functions for lines that are short.
 */
#include "stacks.h"

/* Behind the bracket that closes the one at AT, or at the end. */
static const char *skip_brackets(const char *at)
{
	size_t depth = 0;

	for (; *at != '\0'; at++) {
		if (strncmp(at, "operator", 8) == 0) {
			at = mr_name_skip_operator(at) - 1;
			continue;
		}
		depth += *at == '<' || *at == '(';
		depth -= (*at == '>' || *at == ')') && depth > 0;
		if (depth == 0)
			return at + 1;
	}
	return at;
}

void mr_name_shorten(struct mr_buffer *out, const char *name)
{
	static const char anonymous[] = "(anonymous namespace)";

	for (const char *at = name; *at != '\0';) {
		const char *end = at + 1;

		if (strncmp(at, "operator", 8) == 0)
			end = mr_name_skip_operator(at);
		else if (strncmp(at, anonymous, sizeof(anonymous) - 1) == 0)
			end = at + sizeof(anonymous) - 1;
		else if (at != name && (*at == '<' || *at == '(') && at[-1] != ' ') {
			mr_buffer_append(out, *at == '<' ? "<>" : "()", 2);
			at = skip_brackets(at);
			continue;
		}
		mr_buffer_append(out, at, (size_t)(end - at));
		at = end;
	}
}
