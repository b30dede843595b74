#!/usr/bin/env python3
"""Makes Markdown tables of the medians that Google Benchmark wrote as JSON.

    tests/bench/table.py RESULT.json... [--write FILE]

Prints them, or puts them between the two marks in FILE. scripts/bench calls this.
"""

import argparse
import collections
import json
import pathlib
import platform
import re

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
STAGES = 5
YARDSTICK = "PlainThreadPool"
TITLES = {
    "five_stages": "Five stages: the same work by each",
    "bare_source": "A source and its consumer, without a stage",
    "stage": "Stages that run where they are pulled",
    "source": "Sources",
    "sink": "Sinks",
    "concurrent": "Stages that work beside their consumer",
    "timed": "Stages that look at the clock, or may wait",
    "parts": "Parts",
    "walk": "The walk: 50,000 files in 500 directories, all in memory",
    "digest": "Digests of files that are in memory",
    "spool": "Sorting 100,000 files by size through the disk",
    "wire": "Events of files as bytes of the stream",
}


def medians(result):
    """{name: its median's counters}, in the order of registration."""
    rows = [row for row in result["benchmarks"] if row.get("aggregate_name") == "median"]
    rows.sort(key=lambda row: (row["family_index"], row["per_family_instance_index"]))
    return {re.sub(r"/(real|process)_time$", "", row["run_name"]): row for row in rows}


def nanoseconds(row):
    return row["time_per_item"] * 1e9


def allocations(row):
    count = row["allocations_per_item"]
    return f"{count:.3f}" if count >= 0.001 else "0"


def table(title, head, rows):
    yield f"\n#### {title}\n"
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def group_table(group, rows, every_row):
    """What a group's items cost, and where there is something to take off, what a stage costs."""
    head = ["", "ns per item", "allocations per item"]
    if group == "five_stages":
        head.insert(2, "ns per stage")
    if group == "stage":
        head.insert(2, "without the source's")
    lines = []
    for name, row in rows.items():
        line = [name, f"{nanoseconds(row):.1f}", allocations(row)]
        if group == "five_stages":
            source = every_row.get(f"bare_source/{name}")
            line.insert(2, f"{(nanoseconds(row) - nanoseconds(source)) / STAGES:.1f}" if source else "")
        if group == "stage":
            line.insert(2, f"{nanoseconds(row) - nanoseconds(every_row['source/FromRange']):.1f}")
        lines.append(line)
    return table(TITLES[group], head, lines)


def per_item_tables(rows):
    groups = collections.defaultdict(dict)
    for name, row in rows.items():
        group, what = name.split("/", 1)
        groups[group][what] = row
    for group in TITLES:
        if group in groups:
            yield from group_table(group, groups[group], rows)


def throughput_table(rows):
    """Throughput beside that of the yardstick with the same argument."""
    lines = []
    for name, row in rows.items():
        what, argument = name.split("/", 1)
        rate, yardstick = row["items_per_second"], rows[f"{YARDSTICK}/{argument}"]["items_per_second"]
        lines.append([what, argument, f"{rate:,.0f}", f"{rate / yardstick:.2f}"])
    head = ["", "ns of work", "items per second", f"of {YARDSTICK}'s"]
    return table("Two threads: throughput, by the wall", head, lines)


def catalog_table(rows):
    """The catalog's benchmarks by the wall: a row is an event."""
    lines = []
    for name, row in rows.items():
        what, arguments = name.removeprefix("BM_").split("/", 1)
        rate = row["items_per_second"]
        lines.append([what, arguments.replace("/", ", "), f"{1e9 / rate:,.0f}", f"{rate:,.0f}"])
    head = ["", "rows each; bytes of the job's spec", "ns per row", "rows per second"]
    return table("The catalog, by the wall", head, lines)


def machine(context):
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    load = context["load_avg"][0] if context.get("load_avg") else 0
    return (
        f"Measured {context['date'][:10]} on {context['num_cpus']} cores of "
        f"{model[1] if model else platform.machine()}, Linux {platform.release().split('-')[0]}; "
        f"load average at the start: {load:.1f}."
    )


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("results", nargs="+", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_args()

    results = [json.loads(path.read_text()) for path in arguments.results]
    lines = [machine(results[0]["context"])]
    for rows in map(medians, results):
        if all("time_per_item" in row for row in rows.values()):
            lines += per_item_tables(rows)
        elif all(name.startswith("BM_") for name in rows):
            lines += catalog_table(rows)
        else:
            lines += throughput_table(rows)
    text = "\n".join(lines)

    if not arguments.write:
        print(text)
        return
    before, rest = arguments.write.read_text().split(BEGIN)
    after = rest.split(END)[1]
    arguments.write.write_text(f"{before}{BEGIN}\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    main()
