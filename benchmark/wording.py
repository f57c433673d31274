"""Counts, durations and foreign data in words."""

from __future__ import annotations

import unicodedata
from typing import Any

_SIZES = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def counted(n: int, noun: str, plural: str = "") -> str:
    """A number with its noun: ``1 run``, ``2 runs``, ``1,389 units``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def duration(seconds: float, *, measured: bool = False) -> str:
    """Seconds in words, with two units at most: ``8 s``, ``5 min 20 s``, ``1 h 12 min``, ``3 d 4 h``.

    What was ``measured`` has decimals below a minute: ``0.020 s``, ``13.6 s``.
    """
    if measured and round(seconds, 1) < 60:
        return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    for size, name, part, below in _SIZES:
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {name}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"


def shown(value: Any, most: int = 80) -> str:
    """Data in one printable line of at most ``most`` characters, whatever it is: for messages."""
    try:
        text = str(value)
    except ValueError:  # a whole number of more than 4,300 digits
        return "a number of thousands of digits"
    except RecursionError:
        return "data nested too deeply"
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return text if text.isprintable() else ascii(text)[1:-1]


_ESCAPED = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # which Persian, Indic scripts and emoji need


def printable(text: str) -> str:
    """Text for a terminal: control characters but newlines, overrides of direction and lone surrogates are escaped."""
    if text.isprintable():
        return text
    return "".join(c if c == "\n" or _harmless(c) else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """Data for one line of a terminal: as :func:`printable`, and newlines are escaped too."""
    return printable(text).replace("\n", "\\n")


def _harmless(c: str) -> bool:
    return c in _JOINERS or unicodedata.category(c) not in _ESCAPED
