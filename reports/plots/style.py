"""What all plots share: colours, grids, and how they are written to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

# Okabe and Ito's colours: told apart by the colour-blind; markers and dashes tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


MARKERS = "osD^vPX"


GROUPS = ("#0072B2", "#000000", "#E69F00", "#882255")
"""Colours of many lines, seven of each; told apart in grey too."""


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


_UNDATED = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


def save(figure: Figure, path: Path) -> Path:
    """Write a figure, in the format of the file's name, without a date or a version: same figure, same bytes."""
    with rc_context({"svg.hashsalt": "cpbench", "svg.fonttype": "none", "pdf.fonttype": 42}):
        figure.savefig(path, dpi=150, metadata=_UNDATED[path.suffix[1:]])
    return path


def name_below(axes: Any, shown: int, across: int, label: str) -> None:
    """Label the lowest panel of each column of a grid, and hide those after the first ``shown``."""
    for k, ax in enumerate(axes):
        if k >= shown:
            ax.set_axis_off()
        elif k + across >= shown:
            ax.set_xlabel(label, fontsize=8)
            ax.tick_params(labelbottom=True)
