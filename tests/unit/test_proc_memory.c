/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc_memory.h"

TestSuite(proc_memory);

static struct mr_proc_stat parse(const char *text)
{
	struct mr_proc_stat stat;

	cr_assert(eq(int, mr_proc_stat_parse(text, strlen(text), &stat), MR_OK));
	return stat;
}

/* Fields 4 to 52 of a line, as proc(5) numbers them. */
#define NUMBERS                                                                                            \
	"7 1 1 0 -1 4194304 101 0 5 0 2 3 0 0 20 0 9 0 109612 3133440 410 18446744073709551615 4096 8192 " \
	"12288 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 1 2 3 4 5 6 7 256\n"

Test(proc_memory, stat__fields_by_their_number)
{
	const struct mr_proc_stat stat = parse("42 (cat) R " NUMBERS);

	cr_assert(eq(str, (char *)stat.comm, (char *)"cat"));
	cr_assert(eq(chr, stat.state, 'R'));
	cr_assert(eq(u32, stat.parent_pid, 7));
	cr_assert(eq(u64, stat.faults_minor, 101));
	cr_assert(eq(u64, stat.faults_major, 5));
	cr_assert(eq(u64, stat.cpu_user_ns, 20000000));
	cr_assert(eq(u64, stat.cpu_system_ns, 30000000));
	cr_assert(eq(u64, stat.threads, 9));
	cr_assert(eq(u64, stat.start_ticks, 109612));
	cr_assert(eq(u64, stat.vsz, 3133440));
	cr_assert(eq(u64, stat.image_code, 4096));
	cr_assert(eq(u64, stat.image_stack, 12288));
	cr_assert(eq(u64, stat.exit_status, 256));
}

Test(proc_memory, stat__name_with_parentheses_and_spaces)
{
	cr_assert(eq(str, (char *)parse("42 (a) R 1 (b) S " NUMBERS).comm, (char *)"a) R 1 (b"));
	cr_assert(eq(u32, parse("42 (a) R 1 (b) S " NUMBERS).parent_pid, 7));
}

Test(proc_memory, stat__cut_anywhere_is_an_error_and_not_a_crash)
{
	const char text[] = "42 (cat) R " NUMBERS;
	/* The last field may lose digits and still be a number. */
	const size_t len_short = sizeof(text) - strlen("256\n") - 1;
	struct mr_proc_stat stat;

	for (size_t len = 0; len <= len_short; len++)
		cr_assert(eq(int, mr_proc_stat_parse(text, len, &stat), MR_ERR_FORMAT), "%zu bytes", len);
}

Test(proc_memory, statm__pages_become_bytes)
{
	uint64_t rss;
	uint64_t vsz;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	cr_assert(eq(int, mr_proc_statm_parse("765 410 300 5 0 90 0\n", 21, &rss, &vsz), MR_OK));
	cr_assert(eq(u64, vsz, 765 * page));
	cr_assert(eq(u64, rss, 410 * page));
	cr_assert(eq(int, mr_proc_statm_parse("765", 3, &rss, &vsz), MR_ERR_FORMAT));
	cr_assert(eq(int, mr_proc_statm_parse("", 0, &rss, &vsz), MR_ERR_FORMAT));
	cr_assert(eq(int, mr_proc_statm_parse("99999999999999999999999 1", 25, &rss, &vsz), MR_ERR_FORMAT));
}

Test(proc_memory, own_memory__follows_what_is_allocated)
{
	struct mr_proc_memory before;
	struct mr_proc_memory after;
	const size_t size = 64u << 20;

	mr_proc_memory_clear(&before);
	cr_assert(eq(int, mr_proc_memory_read(0, MR_PROC_STATM | MR_PROC_STATUS | MR_PROC_ROLLUP, &before),
	             MR_OK));
	char *const memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert(ne(ptr, memory, MAP_FAILED));
	memset(memory, 1, size);
	cr_assert(eq(int, mr_proc_memory_read(0, MR_PROC_STATM | MR_PROC_STATUS | MR_PROC_ROLLUP, &after),
	             MR_OK));
	const uint64_t slack = 4u << 20;

	cr_assert(ge(u64, after.rss + slack, before.rss + size));
	cr_assert(ge(u64, after.vsz, before.vsz + size));
	cr_assert(ge(u64, after.uss + slack, before.uss + size));
	cr_assert(ge(u64, after.pss + slack, before.pss + size));
	cr_assert(ge(u64, after.data, before.data + size));
	cr_assert(ne(u64, after.stack, MR_PROC_UNKNOWN));
	cr_assert(ne(u64, after.code, MR_PROC_UNKNOWN));
	cr_assert(ne(u64, after.swap, MR_PROC_UNKNOWN));
	cr_assert(le(u64, after.uss, after.rss + slack));
	munmap(memory, size);
}

Test(proc_memory, memory__only_what_was_asked_for)
{
	struct mr_proc_memory memory;

	mr_proc_memory_clear(&memory);
	cr_assert(eq(int, mr_proc_memory_read(0, MR_PROC_STATM, &memory), MR_OK));
	cr_assert(ne(u64, memory.rss, MR_PROC_UNKNOWN));
	cr_assert(eq(u64, memory.pss, MR_PROC_UNKNOWN));
	cr_assert(eq(u64, memory.data, MR_PROC_UNKNOWN));
}

Test(proc_memory, no_such_process__is_an_error_and_unknown)
{
	struct mr_proc_memory memory;
	struct mr_proc_stat stat;

	cr_assert(eq(int, mr_proc_memory_read(0x7ffffffe, MR_PROC_STATM, &memory), MR_ERR_READ));
	cr_assert(eq(u64, memory.rss, MR_PROC_UNKNOWN));
	cr_assert(eq(int, mr_proc_stat_read(0x7ffffffe, &stat), MR_ERR_READ));
}

Test(proc_memory, optional__zero_is_none)
{
	cr_assert(eq(u64, mr_proc_optional(MR_PROC_UNKNOWN), 0));
	cr_assert(eq(u64, mr_proc_optional(0), 1));
	cr_assert(eq(u64, mr_proc_optional(4096), 4097));
}
