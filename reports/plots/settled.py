"""Ticks, their labels and the place of an axis label found once per drawing, not up to six times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib.figure import Figure

_ASKED = ("_update_ticks", "_get_ticklabel_bboxes", "_update_label_position", "get_tightbbox")
"""What matplotlib asks of an axis again and again; a version without one of these is merely slower."""


class _Settled:
    """The answers of one axis, kept while its axes have the same place, size and resolution.

    Nothing else that decides them changes while a figure is laid out or drawn: each answer is that of the first call,
    and what the call sets (texts and places of ticks and labels) is set already.
    """

    def __init__(self, axis: Any) -> None:
        self._axis = axis
        self._at: object = None
        self._found: dict[object, Any] = {}

    def once(self, name: str) -> Callable[..., Any]:
        """A method of the axis that looks for each answer once."""
        find = getattr(self._axis, name)

        def answer(*args: Any, **kwargs: Any) -> Any:
            at = self._axis.get_figure(root=True).dpi, self._axis.axes.bbox.bounds
            if at != self._at:
                self._at, self._found = at, {}
            found, key = self._found, (name, *map(id, args), *sorted(kwargs.items()))
            if key not in found:
                found[key] = find(*args, **kwargs), args  # what is kept cannot lend its id to another object
            return found[key][0]

        return answer


@contextmanager
def settled(figure: Figure) -> Iterator[None]:
    """While the block lays out or draws a figure, and does nothing else to it, each axis is asked once."""
    every = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    for axis in every:
        own = _Settled(axis)
        vars(axis).update({name: own.once(name) for name in _ASKED if hasattr(axis, name)})
    try:
        yield
    finally:
        for axis in every:
            for name in _ASKED:
                vars(axis).pop(name, None)
