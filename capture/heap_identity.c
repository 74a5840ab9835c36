/* SPDX-License-Identifier: MIT
 *
 * See heap_identity.h.  The channel is another program's memory: it may change
 * while it is read, so everything is copied out first and its lengths are held
 * to what there is room for.
 */
#include "heap_identity.h"

#include "proc_identity.h"

static uint64_t put_text(struct mr_heap_image *image, const char *text)
{
	return mr_heap_log_string(image->common->log, image->stream, &image->string_next, text, strlen(text));
}

void mr_heap_identity_write(struct mr_heap_image *image, bool arguments)
{
	const struct mr_heap_common *const common = image->common;
	const struct mr_log_span span = { 0 };
	struct mr_channel_process process;
	struct mr_block_writer block;
	char command[MR_PROC_TEXT_MAX] = "";

	memcpy(&process, &image->channel->header->process, sizeof(process));
	process.name[sizeof(process.name) - 1] = '\0';
	process.executable[sizeof(process.executable) - 1] = '\0';
	if (process.command_len > sizeof(process.command))
		process.command_len = sizeof(process.command);
	if (process.executable[0])
		(void)mr_proc_path_show(process.executable, strlen(process.executable), common->home,
		                        image->executable, sizeof(image->executable));
	if (!process.name[0])
		return;
	(void)mr_proc_command_show(process.command, process.command_len, arguments, common->home, command,
	                           sizeof(command));
	mr_heap_image_begin(image);

	const uint64_t name = put_text(image, process.name);
	const uint64_t command_id = put_text(image, command);
	const uint64_t executable = put_text(image, image->executable);

	mr_heap_log_begin(common->log, MR_KIND_PROCESS, 1, &block);
	mr_block_scalar(&block, MR_PROCESS_TIME, 0);
	mr_block_scalar(&block, MR_PROCESS_NAME, name);
	mr_block_scalar(&block, MR_PROCESS_COMMAND, command_id);
	mr_block_scalar(&block, MR_PROCESS_EXECUTABLE, executable);
	mr_block_scalar(&block, MR_PROCESS_PARENT_PID, process.parent_pid);
	mr_block_scalar(&block, MR_PROCESS_PARENT_START_TICKS, process.parent_start_ticks);
	mr_heap_log_end(common->log, &block, image->stream, &span);
}
