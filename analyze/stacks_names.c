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
		if (*at == 'o' && strncmp(at, "operator", 8) == 0) {
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

/* Behind what a function template gives back, which its name begins with: "void f<int>(int)". */
static const char *skip_result(const char *name)
{
	const char *end;
	const char *const begin = mr_name_begin(name, &end);

	return *end == '(' && end > begin && end[-1] == '>' ? begin : name;
}

void mr_name_shorten(struct mr_buffer *out, const char *name)
{
	static const char anonymous[] = "(anonymous namespace)";
	bool is_operator = false; /* what is right before AT */

	name = skip_result(name);
	for (const char *at = name; *at != '\0';) {
		const char *end = at + 1;

		if (is_operator && at[0] == ' ' && at[1] == '<') /* "operator<< <char>" */
			at = end++;
		if (*at == 'o' && strncmp(at, "operator", 8) == 0)
			end = mr_name_skip_operator(at);
		else if (*at == '(' && strncmp(at, anonymous, sizeof(anonymous) - 1) == 0)
			end = at + sizeof(anonymous) - 1;
		else if (at != name && (*at == '<' || *at == '(') && (is_operator || at[-1] != ' ')) {
			mr_buffer_append(out, *at == '<' ? "<>" : "()", 2);
			at = skip_brackets(at);
			is_operator = false;
			continue;
		}
		is_operator = end > at + 1 && *at == 'o';
		mr_buffer_append(out, at, (size_t)(end - at));
		at = end;
	}
}
