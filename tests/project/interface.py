"""What the public headers declare, read from their text."""

import re

from support import ROOT

HEADERS = sorted((ROOT / "include" / "ferry").glob("*.h"))


def without_comments(text):
    """C without comments, line numbers kept."""
    return re.sub(
        r"/\*.*?\*/|//[^\n]*", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL
    )


def public_functions():
    """Names of all functions that a public header declares FERRY_PUBLIC."""
    names = set()
    for header in HEADERS:
        text = re.sub(r"^\s*#.*$", "", without_comments(header.read_text()), flags=re.MULTILINE)
        names.update(re.findall(r"\bFERRY_PUBLIC\b[^;]*?\b(ferry_\w+)\s*\(", text))
    return names


def mapped_functions(text):
    """Names in the global part of a linker version script."""
    part = re.search(r"global:(.*?)local:", without_comments(text), re.DOTALL)
    return re.findall(r"(\w+);", part[1])
