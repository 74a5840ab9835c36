/* SPDX-License-Identifier: MIT
 *
 * What the kernel says about a process's memory, faults, processor time and
 * threads: the numbers in /proc/PID/{statm,stat,status,smaps_rollup} as plain
 * structs.  Used by the sampler for other processes and by libmemcapture for
 * the program that it lives in, so there is nothing here but open(2), read(2)
 * and arithmetic on the stack: no heap, no stdio, no locks, no state.  Safe from
 * any thread; errno may change.  See proc(5) for the fields.
 *
 * A pid of 0 is the calling process.  Who a process is (names, command line,
 * boot id) is in proc_identity.h.
 */
#ifndef MR_PROC_MEMORY_H
#define MR_PROC_MEMORY_H

#include "base.h"

/* A number that the kernel did not give: no such file in this kernel, no
 * permission, or a process that has no memory any more (a zombie). */
#define MR_PROC_UNKNOWN UINT64_MAX

/* The log's optional columns hold value + 1, and 0 for none. */
static inline uint64_t mr_proc_optional(uint64_t value)
{
	return value == MR_PROC_UNKNOWN ? 0 : value + 1;
}

/* All in bytes, MR_PROC_UNKNOWN where not read. */
struct mr_proc_memory {
	uint64_t rss;   /* statm: resident */
	uint64_t vsz;   /* statm: mapped */
	uint64_t pss;   /* smaps_rollup: resident, shared pages divided by their users */
	uint64_t uss;   /* smaps_rollup: private clean and dirty */
	uint64_t swap;  /* smaps_rollup: swapped out */
	uint64_t data;  /* status: VmData */
	uint64_t stack; /* status: VmStk */
	uint64_t code;  /* status: VmExe + VmLib */
};

/* What to read; they differ much in cost. */
enum mr_proc_what {
	MR_PROC_STATM = 1,  /* rss, vsz: about 2 us, takes no lock of the process */
	MR_PROC_STATUS = 2, /* data, stack, code: about 10 us */
	MR_PROC_ROLLUP = 4, /* pss, uss, swap: walks all page tables of the process; milliseconds a GiB */
};

#define MR_PROC_COMM_MAX 64 /* the kernel gives 15 bytes, kernel threads up to 63 */

struct mr_proc_stat {
	char comm[MR_PROC_COMM_MAX]; /* as the kernel has it, any bytes but 0 */
	char state;                  /* 'R', 'S', 'Z' (ended, not yet reaped), 'X' ... */
	uint32_t parent_pid;
	uint64_t faults_minor;
	uint64_t faults_major;
	uint64_t cpu_user_ns; /* of all its threads, in steps of a clock tick (10 ms) */
	uint64_t cpu_system_ns;
	uint64_t threads;
	uint64_t start_ticks; /* clock ticks since boot; with the pid, names the process */
	uint64_t vsz;         /* bytes */
	uint64_t rss;         /* bytes; less exact than statm's on some kernels */
	uint64_t image_code;  /* where code and stack begin: exec(2) moves them. 0 or 1 without permission */
	uint64_t image_stack;
	uint64_t exit_status; /* as wait(2) gives it, once STATE is 'Z'; 0 without permission */
};

void mr_proc_memory_clear(struct mr_proc_memory *memory); /* all MR_PROC_UNKNOWN */

/* Reads WHAT (enum mr_proc_what, joined with |) of a process into MEMORY and
 * leaves its other members alone.  0 when all of it was read; otherwise
 * MR_ERR_READ or MR_ERR_FORMAT, and what could not be read is MR_PROC_UNKNOWN. */
int mr_proc_memory_read(uint32_t pid, unsigned what, struct mr_proc_memory *memory);

/* Reads /proc/PID/stat.  MR_ERR_READ: the process is gone (or not ours to see). */
int mr_proc_stat_read(uint32_t pid, struct mr_proc_stat *stat) MR_MUST_CHECK;

/* The parsers, for callers that keep the files open and read them with pread(2).
 * TEXT need not end in a zero byte.  0 or MR_ERR_FORMAT. */
int mr_proc_statm_parse(const char *text, size_t len, uint64_t *rss, uint64_t *vsz) MR_MUST_CHECK;
int mr_proc_stat_parse(const char *text, size_t len, struct mr_proc_stat *stat) MR_MUST_CHECK;

/* ---- Small helpers that the other readers of /proc share ------------------ */

#define MR_PROC_PATH_MAX 64 /* enough for every name in use */

/* "/proc/PID/NAME" (PID 0: "/proc/self/NAME"); false: it does not fit. */
bool mr_proc_path(uint32_t pid, const char *name, char *out, size_t size) MR_MUST_CHECK;
/* Opens /proc/PID/NAME (PID 0: /proc/self) for reading: a descriptor that the
 * caller closes, or -1 with errno. */
int mr_proc_open(uint32_t pid, const char *name);
/* Reads up to SIZE bytes from where FD stands: how many, or -1 with errno. */
int64_t mr_proc_read(int fd, char *out, size_t size);
/* Both, and closes. */
int64_t mr_proc_read_file(uint32_t pid, const char *name, char *out, size_t size);
/* Writes VALUE in decimal, without an end; gives the digits' count (at most 20). */
size_t mr_proc_put_decimal(char *out, uint64_t value);
/* Reads decimal digits at *AT (not beyond END) and moves *AT behind them; false:
 * there are none, or too many. */
bool mr_proc_get_decimal(const char **at, const char *end, uint64_t *value);

/* Filters that decide which system calls the calling process may make (seccomp(2)); 0 also where the
 * kernel (before 5.9) does not tell. */
unsigned mr_proc_seccomp_filters(void);

#endif
