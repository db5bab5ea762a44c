#!/usr/bin/env python3
"""ring.py [--quick] - what a ring of libferry costs beside the barest that does the same: round trips
with both sides looking out, with both asleep, messages of 1 KiB one way, from many to one, and what is
lent in place.

Two processes on two cores, or several that send on one of them. Cases take turns, forth and back, at least
20 times, the first twice under two names: what lies between these two is chance. Compared is within a round,
and only in rounds during which the cores stayed as near each other as they were.
"""

import os
import subprocess
import sys

from turns import QUICK, head, in_near_rounds, middle, program, row, times_the_first

PROGRAM = program("ring")
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
    count //= SHARE
    rounds, note = in_near_rounds(ways, lambda way: run(what, way, count))
    head(title, "ns, median", "lowest", "highest", "CPU-ns", "of the first")
    for name, _ in ways:
        walls = [one[name][0] for one in rounds]
        times = times_the_first(rounds, ways[0][0], name, 0)
        figures = (middle([one[name] for one in rounds], 0), min(walls), max(walls),
                   middle([one[name] for one in rounds], 1))
        row(name, *(f"{figure:.0f}" for figure in figures), f"{times:.2f}")
    print(f"\n{note}", flush=True)


if __name__ == "__main__":
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("ring.py: looking out for a peer on the same core measures the scheduler: two are needed")
    table("64 bytes there and back, both sides looking out:", "trips", TRIPS, 400_000)
    table("The same, at uneven distances from look to look:", "uneven", TRIPS, 400_000)
    table("64 bytes there and back, both sides asleep while they wait:", "sleeps", SLEEPS, 8_000)
    table("1 KiB one way, in batches of 16, copied in and out:", "stream", STREAM, 160_000)
    table("The same from four processes to one, all asleep while they wait:", "fan", FAN, 163_840)
    table("Lent, filled in with one word, and borrowed, there and back:", "lend", LEND, 200_000)
