# SPDX-License-Identifier: MIT
"""How sizes, times and names are laid out in text, the same in all that is printed."""

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB", "EB")


def trunc(value, width, left=False):
    """`value` as text on one line of at most `width` characters, cut at its end or its start."""
    text = str(value).replace("\n", "|")
    if len(text) <= width:
        return text
    if left:
        return "..." + text[len(text) - width + 3:]
    return text[:width - 3] + "..."


def pp(size):
    """A size in bytes for people: '  12     B', '   1.50 KB'.  1024 of a unit are still that unit."""
    if size <= 1024:
        return "%4d     B" % size
    degree = 0
    while size > 1024 and degree < len(_UNITS) - 1:
        size /= 1024.0
        degree += 1
    return "%7.2f %s" % (size, _UNITS[degree])


def pp_timestamp(seconds):
    """A time in seconds as '00:01:02.50'; nothing for None."""
    if seconds is None:
        return ""
    return "%02d:%02d:%05.2f" % (int(seconds / 3600), int(seconds / 60 % 60), seconds % 60)
