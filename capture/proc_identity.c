/* SPDX-License-Identifier: MIT
 *
 * See proc_identity.h.  Text is built through a small sink that cuts: command
 * lines are as long as their writer wants.
 */
#include "proc_identity.h"

#include "proc_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- Boot and start -------------------------------------------------------- */

int mr_proc_boot_id_parse(const char *text, size_t len, uint64_t boot_id[2])
{
	uint64_t halves[2] = { 0, 0 };
	unsigned digits = 0;

	for (size_t i = 0; i < len && digits < 32; i++) {
		unsigned digit;

		if (text[i] >= '0' && text[i] <= '9')
			digit = (unsigned)(text[i] - '0');
		else if (text[i] >= 'a' && text[i] <= 'f')
			digit = (unsigned)(text[i] - 'a') + 10;
		else if (text[i] == '-')
			continue;
		else
			return MR_ERR_FORMAT;
		halves[digits / 16] = halves[digits / 16] << 4 | digit;
		digits++;
	}
	if (digits != 32)
		return MR_ERR_FORMAT;
	boot_id[0] = halves[0];
	boot_id[1] = halves[1];
	return MR_OK;
}

int mr_proc_boot_id_read(uint64_t boot_id[2])
{
	char text[64];
	const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return MR_ERR_READ;
	const int64_t len = mr_proc_read(fd, text, sizeof(text));

	close(fd);
	return len <= 0 ? MR_ERR_READ : mr_proc_boot_id_parse(text, (size_t)len, boot_id);
}

int mr_proc_identity_read(uint32_t pid, struct mr_proc_identity *identity)
{
	struct mr_proc_identity result;
	struct mr_proc_stat stat;

	MR_TRY(mr_proc_boot_id_read(result.boot_id));
	MR_TRY(mr_proc_stat_read(pid, &stat));
	result.pid = pid ? pid : (uint32_t)getpid();
	result.start_ticks = stat.start_ticks;
	*identity = result;
	return MR_OK;
}

/* ---- Text that is cut ------------------------------------------------------ */

struct text_sink {
	char *out;
	size_t size; /* with the final zero byte */
	size_t len;
	bool cut;
};

static void put(struct text_sink *sink, char byte)
{
	if (sink->len + 1 < sink->size)
		sink->out[sink->len++] = byte;
	else
		sink->cut = true;
}

static size_t finish(struct text_sink *sink)
{
	if (sink->cut)
		memcpy(sink->out + sink->size - 4, "...", 3);
	sink->out[sink->len] = '\0';
	return sink->len;
}

/* The length of the home folder when a path that starts at TEXT[AT] begins
 * with it, else 0.  "/data/root/x" is no path under "/root", but the "/root/x"
 * of "--file=/root/x" and of "-I/root/x" is. */
static size_t home_at(const char *text, size_t len, size_t at, const char *home, size_t home_len)
{
	if (home_len == 0 || len - at < home_len || memcmp(text + at, home, home_len) != 0)
		return 0;
	if (len - at > home_len && !strchr("/:,;'\" ", text[at + home_len]))
		return 0;
	if (at == 0 || strchr("=:,;'\"( @", text[at - 1]) || (at == 2 && text[0] == '-'))
		return home_len;
	return 0;
}

static size_t home_length(const char *home)
{
	size_t len = home ? strlen(home) : 0;

	while (len > 0 && home[len - 1] == '/')
		len--;
	return len > 0 && home[0] == '/' ? len : 0;
}

size_t mr_proc_path_show(const char *path, size_t len, const char *home, char *out, size_t size)
{
	struct text_sink sink = { .out = out, .size = size };
	const size_t home_len = home_length(home);
	size_t at = 0;

	while (at < len) {
		const size_t skip = home_at(path, len, at, home, home_len);

		put(&sink, skip ? '~' : path[at]);
		at += skip ? skip : 1;
	}
	return finish(&sink);
}

/* ---- Words as a shell would want them -------------------------------------- */

static bool is_plain(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       (byte != '\0' && strchr("@%+=:,./-_", byte));
}

static void quote_word(struct text_sink *sink, const char *word, size_t len, const char *home,
                       size_t home_len)
{
	/* At the start a tilde means the home folder only outside quotes; further in it is for reading. */
	size_t at = home_at(word, len, 0, home, home_len);
	bool plain = true;

	if (at)
		put(sink, '~');
	if (at && at < len && word[at] == '/')
		put(sink, word[at++]);
	for (size_t i = at; i < len; i++)
		plain = plain && is_plain(word[i]);
	if (len == 0)
		plain = false;
	if (!plain)
		put(sink, '\'');
	while (at < len) {
		const size_t skip = home_at(word, len, at, home, home_len);

		if (skip) {
			put(sink, '~');
		} else if (word[at] == '\'') {
			put(sink, '\'');
			put(sink, '\\');
			put(sink, '\'');
			put(sink, '\'');
		} else {
			put(sink, word[at]);
		}
		at += skip ? skip : 1;
	}
	if (!plain)
		put(sink, '\'');
}

size_t mr_proc_command_quote(const char *words, size_t len, bool arguments, const char *home, char *out,
                             size_t size)
{
	struct text_sink sink = { .out = out, .size = size };
	const size_t home_len = home_length(home);
	size_t at = 0;

	while (at < len && !sink.cut) {
		const size_t word_len = strnlen(words + at, len - at);

		if (at > 0)
			put(&sink, ' ');
		quote_word(&sink, words + at, word_len, home, home_len);
		if (!arguments)
			break;
		at += word_len + 1;
	}
	return finish(&sink);
}

size_t mr_proc_command_show(const char *words, size_t len, bool arguments, const char *home, char *out,
                            size_t size)
{
	/* A program that rewrites its title leaves padding behind; a few zero
	 * bytes are words that are empty. */
	size_t used = len;

	while (used > 1 && words[used - 1] == '\0' && words[used - 2] == '\0')
		used--;
	if (len - used > 8)
		len = used;
	return mr_proc_command_quote(words, len, arguments, home, out, size);
}

size_t mr_proc_command_line(uint32_t pid, bool arguments, const char *home, char *out, size_t size)
{
	char words[MR_PROC_TEXT_MAX];
	const int64_t len = mr_proc_read_file(pid, "cmdline", words, sizeof(words));

	return mr_proc_command_show(words, len > 0 ? (size_t)len : 0, arguments, home, out, size);
}

size_t mr_proc_executable(uint32_t pid, const char *home, char *out, size_t size)
{
	char link[MR_PROC_PATH_MAX];
	char path[MR_PROC_TEXT_MAX];

	out[0] = '\0';
	if (!mr_proc_path(pid, "exe", link, sizeof(link)))
		return 0;
	const ssize_t got = readlink(link, path, sizeof(path));

	if (got <= 0)
		return 0;
	return mr_proc_path_show(path, (size_t)got, home, out, size);
}
