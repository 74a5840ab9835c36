# SPDX-License-Identifier: MIT
"""Sizes of Python objects, with all that they refer to, in bytes.

    >>> from memcapture import asizeof
    >>> asizeof.asizeof([1000, "two", [3.0]])               # doctest: +SKIP
    280
    >>> print(asizeof.asized({"key": "value"}, detail=1).format())  # doctest: +SKIP

asizeof() gives the size of all given objects together, asizesof() that of each, asized() an
Asized for each, which tells the referents one by one.  An Asizer does the same over several
calls.  An object counts once, for the first that leads to it; referents are walked depth first,
`limit` levels deep.  Looking changes nothing: an instance's dict is not made, properties and
__getattr__ do not run; an overridden __sizeof__ and, for names, repr() and str() do, and what
they raise is dropped.

The work is done in C, by `memcapture._capture`; here is what prints statistics.
"""

import gc
import os
import sys
from struct import calcsize

from . import _capture
from ._capture import Asized, adict, amapped, basicsize, flatsize, itemsize, leng, named_refs, refs

__all__ = ["Asized", "Asizer", "adict", "amapped", "asized", "asizeof", "asizesof",
           "basicsize", "flatsize", "itemsize", "leng", "named_refs", "refs"]

# What these are taken to be; the first is a part of basicsize(), the others are itemsizes.
_sizeof_CPyGC_Head = 32
_sizeof_CPyDictEntry = 24
_sizeof_Csetentry = 16

_KINDS = ("static", "dynamic", "derived", "ignored", "inferred")
_LARGEST_WITH_PROFILES = 10


def _plural(count):
    return "" if count == 1 else "s"


def _binary(size):
    """' or 1.5 KiB', '' for what is less than that."""
    value = float(size)
    unit = ""
    for prefix in "KMGTPE":
        if value < 1024:
            break
        value /= 1024
        unit = prefix
    return f" or {value:.1f} {unit}iB" if unit else ""


def _both(size):
    return f"{size}{_binary(size)}"


def _options_text(options):
    return ", ".join(sorted(f"{name}={value!r}" for name, value in options.items()))


def _bare(text):
    return text.strip("<>").replace("'", "")


def _key_text(key, is_class, clip):
    """A type, or with ' def' a class as an object of its own."""
    text = _capture._show(key, 0)
    if is_class:
        text = text[:-1] + " def>" if text.endswith(">") else text + " def"
    if len(text) > clip > 0 and clip // 2 > 2:
        half = clip // 2 - 2
        text = text[:half] + "...." + text[-half:]
    return _bare(text)


def _length_text(obj):
    try:
        length = leng(obj)
        if length is None:
            return ""
        shown = len(obj) if hasattr(type(obj), "__len__") else 0
    except Exception:   # a __len__ that fails: there is no length to show
        return ""
    return f" leng {length}{'!' if length > shown else ''}"


class _ClassKey:
    """A class as an object of its own, beside the class as what its instances are."""

    __slots__ = ("_cls",)

    def __init__(self, cls):
        self._cls = cls

    def __repr__(self):
        text = str(self._cls)
        return text[:-1] + " def>" if text.endswith(">") else text + " def"


class Asizer(_capture.Asizer):
    """Sizes objects, each once, over several calls, and prints what was found.

    Options, which reset() and the constructor take: above=1024 (larger objects are ranked), align=8,
    clip=80 (characters of a repr), code=False, cutoff=10, derive=False, detail=0 (levels that
    asized() tells), frames=False, ignored=True, infer=False, limit=100 (levels of referents),
    stats=0, stream=None.

    Objects are known by their address, and are not kept alive.  One that was made after a sized one
    was freed may have its address, and passes for it then: it counts as seen.
    """

    @property
    def excluded(self):
        """The types that are left out: for each the class itself, shown with ' def', and its instances."""
        return tuple(key for cls in super().excluded for key in (_ClassKey(cls), cls))

    def _show(self, obj):
        return _capture._show(obj, self.clip)

    def _write(self, text, options):
        stream = options.get("file") or self._stream or sys.stdout
        stream.write(text + options.get("end", "\n"))
        if options.get("flush"):
            stream.flush()

    def _cutoff_of(self, stats):
        """Whole stats, and the cutoff from the fraction."""
        whole = int(stats)
        return whole, int((stats - whole) * 100.0 + 0.5) or self.cutoff

    def _including(self):
        return " (incl. code)" if self._facts()[3] else ""

    def print_summary(self, w=0, objs=(), **print3options):
        """Prints counts and the total; w is the width of the numbers."""
        align, depth, excluded, _ = self._facts()
        lines = [f"{self.total:{w}d} bytes{_binary(self.total)}{self._including()}"]
        if align:
            lines.append(f"{align:{w}d} byte aligned")
        lines.append(f"{calcsize('P'):{w}d} byte sizeof(void*)")
        counts = [(len(objs or ()), "given"), (self.sized, "sized")]
        if excluded is not None:
            counts.append((excluded, "excluded"))
        counts.append((self.seen, "seen"))
        if self.ranked > 0:
            counts.append((self.ranked, "ranked"))
        counts.append((self.missed, "missed"))
        lines += [f"{count:{w}d} object{_plural(count)} {what}" for count, what in counts]
        lines.append(f"{self.duplicate:{w}d} duplicate{_plural(self.duplicate)}")
        if depth > 0:
            lines.append(f"{depth:{w}d} deepest recursion")
        for line in lines:
            self._write(line, print3options)

    def print_largest(self, w=0, cutoff=0, **print3options):
        """Prints the `cutoff` largest objects, of the 100 that are kept."""
        ranks = self._ranks()
        count = min(len(ranks), max(int(cutoff) if cutoff else self.cutoff, 0))
        if count <= 0 or self.above <= 0:
            return
        self._write(f"{os.linesep}{count:{w}d} largest object{_plural(count)} "
                    f"(of {self.ranked} over {self.above} bytes{_binary(self.above)})", print3options)
        places = {rank[5]: place for place, rank in enumerate(ranks)}
        for key, is_class, obj, size, deep, ident, parent in ranks[:count]:
            at = f" (at {deep})" if deep > 0 else ""
            of = f", pix {places.get(parent, '?')}" if parent else ""
            self._write(f"{size:{w}d} bytes{_binary(size)}: {_key_text(key, is_class, self.clip)}: "
                        f"{self._show(obj)}{_length_text(obj)}, ix {places.get(ident, '?')}{at}{of}",
                        print3options)

    def print_profiles(self, w=0, cutoff=0, **print3options):
        """Prints the types, those with most bytes first, down to `cutoff` percent of the total."""
        everything = self._profiles()
        shown = [profile for profile in everything if profile[3] > 0 or profile[2] > 1]
        if len(everything) - len(shown) < 9:
            shown = everything
        if shown:
            grand = self.total
            percent = (int(cutoff) if cutoff else self.cutoff) if grand else 0
            least = int(percent * 0.01 * grand)
            self._write(f"{os.linesep}{len(shown):{w}d} profile{_plural(len(shown))}:  total"
                        f"{' (% of grand total)' if grand else ''}, average, and largest flat size"
                        f"{self._including()}:  largest object", print3options)
            left = len(shown)
            shown = sorted(shown, key=lambda profile: (profile[3], profile[2]), reverse=True)
            for key, is_class, number, total, high, obj in shown:
                share = f" ({total * 100.0 / grand:.0f}%)" if grand else ""
                average = int(total / number) if number > 1 else total
                self._write(f"{number:{w}d} {_key_text(key, is_class, self.clip)} "
                            f"object{'s' if number > 1 else ''}:  {_both(total)}{share}, {_both(average)}, "
                            f"{_both(high)}:  {self._show(obj)}{_length_text(obj)}", print3options)
                left -= 1
                if left > 1 and total < least:
                    self._write(f"{left:+{w}d} profiles below cutoff ({percent:.0f}%)", print3options)
                    break
        none = len(everything) - len(shown)
        if none > 0:
            self._write(f"{none:+{w}d} 'zero' object{_plural(none)}", print3options)

    def print_typedefs(self, w=0, **print3options):
        """Prints what is known of types, and the classes that are walked as dicts."""
        known = self._typedefs()
        for kind in _KINDS:
            lines = []
            for key, is_class, its_kind, base, item, length, referents, both in known:
                if its_kind == kind and (both or self.code):
                    parts = [str(base), str(item), length or "n/a", referents or "n/a"]
                    parts += [] if both else ["(code only)"]
                    lines.append((_key_text(key, is_class, self.clip), ", ".join(parts)))
            if lines:
                self._write(f"{os.linesep}{len(lines):{w}d} {kind} type{_plural(len(lines))}:  "
                            "basicsize, itemsize, _len_(), _refs()", print3options)
                for name, line in sorted(lines):
                    self._write(f"{'':{w}s} {name}:  {line}", print3options)
        dicts = _capture._dict_types()
        count = sum(len(names) for names in dicts.values())
        if count:
            self._write(f"{os.linesep}{count:{w}d} dict/-like classes:", print3options)
            for module, names in dicts.items():
                self._write(f"{'':{w}s} {module}:  {_bare(self._show(names))}", print3options)

    def print_stats(self, objs=(), opts={}, sized=(), sizes=(), stats=3, **print3options):
        """Prints statistics of the last call: 1 the summary and the largest objects, 2 also types,
        3 also what is known of types."""
        stats = min(opts.get("stats", stats) or 0, self.stats)
        if stats <= 0:
            return
        w = len(str(self.missed + self.seen + self.total)) + 1
        options = _options_text(opts)
        comma = ", " if options and objs else ""
        if sized and objs:
            if len(objs) > 1:
                self._write(f"{os.linesep}asized(...{comma}{options}) ...", print3options)
                for place, one in enumerate(sized):
                    self._write(f"{place:{w - 1}d}: {one}", print3options)
            else:
                self._write(f"{os.linesep}asized({options}): {sized}", print3options)
        elif sizes and objs:
            self._write(f"{os.linesep}asizesof(...{comma}{options}) ...", print3options)
            for size, obj in zip(sizes, objs):
                self._write(f"{size:{w}d} bytes{_binary(size)}{self._including()}:  {self._show(obj)}",
                            print3options)
        else:
            given = self._show(objs) if objs else ""
            self._write(f"{os.linesep}asizeof({given}{comma}{options}) ...", print3options)
        self.print_summary(w=w, objs=objs, **print3options)
        stats, cutoff = self._cutoff_of(stats)
        self.print_largest(w=w, cutoff=cutoff if stats < 2 else _LARGEST_WITH_PROFILES, **print3options)
        if stats > 1:
            self.print_profiles(w=w, cutoff=cutoff, **print3options)
        if stats > 2:
            self.print_typedefs(w=w, **print3options)


def asized(*objs, **opts):
    """An Asized for each object, as a tuple, or the one for a single object.

    detail is the number of levels of referents that are told one by one; the other options are those
    of Asizer.
    """
    sizer = Asizer(**opts)
    if not objs:
        return ()
    sizes = sizer.asized(*objs)
    sizer.print_stats(objs, opts=opts, sized=sizes)
    return sizes


def asizeof(*objs, **opts):
    """The size of all objects together, in bytes; options are those of Asizer.

    With all=True and no objects: of all that the garbage collector knows.
    """
    sizer_options = {name: value for name, value in opts.items() if name != "all"} if "all" in opts else opts
    sizer = Asizer(**sizer_options)
    if not objs:
        everything = opts.get("all")
        if everything not in (False, None, True):
            raise ValueError(f"invalid option: asizeof(all={everything!r})")
        if not everything:
            return 0
        objs = tuple(gc.get_objects())
        sizer.exclude_objs(objs)
    size = sizer.asizeof(*objs)
    sizer.print_stats(objs=objs, opts=opts)
    return size


def asizesof(*objs, **opts):
    """The size of each object, in bytes, as a tuple; options are those of Asizer."""
    sizer = Asizer(**opts)
    if not objs:
        return ()
    sizes = sizer.asizesof(*objs)
    sizer.print_stats(objs, opts=opts, sizes=sizes)
    return sizes
