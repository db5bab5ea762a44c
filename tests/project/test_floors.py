"""The house has floors: a file includes its own folder, lower floors and the public headers only.

The checker reads every #include below a root, so it is tried here on planted trees as well as on
the real one: a checker that cannot find anything would hold nothing.
"""

import re

import pytest

from interface import without_comments
from support import ROOT

FLOORS = {
    "base": 0,
    "wire": 1,
    "memory": 1,
    "loop": 1,
    "transport": 2,
    "channel": 3,
    "endpoints": 4,
    "process": 4,
    "route": 5,
    "service": 6,
    "command": 7,
}
LIBRARY_TOP = FLOORS["channel"]
# Floors above the library reach these through include/ferry only: that proves the interface.
BEHIND_INTERFACE = {"transport", "channel", "endpoints"}

# What libc (and the kernel's headers with it) brings; all that the library and its public headers
# may include besides themselves.
LIBC_FOLDERS = {"sys", "netinet", "net", "arpa", "linux", "asm", "bits"}
LIBC_HEADERS = set(
    """
    aio alloca assert byteswap complex cpio ctype dirent dlfcn elf endian err errno error execinfo
    fcntl features fenv float fnmatch fts ftw getopt glob grp gshadow iconv ifaddrs inttypes iso646
    langinfo libgen limits link locale malloc math mntent monetary mqueue netdb nl_types paths poll
    pthread pty pwd regex resolv sched search semaphore setjmp signal spawn stdalign stdarg
    stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings syscall sysexits syslog
    tar termios tgmath threads time uchar ucontext unistd utime utmp utmpx wait wchar wctype wordexp
    """.split()
)


def includes(path):
    """Yields (line, quoted, name) of every #include."""
    for number, line in enumerate(without_comments(path.read_text()).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>|(.*))', line)
        if match:
            yield number, match[1] is not None, match[1] or match[2] or match[3]


def from_libc(name):
    folder, _, rest = name.partition("/")
    if rest:
        return folder in LIBC_FOLDERS
    return name.endswith(".h") and name[:-2] in LIBC_HEADERS


def check_internal(folder, name):
    """Why src/<folder>/ may not include "name", or None."""
    target = name.split("/")[0]
    if "/" not in name or ".." in name.split("/"):
        return 'is not written "folder/file.h"'
    if target not in FLOORS:
        return "is in no known folder"
    if target == folder:
        return None
    if FLOORS[target] == FLOORS[folder]:
        return "goes sideways"
    if FLOORS[target] > FLOORS[folder]:
        return "goes up"
    if FLOORS[folder] > LIBRARY_TOP and target in BEHIND_INTERFACE:
        return "goes past the public interface"
    return None


def check_system(floor, name, root):
    """Why a file on `floor` (None: a public header) may not include <name>, or None."""
    if name.startswith("ferry/"):
        return None if (root / "include" / name).is_file() else "is no public header"
    if (floor is None or floor <= LIBRARY_TOP) and not from_libc(name):
        return "is outside libc"
    return None


def violations(root):
    """Every include below root that breaks the floors, as "file:line: name why"."""
    found = []

    def note(path, line, name, why):
        if why:
            found.append(f"{path.relative_to(root)}:{line}: {name} {why}")

    for path in sorted((root / "src").rglob("*.[ch]")):
        folder = path.relative_to(root / "src").parts[0]
        if folder not in FLOORS:
            found.append(f"{path.relative_to(root)}:0: {folder} is in no known folder")
            continue
        for line, quoted, name in includes(path):
            if quoted:
                note(path, line, name, check_internal(folder, name))
            else:
                note(path, line, name, check_system(FLOORS[folder], name, root))
    for path in sorted((root / "include").rglob("*.h")):
        for line, quoted, name in includes(path):
            if quoted:
                note(path, line, name, "is quoted in a public header")
            else:
                note(path, line, name, check_system(None, name, root))
    return found


def test_the_house_stands():
    assert len(list((ROOT / "src").rglob("*.c"))) > 3
    assert violations(ROOT) == []


def plant(root, path, text):
    for needed in ("src", "include/ferry"):
        (root / needed).mkdir(parents=True, exist_ok=True)
    (root / "include/ferry/error.h").write_text("#include <stddef.h>\n")
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.parametrize(
    "path, line, why",
    [
        ("src/base/a.c", '#include "wire/b.h"', "goes up"),
        ("src/wire/a.h", '#include "loop/b.h"', "goes sideways"),
        ("src/loop/a.c", '  #  include "memory/b.h" // why', "goes sideways"),
        ("src/channel/a.c", '#include "route/b.h"', "goes up"),
        ("src/process/a.c", '#include "channel/b.h"', "goes past the public interface"),
        ("src/service/echo/a.c", '#include "transport/b.h"', "goes past the public interface"),
        ("src/command/a.c", '#include "a.h"', 'is not written "folder/file.h"'),
        ("src/route/a.c", '#include "route/../command/a.h"', 'is not written "folder/file.h"'),
        ("src/route/a.c", '#include "elsewhere/a.h"', "is in no known folder"),
        ("src/elsewhere/a.c", "int x;", "is in no known folder"),
        ("src/channel/a.c", "#include <jansson.h>", "is outside libc"),
        ("src/route/a.c", "#include <ferry/missing.h>", "is no public header"),
        ("src/base/a.c", "#include HEADER", "is outside libc"),
        ("include/ferry/a.h", "#include <ares.h>", "is outside libc"),
        ("include/ferry/a.h", '#include "base/bytes.h"', "is quoted in a public header"),
    ],
)
def test_a_planted_violation_is_found(tmp_path, path, line, why):
    plant(tmp_path, path, f"/* #include <none.h> */\n{line}\n")
    [found] = violations(tmp_path)
    assert found.startswith(f"{path}:") and found.endswith(why)


def test_the_permitted_is_permitted(tmp_path):
    plant(
        tmp_path,
        "src/service/http/a.c",
        '#include "service/http/a.h"\n#include "route/b.h"\n#include "wire/c.h"\n'
        "#include <ferry/error.h>\n#include <jansson.h>\n#include <sys/socket.h>\n",
    )
    plant(tmp_path, "src/channel/a.c", '#include "transport/b.h"\n#include "loop/b.h"\n')
    assert violations(tmp_path) == []
