# SPDX-License-Identifier: MIT
"""Builds the package for pip, which finds this by pyproject.toml: the project's own
Makefile compiles the extensions for the interpreter that runs this, and a wheel is
made of what it built.

    pip install --no-build-isolation ./capture/python

from a checkout of the whole project; nothing is fetched, and neither setuptools nor
wheel is needed.  What is built lies in the checkout's build folder (another: B in
the environment), or, where that cannot be written, in a temporary one.
"""

import base64
import contextlib
import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
OLDEST = (3, 10)

METADATA = """\
Metadata-Version: 2.1
Name: memcapture
Version: {version}
Summary: Tracks, sizes and reports Python objects; pympler's ClassTracker and asizeof, in C
License: MIT
Classifier: License :: OSI Approved :: MIT License
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: C
Classifier: Programming Language :: Python :: 3
Classifier: Programming Language :: Python :: Implementation :: CPython
Classifier: Topic :: Software Development :: Debuggers
Classifier: Typing :: Typed
Requires-Python: >={oldest}
Description-Content-Type: text/markdown

{description}"""

WHEEL = """\
Wheel-Version: 1.0
Generator: memcapture
Root-Is-Purelib: false
Tag: {tag}
"""


# What the interpreter keeps of this file stays out of the sources.
with contextlib.suppress(OSError):
    os.unlink(__cached__)
    os.rmdir(os.path.dirname(__cached__))


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


def tag():
    """What the wheel is for: cp311-cp311-linux_x86_64."""
    if sys.implementation.name != "cpython" or sys.version_info < OLDEST:
        refuse(f"{sys.executable} is not CPython {OLDEST[0]}.{OLDEST[1]} or newer")
    abi = "cp" + sysconfig.get_config_var("SOABI").split("-")[1]
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    return f"cp{sys.version_info[0]}{sys.version_info[1]}-{abi}-{platform}"


def metadata():
    """The files of the wheel that say what it is: name -> text."""
    with open(os.path.join(HERE, "PYTHON.md"), encoding="utf-8") as page:
        description = page.read()
    with open(os.path.join(PROJECT, "LICENSE"), encoding="utf-8") as file:
        terms = file.read()
    return {
        "METADATA": METADATA.format(version=version(), oldest=".".join(map(str, OLDEST)), description=description),
        "WHEEL": WHEEL.format(tag=tag()),
        "LICENSE": terms,
    }


@contextlib.contextmanager
def build_folder():
    """Where make builds; a path that stays, so that a second installation finds the objects of the first."""
    folder = os.path.join(PROJECT, os.environ.get("B") or "build")
    if os.environ.get("B") or os.access(folder if os.path.isdir(folder) else PROJECT, os.W_OK):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="memcapture-") as folder:
        yield folder


def make(folder):
    """Gives the folder of the package as `make python` builds it."""
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        refuse(f"{sys.executable} has no headers: apt-get install python3-dev, or what has them for this Python")
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
    return os.path.join(folder, "python", "memcapture")


def package_files(folder):
    """name -> bytes, without extensions that were built for other interpreters."""
    ending = sysconfig.get_config_var("EXT_SUFFIX")
    extensions = {f"_capture{ending}", f"_report{ending}"}
    files = {}
    for name in sorted(os.listdir(folder)):
        if name in extensions or name.endswith((".py", ".pyi")) or name == "py.typed":
            with open(os.path.join(folder, name), "rb") as file:
                files[f"memcapture/{name}"] = file.read()
    missing = extensions - {os.path.basename(name) for name in files}
    if missing:
        refuse(f"make did not make {', '.join(sorted(missing))}: its message is above")
    return files


def record(files, name):
    """The list of all files with their checksums, which is itself the last of them."""
    lines = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}\n")
    return "".join(lines) + f"{name},,\n"


# ---- What pip calls ------------------------------------------------------------------


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name = f"memcapture-{version()}.dist-info"
    os.mkdir(os.path.join(metadata_directory, name))
    for file_name, text in metadata().items():
        with open(os.path.join(metadata_directory, name, file_name), "w", encoding="utf-8") as file:
            file.write(text)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = f"memcapture-{version()}"
    information = {f"{name}.dist-info/{file}": text.encode() for file, text in metadata().items()}
    with build_folder() as folder:
        files = {**package_files(make(folder)), **information}
    files[f"{name}.dist-info/RECORD"] = record(files, f"{name}.dist-info/RECORD").encode()
    wheel = f"{name}-{tag()}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))  # the same bytes whenever it is built
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.endswith(".so") else 0o644) << 16
            archive.writestr(entry, data)
    return wheel


def build_sdist(sdist_directory, config_settings=None):
    refuse("there is no package of the sources of Python alone: the project is one")
