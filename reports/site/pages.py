"""What each kind of page says: contexts for the templates, from entries and records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...benchmark import continual
from ..about import UNKNOWN, Methods
from ..chart import Axis, Dot, Series, axis, lines, pareto, scatter
from ..entry import Entry
from ..paired import Value, differences, ranks
from ..plots import label_of, mean_matrix
from ..stats import estimate
from ..summaries import Summary
from ..tables import Column, columns, note, size, winners
from ..tidy import Board, ceiling, floor
from .cells import NOTHING, Cell, heat_map, number, plain


@dataclass(frozen=True)
class Place:
    """A board on the site: its slug and title, and the slugs of its methods."""

    board: Board
    slug: str
    title: str
    methods: Mapping[str, str]


def values(board: Board) -> dict[str, Value]:
    """The numbers of a run that methods are compared by."""
    main = board.headline
    return {
        "average": lambda e: continual.average(e.matrix(main)),
        "plasticity": lambda e: continual.plasticity(e.matrix(main)),
        "forgetting": lambda e: continual.forgetting_last(e.matrix(main), higher=True),
        "text_align": lambda e: continual.average(e.matrix("text_align")),
    }


def leaderboard(place: Place, methods: Methods) -> dict[str, Any]:
    """A board of the first page."""
    board = place.board
    used = columns(board.headline)
    placed = ranks(board.runs, values(board)["average"])
    best = {c.key: winners(c, board) for c in used}
    rows = []
    for line in board.lines:
        about = methods.get(line.method.split(" (")[0], UNKNOWN)
        rank = placed.get(line.method)
        spread = "" if rank is None or rank.best == rank.worst else f"[{rank.best}, {rank.worst}]"
        rows.append(
            {
                "method": line.method,
                "bound": line.bound,
                "link": f"methods/{place.slug}-{place.methods[line.method]}.html"
                if line.method in place.methods
                else "",
                "adapter": about.adapter or "none",
                "consolidation": " ".join(about.consolidations) or "none",
                "rank": NOTHING if rank is None else Cell(rank.place, str(rank.place), spread),
                "cells": [number(line.values.get(c.key), c.show, _mark(line.method, best[c.key])) for c in used],
                "runs": plain(line.values["average"].n) if not line.bound else NOTHING,
            }
        )
    run = board.results[0].run
    return {
        "slug": place.slug,
        "title": place.title,
        "suite": run.suite,
        "backbone": run.backbone,
        "columns": [{"key": c.key, "title": c.title, "better": "higher" if c.best is max else "lower"} for c in used],
        "lines": rows,
        "note": note(board) + " Rank: by average; its range leaves out whom paired differences tell apart.",
        "charts": list(_fronts(place)),
    }


def _mark(method: str, found: tuple[str, str]) -> str:
    return "best" if method == found[0] else "second" if method == found[1] else ""


def _fronts(place: Place) -> Iterator[dict[str, str]]:
    """Scatter charts of two columns each, with their Pareto fronts."""
    lines_ = [line for line in place.board.lines if not line.bound and line.method != "base"]
    factor, label = label_of(place.board.headline)
    what = label.split(" (")[0]
    pairs = (
        ("forgetting", f"forgetting of {what} (lower is better)", "plasticity", f"plasticity of {label}", False),
        ("train_seconds", "seconds a task (lower is better)", "average", f"average {label}", True),
        ("stored_bytes", "bytes stored (lower is better)", "average", f"average {label}", True),
    )
    for x, x_label, y, y_label, log in pairs:
        points = [(line, line.values[x].value, line.values[y].value) for line in lines_]
        seen = [p for p in points if not (np.isnan(p[1]) or np.isnan(p[2])) and (p[1] > 0 or not log)]
        if len(seen) < 2:
            continue
        scale = factor if x == "forgetting" else 1
        placed = [(scale * a, factor * b) for _, a, b in seen]
        fronts = pareto(placed, smaller_x=True, smaller_y=False)
        dots = [
            Dot(line.method, a, b, f"methods/{place.slug}-{place.methods[line.method]}.html", front)
            for (line, _, _), (a, b), front in zip(seen, placed, fronts, strict=True)
        ]
        title = f"{y} against {x.replace('_', ' ')}"
        spans = axis(x_label, [a for a, _ in placed], log=log), axis(y_label, [b for _, b in placed])
        yield {"title": title, "svg": scatter(f"{title} of each method on {place.title}", dots, *spans)}


def method_page(place: Place, name: str, found: Sequence[Summary], methods: Methods) -> dict[str, Any]:
    """A method on one board."""
    board, main = place.board, place.board.headline
    runs = board.runs[name]
    about = methods.get(name.split(" (")[0], UNKNOWN)
    parts = " + ".join((about.adapter, *about.consolidations)) if about.adapter else "none"
    order = runs[0].run.order
    same = all(r.run.order == order for r in runs)
    names = list(order) if same else [f"task {k}" for k in range(1, len(order) + 1)]
    return {
        "board": place,
        "method": {
            "name": name,
            "sentence": about.sentence,
            "paper": about.paper,
            "facts": [("Parts", parts), ("On", place.title), ("Runs", f"{len(runs)} (orders times seeds)")],
            "options": json.dumps(runs[0].run.options, indent=1),
        },
        "heat": heat_map(main, mean_matrix(runs, main), names),
        "charts": list(_method_charts(runs, main)),
        "numbers": _numbers(found),
        "runs": _runs(board, runs),
    }


def _method_charts(runs: Sequence[Entry], main: str) -> Iterator[dict[str, str]]:
    factor, label = label_of(main)
    r = factor * mean_matrix(runs, main)
    tasks = [float(k) for k in range(1, r.shape[1] + 1)]
    own = [Series("right after its task", tasks, continual.learned(r).tolist(), 0)]
    own += [Series("after the last task", tasks, r[-1].tolist(), 1, dashed=True)]
    shown = [v for s in own for v in s.y]
    bounds = [factor * f(e, main) for f in (floor, ceiling) for e in runs[:1]]
    y = axis(label, [*shown, *bounds], zero=True)
    x = Axis("place of the concept in the order", 0.7, len(tasks) + 0.3, whole=True)
    yield {"title": "Learned, and kept", "svg": lines("The headline metric by the place of a concept", own, x, y)}
    orders = list(dict.fromkeys(e.order for e in runs))
    if len(orders) > 1:
        means = [estimate([continual.average(e.matrix(main)) for e in runs if e.order == o]).value for o in orders]
        places = [float(k) for k in range(1, len(orders) + 1)]
        each = [Series("mean over seeds", places, [factor * v for v in means], 2)]
        spans = Axis("task order", 0.7, len(orders) + 0.3, whole=True), axis(f"average {label}", each[0].y, zero=True)
        yield {"title": "Does the order matter?", "svg": lines("Average by task order", each, *spans)}
    if runs[0].cost:
        yield growth(runs)


def growth(runs: Sequence[Entry]) -> dict[str, str]:
    """How seconds and storage of a task grow with its number."""
    tasks = [float(c.task) for c in runs[0].cost]
    seconds = np.mean([[c.train_seconds for c in e.cost] for e in runs], axis=0)
    stored = np.mean([[c.stored_bytes for c in e.cost] for e in runs], axis=0)
    own = [
        Series("seconds", tasks, (seconds / seconds[0]).tolist(), 0),
        Series("bytes stored", tasks, (stored / stored[0]).tolist() if stored[0] else [float("nan")] * len(tasks), 1),
    ]
    y = axis("times the first task", [v for s in own for v in s.y], zero=True)
    told = f"first task: {seconds[0]:.1f} s, {size(float(stored[0]))}"
    return {
        "title": f"Growth of cost ({told})",
        "svg": lines("Cost of a task by its number", own, Axis("task", 0.7, len(tasks) + 0.3, whole=True), y),
    }


def _numbers(found: Sequence[Summary]) -> dict[str, Any]:
    names = list(dict.fromkeys(s.name for s in found))
    by = {(s.metric, s.name): s.estimate for s in found}
    rows = [
        {"name": metric, "cells": [number(by.get((metric, name)), lambda v: f"{v:.3g}") for name in names]}
        for metric in sorted({s.metric for s in found})
    ]
    return {"columns": [name.replace("_", " ") for name in names], "rows": rows}


def _runs(board: Board, runs: Sequence[Entry]) -> dict[str, Any]:
    own = values(board)
    shown: dict[str, Column] = {c.key: c for c in columns(board.headline)}
    rows = [
        {
            "id": e.run.id,
            "order": " → ".join(e.run.order),
            "seed": e.run.seed,
            "cells": [plain(v := value(e), shown[k].show(v)) for k, value in own.items()],
        }
        for e in sorted(runs, key=lambda e: (e.order, e.run.seed))
    ]
    return {"columns": [shown[k].title for k in own], "rows": rows}


def compare_page(place: Place, films: Sequence[Any]) -> dict[str, Any]:
    """All pairs of methods of a board."""
    board = place.board
    runs, own = board.runs, values(board)
    shown = {c.key: c for c in columns(board.headline)}
    found = {key: differences(runs, value) for key, value in own.items()}
    best = [place.methods[line.method] for line in board.lines if line.method in runs]
    pairs = []
    for pair in found["average"]:
        cells = []
        for key in own:
            d = found[key][pair]
            good = (d.estimate.value > 0) == (key != "forgetting")
            cell = number(d.estimate, shown[key].show)
            mark = f"sure {'up' if good else 'down'}" if d.significant else ""
            cells.append({"text": cell.text, "interval": cell.interval, "mark": mark})
        a, b = (place.methods[name] for name in pair)
        pairs.append(
            {"pair": f"{a} {b}", "name": " − ".join(pair), "cells": cells, "n": found["average"][pair].estimate.n}
        )
    return {
        "board": place,
        "methods": list(place.methods.values()),
        "chosen": dict(zip("ab", [*best, "", ""], strict=False)),
        "columns": [shown[key].title for key in own],
        "pairs": pairs,
        "films": films,
        "names": films[0]["names"] if films else [],
        "note": "Small: 95 % intervals (Student's, over pairs; within orders where each has several seeds). Bold: zero "
        "is outside; with many pairs, one in twenty is so by chance. Fewer than three pairs have no interval.",
    }
