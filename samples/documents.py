#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A leak in Python, and how the tracker finds it.  A small store of documents
keeps, for undo, the last three revisions of each.  The function that drops
older ones takes them from the document, but the index of words still leads to
them: they are no one's and still there.

    PYTHONPATH=build/python python3 samples/documents.py
    memstats documents.dat
    memstats diff documents.dat@loaded documents.dat@edited
    memstats objects documents.dat --filter Revision --sort birth --limit 2
    memreport documents.dat -o documents.html

The diff has ten thousand Revisions created and not one deleted, though each
document holds three; the traces of the oldest lead to the line that made them.
"""

import contextlib
import random

from memcapture.classtracker import ClassTracker

WORDS = "paper ink margin chapter quote index line page cover binding spine title author note".split()
DOCUMENTS = 1000
EDITS = 9000
KEPT = 3


class Revision:
    """A text as it was at one time."""

    def __init__(self, number, text):
        self.number = number
        self.text = text


class Document:
    """A title, and the last revisions of its text, newest last."""

    def __init__(self, title):
        self.title = title
        self.revisions = []

    def revise(self, text):
        self.revisions.append(Revision(len(self.revisions) + 1, text))


class Store:
    """Documents by title, and revisions by the words in them."""

    def __init__(self):
        self.documents = {}
        self.index = {word: [] for word in WORDS}

    def write(self, title, text):
        document = self.documents.setdefault(title, Document(title))
        document.revise(text)
        for word in set(text.split()):
            self.index[word].append(document.revisions[-1])
        if len(document.revisions) > KEPT:
            self.drop_oldest(document)

    def drop_oldest(self, document):
        # The mistake: what the index refers to stays.  It takes
        #     for entries in self.index.values(): ... remove it ...
        del document.revisions[0]


def sentence(generator):
    return " ".join(generator.choices(WORDS, k=12))


def main():
    generator = random.Random(7)
    store = Store()
    # Without log= everything is in memory, as ever; with it, memstats and memreport can look meanwhile.
    with contextlib.closing(ClassTracker(log="documents.dat")) as tracker:
        tracker.track_object(store)
        tracker.track_class(Document, resolution_level=1)
        tracker.track_class(Revision, trace=True)
        tracker.create_snapshot("empty")
        for number in range(DOCUMENTS):
            store.write(f"Document {number}", sentence(generator))
        tracker.create_snapshot("loaded")
        for _ in range(EDITS):
            store.write(f"Document {generator.randrange(DOCUMENTS)}", sentence(generator))
        tracker.create_snapshot("edited")
        tracker.stats.print_summary()
        held = sum(len(document.revisions) for document in store.documents.values())
        print(f"the documents hold {held} revisions, the tracker knows of {len(tracker.index['__main__.Revision'])}")


if __name__ == "__main__":
    main()
