/* SPDX-License-Identifier: MIT
 *
 * A heap recording, made by hand.  Stacks, innermost first:
 *   1 main   2 make_node < main   3 push_back (inlined) < grow < main   4 libc.so.6+0x50 < main
 * Snapshots, with what each stack holds (live bytes and blocks; peak; total and allocations):
 *   1 at 1000, key, interval    2: 100 1  100 1  100 1    3:  50 1  50 1   50 1
 *   2 at 2000, peak             2: 300 3  300 3  300 3    3: as before
 *   3 at 3000, key, "half way"  2:   0 0  300 3  300 3    3: 200 1  50 1  250 2    4: 8 1  0 0   8 1
 *   4 at 4000, end              2, 3: as before                                    4: 8 1  0 0  16 2
 * The peak of 350 bytes in 4 blocks was at 2000.
 */
#include "log_builder.h"

enum {
	CREATOR = 1,
	PROGRAM,
	BUILD_ID,
	MAIN,
	TREE_C,
	MAKE_NODE,
	PUSH_BACK,
	HALF_WAY,
	WORKER,
	LIBC,
	GROW,
	NAME,
	COUNTER_EARLY,
	COUNTER_CUT,
	VECTOR_H,
	MARK,
};

static void define(struct log_builder *builder, uint64_t stream, uint64_t pid, uint64_t clock_monotonic_ns)
{
	static const char *const texts[] = { "memrecord 1.0.0",
		                             "/usr/bin/tree",
		                             "0123456789abcdef",
		                             "main",
		                             "tree.c",
		                             "make_node",
		                             "push_back",
		                             "half way",
		                             "worker",
		                             "/lib/libc.so.6",
		                             "grow",
		                             "tree",
		                             "heap.early_allocs",
		                             "heap.stacks_cut",
		                             "vector.h",
		                             "tree: half" };

	log_builder_frame(builder, stream);
	log_builder_stream(builder, pid, MR_SOURCE_HEAP, clock_monotonic_ns);
	log_builder_strings(builder, 1, MR_ARRAY_LEN(texts), texts);
	LOG_ROWS(builder, MR_KIND_MODULES, 4, 1, PROGRAM, BUILD_ID, 0x400000, 2, LIBC, 0, 0x7f0000000000);
	LOG_ROWS(builder, MR_KIND_CODE, 3, 1, 1, 0x100, 2, 1, 0x200, 3, 1, 0x300, 4, 2, 0x50);
	LOG_ROWS(builder, MR_KIND_SYMBOLS, 5, 1, 0, MAIN, TREE_C, 40, 2, 0, MAKE_NODE, TREE_C, 12, 3, 0,
	         PUSH_BACK, VECTOR_H, 7, 3, 1, GROW, TREE_C, 20);
	LOG_ROWS(builder, MR_KIND_STACKS, 3, 1, 0, 1, 2, 1, 2, 3, 1, 3, 4, 1, 4);
	LOG_ROWS(builder, MR_KIND_THREADS, 3, 1, pid, NAME, 2, pid + 1, WORKER);
	log_builder_frame_end(builder, 0, 0);
}

static void put_sites(struct log_builder *builder, uint64_t stream)
{
	log_builder_frame(builder, stream);
	LOG_ROWS(builder, MR_KIND_HEAP_SITES, 12, 1, 2, 100, 1, 100, 1, 100, 1, 0, 0, 0, 0, 1, 3, 50, 1, 50,
	         1, 50, 1, 0, 0, 0, 0);
	LOG_ROWS(builder, MR_KIND_HEAP_SITES, 12, 2, 2, 300, 3, 300, 3, 300, 3, 0, 0, 0, 0);
	log_builder_frame_end(builder, 1, 2);
	log_builder_frame(builder, stream);
	LOG_ROWS(builder, MR_KIND_HEAP_SITES, 12, 3, 2, 0, 0, 300, 3, 300, 3, 0, 0, 0, 4500, 3, 3, 200, 1, 50,
	         1, 250, 2, 0, 1, 150, 1200, 3, 4, 8, 1, 0, 0, 8, 1, 0, 0, 0, 0);
	LOG_ROWS(builder, MR_KIND_HEAP_SITES, 12, 4, 4, 8, 1, 0, 0, 16, 2, 1, 0, 0, 10);
	LOG_ROWS(builder, MR_KIND_HEAP_HISTOGRAM, 5, 0, 0, 4, 2, 16, 0, 0, 6, 1, 50, 0, 0, 7, 3, 300, 0, 0, 8,
	         1, 200, 1, 0, 4, 1, 8, 1, 0, 11, 4, 350, 0, 4, 4, 2, 16);
	log_builder_frame_end(builder, 3, 4);
}

static void put_summary(struct log_builder *builder, uint64_t stream)
{
	log_builder_frame(builder, stream);
	LOG_ROWS(builder, MR_KIND_HEAP_SNAPSHOTS, 15, 1, 1000, MR_HEAP_INTERVAL, 0, MR_SNAPSHOT_KEY, 150, 2,
	         150, 2, 1000, 150, 2, 0, 0, 0, 2, 2000, MR_HEAP_PEAK, 0, 0, 350, 4, 350, 4, 1900, 350, 4, 0,
	         0, 0, 3, 3000, MR_HEAP_MARK, HALF_WAY, MR_SNAPSHOT_KEY, 208, 2, 350, 4, 1900, 558, 6, 4, 0,
	         150, 4, 4000, MR_HEAP_END, 0, 0, 208, 2, 350, 4, 1900, 566, 7, 5, 1, 150);
	LOG_ROWS(builder, MR_KIND_HEAP_THREADS, 11, 1, 5, 550, 3, 0, 200, 1, 0, 0, 900, 2900, 2, 2, 16, 2, 1,
	         8, 1, 3, 7000, 2500, 3900);
	LOG_ROWS(builder, MR_KIND_ACCOUNT, 11, 1000, 10000, 4096, 150, 3000, 1000, 500, 400, 1004, 0, 8192,
	         4000, 12000, 4096, 6000, 3000, 1000, 500, 400, 3004, 7, 8192);
	LOG_ROWS(builder, MR_KIND_COUNTERS, 2, COUNTER_EARLY, 3, COUNTER_CUT, 0);
	log_builder_frame_end(builder, 1, 4);
}

void log_builder_heap(struct log_builder *builder, uint64_t stream, uint64_t pid, uint64_t clock_monotonic_ns)
{
	define(builder, stream, pid, clock_monotonic_ns);
	log_builder_frame(builder, stream);
	/* Time, kind, thread, stack, size, address, back: make_node three times, grow twice, libc twice. */
	LOG_ROWS(builder, MR_KIND_HEAP_EVENTS, 7, 900, 0, 1, 3, 50, 0x1000, 0, 950, 0, 1, 2, 100, 0x2000, 0,
	         1500, 0, 1, 2, 100, 0x3000, 0, 1900, 0, 1, 2, 100, 0x4000, 0, 2100, 2, 1, 3, 200, 0x5000, 4,
	         2200, 1, 1, 0, 0, 0, 4, 2300, 1, 1, 0, 0, 0, 3, 2400, 1, 1, 0, 0, 0, 2);
	LOG_ROWS(builder, MR_KIND_HEAP_EVENTS, 7, 2500, 0, 2, 4, 8, 0x6000, 0, 3890, 0, 2, 4, 8, 0x7000, 0,
	         3900, 1, 2, 0, 0, 0, 1, 3950, 1, 2, 0, 0, 0, 0);
	log_builder_frame_end(builder, 0, 0);
	put_sites(builder, stream);
	put_summary(builder, stream);
	log_builder_frame(builder, stream);
	LOG_ROWS(builder, MR_KIND_HEAP_SAMPLES, 6, 1000, 150, 2, 150, 150, 2, 2000, 350, 4, 350, 350, 4, 4000,
	         208, 2, 350, 566, 7);
	LOG_ROWS(builder, MR_KIND_MARKS, 3, 3000, MARK, 1);
	log_builder_frame_end(builder, 0, 0);
}

void log_builder_heap_sample(struct log_builder *builder)
{
	log_builder_begin(builder);
	log_builder_heap(builder, 1, 42, 5000);
	log_builder_end(builder, 4100, MR_END_EXIT);
}
