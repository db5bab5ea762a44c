#!/usr/bin/env python3
"""mechanisms.py [--quick] - the ring beside what people would take instead: nng, ZeroMQ, nanomsg,
iceoryx.

`ferry bench --peers` measures all of them in turns, forth and back; here it runs at least 20 times for
each table, and every other run counts as the ring "again": what lies between these two is chance. Of a
peer that way to wait stands that the table is about, asleep, or the better of its two.
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
PEERS = ["nng", "zeromq", "nanomsg", "iceoryx"]


def trip_ns(case):
    return case["round_trip"]["median_ns"]


def trip_cpu_ns(case):
    return case["round_trip"]["cpu_ns_per_message"]


def one_way_cpu_ns(case):
    return case["one_way"]["cpu_ns_per_message"]


def measure(size, options):
    """Of each run its cases, by mechanism and wait."""
    command = [BUILD / "ferry", "bench", "-m", "ring", "--peers", "-s", size, "-t", "10ms", "-r", "2", "--json"]
    found = []
    for _ in range(RUNS):
        done = subprocess.run([*command, *options], stdout=subprocess.PIPE, check=True, timeout=120)
        cases = json.loads(done.stdout)["cases"]
        found.append({(case["mechanism"], case["wait"]): case for case in cases if "missing" not in case})
    return found


def row(name, values, first):
    median = statistics.median(values)
    print(
        f"| {name} | {median:,.0f} | {min(values):,.0f} | {max(values):,.0f} | {median / first:.2f} |", flush=True
    )
    return median


def table(title, runs, wait, value):
    """The ring's way to wait, and each peer's best: asleep, where the ring is, or nobody would be woken;
    what the best of them is to the ring."""
    print(f"\n{title}\n\n| | ns, median | lowest | highest | of the first |\n|---|---|---|---|---|")
    ring = [[value(run["ring", wait]) for run in runs[half::2]] for half in (0, 1)]
    first = row(f"ring, {wait}", ring[0], statistics.median(ring[0]))
    row("the same, again", ring[1], first)
    best = None
    for peer in PEERS:
        ways = [
            [value(run[peer, way]) for run in runs if (peer, way) in run]
            for way in ("sleep", "spin") if way in ("sleep", wait)
        ]
        ways = [way for way in ways if way]
        if ways:
            median = row(peer, min(ways, key=statistics.median), first)
            best = median if best is None else min(best, median)
    if best is not None:
        print(f"\nThe best of them is {best / first:.2f} times the ring.", flush=True)


def main():
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("mechanisms.py: who spins where the other is to run waits for itself: two are needed")
    small = measure("64", [])
    table("64 bytes there and back, two processors, spinning pays:", small, "spin", trip_ns)
    table("The same, processor time a message, asleep:", small, "sleep", trip_cpu_ns)
    table("64 bytes one way, processor time a message, asleep:", small, "sleep", one_way_cpu_ns)
    shared = measure("64", ["--one-cpu"])
    table("64 bytes there and back on one processor, processor time a message:", shared, "sleep", trip_cpu_ns)
    table("64 bytes one way on one processor, processor time a message:", shared, "sleep", one_way_cpu_ns)
    large = measure("64k", ["-w", "sleep"])
    table("64 KiB there and back, processor time a message, asleep:", large, "sleep", trip_cpu_ns)
    table("64 KiB one way, processor time a message, asleep:", large, "sleep", one_way_cpu_ns)


if __name__ == "__main__":
    main()
