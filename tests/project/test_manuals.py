"""The manual pages: well formed, and saying what the program and the library really have."""

import os
import re
import signal
import socket
import subprocess
import textwrap
import threading

import pytest

from interface import public_functions
from support import BUILD, ROOT, listens, wait_until

MAN = ROOT / "man"
PAGES = sorted(MAN.glob("*.[1-8]"))


def render(page):
    """A page as its reader sees it, without backspaces."""
    done = subprocess.run(["mandoc", "-Tascii", page], capture_output=True, text=True, check=True)
    return re.sub(".\b", "", done.stdout)


def sections(text, macro):
    """{title: source} of the parts that begin with .Sh or .Ss."""
    parts = re.split(rf"^\.{macro} (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def help_of(ferry, *words):
    done = subprocess.run([ferry, *words, "--help"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    return done.stdout


def verbs_of(ferry):
    part = re.search(r"^Verbs:\n(.*?)\n\n", help_of(ferry), re.MULTILINE | re.DOTALL)
    return re.findall(r"^  (\S+)", part[1], re.MULTILINE)


def options_of(ferry, verb):
    """{long: short or ""} as argp(3) prints them, one a line."""
    lines = re.findall(r"^ +(?:-(\S), +)?--([a-z-]+)", help_of(ferry, verb), re.MULTILINE)
    return {name: short for short, name in lines if name not in ("help", "usage")}


def test_there_is_a_page_for_everything():
    assert [page.name for page in PAGES] == [
        "ferry-address.7",
        "ferry.1",
        "ferry.conf.5",
        "libferry-endpoints.3",
        "libferry.3",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_has_nothing_to_say(page):
    done = subprocess.run(["mandoc", "-Tlint", page], capture_output=True, text=True)
    said = [
        line
        for line in done.stdout.splitlines()
        # Whether other people's pages are installed is this machine's business.
        if "referenced manual not found" not in line
    ]
    assert not said, "\n".join(said)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_references_among_our_pages_lead_somewhere(page):
    names = {page.name for page in PAGES}
    for name, section in re.findall(r"^\.Xr (\S*ferry\S*) (\d)", page.read_text(), re.MULTILINE):
        assert f"{name}.{section}" in names


# --- ferry(1) --------------------------------------------------------------------------------------


def test_every_verb_has_its_part(ferry):
    titles = sections((MAN / "ferry.1").read_text(), "Ss")
    told = [title.removeprefix("ferry ") for title in titles if title.startswith("ferry ")]
    assert told == verbs_of(ferry)


def test_every_option_is_told_and_no_other(ferry):
    parts = sections((MAN / "ferry.1").read_text(), "Ss")
    for verb in verbs_of(ferry):
        told = {}
        for items in re.findall(r"^\.It (Fl .*)$", parts[f"ferry {verb}"], re.MULTILINE):
            short = re.search(r"Fl (\w)\b", items)
            told[re.search(r"Fl -([a-z-]+)", items)[1]] = short[1] if short else ""
        assert told == options_of(ferry, verb), verb


def test_the_synopsis_has_every_option(ferry):
    synopsis = sections((MAN / "ferry.1").read_text(), "Sh")["SYNOPSIS"]
    lines = {
        verb: words
        for verb, words in re.findall(r"^\.Cm (\w+)\n((?:(?!\.Nm).*\n)*)", synopsis, re.MULTILINE)
    }
    for verb in verbs_of(ferry):
        shorts = "".join(re.findall(r"Fl (\w+)\b", lines[verb]))
        longs = re.findall(r"Fl -([a-z-]+)", lines[verb])
        for name, short in options_of(ferry, verb).items():
            assert name in longs or (short and short in shorts), (verb, name)


def test_the_services_are_those_that_a_route_may_name(run_ferry):
    done = run_ferry("relay", "unix:x.sock", "nosuchservice")
    there = re.search(r"there are: ([a-z, ]+)", done.stderr)[1].split(", ")
    part = sections((MAN / "ferry.1").read_text(), "Ss")["Services"]
    assert re.findall(r"^\.It Cm (\w+)", part, re.MULTILINE) == there


# --- ferry-address(7) --------------------------------------------------------------------------------


def option_table():
    """{(key, scheme): verbs} of the table in the source."""
    enum = (ROOT / "include/ferry/address.h").read_text()
    schemes = re.findall(r"^    (FERRY_\w+),", enum, re.MULTILINE)
    source = (ROOT / "src/wire/address_options.c").read_text().replace("\\\n", " ")
    values = {name: index for index, name in enumerate(schemes)}
    values.update(ADDRESS_LISTEN=1, ADDRESS_DIAL=2)

    def value(expression):
        return eval(re.sub(r"\b(\d+)u\b", r"\1", expression), {}, values)

    for name, expression in re.findall(r"^#define (\w+) +(.+)$", source, re.MULTILINE):
        values[name] = value(expression)
    names = {"STDIO": "-"}
    table = {}
    rows = re.findall(r'^    \{ "([\w-]+)", ([^,]+), ([^,]+), VALUE', source, re.MULTILINE)
    assert rows
    for key, which, verbs in rows:
        for index, scheme in enumerate(schemes):
            if value(which) & 1 << index:
                word = scheme.removeprefix("FERRY_")
                word = names.get(word, word.lower().replace("_", "-"))
                table[key, word] = ("L", "D", "LD")[(value(verbs) & 3) - 1]
    return table


def test_the_table_of_options_is_that_of_the_parser():
    part = sections((MAN / "ferry-address.7").read_text(), "Sh")["OPTIONS"]
    told, key = {}, None
    for line in re.findall(r"^\.It (.*Ta.*)$", part, re.MULTILINE):
        words = [word.strip() for word in line.split("Ta")]
        if words[0].startswith("Em"):
            continue
        key = words[0].removeprefix("Cm ") or key
        for scheme in words[1].split():
            told[key, scheme] = words[2]
    assert told == option_table()
    explained = re.findall(r"Cm ([\w-]+)", "".join(re.findall(r"^\.It Cm (?!.*Ta).*$", part, re.M)))
    assert {key for key, _ in told} <= set(explained)


def test_every_scheme_has_its_line():
    parts = sections((MAN / "ferry-address.7").read_text(), "Sh")
    schemes = {scheme for _, scheme in option_table()} | {"exec"}
    assert set(re.findall(r"^\.It Cm ([a-z-]+)", parts["DESCRIPTION"], re.M)) == schemes
    assert set(re.findall(r"^\.It Cm ([a-z-]+) Ta", parts["CAPABILITIES"], re.M)) == schemes - {"fd"}


def test_the_examples_are_addresses(run_ferry):
    part = sections((MAN / "ferry-address.7").read_text(), "Sh")["EXAMPLES"]
    addresses = [word.replace("\\e", "\\") for word in re.findall(r"^\.It Li (.*)$", part, re.M)]
    assert len(addresses) > 10
    done = run_ferry("check", *addresses)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(addresses)


# --- ferry.conf(5) -----------------------------------------------------------------------------------


def test_the_examples_are_configurations(run_ferry, tmp_path):
    text = (MAN / "ferry.conf.5").read_text()
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 4
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.conf"
        # The page's people do not live everywhere.
        path.write_text(block.replace("group:dev", "group:root").replace("www-data", "root"))
        done = run_ferry("check", "-c", path)
        assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_every_key_of_a_route_is_told(run_ferry, tmp_path):
    path = tmp_path / "ferry.conf"
    path.write_text("[route x]\nlisten = unix:x\nto = echo\nnosuchkey = 1\n")
    done = run_ferry("check", "-c", path)
    keys = set(re.search(r"it has ([a-z, -]+)", done.stderr)[1].split(", "))
    parts = sections((MAN / "ferry.conf.5").read_text(), "Ss")
    assert set(re.findall(r"^\.It Cm ([\w-]+) No =", parts["Sections route"], re.M)) == keys


# --- libferry(3) -------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["libferry", "libferry-endpoints"])
def test_every_function_is_mentioned_and_no_other(library):
    text = (MAN / f"{library}.3").read_text()
    prose = text[: text.index(".Sh EXAMPLES")]
    told = set(re.findall(r"^\.Fn (ferry_\w+)", prose, re.MULTILINE))
    assert told == public_functions(library)


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    """The program of EXAMPLES as a reader would copy it, built by the page's own command line."""
    folder = tmp_path_factory.mktemp("guard")
    text = render(MAN / "libferry.3")
    program = re.search(r"^ +/\* guard\.c.*?^ +}\n(?=\n\S)", text, re.MULTILINE | re.DOTALL)[0]
    (folder / "guard.c").write_text(textwrap.dedent(program))
    subprocess.run(
        ["cc", "-Wall", "-Wextra", "-Werror", "guard.c", f"-I{ROOT}/include", f"-L{BUILD}"]
        + [f"-Wl,-rpath,{BUILD}", "-lferry", "-o", "guard"],
        cwd=folder,
        check=True,
        timeout=60,
    )
    return folder / "guard"


def echo_once(path):
    """A server that echoes to one client."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve():
        with server, server.accept()[0] as client:
            while data := client.recv(65536):
                client.sendall(data)

    threading.Thread(target=serve, daemon=True).start()


def connected(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    return client


def test_the_example_carries(guard, start, runtime_dir):
    echo_once(runtime_dir / "app.sock")
    process = start(guard, "unix:guard.sock", "unix:app.sock", f"uid:{os.getuid()}")
    wait_until(lambda: listens(runtime_dir / "guard.sock"))
    with connected(runtime_dir / "guard.sock") as client:
        client.sendall(b"over and back")
        client.shutdown(socket.SHUT_WR)
        received = b""
        while data := client.recv(65536):
            received += data
    assert received == b"over and back"
    assert process.stop(signal.SIGTERM) == 0
    assert not (runtime_dir / "guard.sock").exists()


def test_the_example_refuses(guard, start, runtime_dir):
    process = start(guard, "unix:guard.sock", "unix:app.sock", "uid:4294967294")
    wait_until(lambda: listens(runtime_dir / "guard.sock"))
    with connected(runtime_dir / "guard.sock") as client:
        assert client.recv(1) == b""
    process.wait_for(f'pid {os.getpid()} uid {os.getuid()}: refused by "no rule admits it"')


def test_the_example_says_what_is_wrong(guard, start):
    process = start(guard, "unix:guard.sock", "nowhere:x", "any")
    assert process.wait() == 1
    assert process.stderr().startswith("nowhere:x: column 1: ")
