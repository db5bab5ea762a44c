"""The README's demonstration, command by command, and that the README shows what it prints."""

import os
import re
import subprocess

import pytest

from support import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users")

# What differs from run to run: clocks, process ids, folders, counts and times.
VARYING = [
    (r"\x1b\[[0-9;]*m", ""),
    (r"/tmp/ferry-demonstration-\w+", "FOLDER"),
    (r"\b\d\d:\d\d:\d\d\b", "TIME"),
    (r"\bpid \d+", "pid N"),
    (r"\b\d+(ms|s)\b", "AGE"),
    (r"\b\d+\b", "N"),
    (r"[ ]+", " "),
]


def shape(line):
    for pattern, name in VARYING:
        line = re.sub(pattern, name, line)
    return line.strip()


@pytest.mark.timeout(240)
def test_the_demonstration_runs_and_the_readme_shows_it(ferry):
    done = subprocess.run(
        [ROOT / "scripts" / "demonstration", ferry],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=220,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    readme = (ROOT / "README.md").read_text()
    shown = re.search(r"<!-- demonstration -->\n```\n(.*?)```", readme, re.S).group(1)
    printed = {shape(line) for line in (done.stdout + done.stderr).splitlines()}
    for line in shown.splitlines():
        # Which short query a status catches is chance; all else must be there.
        if line.startswith(("database ", "tmux ", "control ", "ROUTE")):
            continue
        assert shape(line) in printed, f"the README shows, but it does not print: {line}"
