"""The fingerprint of what reports compute: estimates, intervals, spreads, paired differences and ranks."""

from __future__ import annotations

import itertools
import math
from typing import Any

from ...reports.analysis.board import boards
from ...reports.analysis.entry import Entry, entries_of
from ...reports.analysis.paired import differences, ranks
from ...reports.analysis.stats import Estimate, deviation, estimate, pooled_variance, spread
from ...reports.analysis.summaries import summaries
from ..fingerprints.quantities import Book, normal, uniform
from ..records import continual
from ..records.result import Result

_ORDERS = (("mallow", "rumble", "petal"), ("petal", "mallow", "rumble"))
_MEANS = {"independent": 0.8, "first": 0.6, "second": 0.58, "third": 0.3}


def write_analysis(book: Book) -> None:
    """Write down estimates of plain numbers, and a whole comparison of made-up records."""
    _statistics(book)
    found = entries_of([_record(*place) for place in itertools.product(_MEANS, _ORDERS, (0, 1))])
    by_method = {name: [e for e in found if e.run.method == name] for name in _MEANS}
    by_method["second"].reverse()  # pairs are found by order and seed, not by places in a list
    by_method["third"].pop(0)

    def average(entry: Entry) -> float:
        return continual.average(entry.matrix("identity"))

    for (a, b), difference in differences(by_method, average).items():
        _estimate(f"difference/{a} and {b}", difference.estimate, book)
        book.text(f"difference/{a} and {b}/significant", difference.significant)
    for higher in (True, False):
        for name, rank in ranks(by_method, average, higher=higher).items():
            book.text(
                f"rank/{name}, {'higher' if higher else 'lower'}", [rank.place, rank.best, rank.worst, rank.behind]
            )
    for board in boards(found, ["independent"]):
        for s in summaries(board):
            with book.at(f"{s.method}/{s.metric}/{s.name}"):
                _estimate("estimate", s.estimate, book)
                _spread([s.spread.order, s.spread.training, s.spread.sampling], book)


def _statistics(book: Book) -> None:
    values, orders = normal((6,), 1).tolist(), ["a", "a", "b", "b", "c", "c"]
    _estimate("statistics/all", estimate(values), book)
    _estimate("statistics/by order", estimate(values, orders), book)
    _estimate("statistics/one each", estimate(values[:3], ["a", "b", "c"]), book)
    _estimate("statistics/some missing", estimate([*values, math.nan], [*orders, "c"]), book)
    book.numbers("statistics/deviation", deviation(values, orders))
    book.numbers("statistics/pooled", pooled_variance([normal((3,), k) for k in (2, 3)]))
    found = spread([v + 3 * (o == "a") for v, o in zip(values, orders, strict=True)], orders, [0.1, 0.2])
    with book.at("statistics"):
        _spread([found.order, found.training, found.sampling], book)


def _estimate(name: str, found: Estimate, book: Book) -> None:
    book.text(f"{name}/runs", found.n)
    book.numbers(name, found.value, *(found.interval or ()))


def _spread(found: list[float], book: Book) -> None:
    """A variance is a difference of larger ones: it is judged relative to all three."""
    book.numbers("spread", *found)


def _record(method: str, order: tuple[str, ...], seed: int) -> Result:
    """A record of the protocol ``full`` with an identity by prompt, a distance with a standard error, and ceilings."""
    noise = uniform((4, 4, 2), 100 * list(_MEANS).index(method) + 10 * _ORDERS.index(order) + seed + 1) / 20
    scores = []
    for i, j in itertools.product(range(4), range(4)):
        learned = _MEANS[method] - 0.05 * (i - j) if 0 < j <= i else 0.1
        place = {"source": "model", "i": i, "j": j, "concept": order[j - 1] if j else "prior"}
        for prompt in (0, 1) if j else ():
            value = min(1.0, max(0.0, learned + float(noise[i, j, prompt])))
            scores.append(_score("identity", value, prompt, place))
        if i or j:
            value = 0.1 * (1 - learned) + float(noise[i, j, 0]) / 50 + 0.01
            scores.append(_score("drift_mmd" if not j else "mmd", value, None, place) | {"se": 0.001 * (1 + i)})
    for j, name in enumerate(order, 1):
        scores.append(_score("identity", 0.9 + j / 50, None, {"source": "real", "i": 0, "j": j, "concept": name}))
    run = {
        **{"suite": "made-up", "suite_version": 1, "suite_hash": "a" * 16, "backbone": "tiny", "weights": "b" * 16},
        **{"method": method, "options": {}, "order": list(order), "seed": seed, "protocol": "full"},
        **{"profile": "toybox", "extractors": {"pooled": "c" * 16}, "device": "cpu", "dtype": "float32"},
    }
    made: dict[str, Any] = {"schema": 1, "run": run, "scores": scores, "cost": [], "environment": {}, "units": {}}
    return Result.model_validate(made | {"status": "ok", "error": None, "created": "2026-01-01T00:00:00Z"})


def _score(metric: str, value: float, prompt: int | None, place: dict[str, Any]) -> dict[str, Any]:
    higher = metric == "identity"
    return place | {"metric": metric, "value": value, "prompt": prompt, "n": 4, "higher_is_better": higher}
