#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stats, ConsoleStats, HtmlStats and charts: on files whose content is known to the byte, and on
trackers of this program.  What is expected is written down here, or computed in a plain way."""

import contextlib
import gc
import glob
import io
import os
import random
import re
import sys
import threading
import warnings
import xml.dom.minidom

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from python_log_making import Program, Size

from memcapture import charts
from memcapture.asizeof import Asizer, asizeof
from memcapture.classtracker import ClassTracker
from memcapture.classtracker_stats import ConsoleStats, HtmlStats, Stats


def office():
    """Two desks and a chair; the first desk is freed.  The second snapshot is the largest."""
    program = Program()
    place = (("/nowhere/main.py", 12, "<module>"), ("/nowhere/desk.py", 3, "build"))
    desk = program.add("Desk", 1.0, 48, address=0x1000, death=3.5, label="<Desk 1>", trace=place, level=2)
    chair = program.add("furniture.Chair", 1.25, 64, address=0x2000, label="<Chair>", level=1)
    late = program.add("Desk", 2.5, 48, address=0x3000, label="<Desk\n2>")
    drawers = [Size(60, 56, [Size(4, 4, name="[V] pen: 'blue'")], "[K] drawer: 1"), Size(30, 30, name="[K] top: 2")]
    memory = dict(rss=100000, vsz=900000, faults=3, data=5, code=6, shared=7, stack=8)
    program.snapshot(2.0, "first", {desk: Size(148, 48, drawers), chair: Size(2000, 64)}, memory, 70000, 11)
    program.snapshot(3.0, "", {desk: Size(48, 48), chair: Size(3000, 64, [Size(2900, 2900, name="leg")]),
                               late: Size(500, 48, [Size(440, 40, name="[K] drawer: 9")])}, memory)
    program.snapshot(3725.5, "last of them all, with a name that is cut", {chair: Size(1000, 64), late: Size(48, 48)},
                     dict(rss=500))
    return program


def office_stats(kind=ConsoleStats, **options):
    office().write("office.dat")
    return kind(filename="office.dat", stream=io.StringIO(), **options)


def printed(stats, method="print_stats", **options):
    stats.stream = io.StringIO()
    getattr(stats, method)(**options)
    return stats.stream.getvalue()


def numbers(objects):
    return [tobj.id >> 12 for tobj in objects]


# ---- A file: what is in it ---------------------------------------------------------------------


def nothing_is_loaded_at_first():
    stats = Stats()
    cases.equal((stats.index, stats.snapshots, stats.sorted, stats.tracker), ({}, [], [], None))
    cases.equal(stats.stream, sys.stdout)
    cases.equal(stats.tracked_classes, [])
    cases.equal(stats.sort_stats(), stats)
    cases.equal(list(stats.sorted), [])
    stats = ConsoleStats(stream=io.StringIO())
    stats.print_stats()
    cases.equal(stats.stream.getvalue(), "")


def objects_have_their_attributes():
    stats = office_stats()
    cases.equal({name: len(objects) for name, objects in stats.index.items()}, {"Desk": 2, "furniture.Chair": 1})
    cases.equal(list(stats.index), ["Desk", "furniture.Chair"])
    first, second = stats.index["Desk"]
    cases.equal((first.id, first.name, first.classname, first.repr), (0x1000, "Desk", "Desk", "<Desk 1>"))
    cases.equal((first.birth, first.death, second.death), (1.0, 3.5, None))
    cases.equal((first.ref(), first.size, first.tsize, first.get_max_size()), (None, 148, 48, 148))
    cases.equal((second.size, second.tsize, second.repr, second.trace), (500, 500, "<Desk\n2>", None))
    cases.equal([first.get_size_at_time(time) for time in (1.0, 2.0, 3.0, 3725.5, 2, None)], [48, 148, 48, 0, 148, 0])
    cases.equal(first.trace, [("/nowhere/main.py", 12, "<module>", None, None),
                              ("/nowhere/desk.py", 3, "build", None, None)])
    cases.equal(first._resolution_level, 2)
    first.set_resolution_level(1)
    cases.equal(first._resolution_level, 1)


def sizes_have_their_referents():
    first = office_stats().index["Desk"][0]
    cases.equal([(time, size.size, size.flat) for time, size in first.snapshots],
                [(1.0, 48, 48), (2.0, 148, 48), (3.0, 48, 48)])
    refs = first.snapshots[1][1].refs
    cases.equal([(ref.name, ref.size, ref.flat) for ref in refs], [("[K] drawer: 1", 60, 56), ("[K] top: 2", 30, 30)])
    cases.equal([(ref.name, ref.size, ref.refs) for ref in refs[0].refs], [("[V] pen: 'blue'", 4, ())])
    cases.equal((first.snapshots[0][1].refs, first.snapshots[2][1].refs), ((), ()))


def snapshots_have_their_figures():
    first, second, last = office_stats().snapshots
    cases.equal((first.timestamp, first.desc, first.label, second.label), (2.0, "first", "first (2.000s)", "3.000s"))
    cases.equal((first.tracked_total, first.asizeof_total, first.overhead), (2148, 70000, 11))
    cases.equal((second.tracked_total, second.asizeof_total, last.tracked_total), (3548, 0, 1048))
    memory = first.system_total
    cases.equal((memory.rss, memory.vsz, memory.pagefaults, memory.available), (100000, 900000, 3, True))
    cases.equal((memory.data_segment, memory.code_segment, memory.shared_segment, memory.stack_segment), (5, 6, 7, 8))
    cases.equal(first.total, 900000)


def snapshots_are_annotated():
    stats = office_stats()
    first, second, last = stats.snapshots
    cases.equal(first.classes, None)
    classes = stats.annotate_snapshot(first)
    cases.equal(classes is first.classes is stats.annotate_snapshot(first), True)
    desk = classes["Desk"]
    cases.equal((desk["active"], desk["sum"], desk["avg"], desk["pct"]), (1, 148, 148.0, 0.148))
    merged = desk["merged"]
    cases.equal((merged.size, merged.flat, merged.name), (148, 48, None))
    cases.equal([(ref.name, ref.size, ref.flat) for ref in merged.refs], [("[K] drawer", 60, 56), ("[K] top", 30, 30)])
    cases.equal([(ref.name, ref.size) for ref in merged.refs[0].refs], [("[V] pen", 4)])
    stats.annotate()
    desk = second.classes["Desk"]
    cases.equal((desk["active"], desk["sum"], desk["avg"]), (2, 548, 274.0))
    cases.equal([(ref.name, ref.size) for ref in desk["merged"].refs], [("[K] drawer", 440)])
    # More is tracked than is resident: the whole is what is tracked.
    cases.equal(last.classes["furniture.Chair"]["pct"], 1000 * 100.0 / 1048)
    cases.equal(sum(info["pct"] for info in last.classes.values()) <= 100.0, True)


# ---- Orders ----------------------------------------------------------------------------------------


def objects_are_sorted():
    stats = office_stats()
    expected = {
        ("classname",): [1, 3, 2], ("name",): [1, 3, 2], ("birth",): [1, 2, 3], ("size",): [2, 3, 1],
        ("tsize",): [2, 3, 1], ("repr",): [2, 3, 1], ("death",): [1, 3, 2], ("classname", "size"): [3, 1, 2],
        (): [3, 1, 2],
    }
    for criteria, order in expected.items():
        stats.sorted = []
        cases.equal(stats.sort_stats(*criteria) is stats, True)
        cases.equal(numbers(stats.sorted), order, criteria)
        cases.equal(numbers(stats.sort_stats(*criteria).reverse_order().sorted), order[::-1], criteria)


def equal_objects_stay_as_they_stand():
    stats = office_stats()
    cases.equal(numbers(stats.sort_stats("birth").reverse_order().sorted), [3, 2, 1])
    cases.equal(numbers(stats.sort_stats("classname").sorted), [3, 1, 2])


def other_criteria_are_refused():
    stats = office_stats()
    with cases.raises(ValueError, "Invalid sort criteria"):
        stats.sort_stats("name", 42, "classn")
    with cases.raises(ValueError, "Invalid sort criteria"):
        stats.sort_stats("Size")
    cases.equal(stats.sorted, [])


def many_objects_are_sorted_as_a_list_would_be():
    dice = random.Random(5)
    program = Program()
    for i in range(3000):
        program.add(dice.choice("ABC"), i / 1000, dice.choice((16, 48)), death=dice.choice((None, 5 + i % 7)),
                    label=dice.choice("xyz"))
    program.snapshot(4, "", {o.number: Size(dice.randrange(16, 40), 16) for o in program.objects})
    program.write("many.dat")
    stats = Stats(filename="many.dat")
    plain = [tobj for objects in stats.index.values() for tobj in objects]

    def key(tobj, name):
        value = getattr(tobj, name)
        return -value if name in ("size", "tsize") else (value is None, value) if name == "death" else value

    def seen(tobj):
        return tobj.repr, [(time, sized.size) for time, sized in tobj.snapshots]
    keys = {tobj: {name: key(tobj, name) for name in ("classname", "size", "tsize", "birth", "death", "repr")}
            for tobj in plain}
    for _ in range(12):
        criteria = dice.sample(sorted(keys[plain[0]]), dice.randrange(1, 4))
        plain.sort(key=lambda tobj: [keys[tobj][name] for name in criteria])
        stats.sort_stats(*criteria)
        if dice.random() < 0.5:  # only some of the first are looked at, then all
            cases.equal(stats.sorted[:10] == plain[:10], True, criteria)
            cases.equal(stats.sorted[70] == plain[70], True, criteria)
            cases.equal([stats.sorted[i] for i in range(150)] == plain[:150], True, criteria)
            for i in (0, 15, 16, 17, 143, 144, 3, 2999):  # fetched together and not
                cases.equal(seen(stats.sorted[i]), seen(plain[i]), (criteria, i))
        if dice.random() < 0.5:
            some = stats.sorted.of_class("B")
            of_class = [tobj for tobj in plain if tobj.classname == "B"]
            cases.equal(some[:10] == of_class[:10], True, criteria)
            cases.equal(list(some) == of_class, True, criteria)
            cases.equal(len(stats.sorted.of_class("D")), 0)
        if dice.random() < 0.5:
            cases.equal(list(stats.sorted) == plain, True, criteria)
        if dice.random() < 0.3:
            plain.reverse()
            stats.reverse_order()
    cases.equal(stats.sorted == plain, True)


def lists_are_lists():
    stats = office_stats().sort_stats("birth")
    objects = stats.sorted
    cases.equal((len(objects), numbers([objects[0], objects[-1]])), (3, [1, 3]))
    parts = slice(1, None), slice(None, None, -1), slice(-1, 0, -2), slice(5, 9)
    cases.equal([numbers(objects[part]) for part in parts], [[2, 3], [3, 2, 1], [3], []])
    cases.equal(numbers(reversed(objects)), [3, 2, 1])
    cases.equal([objects.index(tobj) for tobj in objects], [0, 1, 2])
    cases.equal((objects[1] in objects[1:], objects[1] in objects[2:], 5 in objects, objects.count(objects[0])),
                (True, False, False, 1))
    cases.equal((objects[0] == objects[0], objects[0] == objects[1], len({objects[0], objects[0], objects[1]})),
                (True, False, 2))
    cases.equal((objects == list(objects), objects != list(objects), objects == objects[:2], objects == 3),
                (True, False, False, False))
    for wrong, kind in ((3, IndexError), (-4, IndexError), ("a", TypeError), (1.0, TypeError)):
        with cases.raises(kind):
            objects[wrong]
    with cases.raises(ValueError):
        objects[2:].index(objects[0])
    with cases.raises(TypeError):
        hash(objects)


def a_list_of_ones_own_is_sorted_too():
    stats = office_stats()
    stats.sorted = list(stats.index["Desk"])
    cases.equal(numbers(stats.sort_stats("death").sorted), [1, 3])
    cases.equal(numbers(stats.sort_stats("size").reverse_order().sorted), [1, 3])
    cases.equal(printed(stats, clsname="Desk", limit=1).count("Desk"), 2)


# ---- Text ------------------------------------------------------------------------------------------

DESK_1 = f"""\
Desk                             ( free )   <Desk 1>{" " * 27}
  /nowhere/main.py:  12 in <module>
  /nowhere/desk.py:   3 in build
  00:00:01.00                      48     B
  00:00:02.00                     148     B
    [K] drawer: 1                                    60     B      40% [1]
      [V] pen: 'blue'                                 4     B       2% [2]
    [K] top: 2                                       30     B      20% [1]
  00:00:03.00                      48     B
  00:00:03.50                    finalize
"""
DESK_2 = f"""\
Desk                             0x00003000 <Desk|2>{" " * 27}
  00:00:02.50                      48     B
  00:00:03.00                     500     B
    [K] drawer: 9                                   440     B      88% [1]
  01:02:05.50                      48     B
"""
CHAIR = f"""\
furniture.Chair                  0x00002000 <Chair>{" " * 28}
  00:00:01.25                      64     B
  00:00:02.00                       1.95 KB
  00:00:03.00                       2.93 KB
    leg                                               2.83 KB      96% [1]
  01:02:05.50                    1000     B
"""
SUMMARY = """\
---- SUMMARY ------------------------------------------------------------------
first                                    active     68.36 KB      average   pct
  Desk                                        1    148     B    148     B    0%
  furniture.Chair                             1      1.95 KB      1.95 KB    2%
                                         active      0     B      average   pct
  Desk                                        2    548     B    274     B    0%
  furniture.Chair                             1      2.93 KB      2.93 KB    3%
last of them all, with a name th...      active      0     B      average   pct
  Desk                                        1     48     B     48     B    4%
  furniture.Chair                             1   1000     B   1000     B   95%
-------------------------------------------------------------------------------
"""


def objects_are_printed():
    stats = office_stats()
    cases.equal(printed(stats), DESK_2 + DESK_1 + CHAIR)
    cases.equal(numbers(stats.sorted), [3, 1, 2])
    cases.equal(printed(stats.sort_stats("birth")), DESK_1 + CHAIR + DESK_2)
    cases.equal(printed(stats, "print_object", tobj=stats.index["furniture.Chair"][0]), CHAIR)


def some_objects_are_printed():
    stats = office_stats()
    everything = DESK_2 + DESK_1 + CHAIR
    for options, expected in ((dict(limit=1.0), everything), (dict(limit=2), DESK_2 + DESK_1),
                              (dict(limit=1), DESK_2), (dict(limit=0.67), DESK_2 + DESK_1),
                              (dict(limit=0.01), DESK_2), (dict(limit=100.0), everything),
                              (dict(clsname="Desk"), DESK_2 + DESK_1), (dict(clsname="hair"), CHAIR),
                              (dict(clsname="Desk", limit=0.5), DESK_2),
                              (dict(clsname="Desk", limit=9), DESK_2 + DESK_1), (dict(clsname="desk"), "")):
        cases.equal(printed(stats, **options), expected, options)
    cases.equal(numbers(stats.sorted), [3, 1, 2])


def sums_are_printed():
    stats = office_stats()
    cases.equal(printed(stats, "print_summary"), SUMMARY)
    cases.equal(stats.tracked_classes, ["Desk", "furniture.Chair"])


def objects_are_printed_as_a_subclass_likes():
    class Short(ConsoleStats):
        def print_object(self, tobj):
            self.stream.write(tobj.name + "\n")
    cases.equal(printed(office_stats(Short), limit=2), "Desk\nDesk\n")


def source_is_shown_where_it_is_there():
    with open("made.py", "w") as file:
        file.write("one = 1\n    two = Desk()  \n")
    path = os.path.abspath("made.py")
    os.mkfifo("fifo.py")
    program = Program()
    program.add("A", 1.0, 16, trace=[(path, 2, "f"), (path, 9, "g"), (os.path.abspath("fifo.py"), 1, "h"), ("", 0, "")])
    program.write("source.dat")
    stats = ConsoleStats(filename="source.dat")
    cases.equal([place[2:] for place in stats.index["A"][0].trace],
                [("f", ["    two = Desk()  \n"], 0), ("g", None, None), ("h", None, None), ("", None, None)])
    cases.contains(printed(stats), f"    two = Desk()\n  {path}:   2 in f\n  {path}:   9 in g\n")


# ---- Files -------------------------------------------------------------------------------------------


def files_are_loaded():
    data = office().log().data()
    expected = printed(office_stats())
    with open("office.dat", "rb") as file:
        cases.equal(printed(ConsoleStats(filename=file)), expected)
    stats = ConsoleStats()
    stats.load_stats(io.BytesIO(data))
    cases.equal(printed(stats), expected)
    behind = io.BytesIO(b"something else" + data)
    behind.seek(14)
    stats.load_stats(behind)
    cases.equal((printed(stats), behind.tell()), (expected, len(data) + 14))
    empty = Program()
    empty.write("empty.dat")
    stats.load_stats("empty.dat")
    cases.equal((stats.index, stats.snapshots, printed(stats)), ({}, [], ""))
    cases.equal(printed(stats, "print_summary").count("\n"), 2)


def dumps_of_pympler_are_read():
    def by_object(text):
        return sorted(part.rstrip("\n") for part in re.split(r"^(?! )", text, flags=re.MULTILINE) if part)

    dumps = glob.glob(os.path.join(cases.ROOT, "tests/fixtures/pympler/*.dat"))
    cases.equal(len(dumps) > 0, True)
    for dump in dumps:
        stats = ConsoleStats(filename=dump)
        with open(dump[:-3] + "objects", encoding="utf-8") as objects:
            # In another order: that of the snapshot that is really the largest.
            cases.equal(by_object(printed(stats)), by_object(objects.read()), dump)
        with open(dump[:-3] + "summary", encoding="utf-8") as summary:
            cases.equal(printed(stats, "print_summary"), summary.read(), dump)
        stats.dump_stats("log.dat")
        cases.equal(printed(ConsoleStats(filename="log.dat")), printed(stats), dump)
        HtmlStats(filename=dump).create_html("dump.html")


def what_is_no_dump_is_refused():
    stats = office_stats()
    with open("text", "w") as file:
        file.write("a b c\n" * 100)
    with open("nothing", "w"):
        pass
    for name, kind, text in (("missing", FileNotFoundError, "missing"), ("text", ValueError, "text"),
                             ("nothing", ValueError, "nothing"), (".", OSError, "directory")):
        with cases.raises(kind, text):
            stats.load_stats(name)
    for data in (b"", b"abc", b"\x80\x04.", b"cos\nsystem\n(S'touch ran'\ntR."):
        with cases.raises(ValueError):
            stats.load_stats(io.BytesIO(data))
    cases.equal(os.path.exists("ran"), False)
    with cases.raises(TypeError):
        stats.load_stats(io.StringIO("abc"))
    with cases.raises(TypeError):
        stats.load_stats(3.5)
    cases.equal(printed(stats), DESK_2 + DESK_1 + CHAIR)


def damaged_files_do_no_harm():
    data = office().log().data()
    dice = random.Random(7)
    for i in range(150):
        broken = bytearray(data[:dice.randrange(len(data))] if i % 2 else data)
        for _ in range(i % 4):
            if broken:
                broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        try:
            with warnings.catch_warnings(record=True):
                stats = ConsoleStats(filename=io.BytesIO(bytes(broken)))
        except (ValueError, OSError):
            continue
        printed(stats)
        printed(stats, "print_summary")
        printed(stats.sort_stats("tsize", "repr"))


def a_cut_file_gives_what_is_whole_and_a_warning():
    data = office().log().data()
    with open("cut.dat", "wb") as file:
        file.write(data[:len(data) * 2 // 3])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        stats = Stats(filename="cut.dat")
    cases.equal({(warning.category, "cut.dat" in str(warning.message)) for warning in said}, {(RuntimeWarning, True)})
    cases.equal([len(objects) for objects in stats.index.values()], [2, 1])


def a_loaded_file_is_dumped_again():
    stats = office_stats()
    with open("office.dat", "rb") as file:
        data = file.read()
    stats.dump_stats("copy.dat")
    stats.dump_stats("office.dat")
    os.symlink("copy.dat", "link.dat")
    stats.dump_stats("link.dat")
    cases.equal(os.path.islink("link.dat"), True)
    for name in ("copy.dat", "office.dat"):
        with open(name, "rb") as file:
            cases.equal(file.read() == data, True, name)
    kept, closed = io.BytesIO(), io.BytesIO()
    stats.dump_stats(kept, close=False)
    stats.dump_stats(closed)
    cases.equal((kept.getvalue() == data, kept.closed, closed.closed), (True, False, True))
    os.unlink("office.dat")
    stats.dump_stats("later.dat")
    cases.equal(printed(ConsoleStats(filename="later.dat")), DESK_2 + DESK_1 + CHAIR)


def what_cannot_be_written_leaves_nothing():
    stats = office_stats()
    before = sorted(os.listdir())
    for write in (stats.dump_stats, HtmlStats(filename="office.dat").create_html,
                  lambda path: charts.tracker_timespace(path + "/chart.png", stats)):
        with cases.raises(OSError):
            write("missing/folder")
    tracker = ClassTracker()
    with cases.raises(OSError):
        tracker.stats.dump_stats("missing/folder/file.dat")
    if os.path.exists("/dev/full"):
        with cases.raises(OSError):
            stats.dump_stats("/dev/full")
    cases.equal(sorted(os.listdir()), before)


def an_empty_stats_is_dumped():
    Stats().dump_stats("none.dat")
    stats = ConsoleStats(filename="none.dat")
    cases.equal((stats.index, stats.snapshots), ({}, []))


# ---- Pages and drawings --------------------------------------------------------------------------------


def a_page_is_one_file():
    stats = office_stats(HtmlStats)
    os.mkdir("page")
    stats.create_html("page/out.html", title="Desks & <chairs>")
    stats.create_title_page("page/title.html")
    stats.print_class_details("page/class.html", "furniture.Chair")
    cases.equal(sorted(os.listdir("page")), ["class.html", "out.html", "title.html"])
    with open("page/out.html", encoding="utf-8") as file:
        page = file.read()
    cases.contains(page, "Desks &amp; &lt;chairs&gt;")
    cases.contains(page, "furniture.Chair")
    for outside in ('src="http', 'href="http', "url(http", "out_files"):
        cases.equal(outside in page, False, outside)
    with open("page/title.html", encoding="utf-8") as file:
        cases.contains(file.read(), "<title>ClassTracker Statistics")
    with open("page/class.html", encoding="utf-8") as file:
        cases.contains(file.read(), "<title>furniture.Chair")
    with cases.raises(KeyError):
        stats.print_class_details("page/other.html", "Sofa")


def names_in_a_page_are_inert():
    program = Program()
    name = "<script>alert(1)</script>"
    program.add(name, 1.0, 16, label="</pre><img src=x onerror=alert(2)>")
    program.snapshot(2.0, "<b>bold</b>", {1: Size(100, 16, [Size(50, 50, name="<i>[K]</i>: 'x'")])})
    program.write("evil.dat")
    stats = HtmlStats(filename="evil.dat")
    stats.create_html("evil.html", title=name)
    with open("evil.html", encoding="utf-8") as file:
        page = file.read()
    for text in ("<script>alert", "<img src=x", "<b>bold", "<i>[K]"):
        cases.equal(text in page, False, text)


def drawings_are_written():
    stats = office_stats(HtmlStats)
    starts = {"png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-", "svg": b"<svg xmlns="}
    for ending, start in starts.items():
        charts.tracker_timespace("chart." + ending, stats)
        with open("chart." + ending, "rb") as file:
            cases.equal(file.read(len(start)), start)
    cases.equal(stats.create_snapshot_chart("time.png"), '<img src="time.png">\n')
    cases.equal(stats.create_lifetime_chart("Desk", "lives.PNG"), '<img src="lives.PNG">\n')
    cases.equal(stats.create_pie_chart(stats.snapshots[1], "pie.svg"), '<img src="pie.svg">\n')
    text = xml.dom.minidom.parse("pie.svg").documentElement.toxml()
    cases.contains(text, "furniture.Chair")
    for wrong in ("chart.gif", "chart", "chart.png.txt"):
        with cases.raises(ValueError, "a drawing is .png, .pdf or .svg"):
            charts.tracker_timespace(wrong, stats)
        cases.equal(os.path.exists(wrong), False)
    with cases.raises(KeyError):
        stats.create_lifetime_chart("Sofa", "sofa.png")
    Program().write("empty.dat")
    with cases.raises(ValueError, "nothing to draw"):
        charts.tracker_timespace("empty.png", Stats(filename="empty.dat"))
    cases.equal(os.path.exists("empty.png"), False)


def paths_are_told_as_seen_from_a_folder():
    stats = HtmlStats()
    for path, base, expected in (("/a/b/c.png", "/a/b", "c.png"), ("/a/b/c.png", "/a/b/", "c.png"),
                                 ("c.png", None, "c.png"), ("/a/bc/d.png", "/a/b", "/a/bc/d.png")):
        cases.equal(stats.relative_path(path, base), expected)


# ---- Trackers of this program ----------------------------------------------------------------------------


class Foo:
    def __init__(self):
        self.foo = "Foo"

    def __repr__(self):
        return "<%s>" % self.foo


class Bar(Foo):
    def __init__(self):
        Foo.__init__(self)
        self.bar = "bar"


class Plain:
    pass


@contextlib.contextmanager
def tracking():
    tracker = ClassTracker(stream=io.StringIO())
    try:
        yield tracker
    finally:
        tracker.stop_periodic_snapshots()
        tracker.clear()


def a_tracker_and_its_file_print_the_same():
    with tracking() as tracker:
        tracker.track_class(Foo, name="Foo", resolution_level=3, trace=True)
        tracker.track_class(Bar, resolution_level=1)
        tracker.create_snapshot("nothing yet")
        kept = [Foo() for _ in range(3)] + [Bar()]
        kept[0].data = list(range(1000))
        kept[1].data = {"key": "x" * 50, 2: ("a", 2.5)}
        tracker.create_snapshot("first", compute_total=True)
        kept[2].more = "text" * 100
        del kept[1]
        kept.append(Bar())
        tracker.create_snapshot()
        tracker.stats.dump_stats("live.dat")
        live, filed = ConsoleStats(tracker=tracker), ConsoleStats(filename="live.dat")
        for criteria in ((), ("size",), ("birth",), ("death", "repr"), ("classname", "tsize")):
            live.sort_stats(*criteria)
            filed.sort_stats(*criteria)
            cases.equal(printed(live), printed(filed), criteria)
            cases.equal(printed(live, clsname="Foo", limit=0.5), printed(filed, clsname="Foo", limit=0.5), criteria)
        cases.equal(printed(live, "print_summary"), printed(filed, "print_summary"))
        cases.contains(printed(live), "kept = [Foo() for _ in range(3)] + [Bar()]")
        for name, objects in live.index.items():
            for mine, theirs in zip(objects, filed.index[name]):
                for attribute in ("id", "name", "classname", "repr", "birth", "death", "size", "tsize", "trace"):
                    cases.equal(getattr(mine, attribute), getattr(theirs, attribute), attribute)
                cases.equal([(time, size.format()) for time, size in mine.snapshots if size.name],
                            [(time, size.format()) for time, size in theirs.snapshots if size.name])


def sorted_objects_of_a_tracker_are_its_own():
    with tracking() as tracker:
        tracker.track_class(Foo, name="Foo")
        small, large = Foo(), Foo()
        large.data = list(range(1000))
        tracker.create_snapshot()
        stats = tracker.stats.sort_stats("size")
        cases.equal([tobj.ref() is thing for tobj, thing in zip(stats.sorted, (large, small))], [True, True])
        cases.equal(stats.sorted[0] in tracker.index["Foo"], True)
        cases.equal((stats.sorted[1] in stats.sorted, stats.sorted.index(stats.sorted[1])), (True, 1))
        tracker.detach_all()
        other = Foo()
        tracker.track_object(other)
        cases.equal([tobj.ref() is thing for tobj, thing in zip(stats.sorted, (large, small))], [True, True])
        cases.equal([tobj.size > 1000 for tobj in stats.sorted], [True, False])


def new_objects_are_found_by_new_statistics():
    with tracking() as tracker:
        tracker.track_class(Foo, name="Foo")
        things = [Foo()]
        tracker.create_snapshot("one")
        stats = tracker.stats
        cases.equal(printed(stats).count("<Foo>"), 1)
        things.append(Foo())
        tracker.create_snapshot("two")
        cases.equal(printed(stats).count("<Foo>"), 1)
        cases.equal(printed(tracker.stats).count("<Foo>"), 2)
        cases.equal([snapshot.classes["Foo"]["active"] for snapshot in tracker.snapshots
                     if not tracker.stats.annotate() and snapshot.classes], [1, 2])
        del things[0]
        cases.equal(printed(tracker.stats).count("finalize"), 1)
        tracker.track_object(Plain(), name="Late")
        cases.contains(printed(tracker.stats, "print_summary"), "  Late                                        0")


def a_dump_is_loaded_elsewhere():
    with tracking() as tracker:
        foo, bar = Foo(), Bar()
        foo.data = range(1000)
        tracker.track_object(foo, resolution_level=4)
        tracker.track_object(bar)
        tracker.create_snapshot("Footest")
        before = printed(ConsoleStats(tracker=tracker))
        file = io.BytesIO()
        Stats(tracker=tracker).dump_stats(file, close=False)
        tracker.clear()
        file.seek(0)
        stats = ConsoleStats()
        stats.load_stats(file)
        cases.equal(("Foo" in stats.index, printed(stats)), (True, before))
        stats.sort_stats()
        count = len(stats.sorted)
        text = printed(stats, clsname="Bar")
        cases.equal((len(stats.sorted), "Bar" in text.split("\n")[0]), (count, True))


def classes_are_printed_alone():
    with tracking() as tracker:
        tracker.track_class(Foo, name="Foo", trace=True)
        tracker.track_class(Bar, name="Bar")
        foo, bar = Foo(), Bar()
        tracker.create_snapshot()
        text = printed(tracker.stats, clsname="Foo")
        cases.equal(("Foo" in text, "Bar" in text.replace("foo, bar = Foo(), Bar()", "")), (True, False))
        cases.contains(text, "foo, bar = Foo(), Bar()")
        del foo, bar


def parts_of_ten_are_printed():
    with tracking() as tracker:
        tracker.track_class(Foo, name="Foo")
        things = [Foo() for _ in range(10)]
        tracker.create_snapshot()
        stats = tracker.stats
        cases.equal([printed(stats, limit=limit).count("<Foo>") for limit in (3, 0.5, 1.0, 1)], [3, 5, 10, 1])
        del things


def referents_are_merged():
    with tracking() as tracker:
        tracker.track_class(Plain, name="Plain", resolution_level=2)
        first, second = Plain(), Plain()
        first.a = list(range(1000))
        second.a = list(range(100))
        second.b = "This is some plain text."
        tracker.create_snapshot("merged")
        sizer = Asizer()
        sizes = [sizer.asized(thing).size for thing in (first, second)]
        stats = tracker.stats
        merged = stats.annotate_snapshot(stats.snapshots[0])["Plain"]["merged"]
        cases.equal(merged.size, sum(sizes))
        attributes = merged.get("__dict__")
        cases.equal(attributes.get("[V] a").size, asizeof(first.a, second.a))
        cases.equal(attributes.get("[V] b").size, asizeof(second.b))


def periodic_snapshots_end():
    for use in (lambda stats: printed(stats), lambda stats: stats.dump_stats("periodic.dat")):
        with tracking() as tracker:
            tracker.start_periodic_snapshots(0.01)
            use(tracker.stats)
            count = len(tracker.snapshots)
            cases.equal([thread.name for thread in threading.enumerate() if thread.name == "BackgroundMonitor"], [])
            cases.equal(len(tracker.snapshots), count)


def a_tracker_becomes_a_page():
    with tracking() as tracker:
        tracker.track_class(Foo, name="Foo", resolution_level=2, trace=True)
        things = [Foo() for _ in range(5)]
        tracker.create_snapshot("page")
        stats = HtmlStats(tracker=tracker)
        stats.create_html("live.html")
        with open("live.html", encoding="utf-8") as file:
            cases.contains(file.read(), "Foo")
        charts.tracker_timespace("live.png", tracker.stats)
        cases.equal(stats.create_pie_chart(tracker.snapshots[0], "live_pie.png"), '<img src="live_pie.png">\n')
        del things


# ---- Nothing is kept, nothing collides -----------------------------------------------------------------------


def threads_use_one_stats():
    stats = office_stats()
    failures = []

    def work(number):
        try:
            for i in range(40):
                stats.sort_stats(("size", "birth", "classname")[(number + i) % 3])
                cases.equal(sorted(numbers(stats.sorted)), [1, 2, 3])
                for tobj in stats.index["Desk"]:
                    cases.equal(tobj.get_max_size() in (148, 500), True)
                    cases.equal(len(tobj.snapshots), 3)
        except Exception as error:
            failures.append(error)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cases.equal(failures, [])


def use_everything():
    stats = office_stats()
    printed(stats)
    printed(stats, "print_summary")
    stats.sort_stats("repr").reverse_order()
    list(stats.sorted), stats.sorted[1:], stats.index["Desk"][0] in stats.sorted
    for wrong in ("text", "missing"):
        with contextlib.suppress(OSError, ValueError):
            stats.load_stats(wrong)
    with tracking() as tracker:
        tracker.track_class(Foo, name="Foo", resolution_level=2, trace=True)
        things = [Foo() for _ in range(3)]
        tracker.create_snapshot()
        printed(tracker.stats)
        printed(tracker.stats, "print_summary")
        del things
    tracker.detach_all()


def nothing_is_kept():
    rounds = 40
    grown = []
    files = len(os.listdir("/proc/self/fd"))
    while len(grown) < 20:  # what caches keep, they keep in the first ones
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(rounds):
            use_everything()
        gc.collect()
        grown.append(sys.getallocatedblocks() - before)
        cases.equal(len(os.listdir("/proc/self/fd")), files)
        if grown[-1] < rounds:
            return
    raise AssertionError(f"{grown} blocks more, each time in {rounds} rounds")


def an_object_outlives_its_statistics():
    stats = office_stats()
    tobj = stats.index["Desk"][0]
    iterator = iter(stats.sort_stats("birth").sorted)
    next(iterator)
    del stats
    gc.collect()
    cases.equal((tobj.repr, len(tobj.snapshots), len(tobj.trace)), ("<Desk 1>", 3, 2))
    cases.equal(numbers(iterator), [2, 3])


cases.main(nothing_is_loaded_at_first, objects_have_their_attributes, sizes_have_their_referents,
           snapshots_have_their_figures, snapshots_are_annotated, objects_are_sorted,
           equal_objects_stay_as_they_stand, other_criteria_are_refused, many_objects_are_sorted_as_a_list_would_be,
           lists_are_lists, a_list_of_ones_own_is_sorted_too, objects_are_printed, some_objects_are_printed,
           sums_are_printed, objects_are_printed_as_a_subclass_likes, source_is_shown_where_it_is_there,
           files_are_loaded, dumps_of_pympler_are_read, what_is_no_dump_is_refused, damaged_files_do_no_harm,
           a_cut_file_gives_what_is_whole_and_a_warning, a_loaded_file_is_dumped_again,
           what_cannot_be_written_leaves_nothing, an_empty_stats_is_dumped, a_page_is_one_file,
           names_in_a_page_are_inert, drawings_are_written, paths_are_told_as_seen_from_a_folder,
           a_tracker_and_its_file_print_the_same, sorted_objects_of_a_tracker_are_its_own,
           new_objects_are_found_by_new_statistics, a_dump_is_loaded_elsewhere, classes_are_printed_alone,
           parts_of_ten_are_printed, referents_are_merged, periodic_snapshots_end, a_tracker_becomes_a_page,
           threads_use_one_stats, nothing_is_kept, an_object_outlives_its_statistics)
