/* SPDX-License-Identifier: MIT
 *
 * See heap_early.h.
 */
#include "heap_early.h"

/* The first of the first COUNT that is of the same ring and address as EVENT; COUNT: there is none. */
static uint32_t first_like(const struct mr_heap_early *early, uint32_t count,
                           const struct mr_heap_taken *event)
{
	uint32_t i = 0;

	while (i < count && (early->events[i].event.address != event->address ||
	                     early->events[i].event.ring != event->ring))
		i++;
	return i;
}

bool mr_heap_early_has_before(const struct mr_heap_early *early, const struct mr_heap_taken *event)
{
	return first_like(early, early->count, event) < early->count;
}

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
		if (retried.event.address == address && first_like(early, i, &retried.event) == i &&
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

bool mr_heap_early_before(struct mr_heap_early *early, const struct mr_heap_taken *event,
                          struct mr_heap_early_event *before)
{
	const uint32_t at = first_like(early, early->count, event);

	if (at == early->count)
		return false;
	*before = take_out(early, at);
	return true;
}
