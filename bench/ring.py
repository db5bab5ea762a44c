#!/usr/bin/env python3
"""ring.py [--quick] - what a ring of libferry costs beside the barest that does the same: round trips
with both sides looking out, with both asleep, messages of 1 KiB one way, from many to one, and what is
lent in place.

Two processes on two cores, or several that send on one of them. Cases take turns, forth and back, at least 20 times, the first twice under
two names: what lies between these two is chance.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

BUILD = Path(os.environ.get("FERRY_BUILD", Path(__file__).resolve().parent.parent / "build")).resolve()
PROGRAM = BUILD / "bench" / "bench-ring"
QUICK = "--quick" in sys.argv
ROUNDS = 2 if QUICK else 20
SHARE = 10 if QUICK else 1

TRIPS = [
    ("bare ring", "bare"),
    ("bare ring, again", "bare"),
    ("ferry", "ferry"),
    ("one word in one cache line", "line"),
]
SLEEPS = [
    ("eventfd, poll and read", "bare"),
    ("the same, again", "bare"),
    ("ferry", "ferry"),
    ("eventfd that blocks", "blocking"),
]
STREAM = [
    ("bare ring", "bare"),
    ("bare ring, again", "bare"),
    ("ferry", "ferry"),
    ("unix stream socket", "unix"),
]
FAN = [
    ("ring, one sender", "ring"),
    ("the same, again", "ring"),
    ("fan-in, one sender", "one"),
    ("fan-in, four senders", "ferry"),
    ("unix seqpacket socket, four senders", "unix"),
]
LEND = [
    ("64 bytes", "small"),
    ("64 bytes, again", "small"),
    ("4 MiB", "large"),
]


def run(what, way, count):
    """(ns, CPU-ns) for each of `count`."""
    done = subprocess.run(
        [PROGRAM, what, way, str(count)], stdout=subprocess.PIPE, check=True, timeout=120
    )
    return [int(word) / count for word in done.stdout.split()]


def table(title, what, ways, count):
    print(f"\n{title}\n")
    print("| | ns, median | lowest | highest | CPU-ns | of the first |")
    print("|---|---|---|---|---|---|")
    count //= SHARE
    runs = {name: [] for name, _ in ways}
    for turn in range(ROUNDS):
        for name, way in ways if turn % 2 == 0 else reversed(ways):
            runs[name].append(run(what, way, count))
    first = statistics.median(wall for wall, _ in runs[ways[0][0]])
    for name, _ in ways:
        walls = [wall for wall, _ in runs[name]]
        median = statistics.median(walls)
        cpu = statistics.median(cpu for _, cpu in runs[name])
        print(
            f"| {name} | {median:.0f} | {min(walls):.0f} | {max(walls):.0f} | {cpu:.0f} "
            f"| {median / first:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("ring.py: looking out for a peer on the same core measures the scheduler: two are needed")
    table("64 bytes there and back, both sides looking out:", "trips", TRIPS, 400_000)
    table("The same, at uneven distances from look to look:", "uneven", TRIPS, 400_000)
    table("64 bytes there and back, both sides asleep while they wait:", "sleeps", SLEEPS, 8_000)
    table("1 KiB one way, in batches of 16, copied in and out:", "stream", STREAM, 160_000)
    table("The same from four processes to one, all asleep while they wait:", "fan", FAN, 163_840)
    table("Lent, filled in with one word, and borrowed, there and back:", "lend", LEND, 200_000)
