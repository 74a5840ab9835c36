#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the documents tell people to type: every command in the man pages'
EXAMPLES, at the top of each sample and behind a $ in the README does what it
says without a complaint."""

import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import golden_heap
import golden_logs
import log_making
from golden_logs import MS
from log_making import block


def source(path):
    with open(os.path.join(cases.ROOT, path), encoding="utf-8") as file:
        return file.read()


def profile(path):
    """The log that examples speak of: Nodes that only grow in number, up to a snapshot after load."""
    log, names = log_making.Log(pid=7), golden_logs.Names()
    name, descriptions = names("Node"), [names(text) for text in ("start", "half", "after load")]
    log.frame(log_making.stream_block(pid=7), names.block(), block("CLASSES", id=[1], name=[name], size=[64]))
    log.frame(block("BIRTHS", object=[1, 2, 3], time=[MS, 11 * MS, 21 * MS], **{"class": [1] * 3}))
    log.frame(block("SIZES", snapshot=[1, 2, 2, 3, 3, 3], object=[1, 1, 2, 1, 2, 3], size=[64] * 6, flat=[64] * 6))
    log.frame(block("SNAPSHOTS", number=[1, 2, 3], time=[10 * MS, 20 * MS, 30 * MS], duration=[MS] * 3,
                    description=descriptions, flags=[1] * 3, count=[1, 2, 3], size=[64, 128, 192], rss=[1 << 20] * 3),
              block("CLASS_TOTALS", snapshot=[1, 2, 3], **{"class": [1] * 3}, count=[1, 2, 3], size=[64, 128, 192],
                    flat=[64, 128, 192], min=[64] * 3, max=[64] * 3))
    log.end().write(path)


def folder(name):
    """A folder as a reader has it: a build folder, a program's source, a makefile."""
    os.makedirs(name)
    os.symlink(cases.BUILD, os.path.join(name, "build"))
    with open(os.path.join(name, "app.c"), "w", encoding="utf-8") as file:
        file.write("int main(void) { return 0; }\n")
    with open(os.path.join(name, "Makefile"), "w", encoding="utf-8") as file:
        file.write("all:\n\t@sleep 0.05\n")
    profile(os.path.join(name, "profile.dat"))
    golden_heap.write_all(os.path.join(name, "heap.dat"), os.path.join(name, "later.dat"))
    return name


def types_well(where, commands, status=0):
    if not commands:
        raise AssertionError(f"{where}: no command was found")
    environment = dict(os.environ, PATH=cases.BUILD + os.pathsep + os.environ["PATH"])
    for command in commands:
        result = cases.run("sh", "-c", command, cwd=where, env=environment)
        cases.equal(result.returncode, status, f"{where}: {command}: {result.stderr}")
        cases.equal(re.findall(r"^\(no .*\)$", result.stdout, re.MULTILINE), [], command)


def examples(path):
    """The lines of a page's EXAMPLES that stand as they are typed."""
    section = re.search(r"^\.SH EXAMPLES$(.*?)^\.SH", source(path), re.MULTILINE | re.DOTALL).group(1)
    lines = "\n".join(re.findall(r"^\.(?:EX|nf)\n(.*?)^\.(?:EE|fi)$", section, re.MULTILINE | re.DOTALL))
    for roff, plain in (("\\-", "-"), ("\\(aq", "'"), ("\\e", "\\")):
        lines = lines.replace(roff, plain)
    return [line for line in lines.splitlines() if line.strip()]


def examples_of_memstats():
    types_well(folder("memstats"), examples("analyze/man/memstats.1"))


def examples_of_memreport():
    types_well(folder("memreport"), examples("render/man/memreport.1"))


def examples_of_memrecord():
    where = folder("memrecord")
    commands = examples("capture/man/memrecord.1")
    attached = [command for command in commands if " -p " in command]
    types_well(where, [command for command in commands if command not in attached])
    service = subprocess.Popen(["sleep", "60"])
    try:
        # timeout says that it had to end what it ran.
        types_well(where, [command.replace(" 60 ", " 0.3 ").replace("1234", str(service.pid))
                           for command in attached], status=124)
    finally:
        service.kill()
        service.wait()
    types_well(where, ["memstats samples service.dat"])


def commands_of_samples():
    for path in sorted(glob.glob(os.path.join(cases.ROOT, "samples/*.c*"))):
        comment = source(path).split("*/")[0]
        types_well(folder(os.path.basename(path)), re.findall(r"^ \* {5}(\S.*)$", comment, re.MULTILINE))


def commands_of_the_readme():
    where = folder("readme")
    types_well(where, ["build/samples/factory", "build/samples/leak", "build/samples/catalogue 1000 >catalogue.xml",
                       "MEMCAPTURE_LOG=profile.dat build/samples/xml_nodes catalogue.xml"])
    # The part on Python is python_documents.py's.
    text = re.sub(r"^## Tracking Python objects$.*?^## ", "", source("README.md"), flags=re.MULTILINE | re.DOTALL)
    types_well(where, re.findall(r"^\$ (.*)$", text, re.MULTILINE))


cases.main(examples_of_memstats, examples_of_memreport, examples_of_memrecord, commands_of_samples,
           commands_of_the_readme)
