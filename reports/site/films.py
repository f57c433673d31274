"""Films: all pictures of a run in one file, and the runs that the page of comparisons shows side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from ..analysis.board import FindPictures, first_run
from ..analysis.entry import Entry
from ..samples import sprite_of
from .cells import BoardPage

Film = dict[str, Any]
Key = tuple[tuple[str, ...], int]
"""A task order and a seed."""


@dataclass(frozen=True)
class Take:
    """Films of the runs of one order and seed, by the slugs of their methods."""

    order: tuple[str, ...]
    seed: int
    films: Mapping[str, Film]

    @property
    def names(self) -> list[str]:
        """The concepts in the order in which they were taught."""
        return list(self.order)

    @property
    def caption(self) -> str:
        """The order and the seed as a sentence."""
        return f"Order {' → '.join(self.order)}, seed {self.seed}."


def film_of(entry: Entry, pictures: FindPictures, out: Path) -> Film | None:
    """All pictures of a run in one file, and the row of each concept in it; None where there are no pictures."""
    path = out / "pictures" / f"{entry.key}.webp"
    sprite = sprite_of(entry, pictures)
    if sprite is None:
        return None
    if not path.exists():
        sprite.write(path)
    names = list(entry.run.order)
    return {
        "file": f"pictures/{path.name}",
        "rows": sprite.rows,
        "columns": sprite.columns,
        "cell": sprite.cell,
        "last": len(names),
        "names": names,
        "caption": f"Run {entry.run.id[:8]}, seed {entry.run.seed}.",
        "sparse": any(f"draw/{i}/{j}" not in entry.units for i in range(1, len(names) + 1) for j in range(1, i + 1)),
        "concepts": [{"name": name, "task": k + 1, "row": 2 * k} for k, name in enumerate(names)],
    }


def from_below(film: Film | None) -> Film | None:
    """The same for a page one folder down."""
    return film and film | {"file": f"../{film['file']}"}


def takes(place: BoardPage, films: Mapping[str, Film]) -> list[Take]:
    """For every two methods, the first order and seed of which both have a film; ``films`` by the keys of entries."""
    own = {name: _filmed(runs, films) for name, runs in place.board.runs.items()}
    first = {key: entry for found in own.values() for key, entry in found.items()}
    keys = sorted(first, key=lambda key: first_run(first[key]))
    wanted: dict[Key, set[str]] = {key: set() for key in keys}
    for a, b in combinations(own, 2):
        both = next((key for key in keys if key in own[a] and key in own[b]), None)
        if both is not None:
            wanted[both] |= {a, b}
    return [
        Take(*key, {place.methods[name]: films[own[name][key].key] for name in own if name in wanted[key]})
        for key in keys
        if wanted[key]
    ]


def _filmed(runs: Sequence[Entry], films: Mapping[str, Film]) -> dict[Key, Entry]:
    return {(e.order, e.run.seed): e for e in runs if e.key in films}
