"""Records as data frames: every score, every cost, every summary, and the leaderboards."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..benchmark.errors import BadInput
from ..benchmark.plain_json import json_text
from ..benchmark.records.files import record_files
from ..benchmark.records.reading import examine, placed
from ..benchmark.records.result import Result, Run
from ..benchmark.wording import counted
from .analysis.board import Board, Line, boards
from .analysis.entry import Entry, entry_of, failure, uncollected
from .analysis.stats import Estimate
from .analysis.summaries import Summary, summaries
from .frames import Table, frame, kinds

if TYPE_CHECKING:
    import pandas as pd

_RUN = kinds(
    "run text, suite text, backbone text, method text, options text, order text, seed int, tasks int, protocol text, "
    "profile text, strength float, shipped bool"
)
_SCORE = kinds(
    "source text, i int, j int, concept text, other text, prompt int?, metric text, value float, se float, n int, "
    "higher_is_better bool"
)
_COST = kinds(
    "task int, concept text, train_seconds float, peak_memory_bytes int, trainable_parameters int, stored_bytes int, "
    "seconds_per_picture float"
)
_BOARD = kinds("board int, suite text, tasks int, method text, shipped bool")
_CONDITIONS = kinds("backbone text, protocol text, profile text")
_SUMMARY = kinds(
    "metric text, summary text, value float, low float, high float, runs int, sd_order float, sd_training float, "
    "sd_sampling float"
)
_ESTIMATES = "average plasticity forgetting text_align mmd kid train_seconds stored_bytes trainable".split()
_LINE = {
    **kinds("bound text, headline text, runs int, rank int?, rank_best int?, rank_worst int?, first_is_better bool"),
    **{column: "float" for name in _ESTIMATES for column in (name, f"{name}_low", f"{name}_high")},
}
_DIFFERENCE = kinds("difference float, difference_low float, difference_high float")
_SHOWN = ["suite", "tasks", "method", "runs", "rank_best", "rank_worst", "average", "plasticity", "forgetting"]


def load_results(*folders: Path | str, shipped: Path | None = None, upper: Collection[str] = ()) -> Results:
    """All records below some folders.

    Of a run that several folders hold, the first of them counts. shipped: the folder of records that come with cpbench.
    upper: methods that are upper bounds, as for :class:`Results`. Raises BadInput where a folder holds no record.
    """
    found: dict[Path, Path] = {}
    for folder in map(Path, folders):
        found = {path.relative_to(folder): path for path in _files(folder)} | found
    return Results(found.values(), shipped=_files(shipped) if shipped is not None else (), upper=upper)


def _files(folder: Path) -> list[Path]:
    if paths := record_files(folder, _warn):
        return paths
    raise BadInput(f"{folder} holds no records; make some with 'cpbench run --methods dsc,clora'.")


class Results:
    """Runs by their records, as data frames; records are read when a frame is first asked for, once.

    ``upper``: methods that are upper bounds, which have no rank. ``shipped``: records of cpbench, which are told apart
    where any other run is finished. ``baseline``: what differences are from. Values are shares, seconds and bytes.
    """

    def __init__(
        self,
        paths: Iterable[Path],
        *,
        shipped: Iterable[Path] = (),
        upper: Collection[str] = (),
        baseline: str | None = None,
    ) -> None:
        self._own = dict.fromkeys(paths)
        self.paths = list(self._own | dict.fromkeys(shipped))  # the files of the records
        self._upper, self._baseline = upper, baseline

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Every score of finished runs, one row each.

        ``run`` is the id of the run; ``suite``, ``backbone``, ``method``, ``options`` (JSON), ``order`` ("a>b>c"),
        ``seed``, ``tasks`` (their number), ``protocol``, ``profile`` and ``strength`` (a factor of the change of the
        weights) describe it; ``shipped``: it came with cpbench.
        ``source`` is "model", or "real" for the ceiling. ``i`` tasks were learned when pictures of the ``j``-th concept
        of the order (from 1; 0 for the prior) were drawn. ``concept`` is its name, "a+b" for a pair; ``other`` the
        concept that its pictures were taken for (metric "dc_confusion" only). ``prompt`` is the index of the evaluation
        prompt, missing where the value is of all prompts. ``metric`` and ``value``; ``se`` is the standard error of the
        value (NaN where it has none), ``n`` the number of pictures; ``higher_is_better`` the direction of the metric.
        """
        return self._content.scores.frame()

    @cached_property
    def cost(self) -> pd.DataFrame:
        """What each task of finished runs cost, one row each; the first twelve columns are those of ``scores``.

        ``task`` (from 1) and the ``concept`` it taught; ``train_seconds``; ``peak_memory_bytes``;
        ``trainable_parameters`` (their number); ``stored_bytes``: what is kept for later tasks;
        ``seconds_per_picture``: the time to draw one.
        """
        return self._content.cost.frame()

    @cached_property
    def summaries(self) -> pd.DataFrame:
        """Every metric under every summary, one row per board, method, metric and summary, as in summaries.csv.

        ``board`` (from 1) numbers the sets of runs that can be compared; ``suite`` and ``tasks`` (their number), and at
        the end ``backbone``, ``protocol`` and ``profile``, are shared by all runs of one. ``method`` names the options
        that differ where a method ran with several sets of them. Of shipped runs (``shipped``) there are only those
        under the same conditions as a run of your own, if you have any.
        ``summary`` is "average", "plasticity", "forgetting_last" and so on (:mod:`.analysis.summaries`). ``value`` is
        the mean over ``runs`` runs, ``low`` to ``high`` its 95 % interval (NaN for fewer than three runs).
        ``sd_order``, ``sd_training``, ``sd_sampling``: standard deviations between task orders, between seeds, and
        between draws of pictures from one model; NaN where they are not known.
        """
        rows = ({**_of_board(k, b, s.method), **_of_summary(s)} for k, b in self.numbered for s in summaries(b))
        return frame(rows, {**_BOARD, **_SUMMARY, **_CONDITIONS})

    def leaderboard(self) -> pd.DataFrame:
        """The leaderboards, one row per board and method in their order, then the floor and the ceiling of the board.

        ``board``, ``suite``, ``tasks``, ``method``, ``shipped``, ``backbone``, ``protocol`` and ``profile``: as in
        ``summaries``. ``bound``: "upper bound", "floor" or "ceiling", empty for methods that compete. ``headline``: the
        metric of average, plasticity and forgetting. ``runs``: their number. ``rank`` by average; ``rank_best`` and
        ``rank_worst``: the places that paired differences leave open (missing without intervals);
        ``first_is_better``: whether the first method is better with 95 % confidence.
        ``average``, ``plasticity``, ``forgetting``, ``text_align``, ``mmd``, ``kid``, ``train_seconds`` per task,
        ``stored_bytes`` and ``trainable`` parameters after the last task: means over runs, each followed by the ends of
        its 95 % interval (``average_low``, ``average_high``); NaN where there is none. After a sweep with a baseline:
        ``difference``, the average minus that of the baseline, in pairs of runs of the same order and seed.
        """
        rows = ({**_of_board(k, b, x.method), **_of_line(b, x)} for k, b in self.numbered for x in b.lines)
        return frame(rows, {**_BOARD, **_LINE, **(_DIFFERENCE if self._baseline else {}), **_CONDITIONS})

    @property
    def errors(self) -> list[str]:
        """One line per failed run: which it is, and why it failed."""
        return list(self._content.errors)

    @cached_property
    def _content(self) -> _Content:
        content = _Content()
        with uncollected():
            for path in self.paths:
                found = placed(examine(path))
                if found.result is None:
                    _warn(str(found))
                else:
                    content.add(found.result, shipped=path not in self._own)
        return content

    @cached_property
    def numbered(self) -> list[tuple[int, Board]]:
        """The sets of runs that can be compared, with their numbers from 1."""
        return list(enumerate(boards(self._content.entries, self._upper, self._baseline), 1))

    def __len__(self) -> int:
        """The number of records, failed runs included."""
        return len(self.paths)

    def __repr__(self) -> str:
        entries, failed = self._content.entries, self._content.errors
        methods, suites = {e.run.method for e in entries}, sorted({e.run.suite for e in entries})
        parts = [counted(len(entries), "run"), counted(len(methods), "method"), *suites]
        return f"Results({', '.join(parts + [f'{len(failed)} failed'] * bool(failed))})"

    def _repr_html_(self) -> str:
        """The leaderboards for a notebook, and failed runs."""
        table = self.leaderboard()[_SHOWN].to_html(index=False, float_format=lambda v: f"{v:.3f}", na_rep="")
        failed = "".join(f"<li>{escape(error)}</li>" for error in self._content.errors)
        return f"<p>{escape(repr(self))}</p>{table}" + (f"<p>Failed runs:</p><ul>{failed}</ul>" if failed else "")


def _warn(fault: str) -> None:
    warnings.warn(fault, stacklevel=2)


@dataclass
class _Content:
    """What is kept of records."""

    own: bool = False  # whether a finished run is not a shipped one
    entries: list[Entry] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    scores: Table = field(default_factory=lambda: Table(_RUN, _SCORE))
    cost: Table = field(default_factory=lambda: Table(_RUN, _COST))

    def add(self, result: Result, *, shipped: bool) -> None:
        """Take in one record; those of the user's own come first."""
        if result.status != "ok":
            self.errors.append(failure(result))
            return
        self.own |= not shipped
        self.entries.append(entry_of(result, shipped=shipped and self.own))
        run = _of_run(result.run) | {"shipped": shipped and self.own}
        errors = {"se": [float("nan") if s.se is None else s.se for s in result.scores]}
        self.scores.extend(run, _columns(result.scores, _SCORE) | errors)
        taught = {"concept": [result.run.order[c.task - 1] for c in result.cost]}
        self.cost.extend(run, _columns(result.cost, _COST) | taught)


def _columns(rows: Sequence[Any], names: Iterable[str]) -> dict[str, list[Any]]:
    return {name: [getattr(row, name, None) for row in rows] for name in names}


def _of_run(run: Run) -> dict[str, Any]:
    facts = {name: getattr(run, name) for name in "suite backbone method seed protocol profile strength".split()}
    options = json_text(run.options, sort_keys=True)
    return facts | {"run": run.id, "options": options, "order": ">".join(run.order), "tasks": len(run.order)}


def _of_board(number: int, board: Board, method: str) -> dict[str, Any]:
    run = board.results[0].run
    shared = {name: getattr(run, name) for name in ("suite", *_CONDITIONS)}
    shipped = method in board.runs and board.runs[method][0].shipped
    return {"board": number, **shared, "tasks": board.tasks, "method": method, "shipped": shipped}


def _of_summary(s: Summary) -> dict[str, Any]:
    spread = {"sd_order": s.spread.order, "sd_training": s.spread.training, "sd_sampling": s.spread.sampling}
    return {"metric": s.metric, "summary": s.name, "runs": s.estimate.n, **dict(_ends("", s.estimate)), **spread}


def _of_line(board: Board, line: Line) -> dict[str, Any]:
    rank = board.ranks.get(line.method)
    places = {"rank": rank.place, "rank_best": rank.best, "rank_worst": rank.worst} if rank else {}
    estimates = {key: number for name, e in line.values.items() for key, number in _ends(name, e)}
    facts = {"bound": line.bound, "headline": board.headline, "runs": line.values["average"].n}
    return {**facts, **places, "first_is_better": rank is not None and rank.behind, **estimates}


def _ends(name: str, e: Estimate) -> Iterator[tuple[str, float]]:
    """A value and the ends of its interval (NaN where there is none) with their columns, which begin with ``name``."""
    low, high = e.interval or (float("nan"), float("nan"))
    before = f"{name}_" if name else ""
    yield from ((name or "value", e.value), (f"{before}low", low), (f"{before}high", high))
