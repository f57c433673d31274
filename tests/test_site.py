"""The site: what its pages say, that nothing in them is markup by accident, and how much it takes."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from cpbench.benchmark.results import Result, write_result
from cpbench.reports.about import About
from cpbench.reports.chart import Series, axis, lines, pareto, short
from cpbench.reports.write import load, write_report
from synthetic import KEEPS, ORDER, record

METHODS = {"lora": About("lora", (), "One LoRA.", "https://example.org/lora")}
METHODS |= {"clora": About("lora", ("clora",), "A penalty.", ""), "dsc": About("lora", ("dsc",), "Scores.", "")}


class Links(HTMLParser):
    """Collects what a page refers to, and its open tags."""

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src"):
                self.found.append(value)
            if name == "style" and value and "url(" in value:
                self.found += re.findall(r"url\(([^)]*)\)", value)
        if tag not in ("meta", "link", "img", "input", "path", "circle", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("path", "circle"):
            assert self.open.pop() == tag


@pytest.fixture
def pictures(tmp_path):
    path = tmp_path / "0000.png"
    Image.new("RGB", (16, 16), (200, 20, 20)).save(path)
    return lambda key: [path] * 4


@pytest.fixture
def results(tmp_path):
    for seed in range(3):
        for method, r in (("clora", KEEPS), ("dsc", None), ("lora", KEEPS)):
            write_result(tmp_path / "results", record(method, *([r] if r else []), seed=seed))
    return tmp_path / "results"


def write(results, out, pictures=lambda key: []):
    return list(write_report(load(results), out, METHODS, pictures, "site"))


def test_every_link_of_every_page_leads_to_a_file_of_the_site(results, tmp_path, pictures):
    pages = [p for p in write(results, tmp_path / "out", pictures) if p.suffix == ".html"]
    assert len(pages) == 1 + 9 + 3 + 1
    for page in pages:
        parser = Links()
        parser.feed(page.read_text())
        assert not parser.open
        for link in parser.found:
            if link.startswith(("#", "data:", "https://example.org")):
                continue
            assert "://" not in link
            assert (page.parent / link.split("#")[0]).exists(), f"{page.name}: {link}"


def test_the_same_records_give_the_same_bytes_whatever_was_there_before(results, tmp_path, pictures):
    first = {p.relative_to(tmp_path / "a"): p.read_bytes() for p in write(results, tmp_path / "a", pictures)}
    write(results, tmp_path / "b", pictures)
    second = {p.relative_to(tmp_path / "b"): p.read_bytes() for p in write(results, tmp_path / "b", pictures)}
    assert first == second


def test_names_from_records_are_text_and_never_markup(tmp_path):
    evil = '<script>alert("x")</script>'
    options = {"learner": {"note": evil}}
    write_result(tmp_path / "results", record(KEEPS and "lora", KEEPS, options=options, profile=evil, backbone=evil))
    for page in write(tmp_path / "results", tmp_path / "out"):
        if page.suffix == ".html":
            assert evil not in page.read_text()


def test_the_leaderboard_has_ranks_intervals_bounds_and_what_can_be_filtered(results, tmp_path):
    write(results, tmp_path / "out")
    text = (tmp_path / "out" / "site" / "index.html").read_text()
    assert '<tr class="bound">' in text and "ceiling: real pictures" in text
    assert 'data-adapter="lora" data-consolidation="dsc"' in text
    assert re.search(r'<th scope="row"><a href="methods/[^"]*-dsc\.html">dsc</a></th><td data-value="3">3', text)
    assert '<select data-filter="consolidation"><option value="">all</option><option>clora</option>' in text
    assert text.count('class="chart"') == 3


def test_a_run_page_has_its_command_conditions_record_and_film(results, tmp_path, pictures):
    write(results, tmp_path / "out", pictures)
    site = tmp_path / "out" / "site"
    made = record("dsc", seed=1)
    text = (site / "runs" / f"{made.run.id}.html").read_text()
    assert f"--orders {','.join(ORDER)}" in text and "--seeds 2" in text and "--set learner.rate=0.001" in text
    assert json.loads((site / "data" / f"{made.run.id}.json").read_text())["run"]["method"] == "dsc"
    assert f"../pictures/{made.run.id}.webp" in text and 'type="range"' in text
    with Image.open(site / "pictures" / f"{made.run.id}.webp") as sprite:
        assert sprite.size == (16 * 5, 16 * 6)


def test_all_pairs_are_compared_once_with_what_is_sure_marked(results, tmp_path):
    write(results, tmp_path / "out")
    (page,) = (tmp_path / "out" / "site").glob("compare-*.html")
    text = page.read_text()
    assert re.findall(r'data-pair="([^"]*)"', text) == ["clora dsc", "clora lora", "dsc lora"]
    assert '<td class="sure up">' in text and '<td class="sure down">' in text


def test_pictures_that_are_gone_leave_pages_without_films(results, tmp_path):
    paths = write(results, tmp_path / "out")
    assert not list((tmp_path / "out" / "site" / "pictures").iterdir())
    assert not any('type="range"' in p.read_text() for p in paths if p.suffix == ".html")


def test_a_chart_tells_gaps_and_directions_and_escapes_names():
    chart = lines(
        "a < b", [Series("<i>", [1, 2, 3], [0.1, float("nan"), 0.3])], axis("x", [1, 3]), axis("y", [0.1, 0.3])
    )
    assert "&lt;i&gt;" in chart and "<i>" not in chart
    assert chart.count('class="mark"') == 3, "two points and one in the legend"


def test_the_front_is_what_no_other_beats():
    points = [(1, 5), (2, 6), (2, 4), (3, 6), (1, 5)]
    assert pareto(points, smaller_x=True, smaller_y=False) == [True, True, False, False, True]


def test_ticks_are_short():
    assert [short(v) for v in (0, 0.25, 1500, 2e6, 3e9)] == ["0", "0.25", "1.5k", "2M", "3G"]


def many(folder, n):
    """Records of n runs: 50 methods, orders and seeds as it takes; written fast."""
    base = json.loads(record("lora", KEEPS).model_dump_json(by_alias=True))
    for k in range(n):
        base["run"] |= {"method": f"m{k % 50:02d}", "seed": k // 50}
        base["scores"][0]["value"] = (k * 7919 % 1000) / 1000
        path = folder / "tiny-3" / f"m{k % 50:02d}" / f"{k:016x}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(base))


MEASURED = """
import re, sys, time
from pathlib import Path
from cpbench.reports.write import load, write_report

folder = Path(sys.argv[1])
report = load(folder / "results")
list(write_report(report, folder / "out", {}, lambda key: [], "tables"))
tables = time.process_time()
list(write_report(report, folder / "out", {}, lambda key: [], "site"))
peak = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(tables, time.process_time() - tables, int(peak) / 1024)
"""  # in a process of its own: what earlier tests keep in memory is not the report's


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from Linux")
def test_ten_thousand_records_become_tables_in_ten_seconds_and_a_site_in_sixty(tmp_path):
    many(tmp_path / "results", 10_000)
    done = subprocess.run([sys.executable, "-c", MEASURED, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tables, site, megabytes = map(float, done.stdout.split())
    print(f"tables {tables:.1f} s, site {site:.1f} s, peak {megabytes:.0f} MB")
    assert tables < 10 and site < 60 and megabytes < 1000
    pages = tmp_path / "out" / "site"
    assert sum((pages / name).stat().st_size for name in ("index.html", "site.css", "site.js")) < 2e6


def test_a_record_is_read_back_as_it_was(results):
    report = load(results)
    entry = report.boards[0].results[0]
    path, result = report.read(entry)
    assert path.stem == entry.run.id and isinstance(result, Result)
