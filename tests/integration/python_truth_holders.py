#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holders against a search and an evaluator written in Python: in random heaps, each path that is given
leads to an object of that type, none is longer than the shortest one, and all objects are counted once."""

import collections
import gc
import os
import random
import re
import sys
import types

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture._capture import find_holders
from memcapture.reftracker import ObjTracker

TOKEN = re.compile(
    r"\.(?P<name>[^\W\d]\w*)|\[(?P<index>\d+)\]|\['(?P<text>[^']*)'\]|<key '(?P<key>[^']*)'>|(?P<member>\{\.\.\.\})"
    r"|\[(?P<tuple>\([^]]*\))\]|\.(?P<unknown>\?)")


class Node:
    def __init__(self, *parts):
        self.first = parts[0] if parts else None
        self.rest = list(parts[1:])


class Slotted:
    __slots__ = ("left", "right")

    def __init__(self, left=None, right=None):
        self.left = left
        self.right = right


class Sack(list):
    pass


class Target:
    pass


Pair = collections.namedtuple("Pair", "left right")
heap = types.SimpleNamespace()


def generator(one):
    yield one


def closure(one):
    return lambda: one


def make(chosen, parts):
    one = chosen.choice(parts) if parts else None
    two = chosen.choice(parts) if parts else None
    made = chosen.choice((
        lambda: Node(one, two), lambda: Slotted(one, two), lambda: [one, two, None], lambda: (one, two),
        lambda: {"one": one, "two": two}, lambda: {3: one, ("a", 1): two}, lambda: Sack([one]), lambda: Pair(one, two),
        lambda: closure(one), lambda: types.MethodType(print, one if one is not None else 1),
        lambda: collections.deque([two, one]), lambda: {one} if isinstance(one, (Node, Target)) else [one],
        lambda: types.MappingProxyType({"k": one}), lambda: collections.OrderedDict(one=one, two=two),
        lambda: generator(one), lambda: type("Made", (), {"attribute": one}), lambda: iter([one, two])))()
    if isinstance(made, types.GeneratorType):
        next(made)
    return made


def build(seed):
    """A random heap in `heap`; the targets by their numbers are only in it."""
    chosen = random.Random(seed)
    parts = []
    for _ in range(150):
        parts.append(Target() if chosen.random() < 0.3 else make(chosen, parts))
    for at, part in enumerate(parts):  # cycles
        if type(part) is Node and chosen.random() < 0.5:
            part.rest.append(chosen.choice(parts))
        elif type(part) is Sack:
            part.append(chosen.choice(parts))
            part.extra = chosen.choice(parts)
    heap.__dict__.clear()
    heap.roots = [part for part in parts if chosen.random() < 0.2]
    heap.named = {f"name {at}": chosen.choice(parts) for at in range(8)}
    heap.attribute = chosen.choice(parts)


# ---- What a path leads to -----------------------------------------------------------------------------


def one_step(places, token):
    """Where a step leads from some objects: a dict of attributes is a part of its object."""
    found = []
    for one in places:
        if token["name"] is not None:
            found += attributes(one, token["name"])
        elif token["index"] is not None:
            found += items(one, int(token["index"]))
        elif token["text"] is not None:
            found += items(one, token["text"])
        elif token["tuple"] is not None:
            found += items(one, eval(token["tuple"]))
        elif token["key"] is not None:
            found += [key for key in dict_of(one) if key == token["key"]]
        elif token["member"] is not None:
            found += list(one) if isinstance(one, (set, frozenset)) else []
        else:
            found += gc.get_referents(one)
    return found


def dict_of(one):
    if isinstance(one, types.MappingProxyType):
        return gc.get_referents(one)[0]
    return one if isinstance(one, dict) else {}


def attributes(one, name):
    if isinstance(one, types.GeneratorType) and one.gi_frame and name in one.gi_frame.f_locals:
        return [one.gi_frame.f_locals[name]]
    try:
        return [object.__getattribute__(one, name) if not isinstance(one, type) else type.__getattribute__(one, name)]
    except AttributeError:
        return []


def items(one, key):
    if isinstance(one, (list, tuple, collections.deque)) and isinstance(key, int):
        return [one[key]] if key < len(one) else []
    whole = dict_of(one)
    return [whole[key]] if key in whole else []


def lead_to(path):
    """The objects that a path, as it is printed, may mean."""
    name = next(name for name in sorted(sys.modules, key=len, reverse=True)
                if path == name or path.startswith((name + ".", name + "[")))
    places, at = [sys.modules[name]], len(name)
    while at < len(path):
        token = TOKEN.match(path, at)
        if not token:
            raise AssertionError(f"no step at {path[at:]!r} of {path!r}")
        places = one_step(places, token)
        at = token.end()
    return places


# ---- How far an object is -----------------------------------------------------------------------------


def own_dict(one):
    if isinstance(one, (types.ModuleType, Node, Sack, types.SimpleNamespace)):
        return object.__getattribute__(one, "__dict__")
    if isinstance(one, type):
        return gc.get_referents(one.__dict__)[0] if type(one.__dict__) is types.MappingProxyType else None
    return None


def distances(wanted):
    """How many references away from the modules objects are, their own dicts being part of them."""
    left = set(wanted)
    seen = {id(module): module for name, module in sys.modules.items() if not name.startswith("memcapture")}
    level, length, found = list(seen.values()), 0, {}
    while level and left:
        for one in level:
            if id(one) in left:
                left.discard(id(one))
                found[id(one)] = length
        after = []
        for one in level:
            parts = gc.get_referents(one)
            more = own_dict(one)
            if more is not None:
                seen.setdefault(id(more), more)
                parts += gc.get_referents(more)
            elif isinstance(one, types.CodeType):
                parts += [one.co_consts, one.co_names]
            for part in parts:
                if id(part) not in seen:
                    seen[id(part)] = part
                    after.append(part)
        level, length = after, length + 1
    return found


def held_targets():
    gc.collect()
    return [one for one in gc.get_objects() if type(one) is Target]


def paths_are_true_and_the_shortest():
    checked = 0
    for seed in range(12):
        build(seed)
        expected = distances([id(one) for one in held_targets()])
        for at in range(len(held_targets())):
            rows = find_holders(held_targets()[at : at + 1])
            kind, count, _, path, example, root, length = rows[0]
            cases.equal((len(rows), kind, count), (1, Target, 1), rows)
            cases.equal(root, "module", rows)
            if not any(one is held_targets()[at] for one in lead_to(example)):
                raise AssertionError(f"{example} does not lead there but to {lead_to(example)}")
            cases.equal(length, expected[id(held_targets()[at])], example)
            checked += 1
    cases.equal(checked > 200, True, checked)


def patterns_count_all_once():
    for seed in range(12, 24):
        build(seed)
        rows = find_holders(held_targets(), ways=1000)
        cases.equal(sum(row[1] for row in rows), len(held_targets()))
        cases.equal(sum(row[2] for row in rows), sum(map(sys.getsizeof, held_targets())))
        for _, count, _, pattern, example, root, length in rows:
            if not any(type(one) is Target for one in lead_to(example)):
                raise AssertionError(f"{example} leads to {lead_to(example)}")
        few = find_holders(held_targets(), ways=2)
        cases.equal(sum(row[1] for row in few), len(held_targets()))
        cases.equal([row[1] for row in few[:2]], sorted((row[1] for row in rows), reverse=True)[:2])


def trackers_holders_are_what_is_persistent():
    tracker = ObjTracker()
    for seed in range(30, 36):
        build(seed)
        tracker.start()
        build(seed + 100)
        tracker.compare()
        for at in range(5):
            heap.roots.append(Target())
        changes = tracker.compare()
        counts, sizes = collections.Counter(), collections.Counter()
        for holder in tracker.holders():
            counts[holder.type] += holder.count
            sizes[holder.type] += holder.bytes
            for word in "ObjTracker", "memcapture", "Changes":
                cases.equal(word in holder.path, False, holder.path)
        cases.equal((dict(counts), dict(sizes)), ({name: count for name, count, _ in changes.persistent},
                                                  {name: size for name, _, size in changes.persistent}))


if __name__ == "__main__":
    cases.main(paths_are_true_and_the_shortest, patterns_count_all_once, trackers_holders_are_what_is_persistent)
