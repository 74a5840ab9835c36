/* SPDX-License-Identifier: MIT
 *
 * See heap_early.h.
 */
#include "heap_early.h"

/* The first of the first COUNT that is of THREAD and ADDRESS, in order; COUNT: there is none. */
static uint32_t first_of(const struct mr_heap_early *early, uint32_t count, uint32_t thread, uint64_t address)
{
	uint32_t i = 0;

	while (i < count && (early->events[i].event.address != address || early->events[i].thread != thread ||
	                     !early->events[i].in_order))
		i++;
	return i;
}

bool mr_heap_early_has(const struct mr_heap_early *early, uint32_t thread, uint64_t address)
{
	return first_of(early, early->count, thread, address) < early->count;
}

void mr_heap_early_keep(struct mr_heap_early *early, const struct mr_heap_taken *event, uint32_t thread,
                        bool in_order)
{
	early->events[early->count++] = (struct mr_heap_early_event){ *event, thread, in_order };
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
		if (retried.event.address == address &&
		    (!retried.in_order || first_of(early, i, retried.thread, address) == i) &&
		    take(context, &retried)) {
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

bool mr_heap_early_take(struct mr_heap_early *early, uint32_t thread, uint64_t address,
                        struct mr_heap_early_event *taken)
{
	const uint32_t at = first_of(early, early->count, thread, address);

	if (at == early->count)
		return false;
	*taken = take_out(early, at);
	return true;
}
