"""The report: a pure function of the records, and of the pictures that the store still has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from ..benchmark.errors import BadInput, unknown
from ..benchmark.spec import load_suite, suite_names
from . import summaries
from .entry import Entry, entries
from .internals import shrinkage, spectra
from .plots import curves, heat_maps, save
from .sheet import SheetRow, sample_sheet
from .tables import to_csv, to_markdown
from .tidy import Board, boards, by_method

Pictures = Callable[[str], list[Path]]
"""The PNG files of a unit by its key; empty where the store no longer has it."""


def write_report(results: Path, out: Path, pictures: Pictures) -> list[Path]:
    """Write tables, plots and sample sheets of all finished runs; raises BadInput where there are none."""
    records = [entry for _, entry in entries(results)]
    done = [r for r in records if r.status == "ok"]
    if not done:
        raise BadInput(f"{results} holds no finished runs; make some with 'cpbench run --methods dsc,clora'.")
    found = boards(done)
    failed = [f"- {r.run.method}, {r.run.suite}, seed {r.run.seed}: {r.error}" for r in records if r.status == "error"]
    out.mkdir(parents=True, exist_ok=True)
    text = to_markdown(found) + ("\nFailed runs:\n\n" + "\n".join(failed) + "\n" if failed else "")
    paths = [_write(out / "leaderboard.md", text), _write(out / "leaderboard.csv", to_csv(found))]
    paths.append(_write(out / "summaries.csv", summaries.to_csv(found)))
    for k, board in enumerate(found, 1):
        paths += _draw(board, out, _name(board, k, len(found)), pictures)
    return paths


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


PLOTS: dict[str, Callable[[Board], Figure | None]] = {
    "matrix": lambda board: heat_maps(by_method(board.results), board.headline),
    "curves": lambda board: curves(by_method(board.results), board.headline),
    "shrinkage": lambda board: shrinkage(board.results, board.headline),
    "fisher": lambda board: spectra(by_method(board.results)),
}
"""What can be drawn of a board, by name; None where its runs have not logged what it takes."""


def write_plot(results: Path, out: Path, kind: str) -> list[Path]:
    """Write one kind of plot of all boards; raises BadInput for an unknown kind, or where there is nothing to draw."""
    if kind not in PLOTS:
        raise unknown("plot", kind, PLOTS)
    found = boards([r for _, r in entries(results) if r.status == "ok"])
    out.mkdir(parents=True, exist_ok=True)
    drawn = [(PLOTS[kind](board), _name(board, k, len(found))) for k, board in enumerate(found, 1)]
    paths = [save(figure, out / f"{kind}-{name}.png") for figure, name in drawn if figure]
    if not paths:
        raise BadInput(f"{results} holds no runs that '{kind}' could show{_NEEDS.get(kind, '')}.")
    return paths


_NEEDS = {"shrinkage": "; run clora with several values of --set clora.strength"}


def _name(board: Board, k: int, n: int) -> str:
    suite = board.results[0].run.suite
    return f"{suite}-{k}" if n > 1 else suite


def _draw(board: Board, out: Path, name: str, pictures: Pictures) -> list[Path]:
    """The plots of one board, and one sample sheet a method."""
    figures = {kind: plot(board) for kind, plot in PLOTS.items()}
    paths = [save(figure, out / f"{kind}-{name}.png") for kind, figure in figures.items() if figure]
    for method, own in by_method(board.results).items():
        if sheet := sheet_of(min(own, key=_first), pictures):
            path = out / f"samples-{name}-{_slug(method)}.png"
            sheet.save(path)
            paths.append(path)
    return paths


def _first(result: Entry) -> tuple[int, bool, list[str]]:
    """Sorts runs so that every method shows the same one: the lowest seed, on the suite's own order where known."""
    run = result.run
    given = [c.name for c in load_suite(run.suite).concepts] if run.suite in suite_names() else run.order
    return run.seed, run.order != given, run.order


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-." else "_" for c in text)


def sheet_of(result: Entry, pictures: Pictures) -> Image.Image | None:
    """The sample sheet of one run; None where its pictures are gone, or where nothing was learned."""
    rows = [_sheet_row(result, name, j, max(1, result.prompts), pictures) for j, name in enumerate(result.run.order, 1)]
    if not result.cost or not all(row.real and any(row.after) for row in rows):
        return None
    return sample_sheet(f"{result.run.method} on {result.run.suite}, seed {result.run.seed}", rows)


def _sheet_row(result: Entry, name: str, j: int, prompts: int, pictures: Pictures) -> SheetRow:
    def files(key: str) -> list[Path]:
        return pictures(result.units[key]) if key in result.units else []

    cells = (files(f"draw/{i}/{j}") for i in range(len(result.run.order) + 1))
    after = tuple(_pick(cell, 1 if len(cell) <= 2 else len(cell) // prompts) for cell in cells)
    return SheetRow(name, j, _pick(files(f"real/{name}"), 1), after)


def _pick(files: list[Path], second: int) -> tuple[Image.Image, ...]:
    """The first picture and the one at ``second``: that of the second prompt, of which a glimpse holds one each."""
    return tuple(_read(files[k]) for k in (0, second) if k < len(files))


def _read(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")
