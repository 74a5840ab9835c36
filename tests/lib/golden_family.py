# SPDX-License-Identifier: MIT
"""A heap recording of several processes that golden tests read, made by hand:

    pid 800  a shell, which becomes the shop by exec after 400 ms: two images of one run.
             The shop has two threads and counters, and every event of it was kept
    pid 801  a child of it that leaves nothing behind, not even a snapshot with sites

Stacks and figures are those of golden_heap.py.  full.dat is what --max-size leaves of
such a log: its last snapshots have no sites.
"""

import golden_heap
import log_making
from golden_logs import MS, Names
from log_making import block

SHELL = {1: {4: (1024, 1, 1024, 1, 1024, 1, 0, 0, 0, 0), 9: (40, 1, 40, 1, 80, 2, 1, 0, 0, MS)}}
EVENTS = [  # time, kind, thread, stack, size, address, back
    (90, 0, 1, 4, 1024, 0x1000, 0), (95, 0, 1, 5, 64, 0x2000, 0), (99, 0, 2, 8, 30, 0x3000, 0),
    (110, 1, 2, 0, 0, 0, 1), (120, 2, 1, 4, 2048, 0x4000, 3), (150, 0, 1, 5, 64, 0x5000, 0),
    (290, 1, 1, 0, 0, 0, 2), (295, 1, 1, 0, 0, 0, 4),
]


def stream_of(pid, start_ticks, later, creator):
    return block("STREAM", boot_id_high=[1], boot_id_low=[2], pid=[pid], start_ticks=[start_ticks],
                 source=[golden_heap.HEAP], clock_monotonic=[10**9 + later],
                 clock_realtime=[1793000000 * 10**9 + later], creator=[creator], version=[0x10000])


def process(names, name, parent_ticks=0):
    return block("PROCESS", time=[0], name=[names(name)], command=[names(name)], executable=[names("/bin/" + name)],
                 parent_pid=[800 if parent_ticks else 1], parent_start_ticks=[parent_ticks])


def columns(kind, names, rows):
    return block(kind, **{name: [row[i] for row in rows] for i, name in enumerate(names.split())})


def shop(log, stream):
    """The second image of pid 800, with all that a recording may hold."""
    names = Names()
    blocks = golden_heap.definitions(names, 0, "aabb")
    summary = golden_heap.snapshots(names, golden_heap.FIRST)
    facts = [
        process(names, "shop"), summary,
        columns("HEAP_THREADS", "thread count total frees temporary live live_count waits wait time_first time_last", [
            (1, 197, 37000, 186, 0, 700, 11, 0, 0, 90 * MS, 295 * MS),
            (2, 21, 3216, 21, 100, 36, 1, 7, 12 * MS, 99 * MS, 110 * MS)]),
        columns("ACCOUNT", "time rss heap live files stacks recorder shared anonymous swap heap_mapped", [
            (100 * MS, 900000, 200000, 4096, 300000, 20000, 30000, 10000, 340000, 0, 400000),
            (200 * MS, 950000, 200000, 222856, 300000, 20000, 30000, 10000, 390000, 4096, 400000),
            (300 * MS, 500000, 200000, 736, 300000, 20000, 30000, 10000, 0, 4096, 400000)]),
        block("COUNTERS", key=[names("heap.early_allocs"), names("heap.stacks_cut"), names("heap.events")],
              value=[3, 0, 430]),
        block("EXIT", time=[310 * MS], state=[1], value=[3]),
    ]
    threads = block("THREADS", id=[1, 2], tid=[800, 802], name=[names("shop"), 0])
    log.frame(stream_of(800, 99, 400 * MS, names("memrecord 1.0.0")), names.block(), *blocks, threads, stream=stream)
    rows = [(time * MS, *rest) for time, *rest in EVENTS]
    log.frame(columns("HEAP_EVENTS", "time kind thread stack size address back", rows), stream=stream)
    log.frame(golden_heap.sites(golden_heap.FIRST), columns("HEAP_HISTOGRAM", "measure stack bucket count total", [
        (0, 0, 5, 101, 3072), (0, 0, 7, 100, 6400), (0, 0, 11, 16, 30720), (0, 5, 7, 100, 6400),
        (1, 0, 20, 100, 3000), (1, 0, 27, 106, 36480)]), stream=stream)
    log.frame(*facts, stream=stream)
    log.frame(columns("HEAP_SAMPLES", "time live live_count live_max total count", [
        (50 * MS, 0, 0, 0, 0, 0), (100 * MS, 4096, 4, 4696, 4696, 24), (250 * MS, 9000, 40, 22856, 40196, 217)]),
              stream=stream)


def family():
    log, names = log_making.Log(pid=800, minor=2), Names()
    blocks = golden_heap.definitions(names, 0, "aabb")
    summary = golden_heap.snapshots(names, SHELL)
    facts = [process(names, "sh"), summary]
    log.frame(stream_of(800, 99, 0, names("memrecord 1.0.0")), names.block(), *blocks)
    log.frame(golden_heap.sites(SHELL))
    log.frame(*facts)
    shop(log, 2)
    names = Names()
    child = process(names, "child", parent_ticks=99)
    log.frame(stream_of(801, 120, 450 * MS, 0), names.block(), child, stream=3)
    return log.end()


def full():
    """No sites of snapshots 2 and 3."""
    log, names = log_making.Log(pid=700, minor=2), Names()
    blocks = golden_heap.definitions(names, 0, "aabb")
    summary = golden_heap.snapshots(names, golden_heap.FIRST)
    log.frame(stream_of(700, 99, 0, 0), names.block(), *blocks)
    log.frame(golden_heap.sites({1: golden_heap.FIRST[1]}))
    log.frame(process(names, "shop"), summary, names.block())
    return log.end()


def write_all():
    family().write("family.dat")
    full().write("full.dat")
