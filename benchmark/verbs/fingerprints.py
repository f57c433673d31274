"""``cpbench.fingerprints``: whether short computations still give the stored numbers, on any machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...methods.catalogue import CATALOGUE
from ...methods.registry import Chosen, choose
from ..errors import BadInput, FailedRun
from ..fingerprints.method import write_method
from ..fingerprints.plans import write_plan, write_suites
from ..fingerprints.quantities import Book
from ..fingerprints.sampling import write_sampling
from ..fingerprints.scoring import write_metrics, write_scoring
from ..fingerprints.stored import Compared, compared, read_fingerprint, write_fingerprint
from ..fingerprints.summaries import write_summaries
from ..fingerprints.workers import Made, Write, made_by
from ..ranged import in_range
from ..records.history import digests_of, extended, read_history, shipped_fingerprints, write_history
from ..run.code import DECIDING, code_of_units
from ..run.events import OnEvent, Preparing, ignored
from ..run.jobs import AUTO, most
from ..scoring.profiles import load_profile
from ..sources import code_digest
from ..storage.baseline import packed
from ..wording import counted
from .analysed import write_analysis
from .arguments import Jobs, Names, joined
from .variants import write_variants

OTHERS: Mapping[str, Callable[[Book], None]] = {
    "sampling": write_sampling,
    "scoring": write_scoring,
    "metrics": write_metrics,
    "summaries": write_summaries,
    "analysis": write_analysis,
    "plan": write_plan,
    "suites": write_suites,
    "variants": write_variants,
}
"""What is fingerprinted besides the methods, by name."""
SHORT = {"dsc.iterations": 2, "dsc.batch": 2, "ziplora.iterations": 2, "ewc.passes": 1, "merge.captions": 8}
"""Options that only make a method take longer, with small values."""
_ROOT = Path(__file__).parents[2]
_PACKAGE = __name__.partition(".benchmark")[0]
_SOURCES = {
    "plan": (f"{_PACKAGE}.benchmark.plan.planner", f"{_PACKAGE}.benchmark.plan.grid"),
    "summaries": (f"{_PACKAGE}.benchmark.records.continual",),
    "analysis": (f"{_PACKAGE}.reports.analysis.summaries", f"{_PACKAGE}.reports.analysis.paired"),
    "variants": (f"{_PACKAGE}.methods.build", *DECIDING["train"], *DECIDING["draw"], *DECIDING["classify"]),
}


@dataclass(frozen=True)
class _Asked:
    """What to compare: the methods by name, with the folder of their fingerprints; none for those that ship."""

    methods: Mapping[str, Chosen]
    own: Path | None

    @property
    def names(self) -> list[str]:
        """The fingerprints to compute: those of the methods first, since they take longest."""
        return [*self.methods, *OTHERS]

    def folder(self, name: str) -> Path:
        """Where a fingerprint is stored: what is not in the caller's own folder may be among those that ship."""
        own = self.own is not None and (name in self.methods or (self.own / f"{name}.json").is_file())
        return self.own if own and self.own is not None else shipped_fingerprints()


def fingerprints(
    methods: Names = "all",
    *,
    folder: str | Path | None = None,
    jobs: Jobs = AUTO,
    update: str | None = None,
    on_event: OnEvent = ignored,
) -> list[Compared]:
    """Compute short runs in float64 and compare every number with the stored one, in the order of computation.

    They agree on all machines: a relative difference above 1e-4 means that the code computes something else. methods:
    names, ``all`` for the catalogue, or empty; models, metrics, summaries, suites and plans are always compared.
    folder: that of the fingerprints of other methods, by default those that cpbench ships. jobs: processes, as in
    :func:`sweep`. update: a reason; what was computed then replaces what is stored.

    Raises BadInput where no fingerprint is stored, and FailedRun if one cannot be computed. It does not raise for a
    difference: see :attr:`Compared.differences`.
    """
    (jobs,) = in_range(fingerprints, jobs=jobs)
    own = Path(folder) if folder is not None else None
    if update is not None and own is None and packed():
        raise BadInput("--update-fingerprints: those that cpbench ships stay as they are; name a folder of your own.")
    names = joined(methods)
    asked = _Asked({c.name: c for c in choose(names, {})} if names else {}, own)
    stored = {name: read_fingerprint(asked.folder(name), name) for name in asked.names}
    if update is None:
        _refuse_missing([name for name, found in stored.items() if found is None], asked)
    found = []
    for one in _computed(asked, jobs, on_event):
        if one.error is not None and update is not None:
            raise FailedRun(f"the fingerprint of {one.name} cannot be made: {one.error}")
        then = stored[one.name] or {}
        now = one.quantities | ({"error": one.error} if one.error is not None else {})
        found.append(compared(one.name, then, now))
        if update is not None and not (own is not None and one.name in OTHERS):
            _update(asked, one, found[-1], update)
    if update is not None and own is None and {*CATALOGUE} <= {*asked.methods}:
        _note_code("learning", None, changed=any(c.changed for c in found if c.name in CATALOGUE))
    return sorted(found, key=lambda c: asked.names.index(c.name))


def fingerprinted(methods: Names, folder: Path | None) -> list[str]:
    """Those of some methods that have a stored fingerprint: methods of other packages need not have one."""
    asked = _Asked({c.name: c for c in choose(joined(methods), {})}, folder)
    return [name for name in asked.methods if (asked.folder(name) / f"{name}.json").is_file()]


def _refuse_missing(names: list[str], asked: _Asked) -> None:
    if not names:
        return
    where = asked.folder(names[0])
    own = asked.own or "FOLDER"
    chosen = names[0] if names[0] in asked.methods else "all"
    raise BadInput(
        f"{where} holds no fingerprint of {', '.join(names)}; make one with 'cpbench check --fast --methods {chosen} "
        f'--fingerprints {own} --update-fingerprints "first"\', while the results are as they should be.'
    )


def _computed(asked: _Asked, jobs: int | str, on_event: OnEvent) -> list[Made]:
    items: list[tuple[str, Write]] = [(name, partial(write_method, c, _short(c))) for name, c in asked.methods.items()]
    items = sorted(items, key=lambda item: -len(asked.methods[item[0]].options)) + list(OTHERS.items())
    found = list[Made]()
    on_event(Preparing("fingerprints", 0, len(items)))
    for one in made_by(items, int(most("cpu", 1, ()).jobs if jobs == AUTO else jobs)):
        found.append(one)
        on_event(Preparing("fingerprints", len(found), len(items)))
    return found


def _short(choice: Chosen) -> Chosen:
    """The method with few updates of its own phases."""
    own = {key: str(value) for key, value in SHORT.items() if _option(choice, key) is not None}
    return choose(choice.name, own)[0] if own else choice


def _option(choice: Chosen, key: str) -> object:
    section, _, option = key.partition(".")
    values = choice.options.get(section)
    return values.get(option) if isinstance(values, Mapping) else None


def digest_today(name: str, method: Chosen | None = None) -> str:
    """The digest of the code that decides a fingerprint, for the history; ``method``: that of this name, if it is one.

    ``learning`` is what all methods have in common: how they are taught.
    """
    if name in _SOURCES:
        return code_digest(_SOURCES[name])
    code = {**code_of_units(load_profile("toybox")), "method": method.code if method is not None else ""}
    return digests_of(method.name if method is not None else "", code, None)[name]


def _update(asked: _Asked, one: Made, outcome: Compared, reason: str) -> None:
    """Store a fingerprint and its code; tell of changed numbers in the changelog of a checkout, not of added ones."""
    folder, fresh = asked.own or shipped_fingerprints(), outcome.first is not None
    existed = (folder / f"{one.name}.json").is_file()
    if fresh or not existed:
        write_fingerprint(folder, one.name, one.quantities)
    _note_code(one.name, asked.methods.get(one.name), changed=outcome.changed, folder=folder)
    changelog = _ROOT / "CHANGELOG.md"
    if outcome.changed and existed and asked.own is None and changelog.is_file() and outcome.first is not None:
        many = counted(len(outcome.differences), "quantity", "quantities")
        _note(changelog, reason, f"`{one.name}` ({many} from `{outcome.first.quantity}` on)")


def _note_code(name: str, method: Chosen | None, *, changed: bool, folder: Path | None = None) -> None:
    """Add today's code to the history: on the newest line, or on a line of its own where numbers have changed."""
    where = folder or shipped_fingerprints()
    history = read_history(where)
    write_history(where, history | {name: extended(history.get(name, []), digest_today(name, method), changed=changed)})


def _note(changelog: Path, reason: str, what: str) -> None:
    """Add a fingerprint to the newest list of results affected: to the first line, where that has the same reason."""
    text = changelog.read_text(encoding="utf-8")
    heading, begin = "### Results affected\n", f"- {reason}: fingerprints "
    before, found, after = text.partition(heading)
    if not found:
        before, found, after = text.partition("## [Unreleased]\n")
        found += f"\n{heading}"
    first, _, rest = after.partition("\n")
    lines = f"{first[:-1]}, {what}.\n{rest}" if first.startswith(begin) else f"{begin}{what}.\n{after}"
    changelog.write_text(f"{before}{found}{lines}", encoding="utf-8")
