#!/usr/bin/env python3
"""mute.py [--quick] - what an exchange with ferry's echo takes while 10,000 others are connected that
say nothing, or take no answer, and without them.

Ferry and the client share one core. Slices of 2,000 exchanges of 64 bytes take turns, forth and
back, at least 20 each, the first case twice under two names: what lies between these two is chance.
CPU is what the kernel charged ferry for, user and system.
"""

import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

BUILD = Path(os.environ.get("FERRY_BUILD", Path(__file__).resolve().parent.parent / "build")).resolve()
QUICK = "--quick" in sys.argv
ROUNDS = 2 if QUICK else 20
EXCHANGES = 2000
CLIENTS = 10_000
# One in so many takes no answer.
DEAF = 50
CORE = max(os.sched_getaffinity(0))


class Case:
    """A ferry of its own, with so many mute clients."""

    def __init__(self, stack, folder, number, mute):
        self.path = str(folder / f"{number}.sock")
        self.process = subprocess.Popen(
            [BUILD / "ferry", "relay", f"unix:{self.path}", "echo", "--log=none"],
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {CORE}),
        )
        stack.callback(self.process.wait, 30)
        stack.callback(self.process.kill)
        while not os.path.exists(self.path):
            time.sleep(0.01)
        self.held = [self.connect(stack) for _ in range(mute)]
        for client in self.held[::DEAF]:
            client.setblocking(False)
            try:
                while True:
                    client.send(b"x" * 65536)
            except BlockingIOError:
                pass
        self.client = self.connect(stack)
        self.runs = []

    def connect(self, stack):
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(self.path)
        return client

    def cpu_ns(self):
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0])

    def slice(self):
        took, before = [], self.cpu_ns()
        for _ in range(EXCHANGES):
            started = time.perf_counter_ns()
            self.client.sendall(b"x" * 64)
            left = 64
            while left:
                left -= len(self.client.recv(left))
            took.append(time.perf_counter_ns() - started)
        took.sort()
        cpu = (self.cpu_ns() - before) / EXCHANGES
        self.runs.append((took[EXCHANGES // 2], took[EXCHANGES * 99 // 100], cpu))


def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferry-bench-")))
        cases = {
            "alone": Case(stack, folder, 1, 0),
            "alone, again": Case(stack, folder, 2, 0),
            f"beside {CLIENTS:,} mute": Case(stack, folder, 3, CLIENTS),
        }
        os.sched_setaffinity(0, {CORE})
        for turn in range(ROUNDS):
            for case in list(cases.values()) if turn % 2 == 0 else reversed(cases.values()):
                case.slice()
        print("| | median, µs | p99, µs | lowest p99 | highest p99 | CPU-ns of ferry |")
        print("|---|---|---|---|---|---|")
        for name, case in cases.items():
            middle, late, cpu = zip(*case.runs)
            print(
                f"| {name} | {statistics.median(middle) / 1000:.1f} | {statistics.median(late) / 1000:.1f} "
                f"| {min(late) / 1000:.1f} | {max(late) / 1000:.1f} | {statistics.median(cpu):.0f} |"
            )


main()
