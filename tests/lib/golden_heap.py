# SPDX-License-Identifier: MIT
"""Heap recordings that golden tests read, made by hand: a program that takes orders
and keeps their lines, and a later build of it in which every line and address
has moved.  Stacks, innermost first:

    2  main
    4  std::vector<Line>::push_back < order_add < main, push_back inlined
    5  operator new(unsigned long) < line_new < order_add < main
    8  name_copy < walk < walk < main
    9  libcount.so+0x50 < main, or +0x90 in the other build of that library
   10  report < main, which the later build has and the first one has not
"""

import log_making
from golden_logs import MS, Names
from log_making import block

HEAP = 3  # the source of a stream

# Figures of sites: live live_count peak peak_count total count temporary reallocs grown lifetime
FIRST = {
    1: {4: (4096, 4, 4096, 4, 4096, 4, 0, 0, 0, 0), 8: (0, 0, 0, 0, 600, 20, 20, 0, 0, 20 * MS)},
    2: {4: (16384, 8, 16384, 8, 30720, 16, 0, 8, 12288, 64 * MS), 5: (6400, 100, 6400, 100, 6400, 100, 0, 0, 0, 0),
        8: (0, 0, 0, 0, 3000, 100, 100, 0, 0, 100 * MS), 9: (72, 1, 72, 1, 72, 1, 0, 0, 0, 0)},
    3: {2: (24, 1, 0, 0, 24, 1, 0, 0, 0, 0), 4: (0, 0, 16384, 8, 30720, 16, 0, 8, 12288, 900 * MS),
        5: (640, 10, 6400, 100, 6400, 100, 0, 0, 0, 9000 * MS), 8: (0, 0, 0, 0, 3000, 100, 100, 0, 0, 100 * MS),
        9: (72, 1, 72, 1, 72, 1, 0, 0, 0, 0)},
}
LATER = {
    1: {2: (24, 1, 0, 0, 24, 1, 0, 0, 0, 0), 4: (0, 0, 8192, 4, 15360, 8, 0, 4, 6144, 400 * MS),
        5: (1280, 20, 7680, 120, 7680, 120, 0, 0, 0, 9000 * MS), 9: (72, 1, 72, 1, 72, 1, 0, 0, 0, 0),
        10: (0, 0, 512, 1, 512, 1, 0, 0, 0, MS)},
}


def definitions(names, shift, library):
    functions = ["main", "std::vector<Line, std::allocator<Line> >::push_back(Line const&)", "order_add",
                 "operator new(unsigned long)", "line_new", "walk", "name_copy", "report"]
    order, vector = names("/src/shop/order.c"), names("/usr/include/c++/12/bits/stl_vector.h")
    name = {function: names(function) for function in functions}
    # Places: main twice, as it calls the one and the other; walk; order_add with what is inlined.
    rows = [(1, 0, "main", order, 50), (2, 0, "order_add", order, 20), (3, 0, functions[1], vector, 1280),
            (3, 1, "order_add", order, 22), (4, 0, "operator new(unsigned long)", 0, 0), (5, 0, "line_new", order, 9),
            (6, 0, "walk", order, 31), (7, 0, "name_copy", order, 5), (9, 0, "main", order, 52),
            (10, 0, "report", order, 40)]
    return [
        block("MODULES", id=[1, 2], path=[names("/opt/shop/bin/shop"), names("/usr/lib/libcount.so")],
              build_id=[names(f"00{shift:02}"), names(library)], base=[0x400000, 0x7f0000000000]),
        block("CODE", id=list(range(1, 11)), module=[1, 1, 1, 1, 1, 1, 1, 2, 1, 1],
              offset=[0x100 * (i + shift) for i in range(1, 8)] + [0x50 + shift, 0x900, 0xa00]),
        block("SYMBOLS", code=[row[0] for row in rows], depth=[row[1] for row in rows],
              function=[name[row[2]] for row in rows], file=[row[3] for row in rows],
              line=[row[4] + shift if row[4] else 0 for row in rows]),
        block("STACKS", id=list(range(1, 12)), parent=[0, 0, 1, 1, 11, 1, 6, 7, 1, 1, 3],
              code=[1, 9, 2, 3, 4, 6, 6, 7, 8, 10, 5]),
    ]


def sites(held):
    rows = [(snapshot, stack, *figures) for snapshot, stacks in held.items() for stack, figures in stacks.items()]
    columns = ("snapshot", "stack", "live", "live_count", "peak", "peak_count", "total", "count", "temporary",
               "reallocs", "grown", "lifetime")
    return block("HEAP_SITES", **{column: [row[i] for row in rows] for i, column in enumerate(columns)})


def snapshots(names, held):
    def sums(i):
        return [sum(figures[i] for figures in stacks.values()) for stacks in held.values()]

    numbers = list(held)
    last = numbers[-1]
    return block("HEAP_SNAPSHOTS", number=numbers, time=[100 * MS * number for number in numbers],
                 reason=[5 if number == last else 3 for number in numbers],
                 description=[names("loaded") if number == 2 else 0 for number in numbers], flags=[1] * len(numbers),
                 live=sums(0), live_count=sums(1), peak=sums(2), peak_count=sums(3),
                 peak_time=[100 * MS] * len(numbers), total=sums(4), count=sums(5),
                 frees=[count - live for count, live in zip(sums(5), sums(1))], temporary=sums(6), grown=sums(8))


def recording(pid, held, shift=0, library="aabb"):
    log, names = log_making.Log(pid=pid), Names()
    blocks = definitions(names, shift, library)
    summary = snapshots(names, held)
    process = block("PROCESS", time=[0], name=[names("shop")], command=[names("/opt/shop/bin/shop")],
                    executable=[names("/opt/shop/bin/shop")])
    stream = block("STREAM", boot_id_high=[1], boot_id_low=[2], pid=[pid], start_ticks=[99], source=[HEAP],
                   clock_monotonic=[10**9], clock_realtime=[1793000000 * 10**9], creator=[0], version=[0x10000])
    log.frame(stream, names.block(), *blocks)
    log.frame(sites(held))
    log.frame(process, summary)
    return log.end()


def write_all(first="orders.dat", later="orders-later.dat"):
    recording(700, FIRST).write(first)
    recording(701, LATER, shift=7, library="ccdd").write(later)
