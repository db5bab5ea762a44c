"""`ferry why` of an auto: socket: by which lane its connections send, and why."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from support import wait_until


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
        wait_until(path.exists)
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
