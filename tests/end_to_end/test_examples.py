"""The examples do what their first line says."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from support import ROOT, listens, wait_until


@pytest.fixture
def example(build):
    return lambda name: build / "examples" / f"example-{name}"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*_*.c")), ids=lambda p: p.stem)
def test_a_server_or_client_is_short(path):
    if path.stem != "foreign_loop":
        assert len(path.read_text().splitlines()) < 50


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.c")), ids=lambda p: p.stem)
def test_an_example_is_built_as_the_manual_says(path):
    """By cc and the flags of pkg-config alone: what this project's own build defines is not there."""
    command = ["cc", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def accepts(runtime_dir, address):
    scheme, rest = address.split(":")
    if scheme == "tcp":
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(line[1].endswith(f":{int(rest):04X}") and line[3] == "0A" for line in lines)
    return listens(rest if rest.startswith("@") else runtime_dir / rest)


def serve(start, runtime_dir, example, name, address):
    process = start(example(name), address)
    wait_until(lambda: accepts(runtime_dir, address))
    return process


def ask(example, name, runtime_dir, *arguments):
    done = subprocess.run(
        [example(name), *arguments], capture_output=True, text=True, timeout=20, cwd=runtime_dir
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("server", ["stream_server", "foreign_loop"])
def test_stream(start, runtime_dir, example, server):
    serve(start, runtime_dir, example, server, "unix:s.sock")
    assert ask(example, "stream_client", runtime_dir, "unix:s.sock", "good day") == "good day"


def test_stream_over_tcp_is_the_same_program(start, runtime_dir, example):
    serve(start, runtime_dir, example, "stream_server", "tcp:47123")
    assert ask(example, "stream_client", runtime_dir, "tcp:47123", "good day") == "good day"


def test_datagram(start, runtime_dir, example):
    serve(start, runtime_dir, example, "datagram_server", "unix-dgram:d.sock")
    got = ask(example, "message_client", runtime_dir, "unix-dgram:d.sock", "one", "two")
    assert got == "one\ntwo\n"
    got = ask(example, "message_client", runtime_dir, "unix-dgram:d.sock,bind=me.sock", "named")
    assert got == "named\n"


def test_packet(start, runtime_dir, example):
    name = f"unix-seq:@ferry-example-{os.getpid()}"
    serve(start, runtime_dir, example, "packet_server", name)
    got = ask(example, "message_client", runtime_dir, name, "four", "", "x" * 1000)
    assert got == "4 bytes\n0 bytes\n1000 bytes\n"


def test_requests(start, runtime_dir, example):
    """The server moves by itself, once the requests are as many as they can be."""
    server = serve(start, runtime_dir, example, "request_server", "auto:q.sock")
    assert ask(example, "request_client", runtime_dir, "auto:q.sock", "100") == "100 squares\n"
    assert server.stdout() == b""

    def moved():
        assert ask(example, "request_client", runtime_dir, "auto:q.sock", "100000")
        return b"answers go by ring now: so many messages are cheaper" in server.stdout()

    wait_until(moved, 60)


def test_requests_by_a_plain_socket_are_the_same_program(start, runtime_dir, example):
    server = serve(start, runtime_dir, example, "request_server", "unix-seq:q.sock")
    assert ask(example, "request_client", runtime_dir, "unix-seq:q.sock", "5000") == "5000 squares\n"
    assert server.stdout() == b""


def test_frames(start, runtime_dir, example):
    """Two rings full of them, each read where it was written; the end is not an error."""
    serve(start, runtime_dir, example, "frame_publisher", "unix:f.sock")
    got = ask(example, "frame_subscriber", runtime_dir, "unix:f.sock")
    assert got == "".join(f"frame {i}: {4 << 20} of {'abcdefghij'[i] * 4}\n" for i in range(10))


def test_identity(start, runtime_dir, example):
    server = serve(start, runtime_dir, example, "identity_server", "unix:w.sock")
    got = ask(example, "identity_client", runtime_dir, "unix:w.sock")
    assert f"the server is pid {server.pid}, uid {os.geteuid()} (at connect)" in got
    assert re.search(r"it runs (/.*identity_server \(by pidfd\)|what nobody can tell \(unknown\))\n", got)
    assert re.search(rf"pid \d+ uid {os.geteuid()} gid \d+: welcome by rule \"allow uid", got)


def test_descriptors(start, runtime_dir, example):
    server = serve(start, runtime_dir, example, "descriptor_server", "unix:f.sock")
    for name in ("one", "two"):
        (runtime_dir / name).write_text(f"first line of {name}\nsecond\n")
    ask(example, "descriptor_client", runtime_dir, "unix:f.sock", "one", "two")
    wait_until(lambda: server.stdout() == b"first line of one\nfirst line of two\n")


MiB = 1 << 20


def write_at(path, size, texts):
    """A file of `size` bytes, most of them a hole."""
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, text in texts.items():
            file.seek(offset)
            file.write(text)


def found(text):
    return [int(line) for line in text.splitlines()]


@pytest.mark.parametrize("trusted", [[], ["trusted"]], ids=["read", "mapped"])
def test_a_text_across_borders_is_found(runtime_dir, example, trusted):
    """At every place around the border of two pieces, whether they are of 256 KiB or of 4 MiB."""
    places = [border + shift * 64 - 3 + shift for border in (0, MiB, 4 * MiB) for shift in range(7)]
    places = [place for place in places if place >= 0]
    write_at(runtime_dir / "file", 5 * MiB, {place: b"needle" for place in places})
    assert found(ask(example, "search_file", runtime_dir, "file", "needle", *trusted)) == places


@pytest.mark.parametrize("trusted", [[], ["trusted"]], ids=["read", "mapped"])
def test_a_huge_file_is_searched_in_little_memory(runtime_dir, example, sanitizer, trusted):
    places = {5: b"hay!", 2048 * MiB - 2: b"hay!", 2200 * MiB - 4: b"hay!"}
    write_at(runtime_dir / "huge", 2200 * MiB, places)
    program = [example("search_file"), "huge", "hay!", *trusted]
    done = subprocess.run(
        ["/usr/bin/time", "-f", "%M", *program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=runtime_dir,
    )
    assert found(done.stdout) == list(places)
    if not sanitizer:  # whose shadow is not ours
        assert int(done.stderr) < 8 * 1024  # KiB; a piece, and the program with libc


def test_a_file_that_is_emptied_while_it_is_searched_kills_nobody(runtime_dir, example):
    """What it finds is far more than a pipe takes, so it is in the midst of its first piece."""
    path = runtime_dir / "file"
    path.write_bytes(b"x" * MiB)
    with subprocess.Popen([example("search_file"), path, "x"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"0\n"
        os.truncate(path, 0)
        rest = process.stdout.read()
    assert rest.startswith(b"1\n2\n")
    assert process.returncode == 0
