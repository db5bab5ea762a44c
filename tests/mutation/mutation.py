#!/usr/bin/env python3
"""What do the tests see? Breaks the floors 0 to 5 in small ways, one at a time, and counts which of
the breaks (mutants) a test catches.

    mutation.py BUILD [--mutants N] [--seed N] [--seconds N] [--folders a,b/c] [--unit-only]

BUILD is a configured build, asked for its flags. Everything lies in BUILD/mutation: `tree`, a copy of
the sources with all mutants compiled in (sites.py), of which MUTANT picks one at run time, so
that one build does for all; `learnt.json`, which test reaches which mutants when none is in effect;
`results.json`, what came out so far. The drawn mutants are in effect one at a time, on ground where
they do no harm (ground.py), while those tests run that reach them, by the shortest way: unit tests of
the mutant's folder, other unit tests, end-to-end tests of every file by the time they take, up to
the first that fails or hangs. Whoever breaks off goes on from there with the same seed; sources that have changed
begin anew, and what nobody caught is asked again when tests have changed.

Memory that a mutant forgets fails a unit test, as under `make test SAN=address`; end-to-end tests do
not see it."""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import ground
from ground import ROOT

FOLDERS = ["base", "wire", "memory", "loop", "transport", "channel", "endpoints", "process", "route"]
HERE = Path(__file__).resolve().parent
COPIED = ["bench", "doc", "examples", "include", "man", "scripts", "tests", "meson.build",
          "meson_options.txt"]  # fmt: skip

# How long the end-to-end tests of one mutant may take, and one unit test beyond what it does, in
# seconds. What has no room in there is not asked, and the report says so.
PATIENCE = 40
SLACK = 5


class Work:
    """The folder in the build that all is kept in."""

    def __init__(self, build):
        self.reference = build.resolve()
        self.folder = self.reference / "mutation"
        self.tree = self.folder / "tree"
        self.build = self.folder / "build"
        self.out = self.folder / "out"
        self.map = self.out / "reached"

    def load(self, name, otherwise):
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else otherwise

    def store(self, name, value):
        path = self.folder / name
        path.with_suffix(".new").write_text(json.dumps(value, indent=1))
        path.with_suffix(".new").rename(path)


def files_of(*names):
    """The files under these names of the project, with what they hold."""
    files = []
    for name in names:
        path = ROOT / name
        files += [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    return {path.relative_to(ROOT): path.read_bytes() for path in files if path.suffix != ".pyc"}


def digest(files):
    total = hashlib.sha256()
    for name, content in sorted(files.items()):
        total.update(f"{name} {len(content)}\n".encode() + content)
    return total.hexdigest()


def write(tree, files):
    """Puts files into a tree. What is there already keeps its time, so that no more is compiled than
    has changed."""
    for name, content in files.items():
        path = tree / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod((ROOT / name).stat().st_mode)


def of_floor(path):
    """What the project calls a file of these floors; None: it is no such file."""
    path = Path(path).resolve()
    is_one = path.is_relative_to(ROOT / "src") and path.relative_to(ROOT / "src").parts[0] in FOLDERS
    return path.relative_to(ROOT) if is_one else None


def instrument(work, files):
    """Puts all mutants into the sources; returns the mutants, by their numbers from 1 on."""
    import sites

    mutants = [None]
    entries = {}
    for entry in json.loads((work.reference / "compile_commands.json").read_text()):
        name = of_floor(Path(entry["directory"], entry["file"]))
        if name:
            entries[name] = entry
    here = os.getcwd()
    done = set()
    for _, entry in sorted(entries.items()):
        tree = sites.parse(entry)
        for path in [tree.spelling, *sites.headers_of(tree)]:
            name = of_floor(path)
            if not name or name in done:
                continue
            done.add(name)
            found = sites.sites_of(tree, path)
            files[name] = sites.instrumented(files[name], found, len(mutants))
            for site in found:
                for kind in site.kinds:
                    mutants.append(
                        {"file": str(name), "line": site.line, "kind": kind, "text": site.text}
                    )
    os.chdir(here)
    files[Path("src/base/meson.build")] += b"base_sources += files('../../tests/mutation/mutant.c')\n"
    write(work.tree, files)
    return mutants


def build(work):
    """Compiles the copy: what the tests run, fast rather than well."""
    if not (work.build / "build.ninja").exists():
        subprocess.run(
            ["meson", "setup", work.build, work.tree, "-Dtests=enabled", "-Dwerror=false",
             "-Dbuildtype=plain", f"-Dc_args=-include{work.tree / 'tests/mutation/mutant.h'} -w"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    subprocess.run(["ninja", "-C", work.build, "--quiet"], check=True)


def prepare(work):
    """The mutants, built; those of before if nothing has changed since."""
    work.out.mkdir(parents=True, exist_ok=True)
    sources = files_of("src", "include", "tests/mutation/sites.py")
    known = work.load("mutants.json", {})
    if known.get("digest") != digest(sources):
        known = {"digest": digest(sources), "mutants": instrument(work, sources.copy())}
        for name in ("learnt.json", "results.json"):
            (work.folder / name).unlink(missing_ok=True)
        work.store("mutants.json", known)
    write(work.tree, files_of(*COPIED))
    build(work)
    if not work.map.exists() or work.map.stat().st_size != len(known["mutants"]):
        work.map.write_bytes(bytes(len(known["mutants"])))
    work.map.chmod(0o666)
    return known["mutants"]


def unit_commands(work):
    """The unit tests' commands by name, folder/file; fuzzers with their corpora among them."""
    asked = subprocess.run(
        ["meson", "introspect", "--tests", work.build], check=True, capture_output=True, text=True
    )
    return {test["name"]: test["cmd"] for test in json.loads(asked.stdout)}


def pytest_job(work, name, tests, limit, *options):
    return {
        "name": name,
        "command": [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *options,
                    *tests],
        "environment": {
            "FERRY_BUILD": str(work.build),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(HERE),
        },
        "limit": limit,
    }  # fmt: skip


def leak_finder():
    """What makes a program that forgets memory fail at its end: gcc's LeakSanitizer, loaded before all
    else, so that nothing is built for it. {} where there is none."""
    asked = ["gcc", "-print-file-name=liblsan.so"]
    path = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    return {"LD_PRELOAD": str(Path(path).resolve())} if os.path.isabs(path) else {}


def learn_units(work, learnt):
    """Which mutants each unit test reaches. One that fails when its memory is watched (it counts that
    itself) is asked without."""
    for name, command in sorted(unit_commands(work).items()):
        stamp = os.stat(command[0]).st_mtime_ns
        if name in learnt and learnt[name]["stamp"] == stamp:
            continue
        for environment in (leak_finder(), {}):
            work.map.write_bytes(bytes(work.map.stat().st_size))
            job = {"name": name, "command": command, "limit": 60, "environment": environment}
            [answer] = ground.run([job], work.out, 90, {"MUTANTS_REACHED": str(work.map)})
            if answer["ended"] == "passed":
                break
        reached = [number for number, mark in enumerate(work.map.read_bytes()) if mark]
        learnt[name] = answer | {"reached": reached, "stamp": stamp}
        learnt[name] |= {"command": command, "environment": environment}
    work.store("learnt.json", learnt)


def learn_end_to_end(work, learnt, until):
    """The same of each end-to-end test, those of faults among them; what one file has is kept, so that
    this may be broken off. Those about floors 0 to 5 come first."""
    others = ("graph", "ls", "show", "top", "why", "endpoints")
    files = sorted(
        (path.stem.removeprefix("test_").startswith(others), path.stem, path)
        for folder in ("end_to_end", "fault")
        for path in (ROOT / "tests" / folder).glob("test_*.py")
    )
    stamps = {path.stem: digest(files_of(path.relative_to(ROOT))) for _, _, path in files}
    known = [stem for stem in stamps if learnt.get(f"file {stem}", {}).get("stamp") == stamps[stem]]
    for _, stem, path in files:
        if stem in known:
            continue
        if time.monotonic() > until:
            break
        notes = work.out / "learnt.json"
        notes.write_text("{}")
        environment = {"MUTANTS_REACHED": str(work.map), "MUTANTS_LEARNT": str(notes)}
        job = pytest_job(work, stem, [str(path)], 300, "-p", "reach", "--maxfail=1000")
        ground.run([job], work.out, 330, environment)
        learnt[f"file {stem}"] = {"ended": "file", "took": 0, "reached": [], "stamp": stamps[stem]}
        known.append(stem)
        for name, note in json.loads(notes.read_text()).items():
            if "reached" in note:
                learnt[name] = note
        work.store("learnt.json", learnt)
    return len(known), len(files)


def jobs_of(work, number, mutant, learnt):
    """What is asked about a mutant, in order."""
    folder = Path(mutant["file"]).parts[1]
    own, others, end_to_end = [], [], []
    for name, test in sorted(learnt.items(), key=lambda item: item[1]["took"]):
        if number in test["reached_set"] and test["ended"] == "passed":
            is_unit, is_own = "command" in test, name.startswith(folder + "/")
            (end_to_end if not is_unit else own if is_own else others).append(name)
    near = within(PATIENCE / 4, others, learnt)
    far = within(PATIENCE / 2, in_turn(end_to_end), learnt)
    jobs = [
        {"name": name, "command": learnt[name]["command"], "twice": True,
         "environment": learnt[name]["environment"], "limit": SLACK + 3 * learnt[name]["took"]}
        for name in own + near
    ]  # fmt: skip
    if far:
        paths = [str(ROOT / "tests" / name) for name in far]
        jobs.append(pytest_job(work, "end to end", paths, PATIENCE) | {"twice": True})
    return jobs, len(others) - len(near) + len(end_to_end) - len(far)


def in_turn(names):
    """The tests, one of each file, then another of each: those of one file tend to see the same."""
    seen = Counter()
    ranks = []
    for name in names:
        file = name.split("::")[0]
        ranks.append((seen[file], len(ranks), name))
        seen[file] += 1
    return [name for _, _, name in sorted(ranks)]


def within(seconds, names, learnt):
    """As many of the tests, in their order, as take no longer than this together."""
    chosen = []
    for name in names:
        seconds -= learnt[name]["took"]
        if seconds < 0:
            break
        chosen.append(name)
    return chosen


def try_mutant(work, number, mutant, learnt):
    """A mutant's result."""
    jobs, left_out = jobs_of(work, number, mutant, learnt)
    if not jobs:
        return mutant | {"result": "not reached"}
    asked = ground.run(jobs, work.out, 4 * PATIENCE, {"MUTANT": str(number)})
    caught = len(asked) < len(jobs) or asked[-1]["ended"] != "passed"
    by = asked[-1]["name"] if asked else jobs[0]["name"]
    return mutant | {
        "result": "caught" if caught else "survived",
        "by": by if caught else None,
        "asked": len(asked),
        "left_out": left_out,
    }


def report(results):
    """What came out, by kind and by folder, and what nobody saw."""
    for title, of in (("kind", lambda one: one["kind"]),
                      ("folder", lambda one: Path(one["file"]).parts[1])):  # fmt: skip
        print(f"\n{title.upper():<12}{'MUTANTS':>8}{'CAUGHT':>8}{'SURVIVED':>10}{'NOT REACHED':>13}")
        counts = Counter((of(one), one["result"]) for one in results)
        for name in sorted({name for name, _ in counts}):
            numbers = [counts[name, end] for end in ("caught", "survived", "not reached")]
            print(f"{name:<12}{sum(numbers):>8}{numbers[0]:>8}{numbers[1]:>10}{numbers[2]:>13}")
    for end in ("survived", "not reached"):
        print(f"\n{end}:")
        for one in sorted(results, key=lambda one: (one["file"], one["line"])):
            if one["result"] == end:
                some = f" ({one['left_out']} tests not asked)" if one.get("left_out") else ""
                print(f"  {one['file']}:{one['line']}: {one['kind']}: {one['text'][:90]}{some}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--mutants", type=int, default=300, help="how many are drawn; 0 is all")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="break off after so long")
    parser.add_argument(
        "--folders", default=",".join(FOLDERS), help="or files: how their paths under src/ begin"
    )
    parser.add_argument("--unit-only", action="store_true", help="without end-to-end tests")
    return parser.parse_args()


def main():
    asked = arguments()
    if os.geteuid() != 0:
        sys.exit("mutation: wants root, to run mutants in namespaces of their own")
    print(f"seed {asked.seed}", flush=True)
    until = time.monotonic() + asked.seconds
    work = Work(asked.build)
    mutants = prepare(work)
    learnt = work.load("learnt.json", {})
    learn_units(work, learnt)
    if asked.unit_only:
        learnt = {name: test for name, test in learnt.items() if "command" in test}
    else:
        now = time.monotonic()
        known, files = learn_end_to_end(work, learnt, now + (until - now) / 2)
        print(f"end-to-end tests: {known} of {files} files known")
    for name, test in learnt.items():
        test["reached_set"] = set(test["reached"])
        if test["ended"] in ("failed", "time"):
            print(f"fails without a mutant, left out: {name}")
    numbers = list(range(1, len(mutants)))
    random.Random(asked.seed).shuffle(numbers)
    wanted = tuple(f"src/{name}" for name in asked.folders.split(","))
    numbers = [one for one in numbers if mutants[one]["file"].startswith(wanted)]
    drawn = numbers[: asked.mutants or None]
    results = work.load("results.json", {})
    stamps = sorted((name, test.get("stamp")) for name, test in learnt.items())
    known = hashlib.sha256(json.dumps(stamps).encode()).hexdigest()
    for number in drawn:
        before = results.get(str(number))
        if before and (before["result"] == "caught" or before["known"] == known):
            continue
        if time.monotonic() > until:
            break
        result = try_mutant(work, number, mutants[number], learnt)
        results[str(number)] = result | {"known": known}
        work.store("results.json", results)
    done = [results[str(number)] for number in drawn if str(number) in results]
    report(done)
    caught = sum(one["result"] == "caught" for one in done)
    print(f"\nseed {asked.seed}: {caught} of {len(done)} caught"
          f" ({len(drawn)} drawn of {len(numbers)})")  # fmt: skip


if __name__ == "__main__":
    main()
