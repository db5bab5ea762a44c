#!/usr/bin/env python3
"""channel.py [--quick] - what a channel of libferry costs over the system calls that it makes: round
trips of 64 bytes, and messages of 1 KiB one way, over every kind that it has.

Both processes share one core; cases take turns, forth and back, at least 20 times, the first twice
under two names: what lies between these two is chance.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

BUILD = Path(os.environ.get("FERRY_BUILD", Path(__file__).resolve().parent.parent / "build")).resolve()
PROGRAM = BUILD / "bench" / "bench-channel"
QUICK = "--quick" in sys.argv
ROUNDS = 2 if QUICK else 20
CORE = max(os.sched_getaffinity(0))
KINDS = {
    "unix": "unix stream",
    "seq": "unix seqpacket",
    "dgram": "unix datagram",
    "tcp": "TCP",
    "fifo": "FIFO",
    "queue": "POSIX queue",
}
WAYS = [("bare", "bare"), ("bare, again", "bare"), ("channel", "channel"), ("blocking calls", "blocking")]


def run(what, kind, way, count):
    """(ns, CPU-ns) for each of `count`."""
    done = subprocess.run(
        [PROGRAM, what, kind, way, str(count)],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {CORE}),
    )
    return [int(word) / count for word in done.stdout.split()]


def table(title, what, count):
    print(f"\n{title}\n")
    print("| | | ns, median | lowest | highest | CPU-ns | of bare | CPU of bare |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, name in KINDS.items():
        runs = {way: [] for way, _ in WAYS}
        for turn in range(ROUNDS):
            for way, how in WAYS if turn % 2 == 0 else reversed(WAYS):
                runs[way].append(run(what, kind, how, count))
        bare, bare_cpu = (statistics.median(one[place] for one in runs["bare"]) for place in (0, 1))
        for way, figures in runs.items():
            took = [one[0] for one in figures]
            middle, cpu = statistics.median(took), statistics.median(one[1] for one in figures)
            print(
                f"| {name} | {way} | {middle:.0f} | {min(took):.0f} | {max(took):.0f} | {cpu:.0f} "
                f"| {middle / bare:.2f} | {cpu / bare_cpu:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    table("Round trips of 64 bytes", "trips", 1000 if QUICK else 20000)
    table("1 KiB, 100,000 one way" if not QUICK else "1 KiB one way", "stream", 5000 if QUICK else 100000)
