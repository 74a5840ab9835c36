#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A leak in Python, found without knowing what to look for.  A small web application answers requests
with sessions that end; but whoever logs in stays among the listeners for news, so that its session and
its basket stay, too.

    PYTHONPATH=build/python python3 samples/leaking.py
    memstats diff leaking.dat
    memstats holders leaking.dat
    memreport leaking.dat -o leaking.html

The tracker is asked for all that was made after the start and is still there two rounds of requests
later, and then for who holds it: the list of listeners.
"""

import random

from memcapture.reftracker import ObjTracker

ROUNDS = 4
REQUESTS = 500


class Basket:
    """What a visitor wants to buy."""

    def __init__(self, items):
        self.items = items


class Session:
    """One visit."""

    def __init__(self, visitor, basket):
        self.visitor = visitor
        self.basket = basket

    def on_news(self, text):
        self.visitor.append(text)


class Shop:
    """Sessions by number, and who is to be told of news."""

    def __init__(self):
        self.sessions = {}
        self.listeners = []

    def visit(self, number, chance):
        session = Session(["visitor %d" % number], Basket([chance.randrange(1000) for _ in range(20)]))
        self.sessions[number] = session
        if chance.random() < 0.1:  # logs in
            self.listeners.append(session.on_news)

    def leave(self, number):
        del self.sessions[number]  # and self.listeners still has it


def main():
    chance = random.Random(5)
    shop = Shop()
    tracker = ObjTracker(log="leaking.dat", traces=3)
    for turn in range(ROUNDS):
        for number in range(turn * REQUESTS, (turn + 1) * REQUESTS):
            shop.visit(number, chance)
            shop.leave(number)
        tracker.diff(description="round %d" % (turn + 1))
    print("----------- Held by: ----------")
    for holder in tracker.holders():
        print(holder)
    tracker.findPersistent("Basket").describe(0)
    tracker.close()


if __name__ == "__main__":
    main()
