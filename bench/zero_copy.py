#!/usr/bin/env python3
"""zero_copy.py [--quick] [look] [digest] [send] [hand] [tcp] - what it costs to have bytes without a
copy, beside copying them: a file that is looked through, summed up and sent; memory that is handed to
another process; MSG_ZEROCOPY over loopback and, as root, over a pair of veth devices.

All in turns, forth and back, 20 rounds; the first case twice, so that what is chance shows. The
receiver has a core of its own.
"""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

from turns import CORES, FERRY, QUICK, RELAY, folder, head, in_turns, middle, pin, program, row

BENCH = program("zero-copy")
FILE_SIZE = (64 if QUICK else 512) << 20
NETNS = f"ferry-bench-{os.getpid()}"
COLUMNS = ["median", "lowest", "highest", "CPU", "of the first", "CPU of the first"]


def bench(*words):
    """(ns, CPU-ns, copied) of one run."""
    done = subprocess.run([BENCH, *map(str, words)], stdout=subprocess.PIPE, check=True, timeout=120)
    return [int(word) for word in done.stdout.split()]


def command(words, stdin=None):
    """The same of a program on a core."""
    start = time.monotonic_ns()
    with subprocess.Popen(
        words, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=pin(RELAY)
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    assert status == 0, words
    return time.monotonic_ns() - start, int((usage.ru_utime + usage.ru_stime) * 1e9), 0


def table(title, unit, cases, share, rounds=None):
    """cases: {name: function that runs it}; share: runs are divided by it, figures in `unit`."""
    head(title, *(f"{unit}, {word}" if word in COLUMNS[:1] + ["CPU"] else word for word in COLUMNS))
    runs = {name: [] for name in cases}
    for _, name in in_turns(cases, **({"rounds": rounds} if rounds and not QUICK else {})):
        runs[name].append([figure / share for figure in cases[name]()[:2]])
    first = next(iter(cases))
    for name in cases:
        walls = [run[0] for run in runs[name]]
        wall, cpu = middle(runs[name], 0), middle(runs[name], 1)
        of_wall, of_cpu = wall / middle(runs[first], 0), cpu / middle(runs[first], 1)
        row(
            name, *(f"{x:.0f}" for x in (wall, min(walls), max(walls), cpu)), f"{of_wall:.2f}", f"{of_cpu:.2f}"
        )


def with_again(cases):
    """The first a second time."""
    (first, run), *others = cases.items()
    return {first: run, f"{first}, again": run, **dict(others)}


@contextmanager
def file_of(size):
    """In the page cache, without the byte that is looked for."""
    with folder() as place:
        path = place / "file"
        with open(path, "wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 20).replace(b"\xff", b"\xfe"))
            file.flush()
            os.fsync(file.fileno())
        path.read_bytes()
        yield path


def look():
    with file_of(FILE_SIZE) as path:
        cases = {
            "read, 256 KiB": lambda: bench("look", "read", path),
            "read, 1 MiB": lambda: bench("look", "read-1m", path),
            "all mapped": lambda: bench("look", "map", path),
            "window, reads": lambda: bench("look", "window", path),
            "window, maps": lambda: bench("look", "mapped", path),
        }
        table("A file looked through:", "ms a GB", with_again(cases), FILE_SIZE / 1e3)


def digest():
    with file_of(FILE_SIZE) as path:

        def received():
            with open(path) as file, subprocess.Popen(
                ["cat"], stdin=file, stdout=subprocess.PIPE, preexec_fn=pin(CORES[0])
            ) as cat:
                return command([FERRY, "connect", "--sha256", "-"], cat.stdout)

        cases = {
            "ferry connect --sha256 file:": lambda: command([FERRY, "connect", "--sha256", f"file:{path}"]),
            "the same of a pipe": received,
            "sha256sum": lambda: command(["sha256sum", path]),
            "openssl dgst": lambda: command(["openssl", "dgst", "-sha256", path]),
        }
        table("The SHA-256 of a file:", "ms a GB", with_again(cases), FILE_SIZE / 1e3, rounds=6)
        cases = {
            "window, reads": lambda: bench("sum", "window", path),
            "window, maps": lambda: bench("sum", "mapped", path),
        }
        table("The same, by the library alone:", "ms a GB", with_again(cases), FILE_SIZE / 1e3, rounds=10)


def send():
    with file_of(FILE_SIZE) as path:
        cases = {
            "read, write": lambda: bench("send", "copy", path),
            "sendfile": lambda: bench("send", "sendfile", path),
            "splice": lambda: bench("send", "splice", path),
        }
        table("A file sent into a unix stream:", "ms a GB", with_again(cases), FILE_SIZE / 1e3)


def hand():
    for size, name in ((64 << 10, "64 KiB"), (1 << 20, "1 MiB"), (16 << 20, "16 MiB")):
        count = max(4, ((16 if QUICK else 128) << 20) // size)
        cases = {
            "through a unix stream": lambda: bench("hand", "socket", size, count),
            "a new sealed memfd": lambda: bench("hand", "memfd", size, count),
            "the same, in ferry's window": lambda: bench("hand", "window", size, count),
            "memory that both keep": lambda: bench("hand", "kept", size, count),
        }
        table(f"{name} filled in, handed over and read:", "us", with_again(cases), count * 1e3)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@contextmanager
def sink(address, *before):
    """Where TCP is received."""
    with subprocess.Popen([*before, BENCH, "tcp", "sink", address], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            yield
        finally:
            process.kill()


@contextmanager
def veth():
    """A pair of devices, the other in a network namespace of its own."""
    near, far = f"fz{os.getpid() % 10**6}a", f"fz{os.getpid() % 10**6}b"
    ip("netns", "add", NETNS)
    try:
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", NETNS)
        ip("addr", "add", "198.18.77.1/24", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", NETNS, "addr", "add", "198.18.77.2/24", "dev", far)
        ip("-n", NETNS, "link", "set", far, "up")
        yield
    finally:
        ip("netns", "delete", NETNS)  # and the devices with it


def tcp_table(where, address):
    size, count = 1 << 20, 32 if QUICK else 128
    copied = []

    def zerocopy():
        run = bench("tcp", "zerocopy", address, size, count)
        copied.append(run[2] / count)
        return run

    cases = {"copied": lambda: bench("tcp", "copy", address, size, count), "MSG_ZEROCOPY": zerocopy}
    title = f"1 MiB at once over TCP, {where} (CPU of the sender):"
    table(title, "us", with_again(cases), count * 1e3)
    print(f"\nOf the sends with MSG_ZEROCOPY the kernel copied {100 * min(copied):.0f} % all the same.")


def tcp():
    with sink("127.0.0.1:7047"):
        tcp_table("loopback", "127.0.0.1:7047")
    if os.geteuid() == 0:
        with veth(), sink("198.18.77.2:7047", "ip", "netns", "exec", NETNS):
            tcp_table("a pair of veth devices", "198.18.77.2:7047")


if __name__ == "__main__":
    if len(CORES) < 2:
        sys.exit("zero_copy.py: sender and receiver need a core each")
    parts = {part.__name__: part for part in (look, digest, send, hand, tcp)}
    wanted = [word for word in sys.argv[1:] if word in parts] or list(parts)
    for name in wanted:
        parts[name]()
