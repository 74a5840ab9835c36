#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The report in a browser: it asks for nothing, says nothing on the console, fits
phone and desktop, its links lead somewhere, it can be read with scripts off,
what programs call their things stays text, and it prints."""

import base64
import itertools
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/lib"))
sys.path.insert(0, os.path.join(os.environ["MR_ROOT"], "tests/browser"))
import cases
import census_logs
import devtools
import golden_logs
import heap_logs
import log_making
from golden_logs import MS
from log_making import block

EVIL = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "javascript:alert(1)", "</title></style>",
        "'-alert(1)-'", "{name}", "&lt;b&gt;", "a\u202eb", "\x1b[31m", "\x00nul", b"\xff\xfe", "\u65e5\u672c\u8a9e",
        "x" * 5000, "<!--", "]]>", "</script><script>alert(1)</script>"]


def hostile():
    """A log in which everything that has a name has a hostile one."""
    log, names = log_making.Log(pid=666), golden_logs.Names()
    count = len(EVIL)
    ids = list(range(1, count + 1))
    evil = [names(text) for text in EVIL]
    log.frame(log_making.stream_block(pid=666), names.block(),
              block("CLASSES", id=ids, name=evil, size=[100 + i for i in ids], level=[1] * count, flags=[2] * count),
              block("CODE", id=ids, module=[0] * count, offset=ids, function=evil, file=evil, line=ids),
              block("STACKS", id=ids, parent=[0] + ids[:-1], code=ids),
              block("PATHS", id=ids, parent=[0] * count, name=evil))
    log.frame(block("BIRTHS", object=ids, time=[MS * i for i in ids], **{"class": ids}, stack=ids,
                    address=[0x1000 * i for i in ids], name=evil))
    log.frame(block("SIZES", snapshot=[1] * count, object=ids, size=[1000 + i for i in ids], flat=[100] * count),
              block("REFERENTS", snapshot=[1] * count, object=ids, path=ids, count=[1] * count, size=[900] * count,
                    flat=[900] * count),
              block("LABELS", snapshot=[1] * count, object=ids, text=evil))
    log.frame(block("SNAPSHOTS", number=[1, 2], time=[50 * MS, 60 * MS], duration=[MS] * 2, description=evil[:2],
                    flags=[1, 0], count=[count] * 2, size=[count * 1000] * 2, rss=[5 << 20] * 2),
              block("CLASS_TOTALS", snapshot=[1] * count + [2] * count, **{"class": ids * 2}, count=[1] * 2 * count,
                    size=[1000 + i for i in ids] * 2, flat=[100] * 2 * count, min=[1000] * 2 * count,
                    max=[1100] * 2 * count),
              block("REFERENT_TOTALS", snapshot=[1] * count, **{"class": ids}, path=ids, count=[1] * count,
                    size=[900] * count, flat=[900] * count),
              block("PROCESS", time=[0], name=[evil[0]], command=[evil[1]], executable=[evil[2]], parent_pid=[1]),
              block("SETTINGS", key=[evil[0]], value=[evil[1]]))
    log.frame(block("MARKS", time=[MS * i for i in ids], text=evil, thread=[0] * count))
    return log.end()


def wide():
    """More of everything than a page has room for."""
    log, names = log_making.Log(pid=5), golden_logs.Names()
    chance = random.Random(7)
    classes, snapshots = list(range(1, 301)), list(range(1, 401))
    class_names = [names(f"Namespace::Of::Class{i:04d}") for i in classes]
    log.frame(log_making.stream_block(pid=5), names.block(),
              block("CLASSES", id=classes, name=class_names, size=[64] * len(classes)))
    log.frame(block("BIRTHS", object=list(range(1, 6001)), time=[MS * i for i in range(6000)],
                    **{"class": [chance.choice(classes) for _ in range(6000)]},
                    address=[64 * i for i in range(1, 6001)]))
    for number in snapshots:
        sizes = [chance.randrange(1, 10**6) for _ in classes]
        log.frame(block("SNAPSHOTS", number=[number], time=[number * 15 * MS], duration=[MS], flags=[1],
                        count=[len(classes)], size=[sum(sizes)], rss=[10**9 + sum(sizes)]),
                  block("CLASS_TOTALS", snapshot=[number] * len(classes), **{"class": classes},
                        count=[1] * len(classes), size=sizes, flat=sizes, min=sizes, max=sizes))
    log.frame(block("MARKS", time=[i * MS for i in range(2000)], text=[class_names[0]] * 2000, thread=[0] * 2000))
    return log.end()


def report(path, *options, out=None):
    out = out or os.path.splitext(path)[0] + ".html"
    result = cases.run("memreport", path, "-o", out, *options)
    cases.equal((result.returncode, result.stderr.replace("memreport: Tables", "")[:0]), (0, ""), result.stderr)
    return out


PAGES = {}


def pages():
    """Name and file of each page, made once."""
    if not PAGES:
        golden_logs.write_all()
        hostile().write("hostile.dat")
        wide().write("wide.dat")
        heap_logs.heap([f"ns::Type{i}<int>::method_with_a_long_name(std::string const&)" for i in range(60)],
                       pid=71).write("heap.dat")
        heap_logs.heap([text for text in EVIL if text != "\x00nul"], pid=72).write("evil_heap.dat")
        census_logs.write_all([text for text in EVIL if text != "\x00nul"])
        for name in ("factory", "shop", "nothing", "both", "cut", "hostile", "wide", "heap", "evil_heap", "census",
                     "mixed", "evil_census", "large_census", "quiet1"):
            PAGES[name] = report(name + ".dat", "--quiet")
        result = cases.run("memreport", "shop.dat", "later.dat", "-o", "two.html")
        cases.equal(result.returncode, 0, result.stderr)
        PAGES["two"] = "two.html"
    return PAGES.items()


def asks_for_nothing_and_says_nothing():
    browser = devtools.shared()
    for name, path in pages():
        page = browser.open(path)
        page.evaluate("window.dispatchEvent(new PointerEvent('pointermove'))")
        foreign = [url for url in page.requests if url != page.url and not url.startswith("data:image/svg")]
        cases.equal(foreign, [], f"{name}: requests")
        cases.equal(page.complaints, [], f"{name}: console")


def nothing_is_wider_than_the_window():
    wide_elements = """[...document.querySelectorAll('body *')].filter(e => {
        if (e.closest('.scroll, pre, .columns > div, .sections, .bar, svg, #tip, .skip')) return false;
        const box = e.getBoundingClientRect();
        return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
    }).map(e => e.outerHTML.slice(0, 120))"""
    browser = devtools.shared()
    for name, path in pages():
        for width in (390, 1440):
            page = browser.open(path, width=width)
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            cases.equal(page.evaluate("document.documentElement.scrollWidth") <= width, True,
                        f"{name} at {width}: {page.evaluate(wide_elements)[:3]}")
            cases.equal(page.evaluate(wide_elements), [], f"{name} at {width}")


def tables_fit_a_desktop_and_paper():
    """No column is out of sight where there is room for all, and none can be on paper, which nobody scrolls."""
    cut = """[...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right >
        (t.closest('.scroll') || t.parentNode).getBoundingClientRect().right + 1).map(t => t.tHead.textContent)"""
    browser = devtools.shared()
    for name in ("factory", "shop", "wide", "both", "heap", "census", "mixed"):
        for width, media in ((1440, "screen"), (700, "print")):
            page = browser.open(dict(pages())[name], width=width)
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            page.call("Emulation.setEmulatedMedia", media=media)
            cases.equal(page.evaluate(cut), [], f"{name}, {media}")


def links_lead_somewhere():
    browser = devtools.shared()
    for name, path in pages():
        page = browser.open(path)
        dead = page.evaluate("""[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))
            .filter(href => !href.startsWith('#') || !document.getElementById(href.slice(1)))""")
        cases.equal(dead, [], f"{name}: dead links")
        twice = page.evaluate("""(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
            return ids.filter((id, i) => ids.indexOf(id) !== i); })()""")
        cases.equal(twice, [], f"{name}: ids that are there twice")


def references_in_charts_lead_somewhere():
    browser = devtools.shared()
    page = browser.open(dict(pages())["shop"])
    dead = page.evaluate("""[...document.querySelectorAll('svg *')].flatMap(e => [...e.attributes])
        .flatMap(a => [...a.value.matchAll(/url\\(#([^)]*)\\)/g)].map(m => m[1]))
        .filter(id => !document.getElementById(id))""")
    cases.equal(dead, [])
    unnamed = page.evaluate("""[...document.querySelectorAll('svg[role=img]')].filter(svg =>
        !svg.getAttribute('aria-labelledby').split(' ').every(id => document.getElementById(id).textContent)).length""")
    cases.equal(unnamed, 0, "charts without words")


def can_be_read_with_scripts_off():
    browser = devtools.shared()
    page = browser.open(dict(pages())["shop"], scripts=False)
    text = page.evaluate("document.body.innerText")
    for part in ("Memory over time", "Snapshots", "Classes", "killed by signal 9", "Health of the log"):
        cases.contains(text, part)
    cases.equal(page.evaluate("document.querySelectorAll('input, table button').length"), 0,
                "controls that do nothing")
    hidden = page.evaluate("""[...document.querySelectorAll('body *')].filter(e => {
        const style = getComputedStyle(e);
        return (style.display === 'none' || style.visibility === 'hidden') &&
            !e.closest('details:not([open]), .narrow, script, head');
    }).map(e => e.outerHTML.slice(0, 80))""")
    cases.equal(hidden, [], "what only a script would show")
    cases.equal(page.complaints, [])


def hostile_names_stay_text():
    browser = devtools.shared()
    page = browser.open(dict(pages())["hostile"])
    cases.equal(page.complaints, [])
    cases.equal(page.evaluate("document.querySelectorAll('script').length"), 1, "scripts")
    cases.equal(page.evaluate("document.querySelectorAll('img, iframe, object, embed, form').length"), 0)
    handlers = page.evaluate("""[...document.querySelectorAll('*')].flatMap(e => [...e.attributes])
        .filter(a => /^on|^style$/i.test(a.name) && a.ownerElement.id !== 'tip').map(a => a.name)""")
    cases.equal(handlers, [], "handlers")
    cases.contains(page.evaluate("document.body.innerText"), "<script>alert(1)</script>")
    source = open(dict(pages())["hostile"], encoding="utf-8").read()
    for character in "\x1b\x00\u202e":
        cases.equal(character in source, False, f"{character!r} in the page")


def policy_lets_nothing_run_but_its_own():
    browser = devtools.shared()
    page = browser.open(dict(pages())["factory"])
    page.evaluate("""(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';
        document.body.appendChild(s); document.body.insertAdjacentHTML('beforeend',
        '<b id="styled" style="color: rgb(1, 2, 3)">x</b>'); })()""")
    cases.equal(page.evaluate("window.ran === undefined"), True, "an inline script ran")
    cases.equal(page.evaluate("getComputedStyle(document.getElementById('styled')).color === 'rgb(1, 2, 3)'"), False)


def tables_sort_and_filter():
    browser = devtools.shared()
    page = browser.open(dict(pages())["shop"])
    column = """[...document.querySelector('#run-1-classes table').tBodies[0].rows]
        .filter(r => !r.hidden).map(r => r.cells[%d].textContent)"""
    click = "document.querySelector('#run-1-classes table').tHead.rows[0].cells[%d].firstChild.click()"
    sizes = page.evaluate(column % 1)
    cases.equal(sizes, ["1.00 MiB", "3.18 KiB", "292 B", "100 B", "64 B", "32 B"])
    page.evaluate(click % 1)
    cases.equal(page.evaluate(column % 1), sizes, "largest first")
    page.evaluate(click % 1)
    cases.equal(page.evaluate(column % 1), sizes[::-1], "smallest first")
    cases.equal(page.evaluate("document.querySelector('#run-1-classes th[aria-sort]').getAttribute('aria-sort')"),
                "ascending")
    page.evaluate(click % 0)
    names = page.evaluate(column % 0)
    cases.equal(names, sorted(names, key=str.lower), "by name")
    page = browser.open(dict(pages())["wide"])
    page.evaluate("""(() => { const i = document.querySelector('#run-1-classes input');
        i.value = document.querySelector('#run-1-classes tbody th').textContent.trim();
        i.dispatchEvent(new Event('input')); })()""")
    cases.equal(len(page.evaluate(column % 0)), 2, "one row and the one that sums up the rest")


def values_show_under_the_pointer():
    browser = devtools.shared()
    page = browser.open(dict(pages())["shop"])
    spot = page.evaluate("""(() => { const svg = document.querySelector('.chart.wide svg');
        svg.scrollIntoView({ behavior: 'instant' });
        const box = svg.querySelectorAll('.hints rect')[50].getBoundingClientRect();
        return { x: box.x + box.width / 2, y: box.y + box.height / 2 }; })()""")
    page.call("Input.dispatchMouseEvent", type="mouseMoved", **spot)
    tip = page.evaluate("(t => t.hidden ? '' : t.textContent)(document.getElementById('tip'))")
    cases.contains(tip, "resident (rss)")


def fragments_open_what_they_lead_to():
    browser = devtools.shared()
    page = browser.open(dict(pages())["shop"], fragment="#run-1-class-2")
    cases.equal(page.evaluate("document.getElementById('run-1-class-2').open"), True)


def headings_are_in_order_and_tables_have_headers():
    browser = devtools.shared()
    for name, path in pages():
        page = browser.open(path)
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])")
        cases.equal(levels[:1], [1], f"{name}: first heading")
        jumps = [(a, b) for a, b in zip(levels, levels[1:]) if b > a + 1]
        cases.equal(jumps, [], f"{name}: headings that jump")
        cases.equal(page.evaluate("document.querySelectorAll('th:not([scope])').length"), 0, f"{name}: th")


def colours_can_be_read():
    """Contrast of text with what is behind it, as WCAG 2.1 counts it: at least 4.5."""
    contrast = """(() => {
        const luminance = c => { const f = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
            return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
        const rgb = text => text.match(/[\\d.]+/g).map(Number);
        const back = luminance(rgb(getComputedStyle(document.body).backgroundColor));
        return [...document.querySelectorAll('p, td, th, dt, dd, a, h2, .sum, .verdicts li, svg text')].map(e => {
            const style = getComputedStyle(e);
            const fore = luminance(rgb(e.closest('svg') ? style.fill : style.color));
            return [(Math.max(fore, back) + 0.05) / (Math.min(fore, back) + 0.05),
                    e.className.baseVal || e.className, e.tagName];
        }).filter(c => c[0] < 4.5).slice(0, 5);
    })()"""
    browser = devtools.shared()
    for name in ("shop", "heap", "census"):
        for dark in (False, True):
            page = browser.open(dict(pages())[name], dark=dark)
            cases.equal(page.evaluate(contrast), [], f"{name}, {'dark' if dark else 'light'}")


def prints_whole():
    browser = devtools.shared()
    page = browser.open(dict(pages())["shop"])
    pdf = base64.b64decode(page.call("Page.printToPDF", printBackground=True)["data"])
    with open("printed.pdf", "wb") as file:
        file.write(pdf)
    text = subprocess.run(["pdftotext", "-layout", "printed.pdf", "-"], capture_output=True, check=True,
                          text=True).stdout
    for part in ("Memory over time", "take_order", "Lives of its largest objects", "The numbers"):
        cases.contains(text, part)


def stays_within_its_size():
    pages()
    for log, size in itertools.product(("wide.dat", "large_census.dat"), (100000, 200000, 1000000)):
        result = cases.run("memreport", log, "-o", "small.html", "--max-size", size, "--limit", 1000)
        cases.equal(result.returncode, 0, result.stderr)
        cases.equal(os.path.getsize("small.html") <= size, True, f"{os.path.getsize('small.html')} of {size}")
        cases.contains(result.stderr, "at most")
        with open("small.html", encoding="utf-8") as file:
            cases.contains(file.read(), "so that the page stays below")


def appendix_is_json():
    browser = devtools.shared()
    for name in ("shop", "hostile"):
        page = browser.open(dict(pages())[name])
        texts = page.evaluate("[...document.querySelectorAll('#appendix pre')].map(e => e.textContent)")
        tables = {table["table"]: table for table in map(json.loads, texts)}
        cases.equal("snapshots" in tables and "objects" in tables, True, sorted(tables))
        wanted = json.loads(cases.run("memstats", "snapshots", name + ".dat", "--format", "json").stdout)
        cases.equal(tables["snapshots"]["rows"], wanted["rows"])


def same_log_same_bytes():
    pages()
    for out in ("a.html", "a.pdf", "a.png"):
        report("shop.dat", out=out)
        with open(out, "rb") as file:
            first = file.read()
        report("shop.dat", out=out)
        with open(out, "rb") as file:
            cases.equal(file.read() == first, True, out)


cases.main(asks_for_nothing_and_says_nothing, nothing_is_wider_than_the_window,
           tables_fit_a_desktop_and_paper, links_lead_somewhere,
           references_in_charts_lead_somewhere, can_be_read_with_scripts_off, hostile_names_stay_text,
           policy_lets_nothing_run_but_its_own, tables_sort_and_filter, values_show_under_the_pointer,
           fragments_open_what_they_lead_to, headings_are_in_order_and_tables_have_headers, colours_can_be_read,
           prints_whole, stays_within_its_size, appendix_is_json, same_log_same_bytes)
