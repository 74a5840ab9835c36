/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process_events.h"

extern char **environ;

TestSuite(process_events);

struct message {
	uint8_t bytes[NLMSG_HDRLEN + sizeof(struct cn_msg) + sizeof(struct proc_event)];
};

static struct message message_of(const struct proc_event *event)
{
	const struct nlmsghdr netlink = { .nlmsg_len = sizeof(struct message), .nlmsg_type = NLMSG_DONE };
	struct message message = { { 0 } };

	memcpy(message.bytes, &netlink, sizeof(netlink));
	memcpy(message.bytes + NLMSG_HDRLEN + sizeof(struct cn_msg), event, sizeof(*event));
	return message;
}

Test(process_events, parse__fork)
{
	struct proc_event kernel = { .what = PROC_EVENT_FORK, .timestamp_ns = 77 };
	struct mr_process_event event;

	kernel.event_data.fork.parent_pid = 11;
	kernel.event_data.fork.parent_tgid = 10;
	kernel.event_data.fork.child_pid = 20;
	kernel.event_data.fork.child_tgid = 20;
	const struct message fork_message = message_of(&kernel);

	cr_assert(mr_process_events_parse(&fork_message, sizeof(fork_message), &event));
	cr_assert(eq(u32, event.pid, 20));
	cr_assert(eq(u32, event.parent_pid, 10));
	cr_assert(eq(u64, event.time_ns, 77));
	kernel.event_data.fork.child_tgid = 10;
	const struct message thread_message = message_of(&kernel);

	cr_assert(not(mr_process_events_parse(&thread_message, sizeof(thread_message), &event)), "a thread");
}

Test(process_events, parse__exit)
{
	struct proc_event kernel = { .what = PROC_EVENT_EXIT };
	struct mr_process_event event;

	kernel.event_data.exit.process_pid = 30;
	kernel.event_data.exit.process_tgid = 30;
	kernel.event_data.exit.exit_code = 0x900;
	const struct message message = message_of(&kernel);

	cr_assert(mr_process_events_parse(&message, sizeof(message), &event));
	cr_assert(eq(int, (int)event.kind, MR_PROCESS_EVENT_EXIT));
	cr_assert(eq(u32, event.pid, 30));
	cr_assert(eq(int, WEXITSTATUS(event.wait_status), 9));
}

Test(process_events, parse__short_or_strange_is_nothing)
{
	struct proc_event kernel = { .what = PROC_EVENT_EXEC };
	struct mr_process_event event;
	struct message message = message_of(&kernel);

	for (size_t len = 0; len < NLMSG_HDRLEN + sizeof(struct cn_msg) + 16; len++)
		cr_assert(not(mr_process_events_parse(&message, len, &event)), "%zu bytes", len);
	kernel.what = PROC_EVENT_UID;
	message = message_of(&kernel);
	cr_assert(not(mr_process_events_parse(&message, sizeof(message), &event)));
	((struct nlmsghdr *)&message)->nlmsg_type = NLMSG_ERROR;
	cr_assert(not(mr_process_events_parse(&message, sizeof(message), &event)));
}

/* What the kernel says of one child. */
struct heard {
	uint32_t pid;
	unsigned kinds[3];
	int wait_status;
};

static int hear(void *context, const struct mr_process_event *event, struct mr_error *err)
{
	struct heard *const heard = context;

	(void)err;
	if (event->pid != heard->pid)
		return MR_OK;
	heard->kinds[event->kind]++;
	if (event->kind == MR_PROCESS_EVENT_EXIT)
		heard->wait_status = event->wait_status;
	return MR_OK;
}

Test(process_events, read__a_child_from_fork_to_exit)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 6", NULL };
	struct heard heard = { .pid = 0 };
	const int fd = mr_process_events_open();
	pid_t pid;
	bool lost = false;

	if (fd < 0)
		cr_skip_test("the kernel gives its events to root only, or has none");
	cr_assert(zero(int, posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ)));
	heard.pid = (uint32_t)pid;
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 100 && heard.kinds[MR_PROCESS_EVENT_EXIT] == 0; i++) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };

		(void)poll(&ready, 1, 100);
		cr_assert(eq(int, mr_process_events_read(fd, 1000, hear, &heard, &lost, NULL), MR_OK));
	}
	close(fd);
	cr_assert(eq(u32, heard.kinds[MR_PROCESS_EVENT_FORK], 1));
	cr_assert(eq(u32, heard.kinds[MR_PROCESS_EVENT_EXEC], 1));
	cr_assert(eq(u32, heard.kinds[MR_PROCESS_EVENT_EXIT], 1));
	cr_assert(eq(int, WEXITSTATUS(heard.wait_status), 6));
}
