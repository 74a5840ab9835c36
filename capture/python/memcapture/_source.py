# SPDX-License-Identifier: MIT
"""Source text of the places that traces name, where their files are there."""

import linecache
import os.path


def source_lines(file, line):
    """A list of that line of `file`; None where it is not known.

    The name comes from a log, which may come from anywhere: only regular files are read.
    """
    if not file or line < 1 or not os.path.isfile(file):
        return None
    text = linecache.getline(file, line)
    return [text] if text else None
