#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the heap's recorder must not change: programs that bind themselves (to few system
calls, to memory that stays, to a little address space), programs that are built otherwise
(other C libraries, sanitizers), and how much of a program a core dump holds."""

import os
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from heap_recording import UNRECORDED_ALLOCATIONS, images, record
from recording import PYTHON, is_whole

BOUNDS = os.path.join(cases.BUILD, "fixtures/heap_bounds")
ALLOCATES = "#include <stdlib.h>\nint main(void) { char *volatile p = malloc(1234); free(p); return 5; }\n"
LARGE = 64 << 20  # bytes: more than the recorder has any use for


def bound(way, **more):
    """The program does as it does without memrecord."""
    plain = cases.run(BOUNDS, way, **more)
    cases.equal(plain.returncode, 0, plain.stderr)
    result = record(BOUNDS, way, **more)
    cases.equal(result.returncode, 0, result.stderr)
    is_whole()
    return plain.stdout, result.stdout, result.stderr


def the_image():
    (image,) = [image for image in images() if image.last["count"] > 0]
    return image


def few_system_calls():
    """None of the recorder's is among them; nothing is lost."""
    plain, recorded, _ = bound("filter")
    cases.equal(recorded, plain)
    image = the_image()
    cases.equal(image.last["count"], 200_010)
    cases.equal(image.counters.get(UNRECORDED_ALLOCATIONS, 0), 0)


def no_system_calls():
    """Not even the clock: what follows is not recorded, and counted."""
    plain, recorded, said = bound("strict")
    cases.equal(recorded, plain)
    image = the_image()
    cases.equal((image.last["count"], image.counters[UNRECORDED_ALLOCATIONS]), (10, 200_000))
    cases.contains(said, "200000 allocations were not recorded")


def programs_that_are_run_with_few_system_calls():
    """They would end with the first that the recorder makes; so they are not recorded, and that is said."""
    program = ("import ctypes, os, struct\n"
               "libc = ctypes.CDLL(None)\n"
               "def op(code, jt, jf, k): return struct.pack('HBBI', code, jt, jf, k)\n"
               "code = (op(0x20, 0, 0, 0) + op(0x15, 0, 1, 86) + op(6, 0, 0, 0x80000000) + op(6, 0, 0, 0x7fff0000))\n"
               "held = ctypes.create_string_buffer(code)\n"
               "class Prog(ctypes.Structure): _fields_ = [('len', ctypes.c_ushort), ('at', ctypes.c_void_p)]\n"
               "prog = Prog(4, ctypes.addressof(held))\n"
               "assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(prog), 0, 0) == 0\n"
               "os.execlp('expr', 'expr', '1', '+', '2')\n")
    if os.uname().machine != "x86_64":
        raise cases.Skip("has system calls by their numbers")
    result = record(PYTHON, "-c", program)
    cases.equal((result.returncode, result.stdout), (0, "3\n"), result.stderr)
    is_whole()


def memory_that_stays():
    """mlockall() gets the program no memory that it did not ask for."""
    plain, recorded, _ = bound("locked")
    cases.equal((int(recorded) - int(plain)) * 1024 < LARGE, True, f"kilobytes: {plain}, {recorded}")


def little_address_space():
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (230 << 20, 230 << 20))

    script = f"ulimit -v {230 << 10}; exec {BOUNDS} narrow"
    cases.equal(cases.run(BOUNDS, "narrow", preexec_fn=limit).returncode, 0)
    result = record("sh", "-c", script)
    cases.equal((result.returncode, result.stdout), (0, "free_makes 10 1000 0 0\n"), result.stderr)
    assert any(image.last["count"] == 10 for image in images()), "it is recorded all the same"


def little_data():
    result = record("sh", "-c", f"ulimit -d {16 << 10}; exec {PYTHON} -c 'print(2)'")
    cases.equal((result.returncode, result.stdout), (0, "2\n"), result.stderr)
    assert any(image.last["count"] > 1000 for image in images()), "it is recorded all the same"


def small_core_dumps():
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as file:
        if file.read().strip() != "core":
            raise cases.Skip("cores are not written where the program runs")
    result = record("sh", "-c", f"ulimit -c unlimited; exec {PYTHON} -c 'import os; os.abort()'")
    cases.equal(result.returncode, 134, result.stderr)
    cores = [name for name in os.listdir(".") if name.startswith("core")]
    if not cores:
        raise cases.Skip("no core was written")
    cases.equal(os.path.getsize(cores[0]) < LARGE, True, f"bytes of the core: {os.path.getsize(cores[0])}")


def cancelled_threads():
    """An allocation is no cancellation point, not even one that opens a channel."""
    plain, recorded, _ = bound("cancelled")
    cases.equal(recorded, plain)


def compiled(compiler, name, *flags):
    with open("allocates.c", "w", encoding="ascii") as file:
        file.write(ALLOCATES)
    if not shutil.which(compiler) or subprocess.run([compiler, "-o", name, "allocates.c", *flags], check=False,
                                                    stderr=subprocess.DEVNULL).returncode != 0:
        raise cases.Skip(f"no {compiler} {' '.join(flags)}")
    return os.path.abspath(name)


def another_c_library():
    """It is no reason not to run."""
    program = compiled("musl-gcc", "by_musl")
    for words in ([program], ["sh", "-c", f"{program}; exit $?"]):
        result = cases.run(os.path.join(cases.BUILD, "memrecord"), "-q", "-o", "t.dat", "--", *words)
        cases.equal((result.returncode, result.stdout, result.stderr), (5, "", ""))


def sanitizers_that_come_first():
    """Their libraries end a program that has another one before them: it is not begun."""
    for flag, library in (("address", "libasan"), ("thread", "libtsan")):
        program = compiled("gcc", "by_" + flag, "-fsanitize=" + flag)
        result = record(program)
        cases.equal((result.returncode, result.stdout), (125, ""), result.stderr)
        cases.contains(result.stderr, library)
        cases.contains(result.stderr, "--sample-only")


def sanitizers_in_the_program():
    """They say nothing of the recorder."""
    program = compiled("clang", "by_clang", "-fsanitize=address")
    result = cases.run(os.path.join(cases.BUILD, "memrecord"), "-q", "-o", "t.dat", "--", program)
    cases.equal((result.returncode, result.stdout, result.stderr), (5, "", ""))


if __name__ == "__main__":
    cases.main(few_system_calls, no_system_calls, programs_that_are_run_with_few_system_calls, memory_that_stays,
               little_address_space, little_data, small_core_dumps, cancelled_threads, another_c_library,
               sanitizers_that_come_first, sanitizers_in_the_program)
