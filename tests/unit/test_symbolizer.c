/* SPDX-License-Identifier: MIT
 *
 * Names of places in modules, and names as programmers write them.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "symbolizer.h"

TestSuite(symbolizer);

Test(symbolizer, demangle__shows_what_programmers_write)
{
	static const struct {
		const char *mangled;
		const char *shown;
	} cases[] = {
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi",
		  "std::vector<int, std::allocator<int> >::push_back(int const&)" },
		{ "_RNvC7mycrate3foo", "mycrate::foo" },
		{ "_ZN4core3fmt5Write9write_str17h0123456789abcdefE", "core::fmt::Write::write_str" },
		{ "main", "main" },
		{ "_Z", "_Z" },
		{ "_Zinvalid_", "_Zinvalid_" },
		{ "", "" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_buffer out = { 0 };

		mr_demangle(&out, cases[i].mangled);
		mr_buffer_put_u8(&out, 0);
		cr_expect(eq(str, (char *)out.data, (char *)cases[i].shown));
		mr_buffer_release(&out);
	}
}
