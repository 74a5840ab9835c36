/* SPDX-License-Identifier: MIT
 *
 * How objects showed themselves.  Most labels are stored without what nearly all of
 * them have in common, " object at 0x...>", and are put together when one is looked
 * at, which few are: room for them is found when sizes are loaded, so that nothing
 * can fail then, and memory that nobody looks at is not used.
 */
#include "model_private.h"

#define LABEL_FLAGS (MR_LABEL_WITH_ADDRESS | MR_LABEL_READY)

static const char middle[] = " object at 0x";

static unsigned nibble_count(uint64_t address)
{
	return address == 0 ? 1 : (67 - (unsigned)__builtin_clzll(address)) / 4;
}

int mr_model__make_labels(const struct mr_model *model, struct mr_objects *objects, struct mr_error *err)
{
	uint32_t last = MR_STRING_LOST;
	size_t last_len = strlen(mr_model_string(model, last));
	size_t len = 0;

	for (size_t row = 0; row < objects->count; row++) {
		const uint32_t text = objects->label[row] & ~LABEL_FLAGS;

		if (objects->label[row] == text)
			continue;
		if (objects->label_at == NULL)
			objects->label_at = mr_realloc(NULL, objects->count * sizeof(*objects->label_at));
		if (objects->label_at == NULL)
			return mr_fail(err, MR_ERR_NOMEM, "out of memory for how objects showed themselves");
		if (text != last) {
			last = text;
			last_len = strlen(mr_model_string(model, text));
		}
		objects->label_at[row] = len;
		len += last_len + sizeof(middle) - 1 + nibble_count(objects->address[row]) + sizeof(">");
	}
	if (len == 0)
		return 0;
	objects->label_text = mr_realloc(NULL, len);
	if (objects->label_text == NULL)
		return mr_fail(err, MR_ERR_NOMEM, "out of memory for how objects showed themselves");
	return 0;
}

/* Writes the label that TEXT begins and ADDRESS ends. */
static void put_label(const char *text, uint64_t address, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const size_t text_len = strlen(text);

	memcpy(out, text, text_len);
	memcpy(out + text_len, middle, sizeof(middle) - 1);
	out += text_len + sizeof(middle) - 1;
	for (unsigned i = nibble_count(address); i > 0; i--)
		*out++ = digits[address >> (4 * (i - 1)) & 15];
	memcpy(out, ">", sizeof(">"));
}

const char *mr_model_label(const struct mr_model *model, const struct mr_run *run, size_t row)
{
	const struct mr_objects *const objects = &run->objects;
	const uint32_t label = objects->label != NULL ? objects->label[row] : 0;

	if ((label & MR_LABEL_WITH_ADDRESS) == 0)
		return mr_model_string(model, label);
	char *const text = objects->label_text + objects->label_at[row];
	if ((label & MR_LABEL_READY) == 0) {
		put_label(mr_model_string(model, label & ~LABEL_FLAGS), objects->address[row], text);
		objects->label[row] |= MR_LABEL_READY;
	}
	return text;
}
