"""``cpbench.tune``: as many trials per tuned option for every method, on concepts that are in no reported suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...methods.configure import ancestors
from ...methods.registry import choose
from ...methods.search_space import levels, space
from ..errors import BadInput, FailedRun
from ..plain_json import write_json
from ..plan.grid import orders_of
from ..ranged import in_range
from ..run.events import OnEvent, ignored, warning
from ..run.executors import Placement, opened
from ..run.jobs import AUTO
from ..run.session import Recipe, Session
from ..run.sweep import announce, do_units
from ..scoring.profiles import PROFILES, Profile, load_profile
from ..storage.store import home, writable
from ..suite.spec import Suite
from ..wording import counted
from .arguments import Jobs, Length, Names, PerOption, Seeds, Suites, Threads, joined, suites_of
from .trials import OBJECTIVE, Place, Search


def tune(
    methods: Names,
    suites: Suites = ("toybox-tune", "toybox-tune-similar"),
    *,
    trials: PerOption = 4,
    seeds: Seeds = 2,
    length: Length = 6,
    threads: Threads | None = None,
    jobs: Jobs = AUTO,
    out: str | Path = "tuned",
    on_event: OnEvent = ignored,
) -> dict[str, Mapping[str, Any]]:
    """Search the options of each method, write ``out``/<method>.json, and return what is in these files by method.

    Methods come in the order of inheritance: a method takes over what the rows it builds on have chosen, from ``out``
    if their files are there, else from the package. suites: names separated by commas, files, or a list of them.
    trials: settings per tuned option, beside the values that stand. seeds: runs of each suite per trial; run k has seed
    k and the k-th order. length: how many concepts a run learns. All trials have the first run of each suite; the
    better half has the others (:mod:`.selection`). jobs: as in :func:`sweep`.

    Finished units are taken from the store: the same call continues a stopped one. A method without options to tune
    has an empty answer. Raises BadInput, before anything is trained, for a suite on which identity cannot be
    measured, and FailedRun where all trials of a method fail; methods that inherit from it are then not tuned, and
    the others are, all the same.
    """
    trials, seeds, length = in_range(tune, trials=trials, seeds=seeds, length=length)
    threads, jobs = in_range(tune, threads=threads, jobs=jobs)
    chosen = choose(joined(methods), {}, warning(on_event))
    places = [_place(suite, seeds, length) for suite in suites_of(suites)]
    folder, names = writable(Path(out)), [c.name for c in chosen if space(c.name)]
    found: dict[str, Mapping[str, Any]] = {c.name: {} for c in chosen}
    if not names:
        return found
    with _opened(places, chosen, threads, Placement(jobs=jobs), on_event) as grounds:
        failed: set[str] = set()
        for level in levels(names):
            searches = [Search.of(name, trials, folder, places) for name in level if not _inherits(name, failed)]
            _run(searches, grounds, on_event)
            for search in searches:
                found[search.name] = search.content([g.session for g in grounds])
                write_json(folder / f"{search.name}.json", found[search.name])
            failed |= {search.name for search in searches if search.best is None}
    if failed:
        raise _failure(found, failed, [name for name in names if _inherits(name, failed)])
    return found


def _failure(found: Mapping[str, Mapping[str, Any]], failed: set[str], heirs: Sequence[str]) -> FailedRun:
    """The error for methods whose trials have all failed, and those that would inherit from them."""
    names = [name for name in found if name in failed]
    first = found[names[0]]["trials"][0]["error"]
    left = f"; {', '.join(heirs)} would inherit from it and {'was' if len(heirs) == 1 else 'were'} not tuned"
    return FailedRun(
        f"all trials of {', '.join(names)} failed, so none is the best{left if heirs else ''}; the first: {first}"
    )


def _inherits(name: str, lost: set[str]) -> bool:
    """Whether a row inherits, directly or not, from one of some rows."""
    return any(source in lost or _inherits(source, lost) for source in ancestors(name))


def _place(suite: Suite, seeds: int, length: int) -> Place:
    """A suite with the orders of its runs; raises BadInput where it lacks concepts, orders or the objective."""
    if not 1 <= length <= len(suite.concepts):
        raise BadInput(f"--length {length}: {suite.name} has {counted(len(suite.concepts), 'concept')}.")
    profile = load_profile(suite.evaluation.profile)
    try:
        orders = orders_of(suite, str(seeds))
    except BadInput:
        have = counted(len(suite.concepts), "concept")
        raise BadInput(
            f"--seeds {seeds}: each run has its own order, and {suite.name} has {have}; give fewer."
        ) from None
    for order in orders:
        if lacks := _lacking(suite, profile, order[:length]):
            what = f"suite {suite.name} with profile {profile.name} does not measure {OBJECTIVE}"
            raise BadInput(f"{what}, the objective of tuning: {lacks}.")
    return Place(suite, profile, tuple(order[:length] for order in orders))


def _lacking(suite: Suite, profile: Profile, order: Sequence[int]) -> str | None:
    """Why the objective cannot be measured on some concepts, and what to do; None where it can."""
    if OBJECTIVE not in profile.metrics:
        has = ", ".join(name for name, p in PROFILES.items() if OBJECTIVE in p.metrics)
        return f"set evaluation.profile to one that has it ({has})"
    if not suite.evaluation.distractors:
        return "it needs look-alikes; set evaluation.distractors to 1 or more"
    if all(suite.concepts[k].toybox is None for k in order):
        whose = "concept comes" if len(order) == 1 else f"{len(order)} concepts come"
        return f"it needs look-alikes, and the first {whose} from folders, which have none; use toybox concepts"
    return None


@dataclass
class _Ground:
    """A suite with its loaded models and where its units are computed."""

    session: Session
    placement: Placement


@contextmanager
def _opened(
    places: Sequence[Place], chosen: Sequence[Any], threads: int | None, placement: Placement, on_event: OnEvent
) -> Iterator[list[_Ground]]:
    """The sessions of all suites, until the block ends."""
    with ExitStack() as stack:
        grounds = []
        for place in places:
            recipe = Recipe(place.suite, home().resolve(), place.profile, place.suite.backbone, threads=threads)
            own = placement.bounded(recipe, chosen)
            grounds.append(_Ground(stack.enter_context(opened(recipe, own, on_event)), own))
        yield grounds


def _run(searches: Sequence[Search], grounds: Sequence[_Ground], on_event: OnEvent) -> None:
    """Both rungs of all methods of a level: their units are computed together, so that no process waits."""
    for rung in (0, 1):
        for s, ground in enumerate(grounds):
            _do(searches, rung, s, ground, on_event)


def _do(searches: Sequence[Search], rung: int, s: int, ground: _Ground, on_event: OnEvent) -> None:
    """The runs of a rung on suite ``s``, of all methods."""
    session = ground.session
    asked = [(search, *one) for search in searches for one in search.runs(rung, s)]
    plans = [session.planner(search.protocol).run(search.choice(t), order, k) for search, t, k, order in asked]
    if not plans:
        return
    placement = announce(session, plans, ground.placement, None, on_event)
    errors = do_units(session, session.missing(plans), placement, on_event).errors
    for (search, t, k, _), plan in zip(asked, plans, strict=True):
        search.note(t, k, s, session, plan, errors)
