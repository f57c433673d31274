"""``cpbench.score_adapters``: adapters of other programs as rows of a leaderboard."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ...methods.catalogue import CATALOGUE
from ...methods.foreign import Source, foreign_choice
from ...methods.registry import Chosen
from ...reports.results import Results
from ..errors import BadInput, FailedRun
from ..models.foreign import adapter_files, is_tokens
from ..plan.units import RunPlan
from ..ranged import in_range
from ..run.events import OnEvent, Warned, ignored
from ..run.executors import Placement, opened
from ..run.jobs import AUTO
from ..run.session import Recipe, Session
from ..run.sweep import announce, run_plans
from ..scoring.profiles import load_profile
from ..storage.store import home, writable_records
from ..storage.suites import keep_suite
from ..suite.spec import Concept, Suite
from ..wording import counted, shown
from .arguments import Jobs
from .results import results_of

TOGETHER = "together"
Phrases = Mapping[str, str]
"""The words that stand for a concept in prompts, by concept: ``{"my-cat": "sks cat"}``."""


def score_adapters(
    adapters: str | Path,
    suite: Suite,
    *,
    phrases: Phrases | None = None,
    backbone: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    jobs: Jobs = AUTO,
    out: str | Path = "runs",
    on_event: OnEvent = ignored,
) -> Results:
    """Score adapters that other programs trained on a suite, write one record each, and return these runs.

    adapters: a file of safetensors (diffusers, kohya), a folder of peft, or a folder of these. A file belongs to the
    concept whose name its own begins with; of a suite with a single concept, all files do. Each is a row, and where
    several concepts have one file each, ``together`` is another: after each task one more adapter is added to the sum,
    so that its forgetting is how much adapters disturb each other. phrases: the words that stand for a concept in
    prompts; by default its class noun, after its token if ``<concept>.safetensors`` in the folder ``tokens`` has one.

    Raises BadInput for a file that is for no concept, or not for this model.
    """
    (jobs,) = in_range(score_adapters, jobs=jobs)
    top = Path(adapters)
    found, words = _by_concept(adapter_files(top), suite), dict(phrases or {})
    if lost := [name for name in words if name not in {c.name for c in suite.concepts}]:
        raise BadInput(f"--phrase {shown(lost[0])}: {suite.name} has no such concept.")
    for concept in suite.concepts:
        if concept.name in found and concept.name not in words and _token(top, concept) is None:
            on_event(Warned(f"{concept.name}: prompts name it '{concept.noun}'; give its trigger words with --phrase."))
    rows = list(_rows(top, found, suite, words))
    profile = load_profile(suite.evaluation.profile)
    recipe = Recipe(suite, home().resolve(), profile, backbone or suite.backbone, device, dtype)
    folder = writable_records(Path(out), suite.name, [choice.name for choice, _ in rows])
    placement = Placement(jobs=jobs).bounded(recipe, [choice for choice, _ in rows])
    with opened(recipe, placement, on_event) as session:
        session.ask(partial(_check, rows), on_event)
        plans = _plans(session, rows)
        keep_suite(recipe.home, plans[0].run.suite_hash, suite)
        placement = announce(session, plans, placement, folder, on_event)
        paths = run_plans(session, plans, placement, folder, on_event)
    results = results_of(paths)
    if failed := results.errors:
        raise FailedRun(f"{len(failed)} of {counted(len(paths), 'run')} failed; the first: {failed[0]}")
    return results


Row = tuple[Chosen, tuple[int, ...]]
"""A method of adapters, and the concepts that they are of, in order."""


def _by_concept(files: Mapping[str, Path], suite: Suite) -> dict[str, dict[str, Path]]:
    """The adapters of each concept by name; raises BadInput for one that is of none."""
    names = sorted((c.name for c in suite.concepts), key=len, reverse=True)
    found: dict[str, dict[str, Path]] = {}
    for stem, path in files.items():
        plain = re.sub(r"[^a-z0-9]+", "-", stem.lower())
        whose = names if len(names) == 1 else [n for n in names if plain == n or plain.startswith(f"{n}-")]
        if not whose:
            raise BadInput(
                f"{shown(path, 300)}: of which concept? Let its name begin with one of {', '.join(names)}, e.g. "
                f"{names[-1]}-500{path.suffix}."
            )
        found.setdefault(whose[0], {})[stem] = path
    return found


def _rows(top: Path, found: Mapping[str, Mapping[str, Path]], suite: Suite, words: Phrases) -> list[Row]:
    places = {c.name: (k, c) for k, c in enumerate(suite.concepts)}
    rows: list[Row] = []
    for concept, files in found.items():
        k, spec = places[concept]
        for stem, path in files.items():
            rows.append((foreign_choice(_name(stem), {concept: _source(top, path, spec, words)}), (k,)))
    if len(found) > 1 and all(len(files) == 1 for files in found.values()):
        order = sorted(found, key=lambda name: places[name][0])
        sources = {n: _source(top, next(iter(found[n].values())), places[n][1], words) for n in order}
        rows.append((foreign_choice(_name(TOGETHER), sources), tuple(places[n][0] for n in order)))
    return rows


def _source(top: Path, path: Path, concept: Concept, words: Phrases) -> Source:
    return Source(path.resolve(), words.get(concept.name, concept.noun), _token(top, concept))


def _token(top: Path, concept: Concept) -> Path | None:
    folder = top if top.is_dir() else top.parent
    file = folder / "tokens" / f"{concept.name}.safetensors"
    return file.resolve() if file.is_file() and is_tokens(file) else None


def _name(stem: str) -> str:
    """The name of a row: that of the file, apart from those of methods."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")[:60] or "adapter"
    return f"{name}-file" if name in CATALOGUE else name


def _plans(session: Session, rows: Sequence[Row]) -> list[RunPlan]:
    planner = session.planner("final")
    return [planner.run(choice, order, 0) for choice, order in rows]


def _check(rows: Sequence[Row], session: Session, _: OnEvent) -> None:
    """Raise BadInput for an adapter that does not fit the model, before anything is drawn."""
    from ..models.foreign import add_adapter

    model = session.runner.backbone  # type: ignore[attr-defined]
    for choice, _order in rows:
        for source in choice.make.args[0].values():  # type: ignore[union-attr]
            add_adapter(model.shared(), source.adapter, "tried")
