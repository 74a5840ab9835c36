/* SPDX-License-Identifier: MIT
 *
 * Programs that forbid themselves system calls (seccomp(2)): one that was not foreseen ends
 * them.  From the moment that a program does so the recorder makes none in it: events are
 * appended as before, since memrecord looks at the rings even if nobody wakes it, a thread
 * that finds its ring full turns on the spot, and what would need the kernel (new threads'
 * rings, children's channels) is not recorded, and counted.  A program that runs another
 * one so is the other case: that one begins with more filters than memrecord has, and is not recorded.
 *
 * A system call of the recorder's goes through syscall() (--wrap), or is guarded by
 * mr_sandboxed.
 */
#include "preload.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

volatile bool mr_sandboxed;

/* Not the program's hook below: that one is an exported symbol. */
long __wrap_syscall(long number, ...);

#define ARGUMENTS(first, count)                    \
	long arguments[count];                     \
	va_list list;                              \
                                                   \
	va_start(list, first);                     \
	for (unsigned i = 0; i < (count); i++)     \
		arguments[i] = va_arg(list, long); \
	va_end(list)

long __wrap_syscall(long number, ...)
{
	ARGUMENTS(number, 6);

	if (MR_UNLIKELY(mr_sandboxed)) {
		errno = EFAULT; /* who asks whether memory may be read: no; for all others, a failure */
		return -1;
	}
	return mr_real.syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
	                       arguments[5]);
}

struct forbidding {
	struct mr_thread *thread;
	bool before;
	bool is;
};

/* Before the call, after which it would be too late.  In the strict mode even the clock ends the thread: it
 * is not recorded any more. */
static struct forbidding forbid_begin(bool is, bool strictly)
{
	const struct forbidding forbidding = { mr_thread_current, mr_sandboxed, is };

	if (MR_LIKELY(!is))
		return forbidding;
	mr_sandboxed = true;
	if (strictly)
		mr_thread_current = NULL;
	return forbidding;
}

static void forbid_end(struct forbidding forbidding, long result)
{
	if (MR_LIKELY(!forbidding.is) || result >= 0)
		return;
	/* It was only asked whether there is such a thing. */
	mr_thread_current = forbidding.thread;
	mr_sandboxed = forbidding.before;
}

MR_HOOK(long, syscall, (long number, ...))
{
	ARGUMENTS(number, 6);
	const bool strictly = number == SYS_seccomp && arguments[0] == SECCOMP_SET_MODE_STRICT;
	const bool filter = number == SYS_seccomp && arguments[0] == SECCOMP_SET_MODE_FILTER;
	const struct forbidding forbidding = forbid_begin(strictly || filter, strictly);
	const long result = mr_real.syscall(number, arguments[0], arguments[1], arguments[2], arguments[3],
	                                    arguments[4], arguments[5]);

	forbid_end(forbidding, result);
	return result;
}

MR_HOOK(int, prctl, (int option, ...))
{
	ARGUMENTS(option, 4);
	const bool strictly = option == PR_SET_SECCOMP && arguments[0] == SECCOMP_MODE_STRICT;
	const struct forbidding forbidding = forbid_begin(option == PR_SET_SECCOMP, strictly);
	const int result = mr_real.prctl(option, arguments[0], arguments[1], arguments[2], arguments[3]);

	forbid_end(forbidding, result);
	return result;
}
