/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <unistd.h>

#include "proc_identity.h"
#include "proc_memory.h"

TestSuite(proc_identity);

Test(proc_identity, own__pid_and_start)
{
	struct mr_proc_identity own;
	struct mr_proc_identity named;

	cr_assert(eq(int, mr_proc_identity_read(0, &own), MR_OK));
	cr_assert(eq(int, mr_proc_identity_read((uint32_t)getpid(), &named), MR_OK));
	cr_assert(eq(u32, own.pid, (uint32_t)getpid()));
	cr_assert(eq(u64, own.start_ticks, named.start_ticks));
	cr_assert(eq(u64, own.boot_id[0], named.boot_id[0]));
	cr_assert(ne(u64, own.boot_id[1], 0));
}

Test(proc_identity, boot_id__both_halves)
{
	const char text[] = "7ce429a1-aa1f-4360-a4e2-c5fc05618c37\n";
	uint64_t id[2];

	cr_assert(eq(int, mr_proc_boot_id_parse(text, strlen(text), id), MR_OK));
	cr_assert(eq(u64, id[0], 0x7ce429a1aa1f4360));
	cr_assert(eq(u64, id[1], 0xa4e2c5fc05618c37));
	cr_assert(eq(int, mr_proc_boot_id_parse(text, 20, id), MR_ERR_FORMAT));
	cr_assert(eq(int, mr_proc_boot_id_parse("no", 2, id), MR_ERR_FORMAT));
}

#define WORDS(text) text, sizeof(text)

static const struct quoting {
	const char *words;
	size_t len; /* with the last word's zero byte */
	bool arguments;
	const char *home;
	const char *expected;
} quotings[] = {
	{ WORDS("ls\0-l\0a.txt"), true, NULL, "ls -l a.txt" },
	{ WORDS("ls\0-l\0a.txt"), false, NULL, "ls" },
	{ WORDS("sh\0-c\0echo $HOME; exit"), true, NULL, "sh -c 'echo $HOME; exit'" },
	{ WORDS("echo\0it's"), true, NULL, "echo 'it'\\''s'" },
	{ WORDS("echo\0\0x"), true, NULL, "echo '' x" },
	{ WORDS("/home/a/bin/app\0/home/a"), true, "/home/a", "~/bin/app ~" },
	{ WORDS("app\0/home/ab"), true, "/home/a", "app /home/ab" },
	{ WORDS("app\0/data/home/a/x"), true, "/home/a", "app /data/home/a/x" },
	{ WORDS("app\0--file=/home/a/x\0-I/home/a/y"), true, "/home/a/", "app --file=~/x -I~/y" },
	{ WORDS("app\0/home/a/my file"), true, "/home/a", "app ~/'my file'" },
	{ WORDS("app\0~"), true, "/home/a", "app '~'" },
	{ WORDS("app\0/x"), true, "/", "app /x" },
};

Test(proc_identity, command__quoted_as_a_shell_wants_it)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(quotings); i++) {
		const struct quoting *const q = &quotings[i];
		char out[256];

		mr_proc_command_quote(q->words, q->len, q->arguments, q->home, out, sizeof(out));
		cr_expect(eq(str, out, (char *)q->expected));
	}
}

Test(proc_identity, command__cut_with_dots)
{
	char words[300];
	char out[16];

	memset(words, 'x', sizeof(words));
	words[sizeof(words) - 1] = '\0';
	cr_assert(eq(sz, mr_proc_command_quote(words, sizeof(words), true, NULL, out, sizeof(out)), 15));
	cr_assert(eq(str, out, (char *)"xxxxxxxxxxxx..."));
	/* No zero byte anywhere: the length alone ends it. */
	cr_assert(eq(sz, mr_proc_command_quote(words, 3, true, NULL, out, sizeof(out)), 3));
}

Test(proc_identity, own__command_and_executable)
{
	char command[MR_PROC_TEXT_MAX];
	char executable[MR_PROC_TEXT_MAX];

	cr_assert(gt(sz, mr_proc_command_line(0, true, NULL, command, sizeof(command)), 0));
	cr_assert(gt(sz, mr_proc_executable(0, NULL, executable, sizeof(executable)), 0));
	cr_assert(not(zero(ptr, strstr(executable, "test_proc_identity"))));
	cr_assert(eq(sz, mr_proc_executable(0x7ffffffe, NULL, executable, sizeof(executable)), 0));
	cr_assert(eq(sz, mr_proc_command_line(0x7ffffffe, true, NULL, command, sizeof(command)), 0));
}
