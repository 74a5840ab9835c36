# SPDX-License-Identifier: MIT
"""Memory profiling of Python objects: track classes or all objects, size them, and see who holds them.

    >>> from memcapture.classtracker import ClassTracker
    >>> from memcapture.reftracker import ObjTracker
    >>> from memcapture import asizeof

Objects and classes that a program names: classtracker (what is tracked), classtracker_stats
(statistics of a tracker or of a file), asizeof (sizes).

All objects: reftracker (which came, went and stayed, and who holds them), muppy (lists of them),
summary (number and size by type), tracker (how summaries change), refbrowser (trees of referrers),
refgraph and garbagegraph (graphs of references and of garbage), mprofile (memory at places in the code).

And process (memory of this process), charts (drawings).  `python3 -m memcapture PROGRAM` observes a
program that knows nothing of it.
"""

__version__ = "@VERSION@"
