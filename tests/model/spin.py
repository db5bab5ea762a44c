"""What the tests of models share."""

import re
import subprocess

from support import ROOT


def errors(model, folder, *defines):
    """How many errors there are, over all states."""
    subprocess.run(["spin", *defines, "-a", ROOT / "tests/model" / model], cwd=folder, check=True, timeout=60)
    build = ["cc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"]
    subprocess.run(build, cwd=folder, check=True, timeout=60)
    done = subprocess.run(
        ["./pan", "-m100000"], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    assert "max search depth too small" not in done.stdout
    assert "hash table" not in done.stdout.split("errors:")[0]
    return int(re.search(r"errors: (\d+)", done.stdout)[1])
