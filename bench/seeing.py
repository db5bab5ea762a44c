#!/usr/bin/env python3
"""seeing.py [--quick] - what it costs to see every socket: `ferry ls` and `ferry top` beside ss, lsof
and the bare system calls, on 40,000 unix sockets in 4 and in 1,000 processes.

Every command runs pinned to one core, with its output thrown away; cases take turns, forth and back
(A B C, C B A, ...), at least 20 times, the first twice under two names: what lies between these two
is chance. CPU is what the kernel charged the command for, user and system. Needs root.
"""

import os
import resource
import subprocess
import time
from contextlib import contextmanager

from turns import FERRY, QUICK, RELAY as CORE, ROUNDS, head, in_turns, middle, program, row

PAIRS, BARE = program("pairs"), program("bare-look")
SOCKETS = 40000


@contextmanager
def sockets(processes):
    """SOCKETS unix sockets, connected in pairs, in so many processes."""
    held = subprocess.Popen(
        [PAIRS, str(SOCKETS // 2), str(processes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert held.stdout.readline() == b"ready\n"
        yield
    finally:
        held.stdin.close()
        held.wait(30)


@contextmanager
def namespaces(count):
    """So many network namespaces, each with a process in it."""
    script = "echo; exec cat"
    held = []
    try:
        for _ in range(count):
            one = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            held.append(one)
            assert one.stdout.read(1) == b"\n"
        yield
    finally:
        for one in held:
            one.stdin.close()
            one.wait(10)
            one.stdout.close()


def run(words):
    """Runs a command; returns (wall ms, CPU ms). It is started by vfork(2): the pages that a fork of
    Python copies would count for it."""
    started = time.monotonic()
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    wall = (time.monotonic() - started) * 1000
    return wall, (usage.ru_utime + usage.ru_stime) * 1000


def measure(cases):
    """{name: [(wall, cpu)]}, in turns; a case may say how many rounds are enough for it."""
    names = list(cases)
    order = [names[0], f"{names[0]} (again)", *names[1:]]
    cases = {**cases, order[1]: cases[names[0]]}
    figures = {name: [] for name in order}
    for turn, name in in_turns(order):
        words, enough = cases[name]
        if turn < enough:
            figures[name].append(run(words))
    return figures


def report(title, figures):
    columns = ("wall ms, median", "lowest", "highest", "CPU ms", "CPU-ns a socket", "runs", "of ferry ls")
    head(title, *columns)
    base = middle(figures["ferry ls"], 1)
    for name, runs in figures.items():
        wall = [figure[0] for figure in runs]
        cpu = middle(runs, 1)
        shown = (f"{ms:.1f}" for ms in (middle(runs, 0), min(wall), max(wall), cpu))
        row(name, *shown, f"{cpu * 1e6 / SOCKETS:.0f}", len(runs), f"{cpu / base:.2f}")


def listing(processes):
    every = 10**6
    figures = measure(
        {
            "ferry ls": ([FERRY, "ls", "-x"], every),
            "bare dump and walk": ([BARE], every),
            "ss -xap": (["ss", "-xap"], every),
            "ferry ls --json": ([FERRY, "ls", "-x", "--json"], 6),
            "lsof -U +E": (["lsof", "-U", "+E"], 6),
        }
    )
    report(f"{SOCKETS} unix sockets in {processes} processes", figures)


def resident():
    """KiB at most; by time(1), since our own memory counts for what we start."""
    words = ["/usr/bin/time", "-f", "%M", FERRY, "ls", "-x"]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return int(done.stderr.splitlines()[-1])


def watching(processes):
    """CPU of `top` at 1 Hz, of a screen's rows, without its first look, which walks through everything."""
    looks = 5 if QUICK else 30
    cost = {count: run([FERRY, "top", "-b", "--rows=20", "-n", str(count), "-d", "1s"]) for count in (1, looks)}
    share = (cost[looks][1] - cost[1][1]) / (cost[looks][0] - cost[1][0])
    print(
        f"\n`ferry top` at 1 Hz on {SOCKETS} sockets in {processes} processes: {share * 100:.1f} % of "
        f"a core over {looks - 1} looks."
    )


def spread(count):
    """What so many network namespaces add to `ls`."""
    words = [FERRY, "ls", "-x"]
    without = [run(words) for _ in range(ROUNDS)]
    with namespaces(count):
        within = [run(words) for _ in range(ROUNDS)]
    extra = [middle(within, place) - middle(without, place) for place in (0, 1)]
    print(f"\n{count} network namespaces add {extra[0]:.1f} ms ({extra[1]:.1f} ms of CPU).")


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {CORE})
    print(f"{os.uname().release}, core {CORE} of {os.cpu_count()}", flush=True)
    least = resident()
    for processes in (4, 1000):
        with sockets(processes):
            listing(processes)
            watching(processes)
            more = (resident() - least) * 1024 / SOCKETS
            print(f"\nMemory: {more:.0f} bytes a socket, besides {least} KiB.")
    spread(200)


if __name__ == "__main__":
    main()
