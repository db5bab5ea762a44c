#!/usr/bin/env python3
"""options.py [--quick] [NAME...] - what socket options do on a path with delay: the tables of
doc/options.md.

The path is bench-path's: a round trip that TCP itself sees, between two network namespaces. Both ends
are ferry with the options on their addresses. Every case is measured in turn, forth and back (A B C,
C B A, ...), the first of a table twice under two names: what lies between these two is chance. Times
are wall clock, since it is waiting that options change. Needs root.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from turns import FERRY, QUICK, head, in_turns, program, row

PATH = program("path")
SERVER = "10.99.0.1"


class Side:
    """One end of the path; commands run in its namespace and are ended by their pids."""

    def __init__(self, pid, started):
        self.pid = pid
        self.started = started

    def command(self, words):
        return ["nsenter", "-t", str(self.pid), "-n", *map(str, words)]

    def run(self, *words, **options):
        return subprocess.run(self.command(words), check=True, timeout=120, **options)

    def start(self, *words, **options):
        process = subprocess.Popen(self.command(words), **options)
        self.started.append(process)
        return process

    def relay(self, listen, to, *words):
        """`ferry relay`, once it listens."""
        process = self.start(
            FERRY, "relay", listen, to, *words, "--allow", "any", stderr=subprocess.PIPE, text=True
        )
        for line in process.stderr:
            if " started " in line:
                break
        threading.Thread(target=process.stderr.read, daemon=True).start()
        return process

    def end(self, process):
        process.terminate()
        process.wait(10)
        self.started.remove(process)


@contextmanager
def path(delay_ms, loss_percent=0, rate=None):
    """Yields (server side, client side, the path's own process)."""
    process = subprocess.Popen(
        [PATH, str(delay_ms), str(loss_percent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    started = []
    try:
        server, client = (Side(int(pid), started) for pid in process.stdout.readline().split())
        if rate:
            for side in (server, client):
                tbf = f"dev path root handle 1: tbf rate {rate} burst 5kb latency 2s"
                side.run("tc", "qdisc", "replace", *tbf.split())
                side.run("tc", "qdisc", "add", "dev", "path", "parent", "1:1", "pfifo_fast")
        yield server, client, process
    finally:
        for one in started:
            one.kill()
            one.wait(10)
        process.stdin.close()
        process.wait(10)


def table(title, unit, cases, rounds, digits=1):
    """Measures {name: function}, the first once more as control, and prints medians and ranges."""
    names = list(cases)
    order = [names[0], f"{names[0]} (again)", *names[1:]]
    cases = {**cases, order[1]: cases[names[0]]}
    figures = {name: [] for name in order}
    for _, name in in_turns(order, 1 if QUICK else rounds):
        figures[name].append(cases[name]())
    head(title, f"median, {unit}", "lowest", "highest", "runs")
    for name, runs in figures.items():
        shown = (f"{figure:.{digits}f}" for figure in (statistics.median(runs), min(runs), max(runs)))
        row(name, *shown, len(runs))


# --- what is measured ------------------------------------------------------------------------------

ports = iter(range(5000, 9000))
NEVER_S = 10  # who is not answered by then will not be
LINE = (b"x" * 99 + b"\n",)
TWO = (b"x" * 100, b"y" * 99 + b"\n")  # a request in two writes


def with_options(address, options):
    return f"{address},{options}" if options else address


def rate_of(server, client, size, listening="", dialling=""):
    """kB/s of `size` bytes from client to server, from connecting to the server's last word."""
    port = next(ports)
    sink = server.relay(with_options(f"tcp:{SERVER}:{port}", listening), "file:/dev/null,append")
    started = time.monotonic()
    client.run(
        "bash",
        "-c",
        f"head -c {size} /dev/zero | {FERRY} connect --wait 100s"
        f" {with_options(f'tcp:{SERVER}:{port}', dialling)}",
    )
    elapsed = time.monotonic() - started
    server.end(sink)
    return size / elapsed / 1000


def exchange(client_socket, pieces):
    """ms that a request in several writes takes to be answered."""
    started = time.monotonic()
    for piece in pieces:
        client_socket.sendall(piece)
        time.sleep(0.0005)  # two writes of a program, not one
    size = sum(map(len, pieces))
    while size > 0:
        size -= len(client_socket.recv(65536))
    return (time.monotonic() - started) * 1000


def profiled(name):
    return ("--profile", name) if name else ()


@contextmanager
def exchanger(server, client, listening="", dialling="", profile=None):
    """A socket on this machine whose other end, over the path, is an echo of lines."""
    port, words = next(ports), profiled(profile)
    listen = with_options(f"tcp:{SERVER}:{port},frame=lf", listening)
    echo = server.relay(listen, "echo", *words)
    with tempfile.TemporaryDirectory() as folder:
        front = client.relay(
            f"unix:{folder}/s", with_options(f"tcp:{SERVER}:{port}", dialling), *words
        )
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.settimeout(NEVER_S)
                asking.connect(f"{folder}/s")
                yield asking
        finally:
            client.end(front)
            server.end(echo)


def exchange_of(server, client, pieces, count=20, **options):
    with exchanger(server, client, **options) as asking:
        exchange(asking, pieces)
        return statistics.median(exchange(asking, pieces) for _ in range(count))


@contextmanager
def filling(server, client, options="", profile=None):
    """A bulk transfer that fills the queue of its own machine's device, as cubic, most kernels'
    default, does."""
    port = next(ports)
    sink = server.relay(f"tcp:{SERVER}:{port}", "file:/dev/null,append")
    address = with_options(f"tcp:{SERVER}:{port},congestion=cubic", options)
    with open("/dev/zero", "rb") as zeros:
        words = ("relay", "-q", "-", address, *profiled(profile))
        transfer = client.start(FERRY, *words, stdin=zeros, stdout=subprocess.DEVNULL)
    time.sleep(3)
    try:
        yield
    finally:
        transfer.kill()  # it would be given time to finish
        client.end(transfer)
        server.end(sink)


# --- the tables ------------------------------------------------------------------------------------


def buffers():
    with path(50) as (server, client, _):
        cases = {"as the kernel has it (both ends grow)": ("", "")}
        for size in ("64k", "256k", "1M", "4M"):
            cases[f"rcvbuf={size} and sndbuf={size}"] = (f"rcvbuf={size}", f"sndbuf={size}")
        cases["sndbuf=256k alone"] = ("", "sndbuf=256k")
        cases["rcvbuf=256k alone"] = ("rcvbuf=256k", "")
        table(
            "Buffers, 8 MB one way over a round trip of 100 ms",
            "kB/s",
            {
                name: lambda options=options: rate_of(server, client, 8 << 20, *options)
                for name, options in cases.items()
            },
            4,
            0,
        )


def claim():
    """Without the start, in which TCP feels its way: what 6 MB more take."""
    small, large = 2 << 20, 8 << 20

    def steady(server, client, listening, dialling):
        times = [
            size / rate_of(server, client, size, listening, dialling) for size in (small, large)
        ]
        return (large - small) / (times[1] - times[0])

    with path(500) as (server, client, _):
        cases = {
            "default": ("", ""),
            "256 KiB": ("rcvbuf=256k", "sndbuf=256k"),
            "1 MiB": ("rcvbuf=1M", "sndbuf=1M"),
        }
        table(
            "The claim 87, 250, 980 KB/s for default, 256 KiB, 1 MiB: over a round trip of 1 s",
            "kB/s",
            {
                name: lambda options=options: steady(server, client, *options)
                for name, options in cases.items()
            },
            2,
            0,
        )


def nodelay():
    with path(10) as (server, client, _):

        def case(**options):
            return lambda: exchange_of(server, client, TWO, **options)

        table(
            "A request in two writes and its answer, over a round trip of 20 ms",
            "ms",
            {
                "nodelay (ferry's default)": case(),
                "nodelay=no": case(dialling="nodelay=no"),
                "nodelay=no, the server has quickack": case(
                    dialling="nodelay=no", listening="quickack"
                ),
                "nodelay, the server has quickack": case(listening="quickack"),
            },
            6,
        )


def priority():
    """An exchange beside a bulk transfer."""
    with path(5, rate="16mbit") as (server, client, _):

        def case(bulk="", **options):
            def measure():
                with filling(server, client, bulk):
                    return exchange_of(server, client, LINE, count=10, **options)

            return measure

        table(
            "A line and its answer beside a bulk transfer through the same 16 Mbit/s device queue",
            "ms",
            {
                "neither has an option": case(),
                "the exchange has priority=6": case(dialling="priority=6"),
                "the exchange has tos=lowdelay": case(dialling="tos=lowdelay"),
                "the bulk has priority=2": case(bulk="priority=2"),
                "the bulk has notsent-lowat=16k": case(bulk="notsent-lowat=16k"),
                "the bulk has sndbuf=32k": case(bulk="sndbuf=32k"),
            },
            4,
        )


def congestion():
    with path(20, loss_percent=1) as (server, client, _):
        available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
        cases = {name: ("", f"congestion={name}") for name in sorted(available, reverse=True)}
        table(
            "Congestion control, 4 MB one way over a round trip of 40 ms that loses 1 %",
            "kB/s",
            {
                name: lambda options=options: rate_of(server, client, 4 << 20, *options)
                for name, options in cases.items()
            },
            6,
            0,
        )


def dead_peers():
    """The path is cut: how long until the side that waits for data knows?"""
    limit = 30

    def measure(dialling, sends):
        with path(10) as (server, client, process):
            port = next(ports)
            server.relay(f"tcp:{SERVER}:{port}", "echo")
            address = with_options(f"tcp:{SERVER}:{port}", dialling)
            asking = client.start(
                FERRY, "connect", address, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            asking.stdin.write(b"x")
            asking.stdin.flush()
            asking.stdout.read(1)
            process.send_signal(signal.SIGUSR1)
            started = time.monotonic()
            if sends:
                asking.stdin.write(b"y")
                asking.stdin.flush()
            try:
                asking.wait(limit)
            except subprocess.TimeoutExpired:
                pass
            return time.monotonic() - started

    fast = "keepalive,keepidle=1s,keepintvl=1s,keepcnt=3"
    table(
        f"A path that is cut: seconds until the client knows ({limit}: it did not)",
        "s",
        {
            "nothing is sent, no option": lambda: measure("", False),
            f"nothing is sent, {fast}": lambda: measure(fast, False),
            "something is sent, no option": lambda: measure("", True),
            "something is sent, user-timeout=3s": lambda: measure("user-timeout=3s", True),
        },
        1 if QUICK else 2,
    )


def linger():
    """Of 1 MB that was sent before closing, how much arrives?"""
    with path(50) as (server, client, _):

        def case(dialling):
            def measure():
                with tempfile.TemporaryDirectory() as folder:
                    port = next(ports)
                    sink = server.relay(f"tcp:{SERVER}:{port}", f"file:{folder}/out,append")
                    front = client.relay(
                        f"unix:{folder}/s", with_options(f"tcp:{SERVER}:{port}", dialling),
                        "--total", "300ms",
                    )
                    with socket.socket(socket.AF_UNIX) as asking:
                        asking.connect(f"{folder}/s")
                        asking.settimeout(2)
                        try:
                            asking.sendall(bytes(1 << 20))
                        except OSError:
                            pass
                        time.sleep(2)
                    client.end(front)
                    server.end(sink)
                    return os.path.getsize(f"{folder}/out") / 1024

            return measure

        table(
            "1 MB sent, closed by the total time-out after 300 ms on a round trip of 100 ms",
            "KiB that arrived",
            {"linger is not set": case(""), "linger=0": case("linger=0")},
            4,
            0,
        )


def silent(server, client, listening="", profile=None):
    """200 clients that connect and say nothing: how many has the server to deal with?"""
    port = next(ports)
    listen = with_options(f"tcp:{SERVER}:{port}", listening)
    relay = server.relay(listen, "echo", *profiled(profile))
    before = len(os.listdir(f"/proc/{relay.pid}/fd"))
    code = (
        "import socket, time\n"
        f"c = [socket.create_connection(('{SERVER}', {port})) for _ in range(200)]\n"
        "print('connected', flush=True); time.sleep(60)"
    )
    clients = client.start("/usr/bin/python3", "-c", code, stdout=subprocess.PIPE, text=True)
    clients.stdout.readline()
    time.sleep(0.3)
    count = len(os.listdir(f"/proc/{relay.pid}/fd")) - before
    client.end(clients)
    server.end(relay)
    return count


SILENT = "200 clients that connect and are silent: descriptors that they cost the server"


def defer_accept():
    with path(5) as (server, client, _):
        cases = {name: name.replace("no option", "") for name in ("no option", "defer-accept=5s")}
        table(
            SILENT,
            "items",
            {name: lambda how=how: silent(server, client, how) for name, how in cases.items()},
            2,
            0,
        )


def profiles():
    """The effect of the built-in profiles, measured and not believed."""
    with path(20) as (server, client, _):

        def rate(name):
            def measure():
                words = profiled(name)
                port = next(ports)
                sink = server.relay(f"tcp:{SERVER}:{port}", "file:/dev/null,append", *words)
                with tempfile.TemporaryDirectory() as folder:
                    front = client.relay(f"unix:{folder}/s", f"tcp:{SERVER}:{port}", *words)
                    started = time.monotonic()
                    with socket.socket(socket.AF_UNIX) as asking:
                        asking.connect(f"{folder}/s")
                        for _ in range(256):
                            asking.sendall(bytes(65536))
                        asking.shutdown(socket.SHUT_WR)
                        asking.recv(1)
                    elapsed = time.monotonic() - started
                    client.end(front)
                server.end(sink)
                return 16 * 1.048576 / elapsed * 1000

            return measure

        names = {"no profile": None, "web": "web", "realtime": "realtime", "bulk": "bulk"}
        table(
            "Profiles, 16 MB one way over a round trip of 40 ms",
            "kB/s",
            {shown: rate(name) for shown, name in names.items()},
            4,
            0,
        )
        table(
            "Profiles, a request in two writes and its answer over a round trip of 40 ms",
            "ms",
            {
                shown: lambda name=name: exchange_of(server, client, TWO, profile=name)
                for shown, name in names.items()
            },
            4,
        )


def against_none(title, unit, profile, measure, rounds, digits=1):
    """What a profile makes of a workload, beside no profile."""
    cases = {"no profile": None, profile: profile}
    table(
        title, unit, {shown: lambda name=name: measure(name) for shown, name in cases.items()}, rounds, digits
    )


def greeting_of(server, client, profile):
    """ms until a server that speaks first has been heard."""
    port = next(ports)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as speaking:
        speaking.bind(f"{folder}/t")
        speaking.listen()
        target = server.relay(f"tcp:{SERVER}:{port}", f"unix:{folder}/t", *profiled(profile))
        front = client.relay(f"unix:{folder}/s", f"tcp:{SERVER}:{port}")
        with socket.socket(socket.AF_UNIX) as asking:
            started = time.monotonic()
            asking.connect(f"{folder}/s")
            with speaking.accept()[0] as speaker:
                speaker.sendall(b"220 what may I do for you?\n")
                asking.recv(1)
            elapsed = time.monotonic() - started
        client.end(front)
        server.end(target)
    return elapsed * 1000


def profile_web():
    """Wins where clients connect and say nothing, loses where the server speaks first."""
    with path(1) as (server, client, _):
        against_none(
            SILENT, "items", "web", lambda name: silent(server, client, profile=name), 2, 0
        )
        against_none(
            "A server that speaks first, over a round trip of 2 ms: until it is heard",
            "ms",
            "web",
            lambda name: greeting_of(server, client, name),
            4,
        )


def profile_realtime():
    """Wins for who says little beside a bulk transfer; loses, for all others, on the bulk transfer."""
    beside = "A line and its answer beside a bulk transfer through the same 16 Mbit/s device queue"
    with path(5, rate="16mbit") as (server, client, _):

        def measure(on_exchange, on_bulk):
            with filling(server, client, profile=on_bulk):
                try:
                    return exchange_of(server, client, LINE, count=10, profile=on_exchange)
                except TimeoutError:
                    return NEVER_S * 1000

        against_none(
            f"{beside}; the line has the profile",
            "ms",
            "realtime",
            lambda name: measure(name, None),
            4,
        )
        against_none(
            f"{beside}; the transfer has it ({NEVER_S * 1000}: it was not answered)",
            "ms",
            "realtime",
            lambda name: measure(None, name),
            4,
        )


def packets_of(server, client, profile):
    """Packets that 2,000 writes of 20 bytes become, both ways, a write each half millisecond."""
    counted = Path(f"/proc/{client.pid}/net/dev")

    def packets():
        fields = counted.read_text().split("path:")[1].split()
        return int(fields[1]) + int(fields[9])

    with exchanger(server, client, profile=profile) as asking:
        before = packets()
        exchange(asking, [b"x" * 19 + b"\n"] * 2000)
        return packets() - before


def profile_bulk():
    """Wins where a program writes little by little, loses where it waits for the answer."""
    with path(20) as (server, client, _):
        against_none(
            "2,000 lines of 20 bytes, one by one, and their echo over a round trip of 40 ms",
            "packets",
            "bulk",
            lambda name: packets_of(server, client, name),
            4,
            0,
        )
        against_none(
            "A request in two writes and its answer over the same",
            "ms",
            "bulk",
            lambda name: exchange_of(server, client, TWO, profile=name),
            4,
        )


TABLES = (
    buffers, claim, nodelay, priority, congestion, dead_peers, linger, defer_accept, profiles,
    profile_web, profile_realtime, profile_bulk,
)

if __name__ == "__main__":
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    for measure in TABLES:
        if not wanted or measure.__name__ in wanted:
            measure()
