"""Reports of synthetic records whose numbers are known by hand."""

import csv
import io
import json
import math

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.results import Result, write_result
from cpbench.reports.plots import curves, heat_maps, mean_matrix, save
from cpbench.reports.sheet import BLOCK, GAP, LABEL, MARGIN, THUMB, SheetRow, sample_sheet
from cpbench.reports.stats import estimate
from cpbench.reports.tables import matrix_table, to_csv, to_markdown, to_terminal
from cpbench.reports.tidy import boards, by_method, ceiling, floor, matrix
from cpbench.reports.write import write_report

ORDER = ["mallow", "rumble", "petal"]
NAN = float("nan")
# Rows: base, after tasks 1 to 3; measured as in the final protocol: row 0, the diagonal and the last row.
FORGETS = [[0.0, 0.1, 0.2], [0.9, NAN, NAN], [NAN, 0.8, NAN], [0.3, 0.6, 0.9]]
KEEPS = [[0.0, 0.1, 0.2], [0.7, NAN, NAN], [NAN, 0.7, NAN], [0.7, 0.6, 0.8]]


def row(metric, i, j, value, prompt=None, source="model", n=8):
    named = {"source": source, "i": i, "j": j, "concept": ORDER[j - 1], "prompt": prompt, "metric": metric}
    return named | {"value": value, "n": n, "higher_is_better": metric not in ("mmd", "kid")}


def scores(r, n):
    """Rows of a matrix: two prompts that average to the cell, distances that follow from it, and a ceiling."""
    cells = [(i, j + 1, v) for i, values in enumerate(r) for j, v in enumerate(values) if not math.isnan(v)]
    for i, j, v in cells:
        yield row("identity", i, j, v - 0.0625, prompt=0, n=n // 2)
        yield row("identity", i, j, v + 0.0625, prompt=1, n=n // 2)
        yield row("mmd", i, j, (1 - v) / 100, n=n)
        yield row("kid", i, j, (1 - v) / 50, n=n)
    for j, v in ((1, 1.0), (2, 0.9), (3, 0.95)):
        yield row("identity", 0, j, v, source="real", n=n)
        yield row("mmd", 0, j, 0.001, source="real", n=n)


def spent(task):
    return {
        "task": task,
        "train_seconds": 10.0 * task,
        "peak_memory_bytes": 10**9,
        "trainable_parameters": 64320,
        "stored_bytes": 200_000 * task,
        "seconds_per_picture": 0.02,
        "figures": {},
    }


def record(method="clora", r=FORGETS, *, n=8, status="ok", options=None, **changes):
    """A whole record; ``changes`` replace fields of its run."""
    run = {
        "suite": "tiny-3",
        "suite_version": 2,
        "suite_hash": "a" * 16,
        "backbone": "tiny",
        "weights": "b" * 16,
        "method": method,
        "options": options or {"learner": {"rate": 0.001}},
        "order": ORDER,
        "seed": 0,
        "protocol": "final",
        "profile": "toybox",
        "extractors": {"effnet-lite0": "c" * 16},
        "device": "cpu",
        "dtype": "float32",
    }
    units = {f"draw/{i}/{j + 1}": f"d{i}{j + 1}" for i in range(4) for j in range(3) if not math.isnan(r[i][j])}
    content = {
        "schema": 1,
        "run": run | changes,
        "scores": list(scores(r, n)) if status == "ok" else [],
        "cost": [spent(task) for task in (1, 2, 3)] if method != "base" else [],
        "environment": {},
        "units": units | {f"real/{name}": f"r-{name}" for name in ORDER},
        "status": status,
        "error": None if status == "ok" else "the loss became NaN",
        "created": "2026-01-01T00:00:00Z",
    }
    return Result.model_validate(content)


def line(found, method):
    return next(x for board in found for x in board.lines if x.method == method)


def shown(found):
    console = Console(width=200, file=io.StringIO())
    console.print(to_terminal(found))
    return console.file.getvalue()


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


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


def test_the_matrix_averages_prompts_and_marks_unmeasured_cells():
    r = matrix(record(), "identity")
    assert r.shape == (4, 3)
    np.testing.assert_allclose(r, FORGETS)


def test_the_matrix_of_a_metric_that_was_not_measured_is_empty():
    assert np.isnan(matrix(record(), "image_align")).all()


def test_floor_and_ceiling_are_means_over_concepts():
    assert floor(record(), "identity") == pytest.approx(0.1)
    assert ceiling(record(), "identity") == pytest.approx(0.95)
    assert math.isnan(floor(record(), "image_align"))
    assert math.isnan(ceiling(record(), "kid"))


def test_the_leaderboard_shows_what_is_computed_by_hand():
    values = line(boards([record()]), "clora").values
    assert values["average"].value == pytest.approx((0.3 + 0.6 + 0.9) / 3)
    assert values["plasticity"].value == pytest.approx((0.9 + 0.8 + 0.9) / 3)
    assert values["forgetting"].value == pytest.approx(((0.9 - 0.3) + (0.8 - 0.6)) / 2)
    assert values["mmd"].value == pytest.approx(0.004)
    assert values["kid"].value == pytest.approx(0.008)
    assert values["train_seconds"].value == pytest.approx(20)
    assert values["stored_bytes"].value == 600_000
    assert values["trainable"].value == 64320


def test_rows_are_ranked_and_end_with_floor_and_ceiling():
    (board,) = boards([record(), record("dsc", KEEPS)])
    assert [x.method for x in board.lines] == ["dsc", "clora", "floor: base model", "ceiling: real pictures"]
    assert [x.values["average"].value for x in board.lines[2:]] == pytest.approx([0.1, 0.95])


def test_runs_of_one_method_are_averaged_and_counted():
    average = line(boards([record(), record(r=KEEPS, seed=1)]), "clora").values["average"]
    assert average.value == pytest.approx((0.6 + 0.7) / 2)
    assert average.n == 2


def test_two_sets_of_options_are_two_rows_that_say_how_they_differ():
    warm, cool = ({"learner": {"rate": 0.001}, "dsc": {"temperature": t}} for t in (0.1, 0.05))
    named = by_method([record("dsc", options=warm), record("dsc", options=cool, seed=1), record()])
    assert sorted(named) == ["clora", "dsc (dsc.temperature=0.05)", "dsc (dsc.temperature=0.1)"]


@pytest.mark.parametrize(
    "changes",
    [
        {"suite_hash": "d" * 16},
        {"backbone": "other"},
        {"weights": "d" * 16},
        {"profile": "dreambooth"},
        {"extractors": {"effnet-lite0": "d" * 16}},
        {"protocol": "full"},
        {"dtype": "bfloat16"},
        {"n": 16},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_runs_that_cannot_be_compared_are_split_with_the_reason(changes):
    found = boards([record(), record("dsc", KEEPS, **changes)])
    assert len(found) == 2
    assert all(len([x for x in board.lines if not x.bound]) == 1 for board in found)
    assert "2 tables" in to_markdown(found)
    assert "2 tables" in shown(found)


def test_sequences_of_different_lengths_are_split():
    whole = record("dsc", KEEPS)
    two = [s for s in whole.scores if s.i < 3 and s.j < 3]
    short = whole.model_copy(update={"scores": two, "run": whole.run.model_copy(update={"order": ORDER[:2]})})
    assert sorted(board.tasks for board in boards([record(), short])) == [2, 3]


def test_one_run_has_no_interval():
    assert estimate([0.5]).interval is None
    values = line(boards([record()]), "clora").values
    assert values["average"].interval is None
    assert "interval" in shown(boards([record()]))


def test_an_interval_holds_the_mean_and_is_the_same_every_time():
    values = [0.5, 0.6, 0.65, 0.9]
    first = estimate(values)
    assert first.interval[0] < first.value < first.interval[1]
    assert min(values) <= first.interval[0] and first.interval[1] <= max(values)
    assert estimate(values) == first


def test_runs_that_agree_have_an_interval_of_no_width():
    assert estimate([0.5] * 4).interval == (0.5, 0.5)


def test_runs_without_a_value_are_not_counted():
    assert estimate([0.5, NAN]).n == 1
    assert math.isnan(estimate([NAN]).value)


def test_markdown_prints_units_directions_and_the_best_in_bold():
    text = to_markdown(boards([record(), record("dsc", KEEPS)]))
    dsc = next(x for x in text.splitlines() if x.startswith("| dsc"))
    clora = next(x for x in text.splitlines() if x.startswith("| clora"))
    assert dsc.split(" | ")[1] == "**70.0**"
    assert clora.split(" | ")[1:4] == ["60.0", "**86.7**", "40.0"]
    assert "0.60 MB" in clora and "64,320" in clora and "| 4.00 |" in clora
    head = next(x for x in text.splitlines() if x.startswith("| method"))
    assert "↑" in head and "↓" in head and "%" in head and "10³" in head
    assert "**" not in next(x for x in text.splitlines() if "ceiling" in x)


def test_the_note_says_what_the_numbers_are():
    text = to_markdown(boards([record(), record(seed=1)]))
    for part in ("tiny-3 (version 2", "backbone tiny", "tasks 3", "clora 2", "orgetting:"):
        assert part in text


def test_csv_holds_unrounded_values_and_the_number_of_runs():
    found = rows_of(to_csv(boards([record(), record(seed=1)])))
    (average,) = [x for x in found if x["method"] == "clora" and x["column"] == "average"]
    assert float(average["value"]) == pytest.approx(0.6, abs=1e-12)
    assert average["runs"] == "2"
    assert {x["method"] for x in found if x["bound"] == "1"} == {"floor: base model", "ceiling: real pictures"}


def test_the_terminal_shows_every_method_and_the_matrix_of_a_run():
    text = shown(boards([record(), record("dsc", KEEPS)]))
    assert all(name in text for name in ("clora", "dsc", "floor", "ceiling", "70.0"))
    console = Console(width=120, file=io.StringIO())
    console.print(matrix_table(record()))
    assert all(name in console.file.getvalue() for name in (*ORDER, "0.300"))


def test_the_mean_matrix_leaves_unmeasured_cells_empty():
    mean = mean_matrix([record(), record(r=KEEPS, seed=1)], "identity")
    np.testing.assert_allclose(mean[3], [0.5, 0.6, 0.85])
    assert np.isnan(mean[1, 1])


def test_a_heat_map_shows_the_number_of_every_measured_cell():
    figure = heat_maps({"clora": [record()]}, "identity")
    numbers = [text.get_text() for text in figure.axes[0].texts]
    assert numbers == ["0", "10", "20", "90", "80", "30", "60", "90"]


def test_the_curves_are_the_diagonal_and_the_last_row():
    ax = curves({"clora": [record()]}, "identity").axes[0]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [90, 80, 90])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [30, 60, 90])
    heights = sorted(float(np.unique(bound.get_ydata())[0]) for bound in ax.lines[2:])
    assert heights == pytest.approx([10, 95])


def test_a_plot_carries_no_date_and_no_version(tmp_path):
    path = save(curves({"clora": [record()]}, "identity"), tmp_path / "curves.png")
    with Image.open(path) as picture:
        assert not set(picture.info) - {"dpi"}


def test_a_sheet_has_a_block_for_each_task_beside_the_real_pictures():
    picture = Image.new("RGB", (64, 64), "navy")
    rows = [SheetRow(name, k, (picture,) * 2, ((), (picture,), (picture,))) for k, name in enumerate(ORDER[:2], 1)]
    sheet = sample_sheet("clora", rows)
    assert sheet.width == 2 * MARGIN + LABEL + 2 * (THUMB + GAP) + BLOCK + 3 * (THUMB + GAP + BLOCK)
    assert sheet.height > 2 * (THUMB + BLOCK)


def test_a_report_lists_tables_plots_sheets_and_failed_runs(folder, pictures, tmp_path):
    paths = write_report(folder, out(tmp_path, "out"), pictures)
    assert sorted(p.name for p in paths) == [
        "curves-tiny-3.png",
        "leaderboard.csv",
        "leaderboard.md",
        "matrix-tiny-3.png",
        "samples-tiny-3-clora.png",
        "samples-tiny-3-dsc.png",
    ]
    text = paths[0].read_text(encoding="utf-8")
    assert "the loss became NaN" in text
    assert "| lora" not in text


def test_two_reports_of_the_same_records_are_the_same_bytes(folder, pictures, tmp_path):
    first, second = (write_report(folder, out(tmp_path, name), pictures) for name in ("one", "two"))
    assert [p.name for p in first] == [p.name for p in second]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))


def test_pictures_that_are_gone_cost_only_their_sheet(folder, tmp_path):
    paths = write_report(folder, out(tmp_path, "out"), lambda key: [])
    assert [p.name for p in paths if p.name.startswith("samples")] == []
    assert len(paths) == 4


def test_suites_that_differ_get_plots_of_their_own(folder, tmp_path):
    write_result(folder, record(suite="other", suite_hash="e" * 16))
    names = {p.name for p in write_report(folder, out(tmp_path, "out"), lambda key: [])}
    assert len([name for name in names if name.startswith("matrix-")]) == 2


@pytest.mark.parametrize("failed", [True, False])
def test_a_report_of_nothing_says_which_folder_and_what_to_do(tmp_path, failed):
    results = tmp_path / "results"
    if failed:
        write_result(results, record(status="error"))
    with pytest.raises(BadInput, match=r"results.*cpbench run"):
        write_report(results, tmp_path, lambda key: [])


def test_numbers_quoted_from_papers_are_not_ranked(folder, tmp_path):
    quoted = record("paper")
    path = folder / "reported" / "tiny-3" / "paper.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(quoted.model_dump(by_alias=True)))
    paths = write_report(folder, out(tmp_path, "out"), lambda key: [])
    assert "paper" not in paths[0].read_text(encoding="utf-8")


def test_all_heat_maps_share_one_scale():
    nothing = [[0.0 if not math.isnan(v) else NAN for v in values] for values in FORGETS]
    axes = heat_maps({"clora": [record()], "lora": [record("lora", nothing)]}, "identity").axes[:2]
    assert {image.get_clim() for ax in axes for image in ax.images} == {(0, 100)}
    assert axes[1].texts[0].get_text() == "0"


def test_a_heat_map_of_one_run_names_its_concepts():
    ax = heat_maps({"clora": [record()]}, "identity").axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ORDER


def test_the_base_model_alone_can_be_reported(tmp_path, pictures):
    write_result(tmp_path / "results", record("base"))
    paths = write_report(tmp_path / "results", tmp_path / "new" / "out", pictures)
    assert len(paths) == 4
    assert all(path.is_file() for path in paths)


def test_sheets_show_the_lowest_seed_and_leave_no_file_open(tmp_path):
    for seed in range(4):
        own = {"draw/1/1": f"seed-{seed}", **{f"real/{name}": "real" for name in ORDER}}
        own |= {"draw/2/2": "x", "draw/3/3": "x"}
        write_result(tmp_path / "results", record(seed=seed).model_copy(update={"units": own}))
    path = tmp_path / "0000.png"
    Image.new("RGB", (64, 64)).save(path)
    asked = []
    write_report(tmp_path / "results", out(tmp_path, "out"), lambda key: asked.append(key) or [path])
    assert {key for key in asked if key.startswith("seed")} == {"seed-0"}
