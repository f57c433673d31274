"""What there is to choose from: methods, options, suites, backbones, profiles, metrics and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..errors import CpbenchError, unknown
from ..records.reading import OnFault, unheard
from .arguments import Where, folders_of

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]


def methods() -> pd.DataFrame:
    """All methods: the catalogue, then those of other packages.

    Columns: method, adapter, consolidations (separated by spaces), bound (whether it is an upper bound), paper,
    package, and description.
    """
    import pandas as pd

    from ...methods.plugins import described

    rows = [
        {
            "method": m.name,
            "adapter": m.adapter,
            "consolidations": " ".join(m.consolidations),
            "bound": m.bound,
            "paper": m.paper,
            "package": m.owner,
            "description": m.sentence or m.fault,
        }
        for m in described().values()
    ]
    return pd.DataFrame(rows)


def listed(what: str, results: Where = None, on_fault: OnFault = unheard) -> list[Row]:
    """The rows of one of the lists; raises BadInput for a list that does not exist.

    results: the records of the list of runs, in a folder or several; by default ``./runs`` and those that cpbench
    ships. ``on_fault`` is called for each of their files that is passed over.
    """
    if what not in LISTS:
        raise unknown("list", what, LISTS)
    return list(LISTS[what](results, on_fault))


def _methods(*_: object) -> Iterator[Row]:
    from ...methods.plugins import described

    every = described().values()
    others = any(m.owner != "cpbench" for m in every)
    for m in every:
        yield {
            "method": m.name,
            "what it does": m.sentence or m.fault,
            **({"package": m.owner} if others else {}),
            "paper": m.paper or "-",
        }


def scale_of(options: Mapping[str, Any]) -> str | None:
    """How much a LoRA counts, in the terms of other trainers, whose scales of the same rank differ; None: no LoRA."""
    lora, rate = options.get("lora", {}), options.get("learner", {}).get("rate")
    if not {"rank", "alpha"} <= set(lora) or rate is None:
        return None
    rank, alpha = lora["rank"], lora["alpha"]
    scale = alpha / rank
    return (
        f"LoRA: the change is (α/r) B A with α/r = {alpha:g}/{rank} = {scale:g}. Diffusers and peft users mostly have "
        f"α = r, so 1; kohya and OneTrainer have α = 1, so {1 / rank:.2g}. In units where α = r, the learning rate "
        f"of B is {rate * scale:g}."
    )


def _options(*_: object) -> Iterator[Row]:
    """Every option with its value, what it does and may be, where it is tuned, and the methods that use this value."""
    from ...methods.catalogue import CATALOGUE
    from ...methods.configure import options_of
    from ...methods.descriptions import OPTIONS
    from ...methods.plugins import described
    from ...methods.search_space import space
    from ..ranged import declared

    found: dict[tuple[str, str, str, str], list[str]] = {}
    for name in CATALOGUE:
        for section, options in options_of(name).items():
            limits = declared(type(options))
            for option, value in asdict(options).items():
                key = f"{section}.{option}"
                bounds = str(space(name).get(key, "-"))
                allowed = limits[option].allowed.wanted(limits[option].kind)
                found.setdefault((key, str(value), bounds, allowed), []).append(name)
    for (key, value, bounds, allowed), names in sorted(found.items()):
        yield _option(key, value, OPTIONS[key], allowed, " ".join(names), bounds)
    for m in described().values():
        for option, own in m.options.items():
            yield _option(f"{m.name}.{option}", own.default, own.description, own.allowed or "-", m.name)


def _option(key: str, value: object, description: str, allowed: str, methods: str, bounds: str = "-") -> Row:
    return {
        "option": key,
        "value": str(value) or '""',
        "what it does": description,
        "allowed": allowed,
        "tuned within": bounds,
        "methods": methods,
    }


def _suites(*_: object) -> Iterator[Row]:
    from ..suite.spec import load_suite, suite_names

    for suite in map(load_suite, suite_names()):
        yield {"suite": suite.name, "concepts": len(suite.concepts), "about": suite.title}


def _backbones(*_: object) -> Iterator[Row]:
    from ..models.published import PUBLISHED

    yield {"backbone": "toybox", "what it is": "the embedded model: runs on the CPU, needs no download"}
    yield {"backbone": "tiny", "what it is": "a network with random weights, for tests"}
    for name, model in PUBLISHED.items():
        what = f"{model.title}, {model.size} pixels, predicts {model.predicts}; {model.licence}; {model.repository}"
        yield {"backbone": name, "what it is": what}
    kinds = "Stable Diffusion 1.x or 2.x, SDXL or Stable Diffusion 3"
    yield {"backbone": "a folder or hub id", "what it is": f"{kinds} in diffusers' layout; a hub id may have @revision"}


def _presets(*_: object) -> Iterator[Row]:
    from ...methods.presets import presets

    for p in presets().values():
        values = " ".join(f"{key}={value:g}" for key, value in p.values.items())
        suite = f" (suite: {', '.join(f'{k} {v}' for k, v in p.suite.items())})" if p.suite else ""
        note = f" ({p.note})" if p.note else ""
        yield {
            "preset": p.name,
            "method": p.method,
            "values": f"{values}{suite}",
            "backbone": p.backbone,
            "grade": p.grade,
            "source": f"{p.source}{note}",
        }


def _profiles(*_: object) -> Iterator[Row]:
    from ..scoring.profiles import PROFILES

    for p in PROFILES.values():
        yield {"profile": p.name, "what it is": p.sentence, "extractors": ", ".join(p.extractors)}


def _metrics(*_: object) -> Iterator[Row]:
    from importlib.metadata import entry_points

    from ..scoring.metrics import GROUP, METRICS, load_metric

    for name in [*METRICS, *sorted({point.name for point in entry_points(group=GROUP)})]:
        try:
            m = load_metric(name)
        except CpbenchError as error:  # a broken package does not hide the others
            yield {"metric": name, "better": "-", "what it is": str(error)}
        else:
            yield {"metric": m.name, "better": "higher" if m.higher_is_better else "lower", "what it is": m.sentence}


def _runs(results: Where, on_fault: OnFault) -> Iterator[Row]:
    folders = folders_of(results)
    for path, result in folders.records(on_fault):
        r, whose = result.run, {}
        if folders.own and folders.shipped is not None:
            whose = {"whose": "shipped" if path.is_relative_to(folders.shipped) else "own"}
        yield {"run": r.id, "method": r.method, "suite": r.suite, "order": " ".join(r.order), "seed": r.seed} | whose


LISTS: dict[str, Callable[[Where, OnFault], Iterator[Row]]] = {
    "methods": _methods,
    "options": _options,
    "suites": _suites,
    "backbones": _backbones,
    "presets": _presets,
    "profiles": _profiles,
    "metrics": _metrics,
    "runs": _runs,
}
"""The lists by name."""
