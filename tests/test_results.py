"""What is committed in results/: records that load, their schema, and the leaderboards of docs/ and README."""

import json
import subprocess
from pathlib import Path

import pytest

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.records.reading import read_result
from cpbench.benchmark.records.result import Result, json_schema, write_result
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.catalogue import UPPER_BOUNDS
from cpbench.reports.analysis.board import boards
from cpbench.reports.analysis.entry import entries_of
from cpbench.reports.tables.columns import cell, columns, place
from cpbench.reports.tables.markdown import to_markdown
from synthetic import record

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def committed():
    """The records that git holds: a run of the user's own in this checkout must not make the README look stale."""
    git = ["git", "-C", str(ROOT)]
    listed = subprocess.run([*git, "ls-files", "results/*/*/*.json"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout: nothing says which records were committed")
    texts = {p: subprocess.run([*git, "show", f":{p}"], capture_output=True, check=True) for p in listed.stdout.split()}
    return [(Path(p), Result.model_validate_json(text.stdout)) for p, text in texts.items()]


def test_the_committed_schema_is_that_of_the_code():
    assert json.loads((ROOT / "results" / "schema-1.json").read_text()) == json_schema()


def test_a_record_is_read_as_it_was_written(tmp_path):
    result = record()
    assert read_result(write_result(tmp_path, result)) == result


def test_a_record_of_another_schema_is_refused_with_its_name(tmp_path):
    path = write_result(tmp_path, record())
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(BadInput, match=path.name):
        read_result(path)


def test_every_committed_record_lies_where_its_run_says(committed):
    assert committed
    for path, result in committed:
        assert path.parts[-3:] == (result.run.suite, result.run.method, f"{result.run.id}.json")
        assert result.status == "ok"


def test_committed_records_are_of_the_shipped_suites_and_weights(committed):
    from cpbench.benchmark.models.loading import load_backbone

    weights = load_backbone("toybox", load_suite("toybox-6").sampling, "cpu", "float32").weights
    for path, result in committed:
        assert result.run.suite_hash == load_suite(result.run.suite).hash, path
        assert result.run.weights == weights, path


def test_the_committed_leaderboard_is_that_of_the_committed_records(committed):
    shown = to_markdown(boards(entries_of(r for _, r in committed), UPPER_BOUNDS))
    assert shown.strip() in (ROOT / "docs" / "leaderboard" / "leaderboard.md").read_text()


EXCERPT = ("average", "plasticity", "forgetting")
"""The columns that the README shows of the best methods, of plain fine-tuning, and of the bounds."""


def excerpt(committed):
    """The rows of toybox-6 that the README shows: the five best, plain fine-tuning, an upper bound, floor, ceiling."""
    (board,) = boards(entries_of(r for _, r in committed if r.run.suite == "toybox-6"), UPPER_BOUNDS)
    shown = [c for c in columns(board.headline) if c.key in EXCERPT]
    best = [line for line in board.lines if line.competes][:5]
    named = [x for x in board.lines if x.method in ("lora", "independent") or x.bound in ("floor", "ceiling")]
    others = [x for x in named if x not in best]
    rows = ["method", "rank", *(c.title for c in shown)], ["---", *["---:"] * 4], *(_row(board, x, shown) for x in best)
    return "\n".join(f"| {' | '.join(row)} |" for row in [*rows, *(_row(board, x, shown) for x in others)])


def _row(board, line, shown):
    title = f"*{line.title}*" if line.bound else f"`{line.title}`"
    return [title, place(board, line), *(cell(c, line.values.get(c.key)) for c in shown)]


def test_the_readme_shows_the_best_methods_of_the_committed_records(committed):
    table = excerpt(committed)
    assert table in (ROOT / "README.md").read_text(), f"put this table into README.md:\n{table}"
