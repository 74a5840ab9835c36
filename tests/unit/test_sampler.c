/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sampler.h"

extern char **environ;

/* A sampler on a log in a scratch file. */
struct scene {
	char path[32];
	struct mr_log_writer *writer;
	struct mr_sampler *sampler;
	unsigned ended_count;
};

static void count_end(void *context, const struct mr_process *process, struct mr_process_end end)
{
	(void)process;
	(void)end;
	((struct scene *)context)->ended_count++;
}

static void open_scene(struct scene *scene, uint64_t interval_ns)
{
	const struct mr_log_header header = { .version_major = 1, .pid = 1 };
	const struct mr_sampler_options options = {
		.interval_ns = interval_ns, .arguments = true, .ended = count_end, .context = scene
	};

	*scene = (struct scene){ .path = "/tmp/test_sampler.XXXXXX" };
	close(mkstemp(scene->path));
	cr_assert(eq(int, mr_log_writer_open(&scene->writer, scene->path, &header, NULL, NULL), MR_OK));
	cr_assert(eq(int, mr_sampler_new(&scene->sampler, scene->writer, &options, NULL), MR_OK));
}

static void close_scene(struct scene *scene)
{
	mr_sampler_free(scene->sampler);
	cr_assert(eq(int, mr_log_writer_close(scene->writer, 1, MR_END_CLOSED, NULL), MR_OK));
	unlink(scene->path);
}

static pid_t start_sleep(void)
{
	char *const argv[] = { (char *)"sleep", (char *)"60", NULL };
	pid_t pid = -1;

	cr_assert(zero(int, posix_spawnp(&pid, "sleep", NULL, NULL, argv, environ)));
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static struct mr_proc_stat stat_of(pid_t pid)
{
	struct mr_proc_stat stat;

	cr_assert(eq(int, mr_proc_stat_read((uint32_t)pid, &stat), MR_OK));
	return stat;
}

static void add(struct scene *scene, pid_t pid)
{
	const struct mr_proc_stat stat = stat_of(pid);

	cr_assert(eq(int, mr_sampler_add(scene->sampler, (uint32_t)pid, &stat, NULL), MR_OK));
}

TestSuite(sampler);

Test(sampler, set__knows_what_was_added_once_each)
{
	struct scene scene;
	struct mr_sampler_totals totals;
	const pid_t child = start_sleep();

	open_scene(&scene, 0);
	add(&scene, getpid());
	add(&scene, child);
	add(&scene, child);
	cr_assert(eq(sz, mr_sampler_alive_count(scene.sampler), 2));
	cr_assert(mr_sampler_knows(scene.sampler, (uint32_t)child));
	cr_assert(not(mr_sampler_knows(scene.sampler, 1)));
	mr_sampler_totals(scene.sampler, &totals);
	cr_assert(eq(u64, totals.process_count, 2));
	cr_assert(gt(u64, totals.rss_peak_root, 0));
	cr_assert(ge(u64, totals.rss_peak_tree, totals.rss_peak_root));
	stop(child);
	close_scene(&scene);
}

Test(sampler, ends__are_told_once_and_remembered)
{
	struct scene scene;
	const struct mr_process_end end = { MR_EXIT_EXITED, 3 };
	const pid_t child = start_sleep();
	const struct mr_proc_stat stat = stat_of(child);

	open_scene(&scene, 0);
	add(&scene, child);
	const uint64_t before = mr_clock_monotonic_ns();

	cr_assert(eq(int, mr_sampler_ended(scene.sampler, (uint32_t)child, end, NULL), MR_OK));
	cr_assert(eq(int, mr_sampler_ended(scene.sampler, (uint32_t)child, end, NULL), MR_OK));
	cr_assert(eq(u32, scene.ended_count, 1));
	cr_assert(eq(sz, mr_sampler_alive_count(scene.sampler), 0));
	cr_assert(mr_sampler_has_ended(scene.sampler, (uint32_t)child, stat.start_ticks));
	cr_assert(not(mr_sampler_has_ended(scene.sampler, (uint32_t)child, stat.start_ticks + 1)));
	cr_assert(mr_sampler_knew(scene.sampler, (uint32_t)child, before));
	cr_assert(not(mr_sampler_knew(scene.sampler, (uint32_t)child, mr_clock_monotonic_ns())));
	stop(child);
	close_scene(&scene);
}

Test(sampler, add__a_pid_that_is_used_again_ends_its_predecessor)
{
	struct scene scene;
	const pid_t child = start_sleep();
	struct mr_proc_stat stat = stat_of(child);

	open_scene(&scene, 0);
	add(&scene, child);
	stat.start_ticks++;
	cr_assert(eq(int, mr_sampler_add(scene.sampler, (uint32_t)child, &stat, NULL), MR_OK));
	cr_assert(eq(u32, scene.ended_count >= 1, 1));
	stop(child);
	close_scene(&scene);
}

Test(sampler, look_for_ends__finds_one_that_someone_else_reaped)
{
	struct scene scene;
	const pid_t child = start_sleep();

	open_scene(&scene, 0);
	add(&scene, child);
	stop(child);
	/* Where the kernel does not tell of ends, the next sample finds out. */
	for (int i = 0; i < 1000 && mr_sampler_alive_count(scene.sampler) > 0; i++) {
		cr_assert(eq(int, mr_sampler_look_for_ends(scene.sampler, NULL), MR_OK));
		cr_assert(eq(int, mr_sampler_tick(scene.sampler, NULL), MR_OK));
		usleep(1000);
	}
	cr_assert(eq(u32, scene.ended_count, 1));
	close_scene(&scene);
}

Test(sampler, charge__puts_samples_off_but_not_for_long)
{
	struct scene scene;

	open_scene(&scene, 1000000);
	add(&scene, getpid());
	cr_assert(not(mr_sampler_is_behind(scene.sampler)));
	mr_sampler_charge(scene.sampler, UINT64_C(1000000000000));
	cr_assert(mr_sampler_is_behind(scene.sampler));
	cr_assert(lt(u64, mr_sampler_due_ns(scene.sampler), mr_clock_monotonic_ns() + UINT64_C(3000000000)));
	close_scene(&scene);
}

Test(sampler, finish__tells_of_those_that_run_on)
{
	struct scene scene;
	const pid_t child = start_sleep();

	open_scene(&scene, 0);
	add(&scene, getpid());
	add(&scene, child);
	cr_assert(eq(int, mr_sampler_setting(scene.sampler, "key", "value", NULL), MR_OK));
	cr_assert(eq(int, mr_sampler_snapshot(scene.sampler, NULL), MR_OK));
	cr_assert(eq(int, mr_sampler_finish(scene.sampler, NULL), MR_OK));
	cr_assert(eq(sz, mr_sampler_alive_count(scene.sampler), 0));
	cr_assert(eq(u32, scene.ended_count, 0));
	stop(child);
	close_scene(&scene);
}

Test(sampler, missed__a_process_that_nobody_saw)
{
	struct scene scene;
	struct mr_sampler_totals totals;
	const struct mr_proc_stat stat = { .comm = "gone", .parent_pid = 1, .start_ticks = 5 };
	const struct mr_process_end end = { MR_EXIT_SIGNALLED, 9 };

	open_scene(&scene, 0);
	add(&scene, getpid());
	cr_assert(eq(int,
	             mr_sampler_missed(scene.sampler, 0x7ffffffe, &stat, mr_clock_monotonic_ns(), end, NULL),
	             MR_OK));
	mr_sampler_totals(scene.sampler, &totals);
	cr_assert(eq(u64, totals.process_count, 2));
	cr_assert(eq(sz, mr_sampler_alive_count(scene.sampler), 1));
	close_scene(&scene);
}
