# SPDX-License-Identifier: MIT
"""The logs that golden tests read: the same bytes every time, made by hand from
the format's document, so that every figure in a golden output can be checked
against this file.

    golden_logs.write_all()     into the current folder
"""

import log_making
from log_making import block

MS = 10**6


class Names:
    """Strings of a log, with ids in the order of asking."""

    def __init__(self):
        self.texts = []

    def __call__(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        if data not in self.texts:
            self.texts.append(data)
        return self.texts.index(data) + 1

    def block(self):
        return log_making.strings(*self.texts)


def factory():
    """The example of the ClassTracker document, with its figures."""
    log, names = log_making.Log(pid=100), Names()
    workers = list(range(2, 1002))
    classes = block("CLASSES", id=[1, 2], name=[names("Factory"), names("__main__.Employee")], size=[344, 200])
    log.frame(log_making.stream_block(pid=100), names.block(), classes)
    log.frame(block("BIRTHS", object=[1] + workers, time=[5 * MS] + [12 * MS] * 1000,
                    **{"class": [1] + [2] * 1000}, address=[0x10000] + [0x20000 + 256 * i for i in workers]))
    log.frame(block("SIZES", snapshot=[2, 2], object=[1, 2], size=[4864, 269], flat=[4864, 269]))
    log.frame(block("SNAPSHOTS", number=[1, 2], time=[10 * MS, 20 * MS], duration=[MS, 2 * MS], flags=[1, 0],
                    count=[1, 1001], size=[344, 204933], overhead=[4096, 100000], rss=[1279263, 1488978]),
              block("CLASS_TOTALS", snapshot=[1, 2, 2], **{"class": [1, 1, 2]}, count=[1, 1, 1000],
                    size=[344, 4864, 200069], flat=[344, 4864, 200069], min=[344, 4864, 200],
                    max=[344, 4864, 269]))
    return log.end()


def shop():
    """A bit of everything: traces, names of all sorts, referents, kept and
    detached objects, a change of class, marks, samples, settings and counters."""
    log, names = log_making.Log(pid=200, start_ticks=50), Names()
    label = names('Order(17, "late")')
    order, customer, script = names("Order"), names("Customer"), names("<script>alert(1)</script>")
    steering, broken = names(b"bell\x07 \x1b[31mred"), names(b"not utf-8: \xff\xfe")
    long_name = names("Warehouse" + "::Shelf" * 12)
    definitions = [
        block("CLASSES", id=[1, 2, 3, 4, 5, 6], name=[order, customer, script, steering, broken, long_name],
              parent=[0, 0, 1, 0, 0, 0], size=[100, 64, 100, 32, 32, 1 << 20], level=[2, 0, 2, 0, 0, 0],
              flags=[3, 0, 0, 0, 0, 0]),
        block("MODULES", id=[1], path=[names("/opt/shop/bin/shop")], build_id=[names("0011aabb")], base=[0x400000]),
        block("CODE", id=[1, 2, 3], module=[0, 1, 1], offset=[0, 0x1234, 0x99], function=[names("order_new"), 0, 0],
              file=[names("order.c"), 0, 0], line=[42, 0, 0]),
        block("SYMBOLS", code=[2, 2], depth=[0, 1], function=[names("take_order"), names("main")],
              file=[names("shop.c"), names("shop.c")], line=[7, 123]),
        block("STACKS", id=[1, 2, 3], parent=[0, 1, 2], code=[3, 2, 1]),
        block("PATHS", id=[1, 2, 3, 4], parent=[0, 1, 0, 2],
              name=[names("lines"), names("[]"), names("note"), names("text")]),
        block("THREADS", id=[1], tid=[201], name=[names("clerk")]),
    ]
    description = names("after | the rush")
    facts = [
        block("PROCESS", time=[0], name=[names("shop")], command=[names("shop --open 'all day'")],
              executable=[names("/opt/shop/bin/shop")], parent_pid=[1]),
        block("SETTINGS", key=[names("interval")], value=[names("10 ms")]),
        block("COUNTERS", key=[names("events waited")], value=[3]),
        block("EXIT", time=[900 * MS], state=[2], value=[9]),
    ]
    marks = block("MARKS", time=[150 * MS, 250 * MS], text=[names("opened"), names("rush, \"hour\"")], thread=[1, 0])
    log.frame(log_making.stream_block(pid=200, start_ticks=50), names.block(), *definitions)
    log.frame(block("BIRTHS", object=[1, 2, 3, 4, 5, 6, 7, 8],
                    time=[50 * MS, 60 * MS, 110 * MS, 120 * MS, 130 * MS, 210 * MS, 220 * MS, 310 * MS],
                    **{"class": [1, 2, 1, 3, 4, 5, 6, 1]}, stack=[3, 0, 3, 2, 0, 0, 0, 0],
                    address=[0x1000 * i for i in range(1, 9)], name=[0, names("the first"), 0, 0, 0, 0, 0, 0]),
              block("DEATHS", object=[1, 2, 5], time=[230 * MS, 240 * MS, 350 * MS], reason=[0, 1, 0]),
              block("CHANGES", object=[3], time=[260 * MS], **{"class": [4 + 1]}, level=[0]))
    log.frame(block("SIZES", snapshot=[1], object=[1], size=[1000], flat=[100]),
              block("REFERENTS", snapshot=[1] * 4, object=[1] * 4, path=[1, 2, 4, 3], count=[1, 3, 3, 1],
                    size=[850, 600, 300, 50], flat=[250, 300, 300, 50]),
              block("LABELS", snapshot=[1], object=[1], text=[label]))
    log.frame(block("SIZES", snapshot=[2, 2], object=[1, 3], size=[3000, 260], flat=[100, 100]),
              block("REFERENTS", snapshot=[2] * 6, object=[1] * 4 + [3] * 2, path=[1, 2, 4, 3, 1, 3],
                    count=[1, 9, 9, 1, 1, 1], size=[2898, 2400, 1200, 2, 100, 60],
                    flat=[498, 1200, 1200, 2, 100, 60]))
    log.frame(block("SIZES", snapshot=[0], object=[1], size=[2048], flat=[100]))
    times = [100 * MS, 200 * MS, 300 * MS, 400 * MS]
    totals = [  # snapshot, class, count, size, flat, min, max
        (1, 1, 1, 1000, 100, 1000, 1000), (1, 2, 1, 64, 64, 64, 64),
        (2, 1, 2, 3260, 200, 260, 3000), (2, 2, 1, 64, 64, 64, 64), (2, 3, 1, 100, 100, 100, 100),
        (2, 4, 1, 32, 32, 32, 32),
        (3, 3, 1, 100, 100, 100, 100), (3, 4, 2, 292, 132, 32, 260), (3, 5, 1, 32, 32, 32, 32),
        (3, 6, 1, 1 << 20, 1 << 20, 1 << 20, 1 << 20),
        (4, 1, 1, 100, 100, 100, 100), (4, 3, 1, 100, 100, 100, 100), (4, 4, 1, 260, 100, 260, 260),
        (4, 5, 1, 32, 32, 32, 32), (4, 6, 1, 1 << 20, 1 << 20, 1 << 20, 1 << 20),
    ]
    columns = list(zip(*totals))
    sums = {n: (sum(t[2] for t in totals if t[0] == n), sum(t[3] for t in totals if t[0] == n)) for n in (1, 2, 3, 4)}
    log.frame(block("SNAPSHOTS", number=[1, 2, 3, 4], time=times, duration=[MS // 2] * 4,
                    description=[names("open"), description, 0, names("closed")], flags=[1, 0, 2, 4],
                    count=[sums[n][0] for n in (1, 2, 3, 4)], size=[sums[n][1] for n in (1, 2, 3, 4)],
                    overhead=[8192] * 4, rss=[3 << 20, 4 << 20, 0, 6 << 20], vsz=[9 << 20] * 4,
                    pss=[0, 0, 0, 5 << 20]),
              block("CLASS_TOTALS", snapshot=columns[0], **{"class": columns[1]}, count=columns[2], size=columns[3],
                    flat=columns[4], min=columns[5], max=columns[6]),
              block("REFERENT_TOTALS", snapshot=[1] * 4 + [2] * 4 + [3] * 2 + [4] * 2,
                    **{"class": [1] * 8 + [4] * 4}, path=[1, 2, 4, 3] * 2 + [1, 3] * 2,
                    count=[1, 3, 3, 1, 2, 9, 9, 2, 1, 1, 1, 1],
                    size=[850, 600, 300, 50, 2998, 2400, 1200, 62, 100, 60, 100, 60],
                    flat=[250, 300, 300, 50, 598, 1200, 1200, 62, 100, 60, 100, 60]),
              *facts)
    log.frame(block("SAMPLES", time=[10 * MS, 110 * MS, 210 * MS], rss=[3 << 20, 4 << 20, 5 << 20], vsz=[9 << 20] * 3,
                    pss=[0, (3 << 20) + 1, 0], faults_minor=[700, 800, 950], faults_major=[1, 1, 2],
                    cpu_user=[5 * MS, 55 * MS, 55 * MS], cpu_system=[MS, 2 * MS, 2 * MS], threads=[1, 2, 2]), marks)
    # The strings that were met after the first frame.
    log.frame(names.block())
    return log.end()


def later():
    """Another run of the shop: classes to compare with."""
    log, names = log_making.Log(pid=300, start_ticks=70), Names()
    log.frame(log_making.stream_block(pid=300, start_ticks=70), names.block(),
              block("CLASSES", id=[1, 2, 3], size=[100, 24, 100],
                    name=[names("Order"), names("Invoice"), names("<script>alert(1)</script>")]), names.block())
    log.frame(block("BIRTHS", object=[1, 2, 3, 4], time=[MS] * 4, **{"class": [1, 1, 2, 3]},
                    address=[64, 128, 192, 256]))
    log.frame(block("SNAPSHOTS", number=[1], time=[2 * MS], duration=[MS], description=[names("closed")], flags=[1],
                    count=[4], size=[324], rss=[2 << 20]),
              block("CLASS_TOTALS", snapshot=[1] * 3, **{"class": [1, 2, 3]}, count=[2, 1, 1], size=[200, 24, 100],
                    flat=[200, 24, 100], min=[100, 24, 100], max=[100, 24, 100]), names.block())
    return log.end()


def nothing():
    return log_making.Log().frame(log_making.stream_block()).end()


def write_all():
    factory().write("factory.dat")
    shop().write("shop.dat")
    later().write("later.dat")
    nothing().write("nothing.dat")
    with open("both.dat", "wb") as file:
        file.write(factory().data() + later().data())
    # Cut within the frame behind the snapshots: what came later is lost, names among it.
    whole = shop()
    kept = sum(len(data) for data, _ in whole.parts[:7])
    with open("cut.dat", "wb") as file:
        file.write(whole.data()[:kept + 9])
