#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pympler's dumps: real ones print what pympler printed of them, line for line;
made ones show single rules; what is something else, broken or hostile is refused."""

# sanitizers: yes

import glob
import json
import os
import pickle
import resource
import struct
import sys
import types

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

DUMPS = os.path.join(cases.ROOT, "tests/fixtures/pympler")
SANITIZED = os.path.basename(cases.BUILD) == "asan"


# ---- Dumps that are made here: classes with the names and the states of pympler's ----

def make_class(module, name, slots=()):
    """A class that is pickled as pympler's; nothing of it is pympler's but its name."""
    def __init__(self, **values):
        for key, value in values.items():
            setattr(self, key, value)
    made = type(name, (object,), {"__slots__": slots, "__module__": module, "__init__": __init__} if slots else
                {"__module__": module, "__init__": __init__})
    parent = ""
    for part in module.split("."):
        parent = f"{parent}.{part}".lstrip(".")
        sys.modules.setdefault(parent, types.ModuleType(parent))
    setattr(sys.modules[module], name, made)
    return made


for known in [name for name in sys.modules if name.split(".")[0] == "pympler"]:
    del sys.modules[known]
Asized = make_class("pympler.asizeof", "Asized", ("flat", "name", "refs", "size"))
Tracked = make_class("pympler.classtracker", "TrackedObject")
Snapshot = make_class("pympler.classtracker", "Snapshot")
Process = make_class("pympler.process", "_ProcessMemoryInfoProc")


def asized(size, refs=(), name=None):
    return Asized(size=size, flat=size, refs=tuple(refs), name=name)


def tracked(name, birth, sizes, death=None, label="", **more):
    states = [(birth, asized(16))] + [(time, size if isinstance(size, Asized) else asized(size))
                                      for time, size in sizes]
    return Tracked(**dict({"id": 0x7f00 + int(birth * 16), "repr": label, "name": name, "birth": birth, "death": death,
                           "trace": None, "snapshots": states, "_resolution_level": 0}, **more))


def snapshot(time, total, vsz=1 << 20, **more):
    return Snapshot(**dict({"tracked_total": total, "asizeof_total": 0, "overhead": 0, "timestamp": time, "desc": "",
                            "system_total": Process(available=True, vsz=vsz, rss=vsz // 2, pid=42), "classes": None},
                           **more))


def dump(path, index, snapshots, protocol=4):
    with open(path, "wb") as out:
        out.write(pickle.dumps(index, protocol) + pickle.dumps(snapshots, protocol))
    return path


def printed(*command):
    result = cases.run("memstats", *command)
    cases.equal((result.returncode, result.stderr), (0, ""), str(command))
    return result.stdout


def rows(table, path, *query):
    return json.loads(printed(table, path, "--format", "json", *query))["rows"]


# ---- Real dumps ----

def real_dumps_print_what_pympler_printed():
    paths = sorted(glob.glob(os.path.join(DUMPS, "*.dat")))
    cases.equal(len(paths) >= 5, True, "dumps")
    for path in paths:
        for kind, command in (("summary", ["summary", path]), ("objects", ["objects", path]),
                              ("largest", ["objects", path, "--sort", "size", "--limit", "10"])):
            with open(path[:-4] + "." + kind, encoding="utf-8") as text:
                expected = text.read().splitlines()
            actual = printed(*command).splitlines()
            for number, (line, other) in enumerate(zip(actual, expected), 1):
                cases.equal(line, other, f"line {number} of {kind} of {path}")
            cases.equal(len(actual), len(expected), f"lines of {kind} of {path}")


def pympler_agrees_where_it_is_there():
    path = os.path.join(DUMPS, "shop-1.1-py3.13.dat")
    script = ("import sys; from pympler.classtracker_stats import ConsoleStats\n"
              "ConsoleStats(filename=sys.argv[1]).sort_stats('birth').print_stats(limit=100)")
    result = cases.run(sys.executable, "-c", script, path)
    if result.returncode != 0:
        raise cases.Skip("pympler is not installed")
    cases.equal(printed("objects", path, "--sort", "birth"), result.stdout)


def several_at_once_and_standard_input():
    one, other = os.path.join(DUMPS, "tiny-1.1-py3.13.dat"), os.path.join(DUMPS, "shop-0.4-py2.7.dat")
    cases.equal({row["run"] for row in rows("objects", one, other)}, {1, 2})
    with open(one, "rb") as standard_input:
        result = cases.run("memstats", "objects", "-", stdin=standard_input)
    cases.equal((result.returncode, result.stdout), (0, printed("objects", one)))
    cases.contains(printed("diff", other + "@2", other + "@4"), "__main__.Order")


def a_report_is_made_of_a_dump():
    path = os.path.join(DUMPS, "shop-1.1-py3.13.dat")
    result = cases.run("memreport", path, "-o", "report.html")
    cases.equal((result.returncode, result.stderr), (0, ""))
    with open("report.html", encoding="utf-8") as page:
        cases.contains(page.read(), "__main__.Order")


def a_dump_becomes_a_log():
    path = os.path.join(DUMPS, "shop-1.1-py3.13.dat")
    printed("verify", path)
    cases.equal(cases.run("memstats", "verify", path, "--repair", "shop.log").returncode, 0)
    cases.equal(cases.run("zstd", "-tq", "shop.log").returncode, 0, "zstd -t")
    for table in ("objects", "summary", "referents", "snapshots"):
        cases.equal(printed(table, "shop.log"), printed(table, path), table)
    cases.equal(os.path.getsize("shop.log") < os.path.getsize(path), True, "smaller")


# ---- Rules ----

def default_order_is_pymplers_and_tsize_is_of_the_largest():
    path = dump("order.dat", {"A": [tracked("A", 1.0, [(5.0, 100), (6.0, 10)]),
                                    tracked("A", 2.0, [(5.0, 50), (6.0, 20)]),
                                    tracked("A", 3.0, [(5.0, 50), (6.0, 20)])]},
                [snapshot(5.0, 200), snapshot(6.0, 50), snapshot(7.0, 0)])
    cases.equal([row["birth"] for row in rows("objects", path)], [2.0, 3.0, 1.0],
                "by the size at the last snapshot that has any")
    by_tsize = rows("objects", path, "--sort", "tsize")
    cases.equal([(row["birth"], row["tsize"], row["final"]) for row in by_tsize],
                [(1.0, 100, 10), (2.0, 50, 20), (3.0, 50, 20)])


def all_are_shown_and_limits_are_of_what_is_left():
    path = dump("limit.dat", {"A": [tracked("A", float(i), []) for i in range(1, 5)],
                              "B": [tracked("B", float(i), []) for i in range(5, 105)]}, [])
    cases.equal(len(rows("objects", path)), 104)
    cases.equal(len(rows("objects", path, "--filter", "A", "--limit", "0.5")), 2)


def birth_is_a_state_and_dead_objects_keep_theirs():
    path = dump("states.dat", {"A": [tracked("A", 1.0, [(2.0, 8), (4.0, 12)], death=3.0, id=255)]},
                [snapshot(2.0, 8), snapshot(4.0, 12)])
    cases.equal(printed("objects", path).splitlines(),
                ["%-32s ( free )   %-35s" % ("A", ""), "  %-30s   16     B" % "00:00:01.00",
                 "  %-30s    8     B" % "00:00:02.00", "  %-30s   12     B" % "00:00:04.00",
                 "  %-30s finalize" % "00:00:03.00"])
    summary = rows("summary", path)
    cases.equal([(row["active"], row["size"]) for row in summary], [(1, 8), (0, 12)])
    cases.equal(rows("objects", path)[0]["size"], 16, "the largest, birth included")
    cases.equal([row["size"] for row in rows("histogram", path)], [16, 16], "what is gone counts with the size it had")
    cases.equal([row["duration"] for row in rows("snapshots", path)], [None, None], "pympler does not note it")


def equal_referents_come_last_first_and_small_ones_not_at_all():
    refs = [asized(100, name="a"), asized(100, [asized(60, name="deep")], name="b"), asized(300, name="c"),
            asized(0, name="none"), asized(1, name="a thousandth")]
    path = dump("refs.dat", {"A": [tracked("A", 1.0, [(2.0, asized(1000, refs))])]}, [snapshot(2.0, 1000)])
    shown = [line.split()[0] for line in printed("objects", path).splitlines() if line.startswith("    ")]
    cases.equal(shown, ["c", "b", "deep", "a"])


def percentages_are_of_virtual_memory_and_may_be_large():
    path = dump("percent.dat", {"A": [tracked("A", 1.0, [(2.0, 436300)])]}, [snapshot(2.0, 436300, vsz=10000)])
    cases.contains(printed("summary", path), " 4363%\n")
    result = rows("snapshots", path)[0]
    cases.equal((result["vsz"], result["rss"], result["total"]), (10000, 5000, None))


def times_of_no_snapshot_are_left_out_and_said():
    path = dump("stray.dat", {"A": [tracked("A", 1.0, [(2.0, 8), (2.5, 9)])]}, [snapshot(2.0, 8)])
    result = cases.run("memstats", "objects", path)
    cases.contains(result.stderr, "are left out: 1\n")
    with open(path, "ab") as more:
        more.write(b"more")
    cases.contains(cases.run("memstats", "objects", path).stderr, "4 bytes follow the dump")


# ---- Refusals ----

def limit_memory():
    if not SANITIZED:  # its shadow memory alone is terabytes of address space
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


def refuses(content, *parts, name="bad.dat"):
    with open(name, "wb") as out:
        out.write(content)
    for command in (["memstats", "objects", name], ["memreport", name, "-o", "bad.html"]):
        result = cases.run(*command, timeout=60, preexec_fn=limit_memory)
        cases.equal(result.returncode, 3, f"{command}: {result.stderr[:500]}")
        cases.equal(result.stderr.count("\n"), 1, result.stderr[:500])
        cases.equal(os.path.exists("bad.html"), False, "page")
        for part in (name,) + parts:
            cases.contains(result.stderr, part)


class Runs:
    def __reduce__(self):
        return os.system, ("touch was-run",)


def code_is_never_run():
    for protocol in (2, 3, 4, 5):
        refuses(pickle.dumps({"A": [Runs()]}, protocol), "posix.system", "run code")
        refuses(pickle.dumps(Runs(), protocol) * 2, "posix.system")
    refuses(b"\x80\x02cpympler.asizeof\nAsized\n(U\x01xtR.", "run code")
    refuses(b"\x80\x02ccollections\ndefaultdict\ncpympler.asizeof\nAsized\n\x85R.", "run code")
    refuses(b"\x80\x02(ios\nsystem\n.", "run code")
    refuses(b"\x80\x02(cos\nsystem\no.", "os.system")
    refuses(b"\x80\x02Pname\n.", "run code")
    refuses(b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system")
    cases.equal(os.path.exists("was-run"), False, "was run")


def something_else_is_named_as_that():
    for value in ({"a": 1}, [1, 2], "text", None, 7, (), {"a": [1]}, {1: []}, {"a": ["b"]}):
        refuses(pickle.dumps(value, 4), "not a dump")
        refuses(pickle.dumps(value, 4) * 2, "not a dump")
    refuses(pickle.dumps({"a": 1}, 0), "protocol 0 or 1")
    refuses(pickle.dumps({"a": 1}, 1), "protocol 0 or 1")
    refuses(b"\x80\x06N.", "protocol 6")
    refuses(pickle.dumps({1, 2}, 4) * 2, "opcode")
    refuses(pickle.dumps({}, 4) * 2, "not the list of snapshots")
    refuses(pickle.dumps({"A": [asized(1)]}, 4) + pickle.dumps([], 4), "no tracked object")
    refuses(pickle.dumps({}, 4) + pickle.dumps([Process()], 4), "list of snapshots")


def parts_that_are_shared_too_often():
    laughs = asized(1, name="ha")
    for _ in range(60):
        laughs = asized(1, (laughs,) * 10, name="ha")
    dump("bad.dat", {"A": [tracked("A", 1.0, [(2.0, laughs)])]}, [snapshot(2.0, 1)])
    with open("bad.dat", "rb") as bad:
        refuses(bad.read(), "far more than a dump of its size")
    states = [(1.0, asized(1))] * 100000
    thing = tracked("A", 1.0, [], snapshots=states)
    refuses(pickle.dumps({"A": [thing] * 100000}, 4) + pickle.dumps([snapshot(1.0, 1)], 4), "far more than")


    thing = tracked("A", 1.0, [], snapshots=[(2.0, asized(8))] * 1000000)
    refuses(pickle.dumps({"A": [thing] * 8}, 4) + pickle.dumps([snapshot(2.0, 1)], 4), "far more than")
    thing, moment = tracked("A", 1.0, []), snapshot(2.0, 1)
    refuses(pickle.dumps({f"{i}": [thing] for i in range(2000)}, 4) + pickle.dumps([moment] * 8000, 4),
            "far more than")


def attributes_that_are_shared_too_often():
    """A field that is searched for in all attributes of each object would take hours."""
    count = 100000
    attributes = b"\x8c\x05birthG" + struct.pack(">d", 1.0) + b"K\x01N" * count
    content = (b"\x80\x04}(\x8c\x01A](cpympler.classtracker\nTrackedObject\n\x94)\x81}\x94(%sub" % attributes +
               b"h\x00)\x81h\x01b" * count + b"eu." + pickle.dumps([snapshot(2.0, 1)], 4))
    refuses(content, "more attributes than any of a dump")
    # Filled when they belong to an object already.
    content = (b"\x80\x04}(\x8c\x01A](cpympler.classtracker\nTrackedObject\n\x94)\x81}\x94bh\x01(%su0" % attributes +
               b"h\x00)\x81")
    with open("late.dat", "wb") as out:
        out.write(content + b"h\x01b" + b"eu." + pickle.dumps([snapshot(2.0, 1)], 4))
    cases.equal(cases.run("memstats", "objects", "late.dat", timeout=60).returncode, 3)


def long_texts_that_are_shared_too_often():
    """A name of a mebibyte is looked through for each path that ends in it."""
    name = asized(1, name="n" * (1 << 20))
    tree = asized(1, [name], name="e")
    for _ in range(6):
        tree = asized(1, [name] + [asized(1, tree.refs, name=f"{i}") for i in range(8)], name="r")
    refuses(pickle.dumps({"A": [tracked("A", 1.0, [(2.0, tree)])]}, 4) + pickle.dumps([snapshot(2.0, 1)], 4),
            "far more than")
    line = "s" * (1 << 20)
    path = dump("lines.dat", {"A": [tracked("A", 1.0, [], trace=[("f", 1, "g", [line] * 100000, 0)])]}, [])
    limited = cases.run("memstats", "objects", path, timeout=60, preexec_fn=limit_memory)
    cases.equal((limited.returncode, limited.stderr), (0, ""))


def numbers_out_of_all_bounds():
    nan, inf = float("nan"), float("inf")
    for number in (-1, 1 << 70, -(1 << 70), nan, inf, -inf, 1e308, -1e308, 1e18, 4.7e9, 5e-324, -0.0):
        refs = (Asized(size=number, flat=number, refs=number, name="part"),) * 40
        whole = Asized(size=number, flat=number, refs=refs, name="whole")
        time = number if number - number == 0 else 2.0  # snapshots at no time are no snapshots
        path = dump("numbers.dat", {"A": [tracked("A", 1.0, [(time, whole)], id=number, _resolution_level=number,
                                                  death=number) for _ in range(60)]},
                    [snapshot(time, number, number, asizeof_total=number, overhead=number)] * 2)
        for table in ("summary", "objects", "sizes", "referents", "snapshots", "histogram"):
            printed(table, path, "--format", "json")
        printed("diff", path + "@1", path + "@2")
        for number_of in rows("summary", path):
            cases.equal(0 <= number_of["size"] < 1 << 64, True, f"sizes of {number}")
    path = dump("sum.dat", {"A": [tracked("A", 1.0, [(2.0, 1 << 70)])] * 60}, [snapshot(2.0, 1)])
    cases.equal([row["size"] for row in rows("summary", path)], [(1 << 64) - 1], "the sum does not wrap")
    refuses(pickle.dumps({"A": [Tracked(birth=nan)]}, 4) + pickle.dumps([], 4), "no tracked object")
    refuses(pickle.dumps({}, 4) + pickle.dumps([snapshot(nan, 1)], 4), "list of snapshots")


def texts_that_are_none():
    text = "A\0B\x1b[31m\n</script>"
    path = dump("texts.dat", {text: [tracked(text, 1.0, [(2.0, asized(4, [asized(3, name=text)]))], label=text)],
                              "A": [tracked("A", 1.0, [])], "A\0C": []}, [snapshot(2.0, 4, desc=text)])
    made = cases.run("memstats", "objects", path)
    cases.equal((made.returncode, "\x1b" in made.stdout, "\0" in made.stdout), (0, False, False))
    for bad in (b"\xff\xfe\xfd\xfc", b"\xed\xa0\x80\x80", b"\xf0\x9f\x98a"):
        with open(path, "wb") as out:
            for part in ({"QQQQ": [tracked("QQQQ", 1.0, [], label="QQQQ")], "RRRR": []}, [snapshot(2.0, 4)]):
                out.write(pickle.dumps(part, 4).replace(b"QQQQ", bad).replace(b"RRRR", bad))
        cases.equal(len(rows("objects", path)), 1, "classes of one name")
        cases.equal(cases.run("memreport", path, "-o", "texts.html").returncode, 0)


def circles_and_depths():
    circle = asized(1, name="round")
    circle.refs = (asized(1, (circle,), name="and round"),)
    refuses(pickle.dumps({"A": [tracked("A", 1.0, [(2.0, circle)])]}, 4) + pickle.dumps([snapshot(2.0, 1)], 4),
            "part of itself")
    refuses(b"\x80\x04" + b"]" * 1000000 + b"a" * 999999 + b".", "far more memory")
    refuses(b"\x80\x04" + b"(]000000" * 1000000 + b".", "operands")
    refuses(b"\x80\x04" + b"(" * 1000000 + b"t" * 999999 + b".", "pickle")
    refuses(b"\x80\x04]\x94" + b"h\x00a" + b".", "not a dump")
    deep = asized(1, name="bottom")
    for _ in range(100):
        deep = asized(1, (deep,), name="deeper")
    path = dump("deep.dat", {"A": [tracked("A", 1.0, [(2.0, deep)])]}, [snapshot(2.0, 1)])
    result = cases.run("memstats", "objects", path)
    cases.equal(result.returncode, 0, result.stderr)
    cases.contains(result.stderr, "are left out: 1\n")


def lengths_that_lie():
    refuses(b"\x80\x02\x8b" + struct.pack("<I", 0x7fffffff) + b"x.", "before its end")
    refuses(b"\x80\x02\x8b" + struct.pack("<I", 0xffffffff) + b"x.", "before its end")
    refuses(b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.", "before its end")
    refuses(b"\x80\x04\x8d" + struct.pack("<Q", (1 << 64) - 1) + b"N.", "before its end")
    refuses(b"\x80\x02X" + struct.pack("<I", 0xfffffff0) + b"x.", "before its end")
    refuses(b"\x80\x02Nr" + struct.pack("<I", 0xffffffff) + b".", "memo")
    refuses(b"\x80\x02j" + struct.pack("<I", 5) + b".", "memo")
    refuses(b"\x80\x02K", "before its end")
    refuses(b"\x80\x02", "before its end")
    refuses(b"\x80\x02.", "one value")
    refuses(b"\x80\x02b.", "operands")
    refuses(b"\x80\x02(b.", "operands")
    refuses(b"\x80\x02I12x\n.", "digits")
    refuses(b"\x80\x02" + b"]" * 5000000, "far more memory")


def cut_dumps_are_refused():
    with open(os.path.join(DUMPS, "shop-1.1-py3.13.dat"), "rb") as whole:
        content = whole.read()
    second = content.index(b"\x80", content.index(b"\x80\x05\x95") + 100)
    for length in (3, 100, len(content) // 2, len(content) - 1):
        refuses(content[:length], "not written completely")
    first = len(pickle.dumps({}, 4))
    refuses(pickle.dumps({}, 4)[:first], "no second part")
    cases.equal(second > 0, True)


cases.main(real_dumps_print_what_pympler_printed, pympler_agrees_where_it_is_there, several_at_once_and_standard_input,
           a_report_is_made_of_a_dump, a_dump_becomes_a_log,
           default_order_is_pymplers_and_tsize_is_of_the_largest,
           all_are_shown_and_limits_are_of_what_is_left, birth_is_a_state_and_dead_objects_keep_theirs,
           equal_referents_come_last_first_and_small_ones_not_at_all,
           percentages_are_of_virtual_memory_and_may_be_large, times_of_no_snapshot_are_left_out_and_said,
           code_is_never_run, something_else_is_named_as_that, parts_that_are_shared_too_often,
           attributes_that_are_shared_too_often, long_texts_that_are_shared_too_often, numbers_out_of_all_bounds,
           texts_that_are_none, circles_and_depths,
           lengths_that_lie, cut_dumps_are_refused)
