"""What the public headers declare, read from their text."""

import re

from support import ROOT

HEADERS = sorted((ROOT / "include" / "ferry").glob("*.h"))

# Headers that belong to a library of their own; all others are libferry's.
APART = {"libferry-endpoints": ["endpoints.h"]}
# The lists of what each library exports.
MAPS = {
    "libferry": ROOT / "src" / "libferry.map",
    "libferry-endpoints": ROOT / "src" / "endpoints" / "libferry-endpoints.map",
}


def headers_of(library):
    apart = [name for names in APART.values() for name in names]
    names = APART.get(library) or [path.name for path in HEADERS if path.name not in apart]
    return [path for path in HEADERS if path.name in names]


def without_comments(text):
    """C without comments, line numbers kept."""
    return re.sub(
        r"/\*.*?\*/|//[^\n]*", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL
    )


def public_functions(library="libferry"):
    """Names of all functions that a library's public headers declare FERRY_PUBLIC."""
    names = set()
    for header in headers_of(library):
        text = re.sub(r"^\s*#.*$", "", without_comments(header.read_text()), flags=re.MULTILINE)
        names.update(re.findall(r"\bFERRY_PUBLIC\b[^;]*?\b(ferry_\w+)\s*\(", text))
    return names


def mapped_functions(text):
    """Names in the global part of a linker version script."""
    part = re.search(r"global:(.*?)local:", without_comments(text), re.DOTALL)
    return re.findall(r"(\w+);", part[1])
