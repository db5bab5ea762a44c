"""turns.py - what the benches share: where the programs are, which core is whose, turns, tables."""

import os
import statistics
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
