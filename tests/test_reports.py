"""Plots, sheets and whole reports of synthetic records."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.records.result import write_result
from cpbench.reports.analysis.entry import mean_matrix
from cpbench.reports.files import CONTENTS, leftovers, settle
from cpbench.reports.plots.figures import FIGURES
from cpbench.reports.plots.matrices import curves, heat_maps
from cpbench.reports.plots.style import FORMATS, save
from cpbench.reports.samples import BLOCK, GAP, LABEL, MARGIN, THUMB, SheetRow, _columns, sample_sheet
from cpbench.reports.write import PARTS, load, write_report
from synthetic import FORGETS, KEEPS, NAN, ORDER, entry, many, panels_of, record, row


@pytest.fixture
def folder(tmp_path):
    """Records of two methods and a failed run."""
    results = tmp_path / "results"
    for result in (record(), record(seed=1), record("dsc", KEEPS), record("lora", status="error")):
        write_result(results, result)
    return results


@pytest.fixture
def pictures(tmp_path):
    """Eight grey pictures for every key."""
    drawn = tmp_path / "pictures"
    drawn.mkdir()
    for k in range(8):
        Image.new("RGB", (64, 64), (20 * k, 90, 120)).save(drawn / f"{k:04d}.png")
    return lambda key: sorted(drawn.glob("*.png"))


def out(tmp_path, name):
    made = tmp_path / name
    made.mkdir()
    return made


def test_the_mean_matrix_leaves_unmeasured_cells_empty():
    mean = mean_matrix([entry(), entry(r=KEEPS, seed=1)], "identity")
    np.testing.assert_allclose(mean[3], [0.5, 0.6, 0.85])
    assert np.isnan(mean[1, 1])


def test_a_heat_map_shows_the_number_of_every_measured_cell():
    figure = heat_maps({"clora": [entry()]}, "identity")
    (panel,) = panels_of(figure)
    assert [text.get_text() for text in panel] == ["0", "10", "20", "90", "80", "30", "60", "90"]


def test_the_curves_are_the_diagonal_and_the_last_row():
    ax = curves({"clora": [entry()]}, "identity").axes[0]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [90, 80, 90])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [30, 60, 90])
    heights = sorted(float(np.unique(bound.get_ydata())[0]) for bound in ax.lines[2:])
    assert heights == pytest.approx([10, 95])


def test_a_plot_carries_no_date_and_no_version(tmp_path):
    path = save(curves({"clora": [entry()]}, "identity"), tmp_path / "curves.png")
    with Image.open(path) as picture:
        assert not set(picture.info) - {"dpi"}


def test_a_sheet_has_a_block_for_each_task_beside_the_real_pictures():
    picture = Image.new("RGB", (64, 64), "navy")
    rows = [SheetRow(name, k, (picture,) * 2, ((), (picture,), (picture,))) for k, name in enumerate(ORDER[:2], 1)]
    sheet = sample_sheet("clora", rows)
    assert sheet.width == 2 * MARGIN + LABEL + 2 * (THUMB + GAP) + BLOCK + 3 * (THUMB + GAP + BLOCK)
    assert sheet.height > 2 * (THUMB + BLOCK)


@pytest.mark.parametrize(
    ("tasks", "seen"), [(4, {4}), (4, {1, 2, 4}), (4, {1, 2, 3, 4}), (4, {2, 3, 4}), (2, {2}), (9, {9})]
)
def test_a_sheet_has_no_column_for_a_task_whose_only_picture_is_that_of_its_own_concept(tasks, seen):
    square = (Image.new("RGB", (8, 8)),)
    rows = [
        SheetRow(f"c{j}", j, square, tuple(square if i in seen | {0, j} else () for i in range(tasks + 1)))
        for j in range(1, tasks + 1)
    ]
    found = [(column.heading, column.states) for column in _columns(rows)]
    lost = set(range(1, tasks + 1)) - seen
    own = [("own task", list(range(1, tasks + 1)))] if len(lost) > 1 else []
    states = sorted(seen if own else seen | lost)
    assert found == [("base model", [0] * tasks), *own, *((f"after task {i}", [i] * tasks) for i in states)], (
        "a single one of them has its own column, which is as wide"
    )


def report(folder, out, pictures, only=None):
    return list(write_report(load(folder), out, {}, pictures, only))


def test_a_report_has_tables_plots_in_three_formats_sheets_a_site_and_failed_runs(folder, pictures, tmp_path):
    where = out(tmp_path, "out")
    names = {str(p.relative_to(where)) for p in report(folder, where, pictures)}
    assert {"leaderboard.md", "leaderboard.csv", "leaderboard.tex", "summaries.csv", "site/index.html"} <= names
    assert {f"plots/{kind}-tiny-3.{form}" for kind in ("matrix", "curves", "front") for form in FORMATS} <= names
    assert {n for n in names if n.startswith("samples")} == {"samples/tiny-3-clora.png", "samples/tiny-3-dsc.png"}
    text = (where / "leaderboard.md").read_text(encoding="utf-8")
    assert "the loss became NaN" in text
    assert "| lora" not in text


@pytest.mark.parametrize("only", [*PARTS, "curves"])
def test_one_part_alone_can_be_written(folder, pictures, tmp_path, only):
    where = out(tmp_path, "out")
    parts = {p.relative_to(where).parts[0] for p in report(folder, where, pictures, only)}
    assert parts in ({only}, {"plots"}, {"leaderboard.md", "leaderboard.csv", "leaderboard.tex", "summaries.csv"})


def test_two_reports_of_the_same_records_are_the_same_bytes(folder, pictures, tmp_path):
    first, second = (report(folder, out(tmp_path, name), pictures) for name in ("one", "two"))
    assert [p.name for p in first] == [p.name for p in second]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))


def test_pictures_that_are_gone_cost_only_their_sheet(folder, tmp_path):
    paths = report(folder, out(tmp_path, "out"), lambda key: [])
    assert not [p for p in paths if p.parent.name in ("samples", "pictures")]
    assert any(p.name == "matrix-tiny-3.png" for p in paths)


def test_suites_that_differ_get_plots_of_their_own(folder, tmp_path):
    write_result(folder, record(suite="other", suite_hash="e" * 16))
    names = {p.name for p in report(folder, out(tmp_path, "out"), lambda key: [], "matrix")}
    assert len([name for name in names if name.endswith(".png")]) == 2


@pytest.mark.parametrize("failed", [True, False])
def test_a_report_of_nothing_names_the_folder_and_what_to_do(tmp_path, failed):
    results = tmp_path / "results"
    if failed:
        write_result(results, record(status="error"))
    with pytest.raises(BadInput, match=r"results.*cpbench run"):
        report(results, tmp_path, lambda key: [])


QUOTED = {
    "source": "A paper, table 2",
    "link": "https://example.org/paper",
    "about": "Six concepts, another model.",
    "columns": ["A", "F"],
    "rows": [{"method": "theirs", "values": ["1.0", "<b>2.0</b>"]}],
}


def quote(folder, **changes):
    path = folder / "reported" / "paper.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(QUOTED | changes))


def test_numbers_quoted_from_papers_have_a_table_of_their_own_and_no_rank(folder, tmp_path):
    quote(folder)
    where = out(tmp_path, "out")
    report(folder, where, lambda key: [], "tables")
    report(folder, where, lambda key: [], "site")
    text = (where / "leaderboard.md").read_text()
    assert text.index("theirs") > text.index("Reported in papers") > text.index("| dsc")
    assert "theirs" not in (where / "leaderboard.csv").read_text()
    page = (where / "site" / "index.html").read_text()
    assert "&lt;b&gt;2.0&lt;/b&gt;" in page and 'href="https://example.org/paper"' in page


def test_what_papers_report_is_text_in_markdown(folder, tmp_path):
    quote(folder, source="A|B", link="https://example.org/a(b)|c")
    where = out(tmp_path, "out")
    report(folder, where, lambda key: [], "tables")
    text = (where / "leaderboard.md").read_text()
    assert r"[A\|B](https://example.org/a%28b%29%7Cc)" in text and r"\<b\>2.0\</b\>" in text


def test_option_sets_whose_names_make_one_slug_get_a_sheet_each(folder, pictures, tmp_path):
    for note in ("a b", "a_b"):
        write_result(folder, record(options={"learner": {"note": note}}))
    where = out(tmp_path, "out")
    report(folder, where, pictures, "samples")
    report(folder, where, pictures, "site")
    assert len(list((where / "samples").glob("*clora*learner*.png"))) >= 2
    assert len(list((where / "site" / "methods").glob("*-clora*learner.note*"))) >= 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"link": "javascript:alert(1)"}, "link"),
        ({"columns": ["A"]}, "theirs.* 1 value"),
        ({"rows": []}, "rows"),
        ({"more": 1}, "more"),
    ],
)
def test_reported_numbers_that_are_not_what_they_should_be_are_refused_by_file(folder, changes, sentence):
    quote(folder, **changes)
    with pytest.raises(BadInput, match=rf"paper\.json.*{sentence}"):
        load(folder)


def test_all_heat_maps_share_one_scale():
    nothing = [[0.0 if not math.isnan(v) else NAN for v in values] for values in FORGETS]
    figure = heat_maps({"clora": [entry()], "lora": [entry("lora", nothing)]}, "identity")
    images = figure.axes[0].images
    assert len(images) == 2 and {image.get_clim() for image in images} == {(0, 100)}
    assert panels_of(figure)[1][0].get_text() == "0"


def test_a_heat_map_of_one_run_names_its_concepts():
    ax = heat_maps({"clora": [entry()]}, "identity").axes[0]
    assert [text.get_text() for text in ax.texts if text.get_rotation() == 45] == ORDER


def test_the_base_model_alone_can_be_reported(tmp_path, pictures):
    write_result(tmp_path / "results", record("base"))
    paths = report(tmp_path / "results", tmp_path / "new" / "out", pictures)
    assert paths and all(path.is_file() for path in paths)


def test_sheets_show_the_lowest_seed_and_leave_no_file_open(tmp_path):
    for seed in range(4):
        own = {"draw/1/1": f"seed-{seed}", **{f"real/{name}": "real" for name in ORDER}}
        own |= {"draw/2/2": "x", "draw/3/3": "x"}
        write_result(tmp_path / "results", record(seed=seed).model_copy(update={"units": own}))
    path = tmp_path / "0000.png"
    Image.new("RGB", (64, 64)).save(path)
    asked = []
    report(tmp_path / "results", out(tmp_path, "out"), lambda key: asked.append(key) or [path], "samples")
    assert {key for key in asked if key.startswith("seed")} == {"seed-0"}


@pytest.mark.parametrize("name", ["../kept.txt", "/kept.txt", "link/kept.txt", "folder"])
def test_a_list_of_files_removes_nothing_outside_its_folder_and_no_folder(tmp_path, name):
    made, kept = tmp_path / "out", tmp_path / "kept.txt"
    (made / "folder").mkdir(parents=True)
    (made / "link").symlink_to(tmp_path)
    kept.write_text("kept")
    name = str(kept) if name.startswith("/") else name
    (made / CONTENTS).write_text(json.dumps({"tables": [name]}))
    assert leftovers(made, [], None) == []
    settle(made, {}, None)
    assert kept.exists() and (made / "folder").exists()


def test_a_list_of_files_that_is_none_is_refused(folder, tmp_path):
    where = out(tmp_path, "out")
    (where / CONTENTS).write_text("[1]")
    with pytest.raises(BadInput, match=r"contents.json.*not a list of the files of a report.*remove it"):
        report(folder, where, lambda key: [], "tables")


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def logged(method, **changes):
    """A record that every kind of plot but those of options can show."""
    figures = {"change": 0.1, "change.mid_block.attn2.to_k": 0.1, "fisher.1": 1.0, "fisher_dc.1": 2.0}
    figures |= {"gradient.dsc.norm.noise": 2.0, "gradient.dsc.norm.scores": 1.0}
    made = record(method, figures=figures, **changes)
    rows = [row("dc_accuracy", i, j, 0.5) for i in (2, 3) for j in range(1, i + 1)]
    scores = [s.model_dump() for s in made.scores] + [r | {"concept": made.run.order[r["j"] - 1]} for r in rows]
    return made.model_validate(made.model_dump(by_alias=True) | {"scores": scores})


def test_a_report_counts_its_steps_part_by_part_up_to_the_last(folder, pictures, tmp_path):
    calls = []
    list(write_report(load(folder), tmp_path / "out", {}, pictures, None, lambda *call: calls.append(call)))
    assert list(dict.fromkeys(part for part, _, _ in calls)) == list(PARTS)
    for part in PARTS:
        (total,) = {total for name, _, total in calls if name == part}
        done = [done for name, done, _ in calls if name == part]
        assert done == sorted(done) and done[0] == 0 and done[-1] == total > 1


@pytest.mark.slow
def test_two_processes_whose_hashes_differ_write_the_same_bytes(folder, tmp_path):
    for k in range(12):
        for order in (ORDER, ORDER[::-1]):
            write_result(folder, logged(f"method-{k}", order=order))
    made = [unit for path in folder.rglob("*.json") for unit in json.loads(path.read_text())["units"].values()]
    for k, unit in enumerate(sorted(set(made))):
        (tmp_path / "home" / "units" / unit).mkdir(parents=True)
        for n in range(4):
            Image.new("RGB", (32, 32), (20 * k % 256, 60 * n, 90)).save(tmp_path / f"home/units/{unit}/{n:04d}.png")
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "cpbench.benchmark.cli.main", "report"]
        command += ["--results", folder, "--out", tmp_path / seed]
        environment = os.environ | {"PYTHONHASHSEED": seed, "CPBENCH_HOME": str(tmp_path / "home")}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    first, second = files_of(tmp_path / "1"), files_of(tmp_path / "2")
    assert first.keys() == second.keys()
    assert [str(path) for path in first if first[path] != second[path]] == []
    drawn = {path.name.partition("-")[0] for path in first if path.parts[0] == "plots"}
    assert drawn == FIGURES.keys() - {"shrinkage", "frontier", "strengths"}, "all that these records can show"
    assert {path.suffix for path in first} >= {".webp", ".png", ".svg", ".pdf", ".html", ".csv", ".tex", ".md", ".json"}


MEASURED = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "cpbench.benchmark.cli.main", "report", *sys.argv[1:]], stdout=2, check=True)
spent = resource.getrusage(resource.RUSAGE_CHILDREN)
print(spent.ru_utime + spent.ru_stime, spent.ru_maxrss / 1024)
"""  # a small process between: the peak of a child counts what its parent had when it was started


def spent_by_the_command(*arguments):
    """Seconds of processor time, and the peak of memory in MB, of ``cpbench report``."""
    command = [sys.executable, "-c", MEASURED, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [float(number) for number in done.stdout.split()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is counted in kB on Linux")
def test_ten_thousand_records_become_tables_and_a_site_within_a_gigabyte_and_two_megabytes(tmp_path, show):
    many(tmp_path / "results", 10_000)
    folders = ("--results", tmp_path / "results", "--out", tmp_path / "out")
    tables, site = (spent_by_the_command(*folders, "--only", part) for part in ("tables", "site"))
    show(f"tables {tables[0]:.1f} s, {tables[1]:.0f} MB; site {site[0]:.1f} s, {site[1]:.0f} MB")
    assert max(tables[1], site[1]) < 1000
    pages = tmp_path / "out" / "site"
    assert sum((pages / name).stat().st_size for name in ("index.html", "site.css", "site.js")) < 2e6
