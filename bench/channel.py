#!/usr/bin/env python3
"""channel.py [--quick] - what a channel of libferry costs over the system calls that it makes: round
trips of 64 bytes, and messages of 1 KiB one way, over every kind that it has.

Both processes share one core; cases take turns, forth and back, at least 20 times, the first twice
under two names: what lies between these two is chance.
"""

import subprocess

from turns import QUICK, RELAY, head, in_turns, middle, pin, program, row

PROGRAM = program("channel")
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
        preexec_fn=pin(RELAY),
    )
    return [int(word) / count for word in done.stdout.split()]


def table(title, what, count):
    head(title, "", "ns, median", "lowest", "highest", "CPU-ns", "of bare", "CPU of bare")
    for kind, name in KINDS.items():
        runs = {way: [] for way, _ in WAYS}
        for _, (way, how) in in_turns(WAYS):
            runs[way].append(run(what, kind, how, count))
        bare, bare_cpu = middle(runs["bare"], 0), middle(runs["bare"], 1)
        for way, figures in runs.items():
            took = [one[0] for one in figures]
            ns, cpu = middle(figures, 0), middle(figures, 1)
            whole = (f"{figure:.0f}" for figure in (ns, min(took), max(took), cpu))
            row(name, way, *whole, f"{ns / bare:.2f}", f"{cpu / bare_cpu:.2f}")


if __name__ == "__main__":
    table("Round trips of 64 bytes", "trips", 1000 if QUICK else 20000)
    table("1 KiB, 100,000 one way" if not QUICK else "1 KiB one way", "stream", 5000 if QUICK else 100000)
