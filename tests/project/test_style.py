"""What a machine can hold of the style: layout, and both compilers content."""

import json
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from os import cpu_count
from pathlib import Path

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


def clang_groups(database):
    """The files of the compilation database by the flags that clang takes them with. An include
    folder of a target alone is left out while nothing is in it, or each program were a group."""
    groups = {}
    for entry in database:
        words = shlex.split(entry["command"])[1:]
        flags, skip = [], False
        for word in words:
            if skip:
                skip = False
            elif word in ("-o", "-MF", "-MQ", "-MT"):
                skip = True
            elif word in ("-c", "-MD", entry["file"]):
                continue
            elif not word.startswith("-I") or has_header(Path(entry["directory"], word[2:])):
                flags.append(word)
        groups.setdefault((entry["directory"], *flags), []).append(entry["file"])
    return groups


@cache
def has_header(folder):
    return any(folder.glob("**/*.h"))


def clang_complaint(job):
    """What clang says about files that share flags; "" when content. The driver would start a
    compiler for each file, and most of the time is the start; the compiler takes many at once."""
    (directory, *flags), files = job
    driver = ["clang", "-fsyntax-only", "-###", *flags, files[0]]
    said = subprocess.run(driver, capture_output=True, text=True, cwd=directory, check=True).stderr
    [line] = [line for line in said.splitlines() if '"-cc1"' in line]
    compiler = shlex.split(line)
    assert compiler.pop() == files[0]
    done = subprocess.run([*compiler, *files], capture_output=True, text=True, cwd=directory)
    return f"{done.stderr}exit status {done.returncode}" if done.returncode else ""


def clang_complaints(database):
    jobs = [
        (flags, files[start : start + 50])
        for flags, files in clang_groups(database).items()
        for start in range(0, len(files), 50)
    ]
    with ThreadPoolExecutor(cpu_count()) as pool:
        return [text for text in pool.map(clang_complaint, jobs) if text]


def test_clang_is_content_too(build):
    database = json.loads((build / "compile_commands.json").read_text())
    assert database
    complaints = clang_complaints(database)
    assert not complaints, "\n".join(complaints)[:8000]


def test_what_clang_minds_in_one_file_of_many_is_told(tmp_path):
    """In the middle of a group: neither the first file nor the last."""
    texts = {"a.c": "int a;\n", "b.c": "int b(void) { int unused; return 0; }\n", "c.c": "int c;\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    database = [
        {"command": f"cc -Wall -Werror -c {name}", "file": name, "directory": str(tmp_path)}
        for name in texts
    ]
    [complaint] = clang_complaints(database)
    assert "b.c:1:19: error: unused variable 'unused'" in complaint
