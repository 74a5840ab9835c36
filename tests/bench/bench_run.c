/* SPDX-License-Identifier: MIT
 *
 * Runs a command with its output thrown away, and prints what it took: wall and
 * processor time in ns and peak memory in bytes.  A small C program, because
 * the peak that the kernel tells includes that of whoever calls exec.
 *
 * usage: bench_run COMMAND [ARG...]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double time_ns(struct timeval time)
{
	return (double)time.tv_sec * 1e9 + (double)time.tv_usec * 1e3;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int status = 0;

	if (argc < 2)
		return 2;
	const double started = clock_ns();
	const pid_t child = fork();

	if (child == 0) {
		const int null = open("/dev/null", O_WRONLY);

		if (null >= 0)
			dup2(null, STDOUT_FILENO);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child)
		return 1;
	printf("wall %.0f\ncpu %.0f\npeak %.0f\n", clock_ns() - started,
	       time_ns(usage.ru_utime) + time_ns(usage.ru_stime), (double)usage.ru_maxrss * 1024);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
