# SPDX-License-Identifier: MIT
"""Runs a Python program that knows nothing of it with its objects observed:

    python3 -m memcapture [options] [-o FILE] PROGRAM [ARGUMENT ...]
    python3 -m memcapture [options] [-o FILE] -m MODULE [ARGUMENT ...]

The program runs as it would alone: as `__main__`, with its own arguments, output, exit status and
tracebacks.  `python3 -m memcapture --help` lists the options.
"""

import argparse
import os
import sys

from . import __version__
from ._observing import Observer, observe, reason
from ._program import CannotRun, Program

USAGE = """python3 -m memcapture [--classes MODULE.CLASS,...] [--interval S] [--diff] [--trace]
                             [-q] [-o FILE] (PROGRAM | -m MODULE) [ARGUMENT ...]"""

EPILOG = """
A class of the program itself is __main__.CLASS; in names * stands for any text and ? for any letter.

With --diff, and where no classes are named, all objects that the interpreter knows are observed.  The
baseline is taken when the program starts, or with --interval after that time; then it is noted every
interval, or when the program's own code is done, and at the very end what was made, what went, what
stayed, and who holds it.

Under memrecord everything goes into memrecord's log.  Show a log with memstats and memreport:

    memstats diff profile.dat
    memstats holders profile.dat
    memreport profile.dat -o report.html
"""


def _seconds(text):
    value = float(text)
    if not 0.001 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not within 0.001 and 1000000 seconds")
    return value


def _names(text):
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if not all(name.rpartition(".")[::2]) and "*" not in name:
            raise argparse.ArgumentTypeError(f"{name!r} is not of the form MODULE.CLASS")
    return names


def _parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python3 -m memcapture",
        usage=USAGE,
        description="Runs a Python program with its objects observed, and writes a log of it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--classes", type=_names, default=[], metavar="MODULE.CLASS,...", help="track the instances of these")
    add("--interval", type=_seconds, metavar="S", help="look every S seconds, not only at the end")
    add("--diff", action="store_true", help="observe all objects")
    add("--trace", action="store_true", help="note where objects are made")
    add("-o", "--output", metavar="FILE", help="the log (PROGRAM.PID.dat); %%p stands for the process's id")
    add("-q", "--quiet", action="store_true", help="say nothing at the end")
    add("--version", action="version", version=f"memcapture {__version__}")
    add("-m", dest="module", nargs=argparse.REMAINDER, metavar="MODULE", help="run a module, as python3 -m does")
    add("program", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    words = options.module if options.module is not None else options.program
    if words[:1] == ["--"]:
        del words[0]
    if not words:
        parser.error("there is no program to run")
    return options, words


def _say(observer):
    """The closing line."""
    told = []
    for name in observer.missing():
        print(f"memcapture: no class {name} was met", file=sys.stderr)
    for name, why in sorted(observer.untracked.items()):
        print(f"memcapture: class {name} is not tracked: {why}", file=sys.stderr)
    if observer.changes is not None:
        stayed = sum(count for _, count, _ in observer.changes.persistent)
        told.append(f"{stayed} {'object' if stayed == 1 else 'objects'} stayed")
    elif observer.everything:
        told.append("the program was over before the baseline, --interval seconds after its start")
    tracked = len(observer.found) - len(observer.untracked)
    if tracked:
        told.append(f"{tracked} {'class' if tracked == 1 else 'classes'} tracked")
    path = observer.path.replace("%p", str(os.getpid()))
    where = path if os.path.exists(path) else "memrecord's log"
    print(f"memcapture: {where}: {', '.join(told) or 'nothing was observed'}", file=sys.stderr)


def main():
    """What `python3 -m memcapture` does; the program's exit status becomes its own."""
    options, words = _parse(sys.argv[1:])
    try:
        program = Program(words, options.module is not None)
    except CannotRun as error:
        print(f"memcapture: {error}", file=sys.stderr)
        return 2
    name = os.path.splitext(os.path.basename(os.path.normpath(program.name)))[0]
    try:
        observer = Observer(options.classes, options.diff or not options.classes, options.interval, options.trace,
                            options.output or f"{name}.%p.dat")
        observe(observer, (lambda observer: None) if options.quiet else _say)
    except OSError as error:
        print(f"memcapture: {reason(error)}", file=sys.stderr)
        return 4
    try:
        program.run()
    finally:
        if options.interval is None and observer.everything:
            observer.look("program done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
