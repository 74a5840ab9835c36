/* SPDX-License-Identifier: MIT
 *
 * Marks, requests for a snapshot, and names of threads: what libmemcapture
 * looks up by name in a program that is recorded, and the C library's own way to name a thread.
 */
#include "preload.h"

#include <errno.h>
#include <pthread.h>

/* Appends a text if the calling thread is recorded.  Not for signal handlers: one that
 * interrupts an append has its text ignored. */
static bool append_text(enum mr_heap_record_type type, uint32_t flags, const char *text,
                        const uintptr_t *frame)
{
	const int errno_before = errno;
	struct mr_thread *thread = mr_thread_current;
	bool appended = false;

	if (thread == NULL || thread->gate == MR_GATE_CLOSED)
		thread = mr_thread_enter();
	if (thread != NULL && mr_gate_open(thread, frame)) {
		mr_gate_take(thread, frame);
		appended = mr_thread_append_text(thread, type, flags, text, strnlen(text, MR_HEAP_TEXT_MAX));
		mr_gate_leave(thread, MR_GATE_OPEN);
		mr_append_rest(thread, frame);
	}
	errno = errno_before;
	return appended;
}

/* Called by libmemcapture, which finds them with dlsym().  True: it is in the log. */
MR_EXPORT bool memrecord_mark(const char *text, uint32_t flags);
MR_EXPORT bool memrecord_name_thread(const char *name);

MR_EXPORT bool memrecord_mark(const char *text, uint32_t flags)
{
	return append_text(MR_HEAP_RECORD_MARK, flags & (MR_HEAP_TEXT_SNAPSHOT | MR_HEAP_TEXT_SILENT), text,
	                   MR_FRAME);
}

MR_EXPORT bool memrecord_name_thread(const char *name)
{
	return append_text(MR_HEAP_RECORD_THREAD, 0, name, MR_FRAME);
}

MR_HOOK(int, pthread_setname_np, (pthread_t thread, const char *name))
{
	const int failure = mr_real.pthread_setname_np(thread, name);

	/* Another thread's name is told when it next takes a ring; its own is told now. */
	if (failure == 0 && pthread_equal(thread, pthread_self()))
		(void)append_text(MR_HEAP_RECORD_THREAD, 0, name, MR_FRAME);
	return failure;
}
