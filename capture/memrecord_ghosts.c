/* SPDX-License-Identifier: MIT
 *
 * See memrecord_ghosts.h.
 */
#include "memrecord_ghosts.h"

#include <time.h>
#include <unistd.h>

void mr_ghosts_release(struct mr_ghosts *ghosts)
{
	mr_free(ghosts->items);
	*ghosts = (struct mr_ghosts){ 0 };
}

int mr_ghosts_add(struct mr_ghosts *ghosts, const struct mr_ghost *ghost, struct mr_error *err)
{
	if (ghosts->count >= MR_GHOSTS_MAX)
		return MR_OK;
	if (mr_grow(&ghosts->items, &ghosts->capacity, ghosts->count + 1, sizeof(*ghosts->items)) < 0)
		return mr_fail(err, MR_ERR_NOMEM, "out of memory for processes");
	ghosts->items[ghosts->count++] = *ghost;
	return MR_OK;
}

struct mr_ghost *mr_ghosts_find(const struct mr_ghosts *ghosts, uint32_t pid)
{
	for (size_t i = ghosts->count; i > 0; i--)
		if (ghosts->items[i - 1].pid == pid)
			return &ghosts->items[i - 1];
	return NULL;
}

void mr_ghosts_forget(struct mr_ghosts *ghosts, struct mr_ghost *ghost)
{
	if (ghost)
		*ghost = ghosts->items[--ghosts->count];
}

/* What CLOCK_BOOTTIME, by which the kernel counts starts, is ahead: the time that the machine slept. */
static uint64_t slept_ns(void)
{
	struct timespec monotonic = { 0 };
	struct timespec boot = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &monotonic);
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	return (uint64_t)(boot.tv_sec - monotonic.tv_sec) * 1000000000u + (uint64_t)boot.tv_nsec -
	       (uint64_t)monotonic.tv_nsec;
}

static uint64_t ns_per_tick(void)
{
	return 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
}

struct mr_proc_stat mr_ghost_stat(const struct mr_ghost *ghost)
{
	struct mr_proc_stat stat = { .state = 'X', .parent_pid = ghost->parent_pid };

	memcpy(stat.comm, ghost->name, sizeof(stat.comm));
	stat.start_ticks =
		ghost->start_ticks ? ghost->start_ticks : (ghost->time_ns + slept_ns()) / ns_per_tick();
	return stat;
}

uint64_t mr_ghost_start_ns(uint64_t start_ticks)
{
	return start_ticks * ns_per_tick() - slept_ns();
}
