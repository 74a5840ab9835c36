/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process_tree.h"

extern char **environ;

TestSuite(process_tree);

Test(process_tree, last_pid__is_the_last_number)
{
	uint32_t pid = 0;

	cr_assert(eq(int, mr_process_tree_last_pid("0.50 0.26 0.15 1/123 4567\n", 26, &pid), MR_OK));
	cr_assert(eq(u32, pid, 4567));
	cr_assert(eq(int, mr_process_tree_last_pid("", 0, &pid), MR_ERR_FORMAT));
	cr_assert(eq(int, mr_process_tree_last_pid("0.50 ", 5, &pid), MR_ERR_FORMAT));
	cr_assert(eq(int, mr_process_tree_last_pid("0.50 0", 6, &pid), MR_ERR_FORMAT));
	cr_assert(eq(int, mr_process_tree_last_pid("0.50 99999999999", 16, &pid), MR_ERR_FORMAT));
	cr_assert(eq(int, mr_process_tree_last_pid("0.50 x", 6, &pid), MR_ERR_FORMAT));
}

/* Knows this process and what was found. */
struct finder {
	uint32_t found[16];
	size_t count;
};

static bool knows(void *context, uint32_t pid)
{
	const struct finder *const finder = context;

	for (size_t i = 0; i < finder->count; i++)
		if (finder->found[i] == pid)
			return true;
	return pid == (uint32_t)getpid();
}

static int found(void *context, uint32_t pid, const struct mr_proc_stat *stat, struct mr_error *err)
{
	struct finder *const finder = context;

	if (finder->count == MR_ARRAY_LEN(finder->found))
		return mr_fail(err, MR_ERR_LIMIT, "too many");
	cr_assert(not(zero(u64, stat->start_ticks)));
	finder->found[finder->count++] = pid;
	return MR_OK;
}

static pid_t start_shell(const char *script)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	pid_t pid = -1;

	cr_assert(zero(int, posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ)));
	return pid;
}

static uint64_t start_ticks(uint32_t pid)
{
	struct mr_proc_stat stat;

	cr_assert(eq(int, mr_proc_stat_read(pid, &stat), MR_OK));
	return stat.start_ticks;
}

/* Looks until COUNT processes are known: how soon is not what is tested. */
static void look_until(struct mr_process_tree *tree, const struct finder *finder, size_t count)
{
	for (int i = 0; i < 1000 && finder->count < count; i++) {
		cr_assert(eq(int, mr_process_tree_look(tree, NULL), MR_OK));
		usleep(10000);
	}
	cr_assert(ge(sz, finder->count, count));
}

Test(process_tree, look__finds_children_and_theirs)
{
	struct finder finder = { .count = 0 };
	const struct mr_process_listener listener = { &finder, knows, found };
	struct mr_process_tree *tree;

	const pid_t before = start_shell("exec sleep 30");
	cr_assert(
		eq(int, mr_process_tree_new(&tree, &listener, start_ticks((uint32_t)getpid()), NULL), MR_OK));
	look_until(tree, &finder, 1);
	cr_assert(eq(u32, finder.found[0], (uint32_t)before));

	const pid_t after = start_shell("sleep 30 & wait");
	look_until(tree, &finder, 3);
	cr_assert(knows(&finder, (uint32_t)after));
	kill(before, SIGKILL);
	kill((pid_t)finder.found[1], SIGKILL);
	kill((pid_t)finder.found[2], SIGKILL);
	waitpid(before, NULL, 0);
	waitpid(after, NULL, 0);
	mr_process_tree_free(tree);
}

Test(process_tree, look__what_started_before_the_root_is_none_of_it)
{
	struct finder finder = { .count = 0 };
	const struct mr_process_listener listener = { &finder, knows, found };
	struct mr_process_tree *tree;
	const pid_t child = start_shell("exec sleep 30");

	cr_assert(eq(int, mr_process_tree_new(&tree, &listener, start_ticks((uint32_t)child) + 1, NULL),
	             MR_OK));
	cr_assert(eq(int, mr_process_tree_look(tree, NULL), MR_OK));
	cr_assert(eq(sz, finder.count, 0));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	mr_process_tree_free(tree);
}

Test(process_tree, look__relaxed_and_back)
{
	struct finder finder = { .count = 0 };
	const struct mr_process_listener listener = { &finder, knows, found };
	struct mr_process_tree *tree;

	cr_assert(
		eq(int, mr_process_tree_new(&tree, &listener, start_ticks((uint32_t)getpid()), NULL), MR_OK));
	mr_process_tree_relax(tree, true);
	cr_assert(mr_process_tree_is_relaxed(tree));
	cr_assert(eq(int, mr_process_tree_look(tree, NULL), MR_OK));
	const pid_t child = start_shell("exec sleep 30");

	mr_process_tree_relax(tree, false);
	look_until(tree, &finder, 1);
	cr_assert(eq(u32, finder.found[0], (uint32_t)child));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	mr_process_tree_free(tree);
}
