/* SPDX-License-Identifier: MIT
 *
 * What a page is made of before it has a form: names that stand for texts,
 * numbers laid out, lists and charts.  Sections of the report fill scopes from
 * tables (section_*.c); templates name what they show (html_bind.c); so neither
 * knows the other.
 *
 * A page owns all of its scopes, lists and texts; they go with it.  A failure
 * (no memory) sticks to the page: calls with a NULL scope or on a failed page do
 * nothing, and mr_page_status() reports it.  Names are borrowed, values copied.
 */
#ifndef MR_SCOPE_H
#define MR_SCOPE_H

#include "base.h"

struct mr_chart; /* chart.h */
struct mr_page;
struct mr_scope;

enum mr_value_kind {
	MR_VALUE_NONE, /* known to be absent */
	MR_VALUE_FLAG,
	MR_VALUE_TEXT,
	MR_VALUE_LIST,
	MR_VALUE_SCOPE,
	MR_VALUE_CHART,
};

struct mr_value {
	enum mr_value_kind kind;
	bool flag;
	bool numeric;                 /* TEXT that shows a number: RAW is that number */
	const char *text;             /* safe to show: valid UTF-8 without controls */
	const char *raw;              /* the exact number in its base unit, or NULL */
	size_t count;                 /* of a LIST */
	const struct mr_scope *scope; /* of a SCOPE; the first of a LIST */
	const struct mr_chart *chart;
};

struct mr_page *mr_page_new(void);       /* NULL when there is no memory */
void mr_page_free(struct mr_page *page); /* NULL is fine */
int mr_page_status(const struct mr_page *page, struct mr_error *err) MR_MUST_CHECK;
struct mr_scope *mr_page_root(struct mr_page *page);
/* What has to be on the page had no memory; nothing for NULL. */
void mr_page_fail(struct mr_page *page);
/* Zeroed memory that lives as long as the page; NULL on failure. */
void *mr_page_alloc(struct mr_page *page, size_t size_bytes);
/* A copy of TEXT that may be shown, cut after COLUMNS_MAX characters; "" on failure. */
const char *mr_page_copy(struct mr_page *page, const char *text, size_t columns_max);

struct mr_page *mr_scope_page(struct mr_scope *scope); /* NULL for NULL */

/* ---- Filling ------------------------------------------------------------- */

#define MR_SCOPE_TEXT_COLUMNS 160 /* where longer texts are cut */

void mr_scope_none(struct mr_scope *scope, const char *name);
void mr_scope_flag(struct mr_scope *scope, const char *name, bool flag);
void mr_scope_text(struct mr_scope *scope, const char *name, const char *text);
/* The whole of TEXT, line ends kept: for what goes into a pre element. */
void mr_scope_long(struct mr_scope *scope, const char *name, const char *text);
void mr_scope_format(struct mr_scope *scope, const char *name, const char *format, ...) MR_PRINTF(3, 4);
void mr_scope_count(struct mr_scope *scope, const char *name, uint64_t count);
void mr_scope_count_change(struct mr_scope *scope, const char *name, int64_t change);
void mr_scope_bytes(struct mr_scope *scope, const char *name, uint64_t size_bytes);
void mr_scope_bytes_change(struct mr_scope *scope, const char *name, int64_t change_bytes);
void mr_scope_duration(struct mr_scope *scope, const char *name, uint64_t duration_ns);
void mr_scope_percent(struct mr_scope *scope, const char *name, double percent);
void mr_scope_address(struct mr_scope *scope, const char *name, uint64_t address);
void mr_scope_chart(struct mr_scope *scope, const char *name, const struct mr_chart *chart); /* NULL: none */
/* A scope of its own under NAME. */
struct mr_scope *mr_scope_child(struct mr_scope *scope, const char *name);
/* An empty list, unless NAME is one already. */
void mr_scope_list(struct mr_scope *scope, const char *name);
/* Adds an item to the list NAME, which is made when it is new. */
struct mr_scope *mr_scope_add(struct mr_scope *scope, const char *name);

/* A nameless scope within SCOPE; NULL on failure. */
struct mr_scope *mr_scope_within(const struct mr_scope *scope);

/* ---- Reading ------------------------------------------------------------- */

/* The value that NAME stands for here or in a scope around this one; "a.b" is
 * B of scope A, "a.raw" the exact number.
 * false when nothing has that name. */
bool mr_scope_find(const struct mr_scope *scope, const char *name, size_t len, struct mr_value *value);
/* The text that NAME stands for; "" where that is none. */
const char *mr_scope_text_of(const struct mr_scope *scope, const char *name);
/* The next item of the list that this one is in, or NULL. */
const struct mr_scope *mr_scope_next(const struct mr_scope *item);
/* Whether a template's data-if takes it for true. */
bool mr_value_is_true(const struct mr_value *value);

/* "12,345" */
void mr_count_text(char out[32], uint64_t count);

#endif
