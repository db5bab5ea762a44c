"""A plugin for pytest: notes of each test how it ended, how long it took, and which mutants it
reached, in the file that MUTANTS_LEARNT names."""

import json
import os
import time
from pathlib import Path

MAP = os.environ["MUTANTS_REACHED"]
learnt = {}
begun = {}


def reached():
    """The mutants that were reached since the last time, which then count as not reached."""
    with open(MAP, "r+b") as file:
        marks = file.read()
        file.seek(0)
        file.write(bytes(len(marks)))
    return [number for number, mark in enumerate(marks) if mark]


def pytest_runtest_logstart(nodeid, location):
    reached()
    begun[nodeid] = time.monotonic()
    learnt[nodeid] = {"ended": "passed"}


def pytest_runtest_logreport(report):
    if report.outcome != "passed":
        learnt[report.nodeid]["ended"] = report.outcome


def pytest_runtest_logfinish(nodeid, location):
    learnt[nodeid] |= {"took": time.monotonic() - begun[nodeid], "reached": reached()}
    Path(os.environ["MUTANTS_LEARNT"]).write_text(json.dumps(learnt))
