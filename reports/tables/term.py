"""What an entry of the glossary is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word as pages link to it (``key``), as it is written (``name``), and what it means in one or two sentences.

    ``more`` is for readers of the glossary only.
    """

    key: str
    name: str
    text: str
    more: str = ""


def terms(*rows: tuple[str, ...]) -> tuple[Term, ...]:
    """Entries from their fields."""
    return tuple(Term(*row) for row in rows)
