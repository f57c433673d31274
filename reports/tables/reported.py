"""Numbers that papers report: shown in tables of their own, without a ranking in common with measured ones."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...benchmark.errors import BadInput, explain
from ...benchmark.plain_json import parse_json
from ...benchmark.wording import counted
from .markdown import escape, row


class Row(BaseModel):
    """A method and its numbers, one per column, as they are printed in the paper."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: str
    values: tuple[str, ...]


class Reported(BaseModel):
    """One table of a paper: its address, what was measured, its columns and rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: str
    link: str = Field(pattern=r"^https://")
    about: str
    columns: tuple[str, ...] = Field(min_length=1)
    rows: tuple[Row, ...] = Field(min_length=1)


def read_reported(results: Path) -> list[Reported]:
    """The tables of ``results/reported/*.json``, by file name; raises BadInput for a file that is not a table."""
    return [_read(path) for path in sorted((results / "reported").glob("*.json"))]


def _read(path: Path) -> Reported:
    try:
        found = Reported.model_validate(parse_json(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise BadInput(f"{path}: {explain(error, Reported)}") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not a table of reported numbers ({error}); expected JSON.") from None
    if bad := [row.method for row in found.rows if len(row.values) != len(found.columns)]:
        raise BadInput(f"{path}: the row of {bad[0]} needs {counted(len(found.columns), 'value')}, one per column.")
    return found


def to_markdown(tables: list[Reported]) -> str:
    """The tables as Markdown, below a heading of their own; empty where there are none."""
    if not tables:
        return ""
    lines = [
        "",
        "### Reported in papers",
        "",
        "Measured by others, on other models and pictures: not comparable with the tables above.",
    ]
    for t in tables:
        link = quote(t.link, safe=":/?#@!$&'+,;=%~")
        lines += ["", f"[{escape(t.source)}]({link}): {escape(t.about)}", ""]
        lines += [row(["method", *map(escape, t.columns)]), "|---|" + "---:|" * len(t.columns)]
        lines += [row([escape(text) for text in (own.method, *own.values)]) for own in t.rows]
    return "\n".join([*lines, ""])
