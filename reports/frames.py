"""Data frames that grow run by run: numbers are packed, and texts are coded, so that ten thousand runs fit."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

_PACKED = {"text": "i", "int": "q", "int?": "q", "float": "d", "bool": "b"}
"""Kinds of columns, with the codes of :mod:`array` that hold them; "int?" may lack values."""
_DTYPES = {"text": "category", "int": "int64", "int?": "Int64", "float": "float64", "bool": "bool"}

Kinds = Mapping[str, str]
"""The columns of a frame in their order: name and kind."""


def kinds(text: str) -> Kinds:
    """Columns as they are written down: "method text, seed int"."""
    return dict((name, kind) for name, kind in (column.split() for column in text.split(",")))


def frame(rows: Iterable[Mapping[str, Any]], kinds: Kinds) -> pd.DataFrame:
    """A data frame of few rows, texts as categories."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(kinds)).astype({name: _DTYPES[kind] for name, kind in kinds.items()})


class Column:
    """One column; a text is a whole number that stands for one of the few texts that occur."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.values = array(_PACKED[kind])
        self.codes: dict[str | None, int] = {None: -1}

    def extend(self, values: Iterable[Any]) -> None:
        """Append values; None is a missing text or "int?" (which is never negative)."""
        if self.kind == "text":
            codes = self.codes
            values = [codes.setdefault(text, len(codes) - 1) for text in values]
        elif self.kind == "int?":
            values = [-1 if value is None else value for value in values]
        self.values.extend(values)

    def series(self, repeats: NDArray[np.int64] | None = None) -> Any:
        """The column for pandas, each value repeated as given."""
        import pandas as pd

        values = np.frombuffer(self.values, self.values.typecode) if self.values else np.array(self.values)
        values = values if repeats is None else np.repeat(values, repeats)
        if self.kind == "text":
            texts = [text for text in self.codes if text is not None]
            return pd.Categorical.from_codes(values, pd.Index(texts, dtype=str)).reorder_categories(sorted(texts))
        if self.kind == "int?":
            return pd.arrays.IntegerArray(values, values < 0)
        return values.astype(_DTYPES[self.kind])


class Table:
    """Rows that belong to runs: columns that identify the run, and columns of the row."""

    def __init__(self, of_run: Kinds, of_row: Kinds) -> None:
        self.of_run = {name: Column(kind) for name, kind in of_run.items()}
        self.of_row = {name: Column(kind) for name, kind in of_row.items()}
        self.rows = array("q")

    def extend(self, run: Mapping[str, Any], columns: Mapping[str, list[Any]]) -> None:
        """Append the rows of one run, given by column."""
        for name, column in self.of_run.items():
            column.extend([run[name]])
        for name, column in self.of_row.items():
            column.extend(columns[name])
        self.rows.append(len(columns[next(iter(self.of_row))]))

    def frame(self) -> pd.DataFrame:
        """All rows as a data frame, columns of the run first; the table is empty then, so that no row is held twice."""
        import pandas as pd

        repeats, columns = np.array(self.rows), dict[str, Any]()
        for name in list(self.of_run):
            columns[name] = self.of_run.pop(name).series(repeats)
        for name in list(self.of_row):
            columns[name] = self.of_row.pop(name).series()
        return pd.DataFrame(columns, copy=False)
