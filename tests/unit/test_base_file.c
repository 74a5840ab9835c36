/* SPDX-License-Identifier: MIT
 *
 * Output that appears whole or not at all; reads and writes that go on.
 */
#include "base.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static char folder[] = "/tmp/memreport-base-file-XXXXXX";

static void enter_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
}

/* How many files there are; a partial one that was left behind counts. */
static int file_count(void)
{
	DIR *entries = opendir(".");
	int count = 0;

	cr_assert_not_null(entries);
	for (const struct dirent *entry = readdir(entries); entry; entry = readdir(entries))
		count += entry->d_name[0] != '.';
	closedir(entries);
	return count;
}

static void leave_folder(void)
{
	DIR *entries = opendir(".");

	for (const struct dirent *entry = readdir(entries); entry; entry = readdir(entries))
		unlink(entry->d_name);
	closedir(entries);
	cr_expect_eq(chdir("/"), 0);
	rmdir(folder);
}

TestSuite(base_file, .init = enter_folder, .fini = leave_folder);

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

static void expect_text(const char *path, const char *expected)
{
	char text[100] = "";
	FILE *file = fopen(path, "r");

	cr_assert_not_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	cr_expect_str_eq(text, expected);
}

Test(base_file, commit__replaces_the_file_with_the_mode_of_a_new_one)
{
	struct mr_output output;
	struct stat status;

	umask(027);
	write_text("x", "old");
	chmod("x", 0600);
	cr_assert_eq(mr_output_open(&output, "x", NULL), 0);
	fputs("new", output.stream);
	fflush(output.stream);
	expect_text("x", "old");
	cr_assert_eq(mr_output_commit(&output, NULL), 0);
	expect_text("x", "new");
	cr_assert_eq(stat("x", &status), 0);
	cr_expect_eq(status.st_mode & 0777, 0640);
	cr_expect_eq(file_count(), 1);
	mr_output_discard(&output);
	expect_text("x", "new");
}

Test(base_file, discard__leaves_the_old_file_and_nothing_else)
{
	struct mr_output output;

	write_text("x", "old");
	cr_assert_eq(mr_output_open(&output, "x", NULL), 0);
	fputs("new", output.stream);
	mr_output_discard(&output);
	expect_text("x", "old");
	cr_expect_eq(file_count(), 1);
}

Test(base_file, commit__writes_through_a_symbolic_link)
{
	struct mr_output output;
	struct stat status;

	write_text("target", "old");
	cr_assert_eq(symlink("target", "link"), 0);
	cr_assert_eq(mr_output_open(&output, "link", NULL), 0);
	fputs("new", output.stream);
	cr_assert_eq(mr_output_commit(&output, NULL), 0);
	cr_assert_eq(lstat("link", &status), 0);
	cr_expect(S_ISLNK(status.st_mode));
	expect_text("target", "new");
}

Test(base_file, commit__fails_on_a_full_device)
{
	struct mr_output output;
	struct mr_error err = { 0 };

	cr_assert_eq(mr_output_open(&output, "/dev/full", &err), 0);
	fputs("text", output.stream);
	/* The first flush meets the failure, the one at the end has nothing to do. */
	fflush(output.stream);
	cr_expect_eq(mr_output_commit(&output, &err), MR_ERR_WRITE);
	cr_expect_str_eq(err.message, "cannot write '/dev/full': No space left on device");
}

Test(base_file, open__writes_straight_to_what_cannot_be_replaced)
{
	struct mr_output output;
	struct stat status;

	cr_assert_eq(mr_output_open(&output, "/dev/null", NULL), 0);
	cr_expect_null(output.path_partial);
	fputs("text", output.stream);
	cr_expect_eq(mr_output_commit(&output, NULL), 0);
	cr_assert_eq(stat("/dev/null", &status), 0);
	cr_expect(S_ISCHR(status.st_mode));
}

static void *read_fifo(void *text)
{
	const int fd = open("fifo", O_RDONLY);

	if (fd >= 0) {
		const ssize_t got = read(fd, text, 10);

		((char *)text)[got > 0 ? got : 0] = '\0';
		close(fd);
	}
	return NULL;
}

Test(base_file, open__writes_into_a_fifo)
{
	struct mr_output output;
	char text[11] = "";
	pthread_t reader;

	cr_assert_eq(mkfifo("fifo", 0600), 0);
	cr_assert_eq(pthread_create(&reader, NULL, read_fifo, text), 0);
	cr_assert_eq(mr_output_open(&output, "fifo", NULL), 0);
	fputs("hello", output.stream);
	cr_expect_eq(mr_output_commit(&output, NULL), 0);
	pthread_join(reader, NULL);
	cr_expect_str_eq(text, "hello");
}

Test(base_file, open__names_what_cannot_be_written)
{
	static const struct {
		const char *path;
		int code;
		const char *message;
	} cases[] = {
		{ ".", MR_ERR_WRITE, "cannot write '.': Is a directory" },
		{ "no/x", MR_ERR_WRITE, "cannot write 'no/x': No such file or directory" },
		{ "", MR_ERR_ARG, "the name of an output file must not be empty" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_output output;
		struct mr_error err = { 0 };

		cr_expect_eq(mr_output_open(&output, cases[i].path, &err), cases[i].code);
		cr_expect_str_eq(err.message, cases[i].message);
		cr_expect_eq(mr_output_open(&output, cases[i].path, NULL), cases[i].code);
	}
	cr_expect_eq(file_count(), 0);
}

Test(base_file, pread__is_short_only_at_the_end)
{
	char text[10] = "";
	struct mr_error err = { 0 };

	write_text("x", "hello");
	const int fd = open("x", O_RDONLY);

	cr_assert_geq(fd, 0);
	cr_expect_eq(mr_pread_full(fd, text, 3, 1, "x", &err), 3);
	cr_expect_str_eq(text, "ell");
	cr_expect_eq(mr_pread_full(fd, text, 9, 3, "x", &err), 2);
	cr_expect_eq(mr_pread_full(fd, text, 9, 100, "x", &err), 0);
	cr_expect_eq(mr_pread_full(fd, text, 9, UINT64_MAX - 4, "x", &err), MR_ERR_LIMIT);
	close(fd);
	cr_expect_eq(mr_pread_full(fd, text, 1, 0, "x", NULL), MR_ERR_READ);
}

static void on_alarm(int signal_number)
{
	(void)signal_number;
}

static void *drain_slowly(void *pipe_fd)
{
	char bytes[4096];
	size_t total = 0;

	for (;;) {
		usleep(100);
		const ssize_t got = read(*(int *)pipe_fd, bytes, sizeof(bytes));

		if (got <= 0)
			break;
		total += (size_t)got;
	}
	return (void *)total;
}

Test(base_file, write__goes_on_after_interruptions_and_short_writes)
{
	const size_t len = 1 << 20;
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval timer = { { 0, 2000 }, { 0, 2000 } };
	const struct itimerval off = { { 0, 0 }, { 0, 0 } };
	uint8_t *data = mr_alloc(len);
	int pipe_fds[2];
	pthread_t reader;
	void *total = NULL;
	sigset_t alarm_set;

	cr_assert_not_null(data);
	cr_assert_eq(pipe(pipe_fds), 0);
	sigemptyset(&alarm_set);
	sigaddset(&alarm_set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm_set, NULL); /* the reader's */
	cr_assert_eq(pthread_create(&reader, NULL, drain_slowly, &pipe_fds[0]), 0);
	pthread_sigmask(SIG_UNBLOCK, &alarm_set, NULL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	cr_expect_eq(mr_write_full(pipe_fds[1], data, len, "pipe", NULL), 0);
	setitimer(ITIMER_REAL, &off, NULL);
	close(pipe_fds[1]);
	pthread_join(reader, &total);
	cr_expect_eq((size_t)total, len);
	close(pipe_fds[0]);
	mr_free(data);
}
