#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: no
"""The package is where Python looks for it after `make install`, and in a virtual
environment after `pip install --no-build-isolation ./capture/python`; nothing is
fetched, and nothing is left in the sources."""

import glob
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

PYTHON = os.environ["MR_PYTHON"]
SOURCES = os.path.join(cases.ROOT, "capture/python")
STAGE = os.path.join(os.getcwd(), "stage")
MODULES = ["classtracker", "classtracker_stats", "asizeof", "process", "charts", "muppy", "summary", "tracker",
           "refbrowser", "refgraph", "garbagegraph", "mprofile", "reftracker"]

# What a user's program does with it, from whatever folder it was imported.
PROGRAM = f"""
import importlib, os, sys
for name in {MODULES}:
    importlib.import_module("memcapture." + name)
from memcapture.classtracker import ClassTracker
class Thing:
    pass
tracker = ClassTracker()
tracker.track_class(Thing)
things = [Thing() for _ in range(3)]
tracker.create_snapshot("three")
tracker.stats.print_summary()
from memcapture.reftracker import ObjTracker
objects = ObjTracker()
more = [Thing() for _ in range(5)]
assert ("__main__.Thing", 5) in [row[:2] for row in objects.compare().created]
print(os.path.dirname(sys.modules["memcapture"].__file__))
"""


def environment(**added):
    plain = {name: value for name, value in os.environ.items()
             if name not in ("MAKEFLAGS", "MAKELEVEL", "PYTHONPATH", "B", "PYTHONDONTWRITEBYTECODE")}
    return dict(plain, **added)


def good(result):
    cases.equal(result.returncode, 0, f"{result.stdout[-3000:]}{result.stderr[-3000:]}")
    return result.stdout


def works(python, **added):
    """Runs PROGRAM; gives the folder that the package came from."""
    lines = good(cases.run(python, "-c", PROGRAM, env=environment(**added), cwd="/")).splitlines()
    assert any(line.split()[:2] == ["__main__.Thing", "3"] for line in lines), lines
    return lines[-1]


def make(prefix, target):
    return good(cases.run(os.environ.get("MAKE", "make"), "-C", cases.ROOT, "--no-print-directory", f"B={cases.BUILD}",
                          f"PYTHON={PYTHON}", f"PREFIX={prefix}", f"DESTDIR={STAGE}", target,
                          env=environment(), timeout=280))


def files(folder):
    return {os.path.join(where, name) for where, _, names in os.walk(folder) for name in names}


def installed_package():
    return os.path.dirname(glob.glob(STAGE + "/**/memcapture/classtracker.py", recursive=True)[0])


def make_install_and_uninstall():
    for prefix in ("/usr", "/usr/local", "/opt/elsewhere"):
        said = make(prefix, "install-python")
        package = installed_package()
        folder = os.path.dirname(package)[len(STAGE):]
        assert folder.startswith(prefix + "/lib/python"), folder
        known = good(cases.run(PYTHON, "-E", "-s", "-c", "import sys; print(*sys.path, sep='\\n')")).splitlines()
        # Where Python does not look by itself, the user is told what to do.
        assert folder in known or f"PYTHONPATH={folder}" in said, (folder, said)
        names = {os.path.basename(path) for path in files(package)}
        for module in MODULES:
            assert {f"{module}.py", f"{module}.pyi"} <= names, (module, names)
        assert {"py.typed", "__main__.py", "_observing.py", "_program.py"} <= names, names
        cases.equal(works(PYTHON, PYTHONPATH=os.path.dirname(package)), package)
        make(prefix, "uninstall-python")
        cases.equal(files(STAGE), set())


def debians_python_gets_its_own_folder():
    if PYTHON != "/usr/bin/python3" or not os.path.exists("/etc/debian_version"):
        raise cases.Skip("not Debian's interpreter")
    make("/usr", "install-python")
    cases.equal(installed_package(), STAGE + "/usr/lib/python3/dist-packages/memcapture")
    make("/usr", "uninstall-python")


def venv():
    """A virtual environment as it is when it is new; the same one for every case."""
    python = os.path.join(os.getcwd(), "venv/bin/python")
    if not os.path.exists(python):
        made = cases.run(PYTHON, "-m", "venv", "venv", env=environment())
        if made.returncode != 0:
            raise cases.Skip("no virtual environment: apt-get install python3-venv")
    return python


def pip(python, *arguments, **added):
    return cases.run(python, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments,
                     env=environment(PIP_NO_INDEX="1", **added), timeout=280)


def pip_installs_from_the_checkout():
    python = venv()
    before = files(SOURCES)
    good(pip(python, "install", "--no-build-isolation", SOURCES, B=cases.BUILD))
    cases.equal(files(SOURCES) - before, set(), "left in the sources")
    package = works(python)
    assert package.startswith(os.path.join(os.getcwd(), "venv")), package
    names = {os.path.basename(path) for path in files(package)}
    assert {"py.typed", "__main__.py"} | {f"{module}.pyi" for module in MODULES} <= names, names
    with open("thing.py", "w", encoding="utf-8") as file:
        file.write("things = [object() for _ in range(7)]\n")
    good(cases.run(python, "-m", "memcapture", "-o", "thing.dat", "thing.py", env=environment()))
    assert os.path.getsize("thing.dat") > 0
    with open(os.path.join(cases.ROOT, "Makefile"), encoding="utf-8") as makefile:
        version = next(line.split()[2] for line in makefile if line.startswith("VERSION := "))
    cases.contains(good(pip(python, "show", "memcapture")), f"Version: {version}\n")
    cases.equal(good(cases.run(python, "-c", "import memcapture; print(memcapture.__version__)", cwd="/",
                               env=environment())), version + "\n")
    good(pip(python, "uninstall", "--yes", "memcapture"))
    assert not os.path.exists(package), package


def pip_says_what_is_missing():
    python = venv()
    shutil.copytree(SOURCES, "alone")
    result = pip(python, "install", "--no-build-isolation", "./alone")
    assert result.returncode != 0
    cases.contains(result.stdout + result.stderr, "is not a checkout of the whole project")
    os.mkdir("bin")  # a machine without make
    result = pip(python, "install", "--no-build-isolation", SOURCES, B=cases.BUILD, PATH=os.path.abspath("bin"))
    assert result.returncode != 0
    cases.contains(result.stdout + result.stderr, "cannot run make")


def a_python_without_headers_is_said_in_one_line():
    os.makedirs("other")
    with open("other/python3", "w", encoding="utf-8") as script:
        script.write("#!/bin/sh\necho cpython-399-none .cpython-399-none.so\n")
    os.chmod("other/python3", 0o755)
    python = os.path.abspath("other/python3")
    result = subprocess.run([os.environ.get("MAKE", "make"), "-C", cases.ROOT, "--no-print-directory",
                             f"B={cases.BUILD}", f"PYTHON={python}", "python"], env=environment(),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    cases.equal((result.returncode, result.stdout),
                (0, f"python: left out: {python} has no headers (python3-dev)\n"))


cases.main(make_install_and_uninstall, debians_python_gets_its_own_folder, pip_installs_from_the_checkout,
           pip_says_what_is_missing, a_python_without_headers_is_said_in_one_line)
