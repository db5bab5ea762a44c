"""The counter of results: what fails, dies, or never ran must not look like a pass."""

import json
import subprocess
import sys

import pytest

from support import ROOT

OK_TAP = "ok 1 - a.c:core:one: Passed\nok 2 - a.c:core:two: Passed\n1..2\n"
JUNIT = '<testsuites><testcase classname="t" name="a">{}</testcase></testsuites>'


@pytest.fixture
def collect(tmp_path):
    """collect(what the unit test printed, meson's result, its exit status, JUnit text) returns
    (exit status, last line)."""

    def run(tap=OK_TAP, result="OK", returncode=0, junit=JUNIT.format("")):
        logs = tmp_path / "meson-logs"
        logs.mkdir()
        entry = {
            "name": "base/a",
            "stdout": "Running suite(s): a\n" + tap,
            "result": result,
            "returncode": returncode,
        }
        (logs / "testlog.json").write_text(json.dumps(entry) + "\n")
        (tmp_path / "junit.xml").write_text(junit)
        arguments = ("--unit", tmp_path, "--junit", tmp_path / "junit.xml")
        return call("suite", tmp_path / "suite.json", *arguments)

    return run


def call(*arguments):
    command = [sys.executable, ROOT / "scripts" / "collect-results", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()[-1]


def test_passes_are_counted_by_case(collect):
    assert collect() == (0, "3 passed, 0 failed, 0 skipped")


def test_a_case_that_says_so_is_skipped(collect):
    tap = OK_TAP.replace("ok 2", "skipped: needs root\nsomething else\nok 2")
    assert collect(tap) == (0, "2 passed, 0 failed, 1 skipped")


def test_a_case_that_fails_is_not_skipped(collect):
    tap = OK_TAP.replace("ok 2", "skipped: needs root\nnot ok 2")
    assert collect(tap, "FAIL", 1) == (1, "2 passed, 1 failed, 0 skipped")


def test_a_failed_case_is_counted_once(collect):
    tap = OK_TAP.replace("ok 2", "not ok 2")
    assert collect(tap, "FAIL", 1) == (1, "2 passed, 1 failed, 0 skipped")


def test_a_program_that_ends_badly_fails_though_its_cases_passed(collect):
    assert collect(OK_TAP, "FAIL", 23) == (1, "3 passed, 1 failed, 0 skipped")


@pytest.mark.parametrize("tap", ["", "sh: not found\n", "ok 1 - a.c:core:one: Passed\n1..2\n"])
def test_an_incomplete_list_fails(collect, tap):
    assert collect(tap, "TIMEOUT", 1) == (1, "1 passed, 1 failed, 0 skipped")


def test_a_skipped_program_is_skipped(collect):
    assert collect("no such thing here\n", "SKIP", 77) == (0, "1 passed, 0 failed, 1 skipped")


@pytest.mark.parametrize(
    "inside, line",
    [
        ('<failure message="no"/>', "2 passed, 1 failed, 0 skipped"),
        ('<error message="no"/>', "2 passed, 1 failed, 0 skipped"),
        ('<skipped message="why"/>', "2 passed, 0 failed, 1 skipped"),
    ],
)
def test_pytest_is_counted(collect, inside, line):
    assert collect(junit=JUNIT.format(inside)) == (int("1 failed" in line), line)


def test_a_torn_junit_fails(collect):
    assert collect(junit="<testsuites>") == (1, "2 passed, 1 failed, 0 skipped")


def test_every_junit_is_counted(tmp_path):
    arguments = ["suite", tmp_path / "suite.json"]
    for name, inside in (("one", '<failure message="no"/>'), ("other", "")):
        (tmp_path / name).write_text(JUNIT.format(inside))
        arguments += ["--junit", tmp_path / name]
    assert call(*arguments) == (1, "1 passed, 1 failed, 0 skipped")
    (tmp_path / "one").unlink()
    assert call(*arguments) == (1, "1 passed, 1 failed, 0 skipped")


def test_a_suite_without_tests_fails(tmp_path):
    (tmp_path / "junit.xml").write_text("<testsuites/>")
    arguments = ("suite", tmp_path / "suite.json", "--junit", tmp_path / "junit.xml")
    assert call(*arguments) == (1, "0 passed, 1 failed, 0 skipped")


def test_the_total_sums_and_misses_what_is_missing(collect, tmp_path):
    collect()
    suite = tmp_path / "suite.json"
    assert call("--total", suite, suite) == (0, "6 passed, 0 failed, 0 skipped")
    assert call("--total", suite, tmp_path / "none.json")[0] == 1
