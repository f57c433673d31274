"""Methods as curves over one option: which rows make a curve, where the tuned one lies, and what is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.records.result import write_result
from cpbench.benchmark.verbs.report import about_methods
from cpbench.methods.configure import configure, options_of, plain
from cpbench.reports.analysis.board import About, boards
from cpbench.reports.analysis.entry import entry_of
from cpbench.reports.analysis.frontier import frontier, references, tuned_rows
from cpbench.reports.plots.frontier import frontier_plot
from cpbench.reports.write import load, write_report
from synthetic import FORGETS, KEEPS, NAN, entry, record

STRENGTHS = [10.0, 0.0, 1000.0]
MATRICES = [
    [[0, 0, 0], [p, NAN, NAN], [NAN, p, NAN], [p - f, p - f, p]] for p, f in ((0.7, 0.2), (0.9, 0.6), (0.5, 0.1))
]


def swept(method="clora", strengths=STRENGTHS, seeds=3, **others):
    """Runs of a method with several strengths; forgetting is .2, .6, .1 and plasticity .7, .9, .5."""
    options = [{"learner": {"rate": 0.01}, "clora": {"strength": s} | others} for s in strengths]
    pairs = list(zip(options, MATRICES, strict=False))
    return [entry(method, r, options=o, seed=k) for o, r in pairs for k in range(seeds)]


def board(*entries, tuned=None):
    (found,) = boards(entries)
    about = {name: About("", (), "", "", options=options) for name, options in (tuned or {}).items()}
    return replace(found, tuned=tuned_rows(found, about))


def test_the_option_that_varies_is_found_and_its_values_ascend():
    (curve,) = frontier(board(*swept(), entry("lora", FORGETS)))
    assert (curve.method, curve.option, curve.values) == ("clora", "clora.strength", (0.0, 10.0, 1000.0))
    np.testing.assert_allclose([s.forgetting.value for s in curve.spots], [0.6, 0.2, 0.1])
    np.testing.assert_allclose([s.plasticity.value for s in curve.spots], [0.9, 0.7, 0.5])
    assert all(s.plasticity.interval is not None and s.plasticity.n == len(s.runs) == 3 for s in curve.spots)


def test_the_points_of_a_curve_are_of_the_runs_that_all_of_them_have():
    more = [entry("clora", MATRICES[0], options=swept()[0].run.options, seed=7)]
    (curve,) = frontier(board(*swept(), *more))
    assert {spot.keys for spot in curve.spots} == {tuple((tuple(swept()[0].order), seed) for seed in range(3))}
    alone = [entry("clora", r, options=e.run.options, seed=9) for e, r in zip(swept()[:1], MATRICES, strict=False)]
    assert frontier(board(*swept()[3:], *alone)) == [], "no run in common"


def test_two_values_are_no_curve_and_neither_are_three_that_differ_in_more():
    assert frontier(board(*swept(strengths=STRENGTHS[:2]))) == []
    mixed = [*swept(strengths=STRENGTHS[:2]), entry("clora", options={"clora": {"strength": 5.0, "other": 1}})]
    assert frontier(board(*mixed)) == []


def test_switches_and_words_are_no_values_of_a_curve():
    options = [{"ewc": {"plain": flag, "units": units}} for flag in (True, False) for units in ("loss", "raw", "other")]
    assert frontier(board(*(entry("ewc", options=o) for o in options))) == []


def test_of_a_grid_of_two_options_the_curves_through_the_tuned_row_are_shown():
    grid = [(s, t) for s in (1.0, 2.0, 3.0) for t in (0.1, 0.2, 0.3)]
    runs = [entry("dsc", options={"dsc": {"weight": s, "temperature": t}}) for s, t in grid]
    curves = frontier(board(*runs, tuned={"dsc": {"dsc": {"weight": 2.0, "temperature": 0.3}}}))
    assert [curve.option for curve in curves] == ["dsc.temperature", "dsc.weight"]
    assert [[s.tuned for s in curve.spots] for curve in curves] == [[False, False, True], [False, True, False]]


@given(st.permutations(list(range(9))))
def test_curves_do_not_depend_on_the_order_in_which_records_are_read(order):
    every = swept()
    assert repr(frontier(board(*(every[k] for k in order)))) == repr(frontier(board(*every)))


def test_rows_without_forgetting_are_no_points():
    unmeasured = [entry("clora", [[0.1] * 3, *[[NAN] * 3] * 3], options={"clora": {"strength": s}}) for s in (1, 2, 3)]
    assert frontier(board(*unmeasured, entry("lora"))) == []
    assert references(board(*unmeasured, entry("lora"))).keys() == {"lora"}


def test_shipped_rows_fill_the_gaps_of_own_ones():
    own = swept(strengths=STRENGTHS[:2])
    every = [*own, *(replace(e, shipped=True) for e in swept())]
    (curve,) = frontier(board(*every))
    assert curve.values == (0.0, 10.0, 1000.0)
    assert ["shipped" in s.row for s in curve.spots] == [False, False, True]


def test_references_are_rows_of_methods_without_a_curve():
    found = references(board(*swept(), *swept("lora"), entry("base", KEEPS), entry("joint", KEEPS)))
    assert found.keys() == {"base", "joint"}, "lora has a curve of its own"
    rates = [entry("lora", options={"learner": {"rate": r}}) for r in (0.1, 0.2)]
    (spot,) = references(board(*rates, tuned={"lora": {"learner": {"rate": 0.2}}})).values()
    assert spot.row == "lora (learner.rate=0.2)"


def test_tuned_rows_are_those_with_the_defaults_of_their_method():
    default, other = plain(options_of("dsc")), plain(configure("dsc", {"dsc.score_weight": "7"}))
    found = board(entry("dsc", options=default), entry("dsc", options=other))
    (row,) = tuned_rows(found, {"dsc": About("", (), "", "", options=plain(options_of("dsc")))})
    assert row == f"dsc (dsc.score_weight={default['dsc']['score_weight']})"
    assert tuned_rows(found, {}) == frozenset(), "nothing is known of methods that are not installed"


def test_a_report_knows_the_defaults_of_the_methods_of_its_records(tmp_path):
    for value in ("1e-5", "1e-2", ""):
        options = plain(configure("ewc", {"ewc.strength": value} if value else {}))
        write_result(tmp_path, record("ewc", options=options))
    report = load(tmp_path, about_methods(load(tmp_path).folders))
    (curve,) = frontier(report.boards[0])
    assert [v for v, s in zip(curve.values, curve.spots, strict=True) if s.tuned] == [options["ewc"]["strength"]]


def test_the_plot_has_a_line_per_curve_and_names_values_and_references():
    tuned = {"clora": {"clora": {"strength": 10.0}}}
    figure = frontier_plot(board(*swept(), entry("lora", FORGETS), entry("base", KEEPS), tuned=tuned))
    (ax,) = figure.axes
    (line,) = (line for line in ax.lines if line.get_label() == "clora (clora.strength)")
    np.testing.assert_allclose(line.get_xdata(), [60, 20, 10])
    np.testing.assert_allclose(line.get_ydata(), [90, 70, 50])
    assert {t.get_text() for t in ax.texts} >= {"0", "clora 10", "1000", "lora"}
    assert "filled: default" in figure.legends[0].get_title().get_text()


def test_a_base_model_below_the_axes_is_an_arrow_with_its_plasticity():
    low = [[0.01] * 3] * 4
    figure = frontier_plot(board(*swept(), entry("base", low)))
    (ax,) = figure.axes
    assert "base, at 1" in {t.get_text() for t in ax.texts} and ax.get_ylim()[0] > 1


def test_two_runs_have_lines_to_each_and_three_have_an_interval():
    runs = [entry_of(record("clora", r, options={"clora": {"strength": s}}, seed=k))
            for s, rows in zip(STRENGTHS, MATRICES, strict=True) for k in range(2)
            for r in [[[v + 0.02 * k for v in row] for row in rows]]]  # fmt: skip
    (ax,) = frontier_plot(board(*runs)).axes
    ends = [tuple(np.round(line.get_ydata(), 6)) for line in ax.lines if line.get_alpha() == 0.45]
    assert {(71.0, 70.0), (71.0, 72.0)} <= set(ends)


def test_a_report_without_a_curve_says_which_runs_make_one(tmp_path):
    write_result(tmp_path / "results", record("lora"))
    with pytest.raises(BadInput, match=r"no runs that 'frontier' could show: run a method with three values"):
        list(write_report(load(tmp_path / "results"), tmp_path / "out", {}, lambda key: [], "frontier"))
