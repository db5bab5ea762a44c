"""Standard output that is closed, or takes nothing: whatever verb had something to print says so, once,
and fails; one that had nothing to print does not care."""

import fcntl
import os
import shlex
import socket
import subprocess

import pytest

from support import assert_no_report, listens, state_of, wait_until

NOWHERE = {">&-": "Bad file descriptor", ">/dev/full": "No space left on device"}

PRINTING = [
    "--help",
    "--version",
    "help relay",
    "connect --help",
    "ls --help",
    "check unix:x.sock",
    "connect --sha256 file:lines",
    "connect --sha256 --json file:lines",
    "connect --sha256 exec:'cat lines'",
    "replay --json lines file:copy,append",
    "bench -m pipe -s 64 -t 1ms -r 1",
    "ping -c 1 unix:s.sock",
    "ping -q --json -c 1 unix:s.sock",
    "status -s unix:control.sock",
    "status --json -s unix:control.sock",
    "ls -x --all",
    "ls --json -x --all",
    "ls --graph -x",
    "top -b -n 1",
    "top --json -n 1",
    "show unix:s.sock",
    "why --workload size=1k,rate=1000",
    "why --json unix:s.sock",
]


@pytest.fixture
def in_shell(ferry, runtime_dir):
    """in_shell(words, redirection) is `ferry words` with that, in a shell, which closes descriptors."""
    (runtime_dir / "lines").write_text("one\ntwo\n" * 1000)

    def run(words, redirection, stdin="</dev/null"):
        done = subprocess.run(
            ["sh", "-c", f"{shlex.quote(str(ferry))} {words} {redirection} {stdin}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            cwd=runtime_dir,
        )
        assert_no_report(done.stderr)
        return done

    return run


@pytest.fixture
def server(start_ferry, runtime_dir):
    start_ferry("relay", "unix:s.sock", "echo", "--control=unix:control.sock").wait_for("started")
    wait_until(lambda: listens(runtime_dir / "control.sock"))


@pytest.mark.parametrize("nowhere", NOWHERE)
@pytest.mark.parametrize("words", PRINTING)
def test_what_is_not_printed_is_said(in_shell, server, run_ferry, words, nowhere):
    if words.split()[0] not in run_ferry("--help").stdout and not words.startswith(("-", "help")):
        pytest.skip("built without libmnl: there is no such verb")
    done = in_shell(words, nowhere)
    assert done.returncode == 1, done.stderr
    told = [line for line in done.stderr.splitlines() if "standard output" in line]
    assert len(told) == 1, done.stderr
    verb = "" if words.startswith("-") else " " + words.removeprefix("help ").split()[0]
    assert told[0] == f"ferry{verb}: standard output: {NOWHERE[nowhere]}"


@pytest.mark.parametrize("nowhere", NOWHERE)
def test_who_has_nothing_to_print_does_not_care(in_shell, runtime_dir, nowhere):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(runtime_dir / "d.sock"))
        for words in "connect exec:true", "replay lines file:copy,append", "connect unix-dgram:d.sock":
            done = in_shell(words, nowhere)
            assert (done.returncode, done.stderr) == (0, ""), words


def test_what_is_said_of_usage_stays_as_it_is(in_shell):
    for nowhere in NOWHERE:
        done = in_shell("connect --nosuch", nowhere)
        assert done.returncode == 2
        assert "standard output" not in done.stderr


def test_what_a_peer_sends_is_not_dropped_in_silence(in_shell):
    """It goes past the C library, by the relay."""
    done = in_shell("connect exec:'echo hello'", ">&-")
    assert done.returncode == 1
    assert "standard output: is not open for writing; what came was dropped" in done.stderr
    done = in_shell("connect exec:'echo hello'", ">/dev/full")
    assert done.returncode == 1
    assert "standard output takes no more: No space left on device" in done.stderr
    done = in_shell("replay lines -", ">&-")
    assert done.returncode == 1
    assert "takes no input" in done.stderr


def test_a_list_of_what_was_taken(start, ferry, run_ferry, runtime_dir):
    for nowhere, reason in NOWHERE.items():
        taker = start("sh", "-c", f'exec "$0" take unix:t.sock {nowhere}', ferry)
        wait_until(lambda: listens(runtime_dir / "t.sock"))
        run_ferry("pass", "unix:t.sock", "/etc/hostname")
        assert taker.wait() == 1
        assert taker.stderr() == f"ferry take: standard output: {reason}\n"


def test_a_reader_that_has_had_enough_is_told_nothing(in_shell):
    done = in_shell("connect --help", "| true")
    assert done.stderr == ""


def test_a_reader_that_is_slow_is_waited_for(ferry, run_ferry):
    """Although somebody who shares the pipe has made it non-blocking, as node does."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    words = ["check", *(f"unix:/tmp/{number:060}.sock" for number in range(1000))]
    process = subprocess.Popen([ferry, *words], stdout=writer, stdin=subprocess.DEVNULL)
    os.close(writer)
    wait_until(lambda: process.poll() is not None or state_of(process.pid) == "S")
    with open(reader) as rest:
        text = rest.read()
    assert process.wait(10) == 0
    assert text == run_ferry(*words).stdout
    assert text.splitlines() == words[1:]
