"""The balance of a loss in reports: ratios and cosines from the right figures, only where they were logged."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cpbench.benchmark.records.result import write_result
from cpbench.methods.balance import balance_of, summary
from cpbench.reports.analysis.balance import balances
from cpbench.reports.plots.balance import RANGE, balance_plot
from cpbench.reports.site.balance import balance_table
from cpbench.reports.write import load, write_report
from synthetic import entry, record

NORMS = {"gradient.dsc.norm.noise": 2.0, "gradient.dsc.norm.scores": 1.0, "gradient.dsc.cosine.scores": 0.25}
ENDS = {"first.noise": 4.0, "last.noise": 1.0, "first.scores": 1.0, "last.scores": 3.0}
ENDS = {f"gradient.dsc.{name}": value for name, value in ENDS.items()}
LOOKED = {"gradient.fisher.norm.denoise": 1.0, "gradient.fisher.norm.scores": 5.0, "gradient.fisher.cosine.scores": 0.5}
LOOKED |= {k.replace("norm", end): 9.0 for end in ("first", "last") for k in LOOKED if "norm" in k}


def test_ratios_are_those_of_the_norms_to_that_of_the_first_term():
    (b,) = balances([entry(figures=NORMS | ENDS)])
    assert (b.phase, b.term, b.main, b.trains) == ("dsc", "scores", "noise", True)
    np.testing.assert_allclose(b.ratio, [0.5] * 3)
    np.testing.assert_allclose(b.first, [0.25] * 3)
    np.testing.assert_allclose(b.last, [3.0] * 3)
    np.testing.assert_allclose(b.cosine, [0.25] * 3)


def test_reports_read_what_methods_log():
    noise, scores = torch.tensor([3.0, 4.0]), torch.tensor([6.0, 8.0])
    found = [balance_of({"noise": noise, "scores": scores}), balance_of({"noise": 3 * noise, "scores": -scores})]
    (b,) = balances([entry(figures=summary("dsc", found))])
    assert (b.phase, b.term, b.main) == ("dsc", "scores", "noise")
    np.testing.assert_allclose([b.ratio[0], b.first[0], b.last[0]], [1.0, 2.0, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(b.cosine, [0.0] * 3, atol=1e-6)


def test_ratios_of_several_runs_are_geometric_means_and_cosines_arithmetic_ones():
    other = NORMS | {"gradient.dsc.norm.scores": 16.0, "gradient.dsc.cosine.scores": -0.75}
    (b,) = balances([entry(figures=NORMS), entry(figures=other, seed=1)])
    np.testing.assert_allclose(b.ratio, [2.0] * 3)
    np.testing.assert_allclose(b.cosine, [-0.25] * 3)


def test_a_task_without_a_phase_is_a_gap():
    made = entry(figures=NORMS)
    made.cost[0].figures.clear()
    (b,) = balances([made])
    assert np.isnan(b.ratio[0]) and not np.isnan(b.ratio[1:]).any()


def test_the_main_term_is_found_where_the_figures_are_sorted_by_name():
    figures = {"gradient.dsc.norm.ewc": 1.0, "gradient.dsc.cosine.ewc": 0.0} | NORMS
    assert [(b.term, b.main) for b in balances([entry(figures=figures)])] == [("ewc", "noise"), ("scores", "noise")]


def test_what_two_examples_have_is_no_beginning_and_end():
    (b,) = balances([entry(figures=LOOKED)])
    assert not b.trains and np.isnan([b.first, b.last]).all() and b.ratio[0] == pytest.approx(5.0)


@given(st.dictionaries(st.sampled_from(["norm", "first", "last", "cosine"]).flatmap(
    lambda kind: st.sampled_from(["a", "b", "c"]).map(lambda term: f"gradient.learn.{kind}.{term}")),
    st.sampled_from([0.0, 1e-30, 1.0, 1e30])))  # fmt: skip
def test_every_ratio_of_any_figures_is_positive_or_a_gap(figures):
    for b in balances([entry(figures=figures)]):
        for row in (b.ratio, b.first, b.last):
            assert all(math.isnan(v) or 0 < v < math.inf for v in row)


def test_figures_of_a_plug_in_with_a_like_name_are_no_balance():
    assert balances([entry(figures={"gradient.norm": 1.0, "gradient": 2.0, "gradient.learn.norm.a": 1.0})]) == []


def test_the_plot_has_a_panel_for_each_method_that_trains_several_terms():
    runs = {"dsc": [entry("dsc", figures=NORMS | ENDS | LOOKED)], "lora": [entry("lora", figures=LOOKED)]}
    figure = balance_plot(runs)
    (ax,) = figure.axes
    texts = [t.get_text() for t in ax.texts]
    assert "dsc" in texts and "lora" not in texts
    names = [t.get_text() for t in figure.legends[0].get_texts()]
    assert names == ["dsc: scores against noise", "fisher: scores against denoise"]
    drawn = [line for line in ax.lines if line.get_label() == names[0]]
    np.testing.assert_allclose([line.get_ydata() for line in drawn], [[0.5] * 3, [0.25] * 3])
    assert balance_plot({"lora": [entry("lora", figures=LOOKED)]}) is None


def test_balance_and_the_range_that_is_searched_are_inside_every_panel():
    (ax,) = balance_plot({"dsc": [entry("dsc", figures=NORMS)]}).axes
    frame = ax.collections[0].get_paths()[0].get_extents()
    (band,) = ax.patches
    box = (band.get_transform() - ax.transData).transform_path(band.get_path()).get_extents()
    assert frame.y0 < box.y0 < box.y1 < frame.y1
    assert pytest.approx((0.03, 3.0)) == RANGE


def test_the_table_has_a_row_per_phase_and_term_and_no_row_where_nothing_is_trained():
    table = balance_table([entry(figures=NORMS | ENDS | LOOKED)])
    rows = [(row["name"], [cell.text for cell in row["cells"]]) for row in table["rows"]]
    assert rows[0] == ("dsc: scores against noise", ["0.5", "0.25", "3", "0.25"])
    assert rows[1] == ("fisher: scores against denoise", ["5", "–", "–", "0.50"])
    assert balance_table([entry(figures=LOOKED)]) is None


def test_pages_of_methods_and_runs_show_the_balance_where_there_is_one(tmp_path):
    for result in (record("dsc", figures=NORMS), record("lora", figures=LOOKED)):
        write_result(tmp_path / "results", result)
    paths = list(write_report(load(tmp_path / "results"), tmp_path / "out", {}, lambda key: [], "site"))
    shown = [p for p in paths if p.suffix == ".html" and "Balance of the loss" in p.read_text()]
    assert sorted(p.parent.name for p in shown) == ["methods", "runs"]
    assert all("scores against noise" in p.read_text() for p in shown)
