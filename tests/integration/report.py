#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""memreport as a command: where it writes, what it says, how it ends, and what
templates of one's own can do."""

# sanitizers: yes

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
import cases
import golden_logs

golden_logs.write_all()


def report(*words, status=0, **options):
    result = cases.run("memreport", *words, **options)
    cases.equal(result.returncode, status, result.stderr)
    return result


def read(path):
    with open(path, "rb") as file:
        return file.read()


def refused(*words, says, status=2):
    result = report(*words, status=status)
    cases.contains(result.stderr, says)
    cases.equal(result.stderr.count("\n"), 1, result.stderr)
    cases.equal(result.stdout, "")


def names_the_page_after_the_log():
    os.makedirs("some.folder", exist_ok=True)
    for name, page in (("a.dat", "a.html"), ("b", "b.html"), ("c.tar.dat", "c.tar.html"), (".hidden", ".hidden.html"),
                       ("some.folder/d", "some.folder/d.html")):
        with open(name, "wb") as file:
            file.write(read("factory.dat"))
        report(name)
        cases.equal(read(page)[:15], b"<!DOCTYPE html>")


def writes_where_it_is_told():
    report("factory.dat", "-o", "x.html")
    out = report("factory.dat", "-o", "-", text=False).stdout
    cases.equal(out, read("x.html"))
    with open("factory.dat", "rb") as log:
        report("-", "-o", "y.html", stdin=log)
    cases.contains(read("y.html").decode(), "Employee")


def makes_pdf_and_png_by_the_ending():
    report("shop.dat", "-o", "shop.pdf")
    text = cases.run("pdftotext", "-layout", "shop.pdf", "-").stdout
    for part in ("shop", "killed by signal 9", "Snapshots", "Order(17", "<script>alert(1)</script>", "order.c:42"):
        cases.contains(text, part)
    report("shop.dat", "-o", "shop.PNG")
    cases.equal(read("shop.PNG")[:8], b"\x89PNG\r\n\x1a\n")
    for name in ("nothing", "both", "cut"):
        report(name + ".dat", "-q", "-o", name + ".pdf")
        cases.contains(cases.run("pdfinfo", name + ".pdf").stdout, "Pages:")
    refused("nothing.dat", "-o", "nothing.png", says="nothing to draw", status=3)


def refuses_what_makes_no_sense():
    refused(says="no log is named")
    refused("-", says="needs -o")
    refused("factory.dat", "--limit", "0", says="--limit: '0'")
    refused("factory.dat", "--limit", "-3", says="--limit: '-3'")
    refused("factory.dat", "--limit", "nan", says="1 to 1000")
    refused("factory.dat", "--limit", "99999999999999999999", says="--limit")
    refused("factory.dat", "--max-size", "12", says="--max-size: '12'")
    refused("factory.dat", "--max-size", "x", says="--max-size")
    refused("factory.dat", "--wrong", says="wrong")
    refused("factory.dat", "-o", "factory.dat", says="is the log itself")


def leaves_nothing_when_it_cannot_write():
    refused("factory.dat", "-o", "no/such/folder/x.html", says="no/such/folder", status=4)
    refused("factory.dat", "-o", "/dev/full", says="/dev/full", status=4)
    before = set(os.listdir("."))
    refused("missing.dat", "-o", "new.html", says="missing.dat", status=3)
    cases.equal(set(os.listdir(".")), before)
    with subprocess.Popen(["memreport", "shop.dat", "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as end:
        end.stdout.close()
        cases.contains(end.stderr.read().decode(), "write")
        cases.equal(end.wait(), 4)


def says_what_is_wrong_with_a_log_unless_it_is_quiet():
    cases.contains(report("cut.dat", "-o", "cut.html").stderr, "cut.dat")
    cases.contains(read("cut.html").decode(), "The log is damaged")
    cases.equal(report("cut.dat", "-o", "cut.html", "--quiet").stderr, "")
    with open("factory.dat", "rb") as whole, open("killed.dat", "wb") as killed:
        # All frames and nothing of the end: what a program leaves that is killed between two of them.
        data = whole.read()
        starts = [at for at in range(len(data)) if data.startswith(b"\x28\xb5\x2f\xfd", at)]
        killed.write(data[:starts[-1]])
    report("killed.dat", "-o", "killed.html", "--quiet")
    cases.contains(read("killed.html").decode(), "The log is not complete. What it holds is shown")


def all_logs_are_named():
    report("shop.dat", "later.dat", "-o", "two.html")
    cases.contains(read("two.html").decode(), ">shop.dat, later.dat</span>")


def title_is_text():
    report("factory.dat", "-o", "t.html", "--title", "<b>Nightly</b> & more")
    cases.contains(read("t.html").decode(), "<h1>&lt;b&gt;Nightly&lt;/b&gt; &amp; more</h1>")


def limit_is_kept_and_the_rest_summed_up():
    report("shop.dat", "-o", "l.html", "--limit", "2")
    page = read("l.html").decode()
    classes = re.search(r'<section id="run-1-classes">.*?</table>', page, re.DOTALL).group(0)
    cases.equal(classes.count("<tr id="), 4, "twice the limit")
    cases.contains(classes, "2 classes more")


def many_processes_leave_room_for_what_matters():
    """Those with least to say lose their part of the page before the largest lose rows."""
    script = "i=0; while [ $i -lt 12 ]; do ls / >/dev/null; i=$((i+1)); done; :"
    made = cases.run("memrecord", "-q", "-o", "tree.dat", "--", "sh", "-c", script)
    cases.equal(made.returncode, 0, made.stderr)
    report("tree.dat", "-o", "whole.html", "-m", "20M")
    cases.equal(len(re.findall(rb' id="run-\d+"', read("whole.html"))), 13)
    size = os.path.getsize("whole.html") // 2
    said = report("tree.dat", "-o", "small.html", "-m", str(size)).stderr
    page = read("small.html")
    cases.equal(len(page) <= size, True)
    shown = len(re.findall(rb' id="run-\d+"', page))
    cases.equal(3 <= shown < 13, True, shown)
    cases.equal(said, f"memreport: {shown} processes, not 13, have sections of their own, "
                      f"so that the page stays below {size} bytes.\n")
    cases.contains(page, f"{shown} processes, not 13".encode())


def agrees_with_memstats():
    report("shop.dat", "-o", "a.html")
    page = read("a.html").decode()
    table = re.search(r'<section id="run-1-snapshots">.*?</tbody>', page, re.DOTALL).group(0)
    rows = re.findall(r'<tr id="run-1-snapshot-(\d+)-row">.*?</td><td class="n">([\d,]+)</td>.*?'
                      r'<td class="n b" data-v="(\d+)">', table, re.DOTALL)
    wanted = cases.run("memstats", "snapshots", "shop.dat", "--format", "csv", "--columns",
                       "snapshot,objects,size").stdout.split("\n")[1:5]
    cases.equal([",".join(row) for row in rows], wanted)


def templates_can_be_ones_own():
    os.makedirs("own", exist_ok=True)
    with open("own/report.html", "w", encoding="utf-8") as file:
        file.write("""<html xmlns="http://www.w3.org/1999/xhtml"><head><title data-text="title"/>
<link rel="stylesheet" href="style.css"/></head><body><h1 data-text="title"/>
<table data-table="objects" data-sort="size" data-limit="2" data-where="class=Order">
<tr data-each="rows"><td data-text="{size.raw} {state}"/></tr></table>
<p data-table="runs" data-text="{rows.count}" data-if="!hidden"/></body></html>""")
    with open("own/style.css", "w", encoding="utf-8") as file:
        file.write("h1 { color: green }")
    refused("shop.dat", "-T", "own", "-o", "own.html", says="own/report.html:5: nothing is named 'rows.count'",
            status=3)
    with open("own/report.html", encoding="utf-8") as file:
        text = file.read().replace("{rows.count}", "table")
    with open("own/report.html", "w", encoding="utf-8") as file:
        file.write(text)
    report("shop.dat", "-T", "own", "-o", "own.html")
    page = read("own.html").decode()
    cases.contains(page, "<style>h1 { color: green }</style>")
    cases.equal(re.findall(r"<td>([^<]*)</td>", page), ["3000 freed", "100 alive"])
    cases.contains(page, "<p>runs</p>")
    refused("shop.dat", "-T", "nowhere", "-o", "own.html", says="nowhere", status=3)


def a_template_that_cannot_be_read_is_named_in_one_line():
    os.makedirs("broken", exist_ok=True)
    for text in (b"<html>\n<p></html>", b'<?xml version="1.0" encoding="UTF-7"?><html>\xff\xfe\x80</html>', b""):
        with open("broken/report.html", "wb") as file:
            file.write(text)
        result = cases.run("memreport", "shop.dat", "--templates", "broken", "-o", "broken.html")
        cases.equal(result.returncode, 3, text)
        cases.equal(result.stderr.count("\n"), 1, result.stderr)
        cases.contains(result.stderr, "broken/report.html:")
        cases.equal(os.path.exists("broken.html"), False)


def templates_open_as_they_are():
    folder = os.path.join(cases.ROOT, "templates")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".html"):
            result = cases.run("xmllint", "--noout", "--nonet", os.path.join(folder, name))
            cases.equal((result.returncode, result.stderr), (0, ""), name)


cases.main(names_the_page_after_the_log, writes_where_it_is_told, makes_pdf_and_png_by_the_ending,
           refuses_what_makes_no_sense, leaves_nothing_when_it_cannot_write,
           says_what_is_wrong_with_a_log_unless_it_is_quiet, all_logs_are_named, title_is_text,
           limit_is_kept_and_the_rest_summed_up, many_processes_leave_room_for_what_matters, agrees_with_memstats,
           templates_can_be_ones_own, a_template_that_cannot_be_read_is_named_in_one_line, templates_open_as_they_are)
