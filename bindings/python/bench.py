#!/usr/bin/env python3
"""bench.py - what a round trip of 64 bytes costs through this package and through Python's own socket
module, on one processor, the peer at the other end of a unix socket always a plain socket that echoes.
`again` is the same thing as `socket` once more: what lies between them is noise. Wall time, both
processes'; and processor time of this one alone."""

import os
import socket
import statistics
import time

import ferry

TRIPS, ROUNDS = 4000, 21
DATA = b"d" * 64


def ends(kind):
    """One end, a child that echoes at the other; blocking calls cost it one system call each way."""
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    if os.fork() == 0:
        one.close()
        while data := other.recv(4096):
            other.sendall(data)
        os._exit(0)
    other.close()
    return one


def socket_trips(kind):
    with ends(kind) as one:
        yield
        for _ in range(TRIPS):
            one.sendall(DATA)
            one.recv(4096)


def timeout_trips(kind):
    with ends(kind) as one:
        one.settimeout(10)
        yield
        for _ in range(TRIPS):
            one.sendall(DATA)
            one.recv(4096)


def ferry_trips(kind):
    with ferry.Channel.adopt(ends(kind).detach()) as one:
        yield
        for _ in range(TRIPS):
            one.send(DATA)
            one.receive()


def inbox_trips(kind):
    with ferry.Channel.adopt(ends(kind).detach()) as one, ferry.Inbox(4096) as inbox:
        yield
        for _ in range(TRIPS):
            one.send(DATA)
            one.receive(inbox=inbox)


def microseconds(trips, kind):
    run = trips(kind)
    next(run)
    start, worked = time.perf_counter_ns(), time.process_time_ns()
    next(run, None)
    taken, worked = time.perf_counter_ns() - start, time.process_time_ns() - worked
    os.wait()
    return taken / TRIPS / 1000, worked / TRIPS / 1000


def main():
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ways = {
        "socket": socket_trips,
        "again": socket_trips,
        "socket, timeout": timeout_trips,
        "ferry": ferry_trips,
        "ferry, Inbox": inbox_trips,
    }
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        times = {name: [] for name in ways}
        for turn in range(ROUNDS):
            for name in list(ways) if turn % 2 else reversed(ways):
                times[name].append(microseconds(ways[name], kind))
        print(kind.name)
        for name, taken in times.items():
            wall, cpu = ([one[index] for one in taken] for index in (0, 1))
            low, middle, high = statistics.quantiles(wall, n=4)
            print(
                f"  {name:16} {1e6 / middle:7.0f} /s  {middle:6.1f} us  ({low:.1f} to {high:.1f})"
                f"  cpu {statistics.median(cpu):5.1f} us"
            )


main()
