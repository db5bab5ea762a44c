"""The ring, on a larger scale than its unit tests: a peer that rewrites what is shared after each load.

FERRY_FAULT_LOADS is how many loads at each end; `make fault` has ten million.
"""

import os
import re
import subprocess

import pytest

from support import assert_no_report

LOADS = int(os.environ.get("FERRY_FAULT_LOADS", "100000"))


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
