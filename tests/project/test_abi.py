"""The ABI of libferry.so is the one that was accepted last, tests/project/libferry.abi.

A change that is meant is accepted by `make abi`, and goes into the commit that makes it.
"""

import subprocess

from support import ROOT

BASELINE = ROOT / "tests" / "project" / "libferry.abi"


def abidiff(one, other):
    return subprocess.run(["abidiff", str(one), str(other)], capture_output=True, text=True)


def dump(build, path):
    subprocess.run(
        [ROOT / "scripts" / "dump-abi", build / "libferry.so", path], check=True, cwd=ROOT
    )


def test_the_abi_is_the_accepted_one(build, tmp_path):
    assert BASELINE.is_file(), "no baseline; run make abi"
    dump(build, tmp_path / "now.abi")
    difference = abidiff(BASELINE, tmp_path / "now.abi")
    assert difference.returncode == 0, difference.stdout + "if this is meant: make abi"


def test_a_lost_function_is_noticed(build, tmp_path):
    dump(build, tmp_path / "now.abi")
    text = (tmp_path / "now.abi").read_text()
    assert "ferry_deadline" in text
    less = [line for line in text.splitlines() if "elf-symbol name='ferry_deadline'" not in line]
    (tmp_path / "less.abi").write_text("\n".join(less))
    assert abidiff(tmp_path / "now.abi", tmp_path / "less.abi").returncode != 0
