#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What bad input gets: no crash, no hang, bounded memory, and the exit status and
message that the man pages promise, from memstats and from memreport."""

# sanitizers: yes

import json
import os
import random
import resource
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import log_making
from log_making import block, compress, raw_block, stream_block, strings

TABLES = ["summary", "runs", "snapshots", "classes", "objects", "sizes", "referents", "samples", "marks",
          "histogram", "health"]
PAGE = "page.html"
SANITIZED = os.path.basename(cases.BUILD) == "asan"
MEMORY_MAX = 400 << 20


def limit_memory():
    if not SANITIZED:  # its shadow memory alone is terabytes of address space
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


def run(*command, **options):
    """Ends by itself, not by a signal, within its time and memory."""
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                               stdout=options.get("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                               preexec_fn=limit_memory)
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"{command}: still running after 60 s") from None
    process.out, process.err = out or b"", err.decode("utf-8", "replace")
    if process.returncode < 0 or process.returncode > 4:
        raise AssertionError(f"{command}: status {process.returncode}: {process.err[:3000]}")
    return process


def each_command(path):
    return [["memstats", "summary", path], ["memstats", "objects", path], ["memreport", path, "-o", PAGE]]


def refuses(path, *parts):
    """Exit 3, and one line that names the file and says what is wrong."""
    for command in each_command(path):
        if os.path.exists(PAGE):
            os.unlink(PAGE)
        result = run(*command)
        cases.equal(result.returncode, 3, f"{command}: {result.err}")
        cases.equal(result.err.count("\n"), 1, f"lines of {result.err!r}")
        cases.equal(result.out, b"", "standard output")
        for part in (path, *parts):
            cases.contains(result.err, part)
        assert not os.path.exists(PAGE), "a page was left behind"


def survives(path, statuses=(0, 3)):
    for command in [["memstats", table, path] for table in TABLES] + [["memreport", path, "-o", PAGE],
                                                                      ["memstats", "verify", path]]:
        result = run(*command)
        wanted = (*statuses, 1) if command[1] == "verify" else statuses
        if result.returncode not in wanted:
            raise AssertionError(f"{command}: status {result.returncode}: {result.err}")
        shown(result.out)
        shown(result.err.encode())


def shown(output):
    """No control character reaches a terminal."""
    bad = [byte for byte in output if (byte < 32 and byte not in b"\n\t") or byte == 127]
    cases.equal(bad, [], f"control characters in {output[:300]!r}")


def good_log(*more, names=(b"Node", b"loaded")):
    """A whole log: a class, three objects, one of them gone, a snapshot."""
    log = log_making.Log()
    log.frame(stream_block(), strings(*names),
              block("CLASSES", id=[1], name=[1], parent=[0], size=[48]), *more)
    log.frame(block("BIRTHS", object=[1, 2, 3], time=[1000, 1500, 1600], **{"class": [1, 1, 1]}, stack=[0, 0, 0],
                    address=[4096, 8192, 12288]), block("DEATHS", object=[1], time=[9000], reason=[0]))
    log.frame(block("SIZES", snapshot=[1], object=[2], size=[64], flat=[64]))
    log.frame(block("SNAPSHOTS", number=[1], time=[5000], duration=[700], description=[2], flags=[1], count=[3],
                    size=[160], overhead=[4096], rss=[1048577]),
              block("CLASS_TOTALS", snapshot=[1], **{"class": [1]}, count=[3], size=[160], flat=[160], min=[48],
                    max=[64]))
    return log


# ---- files ---------------------------------------------------------------------


def a_good_log_is_read():
    path = good_log().end().write("good.dat")
    cases.equal(run("zstd", "-tq", path).returncode, 0)
    for command in each_command(path):
        result = run(*command)
        cases.equal((result.returncode, result.err), (0, ""), str(command))
    rows = json.loads(run("memstats", "objects", path, "--format", "json").out)["rows"]
    cases.equal(sorted(row["size"] for row in rows), [48, 48, 64])


def missing_file():
    refuses("nothing.dat", "No such file")


def empty_file():
    open("empty.dat", "wb").close()
    refuses("empty.dat", "empty")


def directory():
    os.mkdir("folder")
    refuses("folder", "directory")


def unreadable_file():
    good_log().write("unreadable.dat")
    os.chmod("unreadable.dat", 0)
    # Root reads everything, but for the capability to do so.
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    for command in each_command("unreadable.dat"):
        result = run(*without, *command)
        cases.equal(result.returncode, 3, result.err)
        cases.contains(result.err, "unreadable.dat")
        cases.contains(result.err, "Permission denied")


def not_a_log():
    for name, data in (("text.dat", b"hello, this is a text\n" * 50), ("other.zst", compress(b"x" * 1000)),
                       ("zeros.dat", bytes(100000)), ("program.dat", open("/bin/true", "rb").read()),
                       ("one.dat", b"P")):
        with open(name, "wb") as file:
            file.write(data)
        refuses(name, "not a")


def newer_major_version():
    log_making.Log(major=2).frame(stream_block()).write("newer.dat")
    refuses("newer.dat", "2.0", "1.3")


def unknown_feature():
    log_making.Log(features=4).frame(stream_block()).write("feature.dat")
    refuses("feature.dat")


def newer_minor_version():
    log = good_log(raw_block(200, 1, [(1, 0, b"\x07")]), raw_block(33, 1, [(1, 0, b"\x07"), (31, 0, b"\x01")]))
    log.parts[0] = log_making.Log(minor=9).parts[0]
    path = log.end().write("minor.dat")
    result = run("memstats", "summary", path)
    cases.equal(result.returncode, 0, result.err)


def nothing_in_it():
    for name, log in (("header.dat", log_making.Log()), ("stream.dat", log_making.Log().frame(stream_block())),
                      ("ended.dat", log_making.Log().frame(stream_block()).end())):
        path = log.write(name)
        survives(path, statuses=(0,))
        assert run("memstats", "summary", path).out.strip(), f"{name}: no word about it"


# ---- damage ----------------------------------------------------------------------


def cut_at_any_byte():
    data = good_log().end().data()
    step = 7 if SANITIZED else 1
    for length in range(1, len(data), step):
        with open("cut.dat", "wb") as file:
            file.write(data[:length])
        result = run("memstats", "objects", "cut.dat", "--format", "json")
        if result.returncode == 0:
            json.loads(result.out)
            assert result.err, f"cut at {length}: no word about it"
        else:
            cases.equal(result.returncode, 3)
    for length in (60, 100, 200, len(data) - 20, len(data) - 1):
        with open("cut.dat", "wb") as file:
            file.write(data[:length])
        survives("cut.dat")


def flipped_bits():
    data = good_log().end().data()
    generator = random.Random(20261120)
    for _ in range(60 if SANITIZED else 300):
        damaged = bytearray(data)
        for _ in range(generator.choice([1, 1, 1, 5, 50])):
            damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
        with open("flipped.dat", "wb") as file:
            file.write(damaged)
        run(*generator.choice(each_command("flipped.dat")))


def trailing_garbage():
    with open("garbage.dat", "wb") as file:
        file.write(good_log().end().data() + b"garbage at the end" * 100)
    result = run("memstats", "objects", "garbage.dat", "--format", "json")
    cases.equal(result.returncode, 0)
    cases.equal(len(json.loads(result.out)["rows"]), 3)
    assert result.err, "no word about it"


def joined_logs_are_two_runs():
    second = good_log()
    second.parts[0] = log_making.Log(pid=4712, start_ticks=100).parts[0]
    second.parts[1] = log_making.Log().frame(
        stream_block(pid=4712, start_ticks=100), strings(b"Leaf", b"x"),
        block("CLASSES", id=[1], name=[1], parent=[0], size=[48])).parts[1]
    with open("both.dat", "wb") as file:
        file.write(good_log().end().data() + second.end().data())
    result = run("memstats", "runs", "both.dat", "--format", "json")
    cases.equal((result.returncode, result.err), (0, ""))
    cases.equal(len(json.loads(result.out)["rows"]), 2)


def a_frame_lost_in_the_middle():
    for lost in range(1, 5):
        log = good_log().end()
        damaged = bytearray(b"".join(data for data, _ in log.parts))
        at = sum(len(data) for data, _ in log.parts[:lost])
        damaged[at + len(log.parts[lost][0]) // 2] ^= 0xFF
        with open("lost.dat", "wb") as file:
            file.write(damaged)
        survives("lost.dat", statuses=(0,))
        cases.contains(run("memstats", "summary", "lost.dat").err + run("memstats", "objects", "lost.dat").err,
                       "lost.dat")


# ---- lies ------------------------------------------------------------------------


def lying_lengths():
    lies = {
        "block longer than its frame": raw_block(24, 1, [(1, 0, b"\x01")], length=1 << 20),
        "column longer than its block": struct.pack("<BBHII", 24, 1, 0, 1, 6) + struct.pack("<BBI", 1, 0, 1 << 30),
        "a billion rows": raw_block(16, 10**9, [(1, 2, b"\x01\x80\x94\xeb\xdc\x03")]),
        "rows without bytes": raw_block(16, 1 << 20, []),
        "too many objects": raw_block(16, 1 << 20, [(1, 3, b"\x02\x80\x80\x40"), (3, 2, b"\x01\x80\x80\x40")]) * 8,
        "runs of none": raw_block(16, 3, [(1, 2, b"\x01\x00\x02\x03")]),
        "a varint without end": raw_block(16, 1, [(1, 0, b"\xff" * 30)]),
        "reserved bytes": raw_block(16, 1, [(1, 0, b"\x05")], reserved=7),
        "strings longer than their bytes": block("STRINGS", id=[9, 10], length=[5, 2**63], bytes=b"hello"),
        "an unknown encoding": raw_block(16, 1, [(1, 9, b"\x05")]),
        "ids that nothing defines": block("BIRTHS", object=[7], time=[1], **{"class": [77]}, stack=[88],
                                          address=[1], name=[99]),
        "huge ids": block("BIRTHS", object=[2**64 - 1, 2**63], time=[1, 2], **{"class": [2**64 - 1, 2**32]}),
        "huge sizes": block("SIZES", snapshot=[1, 1], object=[2, 3], size=[2**64 - 1] * 2, flat=[2**64 - 1] * 2),
        "huge snapshot numbers": block("SNAPSHOTS", number=[2**64 - 1, 2**40], time=[2**64 - 1, 3]),
        "huge times": block("SAMPLES", time=[2**64 - 1, 0], rss=[2**64 - 1, 2**63], vsz=[1, 2]),
    }
    for name, lie in lies.items():
        path = good_log().frame(lie).end().write("lie.dat")
        try:
            survives(path)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


def cycles_in_ids():
    cycles = [
        block("CLASSES", id=[1, 5, 6], name=[1, 1, 1], parent=[1, 6, 5], size=[48, 1, 1]),
        block("STACKS", id=[1, 2, 3], parent=[2, 1, 3], code=[1, 1, 1]) + block("CODE", id=[1], function=[1]) +
        block("BIRTHS", object=[8, 9], time=[1, 2], **{"class": [1, 1]}, stack=[1, 3]),
        block("PATHS", id=[1, 2, 3], parent=[2, 1, 3], name=[1, 1, 1]) +
        block("REFERENT_TOTALS", snapshot=[1, 1], **{"class": [1, 1]}, path=[1, 3], count=[1, 1], size=[8, 8]) +
        block("REFERENTS", snapshot=[1, 1], object=[2, 2], path=[1, 3], count=[1, 1], size=[8, 8]),
        block("PROCESS", time=[0], name=[1], parent_pid=[4711], parent_start_ticks=[99]),
    ]
    for cycle in cycles:
        survives(good_log().frame(cycle).end().write("cycle.dat"))


def decompression_bomb():
    """A gigabyte of zeros in a frame of a few kilobytes; no more is used than a frame may hold."""
    zeros = subprocess.run("head -c 1073741824 /dev/zero | zstd -qc -3 --stream-size=1073741824",
                           shell=True, stdout=subprocess.PIPE, check=True).stdout
    with open("bomb.dat", "wb") as file:
        file.write(good_log().data() + zeros)
    for command in each_command("bomb.dat"):
        result = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(result.pid, 0)
        assert os.waitstatus_to_exitcode(status) in (0, 3), command
        if not SANITIZED and usage.ru_maxrss * 1024 > MEMORY_MAX:
            raise AssertionError(f"{command}: {usage.ru_maxrss} KiB")


# ---- names -------------------------------------------------------------------------


def hostile_names():
    names = {
        "html": b"<script>alert(1)</script><img src=x onerror=alert(1)>&amp;\"'",
        "controls": b"\x1b[31mred\x1b[0m\r\n\t\x07\x00\xc2\x9b2J",
        "not utf-8": b"\xff\xfe\xc0\x80\xed\xa0\x80",
        "turned round": "\u202egnp.exe".encode(),
        "a megabyte": b"x" * (1 << 20),
    }
    for what, name in names.items():
        path = good_log(names=(name, name)).end().write("names.dat")
        try:
            survives(path, statuses=(0,))
            with open(PAGE, "rb") as file:
                page = file.read()
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from None
        assert b"<script>alert" not in page and b"<img src=x" not in page, f"{what} is interpreted in the page"
        page.decode("utf-8")
        assert not any(byte < 32 and byte not in b"\t\n" for byte in page), f"{what}: control characters in the page"
        assert len(page) < 1 << 20, f"{what}: a page of {len(page)} bytes"


# ---- options -------------------------------------------------------------------------


def wrong_options():
    path = good_log().end().write("good.dat")
    wrong = [
        (["objects", path, "--limit", "nan"], ["--limit"]),
        (["objects", path, "--limit", "-1"], ["--limit"]),
        (["objects", path, "--limit", "inf"], ["--limit"]),
        (["objects", path, "--limit", "99999999999999999999"], ["--limit"]),
        (["objects", path, "--limit", "1.5"], ["--limit"]),
        (["objects", path, "--limit", ""], ["--limit"]),
        (["objects", path, "--limit"], ["--limit"]),
        (["objects", path, "--sort", "nosuch"], ["--sort", "nosuch", "size", "birth"]),
        (["objects", path, "--sort", ""], ["--sort"]),
        (["objects", path, "--where", "size>>1"], ["--where"]),
        (["objects", path, "--where", "nosuch=1"], ["--where", "nosuch"]),
        (["objects", path, "--where", "size>=lots"], ["--where", "lots"]),
        (["objects", path, "--match", "("], ["--match"]),
        (["objects", path, "--columns", "nosuch"], ["--columns", "nosuch"]),
        (["objects", path, "--format", "xml"], ["--format", "xml", "json"]),
        (["objects", path, "--nosuch"], ["--nosuch"]),
        (["objects"], ["FILE"]),
        ([], []),
    ]
    for words, parts in wrong:
        result = run("memstats", *words)
        cases.equal(result.returncode, 2, f"memstats {words}: {result.err}")
        cases.equal((result.out, result.err.count("\n")), (b"", 1), f"memstats {words}")
        for part in parts:
            cases.contains(result.err, part)
    for words, part in (([path, "--limit", "-1"], "--limit"), ([path, "--max-size", "nan"], "--max-size"),
                        ([path, "--nosuch"], "--nosuch"), ([], "FILE")):
        result = run("memreport", *words)
        cases.equal(result.returncode, 2, f"memreport {words}: {result.err}")
        cases.contains(result.err, part)


# ---- outputs ---------------------------------------------------------------------------


def full_disk():
    path = good_log().end().write("good.dat")
    with open("/dev/full", "wb") as full:
        for command in (["memstats", "objects", path], ["memstats", "summary", path, "--format", "json"],
                        ["memstats", "--help"], ["memreport", path, "-o", "-"]):
            result = run(*command, stdout=full)
            cases.equal(result.returncode, 4, f"{command}: {result.err}")
            cases.contains(result.err, "No space left")
    cases.equal(run("memreport", path, "-o", "/dev/full").returncode, 4)


def closed_pipe():
    path = good_log().end().write("good.dat")
    for command in (["memstats", "objects", path], ["memreport", path, "-o", "-"]):
        reader, writer = os.pipe()
        os.close(reader)
        result = run(*command, stdout=writer)
        os.close(writer)
        cases.equal(result.returncode, 4, f"{command}: {result.err}")


def unwritable_folder():
    path = good_log().end().write("good.dat")
    for target in ("nowhere/page.html", "/proc/page.html", "."):
        result = run("memreport", path, "-o", target)
        cases.equal(result.returncode, 4, result.err)
        cases.contains(result.err, target)
    cases.equal([name for name in os.listdir(".") if "partial" in name], [])


cases.main(a_good_log_is_read, missing_file, empty_file, directory, unreadable_file, not_a_log, newer_major_version,
           unknown_feature, newer_minor_version, nothing_in_it, cut_at_any_byte, flipped_bits, trailing_garbage,
           joined_logs_are_two_runs, a_frame_lost_in_the_middle, lying_lengths, cycles_in_ids, decompression_bomb,
           hostile_names, wrong_options, full_disk, closed_pipe, unwritable_folder)
