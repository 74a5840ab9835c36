# SPDX-License-Identifier: MIT
"""Logs of censuses that golden tests read; see golden_logs.py.

A web application that leaks: three requests leave a Session each in a list of
its module, and a pair of nodes that only hold each other.  Its census knows far
more types than it tells objects of.
"""

import log_making
from golden_logs import Names
from log_making import block

MS = 10**6
TRACKER, CENSUS = 1, 4
MODULE, FRAME, INTERPRETER, OUTSIDE, CYCLE = 1, 2, 3, 4, 5
BASELINE = 8


def types():
    """(name, count, bytes) of types that stay as they are from the baseline on."""
    plain = [("str", 9000, 720000), ("dict", 4000, 960000), ("function", 3000, 432000), ("tuple", 2500, 160000),
             ("code", 1500, 300000), ("type", 400, 425600), ("wrapper_descriptor", 1200, 86400),
             ("builtin_function_or_method", 700, 50400), ("method_descriptor", 690, 49680), ("list", 300, 26400)]
    return plain + [(f"app.models.Kind{n:02}", 40 - n, (40 - n) * 48) for n in range(12)]


def stream_of(names, source, pid=600):
    return block("STREAM", boot_id_high=[1], boot_id_low=[2], pid=[pid], start_ticks=[70], source=[source],
                 clock_monotonic=[10**9], clock_realtime=[1793000000 * 10**9],
                 creator=[names("memcapture (Python) 1.0.0")], version=[0x10003], language=[1])


def put_census(log, stream):
    """The frames of the census, as STREAM of LOG."""
    names = Names()
    session, node, kept = len(types()) + 1, len(types()) + 2, 1
    code = [names("/srv/app/views.py"), names("/srv/app/graph.py")]
    definitions = [
        block("CLASSES", id=list(range(1, node + 1)),
              name=[names(name) for name, _, _ in types()] + [names("app.models.Session"), names("app.models.Node")]),
        block("CODE", id=[1, 2], file=code, line=[12, 30]),
        block("STACKS", id=[1, 2], parent=[0, 0], code=[1, 2]),
    ]
    # Sessions 1, 3 and 6; the dictionaries 2 and 5 come with them, 4 is a string; 7 and 8 hold each other.
    births = [(1, 200, session, 1, 0x7f001000, 48), (2, 200, 2, 0, 0x7f002000, 232),
              (3, 300, session, 1, 0x7f003000, 48),
              (4, 300, kept, 0, 0x7f004000, 61), (5, 300, 2, 0, 0x7f005000, 232), (6, 400, session, 1, 0x7f006000, 48),
              (7, 300, node, 2, 0x7f007000, 64), (8, 300, node, 2, 0x7f008000, 64)]
    columns = list(zip(*births))
    events = [
        block("BIRTHS", object=columns[0], time=[ms * MS for ms in columns[1]], **{"class": columns[2]},
              stack=columns[3], address=columns[4], size=[size + 1 for size in columns[5]]),
        block("DEATHS", object=[4], time=[400 * MS]),
    ]
    sizes = block("SIZES", snapshot=[4], object=[2], size=[360], flat=[360])
    names_of = {1: "as it began", 4: "after the third request"}
    totals, sums = [], {}
    for snapshot in (1, 2, 3, 4):
        counts = {klass: [count, size, 0, 0, 0, 0, 0, 0] for klass, (_, count, size) in enumerate(types(), 1)}
        # Ten lists of the baseline go at 2, and 25 tuples come at 3 that are too many to be told of.
        counts[10][:4] = [300 - 10 * (snapshot > 1), 26400 - 880 * (snapshot > 1), 10 * (snapshot == 2),
                          880 * (snapshot == 2)]
        counts[4][:2] = [2500 + 25 * (snapshot > 2), 160000 + 1600 * (snapshot > 2)]
        counts[4][4:] = [25 * (snapshot == 3), 1600 * (snapshot == 3), 25 * (snapshot == 4), 1600 * (snapshot == 4)]
        for identity, birth, klass, _, _, size in births:
            if birth <= 100 * snapshot and not (identity == 4 and snapshot == 4):
                row = counts.setdefault(klass, [0] * 8)
                row[0] += 1
                row[1] += 360 if identity == 2 and snapshot == 4 else size
        sums[snapshot] = [sum(row[i] for row in counts.values()) for i in (0, 1)]
        totals += [[snapshot, klass, row[0], row[1], row[1]] + row[2:] for klass, row in sorted(counts.items())]
    table = list(zip(*totals))
    holders = [
        (3, session, 1, MODULE, 3, 1, 48, "app.views.sessions[0]", "app.views.sessions[0]"),
        (4, session, 1, MODULE, 3, 2, 96, "app.views.sessions[*]", "app.views.sessions[0]"),
        (4, 2, 2, MODULE, 4, 2, 592, "app.views.sessions[*].__dict__", "app.views.sessions[0].__dict__"),
        (4, node, 7, CYCLE, 1, 2, 128, "<app.models.Node>.other", "<app.models.Node>.other"),
        (4, 4, None, FRAME, 2, 20, 1280, "<app.main>.rows[*]", "<app.main>.rows[3]"),
        (4, 4, None, INTERPRETER, 5, 5, 320, "(other ways)", ""),
    ]
    held = list(zip(*holders))
    summary = [
        block("SNAPSHOTS", number=[1, 2, 3, 4], time=[100 * MS, 200 * MS, 300 * MS, 400 * MS], duration=[3 * MS] * 4,
              description=[names(names_of[n]) if n in names_of else 0 for n in (1, 2, 3, 4)],
              flags=[BASELINE, 0, 0, 0], count=[sums[n][0] for n in (1, 2, 3, 4)],
              size=[sums[n][1] for n in (1, 2, 3, 4)], overhead=[65536] * 4, rss=[(20 << 20) + 1] * 4),
        block("CLASS_TOTALS", snapshot=table[0], **{"class": table[1]}, count=table[2], size=table[3], flat=table[4],
              gone=table[5], gone_size=table[6], made=table[7], made_size=table[8], stayed=table[9],
              stayed_size=table[10]),
        block("HOLDERS", snapshot=held[0], **{"class": held[1]}, object=[n + 1 if n else 0 for n in held[2]],
              root=held[3], length=held[4], count=held[5], size=held[6], path=[names(text) for text in held[7]],
              example=[names(text) if text else 0 for text in held[8]]),
        block("GRAPHS", id=[1, 2], time=[400 * MS, 401 * MS], kind=[1, 0],
              title=[names("garbage"), names("the cache of <views>")], snapshot=[4, 0], objects=[2, 900],
              size=[128, 72000], references=[2, 1800]),
        block("GRAPH_NODES", graph=[1, 1, 2, 2, 2], id=[1, 2, 1, 2, 3],
              type=[names("app.models.Node")] * 2 + [names("dict"), names("str"), names("(others)")],
              label=[names("<Node left>"), names("<Node right>"), names("cache"), names("'a key\x07'"), 0],
              size=[64, 64, 232, 50, 71718], count=[1, 1, 1, 1, 898], flags=[1, 1, 4 + 2, 0, 1]),
        block("GRAPH_EDGES", graph=[1, 1, 2, 2], to=[2, 1, 2, 3], label=[names("other")] * 2 + [names("(key)"), 0],
              count=[1, 1, 1, 1799], **{"from": [1, 2, 1, 1]}),
        block("PROCESS", time=[0], name=[names("python3")], command=[names("python3 app.py")],
              executable=[names("/usr/bin/python3")], parent_pid=[1]),
        names.block(),
    ]
    head = stream_of(names, CENSUS)
    for blocks in ([head, names.block()] + definitions, events, [sizes], summary):
        log.frame(*blocks, stream=stream)


def put_tracker(log, stream):
    """What a ClassTracker says of the same process: it tracks the sessions, too."""
    names = Names()
    klass = block("CLASSES", id=[1], name=[names("app.models.Session")], size=[48])
    log.frame(stream_of(names, TRACKER), names.block(), klass, stream=stream)
    log.frame(block("BIRTHS", object=[1, 2, 3], time=[150 * MS, 250 * MS, 350 * MS], **{"class": [1] * 3},
                    address=[0x7f001000, 0x7f003000, 0x7f006000]), stream=stream)
    log.frame(block("SIZES", snapshot=[1, 1, 2], object=[1, 2, 3], size=[648] * 3, flat=[48] * 3), stream=stream)
    log.frame(block("SNAPSHOTS", number=[1, 2], time=[310 * MS, 410 * MS], duration=[MS] * 2,
                    description=[names("two requests"), names("three requests")], flags=[1, 0], count=[2, 3],
                    size=[1296, 1944], rss=[(20 << 20) + 1] * 2),
              block("CLASS_TOTALS", snapshot=[1, 2], **{"class": [1, 1]}, count=[2, 3], size=[1296, 1944],
                    flat=[96, 144], min=[648] * 2, max=[648] * 2), names.block(), stream=stream)


def later():
    """Another run, with a census of few types: what a log is compared with."""
    log, names = log_making.Log(minor=3, pid=700, start_ticks=70), Names()
    klass = block("CLASSES", id=[1, 2, 3], name=[names("dict"), names("app.models.Session"), names("app.models.Order")])
    head = stream_of(names, CENSUS, pid=700)
    log.frame(head, names.block(), klass)
    log.frame(block("SNAPSHOTS", number=[1], time=[50 * MS], duration=[MS], flags=[BASELINE], count=[4055],
                    size=[974440]),
              block("CLASS_TOTALS", snapshot=[1] * 3, **{"class": [1, 2, 3]}, count=[4000, 50, 5],
                    size=[960000, 2400, 240], flat=[960000, 2400, 240]))
    return log.end()


def census():
    log = log_making.Log(minor=3, pid=600, start_ticks=70)
    put_census(log, 1)
    return log.end()


def mixed():
    """One run with both: the tracker is the first stream."""
    log = log_making.Log(minor=3, pid=600, start_ticks=70)
    put_tracker(log, 1)
    put_census(log, 2)
    return log.end()


def write_all():
    census().write("census.dat")
    mixed().write("mixed.dat")
    later().write("census-later.dat")
