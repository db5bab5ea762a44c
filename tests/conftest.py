"""Fixtures of every Python test. What they are made of is in support.py."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest

import crossings
from support import BUILD, SANITIZER, Process, assert_no_report, wait_until

# A print of a program of ours is one write(2): whoever has seen its first word finds the rest.
os.environ.pop("PYTHONUNBUFFERED", None)


def pytest_configure():
    """A run that is asked to end still ends what it has started."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def pytest_collection_modifyitems(config, items):
    """What is said about the program as it is shipped is not asked of a sanitizer's build."""
    if not SANITIZER:
        return
    left_out = [item for item in items if item.get_closest_marker("plain_build")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def build():
    """The build directory (environment FERRY_BUILD, else build/)."""
    return BUILD


@pytest.fixture(scope="session")
def ferry():
    """The path of the built program."""
    program = BUILD / "ferry"
    assert program.is_file(), f"{program} is not built; run make"
    return program


@pytest.fixture(scope="session")
def sanitizer():
    """What the program is built with: "", "address,undefined" or "thread". A sanitizer changes
    system calls and memory, so a test that counts those asks here."""
    return SANITIZER


@pytest.fixture
def runtime_dir():
    """A fresh directory of mode 0700 with a path short enough for any socket's name."""
    path = Path(tempfile.mkdtemp(prefix="ferry-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def start(runtime_dir, tmp_path):
    """start(command...) runs a command in runtime_dir; at the end of the test it is ended by its
    id, and a sanitizer's report in what it said fails the test. Returns a support.Process.
    `env` is added to the environment; other options are those of subprocess.Popen."""
    started = []

    def run(*command, env=None, cwd=None, **options):
        process = Process(
            command,
            tmp_path,
            f"{len(started):02}-{Path(str(command[0])).name}",
            env={**os.environ, **(env or {})},
            cwd=cwd or runtime_dir,
            **options,
        )
        started.append(process)
        return process

    yield run
    for process in reversed(started):
        process.end()
    for process in started:
        assert_no_report(process.stderr())


@pytest.fixture
def start_ferry(start, ferry):
    """start_ferry(argument...) is start() of the built program."""

    def run(*arguments, **options):
        return start(ferry, *arguments, **options)

    return run


@pytest.fixture
def run_ferry(ferry, runtime_dir):
    """run_ferry(argument...) runs the built program to its end; returns a CompletedProcess with
    text output (`text=False` for bytes). `env` is added to the environment."""

    def run(*arguments, env=None, timeout=20, text=True, cwd=None, **options):
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(
            [str(word) for word in (ferry, *arguments)],
            capture_output=True,
            text=text,
            timeout=timeout,
            env={**os.environ, **(env or {})},
            cwd=cwd or runtime_dir,
            **options,
        )
        assert_no_report(done.stderr if text else done.stderr.decode(errors="replace"))
        return done

    return run


@pytest.fixture
def actor(runtime_dir):
    """actor() starts a crossings.Actor, a process that opens what it is told to, in runtime_dir; at
    the end of the test it is ended by its id."""
    started = []

    def run(folder=None, **options):
        started.append(crossings.Actor(folder or runtime_dir, **options))
        return started[-1]

    yield run
    for one in reversed(started):
        one.end()


@pytest.fixture
def ls(run_ferry):
    """ls(argument...) is what `ferry ls --json` says of all network namespaces, in all states: a
    crossings.Table."""

    def run(*arguments, **options):
        done = run_ferry("ls", "--json", "--all", "--all-netns", *arguments, **options)
        table = crossings.Table(done.stdout, done.stderr)
        assert done.returncode == (0 if table.rows else 1), done.stderr
        return table

    return run


@pytest.fixture
def traced(start, runtime_dir):
    """traced(process, work) runs work(); what system calls the process made meanwhile, by strace."""
    assert shutil.which("strace")

    def run(process, work):
        trace = runtime_dir / f"trace-{process.pid}"
        tracer = start("strace", "-f", "-qq", "-o", trace, "-p", str(process.pid))

        def attached():
            status = open(f"/proc/{process.pid}/status").read()
            return int(re.search(r"TracerPid:\t(\d+)", status).group(1))

        wait_until(attached)
        work()
        tracer.stop(2)
        return re.findall(r"^\d+\s+(?:\[[^]]*\]\s+)?([a-z0-9_]+)\(", trace.read_text(), re.M)

    return run


@pytest.fixture
def counted(traced):
    """counted(process, work) is how many there were of each."""
    return lambda process, work: Counter(traced(process, work))
