"""Every trap of the page has its test, every test its trap, in the same order."""

import re

from support import ROOT


def test_the_page_and_the_tests_agree():
    page = (ROOT / "doc/traps.md").read_text()
    tests = (ROOT / "tests/end_to_end/test_traps.py").read_text()
    cited = re.findall(r"^Test: `(\w+)`$", page, re.M)
    assert cited == re.findall(r"^def (test_\w+)", tests, re.M)
    assert len(cited) == page.count("\n## ")
