"""The ring's protocol, by exhaustion: tests/model/ring.pml says what is shown. That it can be found
wrong shows when a part is left out."""

import re
import subprocess

import pytest

from support import ROOT

MODEL = ROOT / "tests/model/ring.pml"


def errors(folder, *defines):
    """How many errors there are, over all states."""
    subprocess.run(["spin", *defines, "-a", MODEL], cwd=folder, check=True, timeout=60)
    build = ["cc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"]
    subprocess.run(build, cwd=folder, check=True, timeout=60)
    done = subprocess.run(
        ["./pan", "-m100000"], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    assert "max search depth too small" not in done.stdout
    assert "hash table" not in done.stdout.split("errors:")[0]
    return int(re.search(r"errors: (\d+)", done.stdout)[1])


def test_nothing_is_lost_and_nobody_sleeps_for_ever(tmp_path):
    assert errors(tmp_path) == 0


@pytest.mark.parametrize("part", ["NO_FENCE", "NO_RECHECK", "NO_SNAPSHOT"])
def test_what_is_left_out_is_missed(tmp_path, part):
    assert errors(tmp_path, f"-D{part}") == 1
