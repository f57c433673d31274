"""Methods as curves over the strength of their change: the average against text alignment."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from ..analysis.board import Board
from ..analysis.strengths import level_of, sweeps
from ..analysis.units import label_of
from .names import write_names
from .style import legend_below, look_of, named_lines


def strengths_plot(board: Board) -> Figure | None:
    """A curve per row that was drawn with several strengths, from the base model on; None where there is none.

    Numbers are strengths, thin crosses 95 % intervals over runs. The vertical line is where rows are compared.
    """
    found = sweeps(board)
    if not found:
        return None
    (along, text), (up, average) = label_of("text_align"), label_of(board.headline)
    figure = Figure(figsize=(7.4, 5.6), layout="constrained")
    ax: Any = figure.subplots()
    names: dict[tuple[float, float], tuple[str, str]] = {}
    for k, sweep in enumerate(found):
        each = [sweep.at(n) for n in range(len(sweep.strengths))]
        points = [(along * x.value, up * y.value) for x, y in each]
        look = look_of(k)
        ax.plot(*zip(*points, strict=True), **look, markersize=5.5, markerfacecolor="white", label=sweep.row)
        for (x, y), (a, b) in zip(points, each, strict=True):
            for estimate, factor, bar in ((a, along, "xerr"), (b, up, "yerr")):
                if estimate.interval is not None:
                    half = factor * (estimate.interval[1] - estimate.interval[0]) / 2
                    ax.errorbar(x, y, **{bar: half}, color=look["color"], linewidth=0.8, alpha=0.45, zorder=1)
        names |= {p: (f"{s:g}", look["color"]) for p, s in zip(points[1:], sweep.strengths[1:], strict=True)}
        names.setdefault(points[0], ("base", "#555555"))
    ax.axvline(along * level_of(found)[0], color="#999999", linewidth=0.8, linestyle=":")
    ax.set(xlabel=text, ylabel=f"average {average}\nafter the last task")
    ax.grid(alpha=0.25)
    ax.margins(0.06)
    title = {"title": "numbers: strengths of the change; dotted: equal text alignment", "title_fontsize": 8}
    legend_below(figure, named_lines(ax), 3, **title, fontsize=8)
    texts, colours = zip(*names.values(), strict=True)
    write_names(ax, texts, list(names), size=6.5, away=5.0, colours=colours)
    return figure
