"""What a machine can hold of the style: layout, and both compilers content."""

import json
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

from support import ROOT

FOLDERS = ["include", "src", "tests", "examples", "bench"]


def c_files():
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.[ch]"))


def test_clang_format_would_change_nothing():
    files = c_files()
    assert files
    done = subprocess.run(
        ["clang-format", "--dry-run", "-Werror", *files], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[:4000] + "\nmake format does it"


def clang_complaint(entry):
    """What clang says about one file of the compilation database; "" when content."""
    words = shlex.split(entry["command"])[1:]
    keep, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MQ", "-MT"):
            skip = True
        elif word not in ("-c", "-MD"):
            keep.append(word)
    command = ["clang", "-fsyntax-only", *keep]
    done = subprocess.run(command, capture_output=True, text=True, cwd=entry["directory"])
    return done.stderr if done.returncode else ""


def test_clang_is_content_too(build):
    database = json.loads((build / "compile_commands.json").read_text())
    assert database
    with ThreadPoolExecutor(cpu_count()) as pool:
        complaints = [text for text in pool.map(clang_complaint, database) if text]
    assert not complaints, "\n".join(complaints)[:8000]
