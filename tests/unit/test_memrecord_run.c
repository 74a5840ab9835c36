/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <limits.h>
#include <unistd.h>

#include "memrecord_launch.h"
#include "memrecord_run.h"

TestSuite(memrecord_run);

static const struct naming {
	const char *pattern;
	const char *name;
	const char *expected;
} namings[] = {
	{ NULL, "app", "app.42.dat" },
	{ NULL, "/usr/bin/app", "app.42.dat" },
	{ NULL, "./a b", "a b.42.dat" },
	{ "out.dat", "app", "out.dat" },
	{ "logs/%p/x-%p.dat", "app", "logs/42/x-42.dat" },
	{ "100%%p", "app", "100%p" },
	{ "a%xb%", "app", "a%xb%" },
};

Test(memrecord_run, log_path__by_pattern_or_by_name)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(namings); i++) {
		char *const path = mr_run_log_path(namings[i].pattern, namings[i].name, 42);

		cr_expect(eq(str, path, (char *)namings[i].expected));
		mr_free(path);
	}
}

Test(memrecord_run, launch_check__finds_commands_as_exec_does)
{
	struct mr_error err = { 0 };
	char path[PATH_MAX] = "";

	cr_assert(eq(int, mr_launch_check("sh", path, &err), 0));
	cr_assert(eq(int, access(path, X_OK), 0), "%s", path);
	cr_assert(eq(int, mr_launch_check("/bin/sh", path, &err), 0));
	cr_assert(eq(str, path, "/bin/sh"));
	cr_assert(eq(int, err.code, MR_OK));
	cr_assert(eq(int, mr_launch_check("no-such-command-anywhere", path, &err), MR_EXIT_NOT_FOUND));
	cr_assert(not(zero(ptr, strstr(err.message, "no-such-command-anywhere"))));
	cr_assert(eq(int, mr_launch_check("/no/such/file", path, NULL), MR_EXIT_NOT_FOUND));
	cr_assert(eq(int, mr_launch_check("", path, NULL), MR_EXIT_NOT_FOUND));
	cr_assert(eq(int, mr_launch_check("/", path, NULL), MR_EXIT_NOT_EXECUTABLE));
	cr_assert(eq(int, mr_launch_check("/etc/passwd", path, NULL), MR_EXIT_NOT_EXECUTABLE));
}
