"""Each public header compiles alone, as strict C11 and as C++."""

import subprocess

import pytest

from interface import HEADERS, headers_of
from support import ROOT

# POSIX.1-2008: pid_t, struct iovec and the like are not ISO C.
COMMON = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-D_POSIX_C_SOURCE=200809L", "-fsyntax-only"]
LANGUAGES = {
    "gcc C11": ["gcc", "-std=c11", "-x", "c", "-Wstrict-prototypes"],
    "clang C11": ["clang", "-std=c11", "-x", "c", "-Wstrict-prototypes"],
    "g++ C++11": ["g++", "-std=c++11", "-x", "c++"],
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_header_compiles_alone(tmp_path, language):
    for header in HEADERS:
        source = tmp_path / "alone.source"
        source.write_text(f"#include <ferry/{header.name}>\nextern int ends_here;\n")
        done = subprocess.run(
            [*LANGUAGES[language], *COMMON, "-I", ROOT / "include", source],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


def test_the_whole_includes_each_of_the_library():
    whole = (ROOT / "include" / "ferry" / "ferry.h").read_text()
    for header in HEADERS:
        if header.name != "ferry.h":
            included = f"#include <ferry/{header.name}>" in whole
            assert included == (header in headers_of("libferry")), header.name
