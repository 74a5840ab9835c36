/* SPDX-License-Identifier: MIT
 *
 * The account of memory, on texts as the kernel writes them and on this process.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heap_account.h"
#include "proc_memory.h"

TestSuite(heap_account);

/* A mapping of RSS kB, SWAP of them besides. */
#define MAPPING(range, permissions, name, rss, swap)                                                 \
	range " " permissions " 00000000 00:00 12345      " name "\n"                                \
	      "Size:              65536 kB\nKernelPageSize:        4 kB\nRss:        " #rss " kB\n"  \
	      "Pss:                   7 kB\nAnonymous:             3 kB\nSwap:       " #swap " kB\n" \
	      "SwapPss:               1 kB\nVmFlags: rd wr mr mw me ac\n"

static const char smaps[] = MAPPING("00400000-00500000", "r-xp", "/usr/bin/program", 100, 0)
	MAPPING("00600000-00601000", "rw-p", "/usr/bin/program", 4, 0)
		MAPPING("00601000-00700000", "rw-p", "", 8, 0) /* behind data: zeros of the same module */
	MAPPING("01000000-02000000", "rw-p", "[heap]", 1000, 16)
		MAPPING("7f0000000000-7f0004000000", "rw-p", "", 2000, 0) /* an arena */
	MAPPING("7f0004000000-7f0004001000", "---p", "", 0, 0)
		MAPPING("7f0004001000-7f0004801000", "rw-p", "", 32, 0) /* a thread's stack */
	MAPPING("7f0005000000-7f0006000000", "rw-p", "", 64, 4) MAPPING(
		"7f0007000000-7f0007100000", "rw-s", "/run/user/0/memrecord.1.abc/heap/7.99 (deleted)", 128,
		0) MAPPING("7f0008000000-7f0008100000", "r-xp", "/usr/lib/memreport/libmemrecord.so", 16,
                           0) MAPPING("7f0009000000-7f0009100000", "rw-s", "/dev/shm/segment", 256, 0)
		MAPPING("7f000a000000-7f000a100000", "rw-s", "/memfd:x y (deleted)", 1, 0)
			MAPPING("7f000b000000-7f000b100000", "rw-s", "/var/db/table", 512, 0)
				MAPPING("7f000c000000-7f000c100000", "rw-p", "[anon:of the program]", 2, 0)
					MAPPING("7ffe00000000-7ffe00021000", "rw-p", "[stack]", 24, 0)
						MAPPING("7ffe00030000-7ffe00032000", "r-xp", "[vdso]", 8, 0);
#define ANONYMOUS_KB (64 + 2)

static bool holds_block(void *context, uint64_t begin, uint64_t end)
{
	const uint64_t *const block = context;

	return *block >= begin && *block < end;
}

static uint64_t block = 0x7f0000000010;
static const uint64_t stacks[] = { 0x7f0004700000, 0x7ffe00010000 };
static const struct mr_heap_account_known known = {
	.holds_block = holds_block,
	.context = &block,
	.stack_addresses = stacks,
	.stack_count = MR_ARRAY_LEN(stacks),
	.channel_folder = "/run/user/0/memrecord.1.abc",
	.recorder_bytes = 16 * 1024,
};

static struct mr_heap_account parse(const char *text, size_t len, size_t step,
                                    const struct mr_heap_account_known *with)
{
	static struct mr_heap_account_parser parser;
	struct mr_heap_account account = { .time_ns = 5, .live = 6 };

	mr_heap_account_begin(&parser, with);
	for (size_t at = 0; at < len; at += step)
		mr_heap_account_feed(&parser, text + at, len - at < step ? len - at : step);
	mr_heap_account_end(&parser, &account);
	return account;
}

static uint64_t sum(const struct mr_heap_account *account)
{
	return account->heap + account->files + account->stacks + account->recorder + account->shared +
	       account->anonymous;
}

#define KB(n) ((uint64_t)(n)*1024)

Test(heap_account, mappings__count_to_what_holds_them)
{
	static const size_t steps[] = { sizeof(smaps), 1, 7, 4096 };

	for (size_t i = 0; i < MR_ARRAY_LEN(steps); i++) {
		const struct mr_heap_account account = parse(smaps, sizeof(smaps) - 1, steps[i], &known);

		cr_expect(eq(u64, account.heap, KB(1000 + 2000)));
		cr_expect(eq(u64, account.heap_mapped, 0x1000000 + 0x4000000));
		cr_expect(eq(u64, account.files, KB(100 + 4 + 8 + 512 + 8)));
		cr_expect(eq(u64, account.stacks, KB(32 + 24)));
		cr_expect(eq(u64, account.recorder, KB(128 + 16 + 16)), "and its private bytes");
		cr_expect(eq(u64, account.shared, KB(256 + 1)));
		cr_expect(eq(u64, account.anonymous, KB(ANONYMOUS_KB - 16)));
		cr_expect(eq(u64, account.swap, KB(16 + 4)));
		cr_expect(eq(u64, account.rss, sum(&account)));
		cr_expect(eq(u64, account.time_ns, 5));
		cr_expect(eq(u64, account.live, 6));
	}
}

Test(heap_account, bytes_of_the_recorder__are_no_more_than_there_are)
{
	const struct mr_heap_account_known lying = { .recorder_bytes = UINT64_MAX };
	const struct mr_heap_account account = parse(smaps, sizeof(smaps) - 1, sizeof(smaps), &lying);

	cr_expect(eq(u64, account.anonymous, 0));
	cr_expect(eq(u64, account.rss, sum(&account)));
}

Test(heap_account, odd_texts__do_no_harm)
{
	static const char *const odd[] = {
		"",
		"\n\n\n",
		"Rss: 4 kB\n",
		"00400000-00500000 r-\nRss: 4 kB\n",
		"zz-00500000 rw-p 0 0 0\nRss: 4 kB\n",
		"00400000-\n",
		"00400000-00300000 rw-p 0 0 0 [heap]\nRss: 18446744073709551615 kB\nRss: x kB\nRss:\n",
		"ffffffffffffffffffff-00300000 rw-p\n",
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(odd); i++) {
		const struct mr_heap_account account = parse(odd[i], strlen(odd[i]), 3, &known);

		cr_expect(eq(u64, account.rss, 0), "%s", odd[i]);
		cr_expect(eq(u64, account.heap_mapped, 0), "%s", odd[i]);
	}
}

Test(heap_account, long_name__is_cut)
{
	static char text[20000];
	struct mr_buffer long_text = { 0 };

	memset(text, 'x', sizeof(text) - 1);
	mr_buffer_printf(&long_text, "00400000-00500000 r-xp 0 0 0 /%s\nRss: 4 kB\n", text);
	cr_assert(eq(int, mr_buffer_status(&long_text, NULL), 0));
	const struct mr_heap_account account =
		parse((const char *)long_text.data, long_text.len, 1000, &known);
	cr_expect(eq(u64, account.files, KB(4)));
	mr_buffer_release(&long_text);
}

static bool is_mine(void *context, uint64_t begin, uint64_t end)
{
	const uint64_t mine = (uint64_t)(uintptr_t)context;

	return mine >= begin && mine < end;
}

Test(heap_account, this_process__is_what_the_kernel_says)
{
	const size_t size_bytes = 16 << 20;
	char *const mine = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mr_heap_account account = { 0 };
	struct mr_proc_memory memory;

	cr_assert(ne(ptr, mine, MAP_FAILED));
	memset(mine, 1, size_bytes);
	const struct mr_heap_account_known here = { .holds_block = is_mine, .context = mine };
	cr_assert(eq(int, mr_heap_account_read(0, &here, &account, NULL), 0));
	mr_proc_memory_clear(&memory);
	cr_assert(eq(int, mr_proc_memory_read(0, MR_PROC_STATM | MR_PROC_ROLLUP, &memory), 0));
	cr_expect(ge(u64, account.heap, size_bytes));
	cr_expect(gt(u64, account.stacks, 0));
	cr_expect(gt(u64, account.files, 0));
	cr_expect(eq(u64, account.rss, sum(&account)));
	cr_expect(le(u64, account.rss, memory.rss + (1 << 20)));
	cr_expect(ge(u64, account.rss + (1 << 20), memory.rss));
	munmap(mine, size_bytes);
}

Test(heap_account, process_that_is_gone__is_an_error)
{
	struct mr_heap_account account = { .rss = 7 };
	struct mr_error err = { 0 };

	cr_expect(eq(int, mr_heap_account_read(UINT32_MAX, &known, &account, &err), MR_ERR_READ));
	cr_expect(eq(u64, account.rss, 7));
}

Test(heap_account, looks__take_little_of_the_time)
{
	struct mr_heap_account_pace pace = { .first_ns = 1 };

	cr_expect(mr_heap_account_is_due(&pace, 0));
	mr_heap_account_looked(&pace, UINT64_C(1001000000), UINT64_C(1004000000)); /* 3 ms */
	cr_expect(not(mr_heap_account_is_due(&pace, UINT64_C(2000000000))));
	cr_expect(mr_heap_account_is_due(&pace, UINT64_C(2010000000)));
}

Test(heap_account, looks__come_sooner_in_a_young_process)
{
	struct mr_heap_account_pace pace = { 0 };
	uint64_t now = 1000000;
	uint64_t looks = 0;

	for (; now < UINT64_C(1000000000); looks++) {
		mr_heap_account_looked(&pace, now, now + 300000);
		cr_expect(ge(u64, pace.due_ns, now + 10300000));
		now = pace.due_ns;
	}
	cr_expect(gt(u64, looks, 8));
	cr_expect(lt(u64, looks, 20));
}
