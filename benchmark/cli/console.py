"""What the commands do, once their arguments are read."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from ..errors import BadInput, FailedRun, Interrupted
from ..records.result import Result, read_result
from ..run.signals import answered, stopper


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """The ``--set`` arguments by key; raises BadInput for one without '='."""
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not equals or "." not in key:
            raise BadInput(f"--set {key}: write it as section.option=value, e.g. dsc.temperature=0.05.")
    return {key: value for key, _, value in pairs}


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a full disk into a sentence, before typer ends the process without one."""
    try:
        with answered(stopper()):
            yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted; nothing finished is lost, the same command continues.") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" for {error.filename}" if error.filename else ""
        raise FailedRun(
            f"no space left on the disk{where}; free some ('cpbench gc'), then the same command goes on."
        ) from None


def warner(console: Console) -> Callable[[str], None]:
    """What prints a warning in one line, however narrow the terminal."""
    return lambda text: console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def tell_results(console: Console, paths: Sequence[Path], out: Path) -> None:
    """Print the leaderboard of some records; raises FailedRun where some of them failed."""
    results = [read_result(path) for path in paths]
    leaderboard(console, [r for r in results if r.status == "ok"])
    console.print(
        f"{len(paths)} records in {out}; 'cpbench report --results {out}' makes tables and plots.",
        highlight=False,
        soft_wrap=True,
    )
    if failed := [r for r in results if r.status == "error"]:
        raise FailedRun(f"{len(failed)} of {len(results)} runs failed; the first: {failed[0].error}")


def leaderboard(console: Console, results: list[Result]) -> None:
    """Print the leaderboard of some records."""
    from ...methods.catalogue import UPPER_BOUNDS
    from ...reports.analysis.board import boards
    from ...reports.analysis.entry import entries_of
    from ...reports.tables.terminal import to_terminal

    wide = console if console.is_terminal else Console(width=160)  # a file does not wrap
    if results:
        wide.print(to_terminal(boards(entries_of(results), UPPER_BOUNDS), wide.width))
