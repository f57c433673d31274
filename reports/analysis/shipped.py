"""Rows of records that came with cpbench, beside those of the user's own runs."""

from __future__ import annotations

from dataclasses import replace

from .board import Board, Line, row_of

BEST = 5
"""How many of the best shipped methods a short leaderboard has."""


def is_shipped(board: Board, line: Line) -> bool:
    """Whether the row is of shipped records."""
    return line.method in board.runs and board.runs[line.method][0].shipped


def abridged(board: Board) -> tuple[Board, int]:
    """A board in which own rows are easily found, and how many shipped rows it leaves out.

    Of the shipped rows it has those of the same methods as own rows, the baseline, and the :data:`BEST` best that
    compete.
    """
    shipped = [line for line in board.lines if is_shipped(board, line)]
    own = {runs[0].run.method for runs in board.runs.values() if not runs[0].shipped}
    same = [line.method for line in shipped if board.runs[line.method][0].run.method in own]
    best = [line.method for line in shipped if line.competes][:BEST]
    baseline = row_of(board.baseline, board.runs) if board.baseline is not None else None
    left_out = {line.method for line in shipped} - {*same, *best, baseline}
    lines = tuple(line for line in board.lines if line.method not in left_out)
    runs = {name: entries for name, entries in board.runs.items() if name not in left_out}
    return replace(board, lines=lines, runs=runs), len(left_out)


def makers(board: Board) -> list[str]:
    """The versions, commits and machines that made the shipped records of a board."""
    stamps = (entry.environment for entry in board.results if entry.shipped)
    return sorted({_maker(stamp) for stamp in stamps})


def _maker(stamp: dict[str, object]) -> str:
    packages = stamp.get("packages")
    version = packages.get("cpbench", "") if isinstance(packages, dict) else ""
    commit, device = stamp.get("commit"), stamp.get("device")
    parts = f"version {version}" * bool(version), f"commit {commit}" * bool(commit), f"on {device}" * bool(device)
    return ", ".join(part for part in parts if part)
