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
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from turns import ENDS, FERRY, QUICK, RELAY, ROUNDS, cpu_ns, folder, head, in_turns, middle, pin, program, row

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


def relays(place, stack):
    """(name, path, pid) of each that relays to the same echo, and of those that echo themselves."""
    echo = place / "echo.sock"
    stack.enter_context(running(FERRY, "relay", "-q", f"unix:{echo}", "echo", core=ENDS))
    (place / "haproxy.cfg").write_text(HAPROXY.format(listen=place / "2.sock", to=echo))
    made = [
        ("ferry relay", [FERRY, "relay", "-q", f"unix:{place}/0.sock", f"unix:{echo}"]),
        ("the same again", [FERRY, "relay", "-q", f"unix:{place}/1.sock", f"unix:{echo}"]),
        ("haproxy", ["haproxy", "-db", "-f", place / "haproxy.cfg"]),
        ("socat fork", ["socat", f"UNIX-LISTEN:{place}/3.sock,fork,backlog=64", f"UNIX-CONNECT:{echo}"]),
        ("ferry relay LISTEN echo", [FERRY, "relay", "-q", f"unix:{place}/4.sock", "echo"]),
        ("socat fork PIPE", ["socat", f"UNIX-LISTEN:{place}/5.sock,fork,backlog=64", "PIPE"]),
    ]
    for number, (name, words) in enumerate(made):
        if shutil.which(str(words[0])):
            process = stack.enter_context(running(*words))
            listens(place / f"{number}.sock")
            yield name, place / f"{number}.sock", process.pid


def visits():
    def count(name):
        return COUNT // 4 if name.startswith("socat") else COUNT

    with ExitStack() as stack:
        cases = list(relays(stack.enter_context(folder()), stack))
        rates, cost = {name: [] for name, _, _ in cases}, {}
        for name, path, pid in cases:
            client("visit", f"unix:{path}", 80, CLIENTS)
            cost[name] = -cpu_ns(pid)
        for _, (name, path, _) in in_turns(cases):
            rates[name].append(count(name) / client("visit", f"unix:{path}", count(name), CLIENTS)[0] * 1e9)
        time.sleep(0.2)
        for name, _, pid in cases:
            cost[name] = (cost[name] + cpu_ns(pid)) / (count(name) * ROUNDS) / 1000
    title = f"Connect, verdict, 64 bytes echoed, close; {CLIENTS} clients"
    head(title, "a second, median", "lowest", "highest", "CPU-us each", "of the first")
    base = statistics.median(rates["ferry relay"])
    for name, figures in rates.items():
        rate = statistics.median(figures)
        shown = (f"{figure:.0f}" for figure in (rate, min(figures), max(figures)))
        row(name, *shown, f"{cost[name]:.1f}", f"{rate / base:.2f}")


# --- one that says little --------------------------------------------------------------------------

ROUTES = """
[route small]
listen = unix:{place}/small.sock
to     = unix:{place}/echo.sock
[route bulk]
listen = unix:{place}/bulk.sock
to     = unix:{place}/sink.sock
[route control]
listen = unix:{place}/control.sock
to     = control
"""


@contextmanager
def routes():
    with ExitStack() as stack:
        place = stack.enter_context(folder())
        (place / "ferry.conf").write_text(ROUTES.format(place=place))
        stack.enter_context(running(FERRY, "relay", "-q", f"unix:{place}/echo.sock", "echo", core=ENDS))
        stack.enter_context(running(FERRY, "up", "-c", place / "ferry.conf"))
        listens(place / "small.sock")
        yield place


def bulk(to):
    """A transfer whose ends run only while those of the exchange have nothing to do: these share a
    core with them, so what is left is what the relay adds, and what no way leads past: a system call
    of the transfer is not broken off. How much that is, a transfer shows that passes no relay."""

    @contextmanager
    def way(place):
        words = [FLOOD, f"unix:{place}/sink.sock", f"unix:{place}/{to}", "600000"]
        flood = subprocess.Popen(words, stdout=subprocess.DEVNULL, preexec_fn=pin(ENDS, idle=True))
        time.sleep(0.1)
        try:
            yield
        finally:
            flood.kill()
            flood.wait()

    return way


@contextmanager
def idle(place):
    held = subprocess.Popen(
        [VISITS, "hold", f"unix:{place}/small.sock", str(IDLE)],
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


def beside(title, ways):
    """Exchanges of 64 bytes alone, alone again, and beside each of `ways`, in turns."""
    ways = {"alone": nothing, "alone, again": nothing, **ways}
    figures = {name: [] for name in ways}
    with routes() as place:
        for _, (name, way) in in_turns(ways.items()):
            with way(place):
                figures[name].append(client("exchange", f"unix:{place}/small.sock", EXCHANGES))
    head(f"Exchanges of 64 bytes through a route, {title}", "median us", "of alone", "p99 us", "of alone")
    alone = [middle(figures["alone"], column) for column in (0, 1)]
    for name, runs in figures.items():
        took = [middle(runs, column) for column in (0, 1)]
        share = [ns / one for ns, one in zip(took, alone)]
        row(name, f"{took[0] / 1000:.1f}", f"{share[0]:.2f}", f"{took[1] / 1000:.1f}", f"{share[1]:.2f}")


# --- to start, and to be there ---------------------------------------------------------------------

ONE = """
[route echo]
listen = unix:{place}/listen.sock
to     = echo
[route control]
listen = unix:{place}/control.sock
to     = control
"""

NGINX = """
daemon off; master_process off; pid {place}/pid; error_log /dev/null;
events {{}}
http {{ access_log off; server {{ listen unix:{place}/listen.sock; }} }}
"""


def servers(place):
    """(name, words) of each that answers on listen.sock; haproxy's answer is the echo's there."""
    for name, text in (("ferry.conf", ONE), ("nginx.conf", NGINX), ("haproxy.cfg", HAPROXY)):
        listen, to = place / "listen.sock", place / "echo.sock"
        (place / name).write_text(text.format(place=place, listen=listen, to=to))
    made = (
        ("ferry up", [FERRY, "up", "-c", place / "ferry.conf"]),
        ("ferry up, again", [FERRY, "up", "-c", place / "ferry.conf"]),
        ("socat", ["socat", f"UNIX-LISTEN:{place}/listen.sock", "PIPE"]),
        ("haproxy", ["haproxy", "-db", "-f", place / "haproxy.cfg"]),
        ("nginx", ["nginx", "-c", place / "nginx.conf", "-p", place]),
    )
    return {name: words for name, words in made if shutil.which(str(words[0]))}


def start(name):
    """ns until it has answered."""
    with folder() as place, running(FERRY, "relay", "-q", f"unix:{place}/echo.sock", "echo", core=ENDS):
        listens(place / "echo.sock")
        target, request = f"unix:{place}/listen.sock", "GET / HTTP/1.0\r\n\r\n"
        return client("first", target, request, RELAY, *servers(place)[name])[0]


def starting():
    with folder() as place:
        took = {name: [] for name in servers(place)}
    for _, name in in_turns(took):
        took[name].append(start(name) / 1e6)
    head("From the start to the first byte answered", "ms, median", "lowest", "highest")
    for name, figures in took.items():
        row(name, *(f"{ms:.1f}" for ms in (statistics.median(figures), min(figures), max(figures))))


def status_kib(pid, key):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def stripped_kib(path, place):
    copy = place / "stripped"
    subprocess.run(["strip", "-o", copy, os.path.realpath(path)], check=True)
    return copy.stat().st_size / 1024


def sizes():
    head("Sizes", "stripped, KiB", "resident, KiB", "of that its own")
    for name in ("ferry up", "socat", "haproxy", "nginx"):
        with folder() as place:
            words = servers(place).get(name)
            if not words:
                continue
            with running(*words) as process:
                time.sleep(0.5)
                resident, own = (status_kib(process.pid, key) for key in ("VmRSS", "RssAnon"))
            row(name, f"{stripped_kib(shutil.which(str(words[0])), place):.0f}", resident, own)


def main():
    visits()
    transfers = {"past the relay": bulk("sink.sock"), "on another route": bulk("bulk.sock")}
    beside("beside a bulk transfer", transfers)
    beside("beside idle connections", {f"{IDLE} of them": idle})
    starting()
    sizes()


if __name__ == "__main__":
    main()
