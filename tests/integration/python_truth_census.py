#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A census against the collector's own functions, in a process that has imported much: each object that
gc.get_objects() and gc.get_referents(), again and again, lead to is in it, once, and nothing else."""

import asyncio
import decimal
import gc
import http.server
import json
import multiprocessing
import os
import sqlite3
import sys
import types
import unittest

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
from memcapture import _capture

try:
    import numpy
except ImportError:
    numpy = None

IMPORTED = asyncio, decimal, http.server, json, multiprocessing, sqlite3, unittest, numpy


def is_left_out(one):
    return type(one) is int or type(one) is types.FrameType


def reached():
    """By the collector's functions: all but frames and numbers, by their ids."""
    found = {}
    waiting = [one for one in gc.get_objects() if type(one) is not types.FrameType]
    while waiting:
        one = waiting.pop()
        if id(one) in found or is_left_out(one):
            continue
        found[id(one)] = one
        waiting += gc.get_referents(one)
    return found


def text(one):
    try:
        return f"{type(one).__name__} {one!r:.100}"
    except Exception:  # a class that is not whole
        return type(one).__name__


def led_to(holders, missing):
    """What is missing and yet referred to by others than this package's modules and their contents."""
    known = frozenset(id(one) for name, module in sys.modules.items() if name.partition(".")[0] == "memcapture"
                      for one in (module, *vars(module).values()))
    return [text(one) for holder in holders.values() if holder is not sys.modules for one in gc.get_referents(holder)
            if id(one) in missing and id(one) not in known]


def what_the_collector_leads_to_is_in_it_once():
    cases.equal(len(IMPORTED) > 5, True)
    gc.collect()
    gc.collect()
    gc.disable()
    ours = _capture.all_objects()
    theirs = reached()
    missing = {oid: one for oid, one in theirs.items() if oid not in ours}
    cases.equal([text(one) for oid, one in ours.items() if oid not in theirs], [])
    cases.equal([text(one) for one in ours.values() if is_left_out(one)], [])
    # What is missing is this package's own.
    for since in ours, theirs:
        missing.pop(id(since), None)
    cases.equal(led_to(ours, missing), [])
    cases.equal(len(ours) > 50_000 and len(missing) < 1000, True, (len(ours), len(missing)))
    gc.enable()


cases.main(what_the_collector_leads_to_is_in_it_once)
