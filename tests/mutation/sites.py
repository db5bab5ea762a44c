"""Where a source can be mutated, by its syntax tree (libclang), and the same source with all of these
mutants in it. Sites inside a macro's expansion are left out: their text stands elsewhere, and counts
for every use.

A mutant is one of
    call     a call whose result nobody asks for is left out
    release  the same of a close, free, unref, ...
    atomic   the same of an atomic operation
    negate   the condition of an if, while, do or ?: is turned round
    bound    an if that only leaves (return, goto, break, continue) by a comparison of size is left out
    guard    the same by any other condition
    part     what && or || joins with something else is not asked
    edge     a comparison of size is off by one
    set      a value is not assigned, not counted up or down
    flag     what | joins with something else is left out
"""

import os
import shlex
from dataclasses import dataclass

from clang.cindex import Config, CursorKind, Index, TranslationUnit

Config.set_library_file("libclang-14.so.1")

RELEASES = {
    "close", "free", "unref", "fini", "release", "shutdown", "unlink", "unlinkat", "munmap", "closedir",
    "fclose", "freeifaddrs", "freeaddrinfo", "drop", "remove", "clear", "discard", "forget", "disarm",
}  # fmt: skip
JUMPS = {
    CursorKind.RETURN_STMT,
    CursorKind.GOTO_STMT,
    CursorKind.BREAK_STMT,
    CursorKind.CONTINUE_STMT,
}
ASSIGNMENTS = {CursorKind.COMPOUND_ASSIGNMENT_OPERATOR, CursorKind.UNARY_OPERATOR}
SEQUENCES = {CursorKind.COMPOUND_STMT, CursorKind.LABEL_STMT, CursorKind.DEFAULT_STMT}
# Where among its children a statement has those that it runs; of the others it asks the value.
BODIES = {
    CursorKind.IF_STMT: slice(1, None),
    CursorKind.WHILE_STMT: slice(1, None),
    CursorKind.FOR_STMT: slice(-1, None),
    CursorKind.DO_STMT: slice(0, 1),
}
# Where it has its condition.
CONDITIONS = {
    CursorKind.IF_STMT: 0,
    CursorKind.WHILE_STMT: 0,
    CursorKind.DO_STMT: 1,
    CursorKind.CONDITIONAL_OPERATOR: 0,
}

# The text around a mutant of these kinds, {} is its number; what is around all others drops them.
AROUND = {
    "negate": ("(ferry_mutant({}) != !!(", "))"),
    "part &&": ("(ferry_mutant({}) || (", "))"),
    "part ||": ("(!ferry_mutant({}) && (", "))"),
    "edge": ("((", ") + ferry_mutant({}))"),
    "flag": ("(ferry_mutant({}) ? 0 : (", "))"),
}
DROPPED = ("(ferry_mutant({}) ? (void)0 : (void)(", "))")
# Of these the report shows all that the mutated part stands in.
WHOLE = ("edge", "flag")


@dataclass(frozen=True)
class Site:
    start: int
    end: int
    line: int
    kinds: tuple
    text: str


def parse(entry):
    """The syntax tree of a source, with the flags that the build compiles it with."""
    os.chdir(entry["directory"])
    flags, words = [], iter(shlex.split(entry["command"])[1:])
    for word in words:
        if word in ("-o", "-MF", "-MQ", "-MT"):
            next(words)
        elif word not in ("-c", "-MD", entry["file"]):
            flags.append(word)
    return Index.create().parse(
        entry["file"], flags, options=TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD
    )


def headers_of(tree):
    """The headers that a source includes, as the compiler calls them."""
    return sorted({include.include.name for include in tree.get_includes()})


def sites_of(tree, path):
    """All sites of a source, or of a header that it includes."""
    with open(path, "rb") as file:
        source = file.read()
    macros, functions = [], []
    for cursor in tree.cursor.get_children():
        if not cursor.location.file or cursor.location.file.name != path:
            continue
        if cursor.kind == CursorKind.MACRO_INSTANTIATION:
            macros.append(span(cursor))
        elif cursor.kind == CursorKind.FUNCTION_DECL and cursor.is_definition():
            functions.append(cursor)
    found = {}
    for function in functions:
        for site in sites_within(function, source, macros):
            found.setdefault((site.start, site.end), site)
    return [found[place] for place in sorted(found)]


def sites_within(function, source, macros):
    """Those of a function; what is still to be looked at lies on a stack of its own."""
    waiting = [(function, False)]
    while waiting:
        cursor, is_statement = waiting.pop()
        children = list(cursor.get_children())
        start, end = span(cursor)
        if not any(first <= start and end <= last for first, last in macros):
            parts = mutable(cursor, children, is_statement)
            if is_statement and source.startswith((b"atomic_", b"__atomic_"), start):
                parts = [(cursor, ("atomic",))]
            for part, kinds in parts:
                start, end = span(part)
                torn = any(a < start < b or a < end < b for a, b in macros)
                if kinds and start < end and not torn:
                    whole = cursor if kinds[0] in WHOLE else part
                    text = " ".join(source[slice(*span(whole))].decode().split())
                    yield Site(start, end, part.extent.start.line, kinds, text)
        if cursor.kind == CursorKind.CASE_STMT:
            children = bodies = children[1:]
        elif cursor.kind in BODIES:
            bodies = children[BODIES[cursor.kind]]
        elif cursor.kind in SEQUENCES:
            bodies = children
        else:
            bodies = []
        if cursor.kind not in (CursorKind.VAR_DECL, CursorKind.DECL_STMT) or not is_static(cursor):
            waiting += [(child, child in bodies) for child in children]


def mutable(cursor, children, is_statement):
    """What of this is mutated, each with the kinds."""
    if cursor.kind in CONDITIONS:
        return [(children[CONDITIONS[cursor.kind]], ("negate", *leaving(cursor, children)))]
    if is_statement:
        return [(cursor, dropping(cursor, children))]
    if cursor.kind != CursorKind.BINARY_OPERATOR:
        return []
    word = operator(cursor)
    if word in ("&&", "||"):
        return [(child, (f"part {word}",)) for child in children if not joins(child, word)]
    if word == "|":
        return [(child, ("flag",)) for child in children if not joins(child, word)]
    if compares(cursor):
        return [(children[word in ("<", ">=")], ("edge",))]
    return []


def operator(cursor):
    """A binary operator's own token."""
    left = next(cursor.get_children()).extent.end.offset
    for token in cursor.get_tokens():
        if token.extent.start.offset >= left:
            return token.spelling
    return ""


def joins(cursor, word):
    return cursor.kind == CursorKind.BINARY_OPERATOR and operator(cursor) == word


def span(cursor):
    return cursor.extent.start.offset, cursor.extent.end.offset


def is_static(cursor):
    """Whether a variable's value must be a constant."""
    return any(token.spelling == "static" for token in list(cursor.get_tokens())[:1])


def leaving(cursor, children):
    """The kind of an if that does nothing but leave."""
    if cursor.kind != CursorKind.IF_STMT or len(children) != 2:
        return ()
    body = children[1]
    if body.kind == CursorKind.COMPOUND_STMT:
        [*_, body] = [*body.get_children()] or [body]
    if body.kind not in JUMPS:
        return ()
    return ("bound",) if any(compares(one) for one in children[0].walk_preorder()) else ("guard",)


def compares(cursor):
    """Whether an expression is a comparison of size. One with 0 asks whether something failed."""
    if cursor.kind != CursorKind.BINARY_OPERATOR:
        return False
    _, right = cursor.get_children()
    if [token.spelling for token in right.get_tokens()] == ["0"]:
        return False
    return operator(cursor) in ("<", ">", "<=", ">=")


def dropping(cursor, children):
    """The kind of a statement that is nothing but a call or an assignment."""
    if cursor.kind in ASSIGNMENTS or joins(cursor, "="):
        return ("set",)
    if cursor.kind == CursorKind.CSTYLE_CAST_EXPR and len(children) == 1:
        [cursor] = children
        if cursor.kind == CursorKind.UNARY_OPERATOR:  # (void)!call()
            [cursor] = cursor.get_children()
    if cursor.kind == CursorKind.CALL_EXPR:
        words = cursor.spelling.split("_")
        return ("release",) if RELEASES.intersection(words) else ("call",)
    return ()


def instrumented(source, sites, first):
    """The source with every mutant of its sites, numbered from `first` on in their order."""
    insertions, number = [], first
    for site in sites:
        numbers = range(number, number + len(site.kinds))
        number += len(site.kinds)
        before, after = AROUND.get(site.kinds[0], DROPPED)
        if len(numbers) > 1:
            before = f"(!ferry_mutant({numbers[1]}) && ferry_mutant({{}}) != !!("
        before, after = before.format(numbers[0]), after.format(numbers[0])
        # Where several meet: what ends stands before what begins, outer ones enclose inner ones.
        insertions.append((site.start, 1, -site.end, before))
        insertions.append((site.end, 0, -site.start, after))
    pieces, at = [], 0
    for place, _, _, text in sorted(insertions):
        pieces += [source[at:place], text.encode()]
        at = place
    return b"".join(pieces) + source[at:]
