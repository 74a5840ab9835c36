/* SPDX-License-Identifier: MIT
 *
 * Scopes: small lists of named values in an arena, looked up by name through
 * the scopes around them.  A scope has a few dozen names at most, so that a
 * linear search is the fastest that one could wish for.
 */
#include "scope.h"

#include "canvas.h"

#include <inttypes.h>
#include <math.h>

#define CHUNK_SIZE (64u << 10)

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(16) char memory[];
};

struct entry {
	struct entry *next;
	const char *name;
	struct mr_value value;
	struct mr_scope *last; /* of a list */
};

struct mr_scope {
	struct mr_page *page;
	const struct mr_scope *parent;
	struct mr_scope *next; /* in its list */
	struct entry *first, **end;
};

struct mr_page {
	struct chunk *chunks;
	struct mr_buffer scratch;
	struct mr_scope root;
	bool failed;
};

static void scope_init(struct mr_scope *scope, struct mr_page *page, const struct mr_scope *parent)
{
	scope->page = page;
	scope->parent = parent;
	scope->end = &scope->first;
}

struct mr_page *mr_page_new(void)
{
	struct mr_page *page = mr_alloc(sizeof(*page));
	if (page)
		scope_init(&page->root, page, NULL);
	return page;
}

void mr_page_free(struct mr_page *page)
{
	if (!page)
		return;
	for (struct chunk *chunk = page->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		mr_free(chunk);
	}
	mr_buffer_release(&page->scratch);
	mr_free(page);
}

int mr_page_status(const struct mr_page *page, struct mr_error *err)
{
	MR_FAIL_IF(page->failed, err, MR_ERR_NOMEM, "no memory for the report");
	return 0;
}

void mr_page_fail(struct mr_page *page)
{
	if (page)
		page->failed = true;
}

struct mr_scope *mr_page_root(struct mr_page *page)
{
	return &page->root;
}

struct mr_page *mr_scope_page(struct mr_scope *scope)
{
	return scope ? scope->page : NULL;
}

void *mr_page_alloc(struct mr_page *page, size_t size_bytes)
{
	if (!page || page->failed)
		return NULL;
	struct chunk *chunk = page->chunks;
	size_t size;
	if (__builtin_add_overflow(size_bytes, (size_t)15, &size)) {
		page->failed = true;
		return NULL;
	}
	size &= ~(size_t)15;
	if (!chunk || chunk->size - chunk->used < size) {
		const size_t wanted = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		chunk = wanted > SIZE_MAX - sizeof(*chunk) ? NULL : mr_alloc(sizeof(*chunk) + wanted);
		if (!chunk) {
			page->failed = true;
			return NULL;
		}
		chunk->size = wanted;
		chunk->next = page->chunks;
		page->chunks = chunk;
	}
	void *memory = chunk->memory + chunk->used;
	chunk->used += size;
	return memory;
}

static const char *copy_bytes(struct mr_page *page, const void *data, size_t len)
{
	char *copy = mr_page_alloc(page, len + 1);
	if (!copy)
		return "";
	memcpy(copy, data, len);
	return copy;
}

const char *mr_page_copy(struct mr_page *page, const char *text, size_t columns_max)
{
	if (!page)
		return "";
	mr_buffer_clear(&page->scratch);
	mr_text_show(&page->scratch, text, strlen(text), columns_max);
	if (page->scratch.failed) {
		page->failed = true;
		return "";
	}
	return copy_bytes(page, page->scratch.data ? (const char *)page->scratch.data : "",
	                  page->scratch.len);
}

/* ---- Filling ------------------------------------------------------------- */

/* The entry of that name, made when it is new; NULL on a failed page. */
static struct entry *entry_of(struct mr_scope *scope, const char *name)
{
	if (!scope)
		return NULL;
	for (struct entry *entry = scope->first; entry; entry = entry->next)
		if (strcmp(entry->name, name) == 0)
			return entry;
	struct entry *entry = mr_page_alloc(scope->page, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->name = name;
	*scope->end = entry;
	scope->end = &entry->next;
	return entry;
}

static void set(struct mr_scope *scope, const char *name, struct mr_value value)
{
	struct entry *entry = entry_of(scope, name);
	if (entry)
		entry->value = value;
}

/* TEXT is ours and safe; RAW is the number behind it. */
static void set_number(struct mr_scope *scope, const char *name, const char *text, const char *raw)
{
	if (!scope)
		return;
	set(scope, name,
	    (struct mr_value){ .kind = MR_VALUE_TEXT,
	                       .numeric = true,
	                       .text = copy_bytes(scope->page, text, strlen(text)),
	                       .raw = copy_bytes(scope->page, raw, strlen(raw)) });
}

void mr_scope_none(struct mr_scope *scope, const char *name)
{
	set(scope, name, (struct mr_value){ .kind = MR_VALUE_NONE });
}

void mr_scope_flag(struct mr_scope *scope, const char *name, bool flag)
{
	set(scope, name, (struct mr_value){ .kind = MR_VALUE_FLAG, .flag = flag });
}

void mr_scope_text(struct mr_scope *scope, const char *name, const char *text)
{
	if (scope)
		set(scope, name,
		    (struct mr_value){ .kind = MR_VALUE_TEXT,
		                       .text = mr_page_copy(scope->page, text, MR_SCOPE_TEXT_COLUMNS) });
}

void mr_scope_long(struct mr_scope *scope, const char *name, const char *text)
{
	/* Not made safe here: what writes it makes everything safe that it writes. */
	if (scope)
		set(scope, name,
		    (struct mr_value){ .kind = MR_VALUE_TEXT,
		                       .text = copy_bytes(scope->page, text, strlen(text)) });
}

void mr_scope_format(struct mr_scope *scope, const char *name, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (scope)
		set(scope, name,
		    (struct mr_value){ .kind = MR_VALUE_TEXT, .text = mr_page_copy(scope->page, text, 0) });
}

void mr_count_text(char out[32], uint64_t count)
{
	char digits[24];
	const int len = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	char *end = out;
	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*end++ = ',';
		*end++ = digits[i];
	}
	*end = '\0';
}

/* Minus as mathematics has it, so that it is as wide as a plus. */
static const char *sign_of(int64_t change)
{
	return change > 0 ? "+" : change < 0 ? "\xe2\x88\x92" : "";
}

static uint64_t magnitude(int64_t change)
{
	return change < 0 ? ~(uint64_t)change + 1 : (uint64_t)change;
}

void mr_scope_count(struct mr_scope *scope, const char *name, uint64_t count)
{
	char text[32], raw[32];
	mr_count_text(text, count);
	snprintf(raw, sizeof(raw), "%" PRIu64, count);
	set_number(scope, name, text, raw);
}

void mr_scope_count_change(struct mr_scope *scope, const char *name, int64_t change)
{
	char digits[32], text[40], raw[32];
	mr_count_text(digits, magnitude(change));
	snprintf(text, sizeof(text), "%s%s", sign_of(change), digits);
	snprintf(raw, sizeof(raw), "%" PRId64, change);
	set_number(scope, name, text, raw);
}

void mr_scope_bytes(struct mr_scope *scope, const char *name, uint64_t size_bytes)
{
	char text[32], raw[32];
	mr_text_bytes_short(text, size_bytes);
	snprintf(raw, sizeof(raw), "%" PRIu64, size_bytes);
	set_number(scope, name, text, raw);
}

void mr_scope_bytes_change(struct mr_scope *scope, const char *name, int64_t change_bytes)
{
	char size[32], text[40], raw[32];
	mr_text_bytes_short(size, magnitude(change_bytes));
	snprintf(text, sizeof(text), "%s%s", sign_of(change_bytes), size);
	snprintf(raw, sizeof(raw), "%" PRId64, change_bytes);
	set_number(scope, name, text, raw);
}

void mr_scope_duration(struct mr_scope *scope, const char *name, uint64_t duration_ns)
{
	char text[32], raw[32];
	mr_text_duration(text, duration_ns);
	snprintf(raw, sizeof(raw), "%" PRIu64, duration_ns);
	set_number(scope, name, text, raw);
}

void mr_scope_percent(struct mr_scope *scope, const char *name, double percent)
{
	char text[48], raw[40];
	if (!isfinite(percent)) {
		mr_scope_none(scope, name);
		return;
	}
	mr_decimal_text(raw, percent, 4);
	mr_decimal_text(text, percent, 1);
	/* One digit after the point in all of a column. */
	snprintf(text + strlen(text), sizeof(text) - strlen(text), strchr(text, '.') ? " %%" : ".0 %%");
	if (percent > 0 && percent < 0.05)
		snprintf(text, sizeof(text), "< 0.1 %%");
	set_number(scope, name, text, raw);
}

void mr_scope_address(struct mr_scope *scope, const char *name, uint64_t address)
{
	char text[32], raw[32];
	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	snprintf(raw, sizeof(raw), "%" PRIu64, address);
	set_number(scope, name, text, raw);
}

void mr_scope_chart(struct mr_scope *scope, const char *name, const struct mr_chart *chart)
{
	set(scope, name, (struct mr_value){ .kind = chart ? MR_VALUE_CHART : MR_VALUE_NONE, .chart = chart });
}

struct mr_scope *mr_scope_within(const struct mr_scope *scope)
{
	struct mr_scope *inner = scope ? mr_page_alloc(scope->page, sizeof(*inner)) : NULL;
	if (inner)
		scope_init(inner, scope->page, scope);
	return inner;
}

struct mr_scope *mr_scope_child(struct mr_scope *scope, const char *name)
{
	struct mr_scope *child = mr_scope_within(scope);
	if (!child)
		return NULL;
	set(scope, name, (struct mr_value){ .kind = MR_VALUE_SCOPE, .scope = child });
	return child;
}

void mr_scope_list(struct mr_scope *scope, const char *name)
{
	struct entry *entry = entry_of(scope, name);
	if (entry && entry->value.kind != MR_VALUE_LIST)
		entry->value = (struct mr_value){ .kind = MR_VALUE_LIST };
}

struct mr_scope *mr_scope_add(struct mr_scope *scope, const char *name)
{
	mr_scope_list(scope, name);
	struct entry *entry = entry_of(scope, name);
	struct mr_scope *item = entry ? mr_scope_within(scope) : NULL;
	if (!item)
		return NULL;
	if (entry->last)
		entry->last->next = item;
	else
		entry->value.scope = item;
	entry->last = item;
	entry->value.count++;
	return item;
}

/* ---- Reading ------------------------------------------------------------- */

static const struct entry *own_entry(const struct mr_scope *scope, const char *name, size_t len)
{
	for (const struct entry *entry = scope->first; entry; entry = entry->next)
		if (strncmp(entry->name, name, len) == 0 && entry->name[len] == '\0')
			return entry;
	return NULL;
}

/* What NAME is of VALUE. */
static bool find_part(const struct mr_value *value, const char *name, size_t len, struct mr_value *part)
{
	if (value->kind == MR_VALUE_SCOPE) {
		const struct entry *entry = own_entry(value->scope, name, len);
		if (entry)
			*part = entry->value;
		return entry != NULL;
	}
	if (len == 3 && memcmp(name, "raw", 3) == 0 &&
	    (value->kind == MR_VALUE_TEXT || value->kind == MR_VALUE_NONE)) {
		*part = (struct mr_value){ .kind = value->raw ? MR_VALUE_TEXT : MR_VALUE_NONE,
			                   .text = value->raw,
			                   .raw = value->raw,
			                   .numeric = value->raw != NULL };
		return true;
	}
	return false;
}

bool mr_scope_find(const struct mr_scope *scope, const char *name, size_t len, struct mr_value *value)
{
	const char *dot = memchr(name, '.', len);
	const size_t first_len = dot ? (size_t)(dot - name) : len;
	const struct entry *entry = NULL;
	for (; scope && !entry; scope = scope->parent)
		entry = own_entry(scope, name, first_len);
	if (!entry)
		return false;
	struct mr_value found = entry->value;
	while (dot) {
		const char *part = dot + 1;
		const size_t rest = len - (size_t)(part - name);
		dot = memchr(part, '.', rest);
		const size_t part_len = dot ? (size_t)(dot - part) : rest;
		struct mr_value next;
		if (!find_part(&found, part, part_len, &next))
			return false;
		found = next;
	}
	*value = found;
	return true;
}

const char *mr_scope_text_of(const struct mr_scope *scope, const char *name)
{
	struct mr_value value;
	return mr_scope_find(scope, name, strlen(name), &value) && value.kind == MR_VALUE_TEXT ? value.text
	                                                                                       : "";
}

const struct mr_scope *mr_scope_next(const struct mr_scope *item)
{
	return item->next;
}

bool mr_value_is_true(const struct mr_value *value)
{
	switch (value->kind) {
	case MR_VALUE_NONE:
		return false;
	case MR_VALUE_FLAG:
		return value->flag;
	case MR_VALUE_TEXT:
		return value->raw ? strcmp(value->raw, "0") != 0 : value->text[0] != '\0';
	case MR_VALUE_LIST:
		return value->count > 0;
	case MR_VALUE_SCOPE:
	case MR_VALUE_CHART:
		return true;
	}
	return false;
}
