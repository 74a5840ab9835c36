/* SPDX-License-Identifier: MIT
 *
 * The HTML5 writer: what goes in as text comes out as text.
 */
#include "html_write.h"

#include <criterion/criterion.h>

static void expect(struct mr_buffer *out, const char *text)
{
	mr_buffer_put_u8(out, 0);
	cr_expect_str_eq((const char *)out->data, text);
	mr_buffer_release(out);
}

Test(html_write, text__cannot_become_markup)
{
	struct mr_buffer out = { 0 };

	mr_html_text(&out, "<script>alert('1')</script> & \"x\"");
	expect(&out, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot;");
}

Test(html_write, text__shows_what_is_no_text)
{
	struct mr_buffer out = { 0 };

	mr_html_text(&out, "a\x01\xff\xe2\x80\xae\n\tb \xc3\xa4");
	expect(&out, "a\\x01\\xff\\xe2\\x80\\xae\n\tb \xc3\xa4");
}

Test(html_write, attribute__cannot_end_early)
{
	struct mr_buffer out = { 0 };

	mr_html_begin(&out, "a");
	mr_html_attribute(&out, "title", "\" onclick='x' <b>");
	mr_html_open(&out);
	mr_html_end(&out, "a");
	expect(&out, "<a title=\"&quot; onclick=&#39;x&#39; &lt;b&gt;\"></a>");
}

Test(html_write, end__leaves_void_elements_alone)
{
	struct mr_buffer out = { 0 };

	mr_html_doctype(&out);
	mr_html_begin(&out, "br");
	mr_html_open(&out);
	mr_html_end(&out, "br");
	mr_html_begin(&out, "td");
	mr_html_open(&out);
	mr_html_end(&out, "td");
	expect(&out, "<!DOCTYPE html>\n<br><td></td>");
}

Test(html_write, raw__refuses_what_would_end_it)
{
	struct mr_buffer out = { 0 };
	struct mr_error err = { 0 };

	cr_expect_eq(mr_html_raw(&out, "a < b && c", 10, &err), 0);
	cr_expect_lt(mr_html_raw(&out, "x</style", 8, &err), 0);
	cr_expect_lt(mr_html_raw(&out, "x<!--", 5, NULL), 0);
	expect(&out, "a < b && c");
}

Test(html_write, hash__is_sha256)
{
	static const struct {
		size_t len;
		const char *hash;
	} cases[] = {
		{ 0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" },
		{ 60, "Ee45EhHGJWRgtu03WVf63YBhyvuzHa+Wfbh1rr1aqtQ=" },
		{ 119, "MeulHDE6XAgiat8Y1KNZz9/Y0ugWsT9K+VL36mWE3Ps=" },
	};
	char text[128], hash[48];

	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		mr_html_hash(hash, text, cases[i].len);
		cr_expect_str_eq(hash, cases[i].hash);
	}
	mr_html_hash(hash, "abc", 3); /* FIPS 180-4's own example */
	cr_expect_str_eq(hash, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}
