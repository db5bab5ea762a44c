"""A real MariaDB server behind ferry: its own clients, under load, while the configuration is read
again and again; and a user whom the socket does not admit."""

import json
import os
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from programs import need
from support import wait_until

STRANGER = 4002

pytestmark = pytest.mark.timeout(180)


# MariaDB does not run as root.
AS_NOBODY = ["--user=nobody"] if os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def template():
    """A fresh data directory, made once."""
    install = need("mariadb-install-db")
    folder = Path(tempfile.mkdtemp(prefix="ferry-mariadb-", dir="/tmp"))
    os.chmod(folder, 0o755)
    subprocess.run(
        [install, "--no-defaults", f"--datadir={folder}/data", "--skip-test-db", *AS_NOBODY]
        + ["--auth-root-authentication-method=normal", "--innodb-log-file-size=4M"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(start, runtime_dir, template):
    """A server on a socket of its own; returns the socket's path."""
    server = need("mariadbd")
    os.chmod(runtime_dir, 0o755)
    folder = runtime_dir / "mariadb"
    subprocess.run(["cp", "-a", template, folder], check=True)
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    path = folder / "db.sock"
    process = start(
        server,
        "--no-defaults",
        f"--datadir={folder}/data",
        f"--socket={path}",
        f"--pid-file={folder}/pid",
        "--skip-networking",
        "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=4M",
        *AS_NOBODY,
    )
    process.wait_for("ready for connections", 60)
    return path


def query(path, text, **options):
    return subprocess.run(
        ["mariadb", "--no-defaults", f"--socket={path}", "--user=root", "--batch"]
        + ["--skip-column-names", f"--execute={text}"],
        capture_output=True,
        text=True,
        timeout=30,
        **options,
    )


def test_its_client_is_answered_through_a_relay(database, start_ferry, runtime_dir):
    relay = start_ferry("relay", "unix:db.sock", f"unix:{database}")
    relay.wait_for("started")
    done = query(runtime_dir / "db.sock", "select 6 * 7, repeat('x', 1000000)")
    assert done.returncode == 0, done.stderr
    number, text = done.stdout.split()
    assert number == "42" and text == "x" * 1000000


def load(database):
    """Eight clients that stay connected and insert and select, for some ten seconds."""
    return subprocess.Popen(
        ["mariadb-slap", "--no-defaults", f"--socket={database}", "--user=root", "--silent"]
        + ["--concurrency=8", "--auto-generate-sql", "--auto-generate-sql-load-type=mixed"]
        + ["--iterations=1", "--number-of-queries=6000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_reloads_under_load_fail_no_query(database, start_ferry, run_ferry, runtime_dir):
    """Every 0.3 s the configuration is read again: other routes come and go, and every second time
    the database's own route changes as well."""
    need("mariadb-slap")
    conf = runtime_dir / "ferry.conf"

    def write(turn):
        conf.write_text(
            "[route control]\nlisten = unix:control.sock\nto = control\n"
            f"[route db]\nlisten = unix:db.sock\nto = unix:{database}\nidle = {60 + turn // 2}s\n"
            f"[route other-{turn % 3}]\nlisten = unix:other-{turn % 3}.sock\nto = echo\n"
        )

    write(0)
    up = start_ferry("up", "-c", conf)
    up.wait_for("started  db")
    staying = load(runtime_dir / "db.sock")
    try:
        reloads = queries = 0
        next_reload = time.monotonic()
        while staying.poll() is None or reloads < 10:
            if time.monotonic() >= next_reload:
                reloads += 1
                write(reloads)
                done = run_ferry("reload", "-s", "control.sock")
                assert done.returncode == 0, done.stderr
                next_reload += 0.3
            done = query(runtime_dir / "db.sock", f"select {queries} + 1")
            assert done.returncode == 0, done.stderr
            queries += 1
            assert done.stdout.strip() == str(queries)
        output, errors = staying.communicate(timeout=60)
    finally:
        if staying.poll() is None:
            staying.kill()
            staying.wait()
    assert staying.returncode == 0, errors
    assert "error" not in (output + errors).lower()
    assert queries > 10
    lines = up.stderr().splitlines()
    assert sum("reloaded" in line for line in lines) == reloads
    assert not [line for line in lines if "failed" in line.split()[1:2]]
    assert up.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_stranger_is_refused_by_the_mode_and_when_that_is_undone_by_the_rule(
    database, start_ferry, runtime_dir
):
    relay = start_ferry("relay", f"unix:{runtime_dir}/db.sock", f"unix:{database}")
    relay.wait_for("started")
    path = runtime_dir / "db.sock"
    stranger = {"user": STRANGER, "group": STRANGER, "extra_groups": []}

    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    done = query(path, "select 1", **stranger)
    assert done.returncode != 0
    assert "(13)" in done.stderr, "the kernel says EACCES"
    assert "refused" not in relay.stderr()

    os.chmod(path, 0o666)
    client = subprocess.Popen(
        ["mariadb", "--no-defaults", f"--socket={path}", "--user=root", "--execute=select 1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **stranger,
    )
    output, _ = client.communicate(timeout=30)
    assert client.returncode != 0 and output == b""
    relay.wait_for("refused")
    line = next(line for line in relay.stderr().splitlines() if " refused " in line)
    for fact in (f"pid {client.pid}", f"uid {STRANGER}", "deny any (mode=0600)"):
        assert fact in line

    assert query(path, "select 1").stdout.strip() == "1", "root is served all the same"


def test_status_names_both_ends(database, start_ferry, run_ferry, runtime_dir):
    relay = start_ferry(
        "relay", "unix:db.sock", f"unix:{database}", "--control", "unix:control.sock"
    )
    relay.wait_for("started  control")
    client = subprocess.Popen(
        ["mariadb", "--no-defaults", f"--socket={runtime_dir}/db.sock", "--user=root"]
        + ["--execute=select sleep(20)"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:

        def connection():
            done = run_ferry("status", "--json", "-s", "control.sock")
            routes = {route["name"]: route for route in json.loads(done.stdout)["routes"]}
            found = [one for one in routes["relay"]["connections"] if "target" in one]
            return found and found[0]["bytes_in"] and found[0]["bytes_out"] and found[0]

        found = wait_until(connection)
    finally:
        client.kill()
        client.wait()
    assert found["peer"]["pid"] == client.pid and found["peer"]["name"] == "mariadb"
    assert found["target"]["name"] == "mariadbd"
