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
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from turns import FERRY, RELAY, folder, head, in_turns, middle, pin, row

EXCHANGES = 2000
CLIENTS = 10_000
# One in so many takes no answer.
DEAF = 50


class Case:
    """A ferry of its own, with so many mute clients."""

    def __init__(self, stack, place, number, mute):
        self.path = str(place / f"{number}.sock")
        self.process = subprocess.Popen(
            [FERRY, "relay", f"unix:{self.path}", "echo", "--log=none"],
            stderr=subprocess.DEVNULL,
            preexec_fn=pin(RELAY),
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
        place = stack.enter_context(folder())
        cases = {
            "alone": Case(stack, place, 1, 0),
            "alone, again": Case(stack, place, 2, 0),
            f"beside {CLIENTS:,} mute": Case(stack, place, 3, CLIENTS),
        }
        os.sched_setaffinity(0, {RELAY})
        for _, case in in_turns(cases.values()):
            case.slice()
        head("Exchanges with echo", "median us", "p99 us", "lowest p99", "highest p99", "CPU-ns of ferry")
        for name, case in cases.items():
            late = [run[1] for run in case.runs]
            shown = (middle(case.runs, 0), middle(case.runs, 1), min(late), max(late))
            row(name, *(f"{ns / 1000:.1f}" for ns in shown), f"{middle(case.runs, 2):.0f}")


main()
