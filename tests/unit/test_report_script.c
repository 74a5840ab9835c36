/* SPDX-License-Identifier: MIT
 *
 * What a run of an interpreter is called.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "report_data.h"

static void expect(const char *name, const char *command, const char *expected)
{
	char script[MR_REPORT_SCRIPT_MAX];
	mr_report_script(name, command, script);
	cr_expect(eq(str, script, (char *)expected), "%s", command);
}

Test(report_script, python__is_called_by_its_script)
{
	expect("python3", "/usr/bin/python3 app.py", "app.py");
	expect("python3.12", "~/bin/python3.12 -X dev -W error -u ~/src/app.py --fast", "app.py");
	expect("python", "python -m package.tool in out", "package.tool");
}

Test(report_script, what_memcapture_runs__is_called_by_its_own_script)
{
	expect("python3", "/usr/bin/python3 -m memcapture --diff --trace -o p.dat app.py --fast", "app.py");
	expect("python3", "python3 -X dev -m memcapture --classes a.B --interval 0.1 src/app.py", "app.py");
	expect("python3", "python3 -m memcapture --output=p.dat -q -m package.tool -v in", "package.tool");
	expect("python3", "python3 -m memcapture --diff -- -odd/app.py", "app.py");
	expect("python3", "python3 -m memcapture --output 'a b.dat' app.py", "app.py");
	expect("python3", "python3 -m memcapture --help", "memcapture");
	expect("python3", "python3 -m memcapture -o", "memcapture");
	expect("python3", "python3 -m memcapture", "memcapture");
	expect("python3", "python3 -m pytest -o p.dat tests", "pytest");
}

Test(report_script, words__are_read_as_they_are_quoted)
{
	expect("python3", "python3 'a b.py' 'x y'", "a b.py");
	expect("python3", "python3 'it'\\''s.py'", "it's.py");
}

Test(report_script, what_has_no_script__has_no_name)
{
	expect("python3", "", "");
	expect("python3", "python3", "");
	expect("python3", "python3 -m", "");
	expect("python3", "python3 -c 'print(1)' app.py", "");
	expect("python3", "python3 - app.py", "");
	expect("python3-config", "python3-config --cflags", "");
	expect("factory", "build/samples/factory app.py", "");
}

Test(report_script, long_names__are_cut)
{
	char command[1024], script[MR_REPORT_SCRIPT_MAX];
	memset(command, 'x', sizeof(command));
	memcpy(command, "python3 ", 8);
	command[sizeof(command) - 1] = '\0';
	mr_report_script("python3", command, script);
	cr_expect(eq(sz, strlen(script), MR_REPORT_SCRIPT_MAX - 1));
}
