# SPDX-License-Identifier: MIT
"""Memory profiling of Python objects: track classes, size objects, read and show what was seen.

    >>> from memcapture.classtracker import ClassTracker
    >>> from memcapture import asizeof

Modules: classtracker (what is tracked), classtracker_stats (statistics of a tracker or of a
file), asizeof (sizes), process (memory of this process), charts (drawings).
"""

__version__ = "@VERSION@"
