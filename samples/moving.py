#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""For those who come from pympler: a program as it was written for it, of which
one line has changed, the import.

    PYTHONPATH=build/python python3 samples/moving.py
    memstats moving.dat --sort size --limit 3
    memreport moving.dat -o moving.html

The dump is a log, which memstats and memreport read; they read pympler's own
dumps, too.
"""

from memcapture import asizeof                            # from pympler import asizeof
from memcapture.classtracker import ClassTracker          # from pympler.classtracker import ClassTracker
from memcapture.classtracker_stats import ConsoleStats    # from pympler.classtracker_stats import ConsoleStats


class Leaf:
    def __init__(self, number):
        self.number = number
        self.veins = [number] * 3


class Branch:
    def __init__(self, size):
        self.leaves = [Leaf(number) for number in range(size)]
        self.name = f"a branch of {size}"


def main():
    branch = Branch(3)
    print(asizeof.asizeof(branch), "bytes, of which", asizeof.flatsize(branch), "its own")
    print(asizeof.asized(branch, detail=2).format(depth=2))

    tracker = ClassTracker()
    tracker.track_class(Branch, resolution_level=2)
    tracker.track_class(Leaf, trace=True)
    tracker.create_snapshot("bare")
    tree = [Branch(size) for size in range(1, 100)]
    tracker.create_snapshot("summer")
    for branch in tree:
        del branch.leaves[::2]
    tracker.create_snapshot("autumn")
    tracker.stats.print_summary()
    tracker.stats.dump_stats("moving.dat")

    stats = ConsoleStats(filename="moving.dat")
    stats.sort_stats("tsize").print_stats(clsname="Branch", limit=2)


if __name__ == "__main__":
    main()
