#!/usr/bin/env python3
"""relay.py [--quick] - bytes through a relay, in blocks of 64 KiB, beside the bare system calls, socat
and haproxy.

The relay has one core, both ends of what crosses share the other. Slices of half a second take turns,
forth and back (A B C, C B A, ...), at least 20 each, the first case twice under two names: what lies
between these two is chance. CPU is what the kernel charged the relay for, user and system, its
children included.
"""

import shutil
import signal
import statistics
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from turns import ENDS, FERRY, QUICK, RELAY, cpu_ns, folder, head, in_turns, pin, program, row

BARE, FLOOD = program("bare-relay"), program("flood")

HAPROXY = """
global
  nbthread 1
  tune.bufsize 65536
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen relay
  bind {listen}
  {options}
  server sink unix@{sink}
"""


class Case:
    """A relay that runs, from `target` to the sink."""

    def __init__(self, place, number, name, make, tcp):
        self.name = name
        self.sink = place / f"{number}.sink"
        self.target = f"tcp:{20100 + number}" if tcp else f"unix:{place}/{number}.in"
        words, text = make(self.target, self.sink)
        if text:
            (place / f"{number}.cfg").write_text(text)
            words = [*words, place / f"{number}.cfg"]
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=pin(RELAY),
        )
        self.speeds, self.bytes = [], 0

    def tree(self):
        """Itself and its children, by pid."""
        found = [self.process.pid]
        for pid in found:
            found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def cpu_ns(self):
        return sum(map(cpu_ns, self.tree()))

    def ready(self):
        """Whatever else it does first; one slice that does not count."""
        deadline = time.monotonic() + 5
        while True:
            done = subprocess.run([FLOOD, f"unix:{self.sink}", self.target, "50"], capture_output=True)
            if done.returncode == 0:
                break
            assert time.monotonic() < deadline, (self.name, done.stderr)
            time.sleep(0.05)
        self.cpu_before = self.cpu_ns()

    def slice(self):
        done = subprocess.run(
            [FLOOD, f"unix:{self.sink}", self.target, "50" if QUICK else "500"],
            capture_output=True,
            check=True,
            preexec_fn=pin(ENDS),
        )
        size, took_ns, whole = map(int, done.stdout.split())
        self.speeds.append(size / took_ns)
        self.bytes += whole

    def finish(self):
        time.sleep(0.05)  # children that end now are counted by their parent
        self.cpu_a_gb = (self.cpu_ns() - self.cpu_before) / self.bytes * 1e3

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def ferry(options=""):
    def make(target, sink):
        listen = target if target.startswith("tcp:") else f"{target}{options}"
        allow = ["--allow", "any"] if target.startswith("tcp:") else []
        return [FERRY, "relay", "-q", listen, f"unix:{sink}{options}", *allow], None

    return make


def bare(how):
    return lambda target, sink: ([BARE, how, target, f"unix:{sink}"], None)


def socat(*options):
    def make(target, sink):
        kind, place = target.split(":")
        listen = f"TCP-LISTEN:{place},bind=127.0.0.1,reuseaddr,fork" if kind == "tcp" else f"UNIX-LISTEN:{place},fork"
        return ["socat", *options, listen, f"UNIX-CONNECT:{sink}"], None

    return make


def haproxy(options=""):
    def make(target, sink):
        kind, place = target.split(":")
        listen = f"127.0.0.1:{place}" if kind == "tcp" else f"unix@{place}"
        return ["haproxy", "-db", "-f"], HAPROXY.format(listen=listen, options=options, sink=sink)

    return make


def measure(cases):
    for case in cases:
        case.ready()
    for _, case in in_turns(cases):
        case.slice()
    for case in cases:
        case.finish()


def report(title, cases):
    head(title, "GB/s, median", "lowest", "highest", "CPU ms a GB", "of the first", "CPU of the first")
    base, cost = statistics.median(cases[0].speeds), cases[0].cpu_a_gb
    for case in cases:
        speed = statistics.median(case.speeds)
        speeds = (f"{figure:.2f}" for figure in (speed, min(case.speeds), max(case.speeds)))
        share = (f"{figure:.2f}" for figure in (speed / base, case.cpu_a_gb / cost))
        row(case.name, *speeds, f"{case.cpu_a_gb:.0f}", *share)


def table(title, makers, tcp=False):
    with ExitStack() as stack:
        place = stack.enter_context(folder())
        cases = []
        for number, (name, make) in enumerate(makers):
            cases.append(Case(place, number, name, make, tcp))
            stack.callback(cases[-1].end)
        measure(cases)
        report(title, cases)


def main():
    peers = [("socat", socat()), ("socat -b65536", socat("-b65536"))]
    if shutil.which("haproxy"):
        peers += [("haproxy", haproxy()), ("haproxy, splice", haproxy("option splice-auto"))]
    for title, tcp in (("unix to unix", False), ("tcp to unix", True)):
        copies, splices = ("bare recvmsg, sendmsg", bare("copy")), ("bare splice", bare("splice"))
        table(
            f"{title}, the default",
            [copies, ("the same again", bare("copy")), ("ferry relay", ferry()), splices, *peers],
            tcp,
        )
        table(
            f"{title}, descriptors=no",
            [splices, ("the same again", bare("splice")), ("ferry relay", ferry(",descriptors=no")), *peers],
            tcp,
        )


if __name__ == "__main__":
    main()
