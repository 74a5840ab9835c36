#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: no
"""Recording the heap of a command: what memrecord itself decides. Which programs it takes, where
its library comes from, images of one process, snapshots, limits, single events.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("MR_ROOT", "."), "tests/lib"))
import cases  # noqa: E402
from heap_recording import KNOWN, images, record, start  # noqa: E402
from recording import MEMRECORD, is_whole, processes, wait_for  # noqa: E402

PRELOAD = os.path.join(cases.BUILD, "libmemrecord.so")
INTERVAL, PEAK, MARK, REQUEST, END = 1, 2, 3, 4, 5
ALLOC, FREE, REALLOC = 0, 1, 2
PAUSES = """
import os, sys, time
kept = [bytearray(5_000_000)]
print("ready", flush=True)
sys.stdin.readline()
"""


def compiled(name, text, *flags):
    with open(name + ".c", "w", encoding="ascii") as file:
        file.write(text)
    subprocess.run([os.environ.get("CC", "cc").split()[0], "-o", name, name + ".c", *flags], check=True)
    return os.path.abspath(name)


def static_programs_are_refused():
    """Before anything runs, with a word on what to do; a script is what its interpreter is."""
    program = compiled("static", "#include <stdio.h>\nint main(void) { return puts(\"ran\") < 0; }\n", "-static")
    with open("script", "w", encoding="ascii") as file:
        file.write(f"#!{program} -x\n")
    os.chmod("script", 0o755)
    for words in ([program], ["./script"]):
        result = record(*words)
        cases.equal((result.returncode, result.stdout), (125, ""), words)
        cases.contains(result.stderr, "link it dynamically")
        cases.contains(result.stderr, "--sample-only")
        cases.equal(os.path.exists("t.dat"), False)
    cases.equal(cases.run(MEMRECORD, "--sample-only", "-o", "t.dat", "--", program).stdout, "ran\n")


def programs_with_rights_are_refused():
    if os.getuid() != 0 or not shutil.which("setpriv"):
        raise cases.Skip("needs root")
    shutil.copy("/bin/true", "entitled")
    os.chmod("entitled", 0o4755)
    os.chmod(".", 0o777)
    result = cases.run("setpriv", "--reuid", "65534", "--clear-groups", MEMRECORD, "-o", "t.dat", "--", "./entitled")
    cases.equal(result.returncode, 125)
    cases.contains(result.stderr, "set-user-ID")
    # Who has these rights anyway gains none.
    cases.equal(record("./entitled").returncode, 0)


def a_library_with_a_strange_path():
    """A folder with a space and a colon in its name, and a library that is preloaded already."""
    os.makedirs("a place: here")
    for path in (MEMRECORD, PRELOAD):
        shutil.copy(path, "a place: here")
    environment = dict(os.environ, LD_PRELOAD="libm.so.6")
    result = cases.run("./a place: here/memrecord", "-o", "t.dat", "--", "sh", "-c", "echo $LD_PRELOAD; exec true",
                       env=environment)
    cases.equal(result.returncode, 0, result.stderr)
    cases.equal(result.stdout.split(":")[1:], ["libm.so.6\n"])
    cases.equal(len(images()), 2)


def the_library_needs_the_c_library_alone_and_shows_what_it_replaces():
    cases.equal(cases.needed_libraries(PRELOAD), [])
    allocating = ["aligned_alloc", "calloc", "cfree", "free", "malloc", "malloc_usable_size", "memalign",
                  "posix_memalign", "pvalloc", "realloc", "reallocarray", "valloc"]
    others = ["dlclose", "mmap", "mmap64", "mremap", "munmap", "prctl", "pthread_setname_np", "syscall"]
    cases.equal(sorted(cases.shown_names(PRELOAD)),
                sorted([*allocating, *others, "memrecord_mark", "memrecord_name_thread"]))


def a_library_that_is_missing():
    os.makedirs("alone")
    shutil.copy(MEMRECORD, "alone")
    result = cases.run("./alone/memrecord", "-o", "t.dat", "--", "true")
    cases.equal((result.returncode, result.stdout), (125, ""))
    cases.contains(result.stderr, "libmemrecord.so")


def exec_begins_another_image():
    """Many of them, so quickly that several are found at once: each ends with a snapshot, none is lost."""
    script = "n=$1; [ $n = 0 ] || exec sh \"$0\" $((n - 1)); exec true"
    with open("chain", "w", encoding="ascii") as file:
        file.write(script)
    result = record("sh", "chain", "20")
    cases.equal(result.returncode, 0, result.stderr)
    found = images()
    cases.equal(len(found), 22)
    cases.equal(len({(image.pid, image.identity["start_ticks"]) for image in found}), 1)
    for image in found:
        cases.equal([row["reason"] for row in image.heap_snapshots], [END])
    is_whole()


def a_peak_before_exec():
    """The peak is that of all images, what leaked that of the last; an image ends when the next begins."""
    big = compiled("big", "#include <stdlib.h>\n#include <unistd.h>\nint main(int n, char **words) {\n"
                   "char *volatile kept = malloc(n > 1 ? 7000000 : 70); kept[0] = 1;\n"
                   "if (n > 1) return execl(words[0], words[0], NULL);\n"
                   "usleep(100000); return 0; }\n")
    result = record(big, "first")
    cases.equal(result.returncode, 0, result.stderr)
    cases.contains(result.stderr, "peak heap 6.68 MiB, leaked 70 B in 1 block, peak rss")
    first, last = sorted(images(), key=lambda image: image.start)
    over = first.start + first.last["time"]
    cases.equal(over, last.start)
    table = json.loads(cases.run("memstats", "runs", "t.dat", "-F", "json").stdout)["rows"]
    cases.equal([(row["heap_peak"], row["leaked"]) for row in table], [(7000000, 70)])


def images_have_names():
    """However short they lived: each says itself what it was started as, and by whom."""
    program = "for i in 1 2 3 4 5 6 7 8; do env basename /x/secret$i; done; exec env printf last"
    for options in ([], ["--no-args"]):
        result = record("sh", "-c", program, options=options)
        cases.equal(result.returncode, 0, result.stderr)
        table = cases.run("memstats", "runs", "t.dat", "-F", "json", "-c", "run,name,parent,command").stdout
        root, *children = json.loads(table)["rows"]
        words = ["basename /x/secret%d", "printf last"] if not options else ["basename", "printf"]
        cases.equal((root["name"], root["command"]), ("printf", words[1]))
        cases.equal([(row["name"], row["parent"]) for row in children], [("basename", 1)] * 8)
        cases.equal([row["command"] for row in children],
                    [words[0] % (i + 1) if not options else words[0] for i in range(8)])
        with open("t.dat", "rb") as log:
            raw = subprocess.run(["zstd", "-dc"], stdin=log, stdout=subprocess.PIPE, check=True).stdout
        cases.equal(b"secret" in raw, not options)


def pipes_of_commands():
    """Processes that fork, exec and end all at once: nothing hangs, each image is there."""
    for _ in range(5):
        result = record("sh", "-c", "seq 20000 | sort -n | head -3; ls / >/dev/null", timeout=60)
        cases.equal((result.returncode, result.stdout), (0, "1\n2\n3\n"), result.stderr)
    # Each says itself who it is: the sampler may come too late.
    names = {image.names[-1] for image in images() if image.names}
    cases.equal({"sort", "head", "ls"} <= names, True, names)


def the_end_sums_up():
    """Each snapshot's rows add up to what the snapshot says; the histogram has all allocations."""
    result = record(sys.executable, "-c", "import json; json.dumps(list(range(50000)))", env=dict(
        os.environ, PYTHONMALLOC="malloc"))
    cases.equal(result.returncode, 0, result.stderr)
    image = images()[-1]
    sites = image.sites().values()
    for column in ("live", "live_count", "peak", "peak_count", "total", "count", "temporary", "grown"):
        cases.equal(sum(row[column] for row in sites), image.last[column], column)
    cases.equal(image.last["count"] - image.last["frees"], image.last["live_count"])
    sizes = [row for row in image.stream.rows["HEAP_HISTOGRAM"] if row["stack"] == 0 and row["measure"] == 0]
    cases.equal(sum(row["count"] for row in sizes), image.last["count"])
    cases.equal(sum(row["total"] for row in sizes), image.last["total"])
    ends = [row for row in image.stream.rows["HEAP_HISTOGRAM"] if row["stack"] == 0 and row["measure"] == 1]
    cases.equal(sum(row["count"] for row in ends), image.last["frees"])
    curve = image.stream.rows["HEAP_SAMPLES"]
    cases.equal(max(row["live_max"] for row in curve) <= image.last["peak"], True)
    threads = image.stream.rows["HEAP_THREADS"]
    cases.equal(sum(row["count"] for row in threads), image.last["count"])
    # The closing line says the same.
    cases.contains(result.stderr, "peak heap ")
    cases.contains(result.stderr, f"in {image.last['live_count']} blocks")


def memory_that_is_elsewhere():
    """A program with an allocator of its own is not to be taken for one that needs no memory."""
    result = record(sys.executable, "-c", "import mmap; m = mmap.mmap(-1, 256 << 20)\n"
                    "for i in range(0, len(m), 4096): m[i] = 1")
    cases.equal(result.returncode, 0, result.stderr)
    cases.contains(result.stderr, "hardly any of the memory came from the C library's allocator")
    result = record(sys.executable, "-c", "b'x' * (64 << 20)")
    cases.equal("hardly any" in result.stderr, False, result.stderr)


def memory_of_children_is_not_the_command_s():
    """The closing line tells of the command; that the kernel counts the largest of its children in is no news."""
    program = "import mmap, time; m = mmap.mmap(-1, 256 << 20); m.write(bytes(256 << 20)); time.sleep(0.1)"
    result = record("sh", "-c", f"{sys.executable} -c '{program}'; exit 0")
    peak, unit = re.search(r", peak rss ([\d.]+) (\S+) \(\d+ processes together ", result.stderr).groups()
    cases.equal((unit, float(peak) < 100), ("MiB", True), result.stderr)
    cases.equal("hardly any" in result.stderr, False, result.stderr)


def programs_that_are_not_recorded_after_an_exec():
    """What they replace was recorded; that is not taken for all that there is to say of the process."""
    result = record("env", "-i", shutil.which("sleep"), "0.3")
    cases.contains(result.stderr, "the heap of 1 process was not recorded")
    cases.contains(result.stderr, ": sleep\n")
    result = record("sh", "-c", "exec env sleep 0.3")
    cases.equal("not recorded" in result.stderr, False, result.stderr)


def a_signal_takes_a_snapshot():
    recorder = start(sys.executable, "-c", PAUSES, stdin=subprocess.PIPE)
    cases.equal(recorder.stdout.readline(), "ready\n")
    recorder.send_signal(signal.SIGUSR1)
    wait_for(lambda: any(row["reason"] == REQUEST for image in partial_images() for row in image.heap_snapshots),
             "a snapshot in the log")
    recorder.communicate("\n")
    cases.equal(recorder.returncode, 0)
    image = images()[-1]
    cases.equal([row["reason"] for row in image.heap_snapshots if row["reason"] in (REQUEST, END)], [REQUEST, END])
    cases.equal(image.heap_snapshots[0]["live"] >= 5_000_000, True)


def partial_images():
    """What a log that is being written has so far."""
    shutil.copy("t.dat", "part.dat")
    try:
        return images("part.dat")
    except subprocess.CalledProcessError:
        return []


def single_events():
    """--events: the rows say what the sums say, and a free names the allocation that it ends."""
    result = record(KNOWN, "sums", 2, 300, options=["--events"])
    cases.equal(result.returncode, 0, result.stderr)
    image = images()[-1]
    rows = image.stream.rows["HEAP_EVENTS"]
    made = [row for row in rows if row["kind"] in (ALLOC, REALLOC)]
    cases.equal(len(made), image.last["count"])
    cases.equal(sum(row["size"] for row in made), image.last["total"])
    live, serial = {}, 0
    for row in rows:
        if row["back"]:
            del live[serial - row["back"] + 1]
        if row["kind"] in (ALLOC, REALLOC):
            serial += 1
            live[serial] = row["size"]
    cases.equal((sum(live.values()), len(live)), (image.last["live"], image.last["live_count"]))
    cases.equal([row["time"] for row in rows], sorted(row["time"] for row in rows))


def a_limited_log():
    """--max-size: samples and snapshots stop, the last snapshot and the names are there."""
    program = "kept = []\nfor i in range(150000): kept.append({str(i): [i] * 3})"
    result = record(sys.executable, "-c", program, options=["--events", "--max-size", "128K"], env=dict(
        os.environ, PYTHONMALLOC="malloc"))
    cases.equal(result.returncode, 0)
    cases.contains(result.stderr, "--max-size")
    image = images()[-1]
    cases.equal(image.last["reason"], END)
    cases.equal(image.last["count"] > 300000, True)
    cases.equal(sum(row["total"] for row in image.sites().values()), image.last["total"])
    cases.equal(len(image.stream.rows["SYMBOLS"]) > 0, True)
    is_whole()


def what_memrecord_needed():
    """In a short run, too."""
    record("true")
    cases.equal(processes()[0].counters["heap.writer_memory"] > 10_000, True)


def names_are_left_out():
    record("true", options=["--no-symbols"])
    cases.equal(sum(len(image.stream.rows["SYMBOLS"]) for image in images()), 0)
    cases.equal(cases.run("memstats", "symbolize", "t.dat").returncode, 0)
    cases.equal(cases.run("memstats", "sites", "t.dat").returncode, 0)


def processes_that_are_not_recorded():
    """A static program in the tree is counted and named; a child that allocates nothing is not."""
    program = compiled("unseen", "#include <unistd.h>\nint main(void) { usleep(50000); return 0; }\n", "-static")
    result = record("sh", "-c", f"{program}; true")
    cases.equal(result.returncode, 0, result.stderr)
    root = processes()[0]
    cases.equal(root.counters["heap.unrecorded"], 1)
    cases.equal(root.settings["heap.unrecorded"], "unseen")


if __name__ == "__main__":
    cases.main(static_programs_are_refused, programs_with_rights_are_refused, a_library_with_a_strange_path,
               the_library_needs_the_c_library_alone_and_shows_what_it_replaces,
               a_library_that_is_missing, exec_begins_another_image, a_peak_before_exec, images_have_names,
               pipes_of_commands, the_end_sums_up, memory_that_is_elsewhere,
               memory_of_children_is_not_the_command_s, programs_that_are_not_recorded_after_an_exec,
               a_signal_takes_a_snapshot, single_events, a_limited_log, what_memrecord_needed, names_are_left_out,
               processes_that_are_not_recorded)
