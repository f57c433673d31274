"""Strengths of a change: how they are drawn, recorded and compared, and that a record without one is what it was."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_chain import planner

from conftest import TINY, write_suite
from cpbench import load_results, score, sweep
from cpbench.benchmark.errors import BadInput, FailedRun
from cpbench.benchmark.plan.units import Classify, Draw, Train
from cpbench.benchmark.records.result import Run
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.registry import choose
from cpbench.reports.analysis.board import boards
from cpbench.reports.analysis.comparability import by_conditions, unequal
from cpbench.reports.analysis.entry import entry_of
from cpbench.reports.analysis.strengths import Sweep, level_of, sweeps
from cpbench.reports.plots.strengths import strengths_plot
from cpbench.reports.tables.markdown import to_markdown
from cpbench.reports.tables.strengths import at_equal_text
from synthetic import record


def suite_at(folder, strength):
    return load_suite(str(write_suite(folder, sampling=TINY["sampling"] | {"strength": strength})))


def test_a_strength_changes_the_keys_of_pictures_of_trained_states_and_no_other(tmp_path, suite):
    lora = choose("lora", {})[0]
    one, other = (planner(s).run(lora, (0, 1), 0) for s in (suite, suite_at(tmp_path, 0.5)))
    for a, b in zip(one.units(), other.units(), strict=True):
        drawn = isinstance(a, Draw | Classify) and a.state is not None
        scored = getattr(a, "pictures", None) != getattr(b, "pictures", None) and not isinstance(a, Draw | Train)
        if isinstance(a, Draw | Classify | Train):
            assert (a.key != b.key) == drawn, a.title
        else:
            assert (a.key != b.key) or not scored
    assert one.run.strength == 1.0 and other.run.strength == 0.5 and one.run.id != other.run.id
    assert one.run.suite_hash == other.run.suite_hash


def test_a_run_of_full_strength_has_the_id_and_the_record_that_it_had(suite):
    run = planner(suite).run(choose("lora", {})[0], (0, 1), 0).run
    assert "strength" not in run.model_dump() and "strength" not in json.loads(run.model_dump_json())
    assert Run.model_validate(run.model_dump()) == run
    weak = run.model_copy(update={"strength": 0.5})
    assert Run.model_validate_json(weak.model_dump_json()).strength == 0.5


def test_the_base_model_has_no_change_and_so_one_record_at_all_strengths(tmp_path, suite):
    base = choose("base", {})[0]
    assert planner(suite).run(base, (0, 1), 0).run.id == planner(suite_at(tmp_path, 0.5)).run(base, (0, 1), 0).run.id


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Two methods on a tiny suite, then at two more strengths."""
    folder = tmp_path_factory.mktemp("strengths")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CPBENCH_HOME", str(folder / "home"))
        file = write_suite(folder)
        seen = []
        sweep(["base", "lora", "ti"], file, out=folder / "runs", settings={"learner.rate": 0.1})
        score(suite=file, results=folder / "runs", strengths=".5, 0.75", on_event=seen.append)
        yield folder / "runs", seen, file


def test_a_weaker_change_is_drawn_from_the_same_states_and_recorded_beside_the_full(drawn):
    runs, seen, _ = drawn
    results = load_results(runs)
    own = results.scores.query("method == 'lora'")
    assert sorted(own.strength.unique()) == [0.5, 0.75, 1.0] and own.run.nunique() == 3
    assert list(results.scores.query("method == 'ti'").strength.unique()) == [1.0]
    assert any("passed over ti" in str(event) for event in seen)
    assert not any("learn" in str(getattr(getattr(event, "unit", None), "title", "")) for event in seen), "none trains"


def test_boards_have_the_runs_of_full_strength_and_reports_a_table_at_equal_text_alignment(drawn):
    runs, _, _ = drawn
    results = load_results(runs)
    board = results.leaderboard()
    assert (
        sorted(board[board.bound.eq("")].method) == ["base", "lora", "ti"]
        and (board.runs[board.bound.eq("")] == 1).all()
    )
    (_, found), *_ = results.numbered
    assert {e.run.strength for e in found.results} == {1.0} and {e.run.strength for e in found.strengths} > {1.0}
    text = to_markdown([found])
    assert "At equal text alignment" in text and "| lora |" in text.split("At equal text alignment")[1]
    assert strengths_plot(found) is not None


def test_a_number_that_is_no_strength_is_refused(drawn):
    runs, _, file = drawn
    for wrong in ("0", "-1", "11", "x", [0.0], [True]):
        with pytest.raises(BadInput, match=r"^--strengths"):
            score(suite=file, results=runs, strengths=wrong)


def test_a_check_takes_the_runs_of_full_strength_alone(drawn, monkeypatch):
    from cpbench import check

    runs, _, file = drawn
    monkeypatch.setenv("CPBENCH_HOME", str(runs.parent / "home"))
    verdicts = check(suite=file, against=runs, results=runs)
    assert len(verdicts) == 3 and not any(v.differences for v in verdicts)


def test_a_method_that_cannot_weaken_its_change_fails_with_a_sentence(tmp_path):
    with pytest.raises(FailedRun, match=r"cannot draw with 0\.5 times its change"):
        sweep("ti", suite_at(tmp_path, 0.5), out=tmp_path / "runs")


# --- the arithmetic -------------------------------------------------------------------------------------------------

RUN = (("a", "b"), 0)


def test_between_measured_strengths_a_line_is_followed_and_beyond_them_there_is_nothing():
    one = Sweep("lora", (0.0, 0.5, 1.0), {RUN: [(0.30, 0.1), (0.26, 0.5), (0.20, 0.7)]})
    strength, value = one.matched(0.23)
    assert strength.value == pytest.approx(0.75) and value.value == pytest.approx(0.6)
    assert one.matched(0.19)[0].value == 1.0 and one.matched(0.19)[1].value == pytest.approx(0.7)
    assert one.matched(0.30)[0].value == 0.0 and one.matched(0.31) is None


def test_the_greatest_strength_with_the_wanted_alignment_counts_where_there_are_several():
    wavy = Sweep("lora", (0.0, 0.5, 0.75, 1.0), {RUN: [(0.30, 0.1), (0.20, 0.5), (0.28, 0.6), (0.22, 0.7)]})
    assert wavy.matched(0.25)[0].value == pytest.approx(0.875)


def test_rows_are_compared_where_the_one_that_follows_prompts_best_is():
    first = Sweep("lora", (0.0, 1.0), {RUN: [(0.30, 0.1), (0.20, 0.7)]})
    second = Sweep("dsc", (0.0, 1.0), {RUN: [(0.30, 0.1), (0.25, 0.5)]})
    level, row = level_of([first, second])
    assert (level, row) == (pytest.approx(0.25), "dsc")
    assert first.matched(level)[1].value == pytest.approx(0.4) and second.matched(level)[1].value == 0.5


def weak(method, strength, text, value, seed=0):
    made = entry_of(record(method, seed=seed, order=["a", "b"], **({"strength": strength} if strength != 1 else {})))
    cells = {"identity": np.full((3, 2), value), "text_align": np.full((3, 2), text)}
    cells["identity"][0], cells["text_align"][0] = 0.1, 0.3
    return replace(made, cells={**made.cells, **cells})


def test_only_runs_that_have_every_strength_of_their_row_are_on_its_curve():
    runs = [weak("lora", s, 0.3 - 0.1 * s, s) for s in (0.5, 1.0)] + [weak("lora", 1.0, 0.2, 0.9, seed=1)]
    (board,) = boards(runs)
    (found,) = sweeps(board)
    assert list(found.runs) == [(("a", "b"), 0)] and found.strengths == (0.0, 0.5, 1.0)
    assert len(board.results) == 2 and at_equal_text(board).rows[0].method == "lora"
    assert len(next(iter(by_conditions(runs).values()))) == 2
    assert next(u.what for u in unequal(runs[0], runs[1])) == "strength"


def test_a_board_without_other_strengths_has_no_such_table():
    (board,) = boards([weak("lora", 1.0, 0.2, 0.9), weak("dsc", 1.0, 0.2, 0.8)])
    assert board.strengths == () and at_equal_text(board) is None and strengths_plot(board) is None
    assert "equal text" not in to_markdown([board])


def test_the_legend_of_the_curves_names_every_row_also_where_they_have_intervals():
    runs = [
        weak(m, s, 0.3 - drop * s + 0.001 * k, s * best + 0.01 * k, seed=k)
        for m, drop, best in (("lora", 0.1, 0.8), ("dsc", 0.05, 0.6))
        for s in (0.5, 1.0)
        for k in range(4)
    ]
    (board,) = boards(runs)
    (legend,) = strengths_plot(board).legends
    assert sorted(text.get_text() for text in legend.get_texts()) == ["dsc", "lora"]
    assert [row.method for row in at_equal_text(board).rows] == ["dsc", "lora"]
