#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A leak in a program that knows nothing of any profiler.  It answers questions about the weather, and
remembers each answer; but the key under which it does so has the second in it, and never comes again.

    PYTHONPATH=build/python python3 -m memcapture --trace -o weather.dat samples/weather.py
    memstats diff weather.dat --filter Report
    memstats holders weather.dat --filter Report
    memreport weather.dat -o weather.html

The first runs it as it is, and says at the end how many objects stayed; the others say which, who holds
them, and where they were made.
"""

import random

remembered = {}


class Report:
    """The weather at a place."""

    def __init__(self, place, degrees):
        self.place = place
        self.degrees = degrees


def forecast(place, second, chance):
    key = place, second
    if key not in remembered:
        remembered[key] = Report(place, [chance.uniform(-20, 40) for _ in range(24)])
    return remembered[key]


def main():
    chance = random.Random(7)
    warmest = max(max(forecast("Ulm", second, chance).degrees) for second in range(2000))
    print(f"it will never be warmer than {warmest:.1f} degrees")


if __name__ == "__main__":
    main()
