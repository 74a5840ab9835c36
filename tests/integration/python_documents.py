#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: no
"""What the documents say of the Python package: every call in the page's tables
is there with these parameters, or is not there where the page says so; the
examples run, and so do the commands of the page, of the samples and of the
README's part on Python."""

import ast
import glob
import importlib
import inspect
import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

MODULES = ["classtracker", "classtracker_stats", "asizeof", "process", "charts", "muppy", "summary", "tracker",
           "refbrowser", "refgraph", "garbagegraph", "mprofile", "reftracker"]
# What the rows say is new.
NEW = {"ClassTracker": {"log"}, "MProfiler": {"collect"}, "ObjTracker": {"log", "traces"},
       "ObjTracker.diff": {"description"}, "GarbageWatcher.describe": {"limit"}, "describeObj": {"limit"},
       "RefBrowser": {"str_func"}}  # of which the page tells the default in words
README_PART = "## Tracking Python objects"


def source(path):
    with open(os.path.join(cases.ROOT, path), encoding="utf-8") as file:
        return file.read()


PAGE = source("capture/python/PYTHON.md")


# ---- The tables ----------------------------------------------------------------


def rows(heading):
    """(cells) of the table below a heading."""
    part = re.search(rf"^### {heading}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL).group(1)
    lines = [line.strip("|\n ") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r" \| ", line)] for line in lines[2:]]


class Example:
    pass


def instances():
    """One of each class, for attributes that only instances have."""
    from memcapture import asizeof, mprofile, process, refbrowser, refgraph
    from memcapture import tracker as trackers
    from memcapture.classtracker import ClassTracker

    tracker = ClassTracker()
    kept = Example()
    tracker.track_object(kept, keep=True, trace=True)
    tracker.create_snapshot("one")
    summaries, objects = trackers.SummaryTracker(), trackers.ObjectTracker()
    summaries.diff()
    objects.get_diff()
    return {"SummaryTracker": summaries, "ObjectTracker": objects, "RefBrowser": refbrowser.RefBrowser(kept),
            "ReferenceGraph": refgraph.ReferenceGraph([kept]), "MProfiler": mprofile.MProfiler(),
            "ClassTracker": tracker, "TrackedObject": tracker.index["Example"][0], "Snapshot": tracker.snapshots[0],
            "Asizer": asizeof.Asizer(), "Asized": asizeof.asized([1], detail=1),
            "ProcessMemoryInfo": process.ProcessMemoryInfo(), "ThreadInfo": process.get_current_threads()[0]}


def names(cell):
    """`Class.one(...)`, `.two`, `three` in a cell: the full names, and a call's parameters or None."""
    owner = ""
    for span in re.findall(r"`([^`]*)`", cell):
        name, _, parameters = span.partition("(")
        if name.startswith("."):
            name = owner + name
        elif "." in name:
            owner = name.rpartition(".")[0]
        yield name, parameters[:-1] if "(" in span else None


def find(module, name, examples):
    owner, _, last = name.rpartition(".")
    where = module
    if owner:
        where = examples.get(owner) or getattr(module, owner)
    return getattr(where, last)


def check_parameters(name, said, thing):
    """Names and defaults, in order.  Where the page says **opts, options may be named one by one."""
    try:
        signature = inspect.signature(thing)
    except ValueError:
        return f"{name}: it does not tell its parameters"
    arguments = ast.parse(f"def f({said}): pass").body[0].args
    named = arguments.posonlyargs + arguments.args
    defaults = [inspect.Parameter.empty] * (len(named) - len(arguments.defaults)) + \
        [ast.literal_eval(default) for default in arguments.defaults]
    expected = [(argument.arg, default) for argument, default in zip(named, defaults)]
    new = NEW.get(name, set())
    gathers = {parameter.kind for parameter in signature.parameters.values()}
    actual = [(parameter.name, parameter.default) for parameter in signature.parameters.values()
              if parameter.name not in new | {"self"}
              and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)]
    if arguments.kwarg:
        actual = actual[:len(expected)]
    same = actual == expected or (name.endswith(("reset", "set")) and dict(actual).keys() == dict(expected).keys())
    if arguments.vararg and inspect.Parameter.VAR_POSITIONAL not in gathers:
        same = False
    return None if same else f"{name}{signature} and not ({said})"


def calls_of(heading):
    def case():
        module = importlib.import_module(f"memcapture.{heading}")
        examples = instances()
        wrong = []
        for cell, state, *_ in rows(heading):
            for name, parameters in names(cell):
                try:
                    thing = find(module, name, examples)
                except AttributeError:
                    thing = None
                    if not state.startswith("not "):
                        wrong.append(f"{name} is not there")
                    continue
                if state.startswith("not ") and parameters is None:
                    wrong.append(f"{name} is there")
                elif not state.startswith("not ") and parameters is not None:
                    wrong.append(check_parameters(name, parameters, thing))
        cases.equal([line for line in wrong if line], [])
    case.__name__ = f"calls_of_{heading}"
    return case


def what_is_not_there_cannot_be_imported():
    for cell, state, *_ in rows("The rest"):
        module = next(names(cell))[0]
        assert state.startswith("not there"), state
        try:
            importlib.import_module(f"memcapture.{module}")
        except ModuleNotFoundError:
            continue
        raise AssertionError(f"memcapture.{module} is there")


# ---- Examples and commands --------------------------------------------------------


def examples_of_the_page():
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4, blocks
    with open("page.py", "w", encoding="utf-8") as file:
        file.write("\n".join(blocks))
    result = cases.run(sys.executable, "page.py")
    cases.equal((result.returncode, result.stderr), (0, ""))
    cases.contains(result.stdout, "__main__.Leaf")
    # What the page says that this prints.
    shown = re.search(r"^```\n(-+  20 Created since start.*?)^```$", PAGE, re.MULTILINE | re.DOTALL).group(1)
    # Any of ten that are alike; and how large an instance is, other versions of Python see otherwise.
    varies = r"(?<=\[)\d+(?=\])" if sys.version_info[:2] == (3, 11) else r"\d+"
    shown, printed = (re.sub(varies, "N", text).splitlines() for text in (shown, result.stdout))
    cases.equal([line for line in shown if line not in printed], [], result.stdout)


def environment():
    """As a reader has it, whose python3 is the interpreter that the package was built for."""
    os.makedirs("bin", exist_ok=True)
    if not os.path.exists("bin/python3"):
        with open("bin/python3", "w", encoding="utf-8") as script:
            script.write(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        os.chmod("bin/python3", 0o755)
    path = os.pathsep.join([os.path.abspath("bin"), cases.BUILD, os.environ["PATH"]])
    return dict(os.environ, PATH=path)


def folder(name):
    os.makedirs(name, exist_ok=True)
    for link, target in (("build", cases.BUILD), ("samples", os.path.join(cases.ROOT, "samples"))):
        if not os.path.exists(os.path.join(name, link)):
            os.symlink(target, os.path.join(name, link))
    return name


def types_well(where, commands):
    assert commands, f"{where}: no command was found"
    for command in commands:
        result = cases.run("sh", "-c", command, cwd=where, env=environment())
        cases.equal(result.returncode, 0, f"{command}: {result.stderr}")
        cases.equal(re.findall(r"^\(no .*\)$", result.stdout, re.MULTILINE), [], command)
        yield command, result.stdout


def commands_of_the_page():
    where = folder("page")
    with open(os.path.join(where, "app.py"), "w", encoding="utf-8") as file:
        file.write(APP)
    dumps = sorted(glob.glob(os.path.join(cases.ROOT, "tests/fixtures/pympler/shop-*.dat")))
    assert dumps, "no dump of pympler's is kept in tests/"
    os.symlink(dumps[-1], os.path.join(where, "old.dat"))
    commands = [line for line in re.findall(r"^ {4}(\S.*)$", PAGE, re.MULTILINE)
                if re.match(r"mem(stats|report|record) |MEMCAPTURE_LOG=|PYTHONPATH=", line)]
    for command, _ in types_well(where, commands):
        if "app.py" in command:
            cases.contains(cases.run("memstats", "objects", "profile.dat", cwd=where).stdout, "__main__.Leaf")
            os.remove(os.path.join(where, "profile.dat"))


APP = """
from memcapture.classtracker import ClassTracker
class Leaf:
    pass
tracker = ClassTracker()
tracker.track_class(Leaf)
leaves = [Leaf() for _ in range(3)]
tracker.create_snapshot("grown")
"""


def commands_of(sample):
    comment = ast.get_docstring(ast.parse(source(sample)))
    return re.findall(r"^ {4}(\S.*)$", comment, re.MULTILINE)


def commands_of_samples():
    samples = [os.path.relpath(path, cases.ROOT) for path in glob.glob(os.path.join(cases.ROOT, "samples/*.py"))]
    assert len(samples) >= 2, samples
    for sample in samples:
        for _ in types_well(folder(os.path.basename(sample)), commands_of(sample)):
            pass


def a_leak_is_found_as_the_sample_says():
    printed = dict(types_well(folder("leak"), commands_of("samples/documents.py")))
    run, diff, objects = (next(text for command, text in printed.items() if word in command)
                          for word in ("python3", "diff", "objects"))
    cases.contains(run, "the documents hold 3000 revisions, the tracker knows of 10000")
    created = next(line for line in diff.splitlines() if line.startswith("created"))
    rest = diff[diff.index(created):]
    assert re.search(r"^ +9000 .*__main__\.Revision$", rest, re.MULTILINE), diff
    assert not re.search(r"^deleted\b.*\n +\d+ .*Revision", diff, re.MULTILINE), diff
    lines = source("samples/documents.py").splitlines()
    made = next(number for number, line in enumerate(lines, 1) if "self.revisions.append(Revision(" in line)
    assert re.search(rf"documents\.py: *{made} in revise$", objects, re.MULTILINE), objects


def a_program_that_knows_nothing_is_looked_into():
    printed = dict(types_well(folder("weather"), commands_of("samples/weather.py")))
    holders = next(text for command, text in printed.items() if "holders" in command)
    assert re.search(r"^ +2000 .* __main__\.remembered\[\*\] ", holders, re.MULTILINE), holders


def commands_of_the_readme():
    readme = source("README.md")
    assert README_PART in readme
    part = readme.split(README_PART)[1].split("\n## ")[0]
    for _ in types_well(folder("readme"), re.findall(r"^\$ (.*)$", part, re.MULTILINE)):
        pass


cases.main(*map(calls_of, MODULES), what_is_not_there_cannot_be_imported, examples_of_the_page, commands_of_the_page,
           commands_of_samples, a_leak_is_found_as_the_sample_says, a_program_that_knows_nothing_is_looked_into,
           commands_of_the_readme)
