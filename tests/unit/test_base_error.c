/* SPDX-License-Identifier: MIT
 *
 * Errors: the first one wins, context goes before it, nothing overflows.
 */
#include <criterion/criterion.h>

#include "base.h"

TestSuite(base_error);

Test(base_error, fail__keeps_the_first_error)
{
	struct mr_error err = { 0 };

	cr_expect_eq(mr_fail(&err, MR_ERR_READ, "cannot open '%s'", "a.dat"), MR_ERR_READ);
	cr_expect_eq(mr_fail(&err, MR_ERR_WRITE, "later"), MR_ERR_WRITE, "the code given is the one passed");
	cr_expect_eq(err.code, MR_ERR_READ);
	cr_expect_str_eq(err.message, "cannot open 'a.dat'");
	cr_expect_eq(mr_fail(NULL, MR_ERR_ARG, "nobody listens"), MR_ERR_ARG);
}

Test(base_error, prepend__puts_context_before_the_sentence_and_never_overflows)
{
	struct mr_error err = { 0 };

	mr_error_prepend(&err, "nothing failed");
	cr_expect_str_eq(err.message, "");

	mr_fail(&err, MR_ERR_FORMAT, "cut off at byte 7");
	mr_error_prepend(&err, "%s", "a.dat");
	cr_expect_str_eq(err.message, "a.dat: cut off at byte 7");

	char large[2 * MR_ERROR_MESSAGE_MAX];
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	for (size_t len = MR_ERROR_MESSAGE_MAX - 8; len < MR_ERROR_MESSAGE_MAX + 8; len++) {
		struct mr_error full = { 0 };

		mr_fail(&full, MR_ERR_ARG, "%s", large);
		mr_error_prepend(&full, "%.*s", (int)len, large);
		cr_expect_eq(strlen(full.message) < MR_ERROR_MESSAGE_MAX, true);
	}
}

Test(base_error, exit_status__follows_the_code)
{
	static const struct {
		int code;
		int status;
	} cases[] = { { MR_OK, 0 },
		      { MR_ERR_ARG, 2 },
		      { MR_ERR_READ, 3 },
		      { MR_ERR_FORMAT, 3 },
		      { MR_ERR_VERSION, 3 },
		      { MR_ERR_LIMIT, 3 },
		      { MR_ERR_NOMEM, 3 },
		      { MR_ERR_WRITE, 4 },
		      { -99, 3 },
		      { 5, 3 } };

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		cr_expect_eq(mr_err_exit_status(cases[i].code), cases[i].status, "code %d", cases[i].code);
}
