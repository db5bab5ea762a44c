#!/usr/bin/env python3
"""visits.py [--quick] - what a connection costs that comes, says something and goes: beside haproxy and
socat; what many that say nothing, or one that says much, cost one that says little; and what a program
takes to start and to be there.

Who relays has one core, all others share the other. Slices take turns, forth and back, at least 20
each, the first case twice under two names: what lies between these two is chance.
"""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from turns import ENDS, FERRY, QUICK, RELAY, ROUNDS, TICK_NS, pin, program

VISITS, FLOOD = program("visits"), program("flood")
CLIENTS = 8
COUNT = 400 if QUICK else 4000
EXCHANGES = 1000 if QUICK else 10000
IDLE = 900 if QUICK else 9000

HAPROXY = """
global
  nbthread 1
  maxconn 1000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen relay
  bind unix@{listen}
  server echo unix@{to}
"""


def client(*words):
    done = subprocess.run(
        [VISITS, *map(str, words)], capture_output=True, check=True, preexec_fn=pin(ENDS)
    )
    return [int(word) for word in done.stdout.split()]


@contextmanager
def running(*words, core=RELAY, **options):
    process = subprocess.Popen(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=pin(core),
        **options,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def cpu_ns(pid):
    """Of a process and of the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) * TICK_NS


def listens(path):
    deadline = time.monotonic() + 10
    while True:
        try:
            client("exchange", f"unix:{path}", 1)
            return
        except subprocess.CalledProcessError:
            assert time.monotonic() < deadline, path
            time.sleep(0.05)


# --- visits ----------------------------------------------------------------------------------------


def relays(folder, stack):
    """(name, path, pid) of each that relays to the same echo, and of those that echo themselves."""
    echo = folder / "echo.sock"
    stack.enter_context(running(FERRY, "relay", "-q", f"unix:{echo}", "echo", core=ENDS))
    (folder / "haproxy.cfg").write_text(HAPROXY.format(listen=folder / "2.sock", to=echo))
    made = [
        ("ferry relay", [FERRY, "relay", "-q", f"unix:{folder}/0.sock", f"unix:{echo}"]),
        ("the same again", [FERRY, "relay", "-q", f"unix:{folder}/1.sock", f"unix:{echo}"]),
        ("haproxy", ["haproxy", "-db", "-f", folder / "haproxy.cfg"]),
        ("socat fork", ["socat", f"UNIX-LISTEN:{folder}/3.sock,fork,backlog=64", f"UNIX-CONNECT:{echo}"]),
        ("ferry relay LISTEN echo", [FERRY, "relay", "-q", f"unix:{folder}/4.sock", "echo"]),
        ("socat fork PIPE", ["socat", f"UNIX-LISTEN:{folder}/5.sock,fork,backlog=64", "PIPE"]),
    ]
    for number, (name, words) in enumerate(made):
        if shutil.which(str(words[0])):
            process = stack.enter_context(running(*words))
            listens(folder / f"{number}.sock")
            yield name, folder / f"{number}.sock", process.pid


def visits():
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferry-bench-")))
        cases = list(relays(folder, stack))
        rates, before = {name: [] for name, _, _ in cases}, {}
        for name, path, pid in cases:
            client("visit", f"unix:{path}", 80, CLIENTS)
            before[name] = cpu_ns(pid)
        for turn in range(ROUNDS):
            for name, path, _ in cases if turn % 2 == 0 else reversed(cases):
                count = COUNT if not name.startswith("socat") else COUNT // 4
                rates[name].append(count / client("visit", f"unix:{path}", count, CLIENTS)[0] * 1e9)
        time.sleep(0.2)
        cost = {}
        for name, _, pid in cases:
            count = COUNT if not name.startswith("socat") else COUNT // 4
            cost[name] = (cpu_ns(pid) - before[name]) / (count * ROUNDS) / 1000
    print(f"\nConnect, verdict, 64 bytes echoed, close; {CLIENTS} clients\n")
    print("| | a second, median | lowest | highest | CPU-us each | of the first |")
    print("|---|---|---|---|---|---|")
    base = statistics.median(rates["ferry relay"])
    for name, figures in rates.items():
        middle = statistics.median(figures)
        print(
            f"| {name} | {middle:.0f} | {min(figures):.0f} | {max(figures):.0f} | {cost[name]:.1f} "
            f"| {middle / base:.2f} |",
            flush=True,
        )


# --- one that says little --------------------------------------------------------------------------

ROUTES = """
[route small]
listen = unix:{folder}/small.sock
to     = unix:{folder}/echo.sock
[route bulk]
listen = unix:{folder}/bulk.sock
to     = unix:{folder}/sink.sock
"""


@contextmanager
def routes():
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferry-bench-")))
        (folder / "ferry.conf").write_text(ROUTES.format(folder=folder))
        stack.enter_context(running(FERRY, "relay", "-q", f"unix:{folder}/echo.sock", "echo", core=ENDS))
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
        stack.enter_context(running(FERRY, "up", "-c", folder / "ferry.conf", env=environment))
        listens(folder / "small.sock")
        yield folder


@contextmanager
def bulk(folder):
    words = [FLOOD, f"unix:{folder}/sink.sock", f"unix:{folder}/bulk.sock", "60000"]
    flood = subprocess.Popen(words, stdout=subprocess.DEVNULL, preexec_fn=pin(ENDS))
    time.sleep(0.1)
    try:
        yield
    finally:
        flood.kill()
        flood.wait()


@contextmanager
def idle(folder):
    held = subprocess.Popen(
        [VISITS, "hold", f"unix:{folder}/small.sock", str(IDLE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=pin(ENDS),
    )
    try:
        assert held.stdout.readline() == b"ready\n"
        yield
    finally:
        held.stdin.close()
        held.wait(60)


@contextmanager
def nothing(_):
    yield


def beside(title, what):
    """Exchanges of 64 bytes alone, alone again, and beside `what`, in turns."""
    ways = {"alone": nothing, "alone, again": nothing, title: what}
    figures = {name: [] for name in ways}
    with routes() as folder:
        for turn in range(ROUNDS):
            for name, way in ways.items() if turn % 2 == 0 else reversed(ways.items()):
                with way(folder):
                    figures[name].append(client("exchange", f"unix:{folder}/small.sock", EXCHANGES))
    print(f"\nExchanges of 64 bytes through a route, {title}\n")
    print("| | median us | of alone | p99 us | of alone |")
    print("|---|---|---|---|---|")
    alone = [statistics.median(one[place] for one in figures["alone"]) for place in (0, 1)]
    for name, runs in figures.items():
        middle = [statistics.median(one[place] for one in runs) for place in (0, 1)]
        print(
            f"| {name} | {middle[0] / 1000:.1f} | {middle[0] / alone[0]:.2f} "
            f"| {middle[1] / 1000:.1f} | {middle[1] / alone[1]:.2f} |",
            flush=True,
        )


# --- to start, and to be there ---------------------------------------------------------------------


def starting():
    took = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="ferry-bench-") as folder:
            conf = Path(folder) / "ferry.conf"
            conf.write_text(f"[route echo]\nlisten = unix:{folder}/echo.sock\nto = echo\n")
            asking = subprocess.Popen(
                [VISITS, "first", f"unix:{folder}/echo.sock"], stdout=subprocess.PIPE, preexec_fn=pin(ENDS)
            )
            with running(FERRY, "up", "-c", conf, env={**os.environ, "XDG_RUNTIME_DIR": folder}):
                took.append(int(asking.stdout.read()) / 1e6)
            asking.wait()
    print(
        f"\nFrom the start of `ferry up` to the first byte answered: {statistics.median(took):.1f} ms "
        f"({min(took):.1f} to {max(took):.1f}, Python's own fork and exec included)."
    )


def status_kib(pid, key):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def stripped_kib(program, folder):
    copy = Path(folder) / "stripped"
    subprocess.run(["strip", "-o", copy, os.path.realpath(program)], check=True)
    return copy.stat().st_size / 1024


def sizes():
    print("\n| | stripped, KiB | resident, KiB | of that its own |")
    print("|---|---|---|---|")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferry-bench-")))
        (folder / "haproxy.cfg").write_text(HAPROXY.format(listen=folder / "h.sock", to=folder / "f.sock"))
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log /dev/null;\n"
            f"events {{}}\nhttp {{ access_log off; server {{ listen unix:{folder}/n.sock; }} }}\n"
        )
        for name, words in (
            ("ferry relay", [FERRY, "relay", "-q", f"unix:{folder}/f.sock", "echo"]),
            ("socat", ["socat", f"UNIX-LISTEN:{folder}/s.sock,fork", "PIPE"]),
            ("haproxy", ["haproxy", "-db", "-f", folder / "haproxy.cfg"]),
            ("nginx", ["nginx", "-c", folder / "nginx.conf", "-p", folder]),
        ):
            program = shutil.which(str(words[0]))
            if not program:
                continue
            process = stack.enter_context(running(*words))
            time.sleep(0.5)
            own = status_kib(process.pid, "RssAnon")
            print(
                f"| {name} | {stripped_kib(program, folder):.0f} | {status_kib(process.pid, 'VmRSS')} | {own} |",
                flush=True,
            )


def main():
    visits()
    beside("beside a bulk transfer on another route", bulk)
    beside(f"beside {IDLE} idle connections", idle)
    starting()
    sizes()


if __name__ == "__main__":
    main()
