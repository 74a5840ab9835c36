/* SPDX-License-Identifier: MIT
 *
 * What libmemcapture passes on to the heap's recorder when memrecord has put
 * one into this program: marks, wishes for a snapshot, names of threads.  The
 * recorder is found by name, once, and only where memrecord has left word of
 * it: looking for a name that is not there would use the program's heap.
 */
#include "tracker.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "heap_events.h"

static _Atomic(bool (*)(const char *, uint32_t)) mark;
static _Atomic(bool (*)(const char *)) name_thread;
static _Atomic bool looked;

static __thread char thread_name[MR_THREAD_NAME_MAX];

static void look(void)
{
	if (MR_LIKELY(atomic_load_explicit(&looked, memory_order_acquire)))
		return;
	if (getenv(MR_HEAP_OPTIONS_ENVIRONMENT) != NULL) {
		mark = (bool (*)(const char *, uint32_t))dlsym(RTLD_DEFAULT, "memrecord_mark");
		name_thread = (bool (*)(const char *))dlsym(RTLD_DEFAULT, "memrecord_name_thread");
	}
	atomic_store_explicit(&looked, true, memory_order_release);
}

bool mr_recorder_mark(const char *text, uint32_t flags)
{
	look();
	bool (*const function)(const char *, uint32_t) = mark;
	return function != NULL && function(text, flags);
}

void memcapture_name_thread(const char *name)
{
	if (name == NULL)
		return;

	const size_t len = strnlen(name, sizeof(thread_name) - 1);
	memcpy(thread_name, name, len);
	thread_name[len] = '\0';
	look();
	bool (*const function)(const char *) = name_thread;
	if (function != NULL)
		(void)function(name);
}

const char *mr_recorder_thread_name(void)
{
	return thread_name;
}
