#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: no
"""python3 -m memcapture runs programs that know nothing of it: they do what they do
alone, and the log holds their classes, what stayed, and who holds it."""

import json
import os
import py_compile
import signal
import subprocess
import sys
import zipfile

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

RUNNER = [sys.executable, "-m", "memcapture"]

LEAKING = """
import sys

class Node:
    def __init__(self, number):
        self.number = number
        self.text = "x" * 1000

class Holder:
    def __init__(self):
        self.kept = {}

holder = Holder()

def work(number):
    node = Node(number)
    holder.kept[number] = node
    return [Node(number) for _ in range(10)]

for number in range(50):
    work(number)
print("arguments:", sys.argv[1:])
"""

SERVER = """
import io
from wsgiref.util import setup_testing_defaults

class Request:
    def __init__(self, path):
        self.path = path
        self.body = bytearray(2000)

class Application:
    def __init__(self):
        self.log = []

    def __call__(self, environ, start_response):
        request = Request(environ["PATH_INFO"])
        if request.path.startswith("/leak"):
            self.log.append(request)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [request.path.encode()]

app = Application()

def ask(path):
    environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    return b"".join(app(environ, lambda status, headers: None))
"""

SERVER_TESTS = """
import unittest
import server

class Pages(unittest.TestCase):
    def test_pages(self):
        for number in range(100):
            self.assertEqual(server.ask("/page%d" % number), b"/page%d" % number)

    def test_leaks(self):
        for number in range(30):
            self.assertEqual(server.ask("/leak%d" % number), b"/leak%d" % number)

if __name__ == "__main__":
    unittest.main()
"""


def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, **options)


def observed(*words, log="profile.dat", **options):
    result = run(*RUNNER, "-o", log, *words, **options)
    cases.equal(result.returncode, 0, result.stderr)
    return result


def rows(table, log="profile.dat", *query):
    result = cases.run("memstats", table, log, "--format", "json", "--quiet", *query)
    cases.equal((result.returncode, result.stderr), (0, ""), table)
    return json.loads(result.stdout)["rows"]


def same_as_alone(*words, **options):
    """What a program prints, and how it ends, is the same with and without."""
    alone = run(sys.executable, *words, **options)
    ours = run(*RUNNER, "-q", "--diff", "-o", "profile.dat", *words, **options)
    for result in (alone, ours):
        result.args = None
    cases.equal(vars(ours), vars(alone), words)
    return alone


def programs_end_as_they_do_alone():
    endings = {
        "plain.py": "import sys; print(__name__, __file__, sys.argv, sys.path[0], __package__, __spec__)",
        "status.py": "import sys; print('out'); sys.exit(3)",
        "message.py": "import sys; sys.exit('a message')",
        "raising.py": "def inner():\n    raise ValueError('of its own')\ninner()\n",
        "chained.py": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise KeyError(2) from error\n",
        "syntax.py": "def broken(:\n    pass\n",
        "input.py": "print(input()[::-1])",
        "stopped.py": "import os\nprint('before', flush=True)\nos._exit(7)\n",
        "killed.py": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n",
        "leaving.py": "import atexit\natexit.register(print, 'left')\nprint('leaving')\n",
        "pickled.py": "import pickle\nclass Thing:\n    pass\nprint(type(pickle.loads(pickle.dumps(Thing()))))\n",
        "forked.py": "import os\nif pid := os.fork():\n    print(os.waitpid(pid, 0)[1])\nelse:\n    os._exit(4)\n",
        "child.py": "import os, sys\nif pid := os.fork():\n    print(os.waitpid(pid, 0)[1])\nelse:\n    sys.exit(5)\n",
        "threads.py": "import threading, time\n"
                      "threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()\nprint('soon')\n",
        "spawned.py": "import multiprocessing as m\ndef double(n):\n    return 2 * n\n"
                      "if __name__ == '__main__':\n    with m.get_context('spawn').Pool(1) as pool:\n"
                      "        print(pool.map(double, [1, 2]))\n",
        "module.py": "import sys\nprint(sorted(globals()), type(__loader__), __cached__, __annotations__)\n"
                     "print(__loader__.get_data(__file__)[:6])\n",
        "interrupted.py": "def inner():\n    raise KeyboardInterrupt\ninner()\n",
        "daemon.py": "import os, time\nos.closerange(3, 256)\n"
                     "files = [open(f'own{n}', 'wb', 0) for n in range(6)]\n[file.write(b'own') for file in files]\n"
                     "time.sleep(1.3)\nprint([os.path.getsize(file.name) for file in files])\n",
        "depth.py": "import sys\nclass Made:\n    depth = 0\n    frame = sys._getframe(1).f_code.co_name\n"
                    "print(Made.frame)\n",
    }
    for name, text in endings.items():
        same_as_alone(write(name, text), "a", "--diff", "-m", input="drawer\n")
    write("counting.py", "import threading, time\nthreading.Thread(target=time.sleep, args=(0.2,)).start()\n"
                         "while threading.active_count() > 1:\n    time.sleep(0.01)\nprint('alone')\n")
    cases.equal(observed("-q", "--interval", "0.05", "counting.py").stdout, "alone\n")


def programs_are_where_the_interpreter_was_told_to_look():
    """Run as files, with and without -I, which leaves the folder of a file out, but not a folder itself."""
    write("told.py", "import sys; print(sys.path, __file__)\n")
    write("folder/__main__.py", "import sys; print(sys.path, __file__)\n")
    same_as_alone("told.py")
    same_as_alone("folder")
    for program in ("told.py", "folder"):
        start = "import runpy, sys; sys.path.append(sys.argv[1]); del sys.argv[:2]; sys.argv[:0] = [''];" \
                " runpy.run_module('memcapture', run_name='__main__', alter_sys=True)"
        alone = run(sys.executable, "-I", program)
        ours = run(sys.executable, "-I", "-c", start, os.environ["PYTHONPATH"].split(":")[0], "-q", program)
        cases.equal(ours.stderr, "")
        cases.equal(ours.stdout.replace(f", {os.environ['PYTHONPATH'].split(':')[0]!r}]", "]"), alone.stdout)


def compiled_programs_run():
    write("built.py", "import sys\nclass Thing:\n    pass\nprint(Thing.__module__, sys.argv, __file__)\n")
    py_compile.compile("built.py", "built.pyc", doraise=True)
    same_as_alone("built.pyc", "a")


def programs_that_are_not_there_are_refused():
    for words in (["nowhere.py"], ["-m", "no.such.module"], ["-m", "json.decoder.nothing"], ["."]):
        result = run(*RUNNER, *words)
        cases.equal((result.returncode, result.stdout), (2, ""), words)
        cases.contains(result.stderr, "memcapture: ")
    for words in ([], ["--interval", "0", "a.py"], ["--interval", "x", "a.py"], ["--classes", "A", "a.py"], ["--no"]):
        cases.equal(run(*RUNNER, *words).returncode, 2, words)
    write("app.py", LEAKING)
    result = run(*RUNNER, "-o", "no/such/folder/profile.dat", "app.py")
    cases.equal(result.returncode, 4, result.stderr)
    cases.equal(result.stderr, "memcapture: cannot write 'no/such/folder/profile.dat': No such file or directory\n")


def modules_folders_and_archives_run():
    write("package/__init__.py", "")
    write("package/__main__.py", "import sys; print(__name__, __package__, sys.argv[1:]); from . import part\n")
    write("package/part.py", "print(__name__)\n")
    same_as_alone("-m", "package", "-o", "x")
    same_as_alone("-m", "package.part")
    same_as_alone("-m", "json.tool", input='{"a": 1}')
    write("folder/__main__.py", "import beside, sys; print(__name__, beside.VALUE, sys.argv)\n")
    write("folder/beside.py", "VALUE = 42\n")
    same_as_alone("folder", "x")
    with zipfile.ZipFile("archive.pyz", "w") as archive:
        archive.writestr("__main__.py", "import beside; print(beside.VALUE)\n")
        archive.writestr("beside.py", "VALUE = 43\n")
    same_as_alone("archive.pyz")


def classes_are_tracked():
    write("app.py", LEAKING)
    result = observed("--classes", "__main__.Node, __main__.Holder,__main__.Absent", "--trace", "app.py", "-o", "x")
    cases.contains(result.stdout, "arguments: ['-o', 'x']")
    cases.contains(result.stderr, "no class __main__.Absent was met")
    cases.contains(result.stderr, "profile.dat: 2 classes tracked")
    objects = rows("objects")
    cases.equal(sum(row["class"] == "__main__.Node" for row in objects), 550)
    cases.equal(sum(row["class"] == "__main__.Node" and row["death"] is None for row in objects), 50)
    cases.equal([row["class"] for row in objects].count("__main__.Holder"), 1)
    text = cases.run("memstats", "objects", "profile.dat", "--limit", "1").stdout
    cases.contains(text, "app.py")


def classes_of_modules_are_tracked_as_they_come():
    write("shapes.py", "class Square:\n    pass\nclass Circle:\n    class Inner:\n        pass\n")
    write("app.py", "import shapes\nkept = [shapes.Square(), shapes.Circle(), shapes.Circle.Inner()]\n")
    observed("--classes", "shapes.*", "app.py")
    cases.equal(sorted(row["class"] for row in rows("objects")), ["shapes.Circle", "shapes.Inner", "shapes.Square"])
    write("again.py", "def again(cls):\n    return type(cls)(cls.__name__, cls.__bases__, dict(vars(cls)))\n"
                      "class Base:\n    pass\n@again\nclass Point(Base):\n    pass\n"
                      "class Other:\n    pass\npoints = [Point() for _ in range(9)]\n")
    observed("--classes", "__main__.Point", "again.py")
    cases.equal(len(rows("objects")), 9)


def classes_that_cannot_be_tracked_do_no_harm():
    write("app.py", "class Slotted:\n    __slots__ = ('x',)\nkept = [Slotted() for _ in range(5)]\nprint(len(kept))\n")
    result = observed("--classes", "__main__.Slotted,builtins.dict", "app.py")
    cases.equal(result.stdout, "5\n")
    cases.contains(result.stderr, "class __main__.Slotted is not tracked: ")
    cases.contains(result.stderr, "class builtins.dict is not tracked: ")


def what_stayed_and_who_holds_it():
    write("app.py", LEAKING)
    result = observed("app.py")
    cases.contains(result.stderr, "objects stayed")
    node = [row for row in rows("diff") if row["class"] == "__main__.Node"]
    cases.equal([(row["persistent"], row["count_after"]) for row in node], [(50, 50)])
    held = [row for row in rows("holders") if row["class"] == "__main__.Node"]
    cases.equal([(row["path"], row["count"], row["root"]) for row in held], [("__main__.holder.kept[*]", 50, "module")])


def an_application_that_leaks_in_its_tests():
    write("server.py", SERVER)
    write("test_server.py", SERVER_TESTS)
    result = observed("--classes", "server.*", "--diff", "--interval", "0.05", "-m", "unittest", "-q", "test_server",
                      log="tests.dat")
    cases.contains(result.stderr, "OK")
    requests = [row for row in rows("objects", "tests.dat", "--filter", "server.Request") if row["death"] is None]
    ways = [row for row in rows("holders", "tests.dat") if row["class"].endswith("server.Request")]
    result = observed("--diff", "test_server.py", log="whole.dat")
    ways = [row for row in rows("holders", "whole.dat") if row["class"] == "server.Request"]
    cases.equal([(row["path"], row["count"]) for row in ways], [("server.app.log[*]", 30)])
    assert len(requests) >= 30, requests


def looks_are_taken_at_intervals():
    write("app.py", "import time\nkept = []\nfor number in range(8):\n    kept.append([number])\n    time.sleep(0.1)\n")
    observed("--interval", "0.1", "app.py")
    snapshots = rows("snapshots")
    assert len(snapshots) >= 4, snapshots
    cases.equal(snapshots[-1]["description"], "end")


def classes_and_all_objects_are_one_log():
    write("app.py", LEAKING)
    observed("--classes", "__main__.Node", "--diff", "app.py")
    cases.equal([name for name in os.listdir(".") if name.startswith("profile.dat")], ["profile.dat"])
    cases.equal(len(rows("runs")), 1)
    cases.equal(cases.run("memstats", "verify", "profile.dat").returncode, 0)
    cases.equal(sum(row["class"] == "__main__.Node" for row in rows("holders")), 1)


def under_memrecord_it_is_memrecords_log():
    write("app.py", LEAKING)
    result = cases.run("memrecord", "-o", "all.dat", "--", *RUNNER, "--classes", "__main__.Node", "--diff", "app.py")
    cases.equal(result.returncode, 0, result.stderr)
    cases.contains(result.stderr, "memcapture: memrecord's log: ")
    cases.equal([name for name in os.listdir(".") if name.startswith("app.")], ["app.py"])
    cases.equal(len(rows("runs", "all.dat")), 1)
    assert rows("sites", "all.dat"), "no heap"
    cases.equal([row["path"] for row in rows("holders", "all.dat") if row["class"] == "__main__.Node"],
                ["__main__.holder.kept[*]"])


def a_program_that_is_over_before_the_baseline_is_told_of():
    write("app.py", "pass\n")
    told = observed("--interval", "60", "app.py").stderr
    cases.contains(told, "profile.dat: the program was over before the baseline")


def a_log_that_cannot_be_written_does_not_stop_the_program():
    write("app.py", "import os, resource, signal, sys\n"
                    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
                    "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
                    "kept = [object() for _ in range(100)]\nprint('done')\nsys.exit(3)\n")
    for options in (["--diff"], ["--classes", "__main__.X", "--diff"]):
        result = run(*RUNNER, *options, "-o", "profile.dat", "app.py")
        cases.equal((result.returncode, result.stdout), (3, "done\n"), result.stderr)
        cases.contains(result.stderr, "memcapture: cannot write '")
        cases.equal(len(result.stderr.splitlines()), 1, result.stderr)


def a_killed_program_leaves_its_log():
    write("app.py", "import time\nclass Node:\n    pass\nkept = []\n"
                    "while True:\n    kept.append(Node())\n    print(len(kept), flush=True)\n    time.sleep(0.01)\n")
    with subprocess.Popen([*RUNNER, "--interval", "0.1", "-o", "killed.dat", "app.py"], stdout=subprocess.PIPE,
                          text=True) as process:
        for line in process.stdout:
            if int(line) == 250:
                break
        process.send_signal(signal.SIGKILL)
    assert rows("snapshots", "killed.dat"), "nothing was kept"


if __name__ == "__main__":
    cases.main(
        programs_end_as_they_do_alone,
        programs_that_are_not_there_are_refused,
        programs_are_where_the_interpreter_was_told_to_look,
        compiled_programs_run,
        modules_folders_and_archives_run,
        classes_are_tracked,
        classes_of_modules_are_tracked_as_they_come,
        classes_that_cannot_be_tracked_do_no_harm,
        what_stayed_and_who_holds_it,
        an_application_that_leaks_in_its_tests,
        looks_are_taken_at_intervals,
        classes_and_all_objects_are_one_log,
        under_memrecord_it_is_memrecords_log,
        a_program_that_is_over_before_the_baseline_is_told_of,
        a_log_that_cannot_be_written_does_not_stop_the_program,
        a_killed_program_leaves_its_log,
    )
