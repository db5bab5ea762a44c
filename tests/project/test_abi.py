"""The ABI of each library is the one that was accepted last, tests/project/LIBRARY.abi.

A change that is meant is accepted by `make abi`, and goes into the commit that makes it.
"""

import re
import subprocess

import pytest

from interface import MAPS
from support import ROOT

FOLDER = ROOT / "tests" / "project"


def abidiff(one, other):
    return subprocess.run(["abidiff", str(one), str(other)], capture_output=True, text=True)


def dump(build, path, library="libferry"):
    subprocess.run(
        [ROOT / "scripts" / "dump-abi", build / f"{library}.so", path], check=True, cwd=ROOT
    )


@pytest.mark.parametrize("library", MAPS)
def test_the_abi_is_the_accepted_one(build, tmp_path, library):
    baseline = FOLDER / f"{library}.abi"
    assert baseline.is_file(), "no baseline; run make abi"
    dump(build, tmp_path / "now.abi", library)
    difference = abidiff(baseline, tmp_path / "now.abi")
    assert difference.returncode == 0, difference.stdout + "if this is meant: make abi"


@pytest.fixture
def changed(build, tmp_path):
    """changed(old, new): what abidiff says after that change to the library's ABI."""
    dump(build, tmp_path / "now.abi")
    text = (tmp_path / "now.abi").read_text()

    def compare(old, new):
        result = re.sub(old, new, text)
        assert result != text
        (tmp_path / "changed.abi").write_text(result)
        return abidiff(tmp_path / "now.abi", tmp_path / "changed.abi").returncode

    return compare


def test_a_lost_function_is_noticed(changed):
    assert changed(r"<elf-symbol name='ferry_deadline'.*", "") != 0


def test_another_value_is_noticed(changed):
    assert changed(r"name='FERRY_WAY_SPLICE' value='2'", "name='FERRY_WAY_SPLICE' value='9'") != 0


def test_handles_are_opaque(build, tmp_path):
    dump(build, tmp_path / "now.abi")
    text = (tmp_path / "now.abi").read_text()
    handles = re.findall(r"<class-decl name='ferry_(?:channel|loop|source)'.*", text)
    assert handles and all("is-declaration-only='yes'" in handle for handle in handles)
