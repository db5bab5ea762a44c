"""Every example of the manual pages, and of what --help tells, is run as it is written there, on a
machine of its own where what it names exists. What carries something must carry it, from where it
listens to where it leads, for whom it admits and for nobody else; what shows something must show it.

A new example is run without a word here, unless something must be there before: manual_needs.py.
"""

import configparser
import pwd
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

import manuals
from manual_needs import ELSEWHERE, FILES, MEANWHILE, NEEDS, NUMBERS, OPENED, SERVER
from programs import need
from stage import Stage, install, why_not
from support import wait_until

pytestmark = [
    pytest.mark.plain_build,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "there can be one"),
]

EXAMPLES = manuals.examples()
HELP = manuals.examples_of_all_help()

# Commands that go on until they are ended, and those with nothing to say.
GOES_ON = (
    r"\bferry (relay|up|take|demo)\b|\bferry ping (?!.*-c)|\bferry top (?!.*-n)|\bferry top$"
    r"|\./guard\b| (-f|--follow)\b"
)
SILENT = r"^(cc|ip|printf '\[) |> \S+$|\bferry pass\b|/dev/log|select\(|--report"

# What jq(1), journalctl(1) and ping say when there was nothing.
NOTHING = r"\bnull\b|^-- No entries --$|unreachable"

# What a service is asked, and what stands in its answer. Whatever else listens is told "hello".
SERVICES = {
    "echo": ("hello", r"^hello$"),
    "clock": ("hello", r"^\d{4}-\d\d-\d\dT"),
    "metrics": (r"GET /metrics HTTP/1.0\r\n\r", r"^ferry_build_info"),
    "exec:sort -u": ("hello", r"^hello$"),
}


class Route(NamedTuple):
    """What an example carries, and by its rule for whom."""

    listen: str
    to: str
    subject: str | None
    user: str | None


@pytest.fixture(scope="module")
def installed():
    folder = Path(tempfile.mkdtemp(prefix="ferry-installed-", dir="/tmp"))
    install(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stage(start, runtime_dir, installed):
    need("ip", "unshare", "nsenter", "setpriv", "ss", "jq", "curl")
    stage = Stage(start, runtime_dir, installed)
    for name, text in FILES.items():
        (stage.work / name).write_text(text)
    return stage


def prepare(stage, example):
    for pattern, steps in NEEDS.items():
        for step in steps if re.search(pattern, example.text) else ():
            if isinstance(step, str):
                assert stage.run(step).returncode == 0, step
            else:
                arrange(stage, *step)


def arrange(stage, command, address):
    stage.begin(command)
    if address:
        stage.wait_until_listens(address)


def as_of_today(stage, command):
    for number, how in NUMBERS.items():
        if re.search(number, command):
            command = re.sub(number, stage.run(how).stdout.strip(), command)
    return command


# --- what carries ---------------------------------------------------------------------------------


def routes_of_events(process, count):
    """The routes that ferry says it has started, each as (name, listen, to)."""

    def started():
        assert process.running(), process.stderr()
        found = re.findall(r" started +(\S+): (\S.*?) -> (.*); [^;]*$", process.stderr(), re.MULTILINE)
        return len(found) >= count and found

    return [one for one in wait_until(started, what="it has started") if one[2] != "control"]


def routes_of_command(process, command):
    said = {key: value for key, value in re.findall(r"--(allow|user)[ =](\S+)", command)}
    return [
        Route(listen, to, said.get("allow"), said.get("user"))
        for _, listen, to in routes_of_events(process, 1)
    ]


def routes_of_configuration(process, text):
    read = configparser.ConfigParser(strict=False, default_section="ferry")
    read.read_string("[ferry]\n" + text)
    names = [name.removeprefix("route ") for name in read.sections() if name.startswith("route ")]
    return [
        Route(listen, to, read[f"route {name}"].get("allow"), read[f"route {name}"].get("user"))
        for name, listen, to in routes_of_events(process, len(names))
    ]


def bare(address):
    """Where an address is dialled from here."""
    address = address.split(",")[0]
    return OPENED.get(address, (address,))[0].replace(":0.0.0.0:", ":here:")


def ask(stage, route, user="root", text="hello"):
    return stage.run(f"printf '{text}\\n' | ferry connect '{bare(route.listen)}'", user).stdout


def client_of(route):
    """Somebody whom a route admits, and not root if others are."""
    if not route.subject:
        return "web" if "mode=0666" in route.listen else "root"
    kind, _, name = route.subject.partition(":")
    if kind == "uid":
        return pwd.getpwuid(int(name)).pw_name
    return {"user": name, "group": "web"}.get(kind, "root")


def serve(stage, address):
    """A server where a route leads, if nobody is there yet."""
    address = bare(address)
    if stage.listens(address):
        return
    options = ",mode=0666" if address.startswith("unix") else " --allow any"
    if address.startswith("unix"):
        stage.run(f"mkdir -p $(dirname {address.split(':')[1]})")
    stage.begin(f"ferry relay {address}{options}{SERVER}")
    stage.wait_until_listens(address)


def prove(stage, route):
    client = client_of(route)
    if route.to.startswith("file:"):
        ask(stage, route, client)
        path = stage.path(bare(route.to).removeprefix("file:"))
        wait_until(lambda: path.exists() and "hello\n" in path.read_text(), what=f"{path} is written")
    elif route.to in SERVICES:
        question, answer = SERVICES[route.to]
        # Again, since a datagram's answer may come when nobody waits for it any more.
        wait_until(
            lambda: re.search(answer, ask(stage, route, client, question), re.MULTILINE),
            what=f"an answer like {answer} through {route}",
        )
    else:
        serve(stage, route.to)
        seen = {None: "root", "peer": client}.get(route.user, route.user)
        if not route.to.startswith("unix"):
            seen = "somebody"
        assert ask(stage, route, client) == f"heard hello from {seen}\n", route
    if (route.subject or "any").split(":")[0] not in ("any", "peer"):
        assert ask(stage, route, "stranger") == "", f"a stranger is admitted: {route}"


# --- what is typed ---------------------------------------------------------------------------------


def follow(stage, process):
    """It tells something more after the first line, while somebody comes and goes, who stays for
    longer than there is between two looks: else nobody would see him."""

    def told():
        stage.run("sleep 1.2 | ferry connect unix:/run/app.sock")
        assert process.running(), process.stderr()
        return process.stdout().count(b"\n") > 1

    wait_until(told, 15, f"it tells what happens: {process.command[-1]}")


def begin(stage, command, example):
    """A command that goes on; returns what is to be asked of it when the others have run."""
    # To let another user read a file one must be another user.
    process = stage.begin(command, "web" if command.startswith("ferry take") else "root")
    if "ferry relay" in command:
        routes = routes_of_command(process, command)
        return lambda: [prove(stage, route) for route in routes]
    if "./guard" in command:
        listen, to, subject = command.split()[1:]
        stage.wait_until_listens(bare(listen))
        return lambda: prove(stage, Route(listen, to, subject, None))
    if "ferry up" in command:
        process.wait_for("control.sock")
        return lambda: run(stage, "ferry status")
    if "ferry take" in command:
        address = bare(re.search(r"unix:\S+", command)[0])
        stage.wait_until_listens(address)
        passer = None if "ferry pass" in example.text else f"ferry pass {address} notes.txt"
        return lambda: check_taker(stage, process, passer)
    if "ferry ping" in command:
        return lambda: check_ping(stage, process)
    return lambda: follow(stage, process)


def check_ping(stage, process):
    """Everybody has answered, if it says so when it is interrupted."""
    follow(stage, process)
    stage.run("kill -INT $(pgrep -xf 'ferry ping .*')")
    assert process.wait() == 0, process.stdout()


def check_taker(stage, process, passer):
    if passer:
        run(stage, passer, "web")
    assert process.wait() == 0, process.stderr()
    assert process.stdout(), "what was taken is told"


def run(stage, command, user="root"):
    for _ in range(5):
        done = stage.run(command, user)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        # The answer to a datagram may come when it is waited for no more.
        if done.stdout or "--wait" not in command:
            break
    if not re.search(SILENT, command):
        assert done.stdout.strip(), f"it says nothing: {command}"
        nothing = re.search(NOTHING, done.stdout, re.MULTILINE)
        assert not nothing, f"there was nothing: {command}\n{done.stdout}"


# --- what is compiled ------------------------------------------------------------------------------

# What is around the part of a program that looks at a table.
AROUND = """#include <ferry/endpoints.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    struct ferry_endpoints *table;
    int pid = atoi(argv[argc - 1]);
    if (ferry_endpoints_new(NULL, &table, NULL) < 0)
        return 1;
    %s
    ferry_endpoints_free(table);
    return 0;
}
"""


def write_program(stage, example):
    """A whole program tells its name, and has commands that compile it; a part is run here."""
    name = re.match(r"/\* (\S+\.c) ", example.program)
    if name:
        assert any(f"cc {name[1]} " in command for command in example.commands)
        (stage.work / name[1]).write_text(example.program)
        return
    (stage.work / "part.c").write_text(AROUND % example.program)
    libraries = "$(pkg-config --cflags --libs libferry-endpoints libferry)"
    run(stage, f"cc -Wall -Wextra -Werror part.c {libraries} -o part")
    stage.begin("ferry relay unix:/run/app.sock echo")
    stage.wait_until_listens("unix:/run/app.sock")
    assert "u_str LISTEN 0\n" in stage.run("./part $(pgrep -x ferry)").stdout


def run_configuration(stage, text):
    (stage.work / "ferry.conf").write_text(text)
    opened = [how for word, how in OPENED.items() if word in text]
    process = stage.begin("".join(before for _, before in opened) + "ferry up -c ferry.conf")
    for address, _ in opened:
        # Who has opened it waits for the first that comes.
        stage.wait_until_listens(address)
        stage.begin(f"ferry connect {address}")
    for route in routes_of_configuration(process, text):
        prove(stage, route)


@pytest.mark.parametrize("example", EXAMPLES + HELP, ids=str)
def test_an_example(example, stage):
    for pattern, reason in ELSEWHERE.items():
        if re.search(pattern, example.text):
            pytest.skip(reason)
    prepare(stage, example)
    if example.configuration:
        run_configuration(stage, example.configuration)
    if example.program:
        write_program(stage, example)
    going_on = []
    for command in example.commands:
        for pattern, step in MEANWHILE.items():
            if re.search(pattern, command):
                arrange(stage, *step)
        command = as_of_today(stage, command.removesuffix("&").strip())
        if re.search(GOES_ON, command):
            going_on.append(begin(stage, command, example))
        else:
            run(stage, command)
    for check in going_on:
        check()


def test_there_is_something_to_run():
    pages = [example.page for example in EXAMPLES]
    assert {page.name for page in manuals.PAGES} == set(pages)
    assert sum(len(example.commands) for example in EXAMPLES) > 25


@pytest.mark.parametrize("page", manuals.PAGES, ids=lambda page: page.name)
def test_examples_can_be_copied_from_a_terminal(page):
    """A line that does not fit is broken where no shell would have it broken."""
    done = subprocess.run(["mandoc", "-Tutf8", page], capture_output=True, text=True, check=True)
    shown = {line.strip() for line in re.sub(".\b", "", done.stdout).splitlines()}
    shown |= {line.removeprefix("$ ") for line in shown}
    for example in EXAMPLES:
        if example.page == page.name and not example.in_text:
            lines = {line.strip() for line in example.text.splitlines()}
            assert lines <= shown, "\n".join(sorted(lines - shown))
