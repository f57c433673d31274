"""What a report says about methods beside their numbers: handed in, since reports know no methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class About:
    """A method in words: its adapter and consolidations, a sentence, and the address of its paper.

    ``bound`` marks an upper bound, which sees what others may not and does not compete with them.
    """

    adapter: str
    consolidations: tuple[str, ...]
    sentence: str
    paper: str
    bound: bool = False


Methods = Mapping[str, About]
"""Methods by their names in the catalogue."""
UNKNOWN = About("", (), "", "")

Pictures = Callable[[str], list[Path]]
"""The PNG files of a unit by its key; empty where the store no longer has it."""
