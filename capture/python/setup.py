# SPDX-License-Identifier: MIT
"""Builds the package for pip: the project's own Makefile compiles the extensions
for the interpreter that runs this.

    pip install --no-build-isolation ./capture/python

from a checkout of the whole project; nothing is fetched.  What is built lies in
the checkout's build folder (another: B in the environment), or, where that cannot
be written, in pip's temporary one.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))


def refuse(message):
    sys.exit(f"memcapture: {message}")


def version():
    """The project's: the Makefile has it."""
    try:
        with open(os.path.join(PROJECT, "Makefile"), encoding="utf-8") as makefile:
            found = re.search(r"^VERSION := (\S+)$", makefile.read(), re.MULTILINE)
    except OSError:
        found = None
    if not found:
        refuse(f"{PROJECT} is not a checkout of the whole project: the package is built with the C code around it")
    return found.group(1)


def build_folder():
    """Where make builds; None when the checkout is read-only."""
    if os.environ.get("B"):
        return os.path.join(PROJECT, os.environ["B"])
    folder = os.path.join(PROJECT, "build")
    return folder if os.access(folder if os.path.isdir(folder) else PROJECT, os.W_OK) else None


class MakeExtensions(build_ext):
    """Both extensions are made at once, as `make python` makes them."""

    def build_extensions(self):
        # A path that does not change, so that a second installation finds the objects of the first.
        folder = build_folder() or os.path.abspath(self.build_temp)
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHONPATH")}
        command = [environment.get("MAKE", "make"), "-C", PROJECT, "--no-print-directory",
                   f"-j{os.cpu_count() or 1}", f"B={folder}", f"PYTHON={sys.executable}", "python"]
        try:
            result = subprocess.run(command, env=environment)
        except OSError as error:
            refuse(f"cannot run make: {error.strerror}: apt-get install make gcc")
        if result.returncode != 0:
            refuse("make failed; its message is above. `make deps` installs the packages that are missing")
        for extension in self.extensions:
            target = self.get_ext_fullpath(extension.name)
            built = os.path.join(folder, "python", "memcapture", os.path.basename(target))
            if not os.path.exists(built):
                refuse(f"make did not make {built}: the message is above")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(built, target)


# What setuptools writes on the way stays out of the sources.
scratch = tempfile.mkdtemp(prefix="memcapture-")
try:
    setup(
        version=version(),
        ext_modules=[Extension("memcapture._capture", []), Extension("memcapture._report", [])],
        cmdclass={"build_ext": MakeExtensions},
        options={"egg_info": {"egg_base": scratch}, "build": {"build_base": scratch}},
    )
finally:
    shutil.rmtree(scratch, ignore_errors=True)
