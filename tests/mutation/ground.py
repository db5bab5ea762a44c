"""The ground that mutants run on: namespaces of their own (processes, network, mounts, System V and
message queues). A mutant may signal every process it sees, remove what it should not, bind what it
likes: it sees its own processes only, everything but /tmp, /run, /etc (where tests make users) and one
folder is read-only, what it writes there is gone with it, there is only loopback, and nothing outlives
the run. What else goes on on the machine is not seen from in there
either, so that a test's outcome is the mutant's doing. Wants root."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# $1 the tree, $2 the folder in it that stays writable; the rest is what to run. The tree may itself
# lie in /tmp, and keeps its path under the fresh one.
PREPARE = """
tree=$1 out=$2
shift 2
ip link set lo up
mount -t tmpfs tmpfs /mnt
mkdir /mnt/tree
mount --bind "$tree" /mnt/tree
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -p "$tree"
mount --move /mnt/tree "$tree"
umount /mnt
mount -t tmpfs tmpfs /run
mkdir /run/etc /run/etc.work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/etc.work overlay /etc
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount --bind "$out" "$out"
mount -o remount,bind,ro "$tree"
mount -o remount,bind,ro /
cd "$tree"
exec "$@"
"""


def run(jobs, out, seconds, environment=None):
    """Runs jobs, one after the other, until one fails: a list of {"name", "command", "limit"
    (seconds)}, each with "twice" if its failure counts only when it is seen again. All of it ends
    after `seconds`. Returns what was asked: a list of {"name", "ended", "took"}; ended is "passed",
    "failed" or "time"."""
    plan, said = out / "plan.json", out / "said.json"
    plan.write_text(json.dumps(jobs))
    said.write_text("[]")
    command = ["unshare", "--mount", "--pid", "--net", "--ipc"]
    command += ["--fork", "--kill-child", "--mount-proc"]
    command += ["sh", "-euc", PREPARE, "sh", str(ROOT), str(out)]
    command += [sys.executable, __file__, str(plan), str(said)]
    with subprocess.Popen(command, env={**os.environ, **(environment or {})}) as process:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
    return json.loads(said.read_text())


def ask(job):
    """One job: how it ended, and how long it took."""
    began = time.monotonic()
    with subprocess.Popen(
        job["command"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **job.get("environment", {})},
        start_new_session=True,
    ) as process:
        try:
            ended = "passed" if process.wait(timeout=job["limit"]) == 0 else "failed"
        except subprocess.TimeoutExpired:
            ended = "time"
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    return {"name": job["name"], "ended": ended, "took": time.monotonic() - began}


def main(plan, said):
    asked = []
    for job in json.loads(Path(plan).read_text()):
        answer = ask(job)
        if answer["ended"] == "failed" and job.get("twice"):
            answer = ask(job)
        asked.append(answer)
        Path(said).write_text(json.dumps(asked))
        if answer["ended"] != "passed" and not job.get("learning"):
            break


if __name__ == "__main__":
    # The first process in there inherits what loses its parent, and has to see it end.
    child = os.fork()
    if child == 0:
        main(*sys.argv[1:])
    else:
        while os.wait()[0] != child:
            continue
