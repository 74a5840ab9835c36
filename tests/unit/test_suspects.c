/* SPDX-License-Identifier: MIT
 *
 * Suspects: each rule finds what it is for, says it with its figures, and keeps
 * silent otherwise.
 */
#include "suspects.h"

#include "report_data.h"

#include <criterion/criterion.h>

#define MIB (UINT64_C(1) << 20)

static struct mr_heap_place places[3];
static struct mr_heap_thread thread;
static struct mr_report_heap heap;
static struct mr_suspect suspects[MR_SUSPECTS_MAX];

/* A program that allocates 100 MiB in 100,000 blocks, with a peak of 20 MiB, and frees all. */
static void setup(void)
{
	memset(places, 0, sizeof(places));
	memset(&heap, 0, sizeof(heap));
	heap.places = places;
	heap.place_count = MR_ARRAY_LEN(places);
	places[0].name = "parse_node (xml.c:120)";
	places[1].name = "read_all";
	places[2].name = "libz.so+0x1234";
	for (size_t i = 0; i < MR_ARRAY_LEN(places); i++)
		places[i].module = i == 2 ? "libz.so" : "app";
	heap.cost[MR_COST_PEAK] = 20 * MIB;
	heap.cost[MR_COST_TOTAL] = 100 * MIB;
	heap.cost[MR_COST_COUNT] = 100000;
	places[0].cost[MR_COST_COUNT] = places[1].cost[MR_COST_COUNT] = 50000;
	thread = (struct mr_heap_thread){ .name = "worker", .tid = 7, .waits = 3, .wait_ns = 50000000 };
}

TestSuite(suspects, .init = setup);

static size_t find(void)
{
	return mr_suspects_find(&heap, 1000000000, "at exit", 20, suspects);
}

/* That there is one suspect alone, and what is said of it. */
static void expect_one(const char *name, const char *text)
{
	cr_assert_eq(find(), 1);
	cr_expect_str_eq(suspects[0].name, name);
	cr_expect_str_eq(suspects[0].text, text);
}

Test(suspects, find__blames_nobody_for_nothing)
{
	cr_expect_eq(find(), 0);
	cr_expect_str_eq(mr_suspects_none(MR_SUSPECT_LEAK, &heap), "Nothing was leaked.");
	cr_expect_null(mr_suspects_none(MR_SUSPECT_WAIT, &heap));
}

Test(suspects, find__names_who_leaks_and_grows)
{
	heap.cost[MR_COST_LEAKED] = 10 * MIB;
	heap.leaked_count = 1000;
	places[0].cost[MR_COST_LEAKED] = 6 * MIB;
	places[0].live_count = 600;
	places[0].snapshots = 9;
	places[0].growths = 8;
	places[0].live_last = 6 * MIB;
	expect_one("parse_node (xml.c:120)",
	           "holds 6.00 MiB in 600 blocks at exit (60 % of what is leaked); it "
	           "grew at each of 9 snapshots.");
	cr_expect(mr_suspect_is_grave(&suspects[0], &heap));
	cr_expect_str_neq(mr_suspects_none(MR_SUSPECT_LEAK, &heap), "Nothing was leaked.");
	places[0].cost[MR_COST_LEAKED] = 1000;
	heap.cost[MR_COST_LEAKED] = 1200;
	places[0].live_last = 1000;
	cr_assert_eq(find(), 1);
	cr_expect_not(mr_suspect_is_grave(&suspects[0], &heap));
}

Test(suspects, find__names_who_grows_and_gives_back)
{
	places[1].snapshots = 6;
	places[1].growths = 4;
	places[1].live_first = MIB;
	places[1].live_last = 5 * MIB;
	expect_one("read_all in app",
	           "grew from 1.00 MiB to 5.00 MiB; it grew at 4 of 6 snapshots and never shrank.");
	places[1].shrinks = 1;
	cr_expect_eq(find(), 0);
}

Test(suspects, find__names_who_holds_the_peak_with_one_block_or_many)
{
	places[2].cost[MR_COST_PEAK] = places[2].cost[MR_COST_TOTAL] = 4 * MIB;
	places[2].peak_count = places[2].cost[MR_COST_COUNT] = 1;
	expect_one("libz.so+0x1234", "holds 20 % of the peak: 4.00 MiB in 1 block.");
	places[2].cost[MR_COST_PEAK] = places[2].cost[MR_COST_TOTAL] = 3 * MIB / 2;
	expect_one("libz.so+0x1234", "makes one block of 1.50 MiB, 7.5 % of the peak.");
}

Test(suspects, find__names_who_churns)
{
	places[0].cost[MR_COST_TEMPORARY] = 40000;
	expect_one("parse_node (xml.c:120)",
	           "frees 40,000 blocks before the thread's next: 40 % of all allocations, and 80 % of "
	           "its own.");
}

Test(suspects, find__names_who_enlarges_blocks)
{
	places[1].reallocs = 49000;
	places[1].grown = 50 * MIB;
	expect_one(
		"read_all in app",
		"enlarges blocks 49,000 times, by 50.00 MiB together: 98 % of its allocations are reallocs.");
}

Test(suspects, find__names_threads_that_waited)
{
	heap.threads = &thread;
	heap.thread_count = 1;
	expect_one("thread worker (7)",
	           "waited for the recorder 3 times, 50 ms together (5 % of the run): its "
	           "times are longer than without.");
	thread.wait_ns = thread.waits = MR_NO_VALUE;
	cr_expect_eq(find(), 0);
}

Test(suspects, find__keeps_to_its_limit)
{
	heap.cost[MR_COST_LEAKED] = 30;
	for (size_t i = 0; i < 3; i++) {
		places[i].cost[MR_COST_LEAKED] = 10;
		places[i].live_count = 1;
	}
	cr_expect_eq(find(), 3);
	cr_expect_eq(mr_suspects_find(&heap, 1, "at exit", 2, suspects), 2);
}

Test(suspects, percent__is_never_nothing_for_something)
{
	char text[32];
	mr_percent_words(text, 1, 1e9);
	cr_expect_str_eq(text, "less than 0.1 %");
	mr_percent_words(text, 999, 1000);
	cr_expect_str_eq(text, "more than 99 %");
	mr_percent_words(text, 1, 0);
	cr_expect_str_eq(text, "0 %");
	mr_percent_words(text, 1, 1);
	cr_expect_str_eq(text, "100 %");
}
