"""auto: connections between two processes: a million messages that move all the time, ends that are
killed while they do, a peer that does anything, and relays in between.

FERRY_FAULT_MOVED is how many messages go each way, FERRY_FAULT_MOVE_KILLS how many ends are killed,
FERRY_FAULT_CALLS how often an attacked end is called; `make fault` has a million, twenty thousand and
two million.
"""

import os
import re
import subprocess

import pytest

from support import assert_no_report

MOVED = int(os.environ.get("FERRY_FAULT_MOVED", "200000"))
KILLS = int(os.environ.get("FERRY_FAULT_MOVE_KILLS", "800"))
CALLS = int(os.environ.get("FERRY_FAULT_CALLS", "20000"))


@pytest.fixture
def fault(start, build):
    """fault(WORD...) runs build/fault-auto; returns its lines, as numbers."""

    def run(*words):
        running = start(build / "fault-auto", *words)
        assert running.wait(900) == 0, running.stderr()
        return [[int(word) for word in line.split()] for line in running.stdout().splitlines()]

    return run


@pytest.mark.timeout(1000)
def test_messages_that_move_all_the_time_arrive_once_and_in_order(fault, capsys):
    """Both ways at once, the lane changed every thousand, with a descriptor as often."""
    *ends, counts = fault("move", MOVED)
    with capsys.disabled():
        print(f"\n{MOVED} messages each way, moved {ends[0][1]} and {ends[1][1]} times")
    assert counts == [0, 0, 0]
    for received, moves, code in ends:
        assert (received, code) == (MOVED, 0)
        assert moves >= MOVED / 1000 - 2


@pytest.mark.timeout(1000)
def test_an_end_that_is_killed_loses_nothing_and_holds_up_nobody(fault, capsys):
    """At every step of the move, of the rings, and at none in particular; who dialled or who accepted.
    What it had sent is received, once, and the survivor learns of the end."""
    (count, hangs, corrupt, lost, doubled, left), (median, p99, most) = fault("kill", KILLS, 1)
    with capsys.disabled():
        print(f"\nmove: {count} SIGKILLs, {hangs} hangs, {corrupt} corrupt, {lost} lost, {doubled} doubled")
        print(f"known after {median / 1e3:.0f} us, p99 {p99 / 1e3:.0f}, at most {most / 1e3:.0f}")
    assert count == KILLS
    assert hangs == corrupt == lost == doubled == left == 0


@pytest.mark.timeout(1000)
def test_a_peer_that_does_anything_costs_the_connection(build, capsys):
    """The unit test says so, and here how often and how long."""
    done = subprocess.run(
        [build / "test-transport-auto-hostile"],
        env={
            **os.environ,
            "FERRY_FAULT_CALLS": str(CALLS),
            "CK_RUN_CASE": "hostile",
            "CK_TIMEOUT_MULTIPLIER": "20",
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert_no_report(done.stderr)
    assert done.returncode == 0, done.stdout
    said = re.findall(r"^(a peer that does anything.*: (\d+) calls.*)$", done.stdout, re.MULTILINE)
    with capsys.disabled():
        print("\n" + "\n".join(line for line, _ in said))
    assert len(said) == 2 and all(int(calls) >= CALLS for _, calls in said)


@pytest.fixture
def between(start, build, runtime_dir):
    """between(COMMAND...) runs it as what passes on between two ends, with {dialled} and {listened}
    replaced; returns how they say that they send."""

    def run(*command):
        paths = {name: str(runtime_dir / name) for name in ("listened", "dialled")}
        ends = f"{build}/fault-auto between {paths['listened']} {paths['dialled']}"
        relay = start(*(str(word).format(**paths) for word in command))
        script = f"until [ -S {paths['dialled']} ]; do sleep .02; done; exec {ends}"
        running = start("sh", "-c", script)
        assert running.wait(30) == 0, running.stderr() + relay.stderr()
        return running.stdout().decode().splitlines()

    return run


def test_through_ferry_relay_it_stays_on_the_socket(between, ferry):
    said = between(ferry, "relay", "unix-seq:{dialled}", "unix-seq:{listened}")
    assert said == ["socket not-direct"] * 2


def test_through_socat_it_stays_on_the_socket(between):
    said = between("socat", "-b", "200000", "UNIX-LISTEN:{dialled},type=5", "UNIX-CONNECT:{listened},type=5")
    assert said == ["socket not-direct"] * 2
