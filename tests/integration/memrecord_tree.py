#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: yes
"""What memrecord finds and says: processes and their descendants, however they
were made and however they end, and numbers held against /proc."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from recording import (EXITED, MEMRECORD, PYTHON, RUNNING, SIGNALLED, UNKNOWN, is_whole, processes, python, record,
                       wait_for)

MIB = 1 << 20


def by_command(part):
    """The processes whose command line, as a shell would write it, is or holds PART."""
    found = [process for process in processes() if process.command]
    exact = [process for process in found if process.command == part]
    return exact or [process for process in found if part in process.command]


def memory_is_what_proc_says():
    result = record(*python(
        "import mmap, os, signal, time\n"
        "m = mmap.mmap(-1, 200 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
        "for at in range(0, len(m), 4096): m[at] = 1\n"
        "pages = open('/proc/self/statm').read().split()\n"
        "print(int(pages[0]) * 4096, int(pages[1]) * 4096)\n"
        "rollup = dict(l.split()[:2] for l in open('/proc/self/smaps_rollup').read().splitlines()[1:])\n"
        "print(int(rollup['Pss:']) * 1024, (int(rollup['Private_Clean:']) + int(rollup['Private_Dirty:'])) * 1024)\n"
        # However slow the machine makes the sampler: there is a reading of this moment.
        "os.kill(os.getppid(), signal.SIGUSR1)\n"
        "time.sleep(1.5)\n"))
    cases.equal(result.returncode, 0, result.stderr)
    vsz, rss, pss, uss = [int(word) for word in result.stdout.split()]
    process = processes()[0]
    for column, truth in [("rss", rss), ("vsz", vsz), ("pss", pss), ("uss", uss)]:
        if abs(process.peak(column) - truth) > 2 * MIB:
            raise AssertionError(f"{column}: {process.peak(column)} is not {truth}")
    last = process.samples[-1]
    cases.equal(last["threads"], 1)
    cases.equal(last["faults_minor"] > 50000 * 0.5, True, last)
    cases.equal(last["cpu_user"] + last["cpu_system"] > 0, True)
    times = [row["time"] for row in process.samples]
    cases.equal(times, sorted(set(times)), "times rise")


def threads_are_counted():
    record(*python("import threading, time\n"
                   "for i in range(40): threading.Thread(target=time.sleep, args=(0.6,)).start()\n"))
    found = processes()
    cases.equal(len(found), 1, "threads are no processes")
    cases.equal(found[0].peak("threads"), 41)


def children_each_with_their_exit():
    result = record(*python("import os, time\n"
                            "children = []\n"
                            "for i in range(50):\n"
                            "    pid = os.fork()\n"
                            "    if pid == 0:\n"
                            "        time.sleep(0.3); os._exit(i)\n"
                            "    children.append(pid)\n"
                            "print(os.getpid(), *children)\n"
                            "for pid in children: os.waitpid(pid, 0)\n"))
    parent, *children = [int(word) for word in result.stdout.split()]
    found = {process.pid: process for process in processes()}
    cases.equal(set(found), {parent, *children})
    for i, pid in enumerate(children):
        cases.equal(found[pid].exits, [(EXITED, i)], pid)
        cases.equal(found[pid].parent_pid, parent)
        cases.equal(len(found[pid].samples) > 0, True)
    cases.equal(found[parent].counters["sampler.processes"], 51)


def a_shell_that_runs_programs():
    record("sh", "-c", "sleep 0.2; sh -c 'sleep 0.2; exit 5'; (sleep 0.2); exit 0")
    cases.equal([process.exits for process in by_command("sh -c 'sleep 0.2; exit 5'")][-1:], [[(EXITED, 5)]])
    cases.equal(len(processes()) >= 5, True)


def exec_keeps_the_run_and_changes_the_name():
    record("env", "X=1", "sh", "-c", "sleep 0.1; exec sleep 0.2")
    found = processes()[0]
    cases.equal(found.command, "sleep 0.2")
    cases.equal(found.names[-1], "sleep")
    cases.equal("sh" in found.names, True, found.names)
    cases.equal(found.images[-1]["executable"].endswith("/sleep"), True)
    cases.equal(found.exits, [(EXITED, 0)])


def orphans_tell_us_how_they_end():
    # The middle process ends at once; its child, in a session of its own, ends with 9.
    record("sh", "-c", "(setsid sh -c 'sleep 0.3; exit 9' &) ; sleep 0.8")
    cases.equal([process.exits for process in by_command("sh -c 'sleep 0.3; exit 9'")], [[(EXITED, 9)]])
    record("sh", "-c", "(sh -c 'sleep 0.2; kill -USR2 $$' &) ; sleep 0.6")
    cases.equal([process.exits for process in by_command("sh -c 'sleep 0.2; kill -USR2 $$'")],
                [[(SIGNALLED, signal.SIGUSR2)]])


def children_that_others_reap():
    record(*python("import subprocess\nraise SystemExit(subprocess.run(['sh', '-c', 'sleep 0.2; exit 6']).returncode)"))
    exits = [process.exits for process in by_command("exit 6") if "subprocess" not in process.command]
    cases.equal(len(exits), 1)
    cases.equal(exits[0] in ([(EXITED, 6)], [(UNKNOWN, 0)]), True, exits)


def daemons_are_left_running():
    result = record("sh", "-c", "sh -c 'trap \"\" HUP; sleep 30' >/dev/null 2>&1 & echo $!; sleep 0.3")
    daemon = int(result.stdout)
    try:
        cases.equal(result.returncode, 0)
        os.kill(daemon, 0)
        found = {process.pid: process for process in processes()}
        cases.equal(found[daemon].exits, [(RUNNING, 0)])
    finally:
        os.kill(daemon, signal.SIGKILL)
        subprocess.run(["pkill", "-KILL", "-P", str(daemon)], check=False)


def many_short_processes():
    result = record("sh", "-c", "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done")
    cases.equal(result.returncode, 0)
    is_whole()
    found = processes()
    cases.equal(all(len(process.exits) == 1 for process in found), True)
    if os.geteuid() == 0 and len(found) < 201:
        raise cases.Skip(f"{len(found)} of 201: no events from the kernel here")


def a_process_that_runs_already():
    target = subprocess.Popen(["sh", "-c", "sleep 0.2; sleep 0.8 & wait; exit 4"])
    result = cases.run(MEMRECORD, "--sample-only", "-o", "t.dat", "-p", target.pid)
    target.wait()
    cases.equal(result.returncode, 0, result.stderr)
    is_whole()
    found = {process.pid: process for process in processes()}
    cases.equal(len(found) >= 2, True, "its children, too")
    cases.equal(found[target.pid].exits in ([(EXITED, 4)], [(UNKNOWN, 0)]), True, found[target.pid].exits)
    cases.equal(len(found[target.pid].samples) > 1, True)


def pids_that_are_no_processes():
    import threading
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    zombie = subprocess.Popen(["true"])
    wait_for(lambda: " Z " in open(f"/proc/{zombie.pid}/stat").read(), "a zombie")
    for pid, part in [(thread.native_id, "is a thread"), (zombie.pid, "has ended"), (2**22 + 5, "no process")]:
        result = cases.run(MEMRECORD, "--sample-only", "-o", "none.dat", "-p", pid)
        cases.equal(result.returncode, 125)
        cases.contains(result.stderr, part)
        cases.equal(os.path.exists("none.dat"), False)
    done.set()
    thread.join()
    zombie.wait()


def a_process_that_goes_on():
    target = subprocess.Popen(["sleep", "60"])
    try:
        recorder = subprocess.Popen([MEMRECORD, "--sample-only", "-o", "p.dat", "-p", str(target.pid)],
                                    stderr=subprocess.PIPE, text=True)
        wait_for(lambda: os.path.exists("p.dat") and os.path.getsize("p.dat") > 100, "the log")
        recorder.send_signal(signal.SIGINT)
        cases.contains(recorder.communicate(timeout=30)[1], "still running")
        cases.equal(recorder.returncode, 0)
        is_whole("p.dat")
        cases.equal(processes("p.dat")[0].exits, [(RUNNING, 0)])
        cases.equal(target.poll(), None)
    finally:
        target.kill()
        target.wait()


def a_name_with_anything_in_it():
    os.symlink("/bin/sleep", "a) R 1 (\x1b[31m\n")
    record("./a) R 1 (\x1b[31m\n", "0.2")
    found = processes()[0]
    cases.equal(found.names[-1], "a) R 1 (\x1b[31m\n"[:15])
    cases.equal(found.exits, [(EXITED, 0)])


def an_ordinary_user():
    if os.geteuid() != 0:
        raise cases.Skip("the other cases run as one already")
    os.makedirs("open", exist_ok=True)
    os.chmod("open", 0o777)
    for folder in [os.getcwd()] + [os.path.dirname(MEMRECORD)]:
        if cases.run("setpriv", "--reuid=65534", "--clear-groups", "test", "-x", folder).returncode != 0:
            raise cases.Skip(f"{folder} is closed to others")
    result = cases.run("setpriv", "--reuid=65534", "--clear-groups", MEMRECORD, "--sample-only", "-o", "open/u.dat",
                       "sh", "-c", "for i in 1 2 3; do sh -c 'sleep 0.2; exit 8'; done")
    cases.equal(result.returncode, 8, result.stderr)
    found = processes("open/u.dat")
    cases.equal([process.exits for process in found if "exit 8" in (process.command or "")][-1:], [[(EXITED, 8)]])
    cases.equal(len(found) >= 4, True, f"{len(found)} processes")


cases.main(memory_is_what_proc_says, threads_are_counted, children_each_with_their_exit, a_shell_that_runs_programs,
           exec_keeps_the_run_and_changes_the_name, orphans_tell_us_how_they_end, children_that_others_reap,
           daemons_are_left_running, many_short_processes, a_process_that_runs_already, pids_that_are_no_processes,
           a_process_that_goes_on, a_name_with_anything_in_it, an_ordinary_user)
