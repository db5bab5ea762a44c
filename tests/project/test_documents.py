"""Every trap of the page has its test, every test its trap, in the same order."""

import re

from support import ROOT


def test_the_page_and_the_tests_agree():
    page = (ROOT / "doc/traps.md").read_text()
    tests = (ROOT / "tests/end_to_end/test_traps.py").read_text()
    cited = re.findall(r"^Test: `(\w+)`$", page, re.M)
    assert cited == re.findall(r"^def (test_\w+)", tests, re.M)
    assert len(cited) == page.count("\n## ")


def cited_tests(page):
    """`test_file.py::test_name` and `tests/...` of a page."""
    return re.findall(r"`(test_\w+\.py)::(test_\w+)`", page), re.findall(r"`(tests/[\w./]+)`", page)


def assert_there(tests, files):
    for file, name in tests:
        places = list((ROOT / "tests").rglob(file))
        assert places, file
        assert any(re.search(rf"^def {name}\(", one.read_text(), re.M) for one in places), name
    for file in files:
        assert (ROOT / file).exists(), file


def test_the_threat_model_names_tests_that_are_there():
    tests, files = cited_tests((ROOT / "doc/security.md").read_text())
    assert len(tests) > 20
    assert_there(tests, files)


def test_zero_copy_names_where_it_loses_and_what_shows_it():
    """Each way has its loss, and its source and test where ferry takes it; each figure a bench that
    is part of `make bench`."""
    page = (ROOT / "doc/zero_copy.md").read_text()
    parts = page.split("\n## ")[1:]
    assert len(parts) >= 6
    for part in parts:
        tests, files = cited_tests(part)
        assert_there(tests, files + re.findall(r"`((?:src|bench)/[\w./]+)`", part))
        taken = re.search(r"^In ferry: `src/", part, re.M)
        assert bool(taken) == bool(re.search(r"Tests?:\s", part)) == bool(tests or files), part[:60]
        assert "\nLoses: " in part or not taken, part[:60]
    benches = (ROOT / "Makefile").read_text()
    for bench in re.findall(r"`(bench/\w+\.py)`", page):
        assert f"/usr/bin/python3 {bench}" in benches, bench


def test_the_figures_of_zero_copy_are_those_of_the_bench():
    """What the page says of copying stands in a table of bench/README.md."""
    page = (ROOT / "doc/zero_copy.md").read_text()
    tables = (ROOT / "bench/README.md").read_text()
    part = tables[tables.index("## Zero copy") :]
    part = part[: part.find("\n## ", 1)] if "\n## " in part[1:] else part
    figures = set(re.findall(r"(?<!from )\b\d\.\d\d\b", page))
    assert len(figures) > 10
    for figure in figures:
        assert f"| {figure} " in part, figure


def test_the_pictures_name_files_that_are_there():
    page = (ROOT / "doc/architecture.md").read_text()
    named = re.findall(r"\b((?:src|include)/[\w/*]+\.[ch]|[a-z]\w+\.[ch]\b)", page)
    known = {path.name for path in (ROOT / "src").rglob("*.[ch]")}
    assert len(named) > 30
    for name in named:
        assert list(ROOT.glob(name)) if "/" in name else name in known, name


def test_what_must_never_be_used():
    """Looking at a message without taking it installs its descriptors twice, if there is room for
    them: only auto: looks, at a head, and has none. Out-of-band bytes of unix sockets have been a hole
    in the kernel."""
    looks = []
    for path in (ROOT / "src").rglob("*.[ch]"):
        for line in path.read_text().splitlines():
            code = re.sub(r"/?\*.*|//.*", "", line)
            assert not re.search(r"\bMSG_OOB\b", code), f"{path}: {line}"
            if re.search(r"\bMSG_PEEK\b", code):
                looks.append(path.relative_to(ROOT).as_posix())
    assert looks == ["src/transport/auto/receive.c"]
