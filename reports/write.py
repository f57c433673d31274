"""The report: a pure function of the records, and of the pictures that the store still has."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..benchmark.errors import BadInput, unknown
from ..benchmark.records.result import Result, read_result
from .analysis import summaries
from .analysis.board import Board, FindPictures, Methods, boards, first_run
from .analysis.entry import Entry, entries
from .files import settle, slugs_of
from .plots.figures import FIGURES, NEEDS
from .plots.style import FORMATS, save
from .samples import sheet_of
from .site.build import build
from .tables import reported
from .tables.columns import to_csv
from .tables.latex import to_latex
from .tables.markdown import escape, to_markdown
from .tables.reported import Reported, read_reported

PARTS = ("tables", "plots", "samples", "site")
"""What a report is made of; one kind of plot alone can be asked for too."""


@dataclass(frozen=True)
class Report:
    """All records below a folder, sorted into what may be compared, and where each of them lies."""

    folder: Path
    boards: list[Board]
    failed: list[str]
    reported: list[Reported]
    paths: dict[str, Path]

    def read(self, entry: Entry) -> tuple[Path, Result]:
        """The record of an entry, and its file."""
        path = self.paths[entry.run.id]
        return path, read_result(path)


def load(folder: Path, methods: Methods | None = None) -> Report:
    """Read all records; ``methods`` tells which are upper bounds. Raises BadInput where none is finished."""
    done, failed, paths = list[Entry](), list[str](), dict[str, Path]()
    with _uncollected():
        for path, entry in entries(folder):
            if entry.status == "ok":
                done.append(entry)
                paths[entry.run.id] = path
            else:
                failed.append(f"{entry.run.method}, {entry.run.suite}, seed {entry.run.seed}: {entry.error}")
    if not done:
        raise BadInput(f"{folder} holds no finished runs; make some with 'cpbench run --methods dsc,clora'.")
    upper = {name for name, about in (methods or {}).items() if about.bound}
    return Report(folder, boards(done, upper), failed, read_reported(folder), paths)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: records hold no cycles, and looking for them is a quarter of the time of reading."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def write_report(
    report: Report, out: Path, methods: Methods, pictures: FindPictures, only: str | None = None
) -> Iterator[Path]:
    """Write all parts, or one of :data:`PARTS`, or one kind of plot; raises BadInput for any other.

    Files that an earlier report made below ``out`` and this one does not are removed at the end.
    """
    if only is not None and only not in (*PARTS, *FIGURES):
        raise unknown("part of a report", only, [*PARTS, *FIGURES])
    out.mkdir(parents=True, exist_ok=True)
    made = dict[str, list[str]]()
    for part, paths in _parts(report, out, methods, pictures, only):
        made[part] = []
        for path in paths:
            made[part].append(path.relative_to(out).as_posix())
            yield path
    settle(out, made, only)


def _parts(
    report: Report, out: Path, methods: Methods, pictures: FindPictures, only: str | None
) -> Iterator[tuple[str, Iterator[Path]]]:
    """What is asked for, each with what writes it; raises BadInput where one kind of plot has nothing to show."""
    if only in (None, "tables"):
        yield "tables", _tables(report, out)
    for kind in FIGURES:
        if only in (None, "plots", kind):
            yield f"plots/{kind}", _plots(report, out / "plots", kind, alone=only == kind)
    if only in (None, "samples"):
        yield "samples", _samples(report, out / "samples", pictures)
    if only in (None, "site"):
        site = build(report.boards, report.failed, report.reported, methods, pictures, report.read, out / "site")
        yield "site", site


def _tables(report: Report, out: Path) -> Iterator[Path]:
    """The leaderboard as Markdown, CSV and LaTeX, and every summary as CSV."""
    failed = "".join(f"- {escape(line)}\n" for line in report.failed)
    text = to_markdown(report.boards) + (f"\nFailed runs:\n\n{failed}" if failed else "")
    text += reported.to_markdown(report.reported)
    contents = {
        "leaderboard.md": text,
        "leaderboard.csv": to_csv(report.boards),
        "leaderboard.tex": to_latex(report.boards),
        "summaries.csv": summaries.to_csv(report.boards),
    }
    for name, content in contents.items():
        (out / name).write_text(content, encoding="utf-8")
        yield out / name


def _plots(report: Report, out: Path, kind: str, *, alone: bool) -> Iterator[Path]:
    """One kind of plot of every board; raises BadInput where it ``alone`` is asked for and nothing can show it."""
    out.mkdir(parents=True, exist_ok=True)
    drawn = [(name, figure) for name, board in _named(report.boards) if (figure := FIGURES[kind](board)) is not None]
    for name, figure in drawn:
        for form in FORMATS:
            yield save(figure, out / f"{kind}-{name}.{form}")
    if alone and not drawn:
        raise BadInput(f"{report.folder} holds no runs that '{kind}' could show{NEEDS.get(kind, '')}.")


def _samples(report: Report, out: Path, pictures: FindPictures) -> Iterator[Path]:
    """One sheet of pictures a method, where they are still there."""
    for name, board in _named(report.boards):
        slugs = slugs_of(board.runs)
        for method, own in board.runs.items():
            if sheet := sheet_of(min(own, key=first_run), pictures):
                out.mkdir(parents=True, exist_ok=True)
                path = out / f"{name}-{slugs[method]}.png"
                sheet.save(path)
                yield path


def _named(found: Sequence[Board]) -> Iterator[tuple[str, Board]]:
    """Boards with the names of their files: the suite, and a number where there are several."""
    for k, board in enumerate(found, 1):
        suite = board.results[0].run.suite
        yield f"{suite}-{k}" if len(found) > 1 else suite, board
