"""The list of a report's files by part: the next report removes those that it no longer makes, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter, ValidationError

from ..benchmark.errors import BadInput
from ..benchmark.hashing import digest
from ..benchmark.plain_json import write_json

CONTENTS = "contents.json"
"""The file in the folder of a report that lists its files by part."""

_LISTS = TypeAdapter(dict[str, list[str]])


def leftovers(out: Path, made: Collection[str], only: str | None) -> list[str]:
    """Files below ``out`` that an earlier report made in the parts asked for, and that are not among ``made``."""
    old = [name for part, names in _listed(out).items() if _asked(part, only) for name in names]
    return sorted(name for name in old if name not in made and _own(out, name))


def settle(out: Path, parts: Mapping[str, Collection[str]], only: str | None) -> None:
    """Remove what is left over, and list the files made now; parts that were not asked for stay as they are."""
    for name in leftovers(out, {name for names in parts.values() for name in names}, only):
        (out / name).unlink()
    kept = {part: names for part, names in _listed(out).items() if not _asked(part, only)}
    lists = kept | {part: sorted(names) for part, names in parts.items()}
    write_json(out / CONTENTS, lists, sort_keys=True)


def _listed(out: Path) -> dict[str, list[str]]:
    path = out / CONTENTS
    try:
        return _LISTS.validate_json(path.read_bytes()) if path.exists() else {}
    except ValidationError:
        raise BadInput(
            f"{path}: not a list of the files of a report; remove it, or choose another folder with --out."
        ) from None


def _asked(part: str, only: str | None) -> bool:
    """Whether a part is asked for; a kind of plot is the part ``plots/<kind>``."""
    return only is None or only in (part, *part.split("/"))


def _own(out: Path, name: str) -> bool:
    """Whether a name of the list is a file below ``out``: the list is data, and may hold any path."""
    plain = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
    return plain and (out / name).is_file() and (out / name).resolve().is_relative_to(out.resolve())


def slug_of(text: str) -> str:
    """A text with only the characters that any file system takes in a name."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in text)


def slugs_of(names: Collection[str]) -> dict[str, str]:
    """A slug for each name, with a digest where two slugs would be equal up to upper and lower case."""
    shared = Counter(slug_of(name).lower() for name in names)
    return {n: slug if shared[(slug := slug_of(n)).lower()] == 1 else f"{slug}-{digest(n)[:6]}" for n in names}
