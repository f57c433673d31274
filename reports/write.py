"""The report: a pure function of the records, and of the pictures in the store or in strips beside the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..benchmark.errors import BadInput, unknown
from ..benchmark.records.folders import Folders, folders
from ..benchmark.records.reading import OnFault, read_result, unheard
from ..benchmark.records.result import Result
from .analysis import summaries
from .analysis.board import Board, FindPictures, Methods, boards, first_run, row_of
from .analysis.entry import Entry, entries, failure, uncollected
from .analysis.frontier import tuned_rows
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
"""The parts of a report; one kind of plot can be asked for too."""


@dataclass(frozen=True)
class Report:
    """All records below some folders, sorted into leaderboards, and the path of each."""

    folders: Folders
    boards: list[Board]
    failed: list[str]
    reported: list[Reported]
    paths: dict[str, Path]

    def read(self, entry: Entry) -> tuple[Path, Result]:
        """The record of an entry, and its file."""
        path = self.paths[entry.key]
        return path, read_result(path)


def load(
    where: Folders | Path, methods: Methods | None = None, on_fault: OnFault = unheard, baseline: str | None = None
) -> Report:
    """Read all records; ``methods`` marks upper bounds and defaults, ``on_fault`` is called for files passed over.

    Raises BadInput where no run is finished.
    """
    chosen, done, failed, paths = folders(where), list[Entry](), list[str](), dict[str, Path]()
    with uncollected():
        for path, entry in entries(chosen, on_fault):
            if entry.status == "ok":
                done.append(entry)
                paths[entry.key] = path
            else:
                failed.append(failure(entry))
    if not done:
        raise BadInput(f"{chosen} holds no finished runs; make some with 'cpbench run --methods dsc,clora'.")
    upper = {name for name, about in (methods or {}).items() if about.bound}
    papers = [table for folder in chosen.every for table in read_reported(folder)]
    found = boards(done, upper, baseline)
    if baseline is not None and all(row_of(baseline, board.runs) is None for board in found):
        raise unknown("baseline", baseline, {row for board in found for row in board.runs})
    found = [replace(board, tuned=tuned_rows(board, methods or {})) for board in found]
    return Report(chosen, found, failed, papers, paths)


OnProgress = Callable[[str, int, int], None]
"""Called with a part of :data:`PARTS`, how many steps of it are done, and how many it has."""


def unwatched(part: str, done: int, total: int) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class _Part:
    """A part of a report: each of its ``steps`` steps gives the files that it has written."""

    name: str
    steps: int
    written: Iterable[list[Path]]


def write_report(
    report: Report,
    out: Path,
    methods: Methods,
    pictures: FindPictures,
    only: str | None = None,
    on_progress: OnProgress = unwatched,
) -> Iterator[Path]:
    """Write all parts, or one of :data:`PARTS`, or one kind of plot; raises BadInput for any other.

    Files that an earlier report made below ``out`` and this one does not are removed at the end.
    """
    if only is not None and only not in (*PARTS, *FIGURES):
        raise unknown("part of a report", only, [*PARTS, *FIGURES])
    out.mkdir(parents=True, exist_ok=True)
    parts = list(_parts(report, out, methods, pictures, only))
    made: dict[str, list[str]] = {part.name: [] for part in parts}
    done, total = Counter[str](), Counter[str]()
    for part in parts:
        total[_top(part)] += part.steps
    for part in parts:
        top = _top(part)
        on_progress(top, done[top], total[top])
        for paths in part.written:
            made[part.name] += [path.relative_to(out).as_posix() for path in paths]
            yield from paths
            done[top] += 1
            on_progress(top, done[top], total[top])
    settle(out, made, only)


def _top(part: _Part) -> str:
    """The member of :data:`PARTS` that a part belongs to."""
    return part.name.partition("/")[0]


def _parts(report: Report, out: Path, methods: Methods, pictures: FindPictures, only: str | None) -> Iterator[_Part]:
    """What is asked for, each with what writes it; nothing is written before it is iterated over."""
    if only in (None, "tables"):
        yield _Part("tables", len(_TABLES), _tables(report, out))
    for kind in FIGURES:
        if only in (None, "plots", kind):
            plots = _plots(report, out / "plots", kind, alone=only == kind)
            yield _Part(f"plots/{kind}", len(report.boards), plots)
    if only in (None, "samples"):
        methods_shown = sum(len(board.runs) for board in report.boards)
        yield _Part("samples", methods_shown, _samples(report, out / "samples", pictures))
    if only in (None, "site"):
        site = build(report.boards, report.failed, report.reported, methods, pictures, report.read, out / "site")
        yield _Part("site", sum(len(board.results) for board in report.boards) + 1, _by_run(site))


def _leaderboard(report: Report) -> str:
    failed = "".join(f"- {escape(line)}\n" for line in report.failed)
    text = to_markdown(report.boards) + (f"\nFailed runs:\n\n{failed}" if failed else "")
    return text + reported.to_markdown(report.reported)


_TABLES: dict[str, Callable[[Report], str]] = {
    "leaderboard.md": _leaderboard,
    "leaderboard.csv": lambda report: to_csv(report.boards),
    "leaderboard.tex": lambda report: to_latex(report.boards),
    "summaries.csv": lambda report: summaries.to_csv(report.boards),
}
"""The leaderboard as Markdown, CSV and LaTeX, and every summary as CSV."""


def _tables(report: Report, out: Path) -> Iterator[list[Path]]:
    for name, content in _TABLES.items():
        (out / name).write_text(content(report), encoding="utf-8")
        yield [out / name]


def _plots(report: Report, out: Path, kind: str, *, alone: bool) -> Iterator[list[Path]]:
    """One kind of plot of every board; raises BadInput where it ``alone`` is asked for and no board can show it."""
    out.mkdir(parents=True, exist_ok=True)
    drawn = False
    for name, board in _named(report.boards):
        paths = _plot(board, kind, out / f"{kind}-{name}")
        drawn |= bool(paths)
        yield paths
    if alone and not drawn:
        raise BadInput(f"{report.folders} holds no runs that '{kind}' could show{NEEDS.get(kind, '')}.")


def _plot(board: Board, kind: str, stem: Path) -> list[Path]:
    with uncollected():  # a figure is ten thousand objects, and all of them live until it is written
        figure = FIGURES[kind](board)
        return [] if figure is None else [save(figure, stem.with_name(f"{stem.name}.{form}")) for form in FORMATS]


_LEVEL = 4
"""Compression of sample sheets: half of the time of the default level 6, and files 2 % larger."""


def _samples(report: Report, out: Path, pictures: FindPictures) -> Iterator[list[Path]]:
    """One sheet of pictures per method, where they are still there."""
    for name, board in _named(report.boards):
        slugs = slugs_of(board.runs)
        for method, own in board.runs.items():
            sheet, path = sheet_of(min(own, key=first_run), pictures, method), out / f"{name}-{slugs[method]}.png"
            if sheet is not None:
                out.mkdir(parents=True, exist_ok=True)
                sheet.save(path, compress_level=_LEVEL)
            yield [path] if sheet is not None else []


def _by_run(site: Iterator[Path]) -> Iterator[list[Path]]:
    """The files of the site in as many steps as there are runs, and one for what follows the last of them."""
    paths = list[Path]()
    for path in site:
        paths.append(path)
        if path.parent.name == "runs":
            yield paths
            paths = []
    yield paths


def _named(found: Sequence[Board]) -> Iterator[tuple[str, Board]]:
    """Boards with the names of their files: the suite, and a number where there are several."""
    for k, board in enumerate(found, 1):
        suite = board.results[0].run.suite
        yield f"{suite}-{k}" if len(found) > 1 else suite, board
