/* SPDX-License-Identifier: MIT
 *
 * See memrecord_launch.h.
 */
#include "memrecord_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"

/* ---- What is changed, and put back ------------------------------------------- */

static void change_action(int number, void (*handler)(int), struct sigaction *before)
{
	struct sigaction action = { .sa_handler = handler };

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(number, &action, before);
}

void mr_launch_prepare(struct mr_inherited *inherited, const sigset_t *waited)
{
	(void)sigprocmask(SIG_BLOCK, waited, &inherited->mask);
	/* Ignored, a SIGCHLD would reap children behind our back, and a request be lost. */
	change_action(SIGCHLD, SIG_DFL, &inherited->sigchld);
	change_action(SIGUSR1, SIG_DFL, &inherited->sigusr1);
	change_action(SIGPIPE, SIG_IGN, &inherited->sigpipe);
	change_action(SIGXFSZ, SIG_IGN, &inherited->sigxfsz);
	/* Three files a process that is recorded. */
	if (getrlimit(RLIMIT_NOFILE, &inherited->files) == 0) {
		struct rlimit raised = inherited->files;

		raised.rlim_cur = raised.rlim_max;
		inherited->files_raised = setrlimit(RLIMIT_NOFILE, &raised) == 0;
	}
}

/* In the child, where only what is safe after fork() may be called. */
static void put_back(const struct mr_inherited *inherited)
{
	if (inherited->files_raised)
		(void)setrlimit(RLIMIT_NOFILE, &inherited->files);
	(void)sigaction(SIGCHLD, &inherited->sigchld, NULL);
	(void)sigaction(SIGUSR1, &inherited->sigusr1, NULL);
	(void)sigaction(SIGPIPE, &inherited->sigpipe, NULL);
	(void)sigaction(SIGXFSZ, &inherited->sigxfsz, NULL);
	(void)sigprocmask(SIG_SETMASK, &inherited->mask, NULL);
}

/* ---- Looking first -------------------------------------------------------------- */

static int complain(const char *command, int number, struct mr_error *err)
{
	(void)mr_fail(err, MR_ERR_READ, "cannot run '%s': %s", command, strerror(number));
	return number == ENOENT ? MR_EXIT_NOT_FOUND : MR_EXIT_NOT_EXECUTABLE;
}

/* 0 or the errno that exec would give for PATH, as far as can be seen without it. */
static int executable_errno(const char *path)
{
	struct stat info;

	if (stat(path, &info) < 0)
		return errno;
	if (!S_ISREG(info.st_mode) || access(path, X_OK) < 0)
		return EACCES;
	return 0;
}

int mr_launch_check(const char *command, char path[PATH_MAX], struct mr_error *err)
{
	const char *folders = getenv("PATH");
	int failure = ENOENT;

	if (strchr(command, '/') || command[0] == '\0') {
		failure = command[0] ? executable_errno(command) : ENOENT;
		if (failure == 0 && snprintf(path, PATH_MAX, "%s", command) >= PATH_MAX)
			failure = ENAMETOOLONG;
		return failure ? complain(command, failure, err) : 0;
	}
	if (!folders)
		folders = "/bin:/usr/bin"; /* execvp()'s own choice */
	for (;;) {
		const size_t len = strcspn(folders, ":");
		int found = ENAMETOOLONG;

		if (snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, folders, len ? "/" : "", command) <
		    PATH_MAX)
			found = executable_errno(path);
		if (found == 0)
			return 0;
		if (found == EACCES)
			failure = EACCES;
		if (folders[len] == '\0')
			return complain(command, failure, err);
		folders += len + 1;
	}
}

/* ---- The process ------------------------------------------------------------------ */

static void close_both(const int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* The child: waits for the word, and becomes the command. */
static void run(char *const *argv, int go_fd, int error_fd, const struct mr_inherited *inherited)
{
	char word;
	ssize_t got;

	do
		got = read(go_fd, &word, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(MR_EXIT_OWN_FAILURE);
	put_back(inherited);
	execvp(argv[0], argv);
	const int failure = errno;

	(void)(write(error_fd, &failure, sizeof(failure)) < 0); /* nobody is left to tell */
	_exit(failure == ENOENT ? MR_EXIT_NOT_FOUND : MR_EXIT_NOT_EXECUTABLE);
}

int mr_launch_begin(struct mr_launch *launch, char *const *argv, const char *folder,
                    const struct mr_inherited *inherited, struct mr_error *err)
{
	int go[2] = { -1, -1 };
	int failed[2] = { -1, -1 };
	pid_t pid = -1;

	/* Set in memrecord itself, where it hurts nobody: setenv() after fork() may not be safe. */
	if ((folder ? setenv(MR_CHANNEL_ENVIRONMENT, folder, 1) : unsetenv(MR_CHANNEL_ENVIRONMENT)) == 0 &&
	    pipe2(go, O_CLOEXEC) == 0 && pipe2(failed, O_CLOEXEC) == 0)
		pid = fork();
	if (pid < 0) {
		mr_fail(err, MR_ERR_NOMEM, "cannot make a process: %s", strerror(errno));
		close_both(go);
		close_both(failed);
		return MR_ERR_NOMEM;
	}
	if (pid == 0) {
		close(go[1]);
		run(argv, go[0], failed[1], inherited);
	}
	close(go[0]);
	close(failed[1]);
	*launch = (struct mr_launch){ .pid = pid, .go_fd = go[1], .error_fd = failed[0] };
	return MR_OK;
}

static void reap(struct mr_launch *launch)
{
	while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int mr_launch_go(struct mr_launch *launch, const char *command, struct mr_error *err)
{
	int failure = 0;
	ssize_t got;

	(void)(write(launch->go_fd, "!", 1) <
	       0); /* a process that was killed meanwhile is waited for as any */
	close(launch->go_fd);
	do
		got = read(launch->error_fd, &failure, sizeof(failure));
	while (got < 0 && errno == EINTR);
	close(launch->error_fd);
	if (got != (ssize_t)sizeof(failure))
		return 0;
	reap(launch);
	return complain(command, failure, err);
}

void mr_launch_cancel(struct mr_launch *launch)
{
	close(launch->go_fd);
	close(launch->error_fd);
	reap(launch);
}
