"""Thousands of clients that say nothing, or only begin to, or take no answer: what they cost, and
whom.

FERRY_FAULT_CLIENTS is how many there are; `make fault` has ten thousand. What they cost in time is
measured by bench/mute.py.
"""

import os
import re
import resource
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import descriptor_count, descriptors_at_rest, wait_until

CLIENTS = int(os.environ.get("FERRY_FAULT_CLIENTS", "1000"))
PROCESSES = 4
# One in so many takes no answer.
DEAF = 50

OPEN = """
import resource
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
clients = []
for number in range({count}):
    client = socket.socket(socket.AF_UNIX)
    client.connect("e.sock")
    clients.append(client)
    if number % 3 == 0:
        client.send(b"G")
    if number % {deaf} == 0:
        client.setblocking(False)
        try:
            while True:
                client.send(b"x" * 65536)
        except BlockingIOError:
            pass
"""


def all_descriptors():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))  # waits where the backlog is full
    client.settimeout(30)
    return client


def anonymous_size(pid):
    return int(re.search(r"RssAnon:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) << 10


def converse(path, count):
    """So many connections one after the other, with three exchanges each; how many went well."""
    good = 0
    for _ in range(count):
        with connect(path) as client:
            for number in range(3):
                client.sendall(b"%d" % number)
                good += client.recv(10) == b"%d" % number
    return good


@pytest.mark.plain_build  # a sanitizer's allocator has memory of its own around each piece
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < CLIENTS + 100,
    reason="the limit of open files is lower than the number of clients",
)
def test_clients_that_say_nothing_cost_the_others_nothing(start_ferry, actor, runtime_dir):
    """While they come and while they are there every exchange of the good ones succeeds. A mute one
    costs a kibibyte and a half, one that takes no answer 64 KiB besides; when they are gone, all
    descriptors are."""
    process = start_ferry("relay", "unix:e.sock", "echo", preexec_fn=all_descriptors)
    process.wait_for("started")
    before = descriptors_at_rest(process.pid)
    path = runtime_dir / "e.sock"
    assert converse(path, 50) == 150
    memory = anonymous_size(process.pid)
    actors = [actor() for _ in range(PROCESSES)]
    with ThreadPoolExecutor(PROCESSES + 2) as pool:
        coming = [pool.submit(one.run, OPEN.format(count=CLIENTS // PROCESSES, deaf=DEAF)) for one in actors]
        good = [pool.submit(converse, path, 200) for _ in range(2)]
        assert [one.result() for one in good] == [600, 600]
        for one in coming:
            one.result()
    wait_until(lambda: descriptor_count(process.pid) == before + CLIENTS, 30)
    assert converse(path, 200) == 600
    grown = anonymous_size(process.pid) - memory
    assert grown < CLIENTS * 1536 + CLIENTS // DEAF * (72 << 10) + (1 << 20), grown / CLIENTS
    for one in actors:
        one.kill()
    wait_until(lambda: descriptor_count(process.pid) == before, 30, "descriptors as before")
    assert converse(path, 50) == 150
