# SPDX-License-Identifier: MIT
"""Finds and runs a Python program as the interpreter would run it alone."""

import builtins
import importlib.util
import io
import os
import pkgutil
import sys
import types


class CannotRun(Exception):
    """The program is not there, or is no Python program."""


class Program:
    """A program that was found: a file, a folder or an archive with a __main__, or a module.

    `name` is what to call it, `main` its __main__, which takes the place of this one.
    """

    def __init__(self, words, is_module):
        self.name = words[0]
        if is_module:
            sys.path[0] = os.getcwd()
            self.load, spec = _find_module(self.name)
        else:
            self.load, spec = _find_file(self.name)
        self.main = types.ModuleType("__main__")
        self.main.__builtins__ = builtins
        self.main.__file__ = spec.origin if spec is not None else os.path.abspath(self.name)
        self.main.__package__ = spec.parent if spec is not None else None
        self.main.__spec__ = spec
        if spec is not None:
            self.main.__loader__ = spec.loader
        sys.argv[:] = [self.main.__file__ if is_module else self.name, *words[1:]]
        sys.modules["__main__"] = self.main

    def run(self):
        """Runs it.  What it raises is shown without the frames that are not its own."""
        try:
            exec(self.load(), self.main.__dict__)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, pkgutil.__file__):
                trace = trace.tb_next
            error.__traceback__ = trace
            sys.excepthook(type(error), error, trace)
            error.__traceback__ = None
            sys.exit(1)


def _find_module(name):
    """What loads the code of module NAME, or of its __main__ where it is a package; and the spec."""
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(name + ".__main__")
    except (ImportError, AttributeError, ValueError) as error:
        raise CannotRun(f"no module {name}: {error}") from error
    if spec is None or not hasattr(spec.loader, "get_code"):
        raise CannotRun(f"there is no module {name} that can be run")
    return lambda: spec.loader.get_code(spec.name), spec


def _find_file(path):
    importer = pkgutil.get_importer(path)
    if importer is not None and (os.path.isdir(path) or type(importer).__name__ == "zipimporter"):
        sys.path[0] = path
        sys.modules.pop("__main__", None)
        return _find_module("__main__")
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error
    return lambda: compile(source, os.path.abspath(path), "exec", dont_inherit=True), None
