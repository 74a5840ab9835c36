# SPDX-License-Identifier: MIT
"""Programs whose heap `make bench` records, and the data that they work on: made here,
the same on every machine, into a folder that is kept for the next run.  Used by
heap_rows.py.
"""

import dataclasses
import os
import random
import shutil
import subprocess
import sys

GIT_ENVIRONMENT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_PAGER": "cat",
                   "GIT_OPTIONAL_LOCKS": "0"}
WORDS = ("heap stack block frame ring page leaf node edge path root tree hash list queue cache index table column "
         "row cell key value lock wait wake read write open close send take give keep drop sort find join").split()


@dataclasses.dataclass
class Program:
    name: str
    what: str
    words: list
    environment: dict = dataclasses.field(default_factory=dict)
    factor: float = 0  # at most so many times the native time; 0: a third of heaptrack's

    @property
    def missing(self):
        return None if shutil.which(self.words[0]) else f"{self.words[0]} is not installed"


def sentence(generator, count):
    return " ".join(generator.choice(WORDS) for _ in range(count))


def write_sql(path):
    generator = random.Random(1)
    with open(path, "w", encoding="ascii") as file:
        file.write("PRAGMA journal_mode=off;\nCREATE TABLE item(id INTEGER PRIMARY KEY, owner INT, name TEXT, "
                   "price REAL);\nCREATE INDEX item_name ON item(name);\nBEGIN;\n")
        for number in range(150_000):
            file.write(f"INSERT INTO item VALUES({number},{generator.randrange(1000)},"
                       f"'{sentence(generator, 3)} {generator.randrange(10**6)}',{generator.random():.4f});\n")
        file.write("COMMIT;\n")
        for number in range(20_000):
            file.write(f"SELECT name, price FROM item WHERE id={generator.randrange(150_000)};\n")
        for word in WORDS:
            file.write(f"SELECT owner, count(*), sum(price), group_concat(name, ', ') FROM item "
                       f"WHERE name LIKE '{word}%' GROUP BY owner ORDER BY 3 DESC LIMIT 5;\n")


def write_xml(path):
    generator = random.Random(2)
    with open(path, "w", encoding="ascii") as file:
        file.write("<?xml version='1.0'?>\n<catalogue>\n")
        number = 0
        while file.tell() < 50_000_000:
            number += 1
            file.write(f"<item id='i{number}' owner='{generator.randrange(1000)}'><name>{sentence(generator, 3)}</name>"
                       f"<price currency='EUR'>{generator.random() * 100:.2f}</price>"
                       f"<note>{sentence(generator, 12)}</note></item>\n")
        file.write("</catalogue>\n")


def write_json(path):
    generator = random.Random(3)
    with open(path, "w", encoding="ascii") as file:
        file.write("[")
        for number in range(80_000):
            tags = ", ".join(f'"{generator.choice(WORDS)}"' for _ in range(4))
            place = f'{{"x": {generator.random():.5f}, "y": {generator.random():.5f}}}'
            file.write(f'{"," if number else ""}\n{{"id": {number}, "name": "{sentence(generator, 3)}", '
                       f'"tags": [{tags}], "place": {place}}}')
        file.write("\n]\n")


PYTHON_PROGRAM = """
import json, sys
with open(sys.argv[1]) as file:
    text = file.read()
items = json.loads(text)
by_tag = {}
for item in items:
    for tag in item["tags"]:
        by_tag.setdefault(tag, []).append(item["name"].title())
json.dumps({tag: sorted(names) for tag, names in by_tag.items()})
"""


def write_cxx(path):
    generator = random.Random(4)
    with open(path, "w", encoding="ascii") as file:
        for header in "algorithm functional iostream map memory regex sstream string unordered_map vector".split():
            file.write(f"#include <{header}>\n")
        for number in range(30):
            file.write(f"""
struct Item{number} {{ std::string name; double price; std::vector<int> marks; }};
double sum{number}(const std::map<std::string, Item{number}> &items, int limit)
{{
	std::vector<std::pair<double, std::string>> order;
	for (const auto &[name, item] : items)
		if (item.marks.size() > {generator.randrange(9)}u &&
		    std::count(item.marks.begin(), item.marks.end(), limit))
			order.emplace_back(item.price * {generator.randrange(1, 99)}, name + item.name);
	std::sort(order.begin(), order.end());
	std::ostringstream out;
	for (const auto &entry : order)
		out << entry.second << ' ' << entry.first << std::endl;
	return order.empty() ? {generator.random():.3f} : order.back().first + out.str().size();
}}
""")


def make_repository(path):
    """A repository of 3,000 commits on 200 files, by git fast-import."""
    generator = random.Random(5)
    environment = dict(os.environ, **GIT_ENVIRONMENT)
    shutil.rmtree(path, ignore_errors=True)
    subprocess.run(["git", "init", "-q", "-b", "main", path], env=environment, check=True)
    files = [[sentence(generator, 8) for _ in range(200)] for _ in range(200)]
    stream = []
    for number in range(3000):
        stream.append("commit refs/heads/main\n"
                      f"committer A Person <a@example.org> {1700000000 + number * 60} +0000\n"
                      f"data <<END\n{sentence(generator, 6)}\n\n{sentence(generator, 40)}\nEND\n")
        for _ in range(4):
            chosen = generator.randrange(200)
            files[chosen][generator.randrange(200)] = sentence(generator, 8)
            text = "\n".join(files[chosen]) + "\n"
            stream.append(f"M 100644 inline part{chosen % 10}/file{chosen}.txt\ndata {len(text)}\n{text}\n")
    subprocess.run(["git", "-C", path, "fast-import", "--quiet"], input="".join(stream).encode(), env=environment,
                   check=True)
    subprocess.run(["git", "-C", path, "reset", "-q", "--hard"], env=environment, check=True)


def make_data(folder):
    """Whatever is not there yet; each appears whole."""
    os.makedirs(folder, exist_ok=True)
    for name, make in (("fill.sql", write_sql), ("catalogue.xml", write_xml), ("items.json", write_json),
                       ("items.cpp", write_cxx)):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            make(path + ".part")
            os.rename(path + ".part", path)
    repository = os.path.join(folder, "repository")
    if not os.path.exists(repository) and shutil.which("git"):
        make_repository(repository + ".part")
        os.rename(repository + ".part", repository)


def programs(folder, bench_threads):
    def data(name):
        return os.path.join(folder, name)

    # The interpreter itself, not a script that looks for one.
    python = [sys.executable, "-c", PYTHON_PROGRAM, data("items.json")]
    git = ["git", "-C", data("repository")]
    return [
        Program("sqlite3", "sqlite3: 150,000 inserts, 20,000 queries",
                ["sqlite3", ":memory:", f".read {data('fill.sql')}"]),
        Program("xmllint", "xmllint: a document of 50 MB", ["xmllint", "--noout", data("catalogue.xml")]),
        Program("jq", "jq: 80,000 objects, grouped", ["jq", "-c", "group_by(.tags[0]) | map({tag: .[0].tags[0], "
                "names: map(.name) | sort | length, x: (map(.place.x) | add)})", data("items.json")]),
        Program("python3", "python3: JSON", python, {"PYTHONHASHSEED": "0"}),
        Program("python3 malloc", "python3: JSON, PYTHONMALLOC=malloc", python,
                {"PYTHONHASHSEED": "0", "PYTHONMALLOC": "malloc"}),
        Program("clang", "clang++ -O2: C++ with ten headers of the library",
                ["clang++", "-std=c++17", "-O2", "-c", data("items.cpp"), "-o", "/dev/null"]),
        Program("git log", "git log --stat: 3,000 commits", git + ["log", "--stat", "--oneline"], GIT_ENVIRONMENT),
        # What `git repack -f` starts: heaptrack does not follow a program to what it starts.
        Program("git pack-objects", "git pack-objects: all deltas anew",
                git + ["pack-objects", "--all", "--no-reuse-delta", "--threads=1", "-q", "--stdout"], GIT_ENVIRONMENT),
        Program("threads", "4 threads that only allocate and free", [bench_threads, "4", "7500000"], factor=4),
    ]
