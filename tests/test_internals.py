"""Plots of what methods log about themselves: drawn from the right numbers, and only where they were logged."""

import numpy as np
import pytest

from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.records.result import write_result
from cpbench.reports.plots.internals import later_change, later_plasticity, shrinkage, spectra
from cpbench.reports.write import load, write_report
from synthetic import entry, record

EIGEN = {f"{kind}.{k}": scale / k for kind, scale in (("fisher", 1.0), ("fisher_dc", 4.0)) for k in range(1, 6)}


def swept(strengths, method="clora", make=entry):
    return [make(method, options={"clora": {"strength": s}}, figures={"change": 1 / (1 + s)}) for s in strengths]


def test_what_is_learned_after_the_first_task_is_averaged_over_the_later_ones():
    (result,) = swept([3.0])
    assert later_change(result) == pytest.approx(0.25)
    assert later_plasticity(result, "identity") == pytest.approx((0.8 + 0.9) / 2)
    assert np.isnan(later_change(entry()))


def test_the_shrinkage_has_a_point_for_each_strength_and_a_line_for_each_method():
    figure = shrinkage([*swept([0.0, 10.0, 1000.0]), *swept([0.0, 10.0], "vera-clora")], "identity")
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["clora", "vera-clora"]
    np.testing.assert_allclose(left.lines[0].get_xdata(), [0, 10, 1000])
    np.testing.assert_allclose(left.lines[0].get_ydata(), [1, 1 / 11, 1 / 1001])
    np.testing.assert_allclose(right.lines[0].get_ydata(), [85, 85, 85])


def test_one_strength_shows_no_shrinkage():
    assert shrinkage(swept([10.0]), "identity") is None


def test_the_spectra_are_geometric_means_over_tasks_and_runs():
    runs = {"lora": [entry("lora", figures=EIGEN), entry("lora", figures={k: 4 * v for k, v in EIGEN.items()})]}
    (ax, *_) = spectra(runs).axes
    plain, scored = ax.lines[:2]
    np.testing.assert_allclose(plain.get_ydata(), [2 / k for k in range(1, 6)])
    np.testing.assert_allclose(scored.get_ydata(), [8 / k for k in range(1, 6)])
    assert spectra({"ti": [entry("ti")]}) is None


def write(folder, only):
    return list(write_report(load(folder / "results"), folder / "out", {}, lambda key: [], only))


def test_one_plot_alone_is_written_on_request(tmp_path):
    for result in swept([0.0, 10.0], make=record):
        write_result(tmp_path / "results", result)
    paths = write(tmp_path, "shrinkage")
    assert [p.name for p in paths] == [f"shrinkage-tiny-3.{form}" for form in ("png", "svg", "pdf")]
    assert paths[0].stat().st_size > 10_000


def test_a_plot_that_cannot_be_drawn_names_the_runs_it_takes(tmp_path):
    write_result(tmp_path / "results", record("lora"))
    with pytest.raises(BadInput, match=r"several values of --set clora\.strength"):
        write(tmp_path, "shrinkage")
    with pytest.raises(BadInput, match="did you mean fisher"):
        write(tmp_path, "fischer")
