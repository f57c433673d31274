"""Pictures of a run: those drawn of each concept after each task, beside real ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .analysis.board import FindPictures
from .analysis.entry import Entry
from .sprites import SheetRow, Sprite, cut, drawn_sprite, kept_sprite, picture_in


def sheet_of(entry: Entry, pictures: FindPictures, row: str | None = None) -> Image.Image | None:
    """The sample sheet of one run, named by its ``row`` of the leaderboard or else by its method.

    None where neither the store nor a strip has its pictures.
    """
    rows = sheet_rows(entry, pictures)
    if rows is None:
        return None
    title = f"{row or entry.run.method} on {entry.run.suite}, seed {entry.run.seed}"
    return sample_sheet(title, [*rows, *_pair_sheet(entry, pictures)])


def sprite_of(entry: Entry, pictures: FindPictures) -> Sprite | None:
    """All pictures of one run in one, from the store or else from its strip; None where neither has them."""
    rows = stored_rows(entry, pictures)
    return kept_sprite(entry) if rows is None else drawn_sprite(rows)


def sheet_rows(entry: Entry, pictures: FindPictures) -> list[SheetRow] | None:
    """A row per concept, from the store or else from the strip beside the record; None where neither has them."""
    rows = stored_rows(entry, pictures)
    if rows is None and (sprite := kept_sprite(entry)) is not None:
        return cut(entry, sprite)
    return rows


def stored_rows(entry: Entry, pictures: FindPictures) -> list[SheetRow] | None:
    """A row per concept; None where the store lacks pictures, or where nothing was learned."""
    if not entry.cost:
        return None
    rows = [_row(entry, name, j, pictures) for j, name in enumerate(entry.run.order, 1)]
    return rows if all(row.real and any(row.after) for row in rows) else None


def _row(entry: Entry, name: str, j: int, pictures: FindPictures) -> SheetRow:
    def files(key: str) -> list[Path]:
        return pictures(entry.units[key]) if key in entry.units else []

    cells = (files(f"draw/{i}/{j}") for i in range(entry.tasks + 1))
    prompts = max(1, entry.prompts)
    after = tuple(_pick(cell, 1 if len(cell) <= 2 else len(cell) // prompts) for cell in cells)
    return SheetRow(name, j, _pick(files(f"real/{name}"), 1), after)


@dataclass(frozen=True)
class PairRow:
    """Pictures of a pair: its concepts, its task, the state (None: real ones), the first pictures, and their number."""

    names: tuple[str, str]
    task: int
    state: int | None
    pictures: tuple[Image.Image, ...]
    total: int

    @property
    def title(self) -> str:
        """The state in words."""
        return "real" if self.state is None else state_of(self.state)


def state_of(i: int) -> str:
    """A state in words."""
    return f"after task {i}" if i else "base model"


def pair_rows(entry: Entry, pictures: FindPictures, most: int) -> list[PairRow]:
    """Pair by pair the real pictures, and those drawn in each state, ``most`` of each; none that the store lacks."""
    pairs = dict.fromkeys(key.rpartition("/")[2] for key in entry.units if "+" in key)
    return [row for pair in pairs for row in _states(entry, pair, pictures, most) if row.pictures]


def _states(entry: Entry, pair: str, pictures: FindPictures, most: int) -> Iterator[PairRow]:
    a, b = pair.split("+")
    task = 1 + max(entry.run.order.index(a), entry.run.order.index(b))
    for state in (None, *range(entry.tasks + 1)):
        unit = entry.units.get(f"real/{pair}" if state is None else f"draw/{state}/{pair}")
        files = [] if unit is None else pictures(unit)
        yield PairRow((a, b), task, state, tuple(picture_in(file) for file in files[:most]), len(files))


def _pair_sheet(entry: Entry, pictures: FindPictures) -> Iterator[SheetRow]:
    """A row of the sample sheet per pair."""
    rows = pair_rows(entry, pictures, 2)
    for names in dict.fromkeys(row.names for row in rows):
        own = {row.state: row.pictures for row in rows if row.names == names}
        after = tuple(own.get(i, ()) for i in range(entry.tasks + 1))
        task = next(row.task for row in rows if row.names == names)
        yield SheetRow(" +\n".join(names), task, own.get(None, ()), after)


def _pick(files: list[Path], second: int) -> tuple[Image.Image, ...]:
    """The first picture and the one at ``second``: the first of the second prompt; a glimpse has one per prompt."""
    return tuple(picture_in(files[k]) for k in (0, second) if k < len(files))


THUMB, GAP, BLOCK, MARGIN, LABEL = 80, 3, 14, 20, 112


_INK, _FAINT, _MARK, _PAPER = (35, 35, 40), (150, 150, 155), (213, 94, 0), (255, 255, 255)


@dataclass(frozen=True)
class _Column:
    """A column of the sheet: its heading, and the state i of its picture of each row."""

    heading: str
    states: Sequence[int]


def sample_sheet(title: str, rows: Sequence[SheetRow]) -> Image.Image:
    """Draw the sheet; a frame marks the task that taught the concept, and pictures from before it are faded.

    States that have pictures of a single concept, the one just learned, share one column where there are several.
    """
    columns = list(_columns(rows))
    real, wide = max(len(r.real) for r in rows), max(len(b) for r in rows for b in r.after)
    starts = [MARGIN + LABEL + real * (THUMB + GAP) + BLOCK]
    for _ in columns:
        starts.append(starts[-1] + wide * (THUMB + GAP) + BLOCK)
    height = 84 + len(rows) * (THUMB + BLOCK) + 26
    sheet = Image.new("RGB", (starts[-1] + MARGIN, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _headings(draw, title, starts, columns)
    for k, row in enumerate(rows):
        y = 84 + k * (THUMB + BLOCK)
        draw.text((MARGIN, y + THUMB // 2), row.name, _INK, _font(16), anchor="lm")
        _paste(sheet, row.real, MARGIN + LABEL, y)
        for column, x in zip(columns, starts, strict=False):
            i = column.states[k]
            _block(sheet, draw, row.after[i], (x, y), wide, i - row.task)
    return sheet


def _columns(rows: Sequence[SheetRow]) -> Iterator[_Column]:
    last = len(rows[0].after) - 1
    shown = [i for i in range(last + 1) if i in (0, last) or sum(bool(row.after[i]) for row in rows) > 1]
    own = {row.task for row in rows if row.after[row.task]}.difference(shown)
    yield _Column("base model", [0] * len(rows))
    if len(own) > 1:
        yield _Column("own task", [row.task for row in rows])
    else:
        shown = sorted({*shown, *own})
    yield from (_Column(f"after task {i}", [i] * len(rows)) for i in shown[1:])


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _headings(draw: ImageDraw.ImageDraw, title: str, starts: list[int], columns: Sequence[_Column]) -> None:
    draw.text((MARGIN, 14), title, _INK, _font(20))
    draw.text((MARGIN + LABEL, 58), "real", _INK, _font(14))
    for x, column in zip(starts, columns, strict=False):
        draw.text((x, 58), column.heading, _INK, _font(14))


def _paste(sheet: Image.Image, pictures: Sequence[Image.Image], x: int, y: int, fade: float = 0.0) -> None:
    for k, picture in enumerate(pictures):
        thumb = picture.convert("RGB").resize((THUMB, THUMB), Image.Resampling.LANCZOS)
        if fade:
            thumb = Image.blend(thumb, Image.new("RGB", thumb.size, _PAPER), fade)
        sheet.paste(thumb, (x + k * (THUMB + GAP), y))


def _block(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    pictures: Sequence[Image.Image],
    corner: tuple[int, int],
    wide: int,
    since: int,
) -> None:
    """One cell; ``since``: how many tasks after the one that taught the concept."""
    x, y = corner
    if not pictures:
        draw.text((x + 4, y + THUMB // 2), "·", _FAINT, _font(14), anchor="lm")
        return
    _paste(sheet, pictures, x, y, fade=0.55 if since < 0 else 0.0)
    if since == 0:
        right = x + len(pictures[:wide]) * (THUMB + GAP)
        draw.rectangle((x - 4, y - 4, right, y + THUMB + 3), outline=_MARK, width=3)
