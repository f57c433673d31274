"""The folder of a concept: which of its files are pictures, and what else is in it.

Files are told apart by their content. Nothing that a person could have meant as a picture is passed over silently.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import BadInput
from ..hashing import digest
from ..protocol import Pictures
from ..wording import counted, shown
from .formats import by_name, format_of, head_of
from .images import named, read_picture
from .sharpness import blurred
from .spec import Concept, Suite, template_fault
from .twins import Print, listed, prints_of

Part = Literal["all", "learned", "unseen"]
CARD = "concept.yaml"
"""The file in the folder of a concept that may have its noun."""
_FEWEST = 2  # pictures per folder: a distance between distributions needs two
_SYSTEM = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "icon\r", "@eadir", "__macosx"}
_SYSTEM |= {"$recycle.bin", "#recycle", "@recycle", "#snapshot", "system volume information", "lost+found"}


@dataclass(frozen=True)
class Contents:
    """What is in a folder, by name: pictures, folders, and files that are no pictures. Files of the system are not.

    ``learned``: the first pictures that are not held out, as many as the suite lets learn.
    """

    pictures: tuple[Path, ...]
    learned: tuple[Path, ...]
    folders: tuple[Path, ...]
    others: tuple[Path, ...]

    @property
    def unseen(self) -> tuple[Path, ...]:
        """The pictures that are not learned."""
        learned = set(self.learned)
        return tuple(f for f in self.pictures if f not in learned)


def folder_pictures(suite: Suite, concept: Concept, part: Part = "all") -> Pictures:
    """The pictures in the folder of a concept, by name, uint8 (n, size, size, 3), perhaps none that are ``unseen``.

    Raises BadInput if the folder has none or cannot be listed, or for the first picture that cannot be read.
    """
    found = _contents(suite, concept)
    return _read(suite, {"all": found.pictures, "learned": found.learned, "unseen": found.unseen}[part])


def learned_files(suite: Suite, concept: Concept) -> tuple[Path, ...]:
    """The first pictures by name that are not held out, as many as the suite lets learn."""
    return _contents(suite, concept).learned


def folder_crops(suite: Suite, concept: Concept) -> Pictures:
    """Squares at random places of the training pictures, uint8 (n · crops, size, size, 3), those of one together.

    The places depend on the name of the concept alone.
    """
    asked, files = suite.training, learned_files(suite, concept)
    draw = np.random.default_rng(int(digest(["crops", concept.name]), 16))
    places = draw.random((asked.pictures, asked.crops, 2))
    each = [(file, place) for file, own in zip(files, places, strict=False) for place in own.tolist()]
    return np.stack([read_picture(file, suite.sampling.size, (x, y)) for file, (x, y) in each])


def folder_captions(suite: Suite, concept: Concept) -> list[str]:
    """The captions of the training pictures; raises BadInput for one that is missing or has not one ``{}``."""
    return [_caption(file) for file in learned_files(suite, concept)]


def _caption(picture: Path) -> str:
    file = picture.with_suffix(".txt")
    try:
        text = " ".join(file.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError):
        raise BadInput(
            f"{named(picture)}: training.captions asks for a prompt in {shown(file.name)} beside it, such as 'a photo "
            "of {} on a table'."
        ) from None
    if fault := template_fault(text):
        raise BadInput(f"{named(file)}: the caption {fault}; write one, such as 'a photo of {{}} on a table'.")
    return text


def _usable(suite: Suite, concept: Concept, found: Contents) -> Contents:
    """The contents; raises BadInput if there are no pictures, or one is a link outwards."""
    if not found.pictures:
        others = (*found.folders, *found.others)
        only = f", only {listed([shown(path.name) for path in others])}" if others else ""
        raise BadInput(
            f"concept '{concept.name}': {named(folder_of(suite, concept))} contains no pictures{only}; add some, such "
            "as .png or .jpg files."
        )
    if outside := [file for file in found.pictures if not _inside(file, suite.root)]:
        raise BadInput(f"{named(outside[0])}: a link out of the folder of the YAML file; put a copy in its place.")
    return found


def check_folder(suite: Suite, concept: Concept, remark: Callable[[str], None]) -> list[Print]:
    """The prints of the pictures of a folder; ``remark`` is called with a sentence about what else is in it.

    Raises BadInput if the folder cannot be used: too few pictures, one that cannot be read, or pictures in folders
    inside it.
    """
    found = _contents(suite, concept)
    pictures = _read(suite, found.pictures)
    if (n := len(pictures)) < _FEWEST:
        raise BadInput(f"concept '{concept.name}': {concept.folder} has {n} picture; add some, at least {_FEWEST}.")
    _check_held_out(suite, concept, found)
    if soft := blurred(found.pictures, pictures):
        names = listed([shown(file.name) for file in soft])
        remark(f"concept '{concept.name}': much less sharp than the others: {names}; remove it if it is blurred.")
    inner = _inner_folders(suite, concept, found)
    captions = {file.with_suffix(".txt") for file in found.pictures} if suite.training.captions else set()
    captions.add(folder_of(suite, concept) / CARD)
    for file in found.learned if suite.training.captions else ():
        _caption(file)
    if passed := sorted((*inner, *(file for file in found.others if file not in captions))):
        what = counted(len(passed), "entry that is not a picture", "entries that are not pictures")
        remark(f"concept '{concept.name}': passed over {what}: {listed([shown(path.name) for path in passed])}.")
    return prints_of(
        concept.name, found.pictures, pictures, found.unseen if suite.evaluation.compare == "unseen" else ()
    )


def _check_held_out(suite: Suite, concept: Concept, found: Contents) -> None:
    names = [file.name for file in found.pictures]
    if lost := [name for name in concept.held_out if name not in names]:
        raise BadInput(
            f"concept '{concept.name}': held_out names '{shown(lost[0])}', and {named(folder_of(suite, concept))} has "
            "no such picture; correct the name."
        )
    if not found.learned:
        raise BadInput(f"concept '{concept.name}': all of its pictures are held_out; leave some to learn from.")
    if suite.evaluation.compare == "unseen" and (left := len(found.unseen)) < _FEWEST:
        raise BadInput(
            f"concept '{concept.name}': evaluation.compare is unseen, and {counted(left, 'picture')} would not be "
            f"learned; hold out at least {_FEWEST} (held_out), or lower training.pictures."
        )


def _inner_folders(suite: Suite, concept: Concept, found: Contents) -> list[Path]:
    """Folders in the folder of a concept that have nothing to do with other concepts; none may hold pictures.

    Beside the YAML file they may: results and reports are there.
    """
    others = [folder_of(suite, c) for c in suite.concepts if c.folder is not None]
    inner = [f for f in found.folders if not any(other.is_relative_to(f) for other in others)]
    for folder in inner if folder_of(suite, concept) != suite.root else ():
        if (picture := next(_pictures_below(folder), None)) is not None:
            raise BadInput(
                f"{named(folder)}: a folder with pictures ({named(picture.relative_to(folder))}) inside the folder of "
                f"concept '{concept.name}'; move its pictures up, or move it away."
            )
    return inner


def _read(suite: Suite, files: Sequence[Path]) -> Pictures:
    size = suite.sampling.size
    pictures = [read_picture(file, size) for file in files]
    return np.stack(pictures) if pictures else np.empty((0, size, size, 3), np.uint8)


def folder_of(suite: Suite, concept: Concept) -> Path:
    """The folder of a concept."""
    return suite.root / str(concept.folder)


def _contents(suite: Suite, concept: Concept) -> Contents:
    """What is in the folder of a concept; raises BadInput if it cannot be listed, or has no pictures to use."""
    folder = folder_of(suite, concept)
    if not _inside(folder, suite.root):
        raise BadInput(
            f"concept '{concept.name}': {named(folder)} is a link out of the folder of the YAML file; put a copy in "
            "its place."
        )
    try:
        entries = sorted(f for f in folder.iterdir() if not of_system(f.name)) if folder.is_dir() else []
    except OSError as error:
        raise BadInput(
            f"concept '{concept.name}': {named(folder)} cannot be listed ({error.strerror}); make it readable."
        ) from None
    pictures = [f for f in entries if is_picture(f)]
    rest = [f for f in entries if f not in set(pictures)]
    folders = tuple(f for f in rest if _is_folder(f))
    others = tuple(f for f in rest if not _is_folder(f))
    learned = [f for f in pictures if f.name not in concept.held_out][: suite.training.pictures]
    return _usable(suite, concept, Contents(tuple(pictures), tuple(learned), folders, others))


def of_system(name: str) -> bool:
    """Whether an operating system or a server made this file or folder; hidden ones belong to it (``._cat.png``)."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_picture(path: Path) -> bool:
    """Whether the content or the name is that of a picture."""
    if by_name(path.name) is not None:
        return True
    try:
        return path.is_file() and format_of(head_of(path), path.name) is not None  # opening a pipe would block
    except OSError:
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _pictures_below(folder: Path) -> Iterator[Path]:
    for at, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not of_system(name))
        yield from (Path(at, name) for name in sorted(names) if not of_system(name) and is_picture(Path(at, name)))


def _inside(path: Path, root: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))  # resolve() raises on a loop of links
