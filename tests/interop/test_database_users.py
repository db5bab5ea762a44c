"""Databases that admit a user by whom the kernel says is at the other end: through one ferry route
with user = peer, that runs as root, everybody is who they are. Without it everybody is root."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from programs import need

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become other users"),
]

# Users that every Debian has, so that none must be made.
USERS = ["mail", "news", "games", "backup"]


def identity(name):
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@pytest.fixture
def mariadb(start, runtime_dir):
    """A server that knows each of USERS by its socket; returns the socket's path."""
    install, server = need("mariadb-install-db", "mariadbd")
    os.chmod(runtime_dir, 0o755)
    folder = runtime_dir / "mariadb"
    folder.mkdir(mode=0o755)
    shutil.chown(folder, "nobody")
    subprocess.run(
        [install, "--no-defaults", f"--datadir={folder}/data", "--skip-test-db", "--user=nobody"]
        + ["--auth-root-authentication-method=normal", "--innodb-log-file-size=4M"],
        check=True,
        capture_output=True,
        timeout=120,
    )
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
        "--plugin-load-add=auth_socket",
        "--user=nobody",
    )
    process.wait_for("ready for connections", 60)
    for name in USERS:
        done = mariadb_query(path, "root", f"create user {name} identified via unix_socket")
        assert done.returncode == 0, done.stderr
    return path


def mariadb_query(path, name, text, **options):
    return subprocess.run(
        ["mariadb", "--no-defaults", f"--socket={path}", f"--user={name}", "--batch"]
        + ["--skip-column-names", f"--execute={text}"],
        capture_output=True,
        text=True,
        timeout=30,
        **options,
    )


def test_mariadb_sees_every_user_through_one_route(mariadb, start_ferry, runtime_dir):
    path = runtime_dir / "front.sock"
    relay = start_ferry(
        "relay", f"unix:{path},mode=0666", f"unix:{mariadb}", "--user=peer", "--allow=any"
    )
    relay.wait_for("started")
    for name in USERS:
        done = mariadb_query(path, name, "select current_user()", **identity(name))
        assert (done.stdout.strip(), done.returncode) == (f"{name}@%", 0), done.stderr
    done = mariadb_query(path, USERS[0], "select 1", **identity(USERS[1]))
    assert done.returncode != 0 and "Access denied" in done.stderr, "nobody is somebody else"


def test_mariadb_without_it_is_asked_by_root(mariadb, start_ferry, runtime_dir):
    path = runtime_dir / "front.sock"
    relay = start_ferry("relay", f"unix:{path},mode=0666", f"unix:{mariadb}", "--allow=any")
    relay.wait_for("started")
    done = mariadb_query(path, USERS[0], "select 1", **identity(USERS[0]))
    assert done.returncode != 0 and "Access denied" in done.stderr


def postgresql_program(name):
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        pytest.skip(f"{name} is not installed: scripts/install-dependencies interop")
    return str(found[-1])


@pytest.fixture
def postgresql(start, runtime_dir):
    """A server whose only way in is `peer`; returns the folder of its socket."""
    initdb, server = postgresql_program("initdb"), postgresql_program("postgres")
    os.chmod(runtime_dir, 0o755)
    folder = runtime_dir / "postgresql"
    folder.mkdir(mode=0o755)
    shutil.chown(folder, "postgres", "postgres")
    owner = {**identity("postgres"), "cwd": folder}
    subprocess.run(
        [initdb, "-D", f"{folder}/data", "-A", "peer", "-N", "--locale=C", "-E", "UTF8"],
        check=True,
        capture_output=True,
        timeout=120,
        **owner,
    )
    process = start(
        server, "-D", f"{folder}/data", "-k", folder, "-c", "listen_addresses=", **owner
    )
    process.wait_for("ready to accept connections", 60)
    for name in USERS:
        done = postgresql_query(folder, "postgres", f"create role {name} login", **owner)
        assert done.returncode == 0, done.stderr
    yield folder
    process.stop(signal.SIGINT)  # killed, it leaves its shared memory in /dev/shm


def postgresql_query(folder, name, text, **options):
    return subprocess.run(
        ["psql", "-X", "-A", "-t", f"--host={folder}", f"--username={name}", "--dbname=postgres"]
        + [f"--command={text}"],
        capture_output=True,
        text=True,
        timeout=30,
        **options,
    )


def test_postgresql_sees_every_user_through_one_route(postgresql, start_ferry, runtime_dir):
    need("psql")
    front = runtime_dir / "front"
    front.mkdir(mode=0o755)
    name = ".s.PGSQL.5432"
    (runtime_dir / "f.conf").write_text(
        f"[route pg]\nlisten = unix:{front}/{name},mode=0666\nallow = any\nuser = peer\n"
        f"to = unix:{postgresql}/{name}\n"
        "[route control]\nlisten = unix:control.sock\nto = control\n"
    )
    start_ferry("up", "-c", "f.conf").wait_for("started  pg")
    for user in USERS:
        done = postgresql_query(front, user, "select current_user", **identity(user))
        assert (done.stdout.strip(), done.returncode) == (user, 0), done.stderr
    done = postgresql_query(front, USERS[0], "select 1", **identity(USERS[1]))
    assert done.returncode != 0 and "Peer authentication failed" in done.stderr
