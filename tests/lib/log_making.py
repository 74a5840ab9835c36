# SPDX-License-Identifier: MIT
"""Makes logs by hand, from capture/FORMAT.md, so that tests can make wrong ones.

    log = log_making.Log()
    log.frame(log_making.stream_blocks(), block("STRINGS", id=[1], length=[4], bytes=b"Node"))
    log.write("made.dat")

Rows are lists of numbers, a list a column; columns are named as log_reading names them.
"""

import os
import struct
import subprocess
import tempfile

import log_reading

NUMBERS = {name: (kind, columns.split()) for kind, (name, columns) in log_reading.KINDS.items()}
MAGIC = b"memreplg"


def uvarint(value):
    encoded = bytearray()
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def raw_block(kind, rows, columns, reserved=0, length=None):
    """COLUMNS: (id, encoding, bytes); any of it may be a lie."""
    content = b"".join(struct.pack("<BBI", identity, encoding, len(data)) + data
                       for identity, encoding, data in columns)
    return struct.pack("<BBHII", kind, len(columns), reserved, rows,
                       len(content) if length is None else length) + content


class Block(bytes):
    """The bytes of a block that know which snapshots it speaks of."""
    snapshots = ()


def block(name, /, rows=None, **columns):
    """A block of kind NAME; a column of bytes is raw, of numbers PLAIN."""
    kind, names = NUMBERS[name]
    numbers = [values for values in columns.values() if not isinstance(values, bytes)]
    encoded = []
    for column, values in columns.items():
        identity = names.index(column) + 1
        if isinstance(values, bytes):
            encoded.append((identity, 4, values))
        else:
            encoded.append((identity, 0, b"".join(uvarint(value) for value in values)))
    made = Block(raw_block(kind, len(numbers[0]) if rows is None else rows, encoded))
    made.snapshots = [number for number in columns.get("snapshot", columns.get("number", [])) if number]
    return made


def strings(*texts):
    """A STRINGS block with the ids 1.. for TEXTS, which are bytes."""
    return block("STRINGS", id=list(range(1, len(texts) + 1)), length=[len(text) for text in texts],
                 bytes=b"".join(texts))


def stream_block(pid=4711, start_ticks=99):
    return block("STREAM", boot_id_high=[1], boot_id_low=[2], pid=[pid], start_ticks=[start_ticks], source=[1],
                 clock_monotonic=[10**9], clock_realtime=[1793000000 * 10**9], creator=[0], version=[0x10000])


def compress(content):
    """A zstd frame with content size and checksum."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(content)
    try:
        return subprocess.run(["zstd", "-qc", "--check", file.name], stdout=subprocess.PIPE, check=True).stdout
    finally:
        os.unlink(file.name)


class Log:
    def __init__(self, major=1, minor=0, features=0, header_length=48, pid=4711, start_ticks=99):
        self.snapshots = {}  # by part: the first and last that it speaks of, 0 for none
        self.parts = [(struct.pack("<II", 0x184D2A50, header_length) + MAGIC +
                       struct.pack("<HHIQQQII", major, minor, features, 1, 2, start_ticks, pid, 1793000000), 0)]

    def frame(self, *blocks, stream=1):
        content = block("FRAME", stream=[stream], sequence=[len(self.parts) - 1]) + b"".join(blocks)
        numbers = [number for made in blocks for number in getattr(made, "snapshots", ())]
        self.snapshots[len(self.parts)] = (min(numbers, default=0), max(numbers, default=0))
        self.parts.append((compress(content), len(content)))
        return self

    def end(self):
        """The end frame with its index, and the seek table."""
        offsets = [0]
        for data, _ in self.parts:
            offsets.append(offsets[-1] + len(data))
        frames = list(zip(offsets[1:], self.parts[1:]))
        index = block("INDEX", offset=[offset for offset, _ in frames], size=[len(part[0]) for _, part in frames],
                      content=[part[1] for _, part in frames], kinds=[2**62 - 1] * len(frames),
                      stream=[0] * len(frames),
                      snapshot_first=[self.snapshots[i + 1][0] for i in range(len(frames))],
                      snapshot_last=[self.snapshots[i + 1][1] for i in range(len(frames))])
        self.frame(block("END", time=[10**9], reason=[1]), index, stream=0)
        entries = b"".join(struct.pack("<II", len(data), size) for data, size in self.parts)
        table = entries + struct.pack("<IBI", len(self.parts), 0, 0x8F92EAB1)
        self.parts.append((struct.pack("<II", 0x184D2A5E, len(table)) + table, 0))
        return self

    def data(self):
        return b"".join(data for data, _ in self.parts)

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self.data())
        return path
