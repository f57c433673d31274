"""Plots can be read without colours, name the runs they show, and draw the right numbers."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from cpbench.benchmark.records.result import write_result
from cpbench.reports.analysis.board import boards
from cpbench.reports.analysis.changes import layer_changes
from cpbench.reports.analysis.entry import entry_of, in_between
from cpbench.reports.layout import Box, apart, place
from cpbench.reports.plots.figures import FIGURES, caption
from cpbench.reports.plots.layers import change_plot
from cpbench.reports.plots.matrices import _classified, confusion, curves, heat_maps
from cpbench.reports.plots.overview import cost, front, growth, orders
from cpbench.reports.plots.panels import Panels, Scale, decades, evenly
from cpbench.reports.plots.style import COLOURS, FORMATS, GROUPS, lay_out, save, style_of
from cpbench.reports.write import load, write_report
from synthetic import FORGETS, KEEPS, ORDER, entry, record, row

FULL = [[0.0, 0.1, 0.2], [0.9, 0.1, 0.2], [0.5, 0.8, 0.2], [0.3, 0.6, 0.9]]
LAYERS = (
    "up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_v",
)


def lightness(colour):
    """L* of CIELAB, 0 to 100: how light a colour is in grey print."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    y = float(np.dot([0.2126, 0.7152, 0.0722], linear))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def board(n=3, **changes):
    methods = [("clora", KEEPS), ("dsc", FORGETS), ("lora", FORGETS), ("ti", KEEPS), ("base", KEEPS)]
    return boards([entry(m, r, seed=k, **changes) for k in range(n) for m, r in methods])[0]


def test_no_two_of_many_lines_share_marker_and_dash():
    looks = [style_of(k) for k in range(28)]
    assert len({(s["marker"], s["linestyle"]) for s in looks}) == 28
    assert all(len({s["marker"] for s in looks[k : k + 7]}) == 7 for k in (0, 7, 14, 21))


def test_the_colours_of_many_lines_differ_in_grey_print():
    greys = [lightness(c) for c in GROUPS]
    assert min(abs(a - b) for a, b in itertools.combinations(greys, 2)) > 12
    assert max(greys) < 75, "dark enough on white"
    assert lightness("#ffffff") == pytest.approx(100) and lightness("#000000") == 0


def test_every_figure_names_its_suite_and_the_number_of_runs():
    seen = [figure for draw in FIGURES.values() if (figure := draw(board())) is not None]
    assert len(seen) >= 5
    (title,) = {figure.get_suptitle() for figure in seen}
    assert all(part in title for part in ("tiny-3", "3 tasks", "3 runs per method"))
    uneven = boards([entry("lora"), entry("dsc"), entry("dsc", seed=1)])[0]
    assert "1 to 2 runs per method" in caption(uneven)
    assert "1 run per method" in caption(boards([entry("lora")])[0])


@pytest.mark.parametrize("draw", [front, cost])
def test_scatter_plots_show_the_intervals(draw):
    drawn = boards([entry(m, [[v + 0.02 * k * (j == 1) for j, v in enumerate(r)] for r in rows], seed=k)
                    for k in range(3) for m, rows in (("clora", KEEPS), ("lora", FORGETS))])[0]  # fmt: skip
    ax = draw(drawn).axes[0]
    value = drawn.lines[0].values["average" if draw is cost else "plasticity"]
    bars = [line.get_ydata() for line in ax.lines if line.get_color() == "#999999"]
    assert any(np.allclose(np.array(value.interval) * 100, bar) for bar in bars)


def test_growth_names_every_line_where_it_ends():
    figure = growth(board())
    for ax in figure.axes:
        assert {text.get_text().strip() for text in ax.texts} == {"clora", "dsc", "lora", "ti"}
        assert max(ax.get_xticks()) == 3, "no task is drawn that there is not"


def test_names_keep_their_distance_and_stay_as_near_as_they_can():
    assert apart([0.0, 1.0, 5.0], 0.5) == [0.0, 1.0, 5.0]
    assert apart([1.0, 1.0, 1.0], 1.0) == pytest.approx([0.0, 1.0, 2.0])
    assert apart([0.0, 0.1, 0.2, 3.0], 0.5) == pytest.approx([-0.4, 0.1, 0.6, 3.0])


def test_names_cover_neither_points_nor_one_another():
    points = [(100.0, 100.0), (104.0, 102.0), (100.0, 108.0), (180.0, 100.0), (295.0, 100.0)]
    boxes = place(points, [(60.0, 12.0)] * 5, Box(0, 0, 300, 200), 4.0)
    dots = [Box(x - 4, y - 4, 8, 8) for x, y in points]
    assert all(a.shared(b) == 0 for a, b in itertools.combinations(boxes, 2))
    assert all(a.shared(dot) == 0 for a in boxes for dot in dots)
    assert all(0 <= b.x and b.x + b.width <= 300 for b in boxes)


def test_cells_between_learning_and_the_end_are_drawn_as_curves():
    assert in_between(np.array(FULL)) and not in_between(np.array(FORGETS))
    ax = curves({"clora": [entry(r=FULL)]}, "identity").axes[0]
    drawn = [line for line in ax.lines if line.get_label().startswith("concept")]
    np.testing.assert_allclose(drawn[0].get_ydata(), [0, 90, 50, 30], atol=1e-9)
    np.testing.assert_allclose(drawn[0].get_xdata(), [0, 1, 2, 3])
    assert len(drawn) == 3


def test_many_heat_maps_are_a_grid_that_fits_a_page():
    figure = heat_maps({f"m{k}": [entry()] for k in range(24)}, "identity")
    width, height = figure.get_size_inches()
    assert width > height and height < 15


def test_no_title_of_a_heat_map_reaches_the_bar_of_colours():
    figure = heat_maps({f"m{k} with a long name": [entry()] for k in range(26)}, "identity")
    lay_out(figure)
    panels, bar = figure.axes
    right = max(text.get_window_extent().x1 for text in panels.texts if "long name" in text.get_text())
    assert right <= bar.get_window_extent().x0


def classified(method, seed=0):
    """A record that took half of the first concept's pictures for the second's after task 2."""
    made = record(method, seed=seed)
    rows = [row("dc_accuracy", 2, j, 0.5) | {"concept": ORDER[j - 1]} for j in (1, 2)]
    rows += [row("dc_confusion", 2, 1, 0.5) | {"other": ORDER[1]}]
    return entry_of(
        made.model_validate(made.model_dump(by_alias=True) | {"scores": [s.model_dump() for s in made.scores] + rows})
    )


def test_the_plot_of_confusion_holds_every_name_in_full():
    figure = confusion(boards([classified(m) for m in ("independent", "vera-dsc-ewc-dc", "lora")])[0])
    figure.draw_without_rendering()
    texts = [t for ax in figure.axes for t in ax.texts]
    names = [t.get_text() for t in texts if not t.get_text().startswith("task")]
    assert names == ["independent", "lora", "vera-dsc-ewc-dc"]
    assert all(t.get_window_extent().x0 >= 0 for t in texts)


def test_the_plot_of_confusion_has_an_image_per_method_and_task():
    ax = confusion(boards([classified(m) for m in ("lora", "clora")])[0]).axes[0]
    drawn = [image.get_array().filled(np.nan) for image in ax.images]
    assert [r.shape for r in drawn] == [(2, 2)] * 2, "after task 2, the only one after which pictures were classified"
    np.testing.assert_allclose(drawn[0], [[0.5, 0.5], [0, 0.5]])


@given(st.lists(st.sets(st.integers(1, 60), min_size=1), min_size=1, max_size=4))
def test_the_plot_of_confusion_shows_only_tasks_after_which_runs_classified(runs):
    made = [replace(entry(), confusion=dict.fromkeys(tasks, np.eye(1))) for tasks in runs]
    found, later = _classified(made), [tasks - {1} for tasks in runs]
    there = sorted(set.intersection(*later) or set.union(*later))
    assert found == sorted(set(found)) and set(found) <= set(there) and len(found) == min(6, len(there))
    assert found[-1:] == there[-1:], "the last is always shown"
    assert len(there) < 2 or found[0] == there[0]


class Shaken(ConstrainedLayoutEngine):
    """A layout whose last bits differ, as those of the solver do from process to process."""

    def execute(self, fig):
        super().execute(fig)
        for k, ax in enumerate(fig.axes):
            x, y, width, height = ax.get_position(original=True).bounds
            ax.set_position([x * (1 + 2e-16 * k), y, width * (1 - 3e-16), height])


@pytest.mark.parametrize("kind", ["confusion", "curves", "front", "cost", "matrix"])
def test_the_last_bits_of_a_layout_change_no_byte_of_a_plot(kind, tmp_path):
    runs = boards([classified(m, k) for k in range(2) for m in ("independent", "lora", "clora")])[0]
    plain, shaken = FIGURES[kind](runs), FIGURES[kind](runs)
    shaken.set_layout_engine(Shaken())
    for form in FORMATS:
        first, second = save(plain, tmp_path / f"a.{form}"), save(shaken, tmp_path / f"b.{form}")
        assert first.read_bytes() == second.read_bytes(), form


@pytest.mark.parametrize("kind", sorted(FIGURES.keys() - {"shrinkage", "frontier", "front", "cost", "strengths"}))
def test_a_figure_is_laid_out_once_for_all_formats(kind, tmp_path, monkeypatch):
    calls, execute = [], ConstrainedLayoutEngine.execute
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda self, fig: calls.append(fig) or execute(self, fig))
    figure = FIGURES[kind](rows_of(2))
    for form in FORMATS:
        save(figure, tmp_path / f"{kind}.{form}")
    assert len(calls) == 1


LOGGED = {"change": 0.1, f"change.{LAYERS[0]}": 0.1, "fisher.1": 1.0, "fisher.2": 0.1, "fisher_dc.1": 2.0}
LOGGED |= {"gradient.dsc.norm.noise": 2.0, "gradient.dsc.norm.scores": 1.0, "gradient.dsc.cosine.scores": 0.1}


def rows_of(n):
    """A board of n methods that every plot but those of options can show, with names as long as real ones."""
    kinds = {"dc_accuracy": 0.5}
    found = []
    for k in range(n):
        for order in (ORDER, ORDER[::-1]):
            made = record(f"vera-dsc-ewc-dc-{k} (shipped)", KEEPS, figures=LOGGED, order=order)
            rows = [row(kind, 2, j, v) | {"concept": order[j - 1]} for j in (1, 2) for kind, v in kinds.items()]
            content = made.model_dump(by_alias=True)
            content["scores"] += rows
            found.append(entry_of(made.model_validate(content)))
    return boards(found)[0]


@pytest.mark.parametrize("n", [1, 6, 26])
def test_every_legend_is_inside_its_figure_and_covers_no_panel(n):
    shown = rows_of(n)
    figures = {kind: figure for kind, draw in FIGURES.items() if (figure := draw(shown)) is not None}
    assert figures.keys() >= {"matrix", "curves", "growth", "orders", "confusion", "change", "fisher", "balance"}
    for kind, figure in figures.items():
        lay_out(figure)
        for legend in figure.legends:
            box, room = legend.get_window_extent(), figure.bbox
            assert box.x0 >= room.x0 and box.x1 <= room.x1, kind
            assert box.y0 >= room.y0 and box.y1 <= room.y1, kind
            assert not any(box.overlaps(ax.get_window_extent()) for ax in figure.axes), kind


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.booleans())
def test_a_scale_holds_all_values_and_its_ticks(values, whole):
    scale = evenly(values, whole=whole)
    assert scale.low < min(values) and max(values) < scale.high
    assert 1 <= len(scale.ticks) <= 7 or whole
    assert all(0 <= scale.share(tick) <= 1 for tick in scale.ticks)


@given(st.lists(st.floats(1e-12, 1e12), min_size=1))
def test_a_logarithmic_scale_holds_all_values_and_its_ticks(values):
    scale = decades(values)
    assert scale.low < min(values) and max(values) < scale.high
    assert len(scale.ticks) <= 7
    assert all(-1e-9 <= scale.share(tick) <= 1 + 1e-9 for tick in scale.ticks)


def test_a_panel_shows_values_where_its_ticks_are():
    figure = Figure(figsize=(6, 3), layout="constrained")
    panels = Panels(figure, ["a", "b", "c"], 2, (2.0, 1.0), (0.2, 0.4))
    x, y = Scale(0, 4, {1: "one"}), Scale(1e-4, 1.0, {1e-2: "small"}, log=True)
    places = panels.frame(x, y)
    inches = [panels.ax.transData.inverted().transform(place.transform((1, 1e-2))) for place in places]
    np.testing.assert_allclose(inches, [(0.5, -0.5), (2.7, -0.5), (0.5, -1.9)])
    assert [t.get_text() for t in panels.ax.texts].count("one") == 2, "below the lowest panel of each column"
    assert [t.get_text() for t in panels.ax.texts].count("small") == 2, "beside the first panel of each row"


def changed(method, scale, **changes):
    figures = {f"change.{LAYERS[0]}": scale, f"change.{LAYERS[1]}": 1e-3, "change": scale}
    return entry(method, figures=figures, **changes)


def test_changes_of_layers_are_geometric_means_by_where_the_layers_lie():
    seen = layer_changes([changed("clora", 1e-2), changed("clora", 1e-4, seed=1)])
    assert seen.layers == ("mid 0 value", "up 1.0 key")
    np.testing.assert_allclose(seen.values, [[1e-3] * 3, [1e-3] * 3])
    assert layer_changes([entry("ti")]).values.shape == (0, 3)


def test_the_changes_of_layers_have_a_panel_for_each_method_that_changes_weights():
    figure = change_plot({"clora": [changed("clora", 1e-2)], "ti": [entry("ti")], "lora": [changed("lora", 1e-1)]})
    panels = figure.axes[0]
    texts = [text.get_text() for text in panels.texts]
    assert [text for text in texts if not text.isdigit()] == ["clora", "lora", "mid 0 value", "up 1.0 key"]
    assert len(panels.images) == 2 and [text for text in texts if text.isdigit()] == ["1", "2", "3"] * 2
    np.testing.assert_allclose(panels.images[1].get_array(), [[1e-3] * 3, [1e-1] * 3])
    assert change_plot({"ti": [entry("ti")]}) is None


def test_the_plot_of_layers_is_made_from_records(tmp_path):
    write_result(tmp_path / "results", record("lora", figures={f"change.{LAYERS[0]}": 0.1}))
    paths = list(write_report(load(tmp_path / "results"), tmp_path / "out", {}, lambda key: [], "change"))
    assert [p.suffix for p in paths] == [".png", ".svg", ".pdf"]


def test_orders_that_share_a_colour_differ_in_their_markers():
    permuted = [tuple(p) for p in itertools.permutations(ORDER)]
    found = boards([entry("lora", order=list(o)) for o in permuted] + [entry("dsc", order=list(permuted[0]))])[0]
    ax = orders(found).axes[0]
    looks = {(line.get_marker(), str(line.get_color()), str(line.get_markerfacecolor())) for line in ax.lines}
    assert len(looks) == len(permuted) and COLOURS[0] in str(looks)
