"""`ferry why` of an auto: socket: by which lane its connections send, and why."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from support import listens, wait_until


@pytest.fixture
def conversation(ferry, runtime_dir):
    """An echo at an auto: address, and a client that says lines; returns path, server, client, say."""
    started = []

    def start(options=""):
        path = runtime_dir / "auto.sock"
        server = subprocess.Popen(
            [ferry, "relay", f"auto:{path}{options}", "echo"], stderr=subprocess.DEVNULL
        )
        started.append(server)
        wait_until(lambda: listens(path))
        client = subprocess.Popen(
            [ferry, "connect", f"auto:{path}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(client)

        def say(count):
            for _ in range(count):
                client.stdin.write(b"so\n")
                client.stdin.flush()
                assert client.stdout.readline() == b"so\n"

        return path, server, client, say

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


@pytest.fixture
def notes(run_ferry):
    def ask(word):
        return json.loads(run_ferry("why", "--json", str(word)).stdout)["notes"]

    return ask


def lanes(notes):
    return [note for note in notes if " sends to " in note]


def test_what_was_forced_is_in_the_ring(conversation, notes):
    path, server, client, say = conversation(",ring=yes")
    say(4)
    said = lanes(notes(f"auto:{path}"))
    assert len(said) == 1  # the client was not asked to, and nothing calls for it
    assert f"[{server.pid}] sends to " in said[0] and f"[{client.pid}] by the ring: shared memory was asked for" in said[0]
    assert len(lanes(notes(path))) == 1
    assert len(lanes(notes(client.pid))) == 1


def test_what_is_slow_has_no_rings(conversation, notes):
    path, server, client, say = conversation()
    say(1)
    said = notes(f"auto:{path}")
    assert any(note.startswith("1 connection is on the socket and without rings") for note in said)
    assert not lanes(said)


@pytest.fixture
def up(ferry, runtime_dir):
    """up(options) runs an echo at auto.sock whose control socket is where `why` looks for it."""
    started = []

    def start(options=""):
        conf, path = runtime_dir / "f.conf", runtime_dir / "auto.sock"
        control = runtime_dir / "control.sock"
        conf.write_text(
            f"[route e]\nlisten = auto:{path}{options}\nto = echo\n"
            f"[route c]\nlisten = unix:{control}\nto = control\n"
        )
        server = subprocess.Popen([ferry, "up", "-c", conf], stderr=subprocess.DEVNULL)
        started.append(server)
        wait_until(lambda: listens(path) and listens(control))
        return server, path

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "there, here, why",
    [
        (",ring=no", ",ring=yes", "shared memory is forbidden here"),
        (",ring=yes", ",ring=no", "the peer forbids shared memory"),
    ],
)
def test_a_ferry_tells_why_there_are_no_rings(there, here, why, up, start_ferry, notes):
    server, path = up(there)
    client = start_ferry("connect", "--frame=lf", f"auto:{path}{here}", stdin=subprocess.PIPE)
    said = b""
    for _ in range(3):
        said += b"so\n"
        client.stdin.write(b"so\n")
        client.stdin.flush()
        wait_until(lambda: client.stdout() == said)
    told = notes(f"auto:{path}")
    (lane,) = lanes(told)
    assert lane == f"ferry[{server.pid}] sends to ferry[{client.pid}] by the socket: {why} (3 messages until now)"
    assert not any("without rings" in note for note in told)
    assert lanes(notes(path)) == [lane], "a bare path will do"
    client.stdin.close()
    assert client.wait() == 0


def test_a_ferry_tells_nothing_of_what_may_yet_have_rings(up, start_ferry, notes):
    _, path = up()
    client = start_ferry("connect", "--frame=lf", f"auto:{path}", stdin=subprocess.PIPE)
    client.stdin.write(b"so\n")
    client.stdin.flush()
    wait_until(lambda: client.stdout() == b"so\n")
    told = notes(f"auto:{path}")
    assert not lanes(told)
    assert any(note.startswith("1 connection is on the socket and without rings") for note in told)
    client.stdin.close()
    assert client.wait() == 0


def test_a_note_counts_for_who_has_the_socket(conversation, notes):
    path, server, client, say = conversation(",ring=yes")
    say(4)
    files = Path(f"/proc/{server.pid}/fd").iterdir()
    forged = os.memfd_create("ferry-ring")
    try:
        for file in files:
            if "ferry-ring" in str(file.readlink()):
                content = file.read_bytes()[:4096]
                if content[2048:2056] != bytes(8):
                    os.write(forged, content)
        assert os.fstat(forged).st_size == 4096
        assert len(lanes(notes(f"auto:{path}"))) == 1
    finally:
        os.close(forged)


def test_what_would_be_faster_is_said_of_what_was_measured(conversation, notes):
    path, server, client, say = conversation(",ring=yes")
    for _ in range(60):
        say(1)
        time.sleep(0.005)
    said = notes(f"auto:{path}")
    costs = [i for i, note in enumerate(said) if note.startswith("processor time of such a message, ")]
    assert costs, said
    for i in costs:
        assert said[i + 1].startswith("faster: ") and "both ends on one processor: " in said[i + 1]
