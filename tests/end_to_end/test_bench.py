"""ferry bench: that the figures are of what it says, and that nothing is left behind. Not how large
they are."""

import collections
import contextlib
import glob
import json
import os
import pty
import re
import resource
import shutil
import signal
import socket
import subprocess

import pytest

from support import children_of, wait_until

MECHANISMS = [
    "ring", "auto", "pipe", "fifo", "unix", "unix-seq", "unix-dgram", "unix-fd", "memfd", "mq", "tcp", "udp",
]
PEERS = {
    "nng": "nng/nng.h", "zeromq": "zmq.h", "nanomsg": "nanomsg/nn.h",
    "iceoryx": "iceoryx/v2.0.3/iceoryx_binding_c/api.h",
}
# Of iox-roudi, the daemon of iceoryx: memory and sockets by fixed names.
ROUDI = ["/tmp/roudi", "/tmp/roudi.lock", "/tmp/iox-unique-roudi.lock", "/dev/shm/iceoryx_mgmt"]
QUICK = ["-t", "5ms", "-r", "1"]
ONLY = (
    "ready, steps, buffers, profiles and claims have --time, --rounds, --budget, --json and --report, no other "
    "options"
)
CALIBRATE_ONLY = "--calibrate has --time, --rounds and --json, no other options"

two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")


@pytest.fixture
def bench(ferry, runtime_dir):
    """bench(argument...) runs it; the document that it prints."""

    def run(*arguments):
        done = subprocess.run(
            [ferry, "bench", "--json", *arguments], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return run


@pytest.fixture
def traced(ferry, runtime_dir):
    """traced(argument...): the document, and how often each call was made, by all its processes."""

    def run(*arguments):
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", "trace", ferry, "bench", "--json", *arguments],
            capture_output=True, text=True, timeout=60, cwd=runtime_dir,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
        )
        text = (runtime_dir / "trace").read_text()
        calls = collections.Counter(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", text, re.M))
        return json.loads(done.stdout)["cases"], calls, text

    return run


def is_gone(pid):
    try:
        return "\nState:\tZ" in open(f"/proc/{pid}/status").read()
    except OSError:
        return True


def left_behind():
    return [path for path in glob.glob("/tmp/ferry-bench-*") + glob.glob("/dev/mqueue/ferry-bench*")]


def built_with(peer):
    return os.path.exists("/usr/include/" + PEERS[peer])


with_iceoryx = pytest.mark.skipif(not built_with("iceoryx"), reason="iceoryx was not there to build with")


@contextlib.contextmanager
def turn():
    """Nobody else who measures has the daemon of iceoryx meanwhile."""

    def is_ours():
        try:
            taken.bind("\0ferry-bench-roudi")
        except OSError:
            return False
        return True

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taken:
        wait_until(is_ours, 60)
        yield


def daemon_left_behind():
    with turn():
        return [path for path in ROUDI if os.path.exists(path)]


def roudi_runs():
    """Whether anybody's daemon of iceoryx does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        return asking.connect_ex("/tmp/roudi") == 0


def test_every_mechanism_carries_messages_both_ways(bench):
    cases = bench("-s", "64,5000", "-w", "sleep", *QUICK)["cases"]
    assert [case["mechanism"] for case in cases] == MECHANISMS * 2
    assert [case["size"] for case in cases] == [64] * len(MECHANISMS) + [5000] * len(MECHANISMS)
    for case in cases:
        if "missing" in case:  # an unprivileged user's queue has at most 8192 bytes, or RLIMIT_MSGQUEUE
            assert case["mechanism"] == "mq", case
            continue
        trip, one_way = case["round_trip"], case["one_way"]
        assert trip["count"] >= 2, case
        assert 0 < trip["median_ns"] <= trip["p99_ns"] <= trip["p999_ns"], case
        assert one_way["messages"] > 0 and one_way["cpu_ns_per_message"] > 0, case
        assert case["mechanism"] == "udp" or one_way["lost"] == 0, case
        assert one_way["slowest_slice_per_second"] == one_way["fastest_slice_per_second"], case
    assert left_behind() == []


def test_large_messages_come_whole(bench):
    """Each is compared with what was sent: in parts, too, of which it comes by a stream."""
    cases = bench("-s", "3M", "-w", "sleep", "-m", "ring,pipe,fifo,unix,memfd,tcp", *QUICK)["cases"]
    assert all(case["round_trip"]["count"] >= 2 for case in cases)


def test_at_a_rate_so_many_go_and_each_is_timed(bench):
    document = bench("--rate", "500", "-m", "unix,ring", "-s", "8,100k", "-w", "sleep", "-t", "100ms", "-r", "2")
    assert document["method"]["rate"] == 500
    for case in document["cases"]:
        trip, one_way = case["round_trip"], case["one_way"]
        # A busy machine is late, also with the end of a slice; without a rate it were thousands.
        assert 10 <= trip["count"] <= 150, case
        assert 10 <= one_way["messages"] <= 150 and one_way["lost"] == 0, case
        assert 0 < one_way["median_ns"] <= one_way["p99_ns"], case
        assert "slowest_slice_per_second" not in one_way


def test_what_is_handed_over_is_a_descriptor_each(traced):
    ((case,), _, text) = traced("-m", "memfd", "-s", "64", "-w", "sleep", "-t", "20ms", "-r", "1")
    # A round trip before the clock starts, each way.
    messages = 2 * case["round_trip"]["count"] + case["one_way"]["messages"] + 4
    assert text.count('memfd_create("ferry-bench"') == messages
    assert text.count("F_ADD_SEALS, F_SEAL_SEAL|F_SEAL_SHRINK|F_SEAL_GROW|F_SEAL_WRITE") == messages
    ((case,), _, text) = traced("-m", "unix-fd", "-s", "64", "-w", "sleep", "-t", "20ms", "-r", "1")
    assert text.count("SCM_RIGHTS") >= 2 * (2 * case["round_trip"]["count"] + case["one_way"]["messages"])


@pytest.mark.plain_build  # what other libraries' threads do among themselves is theirs
@pytest.mark.parametrize("peer", PEERS)
def test_peers_carry_messages_both_ways(bench, peer):
    cases = bench("-s", "64,3M", "-m", peer, *QUICK)["cases"]
    assert {case["mechanism"] for case in cases} == {peer}
    assert {case["wait"] for case in cases} <= {"sleep", "spin"}
    for case in cases:
        if not built_with(peer):
            assert case["missing"] == "not built in"
        else:
            assert case["round_trip"]["count"] >= 2 and case["one_way"]["messages"] > 0
            assert case["one_way"]["lost"] == 0
    assert left_behind() == []


@pytest.mark.plain_build
def test_peers_are_measured_when_they_are_asked_for(bench):
    def measured(*arguments):
        cases = bench("-s", "64", "-w", "sleep", *arguments, *QUICK)["cases"]
        return [case["mechanism"] for case in cases]

    assert measured("-m", "pipe", "--peers") == ["pipe", *PEERS]
    assert measured("--peers") == [*MECHANISMS, *PEERS]


def test_ferry_starts_without_the_peers(ferry, build):
    """Each would have to be loaded by every ferry that starts; none is a library's business."""
    for file in [ferry, *build.glob("libferry*.so")]:
        needed = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
        assert "NEEDED" in needed and not re.search(r"nng|zmq|nanomsg|iceoryx|stdc\+\+", needed)


@pytest.mark.skipif(not os.path.exists("/usr/include/zmq.h"), reason="ZeroMQ was not there to build with")
def test_a_peer_that_is_gone_is_told(ferry, runtime_dir):
    """Its library was there when ferry was built, and is no library any more."""
    (library,) = set(map(os.path.realpath, glob.glob("/usr/lib/*/libzmq.so.5")))
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", 'mount --bind /dev/null "$1"; shift; exec "$@"', "sh", library,
         ferry, "bench", "-m", "zeromq,pipe", "-s", "64", "-w", "sleep", *QUICK],
        capture_output=True, text=True, timeout=30,
    )
    if "unshare: " in done.stderr:
        pytest.skip("no user namespaces here")
    assert done.returncode == 0 and "zeromq, sleep: not measured: its library is not there" in done.stdout


@with_iceoryx
@pytest.mark.plain_build
def test_the_daemon_of_iceoryx_is_there_while_it_is_needed(traced):
    """Not while anything else is measured, and never the one of somebody else."""
    cases, _, text = traced("-m", "pipe,iceoryx", "-s", "64", "-w", "sleep", *QUICK)
    assert [case["one_way"]["lost"] for case in cases] == [0, 0]
    assert text.count(f'execve("{shutil.which("iox-roudi")}"') == 2, "one each way"
    assert "SIGABRT {" not in text, "it has failed when it was told to end"
    assert daemon_left_behind() == []


@with_iceoryx
@pytest.mark.plain_build
def test_a_daemon_that_is_killed_leaves_nothing(ferry, start):
    process = start(ferry, "bench", "-m", "iceoryx", "-s", "64", "-w", "sleep", "-t", "300ms", "-r", "1")
    wait_until(lambda: len(children_of(process.pid)) == 3)
    (daemon,) = [pid for child in children_of(process.pid) for pid in children_of(child)]
    assert os.path.exists("/dev/shm/iceoryx_mgmt")
    os.kill(daemon, signal.SIGKILL)
    process.wait(60)
    assert daemon_left_behind() == [] and left_behind() == []


@with_iceoryx
@pytest.mark.parametrize(
    "daemon, said",
    [
        (None, "its daemon is not installed: iox-roudi"),
        ("#!/bin/sh\nexit 1\n", "its daemon does not start: iox-roudi, which wants 66 MB of /dev/shm and more"),
    ],
)
def test_a_daemon_that_can_not_be_had_is_told(ferry, runtime_dir, daemon, said):
    if daemon:
        (runtime_dir / "iox-roudi").write_text(daemon)
        (runtime_dir / "iox-roudi").chmod(0o755)
    done = subprocess.run(
        [ferry, "bench", "-m", "iceoryx,pipe", "-s", "64", "-w", "sleep", *QUICK],
        capture_output=True, text=True, timeout=30, env={**os.environ, "PATH": str(runtime_dir)},
    )
    assert done.returncode == 0 and f"iceoryx, sleep: not measured: {said}\n" in done.stdout


@with_iceoryx
@pytest.mark.plain_build
def test_a_daemon_that_runs_already_is_used(traced, bench, start, runtime_dir):
    """It goes on, and has forgotten who used it: or it would fail when it is told to end. What it has
    no room for is told."""
    if not shutil.which("iox-roudi"):
        pytest.skip("no iox-roudi here")
    (runtime_dir / "pools").write_text("[general]\nversion = 1\n[[segment]]\n[[segment.mempool]]\nsize = 1024\ncount = 600\n")

    def start_daemon():
        with turn():
            started = start("iox-roudi", "-c", runtime_dir / "pools", "-k", "0")
            wait_until(roudi_runs)
        return started

    daemon = start_daemon()
    cases, _, text = traced("-m", "iceoryx", "-s", "64", "-w", "sleep", *QUICK)
    assert cases[0]["one_way"]["messages"] > 0 and "iox-roudi" not in text
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0, daemon.stderr()
    daemon = start_daemon()
    (case,) = bench("-m", "iceoryx,pipe", "-s", "4k", "-w", "sleep", *QUICK)["cases"][1:]
    assert case["missing"] == "no message may be so large" and daemon.running()


@with_iceoryx
@pytest.mark.plain_build
def test_one_at_a_time_has_a_daemon(ferry, start, runtime_dir):
    """Whose turn it is has an abstract name, which is free when its process is gone."""
    trace = runtime_dir / "trace"
    with turn():
        process = start("strace", "-f", "-qq", "-o", trace,
                        ferry, "bench", "-m", "iceoryx", "-s", "64", "-w", "sleep", *QUICK)
        wait_until(lambda: trace.exists() and trace.read_text().count("EADDRINUSE") >= 3)
        assert "iox-roudi" not in trace.read_text()
    assert process.wait(30) == 0 and b"not measured" not in process.stdout()


def test_a_channel_that_moves_takes_what_it_is_forced_to(traced):
    def run(mechanism):
        ((case,), calls, text) = traced("-m", mechanism, "-s", "64", "-w", "sleep", "-t", "100ms", "-r", "1")
        messages = 2 * case["round_trip"]["count"] + case["one_way"]["messages"]
        assert case["one_way"]["lost"] == 0 and messages > 0
        return messages, calls["sendmsg"], text.count('memfd_create("ferry-ring"')

    messages, sent, rings = run("auto-ring")
    assert sent < messages and rings == 4, "two rings of each of two connections"
    messages, sent, rings = run("auto-socket")
    assert sent >= messages and rings == 0


def by_ring(case):
    return case["round_trip"].get("by_ring_percent"), case["one_way"].get("by_ring_percent")


@two_cpus
def test_a_channel_that_moves_has_moved_before_it_is_measured(bench):
    """However short a slice is. Where both ends run, that is: on a busy machine one of them may have no
    processor, and who sleeps before each message is better off on the socket."""
    for _ in range(10):
        cases = bench("-m", "auto,auto-ring,auto-socket,ring", "-s", "64", "-w", "adaptive", "-t", "1ms", "-r", "1")["cases"]
        found = {case["mechanism"]: by_ring(case) for case in cases}
        assert found["ring"] == (None, None) and found["auto-socket"] == (0, 0)
        assert found["auto-ring"][0] == 100
        if min(found["auto"]) > 90:
            return
    pytest.skip("the machine is too busy for two that look out")


def test_what_goes_before_it_has_moved_is_not_counted(traced):
    """A tenth of a second, here, before a slice of a hundredth of that."""
    ((case,), _, text) = traced("-m", "auto", "-s", "64", "-w", "sleep", "-t", "1ms", "-r", "1")
    sent = collections.Counter(re.findall(r"^(\d+) +sendmsg\(", text, re.M))
    there, back, *_ = sent.values()  # by process, the first first
    assert 2 * case["round_trip"]["count"] < min(there, back)


def test_what_a_ring_is_too_small_for_does_not_go_by_it(bench):
    (case,) = bench("-m", "auto-ring", "-s", "1M", "-w", "sleep", *QUICK)["cases"]
    assert by_ring(case) == (0, 0)


@two_cpus
def test_a_channel_that_moves_waits_in_each_way(bench):
    cases = bench("-m", "auto,auto-ring", "-s", "64,100k,3M", *QUICK)["cases"]
    assert [case["wait"] for case in cases] == ["sleep", "spin", "adaptive"] * 6
    for case in cases:
        assert "missing" not in case, case
        assert case["round_trip"]["count"] >= 2 and case["one_way"]["lost"] == 0, case


def test_what_has_a_limit_says_so(ferry):
    def run(*arguments):
        return subprocess.run(
            [ferry, "bench", "-s", "64k", "-m", "udp", "-w", "sleep", *QUICK, *arguments],
            capture_output=True, text=True,
        )

    done = run()
    assert done.returncode == 1 and "udp, sleep: not measured: no message may be so large" in done.stdout
    (case,) = json.loads(run("--json").stdout)["cases"]
    assert case == {
        "mechanism": "udp", "wait": "sleep", "size": 65536, "missing": "no message may be so large"
    }


def test_who_sleeps_polls(traced):
    ((case,), calls, _) = traced("-m", "unix", "-s", "64", "-w", "sleep", "-t", "50ms", "-r", "1")
    assert calls["poll"] >= case["round_trip"]["count"]


@two_cpus
def test_how_near_the_processors_are_is_said(ferry, bench):
    """In whatever takes part in it: a cache line is nearer than any message."""
    document = bench("-m", "ring", "-s", "64", "-w", "adaptive", "-t", "20ms", "-r", "5")
    line, (case,) = document["method"]["cache_line"], document["cases"]
    assert 0 < line["least_ns"] <= line["median_ns"] <= line["most_ns"]
    assert line["least_ns"] < case["round_trip"]["median_ns"]
    done = subprocess.run(
        [ferry, "bench", "-m", "pipe", "-s", "64", "-w", "sleep", *QUICK], capture_output=True, text=True
    )
    assert re.search(r"in turns\nA cache line goes there and back between the two in [\d.]+[num]s$", done.stdout, re.M)
    for arguments in (["--one-cpu", "-m", "pipe", "-s", "64"], ["steps"]):
        assert "cache_line" not in bench(*arguments, *QUICK)["method"]
        assert "cache line" not in subprocess.run(
            [ferry, "bench", *arguments, *QUICK], capture_output=True, text=True
        ).stdout


@two_cpus
def test_who_spins_never_sleeps(traced):
    ((case,), calls, _) = traced("-m", "unix", "-s", "64", "-w", "spin", "-t", "50ms", "-r", "1")
    assert case["round_trip"]["count"] > 1 and calls["poll"] == 0


@two_cpus
def test_a_ring_that_spins_makes_no_calls(traced):
    """Where both ends run, that is: on a busy machine one of them may have no processor."""
    for _ in range(10):
        ((case,), calls, _) = traced("-m", "ring", "-s", "64", "-w", "spin", "-t", "50ms", "-r", "1")
        assert calls["write"] + calls["read"] + calls["poll"] + calls["ppoll"] < 100, calls
        if case["round_trip"]["count"] > 1000 and case["one_way"]["messages"] > 1000:
            return
    pytest.skip("the machine is too busy for two that spin")


def test_processes_stay_where_they_are_put(traced, bench):
    first, *rest = sorted(os.sched_getaffinity(0))
    _, _, text = traced("-m", "pipe", "-s", "64", "-w", "sleep", *QUICK)
    pinned = re.findall(r"^(\d+) +sched_setaffinity\(0, \d+, \[(\d+)\]", text, re.M)
    parents = {pid for pid, cpu in pinned if int(cpu) == first}
    children = {pid for pid, cpu in pinned if int(cpu) == (rest or [first])[0]}
    assert len(parents | children) == (6 if rest else 4), "who measures and who answers, each way and of the line"
    assert len(parents) == len(children) == 3 or not rest
    document = bench("--one-cpu", "-m", "pipe,ring", "-s", "64", *QUICK)
    assert document["method"]["processors"] == [first, first]
    assert {case["wait"] for case in document["cases"]} == {"sleep"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("mechanism", ["fifo", *PEERS])
def test_whose_bench_is_ended_leaves_nothing(ferry, start, number, mechanism):
    if mechanism in PEERS and not built_with(mechanism):
        pytest.skip(f"{mechanism} was not there to build with")
    process = start(ferry, "bench", "-m", mechanism, "-s", "64", "-w", "sleep", "-t", "10s", "-r", "1")
    daemon = mechanism == "iceoryx"  # and who watches over it
    wait_until(lambda: len(children_of(process.pid)) == 2 + daemon)
    below = children_of(process.pid)
    below += [pid for child in below for pid in children_of(child)]
    assert len(below) == 2 + 2 * daemon
    wait_until(lambda: left_behind() == [])
    process.send(number)
    wait_until(lambda: all(is_gone(pid) for pid in below))
    assert left_behind() == []
    assert not daemon or daemon_left_behind() == []


def watched_by(pid):
    """How many descriptors each of a process's epoll sets watches."""
    counts = []
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        try:
            counts.append(open(path).read().count("tfd:"))
        except OSError:
            pass
    return counts


def test_few_and_many_descriptors_are_watched(bench):
    """That it takes longer with more of them is select's and poll's alone: not asserted, a time."""
    cases = bench("ready", "-t", "2ms", "-r", "1")["cases"]
    assert [case["watched"] for case in cases[::5]] == [10, 100, 1000, 10000, 100000]
    assert [case["by"] for case in cases[:5]] == ["select", "poll", "epoll", "epoll, edge", "io_uring"]
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for case in cases:
        if case["by"] == "io_uring" and case.get("missing") in ("not built in", "Operation not permitted"):
            assert case["missing"] != "not built in" or not os.path.exists("/usr/include/liburing.h")
        elif case["by"] in ("select", "poll", "io_uring") and case["watched"] > room - 64:
            assert case == {"by": case["by"], "watched": case["watched"], "missing": "Too many open files"}
        else:
            assert case["events"] > 0


def test_io_uring_polls_all_of_them_once(traced):
    """Each is handed over before anything is measured; from then on a wait is a call at most."""
    cases, _, text = traced("ready", "-t", "2ms", "-r", "1")
    ways = {case["watched"]: case for case in cases if case["by"] == "io_uring" and "missing" not in case}
    if not ways:
        pytest.skip("no io_uring here")
    entered = [tuple(map(int, found)) for found in re.findall(r"io_uring_enter\(\d+, (\d+), (\d+), ", text)]
    assert sum(submitted for submitted, _ in entered) == sum(ways)
    assert sum(wanted for _, wanted in entered) <= sum(case["events"] for case in ways.values())


def test_a_kernel_that_refuses_io_uring_is_told(ferry, runtime_dir):
    """As containers' filters of system calls do."""
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=io_uring_setup",
         "-e", "inject=io_uring_setup:error=EPERM", ferry, "bench", "ready", "-t", "1ms", "-r", "1"],
        capture_output=True, text=True, timeout=60, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert done.returncode == 0
    if "from 10 by io_uring: not built in" not in done.stdout:
        assert "from 10 by io_uring: Operation not permitted (kernel.io_uring_disabled" in done.stdout


def test_epoll_watches_more_than_a_process_may_have(ferry, start):
    process = start(ferry, "bench", "ready", "-t", "10s", "-r", "1")
    wait_until(lambda: max(watched_by(process.pid), default=0) == 100_000, 20)
    children = open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
    assert len(children) == max(0, -(-100_000 // (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 64)) - 1)
    process.send(signal.SIGKILL)
    wait_until(lambda: not any(os.path.exists(f"/proc/{child}") for child in children), 20)


def test_a_budget_makes_slices_shorter_and_then_fewer(bench):
    def method(*arguments):
        return bench("-m", "pipe,unix", "-s", "64", "-w", "sleep", *arguments)["method"]

    found = method("-t", "1s", "-r", "4", "--budget", "2s")
    assert 1 <= found["slice_ms"] < 2000 / 4 / 4 and found["rounds"] == 4
    assert found["budget_ms"] == 2000 and found["estimate_ms"] <= 2000
    found = method("-t", "1s", "-r", "100", "--budget", "1s")
    assert found["slice_ms"] == 1 and 1 < found["rounds"] < 100 and found["estimate_ms"] <= 1000
    found = method("-t", "5ms", "-r", "2", "--budget", "1h")
    assert (found["slice_ms"], found["rounds"]) == (5, 2)


def test_time_that_is_up_is_told(ferry, bench):
    """Each part has its share of it, and what there was no time for is missing."""
    arguments = ["-m", "pipe,auto-ring,unix,mq,tcp,fifo", "-w", "sleep", "--budget", "1ms"]
    document = bench("-m", "pipe,unix,auto-socket,fifo,tcp,mq,udp", "-s", "64", "-w", "sleep", "--budget", "3ms")
    missing = [case.get("missing") for case in document["cases"]]
    assert document["method"]["cut"] is True and missing[0] is None
    assert missing[-1] == "there was no time for it"
    done = subprocess.run([ferry, "bench", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "tcp, sleep: not measured: there was no time for it" in done.stdout
    assert done.stdout.endswith("\nTime was up: some have fewer slices, or none (--budget).\n")


@pytest.mark.parametrize("part, key", [("ready", "by"), ("steps", "step")])
def test_every_part_has_an_end(bench, part, key):
    document = bench(part, "-t", "1s", "-r", "100", "--budget", "1ms")
    assert document["method"]["cut"] is True
    assert "there was no time for it" in [case.get("missing") for case in document["cases"]]


def test_how_long_it_takes_is_said_before(ferry, runtime_dir):
    """To who looks on; it is in no file."""
    controller, terminal = pty.openpty()
    with open(runtime_dir / "found", "w") as found:
        process = subprocess.Popen(
            [ferry, "bench", "-m", "pipe,unix", "-s", "64", "-w", "sleep", "-t", "30ms", "-r", "2", "--budget", "9s"],
            stdout=found, stderr=terminal,
        )
    assert process.wait(30) == 0
    os.close(terminal)
    said = os.read(controller, 65536).decode()
    os.close(controller)
    assert said.startswith("4 slices, about 1 s, at most 9 s\r\n")
    assert [int(step) for step in re.findall(r"\] (\d)/4, \d+ s left: (?:pipe|unix)", said)] == [0, 1, 2, 3]


def test_steps_are_taken_as_often_as_is_said(traced):
    cases, calls, _ = traced("steps", "-t", "2ms", "-r", "2")
    counts = {case["step"]: case["count"] for case in cases}
    connections = [count for step, count in counts.items() if step.startswith("connection, ")]
    assert len(connections) == 3 and sum(connections) == calls["accept4"] == calls["connect"]
    assert counts["pipe"] == calls["pipe2"]
    assert counts["descriptor, one"] + counts["descriptor, of 64"] / 64 == calls["recvmsg"]
    assert len(counts) == 9 and all(case["cpu_ns"] > 0 for case in cases)


def test_buffers_are_as_large_as_is_said(traced):
    cases, _, text = traced("buffers", *QUICK)
    sizes = [4096 << 2 * i for i in range(6)]
    assert [(case["buffer"], case["mechanism"]) for case in cases] == [
        (size, mechanism) for size in sizes for mechanism in ("pipe", "unix", "tcp")
    ]
    for case in cases:
        size = case["buffer"]
        if "missing" in case:  # without privilege there is a limit
            assert size > 64 << 10 and case["missing"].startswith("no buffer may be so large")
        elif case["mechanism"] == "pipe":
            assert len(re.findall(rf"fcntl\(\d+, F_SETPIPE_SZ, {size}\) += {size}\n", text)) == 4
        else:
            got = re.findall(rf"SO_SNDBUF(?:FORCE)?, \[{size}\], 4\) += 0\n", text)
            assert len(got) == 8, "two of a pair, two of TCP, each way"
            assert case["one_way"]["bytes_per_second"] > 0


def test_profiles_tune_both_ends(traced):
    cases, calls, text = traced("profiles", *QUICK)
    names = ["none", "web", "realtime", "bulk"]
    assert [(case["size"], case["profile"]) for case in cases] == [
        (size, name) for size in (64, 64 << 10) for name in names
    ]
    assert all(case["round_trip"]["count"] >= 2 and case["one_way"]["lost"] == 0 for case in cases)

    def tuned(option):
        return len(re.findall(rf"setsockopt\(\d+, \w+, {option}, .*\) += 0\n", text))

    # Each case has a link there and back, and one for one way, of which both ends are tuned.
    assert tuned(r"TCP_KEEPINTVL, \[15\]") == tuned(r"TCP_KEEPINTVL, \[2\]") == tuned(r"TCP_KEEPINTVL, \[30\]") >= 8
    assert tuned("TCP_DEFER_ACCEPT") == 4


def test_claims_are_judged_by_what_was_measured(bench):
    claims = {case["claim"]: case for case in bench("claims", *QUICK)["cases"]}
    assert len(claims) == 19
    for claim in claims.values():
        if "here" not in claim:
            assert claim["verdict"] == "not measured" and claim["why"]
            continue
        less = claim["unit"] == "ns"
        better = claim["claimed"] / claim["here"] if less else claim["here"] / claim["claimed"]
        assert claim["verdict"] == (
            "better here" if better > 1.25 else "not here" if better < 0.8 else "reproduced"
        )
    here = {name: claim.get("here") for name, claim in claims.items()}
    kib = "1,000,000 x 1 KiB, "
    assert here["memory beside tcp"] == pytest.approx(here[kib + "tcp"] / here[kib + "memory"], rel=1e-3)
    assert here["unix beside tcp"] == pytest.approx(here[kib + "tcp"] / here[kib + "unix"], rel=1e-3)
    assert here["throughput, unix"] * here["1 MB, unix"] == pytest.approx(2**20 * 1e9, rel=1e-3)
    missing = {name for name in claims if name not in here or here[name] is None}
    assert missing >= {"ICMP, UDP, TCP over 1000 km", "256 KiB of buffers, a long path"}


@pytest.fixture
def calibrate(ferry, runtime_dir):
    """calibrate(argument...) runs it with a state folder of its own; how it ended."""
    state = runtime_dir / "state"

    def run(*arguments, **environment):
        inherited = {key: value for key, value in os.environ.items() if key != "FERRY_CALIBRATION"}
        return subprocess.run(
            [ferry, "bench", "--calibrate", "-t", "1ms", "-r", "1", *arguments],
            capture_output=True, text=True, timeout=60,
            env={**inherited, "XDG_STATE_HOME": str(state), **environment},
        )

    run.path = state / "ferry" / "calibration"
    return run


def test_what_a_calibration_found_is_kept(calibrate):
    first = json.loads(calibrate("--json").stdout)
    assert first["path"] == str(calibrate.path) and first["before"].startswith("built in; ")
    assert calibrate.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in calibrate.path.parent.iterdir()] == ["calibration"]
    lines = calibrate.path.read_text().splitlines()
    assert lines[0] == "version 1" and f"time {first['time']}" in lines
    if first["rounds"] == 0:
        pytest.skip("this machine is too busy for a round")
    measured = {tuple(line.split()[:3]) for line in lines if line.startswith(("apart", "together"))}
    for place in ("apart", "together"):
        for mechanism in ("pipe", "unix", "memfd", "ring", "tcp"):
            for size in (64, 4096, 65536, 1 << 20, 4 << 20):
                assert (place, mechanism, str(size)) in measured
        assert (place, "mq", "64") in measured
    (ring,) = [line for line in lines if line.startswith("apart ring 64 ")]
    (shared,) = [line for line in lines if line.startswith("together ring 64 ")]
    assert shared.endswith(" 0 0") and not ring.endswith(" 0"), "only apart somebody looks out"
    second = json.loads(calibrate("--json").stdout)
    assert second["before"].startswith("as calibrated here 20")
    assert second["thresholds_before"] == first["thresholds"]
    for place in second["thresholds"].values():
        assert [one["size_max"] for one in place["classes"]][:2] == [64, 256]
        for one in place["classes"]:
            for move in (one["one_way"], one["answered"]):
                assert move["from"] is None or move["back"] <= move["from"] / 2


def test_a_calibration_for_people_says_what_changed(calibrate):
    text = calibrate().stdout
    assert "before: built in; " in text and f"kept in {calibrate.path}" in text
    assert re.search(r"^BYTES +ONE-WAY +BEFORE +ANSWERED +BEFORE$", text, re.M)
    row, _ = re.findall(r"^to 64 +(\S+) +(\S+) +(\S+) +(\S+)$", text, re.M)
    assert row[1] == "52.3k", "the built-in figure"
    memfd = r"^Messages on the socket that go as a sealed memfd: (none|from \S+); before: none$"
    assert len(re.findall(memfd, text, re.M)) == 2
    kept = calibrate.path.read_text()
    calibrate.path.write_text(re.sub(r"^apart unix (\d+) .*", r"apart unix \1 1 1 1 1 0 0", kept, flags=re.M))
    row, _ = re.findall(r"^to 64 +(\S+) +(\S+) +(\S+) +(\S+)$", calibrate().stdout, re.M)
    assert row[1] == row[3] == "never", "what is kept was that of the first"


def test_who_may_use_one_processor_measures_that(calibrate):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        document = json.loads(calibrate("--json").stdout)
    finally:
        os.sched_setaffinity(0, before)
    assert document["thresholds"]["apart"] == document["thresholds_before"]["apart"]
    text = calibrate.path.read_text()
    assert "\napart ring 64 48 30 19100 52400 605 504\n" in text, "as it is built in"
    assert "\ntogether ring 64 " in text and "\ntogether ring 64 44 44 1470 2500 0 0\n" not in text


def test_there_must_be_a_place_for_a_calibration(calibrate, runtime_dir):
    done = calibrate(FERRY_CALIBRATION="")
    assert done.returncode == 1
    assert "there is nowhere to keep it; set FERRY_CALIBRATION to a path" in done.stderr
    done = calibrate(FERRY_CALIBRATION="/proc/none/calibration")
    assert done.returncode == 1 and done.stderr.startswith("ferry bench: /proc/none/calibration: ")
    named = runtime_dir / "named"
    assert calibrate(FERRY_CALIBRATION=str(named)).returncode == 0 and named.exists()


def test_a_full_disk_is_told(ferry):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [ferry, "bench", "-t", "1ms", "-r", "1"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1 and "No space left on device" in done.stderr


def test_why_a_child_failed_is_told(ferry):
    """It lacks descriptors to attach to both rings."""
    done = subprocess.run(
        [ferry, "bench", "-m", "ring,pipe", "-s", "64", "-w", "sleep", *QUICK],
        capture_output=True, text=True, timeout=8,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10)),
    )
    assert done.returncode == 0 and "ring, sleep: not measured: Too many open files" in done.stdout


def test_sockets_of_messages_have_a_limit_too(ferry):
    done = subprocess.run(
        [ferry, "bench", "--json", "-m", "unix-seq,unix-dgram", "-s", "16M", "-w", "sleep", *QUICK],
        capture_output=True, text=True, timeout=8,
    )
    assert {case["missing"] for case in json.loads(done.stdout)["cases"]} == {"no message may be so large"}


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["-m", "pigeon"], "'pigeon': no mechanism; `ferry bench --help` lists them"),
        (["-m", ""], "a list is expected, separated by commas"),
        (["-s", "7"], "'7': bytes from 8 to 16M are expected"),
        (["-s", "17M"], "'17M': bytes from 8 to 16M are expected"),
        (["-s", "4kB"], "'4kB': bytes from 8 to 16M are expected"),
        (["-w", "hope"], "'hope': sleep, spin or adaptive is expected"),
        (["--rate", "0"], "ferry bench: --rate: '0': a number from 1 to 10000000 is expected"),
        (["--rate=0"], "ferry bench: --rate: '0': a number from 1 to 10000000 is expected"),
        (["-r", "0"], "ferry bench: -r: '0': a number from 1 to 100 is expected"),
        (["-r0"], "ferry bench: -r: '0': a number from 1 to 100 is expected"),
        (["ready", "--rounds=-1", "-t1ms"], "ferry bench: --rounds: '-1': a number from 1 to 100 is"),
        (["-t", "long"], "ferry bench: -t: 'long': a span from 1ms to 10s is expected, as 500ms or 30s"),
        (["steps", "--rate", "5"], ONLY),
        (["--calibrate", "--rate", "5"], CALIBRATE_ONLY),
        (["--calibrate", "claims"], "'claims': --calibrate measures what it needs; give one or the other"),
        (["claims", "--calibrate"], "'claims': --calibrate measures what it needs; give one or the other"),
        (["--calibrate", "--budget", "9s"], "--calibrate ends by itself, and has no --budget"),
        (["--budget", "soon"], "'soon': "),
        (["claims", "ready"], "'ready': one part at a time; --report has all of them"),
        (["now"], "'now': ready, steps, buffers, profiles or claims is expected, or nothing"),
        (["claims", "-s", "64"], ONLY),
        (["ready", "-m", "pipe"], ONLY),
        (["steps", "--one-cpu"], ONLY),
        (["--calibrate", "--report", "x"], CALIBRATE_ONLY),
        (["--rate", "5", "--report", "x"], "--report does not go with --rate"),
    ],
)
def test_what_is_asked_wrongly(ferry, arguments, said):
    done = subprocess.run([ferry, "bench", *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and said in done.stderr


def test_what_can_not_be_measured_here(ferry):
    done = subprocess.run(
        [ferry, "bench", "--one-cpu", "-w", "spin"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "nothing to measure" in done.stderr and "ask for sleep;" in done.stderr
