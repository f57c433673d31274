"""Names that become paths, keys, tokens and terminal text, and the texts that people write: which are allowed.

A form is a pydantic annotation, such as :data:`FolderName`, or a function that returns what is wrong.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator

from .wording import shown

MOST = 64
"""Characters in a name."""
_MOST_BYTES = 128  # files of a report are named after a suite and a method, and file systems take 255 bytes per name
_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    "conin$",
    "conout$",
    *(f"{port}{k}" for port in ("com", "lpt") for k in "0123456789"),
}
_OWN = ("reported", "fingerprints", "superseded")  # folders beside those of suites, where no records are looked for
_SEPARATORS = set('/\\<>:"|?*')
_BREAKS = str.maketrans("\n\t", "  ")  # block texts of YAML have line breaks; they are shown as spaces


def folder_fault(name: str) -> str | None:
    """What is wrong with the name of a suite or a method, which is a folder of records on any system; None: nothing.

    The text completes "the name …".
    """
    if not name.strip():
        return "is empty"
    if fault := _too_long(name, MOST):
        return fault
    if len(name.encode("utf-8", "replace")) > _MOST_BYTES:
        return f"is longer than {_MOST_BYTES} bytes"
    if not name.isprintable():
        return "has a character that cannot be printed"
    if found := sorted(_SEPARATORS & set(name)):
        return f"has the character {found[0]}"
    if name[0] in ".-~ " or name[-1] in ". ":
        return "begins with a dot, a hyphen, ~ or a space, or ends with a dot or a space"
    return _reserved(name)


def _reserved(name: str) -> str | None:
    if name.partition(".")[0].rstrip().lower() in _DEVICES:
        return "is that of a device on Windows"
    if name.casefold() in _OWN:
        return "is that of a folder in which cpbench keeps other files"
    if not unicodedata.is_normalized("NFC", name):
        return "has letters apart from their accents; write it in the Unicode form NFC"
    return None


def concept_fault(name: str) -> str | None:
    """What is wrong with the name of a concept, which is a token and a label; None: nothing."""
    if fault := _too_long(name, MOST):
        return fault
    if name == "prior":
        return "is that of the pictures that show no concept"
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        return "must start with a lower-case letter, then a-z, 0-9 and '-' only"
    return None


def noun_fault(noun: str) -> str | None:
    """What is wrong with a class noun, which is a part of prompts; None: nothing."""
    if not noun.strip():
        return "is empty, and the model is prompted with it"
    if found := sorted(set("{}<>|") & set(noun)):
        return f"has the character {found[0]}"
    return line_fault(noun, MOST)


def text_fault(text: str, most: int) -> str | None:
    """What is wrong with a text of at most ``most`` characters, with line breaks and tabs at most; None: nothing."""
    if not text.strip():
        return "is empty"
    if not text.translate(_BREAKS).isprintable():
        return "has a character that cannot be printed"
    return _too_long(text, most)


def line_fault(text: str, most: int) -> str | None:
    """What is wrong with a text of one line; None: nothing."""
    return "has a line break or a tab" if set("\n\t") & set(text) else text_fault(text, most)


def _too_long(text: str, most: int) -> str | None:
    return f"has {len(text):,} characters" if len(text) > most else None


def _form(fault_of: Callable[[str], str | None], allowed: str) -> AfterValidator:
    def checked(text: str) -> str:
        if fault := fault_of(text):
            raise ValueError(f"'{shown(text)}' {fault}; give {allowed}")
        return text

    return AfterValidator(checked)


def text_of(most: int) -> AfterValidator:
    """The form of a text of 1 to ``most`` characters, on one or more lines."""
    return _form(lambda text: text_fault(text, most), f"1 to {most:,} printable characters")


def line_of(most: int) -> AfterValidator:
    """The form of a line of 1 to ``most`` characters."""
    return _form(lambda text: line_fault(text, most), f"1 to {most:,} printable characters")


FolderName = Annotated[str, _form(folder_fault, f"up to {MOST} letters, digits, '.', '_' or '-', e.g. my-pets-2")]
"""The name of a suite: of a folder of records."""
ConceptName = Annotated[str, _form(concept_fault, f"up to {MOST} of a-z, 0-9 and '-', a letter first, e.g. my-cat")]
"""The name of a concept: of its token and its pictures."""
Noun = Annotated[str, _form(noun_fault, f"1 to {MOST} characters of an ordinary word, e.g. cat")]
"""A class noun."""
