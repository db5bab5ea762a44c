#!/usr/bin/env python3
"""auto.py [--quick] - what an auto: channel costs before it moves, and what it has once it has moved.

`ferry bench` measures in turns, forth and back; each table takes at least 20 runs, of which every other
one counts as "again" for the first row: what lies between these two is chance.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

BUILD = Path(os.environ.get("FERRY_BUILD", Path(__file__).resolve().parent.parent / "build")).resolve()
QUICK = "--quick" in sys.argv
RUNS = 2 if QUICK else 20


def trip_ns(case):
    return case["round_trip"]["median_ns"]


def trip_cpu_ns(case):
    return case["round_trip"]["cpu_ns_per_message"]


def one_way_ns(case):
    return 1e9 / case["one_way"]["messages_per_second"]


def one_way_cpu_ns(case):
    return case["one_way"]["cpu_ns_per_message"]


def measure(mechanisms, size, options):
    """Of each run its cases, by mechanism."""
    command = [BUILD / "ferry", "bench", "-m", ",".join(mechanisms), "-s", size, "-r", "2", "--json", *options]
    found = []
    for _ in range(RUNS):
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=120)
        cases = json.loads(done.stdout)["cases"]
        found.append({case["mechanism"]: case for case in cases if "missing" not in case})
    return found


def row(name, values, first):
    print(
        f"| {name} | {statistics.median(values):,.0f} | {min(values):,.0f} | {max(values):,.0f} "
        f"| {statistics.median(values) / first:.2f} |",
        flush=True,
    )


def table(title, runs, mechanisms, value):
    print(f"\n{title}\n\n| | ns, median | lowest | highest | of the first |\n|---|---|---|---|---|")
    first, *others = mechanisms
    halves = [[value(run[first]) for run in runs[half::2]] for half in (0, 1)]
    median = statistics.median(halves[0])
    row(first, halves[0], median)
    row("the same, again", halves[1], median)
    for mechanism in others:
        row(mechanism, [value(run[mechanism]) for run in runs], median)


def main():
    few = ["unix-channel", "auto-socket", "unix-seq"]
    runs = measure(few, "64", ["-w", "sleep", "--one-cpu", "-t", "20ms"])
    table("64 bytes there and back by the socket, one processor, processor time a message:", runs, few, trip_cpu_ns)
    table("The same, a round trip:", runs, few, trip_ns)
    runs = measure(["unix-channel", "auto"], "64", ["-w", "sleep", "--rate", "200", "-t", "100ms"])
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
