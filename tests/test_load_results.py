"""Results as data frames: complete, typed, equal to the tables of a report, and small for ten thousand records."""

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.records.result import write_result
from cpbench.reports.analysis.summaries import to_csv as summaries_csv
from cpbench.reports.frames import Table, kinds
from cpbench.reports.results import Results, load_results
from cpbench.reports.tables.columns import to_csv
from cpbench.reports.write import load
from synthetic import FORGETS, KEEPS, ORDER, many, record, row, scores

ROOT = Path(__file__).parent.parent
RUN = ["run", "suite", "backbone", "method", "options", "order", "seed", "tasks", "protocol", "profile"]


@pytest.fixture
def folder(tmp_path):
    """Records of two methods with three seeds each, and a failed run."""
    made = [record(m, r, seed=k) for k in range(3) for m, r in (("clora", FORGETS), ("dsc", KEEPS))]
    for result in [*made, record("lora", status="error")]:
        write_result(tmp_path / "results", result)
    return tmp_path / "results"


def test_there_is_a_row_for_every_score_and_every_task_of_finished_runs(folder):
    results = load_results(folder)
    assert len(results.scores) == 6 * len(list(scores(FORGETS, 8)))
    assert list(results.scores.columns[:10]) == list(results.cost.columns[:10]) == RUN
    assert results.scores["order"].unique().tolist() == [">".join(ORDER)]
    (task,) = results.cost.query("method == 'dsc' and seed == 1 and task == 2").to_dict("records")
    assert (task["concept"], task["train_seconds"], task["stored_bytes"]) == (ORDER[1], 20.0, 400_000)


def test_the_mean_of_scores_over_prompts_is_the_matrix_of_the_run(folder):
    identity = load_results(folder).scores.query("metric == 'identity' and source == 'model' and method == 'clora'")
    means = identity.groupby(["i", "j"]).value.mean()
    expected = {(i, j + 1): v for i, values in enumerate(FORGETS) for j, v in enumerate(values) if v == v}
    assert means.to_dict() == pytest.approx(expected)


def test_texts_are_categories_and_missing_values_are_missing(folder):
    frame = load_results(folder).scores
    texts = {name for name, dtype in frame.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)}
    assert texts == {*RUN, "source", "concept", "other", "metric"} - {"seed", "tasks"}
    assert frame.query("metric == 'mmd'").prompt.isna().all() and frame.other.isna().all() and frame.se.isna().all()
    assert frame.query("metric == 'identity' and source == 'model'").prompt.unique().tolist() == [0, 1]
    assert frame.higher_is_better.dtype == bool and frame.value.dtype == float


def test_what_a_score_was_taken_for_and_its_error_are_kept(tmp_path):
    made = record()
    more = row("dc_confusion", 2, 1, 0.5) | {"other": ORDER[1], "se": 0.125}
    content = made.model_dump(by_alias=True)
    write_result(tmp_path, made.model_validate(content | {"scores": [*content["scores"], more]}))
    (found,) = load_results(tmp_path).scores.query("metric == 'dc_confusion'").to_dict("records")
    assert (found["concept"], found["other"], found["se"]) == (ORDER[0], ORDER[1], 0.125)


@pytest.mark.parametrize("upper", [(), ("joint", "independent")])
def test_the_leaderboard_holds_the_numbers_of_the_tables(upper):
    results = load_results(ROOT / "results", upper=upper)
    board = results.leaderboard().set_index(["suite", "method"])
    boards = [b for _, b in results.numbered]
    rows = list(csv.DictReader(io.StringIO(to_csv(boards))))
    assert {r["method"] for r in rows} >= {line.method for b in boards for line in b.lines} and len(rows) > 100
    for r in rows:
        line, column = board.loc[(r["suite"].partition(" ")[0], r["method"])], r["column"]
        names = ["rank", "rank_best", "rank_worst"] if column == "rank" else [column, f"{column}_low", f"{column}_high"]
        told = [r["value"], r["low"], r["high"]]
        if column == "first_is_better":
            assert line[column] == bool(int(r["value"]))
        else:
            np.testing.assert_equal([float(line[n]) for n in names], [float(t or "nan") for t in told])
        assert line["bound"] == r["bound"]


def test_the_summaries_are_those_of_the_table(folder):
    results = load_results(folder)
    rows = list(csv.DictReader(io.StringIO(summaries_csv(load(folder).boards))))
    shown = results.summaries
    assert len(shown) == len(rows)
    for name in ("value", "low", "high", "sd_order", "sd_training", "sd_sampling"):
        np.testing.assert_array_equal(shown[name], [float(r[name] or "nan") for r in rows])
    assert shown.method.tolist() == [r["method"] for r in rows] and shown.runs.tolist() == [3] * len(rows)


def test_a_leaderboard_can_be_changed_without_changing_the_next_one(folder):
    results = load_results(folder)
    board = results.leaderboard()
    board["average"] = 0.0
    assert results.leaderboard().average.max() > 0.5


def test_failed_runs_are_listed_and_shown(folder):
    results = load_results(folder)
    (error,) = results.errors
    assert all(part in error for part in ("lora", "tiny-3", "the loss became NaN"))
    assert len(results) == 7
    assert all(part in repr(results) for part in ("6 runs", "2 methods", "tiny-3", "1 failed"))
    page = results._repr_html_()
    assert "<table" in page and "the loss became NaN" in page


def test_what_a_notebook_shows_is_escaped(tmp_path):
    failed = record(status="error").model_copy(update={"error": "<script>alert(1)</script>"})
    write_result(tmp_path, record("dsc"))
    write_result(tmp_path, failed)
    assert "<script>" not in load_results(tmp_path)._repr_html_()


def test_of_a_run_in_several_folders_the_first_counts(folder, tmp_path):
    write_result(tmp_path / "other", record(r=KEEPS))
    write_result(tmp_path / "other", record("vera"))
    results = load_results(tmp_path / "other", folder)
    assert len(results) == 8 and set(results.leaderboard().method) >= {"clora", "dsc", "vera"}
    first = results.scores.query(
        f"run == '{record().run.id}' and metric == 'identity' and source == 'model' and i == 3"
    )
    assert first.value.mean() == pytest.approx(0.7)


def test_a_folder_without_records_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(BadInput, match=r"nothing-here.*cpbench run"):
        load_results(tmp_path / "nothing-here")


def test_no_records_make_empty_frames_with_all_columns(folder):
    empty, full = Results([]), load_results(folder)
    assert (len(empty), empty.errors) == (0, [])
    for name in ("scores", "cost", "summaries"):
        assert list(getattr(empty, name).columns) == list(getattr(full, name).columns)
        assert list(getattr(empty, name).dtypes.astype(str)) == list(getattr(full, name).dtypes.astype(str)), name
        assert len(getattr(empty, name)) == 0
    assert list(empty.leaderboard().columns) == list(full.leaderboard().columns)
    assert "0 runs" in repr(empty) and empty._repr_html_()


@given(st.lists(st.lists(st.tuples(st.none() | st.sampled_from("abc"), st.none() | st.integers(0, 9)), max_size=4)))
def test_a_table_holds_what_was_put_in(runs):
    table = Table(kinds("run text"), kinds("text text, number int?"))
    for k, rows in enumerate(runs):
        table.extend({"run": f"r{k}"}, {"text": [a for a, _ in rows], "number": [b for _, b in rows]})
    frame = table.frame()
    flat = [(f"r{k}", a, b) for k, rows in enumerate(runs) for a, b in rows]
    held = frame.astype(object).where(frame.notna(), None)
    assert list(held.itertuples(index=False, name=None)) == flat


def test_loading_results_needs_no_torch_and_importing_them_no_pandas(folder):
    code = f"""
import sys
from cpbench.reports.results import load_results
assert "pandas" not in sys.modules
load_results({str(folder)!r}).leaderboard()
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is counted in kB on Linux")
def test_ten_thousand_records_become_frames_in_few_hundred_megabytes(tmp_path):
    many(tmp_path, 10_000)
    code = f"from cpbench import load_results as l; r = l({str(tmp_path)!r}); r.scores, r.cost, r.leaderboard()"
    done = subprocess.run([sys.executable, "-c", PEAK, code], check=True, capture_output=True, text=True)
    print(f"{float(done.stdout):.0f} MB")
    assert float(done.stdout) < 400
