#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# sanitizers: no
"""The type stubs say what the modules have: the same names, and for what can be
called the same parameters with the same defaults."""

import ast
import glob
import importlib
import inspect
import os
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases

SOURCES = os.path.join(cases.ROOT, "capture/python/memcapture")
MODULES = sorted(os.path.basename(path)[:-4] for path in glob.glob(os.path.join(SOURCES, "*.pyi")))
CALLABLE = (ast.FunctionDef, ast.AsyncFunctionDef)


def public(name):
    return not name.startswith("_") or name == "__init__"


def stub_members(body):
    """What a module's or a class's stub names: a list of its definitions for each."""
    found = {}
    for node in body:
        if isinstance(node, (*CALLABLE, ast.ClassDef)):
            found.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.AnnAssign):
            found.setdefault(node.target.id, []).append(node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                found.setdefault(target.id, []).append(node)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:  # "x as x" is exported again
                if alias.asname == alias.name:
                    found.setdefault(alias.name, []).append(node)
        elif isinstance(node, ast.If):
            for name, nodes in stub_members(node.body).items():
                found.setdefault(name, []).extend(nodes)
    return {name: nodes for name, nodes in found.items() if public(name)}


def stub_parameters(node):
    """(name, default as source text or None) in order; "*" and "**" go before names that gather."""
    arguments = node.args
    positional = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    found = [(argument.arg, default) for argument, default in zip(positional, defaults)]
    if arguments.vararg:
        found.append(("*" + arguments.vararg.arg, None))
    found += [(argument.arg, default) for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults)]
    if arguments.kwarg:
        found.append(("**" + arguments.kwarg.arg, None))
    return [(name, default and ast.unparse(default)) for name, default in found]


def real_parameters(thing):
    """The same of the thing itself; None where it does not tell."""
    try:
        signature = inspect.signature(thing)
    except (ValueError, TypeError):
        return None
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [(marks.get(parameter.kind, "") + parameter.name,
             None if parameter.default is parameter.empty else repr(parameter.default))
            for parameter in signature.parameters.values()]


def same_parameters(stub, real):
    """A stub may leave a default open ("..."), and name what is gathered by **options one by one."""
    if real and real[-1][0].startswith("**") and not (stub and stub[-1][0].startswith("**")):
        real = real[:-1]
        if any(default is None for _, default in stub[len(real):]):
            return False
        stub = stub[:len(real)]
    return [name for name, _ in stub] == [name for name, _ in real] and all(
        (said is None) == (is_so is None) and (said in (None, "...") or said == is_so)
        for (_, said), (_, is_so) in zip(stub, real))


def is_property(node):
    return any(ast.unparse(decorator).split(".")[-1] in ("property", "setter", "cached_property")
               for decorator in node.decorator_list)


def check_callable(where, node, thing, bound):
    """BOUND: the thing does not show its first parameter."""
    stub = stub_parameters(node)
    if bound:
        stub = stub[1:]
    real = real_parameters(thing)
    if real is not None and inspect.isroutine(thing) and stub and stub[0][0] == "self" and real[:1] != [("self", None)]:
        stub = stub[1:]  # written in C, which need not name it
    if real is not None and not same_parameters(stub, real):
        yield f"{where}: the stub has {stub}, it has {real}"


def check_class(where, node, cls):
    members = {name: nodes for name, nodes in stub_members(node.body).items()}
    for name, nodes in members.items():
        definition = nodes[0]
        if not isinstance(definition, CALLABLE):
            continue  # an attribute of instances
        if not hasattr(cls, name):
            yield f"{where}.{name}: only in the stub"
        elif name == "__init__":
            if len(nodes) == 1:
                yield from check_callable(f"{where}()", definition, cls, True)
        elif not is_property(definition) and len(nodes) == 1:
            kind = inspect.getattr_static(cls, name)
            bound = isinstance(kind, classmethod) or type(kind).__name__ == "classmethod_descriptor"
            yield from check_callable(f"{where}.{name}", definition, getattr(cls, name), bound)
    for name in vars(cls):
        if not name.startswith("_") and name not in members and not callable_of_base(cls, name):
            yield f"{where}.{name}: not in the stub"


def callable_of_base(cls, name):
    """It overrides what a base declares; the base's stub says enough."""
    return any(name in vars(base) for base in cls.__mro__[1:])


def is_for_checkers(node):
    """A name that only type checkers need: a protocol, the shape of a dict, a variable for types."""
    if isinstance(node, ast.ClassDef):
        return any(ast.unparse(base).split("[")[0].split(".")[-1] in ("Protocol", "TypedDict") for base in node.bases)
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and \
        ast.unparse(node.value.func).split(".")[-1] == "TypeVar"


def exported(module):
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {name for name, thing in vars(module).items()
            if not name.startswith("_") and getattr(thing, "__module__", "").startswith("memcapture")}


def differences(name):
    module = importlib.import_module("memcapture" if name == "__init__" else f"memcapture.{name}")
    with open(os.path.join(SOURCES, name + ".pyi"), encoding="utf-8") as file:
        members = stub_members(ast.parse(file.read()).body)
    for member, nodes in members.items():
        definition = nodes[0]
        if not hasattr(module, member):
            if not is_for_checkers(definition):
                yield f"{member}: only in the stub"
        elif isinstance(definition, ast.ClassDef):
            yield from check_class(member, definition, getattr(module, member))
        elif isinstance(definition, CALLABLE) and len(nodes) == 1:
            yield from check_callable(member, definition, getattr(module, member), False)
    for member in sorted(exported(module) - set(members)):
        if not inspect.ismodule(getattr(module, member)):
            yield f"{member}: not in the stub"


def every_public_module_has_a_stub():
    modules = {os.path.basename(path)[:-3] for path in glob.glob(os.path.join(SOURCES, "*.py"))}
    public_modules = {name for name in modules if not name.startswith("_")} | {"__init__"}
    cases.equal(public_modules - set(MODULES), set(), "without a stub")
    assert os.path.exists(os.path.join(SOURCES, "py.typed"))


def stub_of(name):
    def case():
        found = list(differences(name))
        if found:
            raise AssertionError("\n".join(found))
    case.__name__ = f"stub_of_{name}"
    return case


def everything_public_says_what_it_is():
    missing = []
    for name in MODULES:
        if name == "__init__" or name.startswith("_"):
            continue
        module = importlib.import_module(f"memcapture.{name}")
        if not module.__doc__:
            missing.append(name)
        for member in sorted(exported(module)):
            thing = getattr(module, member)
            if not (inspect.isclass(thing) or inspect.isroutine(thing)):
                continue
            if not inspect.getdoc(thing):
                missing.append(f"{name}.{member}")
            if inspect.isclass(thing):
                missing += [f"{name}.{member}.{part}" for part, method in vars(thing).items()
                            if not part.startswith("_") and inspect.isroutine(method) and not inspect.getdoc(method)]
    cases.equal(missing, [], "without a docstring")


cases.main(every_public_module_has_a_stub, *map(stub_of, MODULES), everything_public_says_what_it_is)
