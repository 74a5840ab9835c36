/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sampler_process.h"

extern char **environ;

TestSuite(sampler_process);

static pid_t start_shell(const char *script)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	pid_t pid = -1;

	cr_assert(zero(int, posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ)));
	return pid;
}

static struct mr_process *open_process(pid_t pid)
{
	struct mr_proc_stat stat;

	cr_assert(eq(int, mr_proc_stat_read((uint32_t)pid, &stat), MR_OK));
	struct mr_process *const process = mr_process_new((uint32_t)pid, &stat);

	cr_assert(not(zero(ptr, process)));
	return process;
}

/* Waits until the child has ended, and leaves it unreaped. */
static void wait_for_zombie(pid_t pid)
{
	siginfo_t info;

	cr_assert(zero(int, waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT)));
}

Test(sampler_process, reads__through_open_files_or_anew)
{
	struct mr_process *const process = open_process(getpid());
	struct mr_proc_stat stat;
	uint64_t rss;
	uint64_t vsz;

	cr_assert(ge(int, process->statm_fd, 0));
	cr_assert(eq(int, mr_process_read_statm(process, &rss, &vsz), MR_OK));
	cr_assert(gt(u64, rss, 0));
	cr_assert(gt(u64, vsz, rss));
	cr_assert(eq(int, mr_process_read_stat(process, &stat), MR_OK));
	cr_assert(eq(u64, stat.start_ticks, process->start_ticks));
	mr_process_close(process);
	cr_assert(eq(int, process->statm_fd, -1));
	cr_assert(eq(int, mr_process_read_statm(process, &rss, &vsz), MR_OK));
	cr_assert(eq(int, mr_process_read_stat(process, &stat), MR_OK));
	mr_process_free(process);
}

Test(sampler_process, reads__of_a_pid_that_is_used_again_fail)
{
	struct mr_process *const process = open_process(getpid());
	struct mr_proc_stat stat;

	mr_process_close(process);
	process->start_ticks++;
	cr_assert(eq(int, mr_process_read_stat(process, &stat), MR_ERR_READ));
	mr_process_free(process);
}

Test(sampler_process, image__changes_with_name_or_addresses_and_not_at_the_end)
{
	struct mr_process *const process = open_process(getpid());
	struct mr_proc_stat stat;

	cr_assert(eq(int, mr_process_read_stat(process, &stat), MR_OK));
	cr_assert(not(mr_process_image_changed(process, &stat)));
	stat.image_stack += 4096;
	cr_assert(mr_process_image_changed(process, &stat));
	cr_assert(not(mr_process_image_changed(process, &stat)));
	stat.comm[0] ^= 1;
	cr_assert(mr_process_image_changed(process, &stat));
	stat.image_code = 0;
	stat.image_stack = 0;
	cr_assert(not(mr_process_image_changed(process, &stat)), "a process that is ending");
	mr_process_free(process);
}

Test(sampler_process, end__of_a_zombie)
{
	const pid_t pid = start_shell("exit 4");
	struct mr_process *const process = open_process(pid);

	process->image_code =
		4096; /* as if it had been looked at before: then its exit status is to be believed */
	wait_for_zombie(pid);
	const struct mr_process_end end = mr_process_end_find(process);

	cr_assert(eq(int, (int)end.state, MR_EXIT_EXITED));
	cr_assert(eq(u64, end.value, 4));
	waitpid(pid, NULL, 0);
	mr_process_free(process);
}

Test(sampler_process, end__of_one_that_was_reaped_is_known_or_unknown_and_never_wrong)
{
	const pid_t pid = start_shell("kill -9 $$");
	struct mr_process *const process = open_process(pid);

	waitpid(pid, NULL, 0);
	const struct mr_process_end end = mr_process_end_find(process);

	if (end.state == MR_EXIT_SIGNALLED)
		cr_assert(eq(u64, end.value, 9));
	else
		cr_assert(eq(int, (int)end.state, MR_EXIT_UNKNOWN));
	mr_process_free(process);
}

Test(sampler_process, pidfd__polls_readable_at_the_end)
{
	const pid_t pid = start_shell("exit 0");
	struct mr_process *const process = open_process(pid);
	struct pollfd ready = { .fd = process->pidfd, .events = POLLIN };

	if (process->pidfd < 0)
		cr_skip_test("the kernel has no pidfd_open()");
	cr_assert(eq(int, poll(&ready, 1, 30000), 1));
	waitpid(pid, NULL, 0);
	mr_process_free(process);
}

Test(sampler_process, end__from_a_wait_status)
{
	cr_assert(eq(int, (int)mr_process_end_from_status(0x0700).state, MR_EXIT_EXITED));
	cr_assert(eq(u64, mr_process_end_from_status(0x0700).value, 7));
	cr_assert(eq(int, (int)mr_process_end_from_status(SIGSEGV | 0x80).state, MR_EXIT_SIGNALLED));
	cr_assert(eq(u64, mr_process_end_from_status(SIGSEGV | 0x80).value, SIGSEGV));
	cr_assert(eq(int, (int)mr_process_end_from_status(0x137f).state, MR_EXIT_UNKNOWN));
}
