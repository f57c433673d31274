"""Rows of one board that were made by different code, whose numbers differ or were never compared."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from ...benchmark.records.history import SHARED, History, digests_of, line_of, read_history, shipped_fingerprints
from .board import Board
from .entry import Entry

Shared = tuple[str, ...]


def code_of(entry: Entry, history: History) -> dict[str, str]:
    """By the names of the history, what a record shares with all records of code with equal numbers."""
    found = digests_of(entry.run.method, entry.code, entry.environment.get("commit"))
    return {name: line_of(name, code, history) for name, code in found.items()}


def made_otherwise(board: Board, history: History | None = None) -> dict[str, list[str]]:
    """Rows that were made by other code than the rest, by the versions of this code; empty where all is alike.

    The code of a method counts where the board has several rows of this method. The rest is the largest group.
    """
    known = read_history(shipped_fingerprints()) if history is None else history
    codes = {id(e): code_of(e, known) for e in board.results}
    shared = {k: tuple(code[name] for name in SHARED) for k, code in codes.items()}
    usual = Counter(shared.values()).most_common(1)[0][0]
    own: dict[str, Counter[str]] = defaultdict(Counter)
    for e in board.results:
        own[e.run.method][codes[id(e)][e.run.method]] += 1
    found: dict[str, list[str]] = defaultdict(list)
    for row, entries in board.runs.items():
        for e in entries:
            other = shared[id(e)] != usual or codes[id(e)][e.run.method] != own[e.run.method].most_common(1)[0][0]
            if other and row not in found[version_of(e.environment)]:
                found[version_of(e.environment)].append(row)
    return {version: rows for version, rows in found.items() if rows}


def version_of(environment: Mapping[str, object]) -> str:
    """The version of cpbench in the stamp of a record, and its commit."""
    packages = environment.get("packages")
    version = packages.get("cpbench", "unknown") if isinstance(packages, Mapping) else "unknown"
    commit = environment.get("commit")
    return f"cpbench {version}, commit {commit}" if commit else f"cpbench {version}"
