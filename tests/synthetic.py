"""Records whose numbers are known by hand."""

import json
import math

from cpbench.benchmark.hashing import digest
from cpbench.benchmark.records.result import Result
from cpbench.reports.analysis.entry import entry_of

ORDER = ["mallow", "rumble", "petal"]
NAN = float("nan")
LOWER = ("mmd", "kid", "drift_mmd", "drift_kid", "drift_fid", "copying", "dc_confusion")  # is better
# Rows: base, after tasks 1 to 3; measured as in the final protocol: row 0, the diagonal and the last row.
FORGETS = [[0.0, 0.1, 0.2], [0.9, NAN, NAN], [NAN, 0.8, NAN], [0.3, 0.6, 0.9]]
KEEPS = [[0.0, 0.1, 0.2], [0.7, NAN, NAN], [NAN, 0.7, NAN], [0.7, 0.6, 0.8]]


def row(metric, i, j, value, prompt=None, source="model", n=8):
    concept = ORDER[j - 1] if j else "prior"
    named = {"source": source, "i": i, "j": j, "concept": concept, "prompt": prompt, "metric": metric}
    return named | {"value": value, "n": n, "higher_is_better": metric not in LOWER}


def scores(r, n):
    """Rows of a matrix: two prompts that average to the cell, distances that follow from it, and a ceiling."""
    cells = [(i, j + 1, v) for i, values in enumerate(r) for j, v in enumerate(values) if not math.isnan(v)]
    for i, j, v in cells:
        half = min(0.0625, v, 1 - v)  # shares are from 0 to 1
        yield row("identity", i, j, v - half, prompt=0, n=n // 2)
        yield row("identity", i, j, v + half, prompt=1, n=n // 2)
        yield row("mmd", i, j, (1 - v) / 100, n=n)
        yield row("kid", i, j, (1 - v) / 50, n=n)
    for j, v in ((1, 1.0), (2, 0.9), (3, 0.95))[: len(r) - 1]:
        yield row("identity", 0, j, v, source="real", n=n)
        yield row("mmd", 0, j, 0.001, source="real", n=n)


def spent(task, figures=()):
    return {
        "task": task,
        "train_seconds": 10.0 * task,
        "peak_memory_bytes": 10**9,
        "trainable_parameters": 64320,
        "stored_bytes": 200_000 * task,
        "seconds_per_picture": 0.02,
        "figures": dict(figures),
    }


def record(method="clora", r=FORGETS, *, n=8, status="ok", options=None, figures=(), **changes):
    """A whole record; ``changes`` replace fields of its run, ``figures`` are those of every task."""
    run = {
        "suite": "tiny-3",
        "suite_version": 2,
        "suite_hash": "a" * 16,
        "backbone": "tiny",
        "weights": "b" * 16,
        "method": method,
        "options": options or {"learner": {"rate": 0.001}},
        "order": ORDER,
        "seed": 0,
        "protocol": "final",
        "profile": "toybox",
        "extractors": {"effnet-lite0": "c" * 16},
        "device": "cpu",
        "dtype": "float32",
    }
    taught = changes.get("order", ORDER)
    r = [row[: len(taught)] for row in r[: len(taught) + 1]]
    units = {f"draw/{i}/{j + 1}": f"d{i}{j + 1}" for i, x in enumerate(r) for j, v in enumerate(x) if not math.isnan(v)}
    content = {
        "schema": 1,
        "run": run | changes,
        "scores": [s | {"concept": taught[s["j"] - 1]} for s in scores(r, n)] if status == "ok" else [],
        "cost": [spent(task, figures) for task in range(1, len(taught) + 1)] if method != "base" else [],
        "environment": {},
        "units": units | {f"real/{name}": f"r-{name}" for name in ORDER},
        "status": status,
        "error": None if status == "ok" else "the loss became NaN",
        "created": "2026-01-01T00:00:00Z",
    }
    return Result.model_validate(content)


def entry(*arguments, **changes):
    """The same record as reports see it."""
    return entry_of(record(*arguments, **changes))


def many(folder, n):
    """Records of n runs: 50 methods, orders and seeds as it takes; written fast."""
    base = json.loads(record("lora", KEEPS).model_dump_json(by_alias=True))
    for k in range(n):
        base["run"] |= {"method": f"m{k % 50:02d}", "seed": k // 50}
        base["scores"][0]["value"] = (k * 7919 % 1000) / 1000
        path = folder / "tiny-3" / f"m{k % 50:02d}" / f"{digest(base['run'])}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(base))


def panels_of(figure):
    """The texts inside each panel of a plot of panels, in the order in which they were written."""
    ax = figure.axes[0]
    figure.draw_without_rendering()
    frames = [path.get_extents() for path in ax.collections[0].get_paths()]
    places = [ax.transData.inverted().transform(t.get_transform().transform(t.get_position())) for t in ax.texts]
    pairs = list(zip(ax.texts, places, strict=True))
    return [[text for text, place in pairs if frame.contains(*place)] for frame in frames]
