/* SPDX-License-Identifier: MIT
 *
 * See process_events.h.  The messages are those of linux/cn_proc.h inside
 * linux/connector.h inside a netlink message; everything is copied out of the
 * datagram, whose parts are not aligned.
 */
#include "process_events.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_BUFFER (4 << 20)
#define EVENT_OFFSET (NLMSG_HDRLEN + sizeof(struct cn_msg))
#define DATA_OFFSET (EVENT_OFFSET + offsetof(struct proc_event, event_data))

/* The filter loads 32-bit fields as big-endian words. */
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, EVENT_OFFSET + offsetof(struct proc_event, field))
#define IS(event) htonl((uint32_t)(event))

/* Lets through what is about processes: a fork whose child, an exit whose
 * process, leads its thread group; every exec; and the answer to our request. */
static int attach_filter(int fd)
{
	struct sock_filter code[] = {
		/* 0 */ LOAD(what),
		/* 1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IS(PROC_EVENT_FORK), 4, 0),
		/* 2 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IS(PROC_EVENT_EXIT), 7, 0),
		/* 3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IS(PROC_EVENT_EXEC), 10, 0),
		/* 4 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IS(PROC_EVENT_NONE), 9, 0),
		/* 5 */ BPF_STMT(BPF_RET | BPF_K, 0),
		/* 6: fork */ LOAD(event_data.fork.child_pid),
		/* 7 */ BPF_STMT(BPF_MISC | BPF_TAX, 0),
		/* 8 */ LOAD(event_data.fork.child_tgid),
		/* 9 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 4, 5),
		/* 10: exit */ LOAD(event_data.exit.process_pid),
		/* 11 */ BPF_STMT(BPF_MISC | BPF_TAX, 0),
		/* 12 */ LOAD(event_data.exit.process_tgid),
		/* 13 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
		/* 14: take it */ BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		/* 15: leave it */ BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = MR_ARRAY_LEN(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int request(int fd, enum proc_cn_mcast_op operation)
{
	uint8_t message[EVENT_OFFSET + sizeof(operation)] = { 0 };
	const struct nlmsghdr netlink = { .nlmsg_len = sizeof(message), .nlmsg_type = NLMSG_DONE };
	const struct cn_msg connector = { .id = { .idx = CN_IDX_PROC, .val = CN_VAL_PROC },
		                          .len = sizeof(operation) };

	memcpy(message, &netlink, sizeof(netlink));
	memcpy(message + NLMSG_HDRLEN, &connector, sizeof(connector));
	memcpy(message + EVENT_OFFSET, &operation, sizeof(operation));
	return send(fd, message, sizeof(message), 0) == (ssize_t)sizeof(message) ? 0 : -1;
}

/* The kernel answers a request that it accepts before send(2) returns. */
static bool answered(int fd)
{
	uint8_t message[512];

	return recv(fd, message, sizeof(message), MSG_DONTWAIT) > 0;
}

int mr_process_events_open(void)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
	const int buffer_size = RECEIVE_BUFFER;
	const int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);

	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || attach_filter(fd) < 0 ||
	    request(fd, PROC_CN_MCAST_LISTEN) < 0 || !answered(fd)) {
		close(fd);
		return -1;
	}
	/* The default holds some hundred events; without the right to more, it has to do. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_size, sizeof(buffer_size));
	return fd;
}

bool mr_process_events_parse(const void *datagram, size_t len, struct mr_process_event *event)
{
	struct nlmsghdr netlink;
	struct proc_event kernel;
	size_t available;

	if (len < EVENT_OFFSET + offsetof(struct proc_event, event_data))
		return false;
	memcpy(&netlink, datagram, sizeof(netlink));
	if (netlink.nlmsg_type != NLMSG_DONE || netlink.nlmsg_len > len)
		return false;
	/* The union's size differs between kernels; what we use lies at its start. */
	available = len - EVENT_OFFSET < sizeof(kernel) ? len - EVENT_OFFSET : sizeof(kernel);
	memset(&kernel, 0, sizeof(kernel));
	memcpy(&kernel, (const uint8_t *)datagram + EVENT_OFFSET, available);

	*event = (struct mr_process_event){ .time_ns = kernel.timestamp_ns };
	switch ((uint32_t)kernel.what) {
	case PROC_EVENT_FORK:
		event->kind = MR_PROCESS_EVENT_FORK;
		event->pid = (uint32_t)kernel.event_data.fork.child_tgid;
		event->parent_pid = (uint32_t)kernel.event_data.fork.parent_tgid;
		return kernel.event_data.fork.child_pid == kernel.event_data.fork.child_tgid;
	case PROC_EVENT_EXEC:
		event->kind = MR_PROCESS_EVENT_EXEC;
		event->pid = (uint32_t)kernel.event_data.exec.process_tgid;
		return true;
	case (uint32_t)PROC_EVENT_EXIT:
		event->kind = MR_PROCESS_EVENT_EXIT;
		event->pid = (uint32_t)kernel.event_data.exit.process_tgid;
		event->wait_status = (int)kernel.event_data.exit.exit_code;
		return kernel.event_data.exit.process_pid == kernel.event_data.exit.process_tgid;
	default:
		return false;
	}
}

int mr_process_events_read(int fd, unsigned max, mr_process_event_handler *handler, void *context, bool *lost,
                           struct mr_error *err)
{
	for (unsigned i = 0; i < max; i++) {
		uint8_t datagram[512];
		struct sockaddr_nl sender = { 0 };
		socklen_t sender_len = sizeof(sender);
		struct mr_process_event event;
		const ssize_t len = recvfrom(fd, datagram, sizeof(datagram), MSG_DONTWAIT,
		                             (struct sockaddr *)&sender, &sender_len);

		if (len < 0 && errno == ENOBUFS) {
			*lost = true;
			continue;
		}
		if (len <= 0)
			return MR_OK;
		/* Any process may send to us; the kernel's port is 0. */
		if (sender.nl_pid == 0 && mr_process_events_parse(datagram, (size_t)len, &event))
			MR_TRY(handler(context, &event, err));
	}
	return MR_OK;
}
