"""What all plots share: colours, grids of panels, layout, and how figures are written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.transforms import Bbox

# Okabe and Ito's colours, which the colour-blind can distinguish; markers and dashes distinguish them in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


MARKERS = "osD^vPX"


GROUPS = ("#0072B2", "#000000", "#E69F00", "#882255")
"""Colours of many lines, seven of each; they differ in grey too."""


DASHES = ("-", "--", ":", "-.")


def style_of(k: int) -> dict[str, Any]:
    """Marker, colour and dash of the k-th of many lines: no two of 28 have the same marker and dash."""
    group = k // len(MARKERS) % len(GROUPS)
    return {"marker": MARKERS[k % len(MARKERS)], "color": GROUPS[group], "linestyle": DASHES[group]}


def grid_of(n: int, most: int) -> tuple[int, int]:
    """Rows and columns for n panels: wider than high, and at most ``most`` columns."""
    across = min(n, most, max(1, round((1.6 * n) ** 0.5)))
    return -(-n // across), across


FORMATS = ("png", "svg", "pdf")
_DPI = 150
_CANVASES: dict[str, Any] = {"png": FigureCanvasAgg, "svg": FigureCanvasSVG, "pdf": FigureCanvasPdf}
_UNDATED: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save(figure: Figure, path: Path) -> Path:
    """Write a figure in the format of the file's name, without a date or a version: same figure, same bytes."""
    lay_out(figure)
    form = path.suffix[1:]
    fonts: Any = {"svg.fonttype": "none", "pdf.fonttype": 42}
    with rc_context({**fonts, "svg.hashsalt": "cpbench", "image.composite_image": False}):
        getattr(_canvas(figure, form), f"print_{form}")(path, metadata=_UNDATED[form])
    return path


def _canvas(figure: Figure, form: str) -> Any:
    """The canvas of a format: the figure's own where it has that, which knows the sizes of all texts."""
    wanted = _CANVASES[form]
    return figure.canvas if isinstance(figure.canvas, wanted) else wanted(figure)


def lay_out(figure: Figure) -> None:
    """Find the layout of a figure once, and keep it: ``Figure.savefig`` would find it anew for each format.

    Positions are rounded to a millionth of the figure. The solver behind them adds in the order of memory addresses,
    so that their last bits differ from run to run, and with them the names of clip paths in SVG files.
    """
    engine = figure.get_layout_engine()
    if engine is None or isinstance(engine, PlaceHolderLayoutEngine):
        return
    figure.set_dpi(_DPI)
    arrange(figure)
    figure.set_layout_engine("none")
    for ax in figure.axes:
        ax.set_position(Bbox.from_extents(*np.round(ax.get_position(original=True).extents, 6)))


def arrange(figure: Figure) -> None:
    """Place everything that a figure holds so far."""
    engine: Any = figure.get_layout_engine()
    _canvas(figure, "png")
    engine.execute(figure)


def colour_bar(figure: Figure, image: Any, ax: Any, wide: float, **look: Any) -> None:
    """A bar of colours beside axes that are ``wide`` inches: room and distance are shares of their width."""
    figure.colorbar(image, ax=ax, fraction=0.3 / wide, pad=0.04 / wide, **look)


def look_of(k: int) -> dict[str, Any]:
    """Colour, marker and dash of the k-th curve: 28 differ in marker and dash."""
    dash = DASHES[(k + k // len(MARKERS)) % len(DASHES)]
    return {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)], "linestyle": dash}


def named_lines(ax: Any) -> list[tuple[Any, str]]:
    """The lines of a plot that have a name, for its legend."""
    return [(line, line.get_label()) for line in ax.lines if not line.get_label().startswith("_")]


def legend_below(figure: Figure, shown: Iterable[tuple[Any, str]], most: int, **look: Any) -> None:
    """A legend below everything else, in as many columns as fit the width of the figure, but at most ``most``."""
    handles, labels = zip(*shown, strict=True)
    for columns in range(most, 0, -1):
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, **look)
        _canvas(figure, "png")
        if legend.get_window_extent().width <= figure.bbox.width or columns == 1:
            return
        legend.remove()
