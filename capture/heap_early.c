/* SPDX-License-Identifier: MIT
 *
 * See heap_early.h.
 */
#include "heap_early.h"

void mr_heap_early_keep(struct mr_heap_early *early, const struct mr_heap_taken *event, uint32_t thread)
{
	early->events[early->count++] = (struct mr_heap_early_event){ *event, thread };
}

static struct mr_heap_early_event take_out(struct mr_heap_early *early, uint32_t at)
{
	const struct mr_heap_early_event taken = early->events[at];

	early->count--;
	memmove(&early->events[at], &early->events[at + 1], (early->count - at) * sizeof(taken));
	return taken;
}

void mr_heap_early_retry(struct mr_heap_early *early, uint64_t address, uint64_t ticks,
                         bool (*take)(void *context, const struct mr_heap_early_event *early), void *context)
{
	for (uint32_t i = 0; i < early->count;) {
		struct mr_heap_early_event retried = early->events[i];

		if (retried.event.ticks < ticks)
			retried.event.ticks = ticks;
		if (retried.event.address == address && take(context, &retried)) {
			(void)take_out(early, i);
			i = 0; /* what came before may be next */
		} else {
			i++;
		}
	}
}

bool mr_heap_early_overdue(struct mr_heap_early *early, uint64_t ticks, struct mr_heap_early_event *overdue)
{
	if (early->count == 0 || early->events[0].event.ticks >= ticks)
		return false;
	*overdue = take_out(early, 0);
	return true;
}
