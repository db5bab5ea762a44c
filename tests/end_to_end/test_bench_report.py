"""ferry bench --report: that the page holds what was measured, needs nothing else, and is there
whole or not at all."""

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from support import wait_until
from test_bench import MECHANISMS, two_cpus

QUICK = ["-t", "1ms", "-r", "1"]
XHTML, SVG = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/2000/svg}"
PARTS = ["crossings", "buffers", "profiles", "ready", "steps", "claims"]


@pytest.fixture(scope="module")
def everything(ferry, tmp_path_factory):
    """The page of everything, and what it says as JSON."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    done = subprocess.run(
        [ferry, "bench", "--report", path, "--json", *QUICK], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    return ElementTree.parse(path).getroot(), json.loads(done.stdout), path.read_text()


@pytest.fixture
def report(ferry, runtime_dir):
    """report(path, argument...): a quick page of steps, finished."""

    def run(path, *arguments):
        return subprocess.run(
            [ferry, "bench", "steps", "--report", path, *(arguments or QUICK)],
            capture_output=True, text=True, timeout=30, cwd=runtime_dir,
        )

    return run


def charts(page):
    return list(page.iter(SVG + "svg"))


def texts(element, name):
    return [found.text for found in element.iter(SVG + "text") if name in found.get("class").split()]


def rows(page, caption):
    """The rows below the headings of the table that is so called."""
    for table in page.iter(XHTML + "table"):
        if table.find(XHTML + "caption").text == caption:
            return [[cell.text or "" for cell in row] for row in table.iter(XHTML + "tr")][1:]
    raise AssertionError(f"no table {caption!r}")


def test_all_parts_are_there(everything):
    page, document, _ = everything
    assert [section.get("id") for section in page.iter(XHTML + "section")] == PARTS
    assert {*document} == {"method", "write_and_read_ns", *PARTS}


def test_nothing_is_fetched_from_elsewhere(everything):
    page, _, text = everything
    names = {name for element in page.iter() for name in element.attrib}
    assert not names & {"src", "href", "srcset", "data", "action", "{http://www.w3.org/1999/xlink}href"}
    assert not {element.tag.split("}")[1] for element in page.iter()} & {
        "script", "link", "img", "iframe", "object", "embed", "use", "image"
    }
    assert not re.search(r"url\(|@import", text)
    assert {*re.findall(r"https?://[^\"]*", text)} == {XHTML[1:-1], SVG[1:-1]}
    assert "default-src 'none'" in text


def test_every_mechanism_has_a_row_for_every_size(everything):
    page, document, text = everything
    cases = document["crossings"]
    assert sorted({case["size"] for case in cases}) == [64 << 2 * i for i in range(9)]
    said = " ".join(element.text or "" for element in page.iter(XHTML + "p"))
    for size in {case["size"] for case in cases}:
        named = f"{size} B" if size < 1024 else f"{size >> 10} KiB" if size < 1 << 20 else f"{size >> 20} MiB"
        found = {(row[0], row[1]) for row in rows(page, f"Messages of {named}")}
        measured = {(case["mechanism"], case["wait"]) for case in cases if case["size"] == size and "missing" not in case}
        assert found == measured
        assert {case["mechanism"] for case in cases if case["size"] == size} == {*MECHANISMS}
    for case in cases:
        if "missing" in case:
            assert f"{case['mechanism']}, {case['wait']}: not measured: {case['missing']}" in said
        elif case["mechanism"] == "auto":
            percent = case["round_trip"]["by_ring_percent"]
            assert f"auto, {case['wait']}: by the ring went {percent:.3g}% of the messages there and back" in said


def test_every_chart_has_titles_units_and_names(everything):
    page, _, _ = everything
    assert len(charts(page)) >= 8
    for chart in charts(page):
        assert chart.find(SVG + "title").text == texts(chart, "heading")[0]
        titles = texts(chart, "axis-title")
        assert titles and all(re.search(r"\((B|s|B/s|/s)\)$", title) for title in titles if "Descriptors" not in title)
        marks = [path for path in chart.iter(SVG + "path") if "mark" in path.get("class").split()]
        legend = [group for group in chart.iter(SVG + "g") if group.get("class") == "legend"]
        if not legend:  # bars, each with its name and its value
            assert len(texts(chart, "value")) == len(texts(chart, "name")) in (4, 9)
            continue
        assert len(titles) == 2
        names = texts(legend[0], "name")
        assert len(names) == len({*names}) > 0
        drawn = [mark.find(SVG + "title").text for mark in marks if mark.find(SVG + "title") is not None]
        assert {re.match(r"(.*), [^,]+: ", text)[1] for text in drawn} == {*names}


def test_a_chart_without_figures_is_left_out(ferry, tmp_path):
    """Of a few round trips there is no time that one of a thousand exceeds."""
    path = tmp_path / "report.html"
    subprocess.run([ferry, "bench", "-m", "pipe", "-w", "sleep", "-s", "4M", "--report", path, *QUICK], check=True)
    titles = [chart.find(SVG + "title").text for chart in charts(ElementTree.parse(path).getroot())]
    assert "Round trip, median, asleep while they wait" in titles
    assert not [title for title in titles if "999" in title or "spinning" in title]


def test_names_of_curves_do_not_overlap(everything):
    page, _, _ = everything
    for chart in charts(page):
        heights = sorted(
            float(text.get("y")) for text in chart.iter(SVG + "text")
            if text.get("class") in ("name", "name end")
        )
        assert all(next - one > 13 for one, next in zip(heights, heights[1:]))


@pytest.mark.plain_build  # other libraries
def test_however_many_names_there_are_they_are_in_the_picture(ferry, tmp_path):
    path = tmp_path / "report.html"
    named = [*MECHANISMS, "auto-ring", "auto-socket", "unix-channel"]
    subprocess.run(
        [ferry, "bench", "--peers", "-m", ",".join(named), "-s", "64,4k", "--report", path, *QUICK],
        check=True, timeout=100,
    )
    most = 0
    for chart in charts(ElementTree.parse(path).getroot()):
        _, _, width, height = map(float, chart.get("viewBox").split())
        names = [text for text in chart.iter(SVG + "text") if text.get("class") == "name"]
        heights = sorted(float(text.get("y")) for text in names)
        if not names:  # bars
            continue
        assert 12 < heights[0] and heights[-1] < height
        assert all(next - one > 13 for one, next in zip(heights, heights[1:]))
        # A letter of 13 pixels is 7 wide at most, on the whole.
        assert all(float(text.get("x")) + 7 * len(text.text) < width for text in names)
        most = max(most, len(names))
    assert most > 18


@two_cpus
def test_curves_are_what_was_measured(everything):
    page, document, _ = everything
    (chart,) = [chart for chart in charts(page) if chart.find(SVG + "title").text == "Throughput, asleep while they wait"]
    drawn = [path.find(SVG + "title").text for path in chart.iter(SVG + "path") if path.find(SVG + "title") is not None]
    for case in document["crossings"]:
        if case["wait"] != "sleep" or case["size"] != 64 or "missing" in case:
            continue
        (value,) = [text.split(": ")[1] for text in drawn if text.startswith(f"{case['mechanism']}, 64 B: ")]
        number, unit = value.split()
        factor = {"B/s": 1, "kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9}[unit]
        assert float(number) * factor == pytest.approx(case["one_way"]["bytes_per_second"], rel=0.01)


def test_claims_have_their_verdicts(everything):
    page, document, _ = everything
    assert {row[0]: row[3] for row in rows(page, "Claims and verdicts")} == {
        claim["claim"]: claim["verdict"] for claim in document["claims"]
    }


def test_the_machine_is_described(everything):
    page, document, _ = everything
    facts = [(element.tag.split("}")[1], element.text) for element in page.find(f".//{XHTML}dl")]
    told = {name[1]: fact[1] for name, fact in zip(facts[::2], facts[1::2])}
    assert told["Kernel"] == f"{os.uname().sysname} {os.uname().release}"
    assert told["Processor"] == document["method"]["processor"]
    assert told["Cores"].split(",")[0] == str(os.sysconf("SC_NPROCESSORS_ONLN"))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    assert told["Memory"] == f"{memory:.1f} GiB"
    flags = re.search(r"^flags.*", open("/proc/cpuinfo").read(), re.M)
    if flags:
        assert told["Virtual"].startswith("yes") == (" hypervisor" in flags[0])


def test_the_command_makes_it_again(report, runtime_dir):
    """Whatever its name is: it goes into a shell, and into the page as text."""
    name = "a <b>&amp;\"'$(x) \x01ü.html"
    assert report(name).returncode == 0
    page = ElementTree.parse(runtime_dir / name).getroot()
    command = page.find(f".//{XHTML}pre/{XHTML}code").text
    assert not list(page.iter("b"))
    said = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True).stdout
    assert said.decode().split("\0")[:-1] == ["ferry", "bench", "steps", "--report", name, *QUICK]
    plain = runtime_dir / "plain.html"
    report("plain.html")
    command = ElementTree.parse(plain).getroot().find(f".//{XHTML}pre/{XHTML}code").text
    assert shlex.split(command) == ["ferry", "bench", "steps", "--report", "plain.html", *QUICK]


@pytest.mark.parametrize(
    "path, said",
    [
        ("nowhere/report.html", "No such file or directory; check the path"),
        (".", "Is a directory; name a file in it"),
        ("pipe", "no regular file is there; name a file"),
        ("/dev/full", "no regular file is there; name a file"),
        ("", "No such file or directory"),
    ],
)
def test_what_can_not_be_written_is_told_at_once(report, runtime_dir, path, said):
    os.mkfifo(runtime_dir / "pipe")
    done = report(path, "-t", "10s", "-r", "100")
    assert done.returncode == 1 and done.stdout == "" and said in done.stderr
    assert stat.S_ISFIFO(os.stat(runtime_dir / "pipe").st_mode)


def test_a_file_that_is_there_is_replaced_whole(report, runtime_dir):
    """It keeps its mode, and a symbolic link leads to it as before."""
    (runtime_dir / "folder").mkdir()
    file, link = runtime_dir / "folder" / "real.html", runtime_dir / "link.html"
    file.write_text("before")
    file.chmod(0o640)
    link.symlink_to("folder/real.html")
    opened = file.open()
    assert report("link.html").returncode == 0
    assert link.is_symlink() and file.read_text().endswith("</html>\n")
    assert file.stat().st_mode & 0o777 == 0o640
    assert opened.read() == "before", "who has read half of it goes on with the old one"
    assert os.listdir(runtime_dir / "folder") == ["real.html"]


def test_a_page_of_everything_ends_in_time(ferry, runtime_dir):
    """Every part has its share, and is there; what was not measured is told."""
    path = runtime_dir / "report.html"
    done = subprocess.run(
        [ferry, "bench", "--report", path, "--json", "--budget", "2s"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    document, page = json.loads(done.stdout), ElementTree.parse(path).getroot()
    assert document["method"]["cut"] is True and document["method"]["rounds"] == 1
    assert [section.get("id") for section in page.iter(XHTML + "section")] == PARTS
    for part in ("crossings", "buffers", "profiles", "steps"):
        assert any("missing" not in case for case in document[part]), part
    assert "Time was up: some have fewer slices, or none (--budget)." in path.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_is_interrupted_changes_nothing(ferry, start, runtime_dir, number):
    file = runtime_dir / "report.html"
    file.write_text("before")
    process = start(ferry, "bench", "-m", "unix", "--report", file, "-t", "10s")
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    wait_until(lambda: open(children).read())
    process.send(number)
    process.wait()
    assert file.read_text() == "before"
    assert [name for name in os.listdir(runtime_dir) if "report" in name] == ["report.html"]
