/* SPDX-License-Identifier: MIT
 *
 * Scopes: names found from the inside out, numbers laid out, texts made safe.
 */
#include "scope.h"

#include <criterion/criterion.h>

static struct mr_value found(const struct mr_scope *scope, const char *name)
{
	struct mr_value value = { 0 };

	cr_assert(mr_scope_find(scope, name, strlen(name), &value), "%s", name);
	return value;
}

static bool is_known(const struct mr_scope *scope, const char *name)
{
	struct mr_value value;

	return mr_scope_find(scope, name, strlen(name), &value);
}

Test(scope, find__looks_here_first_and_then_around)
{
	struct mr_page *page = mr_page_new();
	struct mr_scope *root = mr_page_root(page);

	mr_scope_text(root, "title", "outside");
	mr_scope_text(root, "only", "there");
	struct mr_scope *item = mr_scope_add(root, "items");
	mr_scope_text(item, "title", "inside");
	cr_expect_str_eq(found(item, "title").text, "inside");
	cr_expect_str_eq(found(item, "only").text, "there");
	cr_expect_str_eq(found(root, "title").text, "outside");
	cr_expect_not(is_known(root, "titl"));
	cr_expect_not(is_known(root, ""));
	mr_page_free(page);
}

Test(scope, find__goes_into_scopes_and_numbers)
{
	struct mr_page *page = mr_page_new();
	struct mr_scope *root = mr_page_root(page), *child = mr_scope_child(root, "rest");

	mr_scope_bytes(child, "size", 2048);
	cr_expect_str_eq(found(root, "rest.size.raw").text, "2048");
	cr_expect_str_eq(found(root, "rest.size").text, "2.00 KiB");
	cr_expect_not(is_known(root, "rest.none"));
	cr_expect_not(is_known(root, "rest.size.other"));
	cr_expect_not(is_known(root, "."));
	mr_scope_none(root, "nothing");
	cr_expect_eq(found(root, "nothing.raw").kind, MR_VALUE_NONE);
	mr_page_free(page);
}

Test(scope, list__keeps_its_order_and_its_count)
{
	struct mr_page *page = mr_page_new();
	struct mr_scope *root = mr_page_root(page);
	char name[2] = "a";

	mr_scope_list(root, "items");
	cr_expect_eq(found(root, "items").count, 0);
	for (; name[0] < 'e'; name[0]++)
		mr_scope_text(mr_scope_add(root, "items"), "name", name);
	const struct mr_value list = found(root, "items");
	cr_expect_eq(list.count, 4);
	name[0] = 'a';
	for (const struct mr_scope *item = list.scope; item; item = mr_scope_next(item), name[0]++)
		cr_expect_str_eq(found(item, "name").text, name);
	mr_page_free(page);
}

Test(scope, set__replaces_what_was_there)
{
	struct mr_page *page = mr_page_new();
	struct mr_scope *root = mr_page_root(page);

	mr_scope_none(root, "name");
	mr_scope_text(root, "name", "text");
	cr_expect_str_eq(found(root, "name").text, "text");
	mr_page_free(page);
}

Test(scope, numbers__are_laid_out)
{
	struct mr_page *page = mr_page_new();
	struct mr_scope *root = mr_page_root(page);

	mr_scope_count(root, "count", 1234567);
	cr_expect_str_eq(found(root, "count").text, "1,234,567");
	mr_scope_count(root, "most", UINT64_MAX);
	cr_expect_str_eq(found(root, "most").text, "18,446,744,073,709,551,615");
	mr_scope_count_change(root, "less", -12);
	cr_expect_str_eq(found(root, "less").text, "\xe2\x88\x92"
	                                           "12");
	mr_scope_bytes_change(root, "least", INT64_MIN);
	cr_expect_str_eq(found(root, "least.raw").text, "-9223372036854775808");
	mr_scope_percent(root, "share", 12.34);
	cr_expect_str_eq(found(root, "share").text, "12.3 %");
	mr_scope_percent(root, "whole", 100);
	cr_expect_str_eq(found(root, "whole").text, "100.0 %");
	mr_scope_percent(root, "tiny", 0.001);
	cr_expect_str_eq(found(root, "tiny").text, "< 0.1 %");
	mr_scope_percent(root, "none", 0.0 / 0.0);
	cr_expect_eq(found(root, "none").kind, MR_VALUE_NONE);
	mr_page_free(page);
}

Test(scope, text__is_made_safe_and_cut)
{
	struct mr_page *page = mr_page_new();
	struct mr_scope *root = mr_page_root(page);
	char *large = mr_alloc((1 << 20) + 1);

	memset(large, 'x', 1 << 20);
	mr_scope_text(root, "control", "a\x1b[31m\xff");
	cr_expect_str_eq(found(root, "control").text, "a\\x1b[31m\\xff");
	mr_scope_text(root, "large", large);
	cr_expect_eq(strlen(found(root, "large").text), MR_SCOPE_TEXT_COLUMNS);
	mr_free(large);
	mr_page_free(page);
}

Test(scope, truth__is_what_is_there)
{
	struct mr_page *page = mr_page_new();
	struct mr_scope *root = mr_page_root(page);
	struct mr_value value;

	mr_scope_count(root, "zero", 0);
	mr_scope_count(root, "one", 1);
	mr_scope_text(root, "empty", "");
	mr_scope_text(root, "text", "0");
	mr_scope_flag(root, "no", false);
	mr_scope_list(root, "list");
	static const struct {
		const char *name;
		bool truth;
	} cases[] = { { "zero", false }, { "one", true }, { "empty", false },
		      { "text", true },  { "no", false }, { "list", false } };
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		value = found(root, cases[i].name);
		cr_expect_eq(mr_value_is_true(&value), cases[i].truth, "%s", cases[i].name);
	}
	mr_page_free(page);
}

Test(scope, failure__does_nothing_until_it_is_asked_for)
{
	struct mr_page *page = mr_page_new();
	struct mr_error err = { 0 };

	cr_expect_null(mr_page_alloc(page, SIZE_MAX - 4));
	cr_expect_null(mr_scope_add(mr_page_root(page), "items"));
	mr_scope_text(NULL, "name", "text");
	mr_scope_count(NULL, "name", 1);
	cr_expect_null(mr_scope_child(NULL, "name"));
	cr_expect_eq(mr_page_status(page, &err), MR_ERR_NOMEM);
	mr_page_free(page);
}
