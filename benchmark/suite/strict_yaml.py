"""YAML with one meaning: the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2, section 10.3), and little else.

Only what both people and parsers read in one way is accepted. ``yes`` and ``2026-01-31`` are texts. A key that is there
twice, a number that begins with 0, anchors, aliases, tags and several documents are refused with line and column.
"""

from __future__ import annotations

import codecs
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..errors import BadInput
from ..wording import shown

MOST_BYTES = 1_000_000
"""The largest file that is read."""
MOST_LEVELS = 20
"""The deepest nesting."""
_LONGEST_NUMBER = 100  # characters; a double has fewer digits that count
_MOST_NODES = 20_000  # a large file of short values would take long

Path_ = tuple[str | int, ...]
_WORDS = {"": None} | dict.fromkeys(("~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_WORDS |= {sign + dot: float(sign + "inf") for sign in ("", "+", "-") for dot in (".inf", ".Inf", ".INF")}
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Document:
    """The content of a file, and the line, from 1, of each part of it by its path of keys and places from 0."""

    content: Any
    lines: dict[Path_, int] = field(default_factory=dict)

    def line(self, path: Iterable[str | int]) -> int | None:
        """The line of a part, or of the nearest one that contains it; None for the whole."""
        parts = tuple(path)
        while parts and parts not in self.lines:
            parts = parts[:-1]
        return self.lines[parts] if parts else None


def is_yaml(path: Path) -> bool:
    """Whether a file has the name of a YAML file."""
    return path.suffix.lower() in (".yaml", ".yml")


def read_yaml(path: Path) -> Document:
    """Read a file; raises BadInput, with line and column where it has some, if it is not YAML with one meaning."""
    return parse_yaml(_text_of(path), shown(path, 300))


def parse_yaml(text: str, name: str) -> Document:
    """Read a text; ``name`` begins the sentences of BadInput."""
    try:
        return _Reading(text).document()
    except _Refused as error:
        raise BadInput(f"{name}, {error}.") from None


class _Refused(Exception):
    def __init__(self, line: int, column: int, what: str) -> None:
        super().__init__(f"line {line + 1}, column {column + 1}: {what}")


class _Reading:
    """One text on its way from events to data."""

    def __init__(self, text: str) -> None:
        self.text, self.nodes, self.lines = text, 0, dict[Path_, int]()
        self.loader: Any = None

    def document(self) -> Document:
        self.loader = self.guarded(lambda: yaml.SafeLoader(self.text))
        self.next()  # the start of the stream
        if isinstance(self.next(), yaml.StreamEndEvent):
            return Document(None)
        content = self.node(self.next(), ())
        self.next()  # the end of the document
        if not isinstance(end := self.next(), yaml.StreamEndEvent):
            raise _refused(end, "a second document begins; keep one per file")
        return Document(content, self.lines)

    def next(self) -> Any:
        event = self.guarded(lambda: self.loader.get_event())
        if isinstance(event, yaml.DocumentStartEvent) and event.tags:
            raise _refused(event, "a %TAG directive; remove it")
        return event

    def guarded(self, step: Any) -> Any:
        """A step of PyYAML, whose errors become sentences; an escape of no character raises ValueError in it."""
        try:
            return step()
        except yaml.reader.ReaderError as error:
            before = self.text[: error.position]
            line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
            raise _Refused(line, column, f"the character U+{int(error.character):04X}; remove it") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark or self.loader.get_mark()
            raise _Refused(mark.line, mark.column, _in_words(error.problem or "")) from None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            mark = self.loader.get_mark()
            raise _Refused(mark.line, mark.column, _in_words(str(error))) from None

    def node(self, event: Any, path: Path_) -> Any:
        """The data that begins with an event."""
        self.nodes += 1
        self.lines[path] = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _refused(event, "an anchor (&) or alias (*); write the value out, or put the text in quotes")
        if event.tag is not None:
            raise _refused(event, f"the tag {shown(event.tag)}; remove it, or put the text in quotes")
        if len(path) >= MOST_LEVELS:
            raise _refused(event, f"nested more than {MOST_LEVELS} levels deep; a suite has 4")
        if self.nodes > _MOST_NODES:
            raise _refused(event, f"more than {_MOST_NODES:,} values; shorten the file")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        return self.mapping(path) if isinstance(event, yaml.MappingStartEvent) else self.sequence(path)

    def sequence(self, path: Path_) -> list[Any]:
        found = list[Any]()
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            found.append(self.node(event, (*path, len(found))))
        return found

    def mapping(self, path: Path_) -> dict[str, Any]:
        found = dict[str, Any]()
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            key = self.key(event)
            if key in found:
                first = self.lines[*path, key]
                raise _refused(event, f"'{shown(key)}' is there twice, first on line {first}; keep one of the two")
            value = self.next()
            found[key] = self.node(value, (*path, key))
            self.lines[*path, key] = event.start_mark.line + 1
        return found

    def key(self, event: Any) -> str:
        plain = isinstance(event, yaml.ScalarEvent) and event.anchor is None and event.tag is None
        key = _scalar(event) if plain else None
        if not isinstance(key, str):
            raise _refused(event, "the name of a field must be text; put it in quotes")
        if key == "<<" and event.implicit[0]:
            raise _refused(event, "a merge (<<); write the fields out")
        return key


def _refused(event: Any, what: str) -> _Refused:
    return _Refused(event.start_mark.line, event.start_mark.column, what)


def _scalar(event: Any) -> Any:
    """The value of a scalar; one in quotes, or a block, is text."""
    try:
        text = str(event.value).encode("utf-16", "surrogatepass").decode("utf-16")  # JSON escapes 😀 as two halves
    except UnicodeDecodeError:
        raise _refused(event, "the escape of half a character (\\ud800 to \\udfff); write the character") from None
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    return _number(event, text)


def _number(event: Any, text: str) -> int | float | str:
    if _LEADING_ZERO.fullmatch(text):
        plain = text.replace("0", "", 1) if len(text) < 20 else "the number"
        raise _refused(event, f"{shown(text)} begins with 0; write {plain}, or '{shown(text)}' in quotes for text")
    if not (whole := _WHOLE.fullmatch(text)) and not (_DECIMAL.fullmatch(text) or _OTHER_BASE.fullmatch(text)):
        return text
    if len(text) > _LONGEST_NUMBER:
        raise _refused(event, f"a number of {len(text):,} characters; give at most {_LONGEST_NUMBER}")
    if whole:
        return int(text)
    return int(text, 0) if _OTHER_BASE.fullmatch(text) else float(text)


_HINTS = (
    ("'\\t'", "a tab; indent with spaces"),
    ("mapping values are not allowed", "a colon where none can be; put texts with ': ' in quotes"),
    ("<block end>", "this does not continue what is above; align it, or close brackets and quotes"),
    (
        "could not find expected ':'",
        "a line without ': '; write 'field: value', and put texts over several lines in quotes",
    ),
    ("unexpected end of stream", "quotes or brackets are not closed before the end of the file; close them"),
    ("<stream end>", "brackets are not closed before the end of the file; close them"),
    ("cannot start any token", "a character that no value begins with; put the text in quotes"),
    ("convert to C int", "an escape of no character; write the character itself"),
    ("chr() arg", "an escape of no character; write the character itself"),
    ("expected alphabetic or numeric", "an anchor (&) or alias (*) without a name; put the text in quotes"),
    ("incompatible YAML", "another version of YAML; write YAML 1.2, and remove the line %YAML"),
)


def _in_words(problem: str) -> str:
    return next((hint for part, hint in _HINTS if part in problem), f"not YAML ({shown(problem)}); correct it")


def _text_of(path: Path) -> str:
    """The text of a regular file in UTF-8, or in UTF-16 with its mark; raises BadInput."""
    name = shown(path, 300)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise BadInput(
                f"{name}: {'a folder' if stat.S_ISDIR(mode) else 'not a file'}; give the path of a YAML file."
            )
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{name}: cannot be read ({error.strerror}); give a YAML file that you may read.") from None
    except ValueError:  # NUL, or characters that no path has
        raise BadInput(f"{name}: not a path; give the path of a YAML file.") from None
    if len(data) > MOST_BYTES:
        raise BadInput(f"{name}: larger than {MOST_BYTES:,} bytes; give the path of a YAML file.")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(f"{name}, line {line}: not text in UTF-8; save the file in UTF-8.") from None
