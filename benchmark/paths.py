"""Paths as people give them: what cannot be one is refused by the name of its option."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from .errors import BadInput
from .wording import shown

FOLDER, FILE = "folder", "file"
"""Marks of options that take a path: ``Annotated[Path, FOLDER, typer.Option(...)]``."""


def path_of(path: Path, name: str, kind: str = "", remedy: str = "choose another path") -> Path:
    """A path with its ``~`` expanded; raises BadInput where no ``folder`` or ``file`` can be, under the option's name.

    A path that does not exist is allowed.
    """
    path = Path(at_home(str(path), name))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return path
    except OSError as error:
        raise BadInput(f"{name} {shown(path)}: {_reason(error, path)}; {remedy}.") from None
    if kind == FOLDER and not stat.S_ISDIR(mode):
        raise BadInput(f"{name} {shown(path)} is a file; name a folder.")
    if kind == FILE and stat.S_ISDIR(mode):
        raise BadInput(f"{name} {shown(path)} is a folder; name a file in it.")
    return path


def _reason(error: OSError, path: Path) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return "the path, or a name in it, is too long for this system"
    if error.errno == errno.ELOOP:
        return "its links lead in a circle"
    if error.errno == errno.ENOTDIR:
        file = next((above for above in path.parents if above.exists() and not above.is_dir()), path.parent)
        return f"{shown(file)} is a file, not a folder"
    return error.strerror or type(error).__name__


def at_home(text: str, name: str) -> str:
    """The text with the home folder for a leading ``~``, which shells do not expand between quotation marks.

    Raises BadInput, under the option's name, where no such home folder is known.
    """
    first = text.partition(os.sep)[0]
    if not text.startswith("~") or (first != "~" and Path(first).exists()):  # a file may be named ~backup
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:  # no such user
        raise BadInput(f"{name} {shown(text)}: the home folder is not known; write the whole path.") from None
