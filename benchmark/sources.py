"""Digests of the code that decides a number.

A digest is of the syntax trees of some modules and of all modules of cpbench that these import, without what cannot
change a number: comments, formatting, docstrings, type annotations and what only these use, and the texts of errors.
Nothing is imported to compute it.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from .hashing import digest

_PACKAGE = __name__.partition(".")[0]
_ROOT = Path(__file__).parents[1]
_PROSE = ("benchmark.errors", "benchmark.owners", "benchmark.wording", "benchmark.storage", "benchmark.records.stamp")
"""Modules that decide no number: texts, and files of units, which have checksums."""
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
        tree = normalised(content)
    except (SyntaxError, ValueError):  # a plug-in may ship a file for another version of Python
        return hashlib.sha256(content).hexdigest()[:16], ()
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return hashlib.sha256(text_of(tree).encode()).hexdigest()[:16], tuple(sorted(set(_imports(tree, package))))


def normalised(source: str | bytes) -> ast.Module:
    """The syntax tree of a module without what cannot change a number; raises SyntaxError."""
    tree = ast.parse(source)
    cleaner = _Cleaner()
    cleaner.visit(tree)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    _Imports(names, cleaner.annotated - names).visit(tree)
    return tree


def text_of(node: ast.AST) -> str:
    """A syntax tree as text, the same under all versions of Python: empty fields are left out."""
    parts: list[str] = []
    _write(node, parts)
    return "".join(parts)


def _write(node: object, parts: list[str]) -> None:
    if isinstance(node, ast.AST):
        parts.append(type(node).__name__ + "(")
        for field in node._fields:
            if field not in ("ctx", "kind", "type_comment") and (value := getattr(node, field, None)) not in (None, []):
                parts.append(field + "=")
                _write(value, parts)
        parts.append(")")
    elif isinstance(node, list):
        for one in node:
            _write(one, parts)
    else:
        parts.append(repr(node) + ",")


class _Cleaner(ast.NodeTransformer):
    """Removes docstrings, annotations, imports for type checking, and the arguments of errors."""

    def __init__(self) -> None:
        self.annotated = set[str]()
        """Names in annotations."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop docstrings, also those of attributes."""
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        """Drop blocks for type checkers."""
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """Drop the annotation of an argument."""
        self._drop(node.annotation)
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Drop the annotation of what is returned."""
        self._drop(node.returns)
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """Drop the annotation of what is returned."""
        self._drop(node.returns)
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Keep which attributes are annotated, since they are the fields of a dataclass."""
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                self._drop(statement.annotation)
                statement.annotation = ast.Constant(0)
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Outside classes, an annotated assignment is a plain one."""
        self.generic_visit(node)
        if isinstance(node.annotation, ast.Constant) and node.annotation.value == 0:
            return node
        self._drop(node.annotation)
        return None if node.value is None else ast.Assign([node.target], node.value)

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        """Keep which error is raised, and drop its text."""
        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        self._drop(node.exc)
        return ast.Raise(error)

    def _drop(self, node: ast.AST | None) -> None:
        if node is not None:
            self.annotated |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            texts = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))
            self.annotated |= set(texts)  # quoted annotations


class _Imports(ast.NodeTransformer):
    """Removes imports of types that nothing uses, and of names that only annotations and texts of errors use."""

    def __init__(self, used: set[str], unused: set[str]) -> None:
        self.used, self.unused = used, unused

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        """Drop unused names."""
        names = [a for a in node.names if (a.asname or a.name) not in self.unused]
        if node.module in _TYPES:  # elsewhere, an unused name may be there for others to import
            names = [a for a in names if (a.asname or a.name) in self.used]
        node.names = sorted(names, key=lambda a: (a.name, a.asname or ""))
        return node if node.names else None

    def visit_Import(self, node: ast.Import) -> ast.Import | None:
        """Drop unused modules."""
        node.names = [a for a in node.names if (a.asname or a.name.partition(".")[0]) not in self.unused]
        return node if node.names else None


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """The full names of modules of cpbench that a tree imports anywhere; ``package``: where relative names start."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.partition(".")[0] == _PACKAGE and "." in a.name)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            kept = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*kept, *([node.module] if node.module else [])])
            if base.partition(".")[0] == _PACKAGE:
                yield from _of_names(base, [a.name for a in node.names])


def _of_names(base: str, names: Iterable[str]) -> Iterator[str]:
    """The modules behind ``from base import names``: submodules where ``base`` is a package, else the module itself."""
    package = file_of(base).name == "__init__.py"
    for name in names:
        yield f"{base}.{name}" if package and file_of(f"{base}.{name}").is_file() else base
