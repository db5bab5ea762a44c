"""Fuzzers: one list of them, a small corpus for each, and a replay that leaves out no file."""

import json
import re
import subprocess

import pytest

from support import ROOT

FUZZ = ROOT / "tests/fuzz"
FUZZERS = (FUZZ / "fuzzers").read_text().split()
PROPERTY = """
#include "properties.h"
#include <stdlib.h>

int property_frame(const uint8_t *data, size_t size)
{
    if (size == 4 && data[3] == '!')
        abort();
    return size > 0;
}
"""


def test_every_fuzzer_has_its_corpus_and_no_corpus_is_without():
    assert sorted(path.name for path in (FUZZ / "corpus").iterdir()) == sorted(FUZZERS)


@pytest.mark.parametrize("name", FUZZERS)
def test_a_corpus_is_small(name):
    sizes = [path.stat().st_size for path in (FUZZ / "corpus" / name).iterdir()]
    assert 0 < len(sizes) <= 200
    assert sum(sizes) <= 200 << 10


@pytest.mark.parametrize("name", FUZZERS)
def test_what_a_fuzzer_has_done_is_told(name):
    text = (FUZZ / "README.md").read_text()
    found = re.search(rf"^\| {name} \| (\d+) \| ([\d,]+) \| \d+ \| (\d+) \| [\d,]+ \|$", text, re.M)
    assert found
    assert int(found[1]) >= 600
    assert int(found[3]) == sum(1 for _ in (FUZZ / "corpus" / name).iterdir())


def test_make_fuzz_runs_those_of_the_list():
    done = subprocess.run(
        ["make", "-n", "fuzz"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert f"for name in {' '.join(FUZZERS)};" in done.stdout


def test_make_test_replays_every_corpus(build):
    tests = json.loads((build / "meson-info/intro-tests.json").read_text())
    corpora = {test["name"]: test["cmd"][1:] for test in tests}
    for name in FUZZERS:
        assert corpora.get(f"fuzz/{name}") == [str(FUZZ / "corpus" / name)]


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    """The replay with a property that holds of all but one input."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "planted.c").write_text(PROPERTY)
    words = ["cc", "-D_GNU_SOURCE", "-DPROPERTY=property_frame", f"-I{FUZZ}", FUZZ / "replay.c"]
    subprocess.run([*words, folder / "planted.c", "-o", folder / "replay"], check=True)
    return folder / "replay"


def run(replay, corpus):
    return subprocess.run([replay, corpus], capture_output=True, text=True)


def test_the_replay_feeds_every_file(replay, tmp_path):
    for name in ("one", "three", "two"):
        (tmp_path / name).write_text(name)
    done = run(replay, tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "1..4",
        "ok 1 - one",
        "ok 2 - three",
        "ok 3 - two",
        "ok 4 - files that the property says something of",
    ]


@pytest.mark.parametrize("place", ["a", "m", "z"])
def test_a_property_that_does_not_hold_fails_the_replay_wherever_its_file_stands(
    replay, tmp_path, place
):
    for name in ("b", "n", "y"):
        (tmp_path / name).write_text(name)
    (tmp_path / place).write_bytes(b"a\0b!")
    done = run(replay, tmp_path)
    assert done.returncode < 0
    assert done.stderr.splitlines()[-1] == str(tmp_path / place)


def test_a_corpus_that_says_nothing_fails_the_replay(replay, tmp_path):
    assert run(replay, tmp_path).returncode == 1
    (tmp_path / "empty").touch()
    assert run(replay, tmp_path).returncode == 1
    (tmp_path / "one").write_text("1")
    assert run(replay, tmp_path).returncode == 0
