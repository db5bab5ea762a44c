"""What the tests of `ferry why` share: programs in the state that is to be found, and the question.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from machines import Machine
from support import state_of, wait_until

STRANGER = 4002
AS_STRANGER = {"user": STRANGER, "group": STRANGER, "extra_groups": []}
PYTHON = sys.executable or "/usr/bin/python3"
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other users are acted")

# What the fixtures' programs begin with.
HEAD = "import os, resource, select, signal, socket, struct, sys, time\npath = sys.argv[1]\n"
LISTEN = (
    HEAD
    + """
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(path)
listener.listen(int(sys.argv[2]) if len(sys.argv) > 2 else 5)
print("ready", flush=True)
"""
)

TCP = HEAD + """
listener = socket.create_server((path, 0), backlog=int(sys.argv[2]) if len(sys.argv) > 2 else 5)
print("ready", listener.getsockname()[1], flush=True)
"""


@pytest.fixture
def program(start):
    """program(source, argument...) runs Python text until it has said "ready"."""

    def run(source, *arguments, **options):
        process = start(PYTHON, "-c", source, *arguments, **options)
        process.wait_for("ready")
        return process

    return run


@pytest.fixture
def why(run_ferry):
    """why(argument...) asks and returns the JSON, whose exit status was right."""

    def ask(*arguments, **options):
        done = run_ferry("why", "--json", *arguments, **options)
        assert done.stdout, done.stderr
        answer = json.loads(done.stdout)
        assert done.returncode == (0 if answer["verdict"] == "healthy" else 1), answer
        assert answer["schema"] == 1
        return answer

    return ask


@pytest.fixture
def clients():
    """clients(path, count) fills a backlog; returns the sockets, some of which may hang."""
    opened = []

    def connect(path, count):
        for _ in range(count):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            one.setblocking(False)
            opened.append(one)
            try:
                one.connect(str(path))
            except BlockingIOError:
                pass
        return opened

    yield connect
    for one in opened:
        one.close()


def evidence(answer):
    return "\n".join(answer["evidence"])


def stop(process):
    process.send(signal.SIGSTOP)
    wait_until(lambda: state_of(process.pid) == "T", what="stopped")


def in_call(pid, name_numbers):
    """Whether its main thread is in one of these system calls."""
    words = Path(f"/proc/{pid}/syscall").read_text().split()
    return words[0] in name_numbers


def asleep(process):
    """It has settled in a wait."""
    wait_until(lambda: state_of(process.pid) == "S", what="asleep")


@pytest.fixture
def machine():
    if os.geteuid() != 0:
        pytest.skip("needs root: a network namespace")
    one = Machine()
    yield one
    one.end()


def port_of(process):
    return int(process.stdout().split()[1])


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
