"""The packages that `make deb` builds, installed in a small Debian of their own: what they need is
what they say they need, and what they bring works there."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from programs import need
from support import ROOT

pytestmark = [
    pytest.mark.plain_build,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for debootstrap and chroot(2)"),
]

NAMES = {"ferry", "libferry0", "libferry-endpoints0", "libferry-dev"}

# Runs a command with a folder as the root of all files, and /proc there.
INSIDE = ["unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"']

# What debootstrap says where it can't work, whatever the packages are.
HINDRANCES = r"Failed getting release file.*|Couldn't download.*|Cannot install into target.*"


def mirror():
    """Where this machine has Debian 12 from, as apt knows it."""
    done = subprocess.run(
        [need("apt-get"), "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        codename, _, place = line.partition(" ")
        if codename == "bookworm":
            return place
    pytest.skip("apt knows no place that has Debian bookworm")


class Machine:
    """A small Debian in a folder."""

    def __init__(self, root):
        self.root = root

    def words(self, *words):
        return [str(word) for word in (*INSIDE, self.root, *words)]

    def run(self, *words):
        done = subprocess.run(
            self.words(*words), capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def root():
    """A folder whose path is short enough for any socket's name, and that others than root may pass."""
    path = Path(tempfile.mkdtemp(prefix="ferry-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    """What `make deb` said, and a Machine without any package of ours; made at the same time."""
    command = [need("unshare"), "--mount", need("debootstrap"), "--variant=minbase"]
    with open(tmp_path_factory.mktemp("log") / "debootstrap", "w+") as log:
        bootstrap = subprocess.Popen(
            [*command, "bookworm", root, mirror()], stdout=log, stderr=log, start_new_session=True
        )
        try:
            built = subprocess.run(
                ["make", "--no-print-directory", "deb"], cwd=ROOT, capture_output=True, text=True
            )
            code = bootstrap.wait(900)
        finally:
            if bootstrap.poll() is None:
                os.killpg(bootstrap.pid, signal.SIGKILL)
                bootstrap.wait(10)
        log.seek(0)
        said = log.read()
    assert built.returncode == 0, built.stdout + built.stderr
    if code != 0:
        hindrance = re.search(HINDRANCES, said)
        assert hindrance, said
        pytest.skip(f"debootstrap: {hindrance[0]}")
    return built.stdout, Machine(root)


@pytest.fixture(scope="module")
def packages(made):
    """{name: path} of what was built, without what is for debuggers."""
    paths = [ROOT / line for line in made[0].splitlines() if line.endswith(".deb")]
    return {path.name.split("_")[0]: path for path in paths if "-dbgsym_" not in path.name}


@pytest.fixture(scope="module")
def machine(made, packages):
    """The Machine with our packages, and what they said they need."""
    _, machine = made
    for path in packages.values():
        shutil.copy(path, machine.root / "root")
    machine.run(
        *["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--quiet"],
        *["--no-install-recommends", *(f"/root/{path.name}" for path in packages.values())],
    )
    return machine


def echoed(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(b"over and back")
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(4096), b""))


def field(package, name):
    done = subprocess.run(["dpkg-deb", "--field", package, name], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_they_are_built_and_lintian_has_nothing_to_say(made, packages):
    assert set(packages) == NAMES
    assert not [line for line in made[0].splitlines() if re.match(r"[EW]: ", line)], made[0]


def test_the_version_is_the_one_of_the_build(packages):
    version = re.search(r"^  version: '(.*)',$", (ROOT / "meson.build").read_text(), re.M)[1]
    assert {field(path, "Version") for path in packages.values()} == {version}


def test_the_library_needs_libc_only(packages):
    assert re.fullmatch(r"libc6 \(>= [\d.]+\)", field(packages["libferry0"], "Depends"))


def test_it_is_installed_whole(machine):
    states = machine.run("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *NAMES)
    assert set(states.split("\n")) == {f"{name} installed" for name in NAMES} | {""}
    for page in (ROOT / "man").iterdir():
        assert (machine.root / f"usr/share/man/man{page.suffix[1:]}/{page.name}.gz").is_file()
    for page in (ROOT / "doc").glob("*.md"):
        assert list((machine.root / "usr/share/doc/ferry").glob(f"{page.name}*"))
    offered = machine.run("bash", "-c", ". /usr/share/bash-completion/completions/ferry; complete -p ferry")
    assert "_ferry" in offered
    assert (machine.root / "usr/share/zsh/vendor-completions/_ferry").is_file()
    assert (machine.root / "usr/share/fish/vendor_completions.d/ferry.fish").is_file()


def test_the_unit_has_its_program_and_its_user_and_does_not_start(machine):
    unit = (machine.root / "lib/systemd/system/ferry.service").read_text()
    program, user = re.search(r"^ExecStart=(\S+)", unit, re.M)[1], re.search(r"^User=(\S+)", unit, re.M)[1]
    assert (machine.root / program.lstrip("/")).is_file()
    assert re.search(rf"^{user}:", (machine.root / "etc/passwd").read_text(), re.M)
    assert not list((machine.root / "etc/systemd").rglob("*.wants/ferry*"))


def test_the_demonstration_runs(machine, start):
    demo = start(*machine.words("ferry", "demo"))
    demo.wait_for("ferry status -s")
    folder = machine.root / re.search(r"runs in /(\S+);", demo.stdout().decode())[1]
    assert echoed(folder / "echo.sock") == b"over and back"
    assert echoed(folder / "guarded.sock") == b"over and back"
    assert demo.stop() == 0
    assert not folder.exists()


def test_a_configuration_runs_as_the_unit_s_user(machine, start):
    (machine.root / "etc/ferry/echo.conf").write_text("[route e]\nlisten = unix:/run/ferry/e\nto = echo\n")
    machine.run("install", "--directory", "--owner=ferry", "--group=ferry", "/run/ferry")
    environment = {"RUNTIME_DIRECTORY": "/run/ferry"}
    as_ferry = ["setpriv", "--reuid=ferry", "--regid=ferry", "--clear-groups"]
    up = start(*machine.words(*as_ferry, "ferry", "up"), env=environment)
    up.wait_for("started  control")
    assert echoed(machine.root / "run/ferry/e") == b"over and back"
    status = json.loads(machine.run("ferry", "status", "--json", "-s", "/run/ferry/control.sock"))
    [route] = [route for route in status["routes"] if route["name"] == "e"]
    assert route["admitted"] == 1
    account = re.search(r"^ferry:x:(\d+):", (machine.root / "etc/passwd").read_text(), re.M)
    assert Path(f"/proc/{up.pid}").stat().st_uid == int(account[1])
    assert up.stop() == 0


def test_a_program_is_built_with_what_libferry_dev_brings(machine, start):
    """By this machine's compiler, with the headers and libraries of that one; and runs there."""
    [folder] = (machine.root / "usr/lib").glob("*/pkgconfig")
    environment = {
        **os.environ,
        "PKG_CONFIG_SYSROOT_DIR": str(machine.root),
        "PKG_CONFIG_LIBDIR": str(folder),
        "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1",
        "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1",
    }
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libferry-endpoints", "libferry"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout.split()
    assert f"-I{machine.root}/usr/include" in flags
    program = machine.root / "root/other_end"
    subprocess.run(
        ["gcc", "-std=c11", "-Wall", "-Werror", ROOT / "examples/other_end.c", *flags, "-o", program],
        check=True,
    )
    relay = start(*machine.words("ferry", "relay", "unix:/run/x.sock", "echo"))
    relay.wait_for("started")
    assert "u_str" in machine.run("/root/other_end", relay.pid)


def test_nothing_is_left_when_they_are_removed(machine):
    (machine.root / "etc/ferry/echo.conf").unlink(missing_ok=True)
    machine.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "purge", "--yes", "--quiet", *NAMES)
    left = [
        path
        for folder in ("etc", "usr", "lib", "var/lib")
        for path in (machine.root / folder).rglob("*ferry*")
    ]
    assert not left
