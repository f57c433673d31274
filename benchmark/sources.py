"""Digests of the code that decides a number.

A digest is of the syntax trees of some modules and of all modules of cpbench that these import, without what cannot
change a number: comments, formatting, docstrings, type annotations and what only these use, and the texts of errors.
Nothing is imported to compute it.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .hashing import digest

_PACKAGE = __name__.partition(".")[0]
_ROOT = Path(__file__).parents[1]
_PROSE = ("benchmark.errors", "benchmark.owners", "benchmark.wording", "benchmark.storage", "benchmark.records.stamp")
"""Modules that decide no number: texts, and files of units, which have checksums."""
_SILENT = ("ctx", "kind", "type_comment")
_TYPES = ("__future__", "typing", "collections.abc", "types")


SAMPLING = f"{_PACKAGE}.benchmark.models.sampling"
"""The module of the samplers: what imports the model imports it too, but only drawing uses it."""


def code_digest(modules: Iterable[str], plugin: Iterable[Path] = (), *, draws: bool = False) -> str:
    """A digest of modules of cpbench by full name, of files of a plug-in, and of all that both import from cpbench.

    ``draws``: whether the samplers count too. Raises FileNotFoundError for a module that does not exist.
    """
    own = {f"{file.parent.name}/{file.name}": _module(file, "", *_state(file)) for file in plugin}
    imported = [name for _, names in own.values() for name in names]
    found = {name: one[0] for name, one in own.items()} | _reached([*modules, *imported], draws)
    return digest(sorted(found.items()))


def modules_of(modules: Iterable[str], *, draws: bool = False) -> set[str]:
    """The full names of modules of cpbench and of all that they import from it, as far as they can change a number."""
    return set(_reached(modules, draws))


def _reached(modules: Iterable[str], draws: bool) -> dict[str, str]:
    """The digest of each module that is reached by imports."""
    found, pending = dict[str, str](), list(modules)
    while pending:
        name = pending.pop()
        counts = draws or name != SAMPLING
        if counts and name not in found and not name.partition(".")[2].startswith(_PROSE):
            file = file_of(name)
            found[name], imported = _module(file, name, *_state(file))
            pending += imported
    return found


def files_of(point: EntryPoint) -> list[Path]:
    """The Python files of the distribution of a plug-in, sorted.

    Where the distribution does not list the module itself, as in an editable installation, these are the files of the
    module's top-level package. Empty if the module cannot be found.
    """
    spec = find_spec(re.split("[.:]", point.value)[0])
    own = Path(spec.origin) if spec and spec.origin else None
    listed = [Path(str(file.locate())) for file in getattr(point.dist, "files", None) or () if file.suffix == ".py"]
    if own is None or own.resolve() in {file.resolve() for file in listed}:
        return sorted(file for file in listed if file.is_file())
    return sorted(own.parent.rglob("*.py")) if own.name == "__init__.py" else [own]


def file_of(module: str) -> Path:
    """The file of a module of cpbench, which is not imported; raises FileNotFoundError."""
    path = _ROOT.joinpath(*module.split(".")[1:])
    package = path / "__init__.py"  # beside weights.py there is a folder of that name
    return package if package.is_file() else path.with_suffix(".py")


def _state(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=1024)
def _module(file: Path, name: str, mtime: int, size: int) -> tuple[str, tuple[str, ...]]:
    """The digest of a module, and the modules of cpbench that it imports; kept as long as the file stays the same."""
    content = file.read_bytes()
    try:
        text, imported = essence(content, name if file.name == "__init__.py" else name.rpartition(".")[0])
    except (SyntaxError, ValueError):  # a plug-in may ship a file for another version of Python
        return hashlib.sha256(content).hexdigest()[:16], ()
    return hashlib.sha256(text.encode()).hexdigest()[:16], tuple(sorted(imported))


def essence(source: str | bytes, package: str = "") -> tuple[str, frozenset[str]]:
    """What of a module can change a number, as text, and the modules of cpbench that this part of it imports.

    The text is the same under all versions of Python. ``package``: where relative names start. Raises SyntaxError.
    """
    writer = _Writer()
    writer.write(ast.parse(source))
    return writer.text(), frozenset(writer.imported(package))


class _Writer:
    """Writes a syntax tree as text, without what cannot change a number."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.imports: list[tuple[int, ast.Import | ast.ImportFrom]] = []
        """Imports, with the place of their text in ``parts``: which names are used is known at the end."""
        self.used, self.annotated = set[str](), set[str]()
        """Names in code, and in annotations and texts of errors."""
        self.special: dict[type, Callable[[Any], None]] = {
            ast.Expr: self._expression,
            ast.If: self._if,
            ast.arg: self._argument,
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.ClassDef: self._class,
            ast.AnnAssign: self._assignment,
            ast.Raise: self._raise,
            ast.Import: self._import,
            ast.ImportFrom: self._import,
            ast.Name: self._name,
        }

    def text(self) -> str:
        """The text of what was written."""
        parts = list(self.parts)
        for place, node in self.imports:
            names = sorted((a.name, a.asname or "") for a in self._kept(node))
            where = (node.module, node.level) if isinstance(node, ast.ImportFrom) else ()
            parts[place] = f"import{where}{names}" if names else ""
        return "".join(parts)

    def imported(self, package: str) -> Iterator[str]:
        """The full names of modules of cpbench that are imported."""
        for _, node in self.imports:
            names = [a.name for a in self._kept(node)]
            if isinstance(node, ast.Import):
                yield from (name for name in names if name.partition(".")[0] == _PACKAGE and "." in name)
            elif names:
                parents = package.split(".")
                before = parents[: len(parents) - node.level + 1] if node.level else []
                base = ".".join([*before, *([node.module] if node.module else [])])
                if base.partition(".")[0] == _PACKAGE:
                    yield from _of_names(base, names)

    def write(self, node: object) -> None:
        """Write a node, a list of nodes, or a value."""
        if isinstance(node, ast.AST):
            (self.special.get(type(node)) or self._plain)(node)
        elif isinstance(node, list):
            for one in node:
                self.write(one)
        else:
            self.parts.append(repr(node) + ",")

    def _plain(self, node: ast.AST, without: tuple[str, ...] = (), name: str = "") -> None:
        self.parts.append((name or type(node).__name__) + "(")
        for field in node._fields:
            if field in _SILENT or field in without:
                continue
            value = getattr(node, field, None)
            if value is not None and value != []:
                self.parts.append(field + "=")
                self.write(value)
        self.parts.append(")")

    def _expression(self, node: ast.Expr) -> None:
        """Docstrings, also those of attributes, are left out."""
        if not isinstance(node.value, ast.Constant):
            self._plain(node)

    def _if(self, node: ast.If) -> None:
        """Blocks for type checkers are left out."""
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self._plain(node)

    def _argument(self, node: ast.arg) -> None:
        self._leave(node.annotation)
        self._plain(node, ("annotation",))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._leave(node.returns)
        self._plain(node, ("returns",))

    def _class(self, node: ast.ClassDef) -> None:
        """Annotated attributes stay so, since they are the fields of a dataclass."""
        self._plain(node, ("body",))
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                self._leave(statement.annotation)
                self._plain(statement, ("annotation", "simple"))
            else:
                self.write(statement)
        self.parts.append("end,")

    def _assignment(self, node: ast.AnnAssign) -> None:
        """Outside classes, an annotated assignment is a plain one."""
        self._leave(node.annotation)
        if node.value is not None:
            self.write(ast.Assign([node.target], node.value))

    def _raise(self, node: ast.Raise) -> None:
        """Which error is raised counts, its text does not."""
        self._leave(node.exc)
        self.write(ast.Name("raise"))
        self.write(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.imports.append((len(self.parts), node))
        self.parts.append("")

    def _name(self, node: ast.Name) -> None:
        self.used.add(node.id)
        self.parts.append(node.id + ",")

    def _leave(self, node: ast.AST | None) -> None:
        """Leave something out, and keep the names in it, also those in quotes."""
        for one in ast.walk(node) if node is not None else ():
            if isinstance(one, ast.Name):
                self.annotated.add(one.id)
            elif isinstance(one, ast.Constant) and isinstance(one.value, str):
                self.annotated.add(one.value)

    def _kept(self, node: ast.Import | ast.ImportFrom) -> list[ast.alias]:
        """The imported names without those that only annotations use, and without types that nothing uses."""
        named = [(a, a.asname or a.name.partition(".")[0]) for a in node.names]
        if isinstance(node, ast.ImportFrom) and node.module in _TYPES:  # others may import an unused name from here
            return [a for a, name in named if name in self.used]
        return [a for a, name in named if name in self.used or name not in self.annotated]


def _of_names(base: str, names: Iterable[str]) -> Iterator[str]:
    """The modules behind ``from base import names``: submodules where ``base`` is a package, else the module itself."""
    package = file_of(base).name == "__init__.py"
    for name in names:
        yield f"{base}.{name}" if package and file_of(f"{base}.{name}").is_file() else base
