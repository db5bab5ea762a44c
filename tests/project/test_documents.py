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


def test_the_threat_model_names_tests_that_are_there():
    page = (ROOT / "doc/security.md").read_text()
    tests, files = cited_tests(page)
    assert len(tests) > 20
    for file, name in tests:
        places = list((ROOT / "tests").rglob(file))
        assert places, file
        assert any(re.search(rf"^def {name}\(", one.read_text(), re.M) for one in places), name
    for file in files:
        assert (ROOT / file).exists(), file


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
