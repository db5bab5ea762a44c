"""ferry why --workload: which mechanism is best for messages that somebody describes, what the others
would cost, and by which figures. With the built-in ones what is best is known."""

import json
import os
import subprocess

import pytest


@pytest.fixture
def ask(ferry, runtime_dir):
    """ask(workload, option...): how `ferry why` ended, by the built-in figures unless told where others
    are."""

    def run(workload, *options, calibration=""):
        return subprocess.run(
            [ferry, "why", "--workload", workload, *options], capture_output=True, text=True, timeout=10,
            env={**os.environ, "FERRY_CALIBRATION": str(calibration)},
        )

    return run


@pytest.fixture
def answer(ask):
    def run(workload, **calibration):
        done = ask(workload, "--json", **calibration)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return run


def excluded(document):
    return {one["mechanism"]: one["excluded"] for one in document["mechanisms"] if "excluded" in one}


@pytest.mark.parametrize(
    "workload, best, rule",
    [
        ("size=64,rate=max", "ring", "pipe"),
        ("size=64,rate=max,reliable", "ring", "unix"),
        ("rate=20k,size=64,answered", "ring", "pipe"),
        ("size=1M,rate=1k", "ring", "ring"),
        ("size=4M,rate=10,one-cpu", "unix", "ring"),
        ("size=4k,rate=20000,reliable,descriptors", "unix", "unix"),
        ("size=64,rate=100,descriptors", "unix", "mq"),
        ("size=64,rate=1M,remote", "tcp", "pipe"),
    ],
)
def test_what_is_best(answer, workload, best, rule):
    document = answer(workload)
    assert (document["choice"], document["rule"]) == (best, rule)
    assert document["why"].startswith(f"{best}: ")
    assert document["figures"].startswith("built in; ")
    assert sorted(one["mechanism"] for one in document["mechanisms"]) == [
        "memfd", "mq", "pipe", "ring", "tcp", "unix"
    ]
    possible = [one for one in document["mechanisms"] if "excluded" not in one]
    sums = [
        (one["cpu_ns"] + one["wait_ns"]) / (0.9 if one["mechanism"] == "ring" else 1)
        for one in possible if one["keeps_up"]
    ]
    assert possible[0]["mechanism"] == best and sums == sorted(sums)


def test_what_is_excluded_says_why(answer):
    assert set(excluded(answer("size=4k,rate=1k,descriptors"))) == {"pipe", "mq", "ring", "tcp"}
    assert "passes no descriptors" in excluded(answer("size=4k,rate=1k,descriptors"))["ring"]
    assert "8 KiB at most" in excluded(answer("size=8193,rate=1k"))["mq"]
    assert "mq" not in excluded(answer("size=8k,rate=1k"))
    assert set(excluded(answer("size=8k,rate=1k,remote")).values()) == {"the other end is on another machine"}


def test_what_would_be_faster(answer):
    lines = answer("size=64,rate=500k,descriptors")["faster"]
    assert any(line.startswith("descriptors by a channel of their own: by ring ") for line in lines)
    lines = answer("size=64,rate=500k,remote")["faster"]
    assert any(line.startswith("the other end on this machine: by ") for line in lines)
    assert not any("one processor" in line for line in lines)
    assert any("16 messages at a time" in line for line in answer("size=64,rate=5k")["faster"])


def test_when_an_auto_channel_moves(answer, ask):
    move = answer("size=64,rate=1k")["auto"]
    assert 0 < move["back"] <= move["from"] / 2
    assert answer("size=64,rate=1k,answered")["auto"]["from"] < move["from"]
    assert "auto" not in answer("size=64,rate=1k,descriptors")
    assert "stays on its unix socket" in ask("size=64,rate=1k,descriptors").stdout


def test_who_can_not_carry_so_many_comes_after_who_can(answer):
    mechanisms = answer("size=1k,rate=5M")["mechanisms"]
    assert [one["keeps_up"] for one in mechanisms] == [True] + 5 * [False]
    assert all(one["most_per_second"] < 5e6 for one in mechanisms[1:])


def test_for_people(ask):
    text = ask("size=4k,rate=20k,reliable").stdout
    assert text.startswith("Messages of 4.0K bytes, 20.0k a second, one way; all must arrive\n")
    assert "\nMECHANISM  CPU/MSG    WAIT    BOTH  WAKES  MOST/S" in text
    assert "\nNone of them loses a message while both ends live; " in text
    assert "\nThe fixed rule takes unix" in text and "\nFigures: built in; " in text


def test_a_ring_that_is_hardly_better_says_why_it_comes_later(ask):
    """What costs less stands before what costs more, but a ring that is better by chance alone."""
    held_back = "better by no more than chance, and takes memory"
    text = ask("size=1k,rate=max,one-cpu,answered").stdout
    assert f"the carrying. A ring is {held_back}.\n" in text
    text = ask("size=4k,rate=20k").stdout
    assert "A ring is" not in text
    assert [line.split()[0] for line in text.splitlines() if line.endswith(held_back)] == ["ring"]
    assert held_back not in ask("size=64,rate=max").stdout


def test_a_calibration_is_used_and_named(answer, ferry, runtime_dir):
    path = runtime_dir / "calibration"
    subprocess.run(
        [ferry, "bench", "--calibrate", "-t", "1ms", "-r", "1"], check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "FERRY_CALIBRATION": str(path)},
    )
    text = path.read_text()
    assert answer("size=64,rate=max", calibration=path)["figures"].startswith("as calibrated here 20")
    # With another cost of pipes another one is the best.
    lines = [
        "apart pipe 64 1 1 1 1 0 0" if line.startswith("apart pipe 64 ") else line
        for line in text.splitlines()
    ]
    path.write_text("\n".join(lines) + "\n")
    assert answer("size=64,rate=max", calibration=path)["choice"] == "pipe"
    path.chmod(0o666)
    document = answer("size=64,rate=max", calibration=path)
    assert document["figures"] == "built in: there is a calibration, but somebody else may have written it"
    assert document["choice"] == "ring"


def test_what_nothing_can_carry(ask):
    done = ask("size=64,rate=10,descriptors,remote")
    assert done.returncode == 1
    assert "nothing: descriptors stay on their machine" in done.stdout
    assert json.loads(ask("size=64,rate=10,descriptors,remote", "--json").stdout)["choice"] is None


@pytest.mark.parametrize(
    "workload, said",
    [
        ("size=64", "a size and a rate are needed; as size=4k,rate=20k, or rate=max"),
        ("rate=5", "a size and a rate are needed"),
        ("", "a size and a rate are needed"),
        ("size=0,rate=5", "size=0: bytes from 1 to 1G are expected"),
        ("size=2G,rate=5", "size=2G: bytes from 1 to 1G are expected"),
        ("size=x,rate=5", "size=x: bytes from 1 to 1G are expected"),
        ("size=64,rate=0", "rate=0: messages a second are expected"),
        ("size=64,rate=5kk", "rate=5kk: messages a second are expected"),
        ("size=64,rate=", "rate=: messages a second are expected"),
        ("size=64,rate=-5", "rate=-5: messages a second are expected"),
        ("size=64,rate=9999999999", "rate=9999999999: messages a second are expected"),
        ("size=64,size=1k,rate=5", "size=1k: there is a size already; ask for one workload at a time"),
        ("rate=5,size=64,rate=max", "rate=max: there is a rate already"),
        ("size=64,rate=max,rate=5", "rate=5: there is a rate already"),
        ("size=64,rate=5,fast", "fast: is nothing that a workload has"),
    ],
)
def test_what_is_asked_wrongly(ask, workload, said):
    done = ask(workload)
    assert done.returncode == 2 and said in done.stderr


@pytest.mark.parametrize("more", [["/run/x"], ["--try"], ["--as", "uid:5"]])
def test_a_workload_has_no_address(ask, more):
    done = ask("size=64,rate=5", *more)
    assert done.returncode == 2 and "--workload is about no address" in done.stderr
