# SPDX-License-Identifier: MIT
"""Makes logs of Python programs that never ran, from what a test says of them.

    program = python_log_making.Program()
    first = program.add("Node", birth=0.5, basic=48, label="<first>")
    program.snapshot(1.0, "start", {first: Size(120, 48, [Size(72, 72, name="[V] a")])})
    program.write("made.dat")
"""

import collections

import log_making
from log_making import block


class Size:
    """What an object, or a referent, was found to hold."""

    def __init__(self, size, flat, refs=(), name=None):
        self.size, self.flat, self.refs, self.name = size, flat, list(refs), name


Tracked = collections.namedtuple("Tracked", "number classname birth basic address death label trace level")
Taken = collections.namedtuple("Taken", "time description sizes memory total overhead")


def ns(seconds):
    return round(seconds * 1e9)


class Program:
    def __init__(self):
        self.objects = []
        self.snapshots = []
        self.texts = {}

    def add(self, classname, birth, basic, address=None, death=None, label="", trace=(), level=0):
        """An object; TRACE is a list of (file, line, function), outermost first.  Gives its number."""
        number = len(self.objects) + 1
        self.objects.append(Tracked(number, classname, birth, basic, address or 0x7f0000000000 + 64 * number, death,
                                    label, tuple(trace), level))
        return number

    def snapshot(self, time, description, sizes, memory=None, total=0, overhead=0):
        """SIZES: a Size by number, for each object that is alive.  MEMORY: rss=..., vsz=..., faults=..."""
        self.snapshots.append(Taken(time, description, sizes, memory or {}, total, overhead))

    def alive(self, taken):
        return [o for o in self.objects if o.birth <= taken.time and (o.death is None or o.death > taken.time)]

    # ---- As a log ------------------------------------------------------------------------

    def text(self, text):
        if not text:
            return 0
        return self.texts.setdefault(text, len(self.texts) + 1)

    def class_ids(self):
        names = dict.fromkeys(o.classname for o in self.objects)
        return {name: i for i, name in enumerate(names, 1)}

    def stacks(self):
        """Ids by trace, and the rows of CODE and STACKS."""
        codes, stacks, ids = {}, {}, {(): 0}
        for tracked in self.objects:
            parent = 0
            for place in tracked.trace:
                code = codes.setdefault(place, len(codes) + 1)
                parent = stacks.setdefault((parent, code), len(stacks) + 1)
            ids[tracked.trace] = parent
        return ids, codes, stacks

    def paths(self):
        """Ids by tuples of names."""
        ids = {(): 0}

        def visit(refs, above):
            for ref in refs:
                path = above + (ref.name,)
                ids.setdefault(path, len(ids))
                visit(ref.refs, path)
        for taken in self.snapshots:
            for size in taken.sizes.values():
                visit(size.refs, ())
        # And what they are called when those of a class are summed up.
        for path in list(ids):
            short = tuple(name.split(":")[0] for name in path)
            for length in range(1, len(short) + 1):
                ids.setdefault(short[:length], len(ids))
        return ids

    def definitions(self):
        ids, codes, stacks = self.stacks()
        self.stack_ids, self.path_ids = ids, self.paths()
        made = []
        classes = self.class_ids()
        if classes:
            made.append(block("CLASSES", id=list(classes.values()), name=[self.text(name) for name in classes]))
        if codes:
            made.append(block("CODE", id=list(codes.values()), file=[self.text(place[0]) for place in codes],
                              line=[place[1] for place in codes], function=[self.text(place[2]) for place in codes]))
            made.append(block("STACKS", id=list(stacks.values()), parent=[parent for parent, _ in stacks],
                              code=[code for _, code in stacks]))
        paths = {path: number for path, number in self.path_ids.items() if path}
        if paths:
            made.append(block("PATHS", id=list(paths.values()), parent=[self.path_ids[path[:-1]] for path in paths],
                              name=[self.text(path[-1]) for path in paths]))
        return made

    def lives(self):
        if not self.objects:
            return []
        classes = self.class_ids()
        born = sorted(self.objects, key=lambda o: o.birth)
        made = [block("BIRTHS", object=[o.number for o in born], time=[ns(o.birth) for o in born],
                      **{"class": [classes[o.classname] for o in born]}, stack=[self.stack_ids[o.trace] for o in born],
                      address=[o.address for o in born], level=[o.level + 1 for o in born],
                      size=[o.basic + 1 for o in born])]
        dead = [o for o in self.objects if o.death is not None]
        if dead:
            made.append(block("DEATHS", object=[o.number for o in dead], time=[ns(o.death) for o in dead]))
        return made

    def flatten(self, refs, above=()):
        for ref in refs:
            path = above + (ref.name,)
            yield path, ref
            yield from self.flatten(ref.refs, path)

    def details(self, number, taken):
        """SIZES, REFERENTS and LABELS of one snapshot."""
        alive = self.alive(taken)
        if not alive:
            return []
        sizes = [taken.sizes[o.number] for o in alive]
        made = [block("SIZES", snapshot=[number] * len(alive), object=[o.number for o in alive],
                      size=[s.size for s in sizes], flat=[s.flat for s in sizes])]
        rows = [(o.number, self.path_ids[path], ref.size, ref.flat)
                for o in alive for path, ref in self.flatten(taken.sizes[o.number].refs)]
        if rows:
            made.append(block("REFERENTS", snapshot=[number] * len(rows), object=[row[0] for row in rows],
                              path=[row[1] for row in rows], count=[1] * len(rows), size=[row[2] for row in rows],
                              flat=[row[3] for row in rows]))
        named = [o for o in alive if o.label]
        if named:
            made.append(block("LABELS", snapshot=[number] * len(named), object=[o.number for o in named],
                              text=[self.text(o.label) for o in named]))
        return made

    def totals(self, number, taken):
        """SNAPSHOTS, CLASS_TOTALS and REFERENT_TOTALS of one snapshot."""
        alive = self.alive(taken)
        by_class = collections.defaultdict(list)
        merged = collections.defaultdict(lambda: [0, 0, 0])
        for o in alive:
            size = taken.sizes[o.number]
            by_class[o.classname].append(size)
            for path, ref in self.flatten(size.refs):
                sums = merged[o.classname, tuple(name.split(":")[0] for name in path)]
                for i, value in enumerate((1, ref.size, ref.flat)):
                    sums[i] += value
        classes = self.class_ids()
        made = []
        if by_class:
            made.append(block("CLASS_TOTALS", snapshot=[number] * len(by_class),
                              **{"class": [classes[name] for name in by_class]},
                              count=[len(sizes) for sizes in by_class.values()],
                              size=[sum(s.size for s in sizes) for sizes in by_class.values()],
                              flat=[sum(s.flat for s in sizes) for sizes in by_class.values()],
                              min=[min(s.size for s in sizes) for sizes in by_class.values()],
                              max=[max(s.size for s in sizes) for sizes in by_class.values()]))
        if merged:
            made.append(block("REFERENT_TOTALS", snapshot=[number] * len(merged),
                              **{"class": [classes[name] for name, _ in merged]},
                              path=[self.path_ids[path] for _, path in merged],
                              count=[sums[0] for sums in merged.values()],
                              size=[sums[1] for sums in merged.values()],
                              flat=[sums[2] for sums in merged.values()]))
        memory = {name: [value + 1] for name, value in taken.memory.items()}
        made.append(block("SNAPSHOTS", number=[number], time=[ns(taken.time)],
                          description=[self.text(taken.description)], flags=[number == 1], count=[len(alive)],
                          size=[sum(taken.sizes[o.number].size for o in alive)], overhead=[taken.overhead],
                          total=[taken.total and taken.total + 1], **memory))
        return made

    def log(self):
        made = log_making.Log()
        stream = block("STREAM", boot_id_high=[1], boot_id_low=[2], pid=[4711], start_ticks=[99], source=[1],
                       clock_monotonic=[10**9], clock_realtime=[1793000000 * 10**9], creator=[0], version=[0x10001],
                       language=[1])
        groups = [self.definitions(), self.lives()]
        for number, taken in enumerate(self.snapshots, 1):
            groups.append(self.details(number, taken))
            groups.append(self.totals(number, taken))
        texts = [text.encode("utf-8", "surrogatepass") for text in self.texts]
        made.frame(stream, *([log_making.strings(*texts)] if texts else []), *groups[0])
        for blocks in groups[1:]:
            if blocks:
                made.frame(*blocks)
        return made.end()

    def write(self, path):
        return self.log().write(path)
