"""What commands share apart from their options: how they are stopped, and what they print at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import BadInput, FailedRun, Interrupted, TimeOver
from ..records.reading import read_result
from ..records.result import Result
from ..run.progress import View, plan_table, watching
from ..run.signals import answered, stopper
from ..streams import say
from ..terminal import Terminal
from ..wording import counted, one_line


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """The ``--set`` arguments by key; raises BadInput for one without '='."""
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not equals or "." not in key:
            raise BadInput(f"--set {key}: write it as section.option=value, e.g. dsc.temperature=0.05.")
    keys = [key for key, _, _ in pairs]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise BadInput(f"--set {twice[0]} is given twice; give it once.")
    return {key: value for key, _, value in pairs}


def warn(text: str) -> None:
    """Print what a person should read as one line on stderr, as it is."""
    say(one_line(f"cpbench: warning: {text}"), error=True)


@contextmanager
def interruptible(then: str = "finished units are kept, and the same command continues") -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into an error of one sentence, before typer ends the process without any."""
    try:
        with answered(stopper()):
            yield
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {then}.") from None


@contextmanager
def recording(out: Path, *, quiet: bool, baseline: str | None = None) -> Iterator[View]:
    """Show the progress of a verb that makes records, then print their leaderboard, even if some runs failed."""
    console, problem = Terminal(), None
    with interruptible(), watching(console, quiet=quiet) as view:
        try:
            yield view
        except (FailedRun, TimeOver) as error:
            problem = error
    if view.recorded or problem is None:
        print_leaderboard(console, view.recorded, out, baseline)
    if problem is not None:
        raise problem


@contextmanager
def planning() -> Iterator[View]:
    """Show the plan of a verb that computes nothing, then print it by kind of unit."""
    console = Terminal()
    with interruptible(), watching(console, quiet=True) as view:
        yield view
    if view.plan is not None:
        console.print(plan_table(view.plan.found))


def print_leaderboard(console: Terminal, paths: Sequence[Path], out: Path, baseline: str | None = None) -> None:
    """Print the leaderboard of some records beside the best shipped ones, and where the records are."""
    from ...methods.catalogue import UPPER_BOUNDS
    from ...reports.analysis.board import boards
    from ...reports.analysis.entry import entries_of
    from ...reports.tables.terminal import to_terminal
    from ..storage.baseline import is_baseline
    from ..verbs.arguments import RUNS
    from ..verbs.results import beside

    done: list[Result] = [r for r in map(read_result, paths) if r.status == "ok"]
    wide = console if console.is_terminal else Terminal(width=160)  # a file does not wrap
    if done:
        own = entries_of(done)
        shown = own if is_baseline(out) else [*own, *beside(own)]
        wide.print(to_terminal(boards(shown, UPPER_BOUNDS, baseline), wide.width, short=True))
    report = "cpbench report" if out == RUNS else f"cpbench report --results {out}"
    console.print(
        one_line(f"{counted(len(paths), 'run')} recorded in {out}; '{report}' makes tables and plots."), soft_wrap=True
    )
