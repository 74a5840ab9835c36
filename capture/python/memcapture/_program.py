# SPDX-License-Identifier: MIT
"""Finds and runs a Python program as the interpreter would run it alone."""

import builtins
import importlib.machinery
import importlib.util
import io
import os
import pkgutil
import runpy
import sys
import types


class CannotRun(Exception):
    """The program is not there, or is no Python program."""


class Program:
    """A program that was found: a file, a folder or an archive with a __main__, or a module.

    `name` is what to call it, `main` its __main__, which takes the place of this one.
    """

    def __init__(self, words, is_module):
        # The interpreter makes its types for syntax when it compiles first: they are not the program's.
        compile("", self.__module__, "exec")
        self.name = words[0]
        if is_module:
            _set_path(os.getcwd())
            self.load, loader, spec = _find_module(self.name)
        else:
            self.load, loader, spec = _find_file(self.name)
        self.main = types.ModuleType("__main__")
        self.main.__annotations__ = {}
        self.main.__builtins__ = builtins
        self.main.__cached__ = spec.cached if spec is not None else None
        self.main.__file__ = spec.origin if spec is not None else os.path.abspath(self.name)
        self.main.__loader__ = loader
        self.main.__package__ = spec.parent if spec is not None else None
        self.main.__spec__ = spec
        sys.argv[:] = [self.main.__file__ if is_module else self.name, *words[1:]]
        sys.modules["__main__"] = self.main

    def run(self):
        """Runs it.  What it raises is shown without the frames that are not its own."""
        try:
            exec(self.load(), self.main.__dict__)
        except SystemExit:
            raise
        except KeyboardInterrupt:
            sys.excepthook = _Shown(sys.excepthook)
            raise
        except BaseException as error:
            trace = _own(error.__traceback__)
            error.__traceback__ = trace
            sys.excepthook(type(error), error, trace)
            error.__traceback__ = None
            sys.exit(1)


_FILES = (__file__, os.path.join(os.path.dirname(__file__), "__main__.py"), pkgutil.__file__, "<frozen runpy>",
          runpy.__file__)


def _own(trace):
    """A traceback without the frames around the program's own."""
    while trace is not None and trace.tb_frame.f_code.co_filename in _FILES:
        trace = trace.tb_next
    return trace


class _Shown:
    """A sys.excepthook for what is to end the interpreter in its own way."""

    def __init__(self, hook):
        self.hook = hook

    def __call__(self, kind, error, trace):
        sys.excepthook = self.hook
        error.__traceback__ = _own(trace)
        self.hook(kind, error, error.__traceback__)


def _set_path(folder):
    """Where the program's own modules are, unless the interpreter was told not to look there (-I, -P)."""
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        sys.path[0] = folder


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
    return lambda: spec.loader.get_code(spec.name), spec.loader, spec


def _find_file(path):
    importer = pkgutil.get_importer(path)
    if importer is not None and (os.path.isdir(path) or type(importer).__name__ == "zipimporter"):
        if sys.flags.isolated or getattr(sys.flags, "safe_path", False):
            sys.path.insert(0, os.path.abspath(path))
        else:
            sys.path[0] = os.path.abspath(path)
        sys.modules.pop("__main__", None)
        try:
            return _find_module("__main__")
        except CannotRun:
            raise CannotRun(f"there is no __main__ in {path}") from None
    _set_path(os.path.dirname(os.path.realpath(path)))
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error
    name = os.path.abspath(path)
    if path.endswith(".pyc"):
        loader = importlib.machinery.SourcelessFileLoader("__main__", name)
        return lambda: loader.get_code("__main__"), loader, None
    loader = importlib.machinery.SourceFileLoader("__main__", name)
    return lambda: compile(source, name, "exec", dont_inherit=True), loader, None
