# SPDX-License-Identifier: MIT
"""Recorded heaps for pages: made by hand, with figures that tests know and names
that nobody would give their functions."""

import golden_logs
import log_making
from golden_logs import MS
from log_making import block

MIB = 1 << 20


def heap_stream(pid):
    return block("STREAM", boot_id_high=[1], boot_id_low=[2], pid=[pid], start_ticks=[99], source=[3],
                 clock_monotonic=[10**9], clock_realtime=[1793000000 * 10**9], creator=[0], version=[0x10002])


def heap(functions, pid=77, account=True, leaks=True):
    """main calls each of FUNCTIONS, the first of which calls itself three times over and leaks.

    Stack 1 is main alone; 2.. are those of FUNCTIONS; the last is the first one's deepest."""
    log, names = log_making.Log(minor=2, pid=pid), golden_logs.Names()
    count = len(functions)
    texts = [names(name) for name in functions]
    program, file, main = names("/opt/app/bin/app"), names("app.c"), names("main")
    codes = list(range(1, count + 2))
    deepest = count + 4  # three turns of the first
    definitions = [
        block("MODULES", id=[1], path=[program], build_id=[names("0011aabb")], base=[0x400000]),
        block("CODE", id=codes, module=[1] * (count + 1), offset=[16 * i for i in codes]),
        block("SYMBOLS", code=codes, depth=[0] * (count + 1), function=[main] + texts, file=[file] * (count + 1),
              line=[10 * i for i in codes]),
        block("STACKS", id=list(range(1, count + 5)), parent=[0] + [1] * count + [2, count + 2, count + 3],
              code=codes + [2, 2, 2]),
        block("THREADS", id=[1, 2], tid=[pid, pid + 1], name=[names("app"), texts[0]]),
    ]
    stacks = list(range(2, count + 2)) + [deepest]
    facts = [block("PROCESS", time=[0], name=[names("app")], command=[names("app --all")],
                   executable=[program], parent_pid=[1]),
             block("EXIT", time=[100 * MS], state=[1], value=[0])]
    log.frame(heap_stream(pid), names.block(), *definitions)
    empty = [0] * len(stacks)
    for number, share in enumerate((1, 2, 3, 4, 5), 1):
        end = number == 5
        held = [share * MIB * (i + 1) // 16 for i in range(len(stacks))]
        live = [0 if end and (i < len(stacks) - 1 or not leaks) else size for i, size in enumerate(held)]
        peak = [4 * MIB * (i + 1) // 16 for i in range(len(stacks))]
        calls = [100 * share] * len(stacks)
        log.frame(block("HEAP_SNAPSHOTS", number=[number], time=[number * 20 * MS], reason=[5 if end else 1],
                        description=[texts[0] if number == 2 else 0], flags=[1], live=[sum(live)],
                        live_count=[sum(live) // 1024], peak=[sum(peak if share > 3 else held)], peak_count=[999],
                        peak_time=[min(number, 4) * 20 * MS], total=[sum(held)], count=[sum(calls)], frees=[0],
                        temporary=[10 * share * len(stacks)], grown=[0]),
                  block("HEAP_SITES", snapshot=[number] * len(stacks), stack=stacks, live=live,
                        live_count=[size // 1024 for size in live], peak=peak if share > 3 else held,
                        peak_count=[9] * len(stacks), total=held, count=calls, temporary=[10 * share] * len(stacks),
                        reallocs=empty, grown=empty, lifetime=[MS] * len(stacks)))
    sums = [share * MIB * sum(range(1, len(stacks) + 1)) // 16 for share in (1, 2, 3, 4, 4)]
    log.frame(block("HEAP_SAMPLES", time=[20 * MS * i for i in range(1, 6)], live=sums, live_count=[9] * 5,
                    live_max=sums, total=sums, count=[100] * 5),
              block("HEAP_HISTOGRAM", measure=[0, 0, 1], stack=[0] * 3, bucket=[5, 9, 20], count=[10, 400, 99],
                    total=[200, 200000, 5000]),
              block("HEAP_THREADS", thread=[1, 2], count=[300, 200], total=[MIB, MIB], frees=[1, 2],
                    temporary=[30, 20], live=[MIB, 0], live_count=[9, 0], waits=[2, 0], wait=[30 * MS, 0],
                    time_first=[MS, 2 * MS], time_last=[90 * MS, 95 * MS]), *facts, names.block())
    if account:
        log.frame(block("ACCOUNT", time=[20 * MS * i for i in range(1, 6)], rss=[size + 3 * MIB for size in sums],
                        heap=[size + MIB for size in sums], live=sums, files=[MIB] * 5, stacks=[MIB // 4] * 5,
                        recorder=[MIB // 4] * 5, shared=[0] * 5, anonymous=[MIB // 2] * 5, swap=[0] * 5,
                        heap_mapped=[2 * MIB] * 5))
    return log.end()
