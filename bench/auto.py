#!/usr/bin/env python3
"""auto.py [--quick] - what an auto: channel costs before it moves, and what it has once it has moved.

`ferry bench` measures in turns, forth and back; each table takes at least 20 runs, of which every other
one counts as "again" for the first row: what lies between these two is chance. Compared is within a run, and
only in runs during which the cores stayed as near each other as they were.
"""

import json
import os
import statistics
import subprocess
import sys

from turns import FERRY, ROUNDS, head, is_steady, row


def trip_ns(case):
    return case["round_trip"]["median_ns"]


def trip_cpu_ns(case):
    return case["round_trip"]["cpu_ns_per_message"]


def one_way_ns(case):
    return 1e9 / case["one_way"]["messages_per_second"]


def one_way_cpu_ns(case):
    return case["one_way"]["cpu_ns_per_message"]


def stayed(document):
    """Whether the cores did; where there is one there is nothing to move."""
    line = document["method"].get("cache_line")
    return not line or is_steady((line["least_ns"], line["most_ns"]))


def measure(mechanisms, size, options):
    """Of each run its cases, by mechanism."""
    command = [FERRY, "bench", "-m", ",".join(mechanisms), "-s", size, "-r", "2", "--json", *options]
    found = []
    for _ in range(2 * ROUNDS):
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=120)
        document = json.loads(done.stdout)
        if len(found) < ROUNDS and stayed(document):
            found.append({case["mechanism"]: case for case in document["cases"] if "missing" not in case})
        if len(found) == ROUNDS:
            return found
    if not found:
        sys.exit(f"auto.py: in each of {2 * ROUNDS} runs the host moved the cores: nothing can be compared")
    return found


def figures(name, values, times):
    row(name, *(f"{figure:,.0f}" for figure in (statistics.median(values), min(values), max(values))), f"{times:.2f}")


def table(title, runs, mechanisms, value):
    head(title, f"ns, median of {len(runs)} runs", "lowest", "highest", "of the first")
    first, *others = mechanisms
    halves = [[value(run[first]) for run in runs[half::2]] for half in (0, 1)]
    figures(first, halves[0], 1)
    if halves[1]:
        figures("the same, again", halves[1], statistics.median(halves[1]) / statistics.median(halves[0]))
    for mechanism in others:
        times = statistics.median(value(run[mechanism]) / value(run[first]) for run in runs)
        figures(mechanism, [value(run[mechanism]) for run in runs], times)


def main():
    few = ["unix-channel", "auto-socket", "unix-seq"]
    runs = measure(few, "64", ["-w", "sleep", "--one-cpu", "-t", "20ms"])
    table("64 bytes there and back by the socket, one processor, processor time a message:", runs, few, trip_cpu_ns)
    table("The same, a round trip:", runs, few, trip_ns)
    # For long: the first messages find processors that are still awake, and cost less. Those of auto: are not
    # measured, since it settles first.
    runs = measure(["unix-channel", "auto"], "64", ["-w", "sleep", "--rate", "200", "-r", "1", "-t", "500ms"])
    table("200 a second, processor time a message:", runs, ["unix-channel", "auto"], trip_cpu_ns)
    if len(os.sched_getaffinity(0)) > 1:
        moved = ["ring", "auto-ring"]
        for size in ("64", "4k"):
            runs = measure(moved, size, ["-w", "adaptive", "-t", "50ms"])
            table(f"{size} bytes there and back in the ring, looking out:", runs, moved, trip_ns)
            table("The same one way, a message:", runs, moved, one_way_ns)
        runs = measure(["unix-channel", "auto"], "64", ["-w", "sleep", "-t", "100ms"])
        moved = "64 bytes one way, once it has done what it does by itself, a message:"
        table(moved, runs, ["unix-channel", "auto"], one_way_ns)
    runs = measure(["ring", "auto-ring"], "64", ["-w", "sleep", "--one-cpu", "-t", "50ms"])
    one_way = "64 bytes one way in the ring, one processor, processor time a message:"
    table(one_way, runs, ["ring", "auto-ring"], one_way_cpu_ns)


if __name__ == "__main__":
    main()
