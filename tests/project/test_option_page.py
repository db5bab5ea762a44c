"""doc/options.md: its table is what this kernel answers, its options are those of the program."""

import importlib.machinery
import importlib.util
import re

import pytest

from support import ROOT


def load(path):
    loader = importlib.machinery.SourceFileLoader("option_table", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("option_table", loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script():
    return load(ROOT / "scripts/option-table")


def cells(text):
    """{(option, column): cell}"""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line] for line in lines]
    return {(row[0].strip("`"), head): cell for row in rows[2:] for head, cell in zip(rows[0], row)}


def test_the_table_is_what_this_kernel_answers(script):
    page = script.PAGE.read_text()
    written = cells(page[page.index(script.BEGIN) : page.index(script.END)])
    made = cells(script.table())
    assert written.keys() == made.keys()
    compared = [place for place in made if script.is_compared(*place)]
    assert len(compared) > 150
    assert {place: written[place] for place in compared} == {
        place: made[place] for place in compared
    }


def test_what_is_offered_is_what_the_program_takes(script, run_ferry):
    places = {"tcp": "tcp:1", "udp": "udp:1", "unix": "unix:x", "fifo": "fifo:x", "mq": "mq:/x"}
    for kind, address in places.items():
        for key, (value, *_) in script.OPTIONS.items():
            if (kind, key) == ("mq", "priority"):
                continue  # a message's
            taken = run_ferry("check", f"{address},{key}={value}").returncode == 0
            assert taken == (key in script.OFFERED[kind]), (kind, key)


def test_every_option_is_explained(script):
    titles = re.findall(r"^### (.*)$", script.PAGE.read_text(), re.MULTILINE)
    assert sorted(key for title in titles for key in title.split(", ")) == sorted(script.OPTIONS)
    source = (ROOT / "src/transport/socket_options.c").read_text()
    assert set(re.findall(r'\.key = "([a-z-]+)"', source)) == set(script.OPTIONS)


def test_the_profiles_are_those_of_the_program(script, run_ferry):
    page = script.PAGE.read_text()
    part = page[page.index("## Profiles") : page.index("## Each option")]
    told = {place: cell for place, cell in cells(part).items() if place[0] not in ("", "for")}
    for name in ("web", "realtime", "bulk"):
        done = run_ferry("check", "--options", "--profile", name, "tcp:1")
        asked = {}
        for line in done.stdout.splitlines()[2:]:
            columns = re.split(r" {2,}", line[2:].strip())
            asked[columns[0]] = "" if columns[1] == "-" else columns[1]
        for key, value in asked.items():
            assert told.get((key, f"`{name}`"), "") == value, (name, key)
