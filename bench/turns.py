"""turns.py - what the benches share: where the programs are, which core is whose, turns, tables."""

import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

BUILD = Path(os.environ.get("FERRY_BUILD", Path(__file__).resolve().parent.parent / "build")).resolve()
FERRY = BUILD / "ferry"
QUICK = "--quick" in sys.argv
ROUNDS = 2 if QUICK else 20
CORES = sorted(os.sched_getaffinity(0))
ENDS, RELAY = CORES[0], CORES[-1]
TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")


def program(name):
    return BUILD / "bench" / f"bench-{name}"


def pin(core, idle=False):
    """For preexec_fn. Who is idle runs only while nobody else wants the core."""

    def set_up():
        os.sched_setaffinity(0, {core})
        if idle:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

    return set_up


@contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as name:
        yield Path(name)


def in_turns(cases, rounds=ROUNDS):
    """Each of them so many times, forth and back (A B C, C B A, ...): (round, case)."""
    cases = list(cases)
    for turn in range(rounds):
        for case in cases if turn % 2 == 0 else reversed(cases):
            yield turn, case


def near_ns():
    """A cache line there and back between the first and the last core, as the host has them just now."""
    trips = 20_000
    done = subprocess.run([program("ring"), "trips", "line", str(trips)], stdout=subprocess.PIPE, check=True)
    return int(done.stdout.split()[0]) / trips


def is_steady(times):
    """Of cache lines: whether the cores stayed as near each other as they were."""
    return max(times) <= 1.5 * min(times)


def in_near_rounds(ways, run, rounds=ROUNDS):
    """Each of (name, way) in turns, until there are so many rounds in which the cores stayed where they were, or
    twice as many were tried: ([{name: what run(way) said}], which rounds these are, in words)."""
    kept, tried, nears = [], 0, []
    while len(kept) < rounds and tried < 2 * rounds:
        near, one = [near_ns()], {}
        for name, way in ways if tried % 2 == 0 else reversed(ways):
            one[name] = run(way)
            near.append(near_ns())
        tried += 1
        if is_steady(near):
            kept.append(one)
            nears += near
    if not kept:
        sys.exit(f"{sys.argv[0]}: in each of {tried} rounds the host moved the cores: nothing can be compared")
    apart = f"a cache line took {min(nears):.0f} to {max(nears):.0f} ns there and back"
    return kept, f"{len(kept)} rounds of {tried}, in which {apart}, and the same throughout each."


def times_the_first(rounds, first, name, place):
    """The median of what one figure is, in each round, of that of the first."""
    return statistics.median(one[name][place] / one[first][place] for one in rounds)


def middle(runs, place):
    """The median of one of the figures that each run has."""
    return statistics.median(run[place] for run in runs)


def cpu_ns(pid):
    """Of a process and of the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) * TICK_NS


def head(title, *columns):
    """Of a table whose first column names the case."""
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")


def row(*cells):
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
