# SPDX-License-Identifier: MIT
"""Summaries: how many objects there are of each type, and how large they are.

    >>> from memcapture import summary
    >>> rows = summary.summarize(["one", "two", [3]])
    >>> summary.print_(rows)                                # doctest: +SKIP
      types |   # objects |   total size
    ======= | =========== | ============
        str |           2 |    104     B
       list |           1 |     64     B

A summary is a list of rows [type, number of objects, their size in bytes], where the type is a
text.  `representations` says for which types it is another text than the type's name: a dict from
a type to a list of functions, of which each takes an object of exactly that type and gives a text,
the later in the list the more it says.  Summaries use the first, so that objects with the same
text are in one row; a program may add its own.

The work is done in C, by `memcapture._capture`, without a call for types that are not in
`representations`.
"""

import types

from . import _capture

__all__ = ["format_", "get_diff", "print_", "representations", "summarize"]

representations = {
    types.FrameType: [
        lambda frame: f"frame (codename: {frame.f_code.co_name})",
        lambda frame: f"frame (codename: {frame.f_code.co_name}, codeline: {frame.f_code.co_firstlineno})",
        lambda frame: f"frame (codename: {frame.f_code.co_name}, filename: {frame.f_code.co_filename}, "
                      f"codeline: {frame.f_code.co_firstlineno})",
    ],
    dict: [_capture.summary_type_text, lambda mapping: f"dict, len={len(mapping)}"],
    types.FunctionType: [
        _capture.summary_function_text,
        lambda function: f"function ({function.__module__}.{function.__name__})",
    ],
    list: [_capture.summary_type_text, lambda items: f"list, len={len(items)}"],
    types.ModuleType: [_capture.summary_module_text],
    set: [_capture.summary_type_text, lambda items: f"set, len={len(items)}"],
}

_COLUMNS = ("type", "#", "size")
_ORDERS = ("ascending", "descending")
_UNITS = ("B", "KB", "MB", "GB", "TB", "EB")


class _Rows(list):
    """A summary that is not counted in summaries of all objects, and neither is what it alone holds."""

    __slots__ = ()


def _of_all(with_own=False):
    """A summary of all objects, after gc.collect()."""
    return _Rows(_capture.summary_of_all(representations, with_own))


def summarize(objects):
    """A summary of the objects, in no particular order."""
    return _capture.summary_rows(objects, representations)


def get_diff(left, right):
    """What has changed from one summary to another, as a summary: rows of which the numbers can be
    less than 0, or 0 where nothing has changed."""
    before = {row[0]: row for row in left}
    rows = []
    for text, count, size in right:
        _, count_before, size_before = before.pop(text, (text, 0, 0))
        rows.append([text, count - count_before, size - size_before])
    rows.extend([text, -count, -size] for text, count, size in before.values())
    return rows


def _size_text(size):
    unit = 0
    while size > 1024:
        size /= 1024
        unit += 1
    return f"{size:7.2f} {_UNITS[unit]}" if unit else f"{size:4d}     B"


def _table_lines(rows):
    """Columns to the right, as wide as their longest text and a space on both sides."""
    texts = [[str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) + 2 for column in zip(*texts)]
    for at, row in enumerate(texts):
        yield " | ".join(text.rjust(width) for text, width in zip(row, widths))
        if at == 0:
            yield " | ".join("=" * width for width in widths)


def format_(rows, limit=15, sort="size", order="descending"):
    """The lines of a table of at most `limit` rows, sorted by "type", "#" or "size"."""
    if sort not in _COLUMNS:
        raise ValueError(f"invalid sort, should be one of {list(_COLUMNS)}")
    if order not in _ORDERS:
        raise ValueError(f"invalid order, should be one of {list(_ORDERS)}")
    column = _COLUMNS.index(sort)
    shown = sorted(rows, key=lambda row: str(row[0]) if column == 0 else row[column],
                   reverse=order == "descending")[:limit]
    return _table_lines([["types", "# objects", "total size"]] +
                        [[text, count, _size_text(size)] for text, count, size in shown])


def print_(rows, limit=15, sort="size", order="descending"):
    """Prints the lines of format_()."""
    for line in format_(rows, limit, sort, order):
        print(line)


def _repr(o, verbosity=1):
    """What a summary calls an object; with 0 always its type."""
    return _capture.summary_text(o, representations, verbosity)


def _traverse(summary, function, *args):
    """Calls the function with the summary, each row, and each item of a row."""
    function(summary, *args)
    for row in summary:
        function(row, *args)
        for item in row:
            function(item, *args)


def _subtract(summary, o):
    """Takes an object out of the summary, which can leave less than 0 in its row."""
    text = _repr(o)
    size = _capture.muppy_size([o])
    matching = [row for row in summary if row[0] == text]
    for row in matching:
        row[1] -= 1
        row[2] -= size
    if not matching:
        summary.append([text, -1, -size])
    return summary


def _sweep(summary):
    """The rows that do not have 0 in both columns."""
    return [row for row in summary if row[1] != 0 or row[2] != 0]
