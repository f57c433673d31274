"""All pictures of a run in one: a grid of squares, as the site shows it, and as it is kept beside a record."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..benchmark.errors import BadInput
from .analysis.entry import Entry

MOST = 128
"""Side of a picture in a sprite, at most."""
_RIM = 2
"""Pixels of its own edge around each picture: a page that scales a sprite mixes neighbouring pixels."""
_GREY = (128, 128, 128)


@dataclass(frozen=True)
class SheetRow:
    """A concept: its name, the number of its task, real pictures, and what was drawn after each task (from 0)."""

    name: str
    task: int
    real: tuple[Image.Image, ...]
    after: tuple[tuple[Image.Image, ...], ...]


@dataclass(frozen=True)
class Sprite:
    """All pictures of a run in one: ``rows`` by ``columns`` squares.

    A picture is ``side`` pixels wide, its square ``cell`` times that, with a rim of its own edge. A concept has two
    rows, one per prompt; columns are real pictures, then those drawn after 0, 1, ... tasks. A square without a picture
    is grey. ``file`` is the strip that it was read from.
    """

    image: Image.Image
    side: int
    cell: float
    rows: int
    columns: int
    file: Path | None = None

    def write(self, path: Path, quality: int = 90) -> None:
        """Write it as WebP; a strip is copied as it is."""
        if self.file is not None:
            shutil.copyfile(self.file, path)
        else:
            self.image.save(path, quality=quality, method=4)


def drawn_sprite(rows: Sequence[SheetRow], most: int = MOST) -> Sprite:
    """The sprite of pictures, each at most ``most`` pixels wide."""
    lines = [[(*shown, None, None)[line] for shown in (row.real, *row.after)] for row in rows for line in (0, 1)]
    return grid_sprite(lines, most)


def grid_sprite(lines: Sequence[Sequence[Image.Image | None]], most: int = MOST) -> Sprite:
    """The sprite of pictures in lines, each at most ``most`` pixels wide; a None and the end of a line are grey."""
    side = min(most, next(picture.width for line in lines for picture in line if picture is not None))
    columns, square = max(map(len, lines)), side + 2 * _RIM
    image = Image.new("RGB", (square * columns, square * len(lines)), _GREY)
    for row, line in enumerate(lines):
        for column, picture in enumerate(line):
            if picture is not None:
                small = picture.resize((side, side), Image.Resampling.LANCZOS)  # as it is, where it has that size
                image.paste(_rimmed(small), (column * square, row * square))
    return Sprite(image, side, square / side, len(lines), columns)


def _rimmed(picture: Image.Image) -> Image.Image:
    """A picture with its outermost pixels repeated around it."""
    return Image.fromarray(np.pad(np.asarray(picture), ((_RIM, _RIM), (_RIM, _RIM), (0, 0)), mode="edge"))


def picture_in(path: Path, advice: str = "remove its folder; 'cpbench run' makes it again") -> Image.Image:
    """A picture that cpbench wrote; raises BadInput with the advice if the file is damaged or gone."""
    try:
        with Image.open(path, formats=("PNG", "WEBP")) as file:
            return file.convert("RGB")
    except Exception:  # Pillow raises many types for damaged files
        raise BadInput(f"{path}: not a picture; {advice}.") from None


def kept_sprite(entry: Entry) -> Sprite | None:
    """The sprite in the strip beside the record of a run; None where there is no strip.

    Raises BadInput for a file that is no picture, or not one of as many squares as the run has.
    """
    if entry.strip is None:
        return None
    rows, columns = 2 * entry.tasks, entry.tasks + 2
    image = picture_in(entry.strip, "remove it, or write it again from the store")
    square = image.width // columns
    if image.size != (square * columns, square * rows) or square <= 2 * _RIM:
        raise BadInput(
            f"{entry.strip}: {image.width} by {image.height} pixels are not {columns} by {rows} squares of pictures; "
            "remove it, or write it again from the store."
        )
    side = square - 2 * _RIM
    return Sprite(image, side, square / side, rows, columns, entry.strip)


def cut(entry: Entry, sprite: Sprite) -> list[SheetRow]:
    """The pictures in a sprite of a run, by concept; a cell has one per prompt, but no more than two."""
    each = min(2, max(1, entry.prompts))

    def pictures(j: int, column: int, n: int) -> tuple[Image.Image, ...]:
        return tuple(_square(sprite, 2 * (j - 1) + line, column) for line in range(n))

    def drawn(j: int) -> Iterator[tuple[Image.Image, ...]]:
        for i in range(entry.tasks + 1):
            yield pictures(j, i + 1, each if f"draw/{i}/{j}" in entry.units else 0)

    return [SheetRow(name, j, pictures(j, 0, 2), tuple(drawn(j))) for j, name in enumerate(entry.run.order, 1)]


def _square(sprite: Sprite, row: int, column: int) -> Image.Image:
    square = sprite.side + 2 * _RIM
    x, y = column * square + _RIM, row * square + _RIM
    return sprite.image.crop((x, y, x + sprite.side, y + sprite.side))
