"""What the tests with other people's programs share."""

import hashlib
import os
import re
import shutil
import socket

import pytest


def need(*names):
    """Paths of programs; skips the test, saying why, when one is not installed."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/lib/systemd:/lib/systemd"
    paths = []
    for name in names:
        path = shutil.which(name, path=search)
        if not path:
            pytest.skip(f"{name} is not installed: scripts/install-dependencies interop")
        paths.append(path)
    return paths[0] if len(paths) == 1 else paths


def free_port():
    """A TCP port of the loopback that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening_port(relay):
    """The port that a relay on tcp:127.0.0.1:0 was given, from its first line."""
    relay.wait_for("started")
    return int(re.search(r"tcp:127\.0\.0\.1:(\d+)", relay.stderr())[1])


def checksum(data):
    return hashlib.sha256(data).hexdigest()


def random_file(path, size):
    """Fills a file with bytes that nothing can compress or guess; returns their checksum."""
    data = os.urandom(size)
    path.write_bytes(data)
    return checksum(data)
