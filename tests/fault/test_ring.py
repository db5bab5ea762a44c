"""The ring, on a larger scale than its unit tests: ends that are killed, and a peer that rewrites what is
shared after each load.

FERRY_FAULT_KILLS is how many ends are killed, of rings and of a fan-in's, FERRY_FAULT_LOADS how many
loads there are at each end; `make fault` has twenty thousand and ten million.
"""

import os
import re
import subprocess

import pytest

from support import assert_no_report

KILLS = int(os.environ.get("FERRY_FAULT_KILLS", "390"))
LOADS = int(os.environ.get("FERRY_FAULT_LOADS", "100000"))


@pytest.fixture
def killed(start, build, capsys):
    """killed(what) kills KILLS ends of rings, or of a fan-in's; nothing hangs, is corrupt, lost or
    doubled. Returns the program's other lines, in numbers."""

    def run(what):
        killer = start(build / "fault-ring-kill", what, KILLS, 1)
        assert killer.wait(900) == 0, killer.stderr()
        counts, *others = ([int(word) for word in line.split()] for line in killer.stdout().splitlines())
        count, hangs, corrupt, lost, doubled = counts
        with capsys.disabled():
            print(f"\n{what}: {count} SIGKILLs, {hangs} hangs, {corrupt} corrupt, {lost} lost, {doubled} doubled")
        assert count >= KILLS
        assert hangs == corrupt == lost == doubled == 0
        return others

    return run


@pytest.mark.timeout(1000)
def test_an_end_that_is_killed_loses_nothing_and_holds_up_nobody(killed, capsys):
    """At every step of sending, receiving and falling asleep, and at none in particular: the survivor
    learns of it, and has what was committed, whole and once; so has a dead receiver's successor."""
    for name, (median, p99, most) in zip(("socket", "pidfd"), killed("ring")):
        with capsys.disabled():
            print(f"known by the {name} after {median / 1e3:.0f} us, p99 {p99 / 1e3:.0f}, at most {most / 1e3:.0f}")


@pytest.mark.timeout(1000)
def test_a_sender_that_is_killed_costs_a_fan_in_itself_only(killed):
    """Four at a time, at every step: each leaves what it had committed, and the others go on."""
    killed("fan-in")


@pytest.mark.timeout(1000)
def test_a_peer_that_rewrites_everything_costs_a_call_its_work_and_no_more(build, capsys):
    """Nothing but what is allowed comes of it, and no call loads more than its own share: the unit
    test says so, and here with how much."""
    done = subprocess.run(
        [build / "test-memory-ring_attacked"],
        env={**os.environ, "FERRY_FAULT_LOADS": str(LOADS), "CK_TIMEOUT_MULTIPLIER": "20"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert_no_report(done.stderr)
    assert done.returncode == 0, done.stdout
    said = re.findall(r"^((?:receiver|sender): (\d+) loads attacked.*)$", done.stdout, re.MULTILINE)
    with capsys.disabled():
        print("\n" + "\n".join(line for line, _ in said))
    assert len(said) == 2 and all(int(count) >= LOADS for _, count in said)
