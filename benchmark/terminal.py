"""The console of cpbench, which prints data as data: without markup, emoji codes and control characters."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.progress import TextColumn
from rich.segment import Segment
from rich.status import Status
from rich.table import Column, Table
from rich.text import Span, Text

from .streams import encodable
from .wording import one_line, printable

LEAST = 40
"""Columns of a console at least: what a narrower terminal wraps is still whole."""


class Terminal(Console):
    """A console for standard output, or a file, in its encoding."""

    def __init__(self, width: int | None = None, file: TextIO | None = None, **options: Any) -> None:
        """``width``: of a stream that is no terminal; a terminal has its own."""
        options = {"_environ": _environment()} | options
        super().__init__(file=file, markup=False, emoji=False, highlight=False, **options)
        if not (self.file.isatty() or "force_terminal" in options):
            self.is_interactive = False  # FORCE_COLOR asks for colours in a log, not for moving bars
        if width is not None and not self.is_interactive:
            self.width = width
        if self.width < LEAST:
            self.width, self.is_interactive = LEAST, False

    def render_str(self, text: str, **options: Any) -> Text:
        """A text without what the terminal would obey or could not show."""
        return super().render_str(encodable(printable(text), self.encoding), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render; texts with styles become as harmless as those without."""
        return super().render(
            shown_text(renderable, self.encoding) if isinstance(renderable, Text) else renderable, options
        )


class Cell(Text):
    """A text with a style for a table, as wide as it is shown in the encoding of the console."""

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """The width of the text that is shown."""
        return Text(shown_text(self, console.encoding).plain, no_wrap=self.no_wrap).__rich_measure__(console, options)


def shown_text(text: Text, encoding: str) -> Text:
    """A text with styles as a terminal with this encoding can show it."""
    if encodable(printable(text.plain), encoding) == text.plain:
        return text
    pieces = [encodable(printable(c), encoding) for c in text.plain]
    at = [0, *accumulate(map(len, pieces))]
    made = text.blank_copy("".join(pieces))
    made.spans = [Span(at[s.start], at[min(s.end, len(pieces))], s.style) for s in text.spans if s.start < len(pieces)]
    return made


def _environment() -> dict[str, str]:
    """The environment without sizes of the terminal that are not numbers."""
    return {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES") or _is_size(v)}


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 6 and int(text) > 0


def working(console: Console, text: str = "") -> Status:
    """A spinner beside a text."""
    return Status(Text(text), console=console, spinner="dots" if console.encoding.startswith("utf") else "line")


def words(form: str, *, style: str = "none", width: int | None = None) -> TextColumn:
    """A column of bars with text in one line, e.g. ``{task.description}``; what is wider ends in an ellipsis."""
    column = Column(no_wrap=True, overflow="ellipsis", max_width=width)
    return TextColumn(form, style=style, markup=False, table_column=column)


class Sheet(Table):
    """A table whose strings are data in one line each; a text that has several lines is given as ``Text``."""

    def __init__(self, *columns: str, right: Iterable[str] = (), title: str | None = None, **look: Any) -> None:
        """``right``: columns that hold numbers. ``look``: as of :class:`rich.table.Table`; default: no lines."""
        look = {"box": None, "pad_edge": False, "header_style": "bold"} | look
        super().__init__(title=title and one_line(title), title_justify="left", **look)
        for column in columns:
            self.add_column(column, justify="right" if column in set(right) else "left", overflow="fold")

    def add_column(self, header: RenderableType = "", *rest: Any, **look: Any) -> None:
        """Add a column as :class:`rich.table.Table` does."""
        super().add_column(_line(header), *rest, **look)

    def add_row(self, *cells: RenderableType | None, **look: Any) -> None:
        """Add a row as :class:`rich.table.Table` does."""
        super().add_row(*map(_line, cells), **look)


def _line(cell: Any) -> Any:
    return one_line(cell) if isinstance(cell, str) else cell


def mark(good: bool, text: str = "") -> Text:
    """A word in green or red: ``ok`` or ``no``, or another."""
    return Text(text or ("ok" if good else "no"), style="green" if good else "red")
