#!/usr/bin/env python3
"""choice.py [--quick] [PART...] - the choice between mechanisms against a fixed rule: from 1 MB on memory;
above 10,000 messages a second a socket if they must arrive, else a pipe; else a queue.

`ferry why --workload` says what both take; both are then run at that rate by `ferry bench`, in turns with
the rule's once more, which says what is chance. What counts is what the choice is made by: processor time
of both ends and the time that somebody waits, a message. PART: workloads with that in their names only.
FERRY_CALIBRATION is used if it is set, else this machine is calibrated first.
"""

import json
import os
import statistics
import subprocess
import sys

from turns import FERRY, QUICK, folder, head, in_turns, row

# Of each: how it is told, and how long a slice takes.
WORKLOADS = [
    ("size=64,rate=10", "500ms"),
    ("size=64,rate=1k,answered", "100ms"),
    ("size=64,rate=5k,reliable", "50ms"),
    ("size=1k,rate=20k,reliable", "50ms"),
    ("size=1k,rate=100k", "50ms"),
    ("size=64,rate=max,reliable", "50ms"),
    ("size=64,rate=max,answered", "50ms"),
    ("size=4k,rate=max,reliable,answered", "50ms"),
    ("size=16k,rate=2k,reliable", "50ms"),
    ("size=64k,rate=max,reliable", "50ms"),
    ("size=4k,rate=500,descriptors", "100ms"),
    ("size=64,rate=max,reliable,descriptors", "50ms"),
    ("size=1M,rate=100,answered", "200ms"),
    ("size=4M,rate=10,reliable", "500ms"),
    ("size=4M,rate=max,reliable", "200ms"),
    ("size=64,rate=20k,reliable,one-cpu", "50ms"),
    ("size=4M,rate=max,one-cpu", "200ms"),
]
WITH_DESCRIPTORS = {"unix": "unix-fd"}


def why(workload):
    done = subprocess.run(
        [FERRY, "why", "--json", "--workload", workload], stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout)


def run(asked, mechanism, slice_time):
    """(CPU-ns, ns of waiting) a message."""
    words = ["-m", WITH_DESCRIPTORS.get(mechanism, mechanism) if asked["descriptors"] else mechanism]
    words += ["-w", "adaptive" if mechanism == "ring" and not asked["one_cpu"] else "sleep"]
    words += ["-s", str(asked["size"]), "-t", slice_time, "-r", "1"]
    words += ["--rate", f"{asked['rate']:.0f}"] if asked["rate"] else []
    words += ["--one-cpu"] if asked["one_cpu"] else []
    done = subprocess.run(
        [FERRY, "bench", "--json", *words], stdout=subprocess.PIPE, check=True, text=True, timeout=60
    )
    (case,) = json.loads(done.stdout)["cases"]
    found = case["round_trip" if asked["answered"] else "one_way"]
    wait = found["median_ns"] if "median_ns" in found else 1e9 / found["messages_per_second"]
    return found["cpu_ns_per_message"], wait


def best(runs):
    """What a quarter of the rounds stay below: what else the machine does makes a message dearer, never
    cheaper. (CPU, waiting)"""
    return sorted(runs, key=sum)[len(runs) // 4]


def interval(runs, others):
    """Of the one to the other: of what is best, and quartiles of the rounds."""
    lower, _, upper = statistics.quantiles([sum(one) / sum(other) for one, other in zip(runs, others)], n=4)
    return sum(best(runs)) / sum(best(others)), lower, upper


def verdict(choice, chance):
    """Beyond how far the rule differs from itself, and a twentieth."""
    least = max(abs(chance[0] - 1), (chance[2] - chance[1]) / 2, 0.05)
    return "wins" if choice[0] < 1 - least else "loses" if choice[0] > 1 + least else "tie"


def cost(runs):
    cpu, wait = best(runs)
    return f"{cpu / 1000:.3g} + {wait / 1000:.3g}"


def told(ratio):
    return f"{ratio[0]:.2f} ({ratio[1]:.2f}-{ratio[2]:.2f})"


def compare(workload, slice_time):
    answer = why(workload)
    asked, choice, rule = answer["workload"], answer["choice"], answer["rule"]
    known = {one["mechanism"]: one for one in answer["mechanisms"]}
    predicted = f"{known[choice]['cpu_ns'] / 1000:.3g} + {known[choice]['wait_ns'] / 1000:.3g}"
    cases = {"choice": choice, "rule": rule, "again": rule}
    if "excluded" in known[rule]:
        cases = {"choice": choice}
    runs = {name: [] for name in cases}
    for _, name in in_turns(cases):
        runs[name].append(run(asked, cases[name], slice_time))
    name = workload.removeprefix("size=").replace(",", ", ").replace("rate=", "")
    if "rule" not in runs:
        row(name, choice, cost(runs["choice"]), predicted, rule, "can't carry it", "", "", "wins")
        return
    ratio, chance = (interval(runs[which], runs["rule"]) for which in ("choice", "again"))
    said = verdict(ratio, chance) if choice != rule else "the same"
    row(name, choice, cost(runs["choice"]), predicted, rule, cost(runs["rule"]),
        told(ratio), told(chance), said)


def compare_all():
    head(
        "us of a processor + us of waiting, a message; ratios with the quartiles of the rounds:",
        "choice", "measured", "predicted", "rule", "measured", "choice / rule", "rule / itself", "choice",
    )
    parts = [word for word in sys.argv[1:] if word != "--quick"]
    for workload, slice_time in WORKLOADS:
        if not parts or any(part in workload for part in parts):
            compare(workload, "20ms" if QUICK else slice_time)


if __name__ == "__main__":
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("choice.py: what a wake-up costs is between two processors")
    if os.environ.get("FERRY_CALIBRATION"):
        compare_all()
    else:
        with folder() as path:
            os.environ["FERRY_CALIBRATION"] = str(path / "calibration")
            subprocess.run([FERRY, "bench", "--calibrate"], stdout=subprocess.DEVNULL, check=True)
            compare_all()
