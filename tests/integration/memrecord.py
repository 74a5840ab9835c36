#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: yes
"""memrecord as a command: exit statuses, its options, the file, what it prints,
and what the command sees of it."""

import os
import re
import resource
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from recording import EXITED, MEMRECORD, SIGNALLED, is_whole, processes, python, record


def ends_as_the_command_ends():
    for script, status, exits in [("exit 0", 0, (EXITED, 0)), ("exit 3", 3, (EXITED, 3)),
                                  ("exit 255", 255, (EXITED, 255)), ("kill -9 $$", 137, (SIGNALLED, 9)),
                                  ("kill -SEGV $$", 139, (SIGNALLED, 11)), ("kill -TERM $$", 143, (SIGNALLED, 15))]:
        cases.equal(record("sh", "-c", script).returncode, status, script)
        is_whole()
        cases.equal(processes()[0].exits, [exits], script)


def commands_that_cannot_run():
    with open("plain", "w") as file:
        file.write("text\n")
    os.mkdir("folder")
    for command, status in [("./missing", 127), ("no-such-command-anywhere", 127), ("", 127), ("./plain", 126),
                            ("./folder", 126)]:
        result = record(command, log="none.dat")
        cases.equal(result.returncode, status, command)
        cases.contains(result.stderr, "memrecord: cannot run")
        cases.equal(result.stderr.count("\n"), 1, command)
        cases.equal(os.path.exists("none.dat"), False, "a log was left")


def a_command_that_fails_late_leaves_no_log():
    with open("odd", "w") as file:
        file.write("#!/no/such/interpreter\n")
    os.chmod("odd", 0o755)
    cases.equal(record("./odd", log="none.dat").returncode, 127)
    cases.equal(os.path.exists("none.dat"), False)


def a_typing_error_keeps_the_old_log():
    with open("old.dat", "w") as file:
        file.write("precious")
    cases.equal(record("./missing", log="old.dat").returncode, 127)
    with open("old.dat") as file:
        cases.equal(file.read(), "precious")


def usage_is_125():
    for words, part in [([], "no command"), (["--nonsense", "true"], "nonsense"), (["-p", "1"], "--sample-only"),
                        (["--sample-only"], "no command"),
                        (["--sample-only", "-o", "", "true"], "--output"),
                        (["--sample-only", "-o", "-", "true"], "--output"),
                        (["--sample-only", "-p", "1", "true"], "choose one"),
                        (["--sample-only", "-p", "0"], "--pid"), (["--sample-only", "-p", "x"], "--pid"),
                        (["--sample-only", "-p", "-1"], "--pid"), (["--sample-only", "-p", "999999999"], "999999999"),
                        (["--sample-only", "--max-size", "1K", "true"], "--max-size"),
                        (["--sample-only", "--max-size", "-5", "true"], "--max-size")]:
        result = cases.run(MEMRECORD, *words)
        cases.equal((result.returncode, result.stdout), (125, ""), f"memrecord {words}")
        cases.contains(result.stderr, part)
        cases.equal(result.stderr.count("\n"), 1, f"memrecord {words}")


def interval_values():
    for value in ["nan", "inf", "-1", "0", "1e-9", "3601", "99999999999999999999", "", "x", "1x"]:
        result = cases.run(MEMRECORD, "--sample-only", "--interval", value, "true")
        cases.equal(result.returncode, 125, value)
        cases.contains(result.stderr, "--interval")
    for value in ["0.001", "0.05", "5ms", "2", "3600", "1h"]:
        cases.equal(record("true", options=["--interval", value]).returncode, 0, value)
    record("sleep", "0.5", options=["--interval", "0.1"])
    cases.equal(processes()[0].settings["sampler.interval"], "0.1 s")
    cases.equal(processes()[0].counters["sampler.samples"] in range(2, 8), True)


def unwritable_logs_are_125_and_nothing_runs():
    os.makedirs("closed", exist_ok=True)
    os.chmod("closed", 0o555)
    paths = ["/no/such/folder/t.dat", ".", "/dev/full"] + ([] if os.geteuid() == 0 else ["closed/t.dat"])
    for path in paths:
        result = record("touch", "ran", log=path)
        cases.equal((result.returncode, os.path.exists("ran")), (125, False), path)
        cases.contains(result.stderr, path)
    os.chmod("closed", 0o755)


def names_of_logs():
    result = cases.run(MEMRECORD, "--sample-only", "-o", "a-%p-%%-%x.dat", "sh", "-c", "echo $$")
    pid = result.stdout.strip()
    is_whole(f"a-{pid}-%-%x.dat")
    result = cases.run(MEMRECORD, "--sample-only", "/bin/sh", "-c", "echo $$")
    is_whole(f"sh.{result.stdout.strip()}.dat")


def the_closing_line():
    result = record("sh", "-c", "sleep 0.1; exit 3")
    found = re.fullmatch(r"memrecord: t\.dat: ([\d.]+ \S+), .*, peak rss ([\d.]+ \S+).*, exited with 3\n",
                         result.stderr)
    if not found:
        raise AssertionError(result.stderr)
    result = record("sh", "-c", "kill -9 $$")
    cases.contains(result.stderr, "killed by signal 9 (Killed)")
    cases.equal(record("true", options=["--quiet"]).stderr, "")
    result = record("true", log="bad\x1b[31m\n.dat")
    cases.contains(result.stderr, "bad\\x1b[31m\\x0a.dat")


def streams_belong_to_the_command():
    result = record("sh", "-c", "cat; echo err >&2", input="through\n", options=["-q"])
    cases.equal((result.stdout, result.stderr), ("through\n", "err\n"))


def words_after_the_command_are_its_own():
    result = cases.run(MEMRECORD, "--sample-only", "-q", "-o", "t.dat", "echo", "-o", "--help", "--", "x")
    cases.equal(result.stdout, "-o --help -- x\n")
    result = cases.run(MEMRECORD, "--sample-only", "-q", "-o", "t.dat", "--", "echo", "-q")
    cases.equal(result.stdout, "-q\n")


def the_command_sees_nothing_of_memrecord():
    show = python("import os, resource, signal;"
                  "print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),"
                  "[s for s in range(1, 65) if signal.getsignal(s) == signal.SIG_IGN],"
                  "resource.getrlimit(resource.RLIMIT_NOFILE), sorted(os.listdir('/proc/self/fd')),"
                  "os.getpgrp() == os.getpgid(os.getppid()), os.getcwd())")
    plain = cases.run(*show)
    recorded = record(*show)
    cases.equal(recorded.stdout, plain.stdout)

    def odd():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
    cases.equal(record(*show, preexec_fn=odd).stdout, cases.run(*show, preexec_fn=odd).stdout)


def a_sigchld_that_was_ignored_does_not_matter():
    result = record("sh", "-c", "exit 7", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    cases.equal(result.returncode, 7)


def closed_standard_streams_stay_closed():
    def close_all():
        for fd in (0, 1, 2):
            os.close(fd)
    result = subprocess.run([MEMRECORD, "--sample-only", "-o", "t.dat", "sh", "-c",
                             "ls /proc/$$/fd > fds; exit 4"], preexec_fn=close_all)
    cases.equal(result.returncode, 4)
    with open("fds") as file:
        shown = file.read().split()
    cases.equal("2" in shown, False, shown)
    is_whole()
    cases.equal(processes()[0].exits, [(EXITED, 4)])


def arguments_and_home():
    home = os.environ.get("HOME", "/root")
    record("sh", "-c", "sleep 0.1; : secret", f"{home}/file")
    process = processes()[0]
    cases.equal(process.command, "sh -c 'sleep 0.1; : secret' ~/file")
    record("sh", "-c", "sleep 0.1; : secret", options=["--no-args"])
    found = processes()
    cases.equal(found[0].command, "sh")
    cases.equal(found[0].settings["sampler.arguments"], "left out")
    content = subprocess.run(["zstd", "-dcq", "t.dat"], stdout=subprocess.PIPE, check=True).stdout
    cases.equal(b"secret" in content, False)


def the_environment_is_not_recorded():
    record("sh", "-c", "sleep 0.1", env={**os.environ, "PASSWORD": "verysecretword"})
    content = subprocess.run(["zstd", "-dcq", "t.dat"], stdout=subprocess.PIPE, check=True).stdout
    cases.equal(b"verysecretword" in content, False)


# Makes a log of several KB: memory that grows, and children that have runs of their own.
NOISY = python("import os, time\nkeep = []\nend = time.time() + 2.5\nchildren = 0\n"
               "while time.time() < end or children < 300:\n"
               "    keep.append(bytearray(50000))\n"
               "    pid = os.fork()\n"
               "    if pid == 0: time.sleep(0.05); os._exit(children % 100)\n"
               "    time.sleep(0.005)\n"
               "    children += 1\n"
               "while True:\n"
               "    try: os.wait()\n"
               "    except ChildProcessError: break\n"
               "print('done')\nraise SystemExit(9)")


def max_size_leaves_the_command_alone():
    result = record(*NOISY, options=["--max-size", "128K", "--interval", "0.001"])
    cases.equal((result.returncode, result.stdout), (9, "done\n"))
    is_whole()
    cases.equal(os.path.getsize("t.dat") <= 131072, True)
    cases.equal(processes()[0].exits, [(EXITED, 9)])
    cases.equal(processes()[0].settings["memrecord.max_size"], "131072 bytes")


def a_full_disk_does_not_harm_the_command():
    if os.geteuid() != 0:
        raise cases.Skip("only root can mount a small file system")
    os.makedirs("small", exist_ok=True)
    if cases.run("mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", "small").returncode != 0:
        raise cases.Skip("no tmpfs to be had here")
    try:
        result = record(*NOISY, log="small/t.dat", options=["--interval", "0.001", "-q"])
        cases.equal((result.returncode, result.stdout), (9, "done\n"))
        cases.contains(result.stderr, "No space left on device")
        is_whole("small/t.dat")
    finally:
        cases.run("umount", "small")


def a_limit_on_file_sizes_does_not_harm_it_either():
    result = record(*NOISY, options=["--interval", "0.001"],
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048)))
    cases.equal((result.returncode, result.stdout), (9, "done\n"))
    cases.contains(result.stderr, "File too large")
    is_whole()


cases.main(ends_as_the_command_ends, commands_that_cannot_run, a_command_that_fails_late_leaves_no_log,
           a_typing_error_keeps_the_old_log, usage_is_125, interval_values, unwritable_logs_are_125_and_nothing_runs,
           names_of_logs, the_closing_line, streams_belong_to_the_command, words_after_the_command_are_its_own,
           the_command_sees_nothing_of_memrecord, a_sigchld_that_was_ignored_does_not_matter,
           closed_standard_streams_stay_closed, arguments_and_home, the_environment_is_not_recorded,
           max_size_leaves_the_command_alone, a_full_disk_does_not_harm_the_command,
           a_limit_on_file_sizes_does_not_harm_it_either)
