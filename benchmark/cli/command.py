"""What all commands have in common: how they take paths, and how a wrong use is answered."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand

from ..errors import BadInput
from ..paths import FILE, FOLDER, at_home, path_of
from ..wording import shown

_ARGUMENT = ""  # what stands for all arguments that are no options
_ALSO_PATHS = ("suite", "backbone", "first", "second")  # take names too
WrongUse: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")


class Command(TyperCommand):
    """A command whose paths are read alike: ``~`` is the home folder, and what cannot be a path is refused by name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments as parameters, with every path as it is meant; raises BadInput for what cannot be one."""
        if nul := next((a for a in args if "\0" in a), None):
            raise BadInput(f"'{shown(nul)}' has a NUL character, which no argument can have; omit it.")
        empty, rest = set(_flags_with_nothing(args)), super().parse_args(ctx, args)
        kinds = kinds_of_paths(self.callback)
        for param in self.params:
            value, name = ctx.params.get(param.name), _title(param)
            if param.name in _ALSO_PATHS and isinstance(value, str):
                ctx.params[param.name] = at_home(value, name)
            elif param.name in kinds and value is not None:
                if empty.intersection(param.opts) or (_ARGUMENT in empty and not name.startswith("-")):
                    raise BadInput(f"{name}: the path is empty; name a {kinds[param.name] or FILE}.")
                many = isinstance(value, list | tuple)
                paths = [path_of(path, name, kinds[param.name]) for path in (value if many else [value])]
                ctx.params[param.name] = paths if many else paths[0]
        return rest


def kinds_of_paths(function: Any) -> dict[str, str]:
    """The arguments of a command that are paths, and whether they are a ``folder``, a ``file``, or either (empty)."""
    hints = get_type_hints(inspect.unwrap(function), include_extras=True)
    return {
        name: next((mark for mark in getattr(hint, "__metadata__", ()) if mark in (FOLDER, FILE)), "")
        for name, hint in hints.items()
        if _is_path(hint)
    }


def _is_path(hint: Any) -> bool:
    return hint is Path or any(map(_is_path, getattr(hint, "__args__", ())))


def _flags_with_nothing(args: Sequence[str]) -> Iterator[str]:
    """Options that are given an empty text; and the names of arguments cannot be told apart, so all are meant."""
    for before, here in zip(["", *args], args, strict=False):
        if here.startswith("--") and here.endswith("=") and here.count("=") == 1:
            yield here[:-1]
        elif not here:
            yield before if before.startswith("-") else _ARGUMENT


def _title(param: Any) -> str:
    flags: Mapping[int, str] = dict(enumerate(param.opts))
    return flags[0] if flags[0].startswith("-") else f"argument '{flags[0]}'"


def wrong_use(error: Any) -> str:
    """An error of the command line's own parser in one sentence or two, with what shows the options."""
    text = str(error.format_message()).rstrip(".")
    where = error.ctx.command_path if error.ctx is not None else "cpbench"
    end = "" if text.endswith("?") else "."
    return f"{text[:1].lower()}{text[1:]}{end} See '{where} --help'."
