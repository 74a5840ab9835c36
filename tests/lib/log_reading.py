# SPDX-License-Identifier: MIT
"""A second reader of the log, written from capture/FORMAT.md alone and sharing
nothing with the first: what memstats prints is held against what this finds.
It is slow, trusts its input, and reads logs of one segment.

    stream = log_reading.streams("profile.dat")[0]
    stream.objects_at(2)     {object id: (class name, size, flat)} in snapshot 2
"""

import collections
import struct
import subprocess

KINDS = {
    1: ("FRAME", "stream sequence"),
    2: ("STREAM", "boot_id_high boot_id_low pid start_ticks source clock_monotonic clock_realtime creator version "
                 "language imported"),
    3: ("STRINGS", "id length bytes"),
    4: ("CLASSES", "id name parent size level flags"),
    5: ("MODULES", "id path build_id base"),
    6: ("CODE", "id module offset function file line source"),
    7: ("STACKS", "id parent code depth"),
    8: ("SYMBOLS", "code depth function file line"),
    9: ("PATHS", "id parent name"),
    10: ("THREADS", "id tid name"),
    16: ("BIRTHS", "object time class stack address name level size"),
    17: ("DEATHS", "object time reason"),
    18: ("CHANGES", "object time class level"),
    19: ("SIZES", "snapshot object size flat"),
    20: ("REFERENTS", "snapshot object path count size flat"),
    21: ("LABELS", "snapshot object text form"),
    24: ("SNAPSHOTS", "number time duration description flags count size overhead rss vsz pss uss swap data stack "
                      "code total shared faults"),
    25: ("CLASS_TOTALS", "snapshot class count size flat min max gone gone_size made made_size stayed stayed_size"),
    26: ("REFERENT_TOTALS", "snapshot class path count size flat"),
    32: ("SAMPLES", "time rss vsz pss uss swap faults_minor faults_major cpu_user cpu_system threads"),
    33: ("MARKS", "time text thread"),
    34: ("PROCESS", "time name command executable parent_pid parent_start_ticks"),
    35: ("EXIT", "time state value"),
    36: ("SETTINGS", "key value"),
    37: ("COUNTERS", "key value"),
    40: ("HEAP_SNAPSHOTS", "number time reason description flags live live_count peak peak_count peak_time total count "
                           "frees temporary grown"),
    41: ("HEAP_SITES", "snapshot stack live live_count peak peak_count total count temporary reallocs grown lifetime "
                   "size"),
    42: ("HEAP_SAMPLES", "time live live_count live_max total count"),
    43: ("HEAP_HISTOGRAM", "measure stack bucket count total"),
    44: ("HEAP_THREADS", "thread count total frees temporary live live_count waits wait time_first time_last"),
    45: ("HEAP_EVENTS", "time kind thread stack size address back"),
    46: ("ACCOUNT", "time rss heap live files stacks recorder shared anonymous swap heap_mapped"),
    47: ("HOLDERS", "snapshot class object root length count size path example"),
    48: ("END", "time reason"),
    49: ("INDEX", "offset size content kinds stream time_first time_last snapshot_first snapshot_last"),
    50: ("GRAPHS", "id time kind title snapshot objects size references"),
    51: ("GRAPH_NODES", "graph id type label size count flags"),
    52: ("GRAPH_EDGES", "graph from to label count"),
}
KEY_SNAPSHOT = 1
HEAP_RECORDER = 3
CENSUS = 4


def uvarints(data):
    """All of the numbers in DATA."""
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value & (2**64 - 1)
            value = shift = 0


def unzigzag(value):
    return (value >> 1) ^ -(value & 1)


def column(encoding, data, rows):
    """The values of a number column, a row each."""
    numbers = list(uvarints(data))
    if encoding in (2, 3):
        numbers = [value for value, times in zip(numbers[::2], numbers[1::2]) for _ in range(times)]
    if encoding in (1, 3):
        total, sums = 0, []
        for difference in numbers:
            total = (total + unzigzag(difference)) % 2**64
            sums.append(total)
        numbers = sums
    assert len(numbers) == rows, (encoding, rows, len(numbers))
    return numbers


def blocks(content):
    """(kind's name, rows as dictionaries) of every block of a kind that the document names."""
    at = 0
    while at < len(content):
        kind, columns, reserved, rows, length = struct.unpack_from("<BBHII", content, at)
        assert reserved == 0
        at += 12
        end = at + length
        values = {}
        for _ in range(columns):
            identity, encoding, column_length = struct.unpack_from("<BBI", content, at)
            data = content[at + 6:at + 6 + column_length]
            values[identity] = data if encoding == 4 else column(encoding, data, rows)
            at += 6 + column_length
        assert at == end
        if kind in KINDS:
            name, names = KINDS[kind]
            found = block_rows(names.split(), values, rows)
            if name == "STACKS":
                name_callers(found)
            elif name == "HEAP_SITES":
                add_sizes(found)
            yield name, found


def block_rows(names, values, rows):
    zeros = [0] * rows
    columns = [values.get(i, zeros) for i in range(1, len(names) + 1)]
    if names == ["id", "length", "bytes"]:  # strings lie joined
        raw, start, texts = values.get(3, b""), 0, []
        for length in columns[1]:
            texts.append(raw[start:start + length])
            start += length
        columns[2] = texts
    return [dict(zip(names, row)) for row in zip(*columns)]


def name_callers(rows):
    """Stacks that only say how deep they are hang on the last one above that is less deep by one."""
    last = {}
    for row in rows:
        if row["depth"]:
            row["parent"] = last[row["depth"] - 1]
        last[row["depth"]] = row["id"]


def add_sizes(rows):
    for row in rows:
        for figure, count in (("live", "live_count"), ("peak", "peak_count"), ("total", "count")):
            row[figure] = (row[figure] + row["size"] * row[count]) % 2**64


class Stream:
    def __init__(self):
        self.rows = collections.defaultdict(list)

    def string(self, identity):
        """The text of a string id; None for 0."""
        for row in self.rows["STRINGS"]:
            if row["id"] == identity:
                return row["bytes"].decode("utf-8", "replace")
        return None

    def classes(self):
        return {row["id"]: row for row in self.rows["CLASSES"]}

    def snapshots(self):
        return {row["number"]: row for row in sorted(self.rows["SNAPSHOTS"], key=lambda row: row["number"])}

    def path(self, identity):
        """A referent's names from the object down."""
        paths = {row["id"]: row for row in self.rows["PATHS"]}
        names = []
        while identity:
            names.append(self.string(paths[identity]["name"]))
            identity = paths[identity]["parent"]
        return tuple(reversed(names))

    def class_of(self, identity, time):
        """An object's class id at a time."""
        klass = next(row["class"] for row in self.rows["BIRTHS"] if row["object"] == identity)
        changes = [row for row in self.rows["CHANGES"] if row["object"] == identity and row["class"]]
        for row in sorted(changes, key=lambda row: row["time"]):
            if row["time"] <= time:
                klass = row["class"] - 1
        return klass

    def alive_at(self, time):
        deaths = {row["object"]: row["time"] for row in self.rows["DEATHS"]}
        return [row["object"] for row in sorted(self.rows["BIRTHS"], key=lambda row: (row["time"], row["object"]))
                if row["time"] <= time and deaths.get(row["object"], time + 1) > time]

    def objects_at(self, number):
        """{object: (class name, size, flat)} of the objects in a snapshot."""
        classes = self.classes()
        snapshots = self.snapshots()
        stated = {}
        for step in range(1, number + 1):
            if step in snapshots and snapshots[step]["flags"] & KEY_SNAPSHOT:
                stated.clear()
            for row in self.rows["SIZES"]:
                if row["snapshot"] == step:
                    stated[row["object"]] = (row["size"], row["flat"])
        time = snapshots[number]["time"]
        born = {row["object"]: row["size"] - 1 for row in self.rows["BIRTHS"] if row["size"]}
        found = {}
        for identity in self.alive_at(time):
            klass = classes[self.class_of(identity, time)]
            otherwise = klass["size"] if self.source() != CENSUS else born.get(identity, klass["size"])
            size, flat = stated.get(identity, (otherwise, otherwise))
            found[identity] = (self.string(klass["name"]), size, flat)
        return found

    def referents_at(self, number):
        """{class name: {path: (count, size, flat)}} of all objects in a snapshot, merged."""
        snapshots = self.snapshots()
        stated = {}
        for step in range(1, number + 1):
            if step in snapshots and snapshots[step]["flags"] & KEY_SNAPSHOT:
                stated.clear()
            for row in self.rows["SIZES"]:
                if row["snapshot"] == step:
                    stated[row["object"]] = []
            for row in self.rows["REFERENTS"]:
                if row["snapshot"] == step:
                    stated.setdefault(row["object"], []).append(row)
        merged = collections.defaultdict(lambda: collections.defaultdict(lambda: (0, 0, 0)))
        for identity, (name, _, _) in self.objects_at(number).items():
            for row in stated.get(identity, []):
                path = self.path(row["path"])
                total = merged[name][path]
                merged[name][path] = (total[0] + row["count"], total[1] + row["size"], total[2] + row["flat"])
        return {name: dict(paths) for name, paths in merged.items()}

    def source(self):
        return self.rows["STREAM"][0]["source"]

    # ---- A census

    def types_at(self, number):
        """{type's name: row of CLASS_TOTALS} of all objects, told one by one or not."""
        classes = self.classes()
        return {self.string(classes[row["class"]]["name"]): row for row in self.rows["CLASS_TOTALS"]
                if row["snapshot"] == number}

    def differences(self, first, last):
        """{type's name: [created, deleted, persistent]}, each (count, bytes), from one snapshot to a later one."""
        snapshots, found = self.snapshots(), collections.defaultdict(lambda: [[0, 0], [0, 0], [0, 0]])
        before, after = self.objects_at(first), self.objects_at(last)
        previous = self.objects_at(max(number for number in snapshots if number < last))
        born = {row["object"]: row["time"] for row in self.rows["BIRTHS"]}
        told = [(0, set(after) - set(before), after), (1, set(before) - set(after), before),
                (2, {i for i in set(after) & set(previous) if born[i] > snapshots[min(snapshots)]["time"]}, after)]
        for what, identities, sizes in told:
            for identity in identities:
                found[sizes[identity][0]][what][0] += 1
                found[sizes[identity][0]][what][1] += sizes[identity][1]
        for number in snapshots:
            for name, row in self.types_at(number).items():
                for what, column in enumerate(("made", "gone", "stayed")):
                    if first < number <= last and (column != "stayed" or number == last):
                        found[name][what][0] += row[column]
                        found[name][what][1] += row[column + "_size"]
        return {name: [tuple(amount) for amount in amounts] for name, amounts in found.items()
                if any(amount[0] for amount in amounts)}

    def holders_at(self, number):
        """(type's name, count, size, path, example, root, length) of the ways told at a snapshot."""
        classes = self.classes()
        return [(self.string(classes[row["class"]]["name"]), row["count"], row["size"], self.string(row["path"]),
                 self.string(row["example"]), row["root"], row["length"])
                for row in self.rows["HOLDERS"] if row["snapshot"] == number]

    # ---- The heap

    def heap_snapshots(self):
        return {row["number"]: row for row in self.rows["HEAP_SNAPSHOTS"]}

    def sites_at(self, number):
        """{stack: row} of the heap recorder's sites at a snapshot."""
        snapshots = self.heap_snapshots()
        sites = {}
        for step in sorted(snapshots):
            if step > number:
                break
            if snapshots[step]["flags"] & KEY_SNAPSHOT:
                sites.clear()
            sites.update({row["stack"]: row for row in self.rows["HEAP_SITES"] if row["snapshot"] == step})
        return sites

    def frames_of(self, code):
        """The functions at a place, innermost first; of one that has no name the module's file and the offset."""
        rows = [row for row in self.rows["SYMBOLS"] if row["code"] == code]
        chosen = {}
        for row in sorted(rows, key=lambda row: row["file"] != 0):
            chosen[row["depth"]] = row
        if chosen:
            return [self.string(chosen[depth]["function"]) for depth in sorted(chosen)]
        place = next(row for row in self.rows["CODE"] if row["id"] == code)
        if place["function"]:
            return [self.string(place["function"])]
        paths = [row["path"] for row in self.rows["MODULES"] if row["id"] == place["module"]]
        name = self.string(paths[0]).rsplit("/", 1)[-1] if paths else "?"
        return [f"{name}+0x{place['offset']:x}"]

    def stack_functions(self, stack):
        """All functions of a call stack, innermost first."""
        stacks = {row["id"]: row for row in self.rows["STACKS"]}
        functions = []
        while stack:
            functions += self.frames_of(stacks[stack]["code"])
            stack = stacks[stack]["parent"]
        return functions


def streams(path):
    """The streams of a log of one segment, in the order of their numbers."""
    content = subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout
    found = collections.defaultdict(Stream)
    current = 0
    for name, rows in blocks(content):
        if name == "FRAME":
            current = rows[0]["stream"]
        else:
            found[current].rows[name] += rows
    return [found[number] for number in sorted(found) if number]
