# SPDX-License-Identifier: MIT
"""Logs of censuses for pages: one in which all names are hostile, one that has more of
everything than a page has room for, and one in which nothing stayed."""

import golden_census
import golden_logs
import log_making
from golden_census import BASELINE, CENSUS, MODULE, MS, stream_of
from log_making import block

LARGE_TYPES = 400
LARGE_NODES = 500


def summary(names, counts, sums, description=0):
    """SNAPSHOTS of censuses 1.. of so many objects and bytes."""
    numbers = list(range(1, len(counts) + 1))
    return block("SNAPSHOTS", number=numbers, time=[100 * MS * n for n in numbers], duration=[MS] * len(numbers),
                 description=[description] * len(numbers), flags=[BASELINE] + [0] * (len(numbers) - 1), count=counts,
                 size=sums, overhead=[4096] * len(numbers), rss=[20 << 20] * len(numbers))


def stayed(evil):
    """Of each of the types EVIL an object that stayed, held by a path of that name; and graphs of them."""
    log, names = log_making.Log(minor=3, pid=601), golden_logs.Names()
    ids, texts = list(range(1, len(evil) + 1)), [names(text) for text in evil]
    count = len(ids)
    log.frame(stream_of(names, CENSUS, 601), names.block(), block("CLASSES", id=ids, name=texts),
              block("CODE", id=ids, file=texts, function=texts, line=ids), block("STACKS", id=ids, parent=[0] * count,
                                                                                code=ids))
    log.frame(block("BIRTHS", object=ids, time=[200 * MS] * count, **{"class": ids}, stack=ids, size=[65] * count))
    nodes = [(1, n, text, text, 64 * n, n, n % 8) for n, text in zip(ids, texts)]
    nodes += [(2, n, text, 0, 64, 1, 1) for n, text in zip(ids, texts)]
    edges = [(1, n, n % count + 1, text, n) for n, text in zip(ids, texts)]
    node, edge = list(zip(*nodes)), list(zip(*edges))
    totals = [(s, n, s > 1, 64 * (s > 1), s == 2, 64 * (s == 2)) for s in (1, 2, 3) for n in ids]
    table = [[int(value) for value in column] for column in zip(*totals)]
    log.frame(summary(names, [0, count, count], [0, 64 * count, 64 * count], texts[0]),
              block("CLASS_TOTALS", snapshot=table[0], **{"class": table[1]}, count=table[2], size=table[3],
                    flat=table[3]),
              block("HOLDERS", snapshot=[3] * count, **{"class": ids}, object=[n + 1 for n in ids],
                    root=[n % 6 for n in ids], length=ids, count=[1] * count, size=[64] * count, path=texts,
                    example=texts[::-1]),
              block("GRAPHS", id=[1, 2], time=[300 * MS] * 2, kind=[1, 0], title=texts[:2], snapshot=[3, 0],
                    objects=[count] * 2, size=[64 * count] * 2, references=[count, 0]),
              block("GRAPH_NODES", graph=node[0], id=node[1], type=node[2], label=node[3], size=node[4],
                    count=node[5], flags=node[6]),
              block("GRAPH_EDGES", graph=edge[0], **{"from": edge[1]}, to=edge[2], label=edge[3], count=edge[4]),
              block("PROCESS", time=[0], name=[texts[0]], command=[texts[1]], executable=[texts[2]], parent_pid=[1]),
              names.block())
    return log.end()


def large():
    """Hundreds of types that stayed, each held in several ways, and graphs of hundreds of objects."""
    log, names = log_making.Log(minor=3, pid=602), golden_logs.Names()
    ids = list(range(1, LARGE_TYPES + 1))
    texts = [names(f"package.module{n % 7}.Type{n:03}") for n in ids]
    log.frame(stream_of(names, CENSUS, 602), names.block(), block("CLASSES", id=ids, name=texts))
    totals = [(s, n, s * n, 48 * s * n, n * (s > 1), 48 * n * (s > 1), n * (s > 2), 48 * n * (s > 2))
              for s in (1, 2, 3, 4) for n in ids]
    table = list(zip(*totals))
    ways = [(n, way, f"package.module{n % 7}.registry{n % 5}[*].field{way}") for n in ids for way in range(3)]
    nodes = range(1, LARGE_NODES + 1)
    edges = [(graph, n // 3 + 1, n, names(f".child{n % 9}")) for graph in range(1, 9) for n in range(2, LARGE_NODES)]
    edge = list(zip(*edges))
    sums = [sum(s * n for n in ids) for s in (1, 2, 3, 4)]
    log.frame(summary(names, sums, [48 * total for total in sums]),
              block("CLASS_TOTALS", snapshot=table[0], **{"class": table[1]}, count=table[2], size=table[3],
                    flat=table[3], made=table[4], made_size=table[5], stayed=table[6], stayed_size=table[7]),
              block("HOLDERS", snapshot=[4] * len(ways), **{"class": [way[0] for way in ways]}, object=[0] * len(ways),
                    root=[MODULE] * len(ways), length=[3] * len(ways), count=[way[0] for way in ways],
                    size=[48 * way[0] for way in ways], path=[names(way[2]) for way in ways], example=[0] * len(ways)),
              block("GRAPHS", id=list(range(1, 9)), time=[400 * MS] * 8, kind=[1] * 8, title=[texts[0]] * 8,
                    snapshot=[4] * 8, objects=[LARGE_NODES] * 8, size=[LARGE_NODES * 64] * 8,
                    references=[LARGE_NODES] * 8),
              block("GRAPH_NODES", graph=[graph for graph in range(1, 9) for _ in nodes], id=list(nodes) * 8,
                    type=[texts[n % 20] for n in nodes] * 8, label=[texts[n % LARGE_TYPES] for n in nodes] * 8,
                    size=[64 * n for n in nodes] * 8, count=[1] * LARGE_NODES * 8, flags=[0] * LARGE_NODES * 8),
              block("GRAPH_EDGES", graph=edge[0], **{"from": edge[1]}, to=edge[2], label=edge[3],
                    count=[1] * len(edges)), names.block())
    return log.end()


def quiet(censuses):
    """So many censuses, in which nothing changes."""
    log, names = log_making.Log(minor=3, pid=603), golden_logs.Names()
    log.frame(stream_of(names, CENSUS, 603), names.block(), block("CLASSES", id=[1], name=[names("dict")]))
    log.frame(summary(names, [7] * censuses, [448] * censuses),
              block("CLASS_TOTALS", snapshot=list(range(1, censuses + 1)), **{"class": [1] * censuses},
                    count=[7] * censuses, size=[448] * censuses, flat=[448] * censuses), names.block())
    return log.end()


def write_all(evil):
    golden_census.write_all()
    stayed(evil).write("evil_census.dat")
    large().write("large_census.dat")
    for censuses in (1, 2, 3):
        quiet(censuses).write(f"quiet{censuses}.dat")
