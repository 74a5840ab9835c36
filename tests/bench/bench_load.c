/* SPDX-License-Identifier: MIT
 *
 * A program to be observed: it holds some memory and computes for about two
 * seconds, a fixed amount of work.  Prints its wall and processor time in ns,
 * and the processor time that its parent has used so far (memrecord, when it
 * runs under it).
 *
 * usage: bench_load MEGABYTES
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* All threads of a process, in ns: the first number of each schedstat. */
static double process_ns(pid_t pid)
{
	char path[300];
	double sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);

	for (const struct dirent *task = tasks ? readdir(tasks) : NULL; task; task = readdir(tasks)) {
		double ns = 0;

		if (task->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, task->d_name);
		FILE *file = fopen(path, "r");

		if (file && fscanf(file, "%lf", &ns) == 1)
			sum += ns;
		if (file)
			fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return sum;
}

int main(int argc, char **argv)
{
	const size_t size = (argc > 1 ? strtoul(argv[1], NULL, 10) : 64) << 20;
	volatile uint8_t *memory = malloc(size > 0 ? size : 1);
	uint64_t sum = 0;

	if (!memory)
		return 1;
	memset((void *)memory, 1, size);
	const double started = clock_ns(CLOCK_MONOTONIC);
	const double started_cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	const double parent_before = process_ns(getppid());

	for (uint64_t i = 0; i < 700000000; i++)
		sum = sum * 6364136223846793005u + i;
	for (size_t pass = 0; pass < 20; pass++)
		for (size_t at = 0; at < size; at += 4096)
			memory[at] += (uint8_t)(sum + pass);
	printf("wall %.0f\ncpu %.0f\nparent %.0f\n", clock_ns(CLOCK_MONOTONIC) - started,
	       clock_ns(CLOCK_PROCESS_CPUTIME_ID) - started_cpu, process_ns(getppid()) - parent_before);
	return sum == 42;
}
