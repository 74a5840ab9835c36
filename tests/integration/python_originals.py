#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: no
"""The originals' own tests, documents and examples, as they are but for the names of what they import.
They are run where the environment says in which folders the originals are, PYMPLER and REFTRACKER."""

import ast
import contextlib
import doctest
import glob
import io
import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

import memcapture.process

PACKAGE = os.path.dirname(os.path.dirname(memcapture.process.__file__))
PYMPLER = os.environ.get("PYMPLER")
REFTRACKER = os.environ.get("REFTRACKER")

# Tests that ask for what is inside the original, or not here on purpose, and why.
INNER = "they use inner names of the original's module"
EXCEPTIONS = {
    "asizeof.test_asizeof": {name: INNER for name in
                             ("test_code", "test_dict", "test_iterator", "test_pairs", "test_typedefs")},
    "test_process": {name: INNER for name in
                     ("test_proc", "test_proc_vs_getrusage", "test_ps_vs_getrusage", "test_ps_vs_proc_sizes")},
    "tracker.test_stats": {"test_html": "the page is one file and has no folder beside it"},
}
if sys.version_info >= (3, 13):  # in which the original fails them, too
    EXCEPTIONS["gui.test_garbage"] = {name: "an instance that has a __dict__ refers to what is in it"
                                      for name in ("test_edges_new", "test_edges_old", "test_split")}
# Examples of the documents that do something else here than there.
DIFFERENT = {
    "ib = refbrowser.InteractiveBrowser(root)": "there are no windows",
}

# What the examples ask of a web server: the same, on paper.
WEB = """
from memcapture.garbagegraph import GarbageGraph, end_debug_garbage
from memcapture.classtracker_stats import HtmlStats

def start_profiler(host="localhost", port=8090, tracker=None, stats=None, debug=False):
    if stats is not None:
        HtmlStats(tracker=stats.tracker).create_html("page.html")
    graph = GarbageGraph(reduce=True)
    graph.print_stats()
    graph.render("garbage.svg")
    end_debug_garbage()
"""


def folder_of(path, what):
    if not path or not os.path.isdir(path):
        raise cases.Skip(f"{what} does not say where the original is")
    return os.path.abspath(path)


def moved(text):
    """A source with its imports changed.  Helpers of the original's tests stay its own."""
    text = re.sub(r"\b(from|import) pympler\b(?!\.util)", r"\1 memcapture", text)
    text = re.sub(r"(?<!from )(?<!import )\bpympler\.(process|muppy)\.", r"memcapture.\1.", text)
    return re.sub(r"\bfrom reftracker\b", "from memcapture.reftracker", text)


def move(source, target):
    with open(source, encoding="utf-8") as file:
        text = moved(file.read())
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)


def environment(*paths):
    return dict(os.environ, PYTHONPATH=os.pathsep.join([PACKAGE, *paths]))


# ---- Tests ------------------------------------------------------------------------------------


def failed_tests(output):
    """Names in unittest's report, each once."""
    return set(re.findall(r"^(?:FAIL|ERROR): (\w+)", output, re.MULTILINE))


def tests_of(module):
    def case():
        source = os.path.join(folder_of(PYMPLER, "PYMPLER"), "test")
        for path in glob.glob(os.path.join(source, "**/*.py"), recursive=True):
            move(path, os.path.join("test", os.path.relpath(path, source)))
        result = cases.run(sys.executable, "-m", "unittest", module, cwd="test", env=environment(PYMPLER),
                           timeout=280)
        count = re.search(r"^Ran (\d+) tests?", result.stderr, re.MULTILINE)
        assert count and int(count.group(1)) > 0, result.stderr[-3000:]
        cases.equal(failed_tests(result.stderr), set(EXCEPTIONS.get(module, ())), result.stderr[-3000:])
    case.__name__ = "tests_of_" + module.rpartition(".test_")[2].replace("test_", "")
    return case


# ---- Documents ----------------------------------------------------------------------------------


class Failures(doctest.DocTestRunner):
    """Notes which examples fail, and says nothing."""

    def __init__(self):
        super().__init__(verbose=False, optionflags=doctest.ELLIPSIS)
        self.failed = []

    def report_failure(self, out, test, example, got):
        self.failed.append(example.source.strip())

    def report_unexpected_exception(self, out, test, example, exc_info):
        self.failed.append(example.source.strip())


def failures_in(text, name):
    test = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, name, name, 0)
    runner = Failures()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        runner.run(test, clear_globs=True, out=lambda text: None)
    return len(test.examples), runner.failed


def docstrings(path):
    """The texts in a module that have examples."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    texts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
    return [text for text in texts if ">>> " in text]


def compare_documents(texts):
    """Where the original does as its document says, so does this."""
    sys.path.append(folder_of(PYMPLER, "PYMPLER"))
    examples = 0
    try:
        for name, text in texts:
            count, ours = failures_in(moved(text), name)
            _, theirs = failures_in(text, name)
            new = [source for source in ours if source not in theirs and source not in DIFFERENT]
            cases.equal(new, [], name)
            examples += count
    finally:
        sys.path.pop()
    return examples


def examples_in_documents():
    found = []
    for path in sorted(glob.glob(os.path.join(folder_of(PYMPLER, "PYMPLER"), "doc/source/**/*.rst"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            found.append((os.path.basename(path), file.read()))
    assert compare_documents(found) >= 40, "where are the examples?"


def examples_in_docstrings():
    found = []
    for name in "process", "refgraph", "garbagegraph", "muppy", "summary", "tracker", "refbrowser", "mprofile":
        path = os.path.join(folder_of(PYMPLER, "PYMPLER"), "pympler", name + ".py")
        found += [(name, text) for text in docstrings(path)]
    assert compare_documents(found) >= 15, "where are the examples?"


# ---- Examples -----------------------------------------------------------------------------------


def run_example(path):
    result = cases.run(sys.executable, path, env=environment(os.getcwd()), timeout=280)
    cases.equal(result.returncode, 0, result.stderr[-3000:])
    return result.stdout


def example_of_a_class_tracker():
    source = os.path.join(folder_of(PYMPLER, "PYMPLER"), "examples/classtracker.py")
    prepare_web(source, "example_classtracker.py")
    cases.contains(run_example("example_classtracker.py"), "Drop data")
    with open("page.html", encoding="utf-8") as page:
        text = page.read()
    for name in "Alpha", "Beta", "Gamma":
        cases.contains(text, f"__main__.{name}")


def example_of_garbage():
    source = os.path.join(folder_of(PYMPLER, "PYMPLER"), "examples/garbage.py")
    prepare_web(source, "example_garbage.py")
    printed = run_example("example_garbage.py")
    cases.equal(len(re.findall(r"^0x\w+ +\d+ Branch ", printed, re.MULTILINE)), 2, printed)
    assert re.search(r"^0x\w+ +\d+ Root ", printed, re.MULTILINE), printed
    with open("garbage.svg", encoding="utf-8") as drawing:
        cases.contains(drawing.read(), "Branch")


def prepare_web(source, target):
    """There is no server, so the examples' last line goes to a page."""
    move(source, target)
    with open(target, encoding="utf-8") as file:
        text = file.read().replace("from memcapture import web", "import web")
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    with open("web.py", "w", encoding="utf-8") as file:
        file.write(WEB)


def example_of_reftracker():
    move(os.path.join(folder_of(REFTRACKER, "REFTRACKER"), "example.py"), "example_reftracker.py")
    lines = run_example("example_reftracker.py").splitlines()
    start = max(number for number, line in enumerate(lines) if "(persistent)" in line)
    end = lines.index("__main__.leaks[0]")
    stayed = sorted(line.split("\t")[2] for line in lines[start + 1:end])
    # Before Python 3.11 an instance's attributes are in a dict from the beginning.
    cases.equal([text for text in stayed if text != "<class 'dict'>"],
                ["<class '__main__.LargeObject'>", "<class 'list'>"], lines)
    assert all(line.startswith("  1\t") for line in lines[start + 1:end]), lines


def calls_of_reftracker():
    """Every public name of the original is there, with its parameters in their order."""
    with open(os.path.join(folder_of(REFTRACKER, "REFTRACKER"), "reftracker.py"), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    import inspect

    from memcapture import reftracker

    wrong = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            wrong += different(node, getattr(reftracker, node.name, None), inspect)
        elif isinstance(node, ast.ClassDef):
            cls = getattr(reftracker, node.name)
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and not part.name.startswith("__"):
                    wrong += different(part, getattr(cls, part.name, None), inspect)
    cases.equal(wrong, [])


def different(node, thing, inspect):
    if thing is None:
        return [f"{node.name} is not there"]
    said = [argument.arg for argument in node.args.args if argument.arg not in ("self", "cls")]
    actual = [name for name in inspect.signature(thing).parameters if name != "self"]
    return [] if actual[:len(said)] == said else [f"{node.name}{inspect.signature(thing)} and not {said}"]


MODULES = ["muppy.test_mprofile", "muppy.test_muppy", "muppy.test_refbrowser", "muppy.test_summary",
           "muppy.test_tracker", "gui.test_garbage", "test_process", "tracker.test_classtracker",
           "tracker.test_stats", "asizeof.test_asizeof"]

PYMPLERS = [*map(tests_of, MODULES), examples_in_documents, examples_in_docstrings, example_of_a_class_tracker,
            example_of_garbage]
REFTRACKERS = [example_of_reftracker, calls_of_reftracker]

# One line says that an original is not there.
cases.main(*PYMPLERS[:None if PYMPLER else 1], *REFTRACKERS[:None if REFTRACKER else 1])
