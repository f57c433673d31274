"""The lists of data sets: files with sizes and checksums, sources and licences."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError, field_validator

from ..errors import BadInput, explain, unknown
from ..hashing import sha256
from ..names import FolderName, line_of, text_of
from ..numbers import Range
from ..plain_json import parse_json, write_json
from ..suite.settings import Frozen
from ..suite.spec import data_folder
from ..wording import shown

_LARGEST = 2**30
"""The most bytes of one file of a data set."""


class Item(Frozen):
    """A file: where it is in the data set, its size and its checksum; a picture may have a caption."""

    path: Annotated[str, line_of(300)]
    bytes: Annotated[int, Range(1, _LARGEST)]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    caption: Annotated[str, text_of(1_000)] | None = None

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        if "\\" in path or ":" in path or any(part in ("", "..", ".") for part in path.split("/")):
            raise ValueError(f"'{shown(path)}' is no path inside the data set")
        return path

    def fault(self, folder: Path, *, content: bool = True) -> str | None:
        """What is wrong with the file in a folder of its data set; ``content``: also with its checksum."""
        file = folder / self.path
        if not file.is_file():
            return "is missing"
        wrong = file.stat().st_size != self.bytes or (content and sha256(file) != self.sha256)
        return "is another file" if wrong else None


class DataSet(Frozen):
    """A data set.

    ``mirrors``: addresses that have its files; one that ends with ``/`` has each file below it, another is a ZIP
    archive. Without ``files`` it is the user's own copy, which may be locked.
    """

    name: FolderName
    version: Annotated[str, line_of(100)]
    title: Annotated[str, line_of(300)]
    licence: Annotated[str, text_of(1_000)]
    source: Annotated[str, line_of(300)]
    note: Annotated[str, text_of(2_000)]
    mirrors: tuple[str, ...]
    files: tuple[Item, ...] = Field(max_length=100_000)

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(item.bytes for item in self.files)


def data_sets() -> dict[str, DataSet]:
    """The data sets that cpbench knows, by name."""
    places = sorted(path for path in Path(str(files("cpbench.datasets_spec"))).glob("locks/*.json"))
    return {path.stem: DataSet.model_validate_json(path.read_bytes()) for path in places}


def data_set(name: str) -> DataSet:
    """The data set with a name, with the files of the user's own lock if it has none; raises BadInput for no such."""
    known = data_sets()
    if name not in known:
        raise unknown("data set", name, known)
    found, lock = known[name], lock_file(name)
    if found.files or not lock.exists():
        return found
    try:
        return DataSet.model_validate(found.model_dump() | {"files": parse_json(lock.read_text())})
    except ValidationError as error:
        raise BadInput(f"{lock}: {explain(error, DataSet)}; remove it, and lock the data set again.") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{lock} cannot be read ({error}); remove it, and lock the data set again.") from None


def lock_file(name: str) -> Path:
    """Where the user's own list of the files of a data set is."""
    return data_folder(name).with_name(f"{name}.lock.json")


def write_lock(name: str) -> list[Item]:
    """List all files of a data set on this machine as its lock; raises BadInput where there are none."""
    folder = data_folder(name)
    there = [f for f in sorted(folder.rglob("*")) if f.is_file() and not f.name.startswith(".")]
    if not there:
        raise BadInput(f"data set {name} is not on this machine; run 'cpbench data fetch {name} --from FOLDER' first.")
    found = [
        Item(path=f.relative_to(folder).as_posix(), bytes=f.stat().st_size, sha256=sha256(f))
        for f in there
        if f.stat().st_size
    ]
    write_json(lock_file(name), [item.model_dump(exclude_none=True) for item in found])
    return found


def faults(found: DataSet, *, content: bool = True) -> list[str]:
    """What is wrong with the files of a data set on this machine; ``content``: checksums too, not only sizes."""
    folder = data_folder(found.name)
    return [f"{item.path} {why}" for item in found.files if (why := item.fault(folder, content=content))]
