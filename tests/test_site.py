"""The site: what its pages show, that nothing in them becomes markup by accident, and how its charts are drawn."""

import dataclasses
import html
import json
import re
from html.parser import HTMLParser
from itertools import permutations

import numpy as np
import pytest
from PIL import Image

from cpbench.benchmark.records.result import Result, write_result
from cpbench.methods.catalogue import CATALOGUE
from cpbench.reports.analysis.board import About, pareto
from cpbench.reports.analysis.units import alike, three
from cpbench.reports.files import slugs_of
from cpbench.reports.site.cells import Scale, heat_map, scales
from cpbench.reports.site.scatter import Dot, scatter
from cpbench.reports.site.svg import Level, Series, axis, lines, short
from cpbench.reports.tables.terms import PARTS, TERMS
from cpbench.reports.write import load, write_report
from synthetic import KEEPS, NAN, ORDER, entry, record, row

METHODS = {"lora": About("lora", (), "One LoRA.", "https://example.org/lora")}
METHODS |= {"base": About("", (), "The pretrained model.", "")}
METHODS |= {"clora": About("lora", ("clora",), "A penalty.", ""), "dsc": About("lora", ("dsc",), "Scores.", "")}


class Links(HTMLParser):
    """Collects what a page refers to, and its open tags."""

    def __init__(self):
        super().__init__()
        self.found, self.open, self.anchors = [], [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.anchors.append(value)
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


def links_of(page):
    parser = Links()
    parser.feed(page.read_text())
    assert not parser.open, page.name
    return parser


def test_every_link_of_every_page_leads_to_a_file_or_a_place_of_the_site(results, tmp_path, pictures):
    pages = [p for p in write(results, tmp_path / "out", pictures) if p.suffix == ".html"]
    assert len(pages) == 1 + 9 + 3 + 1 + 1
    anchors = {page: links_of(page).anchors for page in pages}
    for page in pages:
        assert len(set(anchors[page])) == len(anchors[page]), f"{page.name}: one id twice"
        for link in links_of(page).found:
            if link.startswith(("data:", "https://example.org")):
                continue
            assert "://" not in link
            file, _, place = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            assert target.exists(), f"{page.name}: {link}"
            assert not place or place in anchors[target], f"{page.name}: {link}"


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
    assert all(TERMS[key].text in html.unescape(text) for key in ("identity", "plasticity", "forgetting", "rank"))
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
        assert sprite.size == (20 * 5, 20 * 6), "two pixels of its own edge on each side of a picture"


def test_all_pairs_are_compared_once_with_what_is_sure_marked(results, tmp_path):
    write(results, tmp_path / "out")
    (page,) = (tmp_path / "out" / "site").glob("compare-*.html")
    text = page.read_text()
    assert re.findall(r'data-pair="([^"]*)"', text) == ["clora dsc", "clora lora", "dsc lora"]
    assert '<td class="sure up">' in text and '<td class="sure down">' in text


def test_pictures_that_are_gone_leave_pages_without_films_that_say_so(results, tmp_path):
    paths = write(results, tmp_path / "out")
    assert not list((tmp_path / "out" / "site" / "pictures").iterdir())
    pages = [p.read_text() for p in paths if p.suffix == ".html" and p.name != "index.html"]
    assert not any('type="range"' in text for text in pages)
    shown = [text for text in pages if "<h1>Glossary" not in text]
    assert len(shown) == len(pages) - 1
    assert all("cpbench run" in text and "<code>cpbench report</code>" in text for text in shown)


def test_a_method_that_learns_nothing_has_no_pictures_to_miss(tmp_path):
    write_result(tmp_path / "results", record("base", KEEPS))
    made = [p for p in write(tmp_path / "results", tmp_path / "out") if p.parent.name in ("runs", "methods")]
    assert made and not any("<code>cpbench report</code> then" in p.read_text() for p in made)


def page_of(results, tmp_path, kind, name):
    """The text of one page."""
    write(results, tmp_path / "out")
    (path,) = (tmp_path / "out" / "site").glob(f"{kind}*{name}.html")
    return path.read_text()


def test_the_page_of_comparisons_has_the_numbers_the_matrix_and_the_curves_of_every_method(results, tmp_path):
    text = page_of(results, tmp_path, "compare-", "")
    panels = text.split("<section data-method=")[1:]
    assert [p.split('"')[1] for p in panels] == ["clora", "dsc", "lora"]
    assert "70.0 [70.0, 70.0]" in panels[0]
    assert all(p.count('class="heat"') == 1 and p.count('class="chart"') == 1 for p in panels)


def test_the_page_of_comparisons_names_rows_as_the_leaderboard_does(tmp_path):
    for strength in (1.0, 3.0):
        made = record("clora", KEEPS, options={"clora": {"strength": strength}})
        write_result(tmp_path / "results", made)
    text = page_of(tmp_path / "results", tmp_path, "compare-", "")
    (board,) = load(tmp_path / "results").boards
    slugs = slugs_of(board.runs)
    assert all(slug != name for name, slug in slugs.items()), "names have characters that no file has"
    for name, slug in slugs.items():
        shown = html.escape(name)
        assert len(re.findall(rf'<option value="{re.escape(slug)}"[^>]*>{re.escape(shown)}</option>', text)) == 2
        assert f">{shown}</a></h3>" in text and f">{slug}<" not in text


def test_the_films_of_two_methods_are_of_an_order_and_seed_that_both_have(tmp_path, pictures):
    runs = (("clora", 0), ("clora", 1), ("dsc", 1), ("dsc", 2), ("lora", 2))
    for method, seed in runs:
        write_result(tmp_path / "results", record(method, KEEPS, seed=seed))
    write(tmp_path / "results", tmp_path / "out", pictures)
    (path,) = (tmp_path / "out" / "site").glob("compare-*.html")
    text = path.read_text()
    takes = json.loads(html.unescape(re.search(r'data-takes="([^"]*)"', text)[1]))
    assert [take["caption"].split("seed ")[1] for take in takes] == ["1.", "2."], "clora's first run stands by no other"
    parts = text.split("data-filmed=")[1:]
    shown = {p.split('"')[1]: re.findall(r'data-take="(\d)"', p) for p in parts}
    assert shown == {"clora": ["0"], "dsc": ["0", "1"], "lora": ["1"]}
    assert f"pictures/{record('clora', KEEPS, seed=1).run.id}.webp" in parts[0]


def test_tables_say_what_their_rows_are_and_in_which_unit(tmp_path):
    rows = [row("dc_accuracy", 2, j, 0.5) | {"concept": ORDER[j - 1]} for j in (1, 2)]
    rows += [row("dc_confusion", 2, 1, 0.5) | {"other": ORDER[1]}]
    made = record("lora").model_dump(by_alias=True)
    made |= {"scores": made["scores"] + rows, "environment": {"device": "a processor"}}
    write_result(tmp_path / "results", Result.model_validate(made))
    text = page_of(tmp_path / "results", tmp_path, "runs/", "")
    assert '<th scope="col">pictures of</th>' in text and "after task 2 (%, chance 50)" in text
    assert text.count("<dt>device</dt>") == 1 and "<dt>processor</dt><dd>a processor</dd>" in text
    method = page_of(tmp_path / "results", tmp_path, "methods/", "lora")
    assert re.search(r'<th scope="row">identity % ↑</th><td data-value="0.6">60.0</td>', method)
    assert re.search(r'<th scope="row">kid ×10³ ↓</th><td data-value="0.008">8.00</td>', method)
    assert '<th scope="col">forgetting last ↓</th>' in method and '<th scope="col">backward transfer ↑</th>' in method


def test_floor_and_ceiling_are_named_lines_and_seeds_are_sorted_as_numbers(results, tmp_path):
    text = page_of(results, tmp_path, "methods/", "dsc")
    assert "floor: base model, 10<" in text and "ceiling: real pictures, 95<" in text
    assert '<td data-value="2">2</td>' in text


def test_colours_have_one_scale_and_darker_is_better_whatever_the_direction():
    drifts = entry(r=[[NAN] * 3, [NAN] * 3, [NAN] * 3, [0.97, 0.6, 0.3]])
    seen = scales([entry(), dataclasses.replace(drifts, cells={"drift_mmd": 0.001 - drifts.cells["mmd"] / 1e4},
                                                higher={"drift_mmd": False})])  # fmt: skip
    assert seen["identity"] == Scale(0.0, 1.0)
    assert seen["mmd"].worst == pytest.approx(0.01) and seen["mmd"].best < 0.0011
    assert seen["mmd"].share(0.001) > 0.98 and seen["mmd"].share(0.01) == 0
    assert [seen["identity"].share(v) for v in (-1, 0.5, 2)] == [0, 0.5, 1]


def test_a_drift_that_is_nearly_nothing_does_not_look_like_a_difference():
    still = np.array([[NAN] * 3, [0.0003, -0.0003, 0.0]])
    drift = dataclasses.replace(entry(), cells=entry().cells | {"drift_kid": still})
    drift = dataclasses.replace(drift, higher=drift.higher | {"drift_kid": False})
    shares = [c.share for c in heat_map("drift_kid", still, ORDER, scales([drift])["kid"], higher=False).rows[0].cells]
    assert max(shares) - min(shares) < 0.05 and min(shares) > 0.9


def test_task_orders_are_named_rows_of_points_without_a_line_between_them(tmp_path):
    for seed in (0, 1):
        for order in (ORDER, ORDER[::-1]):
            write_result(tmp_path / "results", record("lora", KEEPS, seed=seed, order=order))
    text = page_of(tmp_path / "results", tmp_path, "methods/", "lora")
    chart = text.split("Average by task order", 1)[1].split("</figure>")[0]
    assert "not shown" not in chart
    assert " → ".join(ORDER) in chart and " → ".join(ORDER[::-1]) in chart
    assert chart.count("<circle") == 4 and "legend" not in chart, "one point per seed, and no line from order to order"


def test_a_chart_of_more_orders_than_it_draws_counts_those_that_it_leaves_out(tmp_path):
    names = [f"concept{k}" for k in range(4)]
    for k, order in enumerate(list(permutations(names))[:15]):
        r = [[NAN] * 4, [0.5, NAN, NAN, NAN], [NAN, 0.5, NAN, NAN], [NAN, NAN, 0.5, NAN], [k / 20] * 4]
        made = record("lora", KEEPS).model_dump(by_alias=True)
        rows = [row("identity", i, 1, v) | {"j": j + 1, "concept": order[j]} for i, own in enumerate(r)
                for j, v in enumerate(own) if v == v]  # fmt: skip
        made |= {"scores": rows, "run": made["run"] | {"order": list(order)}, "cost": [], "units": {}}
        write_result(tmp_path / "results", Result.model_validate(made))
    text = page_of(tmp_path / "results", tmp_path, "methods/", "lora")
    figure = text.split("Average by task order", 1)[1].split("</figure>")[0]
    assert "6 best and 6 worst of 15" in figure and "3 not shown" in figure
    assert figure.count("<circle") == 12


def test_a_method_of_another_package_is_shown_like_one_of_the_catalogue(tmp_path):
    write_result(tmp_path / "results", record("mine", KEEPS))
    mine = About("lora", ("mine-penalty",), "Holds what matters.", "https://example.org/mine")
    list(write_report(load(tmp_path / "results"), tmp_path / "out", METHODS | {"mine": mine}, lambda key: [], "site"))
    (page,) = (tmp_path / "out" / "site").glob("methods/*mine.html")
    text = page.read_text()
    assert "Holds what matters." in text and 'href="https://example.org/mine"' in text
    assert f"<b>lora</b>: {PARTS['lora'].text}" in html.unescape(text) and "<b>mine-penalty</b></dd>" in text
    assert 'data-adapter="lora" data-consolidation="mine-penalty"' in (page.parent.parent / "index.html").read_text()


def test_every_part_of_the_catalogue_has_a_meaning():
    rows = CATALOGUE.values()
    used = {r.adapter for r in rows if r.adapter} | {name for r in rows for name in r.consolidations}
    assert used == set(PARTS)


def test_a_method_that_is_not_installed_is_named_with_its_package_and_what_to_do(tmp_path):
    options = {"factory": "gone:make", "package": "gone-methods 1.2"}
    write_result(tmp_path / "results", record("gone", KEEPS, options=options))
    text = html.unescape(page_of(tmp_path / "results", tmp_path, "methods/", "gone"))
    assert all(part in text for part in ("Not in this installation", "'gone'", "gone-methods 1.2", "cpbench report"))
    assert "Parts</dt><dd>unknown" in text
    index = (tmp_path / "out" / "site" / "index.html").read_text()
    assert 'data-adapter="unknown" data-consolidation="unknown"' in index


def test_rows_of_a_heat_map_that_hold_nothing_are_counted():
    r = np.array([[NAN] * 3, [0.5, NAN, NAN], [NAN] * 3, [0.1, 0.2, 0.3]])
    found = heat_map("identity", r, ORDER, Scale(0, 1))
    assert len(found.rows) == 2 and "2 empty rows not shown" in found.title
    assert "not shown" not in heat_map("identity", r[[1, 3]], ORDER[:1] * 3, Scale(0, 1)).title


def test_the_changes_of_layers_are_on_the_pages_of_run_and_method(tmp_path):
    layer = "up_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    write_result(tmp_path / "results", record("lora", figures={f"change.{layer}": 0.02, "change": 0.02}))
    for kind in ("runs/", "methods/"):
        text = page_of(tmp_path / "results", tmp_path, kind, "")
        assert '<th scope="row">up 0.0 key</th><td style="--v:1.0"' in text and "2.0e-2" in text


def test_values_after_each_task_are_curves_where_they_were_measured(tmp_path):
    full = [[0.0, 0.1, 0.2], [0.9, 0.1, 0.2], [0.5, 0.8, 0.2], [0.3, 0.6, 0.9]]
    write_result(tmp_path / "results", record("lora", full, protocol="full"))
    text = page_of(tmp_path / "results", tmp_path, "runs/", "")
    chart = text.split("After each task</figcaption>")[1].split("</figure>")[0]
    assert all(f"{name}</li>" in chart for name in ORDER)
    assert chart.count('class="mark"') == 12 + 3, "three concepts after four states, and the legend"


def test_points_of_the_front_are_on_top_and_all_points_have_names(tmp_path):
    dots = [Dot("behind", 1, 1, "#"), Dot("first", 1, 1, "#", front=True), Dot("third", 2, 1, "#")]
    text = scatter("t", dots, axis("x", [1, 2]), axis("y", [1, 2]))
    wide = text.split("</svg>")[0]
    assert wide.rindex("first") > wide.rindex("behind") and all(f">{d.name}</text>" in wide for d in dots)


def test_a_short_logarithmic_axis_has_several_ticks():
    assert len(axis("s", [13.0, 57.0], log=True).ticks()) >= 4
    assert len(axis("s", [4e3, 6e6], log=True).ticks()) >= 3


def test_numbers_have_three_significant_digits():
    assert [three(v) for v in (242.80, 1303.9, 5.126, 0.0129, 0.0)] == ["243", "1304", "5.13", "0.013", "0"]
    assert alike(29.27, "243") == "29" and alike(3.66, "84.8") == "3.7"


def test_a_chart_shows_gaps_and_directions_and_escapes_names():
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


def test_a_record_is_read_back_as_it_was(results):
    report = load(results)
    entry = report.boards[0].results[0]
    path, result = report.read(entry)
    assert path.stem == entry.run.id and isinstance(result, Result)


def test_the_name_of_a_level_is_written_where_no_line_runs():
    falls = Series("f", [1, 2, 3], [1.0, 0.5, 0.12])
    chart = lines("t", [falls], axis("x", [1, 3]), axis("y", [0, 1], zero=True), [Level("floor", 0.1)])
    at = float(re.search(r'class="level">.*?<text x="([\d.]+)"', chart)[1])
    assert at < 150, "at the left, since the line comes down at the right"
