"""`ferry why` before other people's programs, in the states that operators find them in."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from machines import Machine
from programs import free_port, need
from support import children_of, listens, state_of, wait_until

pytestmark = pytest.mark.timeout(180)

AS_NOBODY = ["--user=nobody"] if os.geteuid() == 0 else []


@pytest.fixture
def why(run_ferry):
    def ask(*arguments, **options):
        done = run_ferry("why", "--json", *arguments, **options)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture
def connect():
    """connect(address, count): connections that may hang, which nobody uses."""
    opened = []

    def run(address, count):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        for _ in range(count):
            one = socket.socket(family)
            one.setblocking(False)
            opened.append(one)
            try:
                one.connect(address)
            except BlockingIOError:
                pass

    yield run
    for one in opened:
        one.close()


def evidence(answer):
    return "\n".join(answer["evidence"])


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: state_of(pid) == "T")


# --- nginx --------------------------------------------------------------------------------------


@pytest.fixture
def nginx(start, runtime_dir):
    """A server with one worker: (master's process, worker's pid, path, port)."""
    server, curl = need("nginx", "curl")
    path = runtime_dir / "web.sock"
    port = free_port()
    configuration = runtime_dir / "nginx.conf"
    configuration.write_text(
        f"daemon off; worker_processes 1; pid {runtime_dir}/pid; error_log {runtime_dir}/error;\n"
        "events { worker_connections 64; }\n"
        f"http {{ access_log off; client_body_temp_path {runtime_dir}/b;\n"
        f"proxy_temp_path {runtime_dir}/p; fastcgi_temp_path {runtime_dir}/f;\n"
        f"uwsgi_temp_path {runtime_dir}/u; scgi_temp_path {runtime_dir}/s;\n"
        f"server {{ listen unix:{path} backlog=2; listen 127.0.0.1:{port} backlog=2;\n"
        "return 200 hello; } }\n"
    )
    process = start(server, "-c", configuration, "-p", runtime_dir)
    worker = wait_until(lambda: children_of(process.pid))[0]
    wait_until(lambda: listens(path))
    # The worker accepts: it has answered once.
    page = subprocess.run(
        [curl, "-s", "--unix-socket", path, "http://x/"], capture_output=True, timeout=10
    )
    assert page.stdout == b"hello"
    return process, worker, path, port


def test_nginx_is_healthy(why, nginx):
    _, worker, path, port = nginx
    for word in (path, f"tcp:127.0.0.1:{port}"):
        answer = why(word)
        assert answer["verdict"] == "healthy", answer
        assert f"nginx[{worker}]" in "\n".join(answer["checked"])


def test_nginx_whose_worker_is_stopped(why, nginx, connect):
    """Its master holds the listeners too, and is well: it only never accepts."""
    _, worker, path, port = nginx
    stop(worker)
    for word in (path, f"tcp:127.0.0.1:{port}"):
        answer = why(word)
        assert answer["verdict"] == "server-stopped", answer
        assert f"nginx[{worker}] is stopped" in answer["headline"]
        assert answer["remedy"] == f"kill -CONT {worker}"
    connect(str(path), 5)
    connect(("127.0.0.1", port), 5)
    for word in (path, f"tcp:127.0.0.1:{port}"):
        answer = wait_until(lambda w=word: (a := why(w))["verdict"] == "backlog-full" and a)
        assert answer["cause"] == "stopped"
        assert answer["remedy"] == f"kill -CONT {worker}"
        assert "3 wait, and the backlog is 2" in evidence(answer)
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: why(path)["verdict"] == "healthy")


def test_nginx_that_was_killed(why, nginx):
    process, worker, path, port = nginx
    os.kill(process.pid, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not Path(f"/proc/{worker}").exists())
    answer = why(path)
    assert answer["verdict"] == "stale" and str(path) in answer["headline"]
    assert why(f"tcp:127.0.0.1:{port}")["verdict"] in ("nothing-listens", "time-wait")


# --- MariaDB ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template():
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
    """A server of one waiting connection and three accepted: (process, path)."""
    server = need("mariadbd")
    os.chmod(runtime_dir, 0o755)
    folder = runtime_dir / "mariadb"
    subprocess.run(["cp", "-a", template, folder], check=True)
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    path = folder / "db.sock"
    process = start(
        server, "--no-defaults", f"--datadir={folder}/data", f"--socket={path}",
        f"--pid-file={folder}/pid", "--skip-networking", "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=4M", "--back-log=1", "--max-connections=10", *AS_NOBODY,
    )  # fmt: skip
    process.wait_for("ready for connections", 60)
    return process, path


def test_a_database_that_is_stopped(why, database, connect):
    """Some dozens of threads, all of which stand still."""
    process, path = database
    assert why(path)["verdict"] == "healthy"
    stop(process.pid)
    answer = why(path)
    assert answer["verdict"] == "server-stopped", answer
    connect(str(path), 40)
    answer = why(path)
    assert answer["verdict"] == "backlog-full" and answer["cause"] == "stopped", answer
    assert f"mariadbd[{process.pid}]" in answer["headline"]
    assert answer["remedy"] == f"kill -CONT {process.pid}"
    assert f"[{os.getpid()}]" in evidence(answer)


def test_a_database_with_all_its_connections_taken(why, database):
    """It answers each that comes, with its refusal: nothing is wrong with the socket."""
    process, path = database
    client = need("mariadb")
    taken = [socket.socket(socket.AF_UNIX) for _ in range(11)]
    for one in taken:
        one.settimeout(30)
        one.connect(str(path))
        assert one.recv(1)  # it was greeted: it counts
    done = subprocess.run(
        [client, "--no-defaults", f"--socket={path}", "--user=root", "--execute=select 1"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert "Too many connections" in done.stderr
    answer = why(path)
    assert answer["verdict"] == "healthy", answer
    assert f"mariadbd[{process.pid}]" in "\n".join(answer["checked"])
    for one in taken:
        one.close()


def test_a_database_in_a_private_folder(why, database):
    if os.geteuid() != 0:
        pytest.skip("needs root: another user is acted")
    process, path = database
    os.chmod(path.parent, 0o700)
    answer = why("--as", "uid:4002", path)
    assert answer["verdict"] == "no-search-permission"
    assert str(path.parent) in answer["headline"]


# --- a server in a network namespace -------------------------------------------------------------


def test_a_web_server_of_another_machine(why, start, runtime_dir):
    if os.geteuid() != 0:
        pytest.skip("needs root: a network namespace")
    machine = Machine()
    try:
        machine.ip("link", "set", "lo", "up")
        with machine.inside():
            process = start("/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "0",
                            env={"PYTHONUNBUFFERED": "1"})  # fmt: skip
        process.wait_for("Serving HTTP")
        port = int(process.stdout().split(b"port ")[1].split()[0])
        answer = why(f"tcp:127.0.0.1:{port}")
        assert answer["verdict"] == "other-namespace"
        assert f"python3[{process.pid}]" in answer["headline"]
        assert "nsenter -t" in answer["remedy"]
        with machine.inside():
            assert why(f"tcp:127.0.0.1:{port}")["verdict"] == "healthy"
    finally:
        machine.end()
